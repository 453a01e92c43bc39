/*
 * words.h - the operands of set, add, del and flush: RRsets as zone files have them, "+" between one and the next.
 *
 *   www.example.com. 3600 IN A 192.0.2.1 192.0.2.2     TTL and class before TYPE, as zone files and dig print them,
 *   www.example.com. A 3600 192.0.2.1                  or the TTL behind it
 */
#ifndef FRESHET_CLI_WORDS_H
#define FRESHET_CLI_WORDS_H

#include "cli/draft.h"

/* All operands into the draft; false after a complaint. */
bool words_draft(const struct options *options, enum change_op op, struct draft *draft);

/*
 * Takes TTL, class IN and TYPE, in the order of a zone file (RFC 1035 5.1), from the `count` words behind a name. Returns
 * how many words these were; what is not there stays NULL.
 */
size_t words_head(char *const *words, size_t count, const char **ret_ttl, const char **ret_type);

#endif
