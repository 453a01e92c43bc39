/*
 * intake.h - what becomes of one message of the feed: parsed, checked, then applied or refused.
 *
 *   intake_read()     bytes -> a checked change set; or what is wrong with it
 *   intake_apply()    marks, and installs what may be installed
 *   intake_refuse()   P9: what cannot be applied invalidates the zone it names and the zone of its
 *                     key, which should be the same; when neither can be told, everything
 *
 * A set says itself which zone it is of. The key decides about its partition and so about order,
 * which is looked at there (order.h): a key without the final dot, in upper case, of a zone around
 * or none at all is not refused. Only when the message cannot be read is its key all that there is.
 * It is taken for a zone's name as far as it is one of ours or below; one that names nothing of
 * ours is somebody else's if it ends in the dot that a zone's name has, and may be anything if it
 * does not.
 *
 * No Kafka and no clock: a message is its key and its value, and the times are arguments.
 *
 * Threads: the caller's; the applier takes turns.
 */
#ifndef FRESHET_INVALIDATION_INTAKE_H
#define FRESHET_INVALIDATION_INTAKE_H

#include "invalidation/apply.h"

struct intake_message {
    const char *key; /* NULL: it has none */
    size_t key_size;
    const char *value; /* NULL: it has none */
    size_t value_size;
};

/* What refusing a message did. */
struct intake_refusal {
    bool ours;     /* at least one of the zones is: something was invalidated */
    bool has_zone; /* it was one zone, or two of which this is the one the set names */
    uint8_t zone[NAME_MAX_SIZE];
    size_t marked; /* scopes marked */
};

/* A change set to be freed with changeset_free(). Returns 0, or what changeset_parse() refuses. */
MUST_CHECK int intake_read(const struct intake_message *message, struct change_set **ret_set,
                           struct changeset_error *ret_error);

/*
 * As apply_change_set(). `live`: the feed misses nothing. What is read late, after a loss or a
 * pause, may be older than what was fetched meanwhile, so its data must not take the other's place
 * (P8): it evicts, and installs nothing.
 */
MUST_CHECK int intake_apply(struct applier *applier, struct change_set *set, bool live,
                            struct apply_at at, struct apply_result *ret_result);

/* For a message that intake_read() or intake_apply() refused with `error`. */
struct intake_refusal intake_refuse(struct applier *applier, const struct intake_message *message,
                                    const struct changeset_error *error, struct apply_at at);

#endif
