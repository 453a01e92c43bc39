#include "invalidation/intake.h"

#include <stdio.h>
#include <string.h>

int intake_read(const struct intake_message *message, struct change_set **ret_set,
                struct changeset_error *ret_error)
{
    const char *value = message->value ? message->value : "";
    return changeset_parse(value, message->value ? message->value_size : 0, ret_set, ret_error);
}

/* An ADD evicts what a SET evicts, and installs nothing. */
static void only_evict(struct change_set *set)
{
    for (size_t k = 0; k < set->change_count; k++)
        if (set->changes[k].op == CHANGE_SET)
            set->changes[k].op = CHANGE_ADD;
}

int intake_apply(struct applier *applier, struct change_set *set, bool live, struct apply_at at,
                 struct apply_result *ret_result)
{
    if (!live)
        only_evict(set);
    return apply_change_set(applier, set, at, ret_result);
}

/* One zone, or everything with NULL. False: it is none of ours. */
static bool invalidate(struct applier *applier, const uint8_t *zone, struct apply_at at,
                       struct intake_refusal *refusal)
{
    struct apply_result result = {.marked = 0};
    if (apply_invalidate(applier, zone, at, &result) < 0)
        return false;
    refusal->ours = true;
    refusal->marked += result.marked;
    if (zone) {
        refusal->has_zone = true;
        memcpy(refusal->zone, zone, name_size(zone));
    }
    return true;
}

/* The name that a message's key is (canonical). False: it has none, or one that is no name. */
static bool key_name(const struct intake_message *message, uint8_t name[NAME_MAX_SIZE])
{
    if (!message->key || message->key_size == 0)
        return false;
    int size = name_from_text_n(message->key, message->key_size, name);
    if (size > 0)
        name_lower(name, (size_t)size, name);
    return size > 0;
}

static bool ends_in_dot(const struct intake_message *message)
{
    return message->key && name_text_is_whole(message->key, message->key_size);
}

struct intake_refusal intake_refuse(struct applier *applier, const struct intake_message *message,
                                    const struct changeset_error *error, struct apply_at at)
{
    struct intake_refusal refusal = {.ours = false};
    uint8_t key[NAME_MAX_SIZE];
    const bool is_name = key_name(message, key);
    const uint8_t *zone = is_name ? applier_zone_of(applier, key) : NULL;
    if (zone)
        invalidate(applier, zone, at, &refusal);
    if (error->has_zone && !(zone && name_equal(zone, error->zone)))
        invalidate(applier, error->zone, at, &refusal);
    if (!error->has_zone && !zone && !(is_name && ends_in_dot(message)))
        invalidate(applier, NULL, at, &refusal);
    return refusal;
}
