#include "cache/validity.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cache/marks.h"

struct zone {
    UT_hash_handle hh;
    size_t index;
    uint8_t name[NAME_MAX_SIZE];
};

/* Stamps whose moment is remembered: some seconds' worth at 10,000 change sets a second. */
enum { REMEMBERED_STAMPS = 1 << 15 };

struct validity {
    _Atomic uint64_t clock;
    _Atomic uint64_t lease_ms; /* until then */
    uint64_t key;
    uint64_t settle_ms;
    _Atomic uint64_t *moments; /* in ms, by stamp modulo REMEMBERED_STAMPS */
    struct marks *marks;
    struct zone *zones; /* an array: zone_count of them */
    struct zone *by_name;
    size_t zone_count;
};

static void add_zone(struct validity *validity, const uint8_t *name)
{
    struct zone *known;
    size_t size = name_size(name);
    HASH_FIND(hh, validity->by_name, name, size, known);
    if (known)
        return;
    struct zone *zone = &validity->zones[validity->zone_count];
    zone->index = validity->zone_count++;
    memcpy(zone->name, name, size);
    HASH_ADD_KEYPTR(hh, validity->by_name, zone->name, size, zone);
}

struct validity *validity_new(const struct validity_options *options)
{
    struct validity *validity = calloc(1, sizeof *validity);
    if (!validity)
        return NULL;
    validity->key = options->key;
    validity->settle_ms = options->settle_ms;
    validity->moments = calloc(REMEMBERED_STAMPS, sizeof *validity->moments);
    validity->marks = marks_new(options->zone_count ? options->marks : 1);
    validity->zones = calloc(options->zone_count + 1, sizeof *validity->zones);
    if (!validity->marks || !validity->zones || !validity->moments) {
        validity_free(validity);
        return NULL;
    }
    for (size_t i = 0; i < options->zone_count; i++)
        add_zone(validity, options->zones[i]);
    return validity;
}

void validity_free(struct validity *validity)
{
    if (!validity)
        return;
    HASH_CLEAR(hh, validity->by_name);
    free(validity->zones);
    free(validity->moments);
    marks_free(validity->marks);
    free(validity);
}

struct stamp validity_now(const struct validity *validity)
{
    return (struct stamp){atomic_load_explicit(&validity->clock, memory_order_acquire)};
}

const uint8_t *validity_zone(const struct validity *validity, size_t k)
{
    return k < validity->zone_count ? validity->zones[k].name : NULL;
}

const uint8_t *validity_zone_of(const struct validity *validity, const uint8_t *canonical_name,
                                size_t *ret_index)
{
    if (!validity->by_name)
        return NULL;
    size_t size = name_size(canonical_name);
    for (const uint8_t *name = canonical_name; name; name = name_parent(name)) {
        struct zone *zone;
        HASH_FIND(hh, validity->by_name, name, size, zone);
        if (zone) {
            if (ret_index)
                *ret_index = zone->index;
            return zone->name;
        }
        size -= 1u + name[0];
    }
    return NULL;
}

static int add_scope(struct dependencies *dependencies, struct scope scope)
{
    for (size_t i = 0; i < dependencies->count; i++)
        if (dependencies->scopes[i].hash == scope.hash)
            return ERR_OK;
    if (dependencies->count == DEPENDENCIES_MAX)
        return ERR_SPACE;
    dependencies->scopes[dependencies->count++] = scope;
    return ERR_OK;
}

static int add_kind(const struct validity *validity, enum scope_kind kind, const uint8_t *name,
                    struct dependencies *dependencies)
{
    return add_scope(dependencies, scope_of(kind, name, validity->key));
}

/* The subscribed zone nearest to the root that the name lies in, or NULL. */
static const uint8_t *top_zone_of(const struct validity *validity, const uint8_t *canonical_name)
{
    const uint8_t *top = NULL;
    const uint8_t *apex = validity_zone_of(validity, canonical_name, NULL);
    while (apex) {
        top = apex;
        const uint8_t *above = name_parent(apex);
        apex = above ? validity_zone_of(validity, above, NULL) : NULL;
    }
    return top;
}

int validity_depend(const struct validity *validity, const uint8_t *canonical_name, bool negative,
                    struct dependencies *dependencies)
{
    const uint8_t *top = top_zone_of(validity, canonical_name);
    if (!top)
        return ERR_OK;
    int error = add_kind(validity, SCOPE_NAME, canonical_name, dependencies);
    if (!error && negative && !name_equal(canonical_name, top))
        error = add_kind(validity, SCOPE_EXISTENCE, canonical_name, dependencies);
    size_t levels = name_labels(canonical_name) - name_labels(top);
    const uint8_t *name = canonical_name;
    for (size_t i = 0; i <= levels && !error; i++, name = name_parent(name))
        error = add_kind(validity, SCOPE_SUBTREE, name, dependencies);
    return error;
}

struct stamp validity_newest_mark(const struct validity *validity, const struct scope *scopes,
                                  size_t count)
{
    struct stamp newest = {0};
    for (size_t i = 0; i < count; i++) {
        struct stamp mark = marks_get(validity->marks, scopes[i]);
        if (stamp_after(mark, newest))
            newest = mark;
    }
    return newest;
}

bool validity_holds(const struct validity *validity, const struct scope *scopes, size_t count,
                    struct stamp stamp)
{
    /* Nothing at all has changed since: marks of the future are for those who come after them. */
    if (count == 0 || validity_now(validity).n == stamp.n)
        return true;
    for (size_t i = 0; i < count; i++)
        if (stamp_after(marks_get(validity->marks, scopes[i]), stamp))
            return false;
    return true;
}

static void mark(struct validity *validity, enum scope_kind kind, const uint8_t *name)
{
    uint64_t next = atomic_load_explicit(&validity->clock, memory_order_relaxed) + 1;
    marks_set(validity->marks, scope_of(kind, name, validity->key), (struct stamp){next});
}

static size_t mark_existence(struct validity *validity, const uint8_t *canonical_name)
{
    const uint8_t *apex = validity_zone_of(validity, canonical_name, NULL);
    if (!apex)
        return 0;
    size_t levels = name_labels(canonical_name) - name_labels(apex);
    for (size_t i = 0; i < levels; i++, canonical_name = name_parent(canonical_name))
        mark(validity, SCOPE_EXISTENCE, canonical_name);
    return levels;
}

size_t validity_mark_name(struct validity *validity, const uint8_t *canonical_name)
{
    mark(validity, SCOPE_NAME, canonical_name);
    return 1 + mark_existence(validity, canonical_name);
}

size_t validity_mark_subtree(struct validity *validity, const uint8_t *canonical_name)
{
    mark(validity, SCOPE_SUBTREE, canonical_name);
    return 1 + mark_existence(validity, canonical_name);
}

struct stamp validity_commit(struct validity *validity, struct mono now)
{
    uint64_t next = atomic_load_explicit(&validity->clock, memory_order_relaxed) + 1;
    atomic_store_explicit(&validity->moments[next % REMEMBERED_STAMPS], now.ms,
                          memory_order_relaxed);
    atomic_store_explicit(&validity->clock, next, memory_order_release);
    return (struct stamp){next};
}

bool validity_is_settling(const struct validity *validity, struct stamp mark, struct mono now)
{
    uint64_t clock = validity_now(validity).n;
    if (mark.n == 0 || validity->settle_ms == 0)
        return false;
    /* Of a stamp that is not remembered we know that it is older than the oldest one that is. */
    if (mark.n + REMEMBERED_STAMPS <= clock)
        mark.n = clock - REMEMBERED_STAMPS + 1;
    uint64_t moment =
        atomic_load_explicit(&validity->moments[mark.n % REMEMBERED_STAMPS], memory_order_relaxed);
    return now.ms < moment + validity->settle_ms;
}

void validity_set_lease(struct validity *validity, struct mono until)
{
    atomic_store_explicit(&validity->lease_ms, until.ms, memory_order_release);
}

bool validity_has_lease(const struct validity *validity, struct mono now)
{
    return now.ms < atomic_load_explicit(&validity->lease_ms, memory_order_acquire);
}
