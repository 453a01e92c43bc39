/* differ.c - see differ.h. */
#include "zone/differ.h"

#include <stdlib.h>

#include "zone/pairs.h"
#include "zone/state.h"

/*
 * Twice over the names that differ: first what goes, and what holds for all below a name, then the new data. A cache
 * installs only what comes behind the last change to a subtree (invalidation/apply.h).
 */
enum pass { PASS_GOING, PASS_COMING };

struct differing {
    const struct zone_state *before, *after;
    enum pass pass;
    int (*each)(void *arg, const struct change *change);
    void *arg;
    struct rdata_view *rdata; /* of one RRset */
    size_t capacity;
    const uint8_t *flushed; /* the last name that was, with all below it */
};

/* -- changes ----------------------------------------------------------------------------------- */

static int give_delete(struct differing *differing, const uint8_t *name, uint16_t type)
{
    const struct change change = {.op = CHANGE_DEL, .type = type, .name = name};
    return differing->each(differing->arg, &change);
}

static int give_set(struct differing *differing, const struct zone_rrset *rrset)
{
    if (rrset->count > differing->capacity) {
        struct rdata_view *rdata =
            realloc(differing->rdata, rrset->count * sizeof *differing->rdata);
        if (!rdata)
            return ERR_MEMORY;
        differing->rdata = rdata;
        differing->capacity = rrset->count;
    }
    for (size_t k = 0; k < rrset->count; k++)
        differing->rdata[k] = zone_rdata(rrset, k);
    const struct change change = {.op = CHANGE_SET,
                                  .type = rrset->type,
                                  .ttl = rrset->ttl,
                                  .name = rrset->owner,
                                  .rdata = differing->rdata,
                                  .rdata_count = rrset->count};
    return differing->each(differing->arg, &change);
}

/* Not again what lies below the last one: names come in order. */
static int give_flush(struct differing *differing, const uint8_t *name)
{
    if (differing->flushed && name_is_within(name, differing->flushed))
        return ERR_OK;
    differing->flushed = name;
    const struct change change = {.op = CHANGE_FLUSH, .subtree = true, .name = name};
    return differing->each(differing->arg, &change);
}

/* -- what a wildcard answers otherwise now ----------------------------------------------------- */

/* How many labels of a name exist in a state, from the root's side. */
static size_t existing_labels(const struct zone_state *state, const uint8_t *name)
{
    struct tree_trace trace;
    struct key key;
    key_make(name, name_size(name), state->apex_size, &key);
    tree_trace(state->names, &key, &trace);
    return name_labels(state->apex) + (state->names ? key_labels(&key, trace.parted) : 0);
}

static const uint8_t *suffix(const uint8_t *name, size_t labels)
{
    for (size_t more = name_labels(name); more > labels; more--)
        name = name_parent(name);
    return name;
}

/* Whether *.NAME exists, with data or without. */
static bool has_wildcard(const struct zone_state *state, const uint8_t *name)
{
    uint8_t wildcard[NAME_MAX_SIZE] = {1, '*'};
    const size_t size = name_size(name);
    if (size + 2 > NAME_MAX_SIZE)
        return false;
    memcpy(wildcard + 2, name, size);
    return existing_labels(state, wildcard) == name_labels(wildcard);
}

/*
 * A name stands in one state and not in `without`, and so may names above it that are there only for its sake. What
 * `without` answers from the wildcard at its closest encloser there (RFC 4592 3.3.1), the other denies, or answers from another one. And if
 * one of those in between is a wildcard, without data of its own, it answers all beside it otherwise, too.
 */
static int flush_between(struct differing *differing, const struct zone_state *without,
                         const uint8_t *name)
{
    const size_t labels = name_labels(name), existing = existing_labels(without, name);
    if (existing >= labels)
        return ERR_OK; /* there without data, as something is below it */
    for (size_t more = existing + 1; more < labels; more++)
        if (name_is_wildcard(suffix(name, more)))
            return give_flush(differing, suffix(name, more - 1));
    return has_wildcard(without, suffix(name, existing))
               ? give_flush(differing, suffix(name, existing + 1))
               : ERR_OK;
}

/* -- one name ---------------------------------------------------------------------------------- */

static bool is_same(const struct zone_rrset *a, const struct zone_rrset *b)
{
    /* the TTL of signatures is that of what they cover */
    if (a->count != b->count || (a->ttl != b->ttl && a->type != TYPE_RRSIG))
        return false;
    for (size_t k = 0; k < a->count; k++) {
        const struct rdata_view one = zone_rdata(a, k), other = zone_rdata(b, k);
        if (one.size != other.size || memcmp(one.bytes, other.bytes, one.size) != 0)
            return false;
    }
    return true;
}

/* Types whose changes hold for all below a name (invalidation/apply.h). */
static bool is_of_subtree(uint16_t type)
{
    return type == TYPE_NS || type == TYPE_DNAME || type == TYPE_DS || type == TYPE_DNSKEY;
}

/* What is new or other in `after`, the SOA left for the end. */
static int give_coming(struct differing *differing, const struct node *before,
                       const struct node *after)
{
    struct zone_rrset rrset, old;
    int result = ERR_OK;
    for (bool more = node_first(after, &rrset); more && result == ERR_OK;
         more = node_next(after, &rrset)) {
        const bool is_first_pass = is_of_subtree(rrset.type);
        if (rrset.type == TYPE_SOA || is_first_pass != (differing->pass == PASS_GOING) ||
            (before && node_find(before, rrset.type, &old) && is_same(&old, &rrset)))
            continue;
        result = give_set(differing, &rrset);
    }
    return result;
}

static int give_going(struct differing *differing, const struct node *before,
                      const struct node *after)
{
    struct zone_rrset rrset;
    int result = ERR_OK;
    if (!after)
        return give_delete(differing, node_name(before), 0);
    for (bool more = node_first(before, &rrset); more && result == ERR_OK;
         more = node_next(before, &rrset))
        if (!node_has(after, rrset.type))
            result = give_delete(differing, node_name(before), rrset.type);
    return result;
}

static bool is_name(const struct node *node)
{
    return node && !node_is_only_hash(node);
}

static int give_flushes(struct differing *differing, const struct node *before,
                        const struct node *after)
{
    if (is_name(before) && !is_name(after))
        return flush_between(differing, differing->after, node_name(before));
    if (is_name(after) && !is_name(before))
        return flush_between(differing, differing->before, node_name(after));
    return ERR_OK;
}

static int give_name(struct differing *differing, const struct node *before,
                     const struct node *after)
{
    int result = ERR_OK;
    if (differing->pass == PASS_GOING) {
        if (before)
            result = give_going(differing, before, after);
        if (result == ERR_OK)
            result = give_flushes(differing, before, after);
    }
    return result == ERR_OK && after ? give_coming(differing, before, after) : result;
}

static int on_name(void *arg, const struct node *before, const struct node *after)
{
    struct differing *differing = arg;
    /* what one state has among its names, the other may have for its NSEC3 alone */
    if (!before)
        before = state_node(differing->before, node_name(after));
    if (!after)
        after = state_node(differing->after, node_name(before));
    return give_name(differing, before, after);
}

/* Names that are in neither tree of names: others have been told of. */
static int on_hash(void *arg, const struct node *before, const struct node *after)
{
    struct differing *differing = arg;
    before = state_node(differing->before, node_name(before ? before : after));
    after = state_node(differing->after, node_name(before ? before : after));
    if (is_name(before) || is_name(after))
        return ERR_OK;
    return give_name(differing, before, after);
}

static int walk(struct differing *differing, enum pass pass)
{
    const struct zone_state *before = differing->before, *after = differing->after;
    differing->pass = pass;
    differing->flushed = NULL;
    const int result =
        pairs_walk(before->names, after->names, after->apex_size, on_name, differing);
    return result == ERR_OK
               ? pairs_walk(before->hashes, after->hashes, after->apex_size, on_hash, differing)
               : result;
}

static int give_soa(struct differing *differing)
{
    struct zone_rrset soa, old;
    if (!state_apex_find(differing->after, TYPE_SOA, &soa) ||
        (state_apex_find(differing->before, TYPE_SOA, &old) && is_same(&old, &soa)))
        return ERR_OK;
    return give_set(differing, &soa);
}

int zone_differ(const struct zone_state *before, const struct zone_state *after,
                int (*each)(void *arg, const struct change *change), void *arg)
{
    struct differing differing = {.before = before, .after = after, .each = each, .arg = arg};
    int result = walk(&differing, PASS_GOING);
    if (result == ERR_OK)
        result = walk(&differing, PASS_COMING);
    if (result == ERR_OK)
        result = give_soa(&differing);
    free(differing.rdata);
    return result;
}
