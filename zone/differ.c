#include "zone/differ.h"

#include <stdlib.h>
#include <string.h>

#include "dns/type.h"

struct walk {
    const struct zone_state *before, *after;
    int (*each)(void *arg, const struct change *change);
    void *arg;
    int result;
    struct rdata_view *views; /* room for an RRset */
    size_t room;
    uint8_t
        flushed[NAME_MAX_SIZE]; /* the last subtree that was; the walks are in canonical order */
    bool has_flushed;
    uint8_t gone[NAME_MAX_SIZE]; /* the last name that was deleted whole */
    bool has_gone;
};

/* ---- RRsets ---- */

static bool is_same(const struct zone_rrset *one, const struct zone_rrset *other)
{
    if (one->place == other->place)
        return true;
    if (one->ttl != other->ttl || one->count != other->count)
        return false;
    for (size_t k = 0; k < one->count; k++) {
        const struct rdata_view left = zone_rdata(one, k), right = zone_rdata(other, k);
        if (left.size != right.size || memcmp(left.bytes, right.bytes, left.size) != 0)
            return false;
    }
    return true;
}

static bool make_room(struct walk *walk, size_t count)
{
    if (count <= walk->room)
        return true;
    struct rdata_view *views = reallocarray(walk->views, count, sizeof *views);
    if (!views)
        return false;
    walk->views = views;
    walk->room = count;
    return true;
}

static int set(struct walk *walk, const struct zone_rrset *rrset)
{
    if (!make_room(walk, rrset->count))
        return ERR_MEMORY;
    for (size_t k = 0; k < rrset->count; k++)
        walk->views[k] = zone_rdata(rrset, k);
    const struct change change = {.op = CHANGE_SET,
                                  .type = rrset->type,
                                  .ttl = rrset->ttl,
                                  .name = rrset->owner,
                                  .rdata = walk->views,
                                  .rdata_count = rrset->count};
    return walk->each(walk->arg, &change);
}

/* ---- names between a wildcard and what it covered ---- */

struct first {
    const uint8_t *owner;
    bool has;   /* something at the name itself, */
    bool below; /* or at or below it */
};

static bool see_first(void *arg, const struct zone_rrset *rrset)
{
    struct first *first = arg;
    first->has = name_equal(rrset->owner, first->owner);
    first->below = name_is_within(rrset->owner, first->owner);
    return false;
}

static struct first look(const struct zone_state *state, const uint8_t *owner)
{
    struct first first = {.owner = owner};
    (void)zone_each_after(state, owner, 0, see_first, &first);
    return first;
}

static bool has_wildcard(const struct zone_state *state, const uint8_t *encloser)
{
    uint8_t name[NAME_MAX_SIZE + 2] = {1, '*'};
    const size_t size = name_size(encloser);
    if (size + 2 > NAME_MAX_SIZE)
        return false;
    memcpy(name + 2, encloser, size);
    return look(state, name).has;
}

static int flush(struct walk *walk, const uint8_t *name)
{
    if (walk->has_flushed && name_is_within(name, walk->flushed))
        return 0;
    memcpy(walk->flushed, name, name_size(name));
    walk->has_flushed = true;
    const struct change change = {.op = CHANGE_FLUSH, .subtree = true, .name = name};
    return walk->each(walk->arg, &change);
}

/*
 * A name is there in one state and neither it nor anything below it in the other, `without`: there a wildcard may have
 * answered for it and all below it, from the closest encloser (RFC 4592 3.3.1).
 */
static int flush_covered(struct walk *walk, const uint8_t *name, const struct zone_state *without)
{
    const uint8_t *next = name, *up = name_parent(name);
    if (look(without, name).below)
        return 0;
    while (up && up[0] && !look(without, up).below) {
        next = up;
        up = name_parent(up);
    }
    if (!up || (!has_wildcard(walk->before, up) && !has_wildcard(walk->after, up)))
        return 0;
    return flush(walk, next);
}

/* ---- walks ---- */

static bool see_gone(void *arg, const struct zone_rrset *rrset)
{
    struct walk *walk = arg;
    struct zone_rrset now;
    if (walk->has_gone && name_equal(walk->gone, rrset->owner))
        return true;
    if (zone_find(walk->after, rrset->owner, rrset->type, &now))
        return true;
    struct change change = {.op = CHANGE_DEL, .type = rrset->type, .name = rrset->owner};
    if (!look(walk->after, rrset->owner).has) {
        change.type = 0;
        memcpy(walk->gone, rrset->owner, name_size(rrset->owner));
        walk->has_gone = true;
        walk->result = flush_covered(walk, rrset->owner, walk->after);
    }
    if (walk->result == 0)
        walk->result = walk->each(walk->arg, &change);
    return walk->result == 0;
}

static bool see_set(void *arg, const struct zone_rrset *rrset)
{
    struct walk *walk = arg;
    struct zone_rrset old;
    if (rrset->type == TYPE_SOA ||
        (zone_find(walk->before, rrset->owner, rrset->type, &old) && is_same(rrset, &old)))
        return true;
    walk->result = flush_covered(walk, rrset->owner, walk->before);
    if (walk->result == 0)
        walk->result = set(walk, rrset);
    return walk->result == 0;
}

static bool see_soa(void *arg, const struct zone_rrset *rrset)
{
    struct walk *walk = arg;
    struct zone_rrset old;
    if (rrset->type == TYPE_SOA &&
        !(zone_find(walk->before, rrset->owner, TYPE_SOA, &old) && is_same(rrset, &old)))
        walk->result = set(walk, rrset);
    return false; /* it comes first, or there is none */
}

int zone_differ(const struct zone_state *before, const struct zone_state *after,
                int (*each)(void *arg, const struct change *change), void *arg)
{
    struct walk walk = {.before = before, .after = after, .each = each, .arg = arg};
    (void)zone_each(before, see_gone, &walk);
    walk.has_flushed = false;
    if (walk.result == 0)
        (void)zone_each(after, see_set, &walk);
    if (walk.result == 0)
        (void)zone_each(after, see_soa, &walk);
    free(walk.views);
    return walk.result;
}
