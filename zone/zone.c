/* zone.c - see zone.h: the zone, its edits, and who reads. What can be found in a state is state.c. */
#include "zone/zone.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "zone/state.h"

struct zone {
    _Atomic(struct zone_state *) state;
    uint32_t generation;   /* of the last edit; the writer's */
    struct retired *ruins; /* where it will be put itself, with all that is left */
    uint8_t apex[NAME_MAX_SIZE];
};

enum { GENERATION_OLD = 1 };

/* The next state in the making; what it does not share with the current one has its generation. */
struct zone_edit {
    struct zone *zone;
    struct zone_state *next;
    struct tree_edit tree;
    bool empty;
};

/* -- the zone ---------------------------------------------------------------------------------- */

static struct zone_state *state_new(const uint8_t *apex)
{
    struct zone_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->apex = apex;
    state->apex_size = (uint8_t)name_size(apex);
    atomic_init(&state->holders, 1);
    return state;
}

int zone_new(const uint8_t *apex, struct zone **ret_zone)
{
    struct zone *zone = calloc(1, sizeof *zone);
    struct zone_state *state = zone ? state_new(zone->apex) : NULL;
    if (!state || retired_new(&zone->ruins) != ERR_OK) {
        free(state);
        free(zone);
        return ERR_MEMORY;
    }
    memcpy(zone->apex, apex, name_size(apex));
    state->apex_size = (uint8_t)name_size(apex);
    zone->generation = GENERATION_OLD;
    atomic_init(&zone->state, state);
    *ret_zone = zone;
    return ERR_OK;
}

/* A node that is in both trees is the names'. */
static bool is_of_names(const struct node *node)
{
    (void)node;
    return true;
}

static void free_trees(uintptr_t names, uintptr_t hashes)
{
    tree_free(hashes, 0, node_is_only_hash);
    tree_free(names, 0, is_of_names);
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    struct zone_state *state = atomic_load(&zone->state);
    state->retired = zone->ruins;
    retired_add(zone->ruins, zone);
    retired_add(zone->ruins, state);
    retired_at_end(zone->ruins, free_trees, state->names, state->hashes);
    zone_state_release(state);
}

const uint8_t *zone_apex(const struct zone *zone)
{
    return zone->apex;
}

const struct zone_state *zone_state(const struct zone *zone)
{
    return atomic_load_explicit(&zone->state, memory_order_acquire);
}

/* -- how long a state lives -------------------------------------------------------------------- */

/*
 * What a commit drops belongs to the state before it, and to those before that. So a state is held by being the current
 * one, by its holders, and by the one before it as long as that is held; when nobody holds it, what the commit behind it
 * dropped is retired.
 */
void zone_state_release(const struct zone_state *held)
{
    struct zone_state *state = (struct zone_state *)held;
    while (state && atomic_fetch_sub(&state->holders, 1) == 1) {
        struct zone_state *later = state->later;
        retired_give(state->retired);
        state = later;
    }
}

/* False: it has had its last holder. */
static bool hold(struct zone_state *state)
{
    size_t holders = atomic_load(&state->holders);
    while (holders > 0)
        if (atomic_compare_exchange_weak(&state->holders, &holders, holders + 1))
            return true;
    return false;
}

const struct zone_state *zone_state_hold(const struct zone *zone)
{
    struct zone_state *state;
    const bool registers = retired_reader_register();
    retired_read_begin();
    do
        state = atomic_load(&zone->state);
    while (!hold(state));
    retired_read_end();
    if (registers)
        retired_reader_unregister();
    return state;
}

/* `next` takes the place of `old`, whose list is `retired`. */
static void succeed(struct zone *zone, struct zone_state *old, struct zone_state *next,
                    struct retired *retired)
{
    atomic_store(&next->holders, 2); /* it is current, and behind `old` */
    old->later = next;
    old->retired = retired;
    retired_add(retired, old);
    atomic_store_explicit(&zone->state, next, memory_order_release);
    zone_state_release(old);
}

/* -- an edit ----------------------------------------------------------------------------------- */

/* After four thousand million edits their numbers begin again. */
static uint32_t next_generation(struct zone *zone, const struct zone_state *state)
{
    if (zone->generation == UINT32_MAX) {
        tree_age(state->names);
        tree_age(state->hashes);
        zone->generation = GENERATION_OLD;
    }
    return ++zone->generation;
}

int zone_edit_begin(struct zone *zone, bool empty, struct zone_edit **ret_edit)
{
    const struct zone_state *state = zone_state(zone);
    struct zone_edit *edit = calloc(1, sizeof *edit);
    struct zone_state *next = state_new(zone->apex);
    if (!edit || !next || retired_new(&edit->tree.retired) != ERR_OK) {
        free(edit);
        free(next);
        return ERR_MEMORY;
    }
    if (!empty) {
        next->names = state->names;
        next->hashes = state->hashes;
        next->count = state->count;
    }
    edit->zone = zone;
    edit->next = next;
    edit->empty = empty;
    edit->tree.generation = next_generation(zone, state);
    *ret_edit = edit;
    return ERR_OK;
}

const struct zone_state *zone_edit_state(const struct zone_edit *edit)
{
    return edit->next;
}

const uint8_t *zone_edit_apex(const struct zone_edit *edit)
{
    return edit->zone->apex;
}

static bool is_name(const struct node *node)
{
    return node && !node_is_only_hash(node);
}

static bool is_hash(const struct node *node)
{
    return node && node_has(node, TYPE_NSEC3);
}

/* Puts what was back in, or takes what was not out: neither can fail right behind tree_put(). */
static void undo_put(struct tree_edit *tree, tree_twig *root, const struct key *key,
                     struct node *old)
{
    const int result = old ? tree_put(tree, root, key, old) : tree_take(tree, root, key);
    (void)result;
}

/* `now` where it belongs in both trees, and `old` nowhere else; either may be NULL. */
static int replace(struct zone_edit *edit, const struct key *key, struct node *old,
                   struct node *now)
{
    struct tree_edit *tree = &edit->tree;
    tree_twig *names = &edit->next->names, *hashes = &edit->next->hashes;
    const bool puts_name = is_name(now), puts_hash = is_hash(now);
    if (puts_name && tree_put(tree, names, key, now) != ERR_OK)
        return ERR_MEMORY;
    if (puts_hash && tree_put(tree, hashes, key, now) != ERR_OK)
        goto undo_name;
    if (is_hash(old) && !puts_hash && tree_open(tree, hashes, key) != ERR_OK)
        goto undo_hash;
    if (is_name(old) && !puts_name && tree_take(tree, names, key) != ERR_OK)
        goto undo_hash;
    if (is_hash(old) && !puts_hash)
        undo_put(tree, hashes, key, NULL); /* opened: cannot fail */
    return ERR_OK;
undo_hash:
    if (puts_hash)
        undo_put(tree, hashes, key, is_hash(old) ? old : NULL);
undo_name:
    if (puts_name)
        undo_put(tree, names, key, is_name(old) ? old : NULL);
    return ERR_MEMORY;
}

/* Adds what a node counts for, `times` 1 or -1. */
static void count(struct state_count *sum, const struct node *node, int times)
{
    struct zone_rrset rrset;
    if (!node)
        return;
    sum->names += (size_t)times;
    sum->bytes += (size_t)times * node_size(node);
    for (bool more = node_first(node, &rrset); more; more = node_next(node, &rrset)) {
        sum->rrsets += (size_t)times;
        sum->records += (size_t)times * rrset.count;
    }
}

/* A node that is in no tree any more: the edit's own at once, others with the rest. */
static void discard(struct zone_edit *edit, struct node *node)
{
    if (node && node->generation == edit->tree.generation)
        free(node);
}

static int exchange(struct zone_edit *edit, const struct key *key, struct node *old,
                    struct node *now)
{
    struct tree_edit *tree = &edit->tree;
    const bool retires = old && old->generation != tree->generation;
    if (retires) {
        if (retired_reserve(&tree->retired, 1) != ERR_OK)
            return ERR_MEMORY;
        retired_add(tree->retired, old);
    }
    if (replace(edit, key, old, now) != ERR_OK) {
        if (retires)
            retired_take_back(tree->retired, old);
        return ERR_MEMORY;
    }
    count(&edit->next->count, old, -1);
    count(&edit->next->count, now, 1);
    edit->next->count.bytes += tree->branch_bytes;
    tree->branch_bytes = 0;
    discard(edit, old);
    return ERR_OK;
}

int zone_edit_change(struct zone_edit *edit, const struct change *change)
{
    struct zone_state *next = edit->next;
    struct key key;
    if (!name_is_within(change->name, next->apex))
        return ERR_ZONE;
    if (change->op == CHANGE_FLUSH)
        return ERR_OK;
    key_make(change->name, name_size(change->name), next->apex_size, &key);
    const struct node *old = tree_find(next->names, &key);
    struct node *now = NULL;
    if (!old)
        old = tree_find(next->hashes, &key);
    int result =
        change->type == 0 ? old != NULL : node_change(old, change, edit->tree.generation, &now);
    if (result <= 0)
        return result;
    result = exchange(edit, &key, (struct node *)old, now);
    if (result != ERR_OK)
        free(now);
    return result;
}

void zone_edit_commit(struct zone_edit *edit)
{
    struct zone_state *old = atomic_load_explicit(&edit->zone->state, memory_order_relaxed);
    if (edit->empty)
        retired_at_end(edit->tree.retired, free_trees, old->names, old->hashes);
    succeed(edit->zone, old, edit->next, edit->tree.retired);
    free(edit);
}

void zone_edit_abort(struct zone_edit *edit)
{
    if (!edit)
        return;
    const uint32_t generation = edit->tree.generation;
    tree_free(edit->next->hashes, generation, node_is_only_hash);
    tree_free(edit->next->names, generation, is_of_names);
    retired_forget(edit->tree.retired);
    free(edit->next);
    free(edit);
}

/* -- readers ----------------------------------------------------------------------------------- */

void zone_reader_register(void)
{
    retired_reader_register();
}

void zone_reader_unregister(void)
{
    retired_reader_unregister();
}

void zone_read_begin(void)
{
    retired_read_begin();
}

void zone_read_end(void)
{
    retired_read_end();
}
