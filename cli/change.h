/*
 * change.h - what set, add, del and flush share: words to one change, one change to one message.
 *
 * All words are checked before anything connects, each named when it is wrong. The finished set is
 * written as JSON and read back through the parser that every feed uses: what would be refused
 * there is never sent.
 */
#ifndef FRESHET_CLI_CHANGE_H
#define FRESHET_CLI_CHANGE_H

#include "cli/options.h"
#include "invalidation/changeset.h"
#include "invalidation/publish.h"

struct change_words {
    enum change_op op;
    const char *name;
    const char *type;   /* NULL: all types */
    const char *ttl;    /* NULL for none */
    char *const *rdata; /* presentation form, one record each */
    size_t rdata_count;
};

/* Publishes the change and prints where it went. Returns an exit_code. */
int change_publish(const struct options *options, const struct change_words *words);

/* As change_publish(), and prints nothing; `ret_receipt` is filled with EXIT_DONE. */
int change_send(const struct options *options, const struct change_words *words,
                struct publish_receipt *ret_receipt);

/*
 * The zone to publish a change of `name` (canonical) in: --zone, or the longest of the
 * configuration's feed that `name` lies in. False after a complaint.
 */
bool change_zone(const struct options *options, const uint8_t *name,
                 uint8_t ret_zone[NAME_MAX_SIZE]);

#endif
