/*
 * rotation.h - the records of the RRset asked for change places from reply to reply, so that clients which take the
 * first spread over all (RFC 1794).
 *
 *     CNAME | A 1 | A 2 | A 3 | RRSIG   -->   CNAME | A 3 | A 1 | A 2 | RRSIG
 *
 * Whole records move, in the copy for the reply. So no name elsewhere may be compressed to one inside them: whoever
 * builds the body sees to that, and says so by FLAG_ROTATES among the answer's flags.
 */
#ifndef FRESHET_CACHE_ROTATION_H
#define FRESHET_CACHE_ROTATION_H

#include "cache/entry.h"

/*
 * Moves the first records of the set in `body`, the entry's as it is given out, behind the others; how many, `turn`
 * tells: any number.
 */
void rotate_body(const struct entry *entry, uint8_t *body, uint64_t turn);

#endif
