/*
 * intake.h - what becomes of one message of the feed: parsed, checked, then applied or refused.
 *
 *   intake_read()     bytes -> a checked change set, under the key it belongs to; or what is wrong with it
 *   intake_apply()    marks, and installs what may be installed
 *   intake_refuse()   P9: what cannot be applied invalidates the zone it names and the zone of its key, which
 *                     should be the same; when it names none, everything
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

/*
 * A change set to be freed with changeset_free(). Returns 0; what changeset_parse() refuses; or ERR_ZONE when the
 * key is not the zone: under another zone's key a set may overtake its fellows in another partition.
 */
MUST_CHECK int intake_read(const struct intake_message *message, struct change_set **ret_set,
                           struct changeset_error *ret_error);

/*
 * As apply_change_set(). `live`: the feed misses nothing. What is read late, after a loss or a pause, may be older
 * than what was fetched meanwhile, so its data must not take the other's place (P8): it evicts, and installs
 * nothing.
 */
MUST_CHECK int intake_apply(struct applier *applier, struct change_set *set, bool live,
                            struct apply_at at, struct apply_result *ret_result);

/* For a message that intake_read() or intake_apply() refused with `error`. */
struct intake_refusal intake_refuse(struct applier *applier, const struct intake_message *message,
                                    const struct changeset_error *error, struct apply_at at);

#endif
