#include "cache/validity.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cache/checkpoints.h"
#include "cache/marks.h"

struct zone {
    UT_hash_handle hh;
    size_t index;
    uint32_t top; /* index of the topmost zone it lies in; its own when it is that one */
    uint64_t hash;
    size_t size;
    bool excepted;           /* a place in a zone that is no part of the subscription */
    bool parted;             /* another one lies below */
    _Atomic uint64_t newest; /* mark at any scope of its names; of topmost zones alone */
    const uint8_t *name;     /* in `names` */
};

/* Stamps whose own moment is remembered: some seconds' worth at 10,000 change sets a second. */
enum { REMEMBERED_STAMPS = 1 << 15 };

/* A name in no zone that was evicted. */
struct eviction {
    struct stamp stamp;
    bool subtree;
    uint8_t name[NAME_MAX_SIZE];
};

struct validity {
    _Atomic uint64_t clock;
    _Atomic uint64_t all;      /* newest mark of everything */
    _Atomic uint64_t first;    /* the first of them, if nothing came before it */
    _Atomic uint64_t settled;  /* one that does not settle */
    _Atomic uint64_t lease_ms; /* until then */
    _Atomic uint64_t evicted;  /* newest of `evictions` */
    uint64_t key;
    uint64_t settle_ms;
    _Atomic uint64_t *moments; /* in ms, by stamp modulo REMEMBERED_STAMPS */
    struct marks *marks;
    struct zone *zones; /* an array: zone_count of them, and then those excepted */
    struct zone *by_name;
    uint8_t *names; /* theirs, one behind the other: there may be a million */
    size_t names_size;
    size_t zone_count, except_count;
    pthread_mutex_t lock;     /* of what follows */
    struct checkpoints times; /* by millisecond */
    size_t eviction_count;    /* ever */
    struct eviction evictions[VALIDITY_EVICTIONS];
    bool has_apex_at[NAME_MAX_LABELS + 1]; /* by number of labels */
};

/* The longest zone that the name of `labels` labels in `size` bytes lies in, or NULL. */
static struct zone *find_zone(const struct validity *validity, const uint8_t *name, size_t labels,
                              size_t size)
{
    for (;; name = name_parent(name)) {
        struct zone *zone = NULL;
        if (validity->has_apex_at[labels]) {
            uint64_t hash = scope_hash(name, size, validity->key);
            HASH_FIND_BYHASHVALUE(hh, validity->by_name, name, size, (uint32_t)hash, zone);
        }
        if (zone || labels-- == 0)
            return zone;
        size -= 1u + name[0];
    }
}

static struct zone *zone_of(const struct validity *validity, const uint8_t *name)
{
    if (!validity->by_name)
        return NULL;
    struct zone *zone = find_zone(validity, name, name_labels(name), name_size(name));
    return zone && !zone->excepted ? zone : NULL;
}

static void add_zone(struct validity *validity, const uint8_t *name, bool excepted)
{
    struct zone *known;
    size_t size = name_size(name);
    uint64_t hash = scope_hash(name, size, validity->key);
    HASH_FIND_BYHASHVALUE(hh, validity->by_name, name, size, (uint32_t)hash, known);
    if (known)
        return;
    struct zone *zone = &validity->zones[validity->zone_count + validity->except_count];
    zone->index = validity->zone_count + validity->except_count;
    zone->excepted = excepted;
    if (excepted)
        validity->except_count++;
    else
        validity->zone_count++;
    zone->hash = hash;
    zone->size = size;
    zone->name = memcpy(validity->names + validity->names_size, name, size);
    validity->names_size += size;
    validity->has_apex_at[name_labels(name)] = true;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, validity->by_name, zone->name, size, (uint32_t)hash, zone);
}

/* The topmost one above each, also of those excepted, and past those. */
static void find_tops(struct validity *validity)
{
    for (size_t i = 0; i < validity->zone_count + validity->except_count; i++) {
        const struct zone *top = &validity->zones[i];
        for (const struct zone *zone = top; zone;) {
            top = zone->excepted ? top : zone;
            const uint8_t *above = name_parent(zone->name);
            struct zone *outer =
                above ? find_zone(validity, above, name_labels(above), name_size(above)) : NULL;
            if (outer)
                outer->parted = true;
            zone = outer;
        }
        validity->zones[i].top = (uint32_t)top->index;
    }
}

static size_t bytes_of(const uint8_t *const *names, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += name_size(names[i]);
    return bytes;
}

struct validity *validity_new(const struct validity_options *options)
{
    struct validity *validity = calloc(1, sizeof *validity);
    if (!validity)
        return NULL;
    assert(options->zone_count + options->except_count <= VALIDITY_MAX_ZONES);
    pthread_mutex_init(&validity->lock, NULL);
    validity->clock = options->clock;
    validity->key = options->key;
    validity->settle_ms = options->settle_ms;
    validity->moments = calloc(REMEMBERED_STAMPS, sizeof *validity->moments);
    validity->marks = marks_new(options->zone_count ? options->marks : 1);
    validity->zones =
        calloc(options->zone_count + options->except_count + 1, sizeof *validity->zones);
    validity->names = malloc(bytes_of(options->zones, options->zone_count) +
                             bytes_of(options->except, options->except_count) + 1);
    if (!validity->marks || !validity->zones || !validity->names || !validity->moments) {
        validity_free(validity);
        return NULL;
    }
    for (size_t i = 0; i < options->zone_count; i++)
        add_zone(validity, options->zones[i], false);
    for (size_t i = 0; i < options->except_count; i++)
        add_zone(validity, options->except[i], true);
    find_tops(validity);
    return validity;
}

void validity_free(struct validity *validity)
{
    if (!validity)
        return;
    HASH_CLEAR(hh, validity->by_name);
    free(validity->zones);
    free(validity->names);
    free(validity->moments);
    checkpoints_clear(&validity->times);
    pthread_mutex_destroy(&validity->lock);
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
    const struct zone *zone = zone_of(validity, canonical_name);
    if (!zone)
        return NULL;
    if (ret_index)
        *ret_index = zone->index;
    return zone->name;
}

bool validity_is_parted(const struct validity *validity, size_t k)
{
    return validity->zones[k].parted;
}

/* ---- what an answer depends on ---- */

uint64_t validity_hash(const struct validity *validity, const uint8_t *canonical_name, size_t size)
{
    return scope_hash(canonical_name, size, validity->key);
}

struct hashed_name validity_hashed(const struct validity *validity, const uint8_t *canonical_name)
{
    const size_t size = name_size(canonical_name);
    return (struct hashed_name){
        .name = canonical_name,
        .size = size,
        .hash = scope_hash(canonical_name, size, validity->key),
    };
}

/* How a zone is named in dependencies. */
static uint32_t number_of(const struct zone *zone)
{
    return zone ? (uint32_t)zone->index + 1 : ZONE_NONE;
}

/* The reverse; NULL for ZONE_NONE and ZONE_MANY. */
static const struct zone *zone_at(const struct validity *validity, uint32_t number)
{
    return number - 1 < validity->zone_count ? &validity->zones[number - 1] : NULL;
}

/* The topmost zone that a name lies in, or NULL. */
static const struct zone *top_zone_of(const struct validity *validity, const uint8_t *name)
{
    const struct zone *zone = zone_of(validity, name);
    return zone ? &validity->zones[zone->top] : NULL;
}

/* `top`: the topmost zone of the name, or NULL. */
static void depend_on(const struct zone *top, const uint8_t *name, enum told_of told,
                      struct dependencies *ret)
{
    static const enum own_scopes own[] = {OWN_NAME, OWN_ABSENCE, OWN_SOA};
    ret->zone = number_of(top);
    ret->own = top ? own[told] : OWN_NONE;
    ret->question = name;
    ret->count = 0;
}

void validity_depend_on_question(const struct validity *validity, const uint8_t *canonical_name,
                                 enum told_of told, struct dependencies *ret)
{
    depend_on(top_zone_of(validity, canonical_name), canonical_name, told, ret);
}

void validity_depend_in(const struct validity *validity, size_t k, const uint8_t *canonical_name,
                        enum told_of told, struct dependencies *ret)
{
    depend_on(&validity->zones[validity->zones[k].top], canonical_name, told, ret);
}

static int add_scope(struct dependencies *dependencies, enum scope_kind kind, uint64_t name_hash)
{
    struct scope scope = scope_of(kind, name_hash);
    for (size_t i = 0; i < dependencies->count; i++)
        if (dependencies->scopes[i].hash == scope.hash)
            return ERR_OK;
    if (dependencies->count == DEPENDENCIES_MAX) {
        dependencies->own = OWN_WHOLE;
        return ERR_SPACE;
    }
    dependencies->scopes[dependencies->count++] = scope;
    return ERR_OK;
}

/* Subtrees from `name` up to the apex, but for those that the question lies in itself. */
static int add_subtrees(const struct validity *validity, const uint8_t *name, size_t size,
                        const struct zone *top, struct dependencies *dependencies)
{
    const uint8_t *question = dependencies->own == OWN_NONE ? NULL : dependencies->question;
    int error = ERR_OK;
    while (!error && size >= top->size && !(question && name_is_within(question, name))) {
        error = add_scope(dependencies, SCOPE_SUBTREE, scope_hash(name, size, validity->key));
        size -= 1u + name[0];
        name += 1u + name[0];
    }
    return error;
}

int validity_depend(const struct validity *validity, const uint8_t *canonical_name,
                    enum told_of told, struct dependencies *dependencies)
{
    const struct zone *top = top_zone_of(validity, canonical_name);
    if (!top)
        return ERR_OK;
    if (dependencies->zone == ZONE_NONE)
        dependencies->zone = number_of(top);
    else if (dependencies->zone != number_of(top))
        dependencies->zone = ZONE_MANY;
    size_t size = name_size(canonical_name);
    uint64_t hash = scope_hash(canonical_name, size, validity->key);
    int error = add_scope(dependencies, SCOPE_NAME, hash);
    if (!error && told == TOLD_ABSENCE)
        error = add_scope(dependencies, SCOPE_EXISTENCE, hash);
    if (!error && told == TOLD_SOA)
        error = add_scope(dependencies, SCOPE_SOA, hash);
    return error ? error : add_subtrees(validity, canonical_name, size, top, dependencies);
}

struct dependent validity_dependent(const struct validity *validity,
                                    const struct dependencies *dependencies)
{
    const uint8_t *question = dependencies->question;
    return (struct dependent){
        .question = question,
        .question_hash = dependencies->own == OWN_NONE
                             ? 0
                             : scope_hash(question, name_size(question), validity->key),
        .zone = dependencies->zone,
        .own = dependencies->own,
        .count = dependencies->count,
        .scopes = dependencies->scopes,
    };
}

struct dependent validity_question(const struct validity *validity, const uint8_t *canonical_name,
                                   bool soa)
{
    struct dependencies dependencies;
    validity_depend_on_question(validity, canonical_name, soa ? TOLD_SOA : TOLD_ABSENCE,
                                &dependencies);
    struct dependent dependent = validity_dependent(validity, &dependencies);
    dependent.scopes = NULL;
    return dependent;
}

/* ---- the check ---- */

static struct stamp later(struct stamp a, struct stamp b)
{
    return stamp_after(a, b) ? a : b;
}

static struct stamp load(const _Atomic uint64_t *stamp)
{
    return (struct stamp){atomic_load_explicit(stamp, memory_order_acquire)};
}

/* The newest mark anywhere in a zone, or at least as new. */
static struct stamp newest_in_zone(const struct validity *validity, uint32_t number)
{
    const struct zone *zone = zone_at(validity, number);
    return zone ? later(load(&zone->newest), load(&validity->all)) : (struct stamp){UINT64_MAX};
}

/* The newest mark at a question's name: its own, and of each subtree that it lies in. */
static struct stamp newest_own_mark(const struct validity *validity,
                                    const struct dependent *dependent)
{
    const struct marks *marks = validity->marks;
    const uint8_t *name = dependent->question;
    uint64_t hash = dependent->question_hash;
    struct stamp newest = marks_get(marks, scope_of(SCOPE_NAME, hash));
    if (dependent->own != OWN_NAME) {
        if (dependent->own == OWN_WHOLE)
            return dependent->zone == ZONE_MANY ? validity_now(validity)
                                                : newest_in_zone(validity, dependent->zone);
        newest = later(newest, marks_get(marks, scope_of(SCOPE_EXISTENCE, hash)));
        if (dependent->own == OWN_SOA)
            newest = later(newest, marks_get(marks, scope_of(SCOPE_SOA, hash)));
    }
    /* The question's zone: the topmost one, unless further names lie in others. */
    const struct zone *top = zone_at(validity, dependent->zone);
    if (!top)
        top = top_zone_of(validity, name);
    size_t size = name_size(name);
    for (;;) {
        newest = later(newest, marks_get(marks, scope_of(SCOPE_SUBTREE, hash)));
        if (size <= top->size)
            return newest;
        size -= 1u + name[0];
        name += 1u + name[0];
        hash = size == top->size ? top->hash : scope_hash(name, size, validity->key);
    }
}

/* Whether a name in no zone was evicted after `stamp`; what is forgotten of evictions counts as every name. */
static __attribute__((noinline)) bool evicted_outside(const struct validity *validity,
                                                      const uint8_t *name, struct stamp stamp)
{
    struct validity *v = (struct validity *)validity;
    bool evicted = false;
    pthread_mutex_lock(&v->lock);
    const size_t count = v->eviction_count;
    for (size_t back = 1; back <= count && !evicted; back++) {
        const struct eviction *e = &v->evictions[(count - back) % VALIDITY_EVICTIONS];
        if (!stamp_after(e->stamp, stamp))
            break;
        evicted = back == VALIDITY_EVICTIONS ||
                  (e->subtree ? name_is_within(name, e->name) : name_equal(name, e->name));
    }
    pthread_mutex_unlock(&v->lock);
    return evicted;
}

/* Marks of the scopes themselves. */
static struct stamp newest_scope_mark(const struct validity *validity,
                                      const struct dependent *dependent)
{
    struct stamp newest = {0};
    if (dependent->own != OWN_NONE)
        newest = newest_own_mark(validity, dependent);
    for (size_t i = 0; i < dependent->count; i++)
        newest = later(newest, marks_get(validity->marks, dependent->scopes[i]));
    return newest;
}

struct stamp validity_newest_mark(const struct validity *validity,
                                  const struct dependent *dependent)
{
    if (dependent->zone == ZONE_NONE)
        return (struct stamp){0};
    return later(load(&validity->all), newest_scope_mark(validity, dependent));
}

/* Whether a question in no zone was evicted since. */
static __attribute__((noinline)) bool
is_evicted(const struct validity *validity, const struct dependent *dependent, struct stamp stamp)
{
    return dependent->own == OWN_NONE && dependent->question &&
           stamp_after(load(&validity->evicted), stamp) &&
           evicted_outside(validity, dependent->question, stamp);
}

bool validity_holds(const struct validity *validity, const struct dependent *dependent,
                    struct stamp stamp)
{
    const struct stamp clock = validity_now(validity);
    /* Nothing at all has changed since; or it is a stamp of the time before the clock started over. */
    if (clock.n <= stamp.n)
        return clock.n == stamp.n;
    if (dependent->zone != ZONE_NONE) {
        if (stamp_after(load(&validity->all), stamp))
            return false;
        const struct zone *zone = zone_at(validity, dependent->zone);
        if ((!zone || stamp_after(load(&zone->newest), stamp)) &&
            stamp_after(newest_scope_mark(validity, dependent), stamp))
            return false;
    }
    return dependent->own != OWN_NONE || !is_evicted(validity, dependent, stamp);
}

/* ---- changes ---- */

static void mark(struct validity *validity, enum scope_kind kind, uint64_t name_hash,
                 struct stamp stamp)
{
    marks_set(validity->marks, scope_of(kind, name_hash), stamp);
}

static struct stamp next_stamp(const struct validity *validity)
{
    return (struct stamp){atomic_load_explicit(&validity->clock, memory_order_relaxed) + 1};
}

/* Whether a name is that of a zone. */
static bool is_apex(const struct validity *validity, const uint8_t *name, size_t size,
                    uint64_t hash)
{
    struct zone *zone = NULL;
    if (validity->has_apex_at[name_labels(name)])
        HASH_FIND_BYHASHVALUE(hh, validity->by_name, name, size, (uint32_t)hash, zone);
    return zone != NULL;
}

/*
 * Marks `kind` at the name, and the existence of what is above it up to the apex of the topmost zone. What `zone` lies in
 * exists, whatever happens there, but a zone below it only as long as it has a cut (NULL: the name lies in no zone).
 */
static size_t mark_below(struct validity *validity, const struct zone *zone, enum scope_kind kind,
                         const struct hashed_name *marked_name)
{
    struct zone *top = zone ? &validity->zones[zone->top] : NULL;
    const struct stamp next = next_stamp(validity);
    const uint8_t *name = marked_name->name;
    size_t size = marked_name->size, marked = 1;
    mark(validity, kind, marked_name->hash, next);
    if (!top)
        return marked;
    while (kind != SCOPE_SOA && size > top->size + 1u + name[0]) {
        size -= 1u + name[0];
        name += 1u + name[0];
        const uint64_t hash = scope_hash(name, size, validity->key);
        if (size <= zone->size && is_apex(validity, name, size, hash))
            continue;
        mark(validity, SCOPE_EXISTENCE, hash, next);
        marked++;
    }
    atomic_store_explicit(&top->newest, next.n, memory_order_release);
    return marked;
}

static size_t mark_at(struct validity *validity, enum scope_kind kind, const uint8_t *name)
{
    const struct hashed_name hashed = validity_hashed(validity, name);
    const struct zone *zone = find_zone(validity, name, name_labels(name), hashed.size);
    return mark_below(validity, zone, kind, &hashed);
}

size_t validity_mark_name(struct validity *validity, const uint8_t *canonical_name)
{
    return mark_at(validity, SCOPE_NAME, canonical_name);
}

size_t validity_mark_subtree(struct validity *validity, const uint8_t *canonical_name)
{
    return mark_at(validity, SCOPE_SUBTREE, canonical_name);
}

size_t validity_mark_soa(struct validity *validity, const uint8_t *canonical_apex)
{
    return mark_at(validity, SCOPE_SOA, canonical_apex);
}

size_t validity_mark_in(struct validity *validity, size_t k, enum scope_kind kind,
                        const struct hashed_name *name)
{
    return mark_below(validity, &validity->zones[k], kind, name);
}

void validity_expect(const struct validity *validity, const struct hashed_name *name)
{
    marks_expect(validity->marks, scope_of(SCOPE_NAME, name->hash));
}

size_t validity_mark_all(struct validity *validity, bool settles)
{
    const struct stamp next = next_stamp(validity);
    if (!settles)
        atomic_store_explicit(&validity->settled, next.n, memory_order_release);
    if (next.n == 1)
        atomic_store_explicit(&validity->first, next.n, memory_order_release);
    atomic_store_explicit(&validity->all, next.n, memory_order_release);
    return 1;
}

struct stamp validity_commit(struct validity *validity, struct mono now)
{
    const struct stamp next = next_stamp(validity);
    assert(next.n <= VALIDITY_LAST_STAMP);
    atomic_store_explicit(&validity->moments[next.n % REMEMBERED_STAMPS], now.ms,
                          memory_order_relaxed);
    pthread_mutex_lock(&validity->lock);
    checkpoints_move(&validity->times, now.ms, next);
    pthread_mutex_unlock(&validity->lock);
    atomic_store_explicit(&validity->clock, next.n, memory_order_release);
    return next;
}

struct stamp validity_evict_outside(struct validity *validity, const uint8_t *canonical_name,
                                    bool subtree, struct mono now)
{
    const struct stamp next = next_stamp(validity);
    pthread_mutex_lock(&validity->lock);
    struct eviction *eviction =
        &validity->evictions[validity->eviction_count++ % VALIDITY_EVICTIONS];
    eviction->stamp = next;
    eviction->subtree = subtree;
    memcpy(eviction->name, canonical_name, name_size(canonical_name));
    pthread_mutex_unlock(&validity->lock);
    atomic_store_explicit(&validity->evicted, next.n, memory_order_release);
    return validity_commit(validity, now);
}

void validity_restart(struct validity *validity, struct mono now)
{
    /* Whoever takes a stamp from here on, with marks of before still there, holds nothing: it errs to that side. */
    atomic_store_explicit(&validity->clock, 1, memory_order_release);
    marks_clear(validity->marks);
    for (size_t i = 0; i < validity->zone_count + validity->except_count; i++)
        atomic_store_explicit(&validity->zones[i].newest, 1, memory_order_release);
    atomic_store_explicit(&validity->all, 1, memory_order_release);
    atomic_store_explicit(&validity->first, 0, memory_order_release);
    atomic_store_explicit(&validity->settled, 0, memory_order_release);
    pthread_mutex_lock(&validity->lock);
    checkpoints_clear(&validity->times);
    checkpoints_add(&validity->times, now.ms, (struct stamp){1});
    validity->eviction_count = 0;
    pthread_mutex_unlock(&validity->lock);
    atomic_store_explicit(&validity->evicted, 0, memory_order_release);
    for (size_t i = 0; i < REMEMBERED_STAMPS; i++)
        atomic_store_explicit(&validity->moments[i], now.ms, memory_order_relaxed);
    validity_commit(validity, now);
}

bool validity_moment(const struct validity *validity, struct stamp mark, struct mono *ret_moment)
{
    const uint64_t clock = validity_now(validity).n;
    const bool remembered = mark.n + REMEMBERED_STAMPS > clock;
    /* Of a stamp that is not remembered we know that it is older than the oldest one that is. */
    if (!remembered)
        mark.n = clock - REMEMBERED_STAMPS + 1;
    ret_moment->ms =
        atomic_load_explicit(&validity->moments[mark.n % REMEMBERED_STAMPS], memory_order_relaxed);
    return remembered;
}

struct stamp validity_at(const struct validity *validity, struct mono moment)
{
    struct validity *v = (struct validity *)validity;
    pthread_mutex_lock(&v->lock);
    const struct stamp stamp = checkpoints_at(&v->times, moment.ms);
    pthread_mutex_unlock(&v->lock);
    return stamp;
}

static bool made_within(const struct validity *validity, struct stamp mark, uint64_t window_ms,
                        struct mono now)
{
    if (mark.n == 0 || window_ms == 0)
        return false;
    if (now.ms < window_ms)
        return true;
    return stamp_after(mark, validity_at(validity, (struct mono){now.ms - window_ms}));
}

bool validity_is_settling(const struct validity *validity, struct stamp mark, struct mono now)
{
    return mark.n != load(&validity->settled).n &&
           made_within(validity, mark, validity->settle_ms, now);
}

bool validity_is_first(const struct validity *validity, struct stamp mark)
{
    return mark.n == load(&validity->first).n;
}

bool validity_may_be_cached(const struct validity *validity, struct stamp mark, uint64_t life_ms,
                            struct mono now)
{
    return !validity_is_first(validity, mark) &&
           made_within(validity, mark, life_ms + validity->settle_ms, now);
}

void validity_set_lease(struct validity *validity, struct mono until)
{
    atomic_store_explicit(&validity->lease_ms, until.ms, memory_order_release);
}

bool validity_has_lease(const struct validity *validity, struct mono now)
{
    return now.ms < atomic_load_explicit(&validity->lease_ms, memory_order_acquire);
}
