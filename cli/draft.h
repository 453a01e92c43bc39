/*
 * draft.h - a change set in the making: what people write becomes changes, one after the other.
 *
 * All words are checked before anything connects, each named when it is wrong. The finished set is written as JSON and
 * read back through the parser that every feed uses: what would be refused there is never sent.
 */
#ifndef FRESHET_CLI_DRAFT_H
#define FRESHET_CLI_DRAFT_H

#include "cli/options.h"
#include "invalidation/changeset.h"

struct change_words {
    enum change_op op;
    const char *name;
    const char *type;   /* NULL: all types */
    const char *ttl;    /* NULL for none */
    char *const *rdata; /* presentation form, one record each */
    size_t rdata_count;
    bool relative; /* a name in RDATA without a final dot is a whole one, as nsupdate has it */
};

/* Start with all zeros, end with draft_free(). */
struct draft {
    struct change_set set;
    uint8_t *scratch;
};

/* False after a complaint; the draft is as before then. */
bool draft_add(const struct options *options, struct draft *draft,
               const struct change_words *words);

/*
 * The change set of at least one change, in `zone` (canonical; NULL: as change_zone() has it for the first change), to be
 * freed with changeset_free(); NULL after a complaint. The draft stays as it is.
 */
struct change_set *draft_finish(const struct options *options, struct draft *draft,
                                const uint8_t *zone);

/* It has no changes any more. */
void draft_free(struct draft *draft);

/* A change set from the JSON of one; NULL after a complaint. */
struct change_set *draft_read_back(const struct options *options, const char *json, size_t size);

/*
 * The zone to publish a change of `name` (canonical) in: --zone, or the longest of the configuration's feed that `name`
 * lies in. False after a complaint.
 */
bool change_zone(const struct options *options, const uint8_t *name,
                 uint8_t ret_zone[NAME_MAX_SIZE]);

/* The longest zone of a configuration, freshetd's or freshet-origin's, that `name` (canonical) lies in; false: none. */
bool draft_longest_zone(const struct config *config, const uint8_t *name,
                        uint8_t ret_zone[NAME_MAX_SIZE]);

/* --publisher, or "freshet"; NULL after a complaint. */
const char *draft_publisher(const struct options *options);

/* Now, in microseconds since 1970. */
int64_t draft_now_us(void);

#endif
