#include "invalidation/intake.h"

#include <stdio.h>
#include <string.h>

/* The zone a message's key names (canonical); false when it names none. */
static bool key_zone(const struct intake_message *message, uint8_t zone[NAME_MAX_SIZE])
{
    if (!message->key || message->key_size == 0)
        return false;
    int size = name_from_text_n(message->key, message->key_size, zone);
    if (size > 0)
        name_lower(zone, (size_t)size, zone);
    return size > 0;
}

static int check_key(const struct intake_message *message, const struct change_set *set,
                     struct changeset_error *error)
{
    uint8_t key[NAME_MAX_SIZE];
    if (!message->key || (key_zone(message, key) && name_equal(key, set->zone)))
        return 0;
    error->code = ERR_ZONE;
    snprintf(error->where, sizeof error->where, "the key is not the zone");
    return ERR_ZONE;
}

int intake_read(const struct intake_message *message, struct change_set **ret_set,
                struct changeset_error *ret_error)
{
    struct change_set *set = NULL;
    int code = changeset_parse(message->value ? message->value : "",
                               message->value ? message->value_size : 0, &set, ret_error);
    if (code == 0)
        code = check_key(message, set, ret_error);
    if (code == 0)
        *ret_set = set;
    else
        changeset_free(set);
    return code;
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

struct intake_refusal intake_refuse(struct applier *applier, const struct intake_message *message,
                                    const struct changeset_error *error, struct apply_at at)
{
    struct intake_refusal refusal = {.ours = false};
    uint8_t key[NAME_MAX_SIZE];
    const bool has_key = key_zone(message, key);
    if (has_key)
        invalidate(applier, key, at, &refusal);
    if (error->has_zone && !(has_key && name_equal(key, error->zone)))
        invalidate(applier, error->zone, at, &refusal);
    if (!has_key && !error->has_zone)
        invalidate(applier, NULL, at, &refusal);
    return refusal;
}
