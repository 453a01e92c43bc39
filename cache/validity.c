#include "cache/validity.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checkpoints.h"
#include "cache/marks.h"

/*
 * A name that is, or was, a zone. Its place in the array is its number, for ever: answers name it by that. Of what may
 * change, readers see the new or the old, as long as the clock has not reached the stamp of the change.
 */
struct zone {
    uint64_t hash;
    const uint8_t *name; /* in a block of names */
    uint8_t size, labels;
    _Atomic uint8_t standing; /* enum zone_standing */
    _Atomic bool parted;      /* another one lies, or lay, below */
    _Atomic uint32_t top;    /* index of the topmost zone it lies in; its own when it is that one */
    _Atomic uint64_t newest; /* mark at any scope of its names; of topmost zones alone */
    _Atomic uint64_t grouped; /* stamp of its last change of standing, or of topmost zone */
};

/* Where zones are found by name: open addressing, 1 + index or 0. Grown by a larger one; readers may still look here. */
struct zone_table {
    struct zone_table *older;
    size_t mask; /* slots - 1; a power of two */
    _Atomic uint32_t slots[];
};

/* Names, one behind the other: there may be a million. */
struct name_block {
    struct name_block *older;
    size_t used;
    uint8_t bytes[];
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
    _Atomic uint64_t outside;  /* newest of `evictions`, and of `grouped` */
    _Atomic uint64_t grouped;  /* newest of all zones */
    uint64_t key;
    uint64_t settle_ms;
    _Atomic uint64_t *moments; /* in ms, by stamp modulo REMEMBERED_STAMPS */
    struct marks *marks;
    struct zone *zones; /* an array that stays where it is */
    size_t zone_room;
    _Atomic size_t zone_count; /* of all there ever were */
    _Atomic(struct zone_table *) table;
    struct name_block *names;
    size_t depths[NAME_MAX_LABELS + 1]; /* zones there ever were, by number of labels */
    pthread_mutex_t lock;               /* of what follows */
    struct checkpoints times;           /* by millisecond */
    size_t eviction_count;              /* ever */
    struct eviction evictions[VALIDITY_EVICTIONS];
    _Atomic bool has_apex_at[NAME_MAX_LABELS + 1]; /* by number of labels */
};

/* ---- zones ---- */

static enum zone_standing standing_of(const struct zone *zone)
{
    return (enum zone_standing)atomic_load_explicit(&zone->standing, memory_order_acquire);
}

/* What is, or was, a zone of just this name; NULL: nothing. */
static struct zone *slot_of(const struct validity *validity, const uint8_t *name, size_t size,
                            uint64_t hash)
{
    const struct zone_table *table = atomic_load_explicit(&validity->table, memory_order_acquire);
    for (size_t i = hash;; i++) {
        const uint32_t number =
            atomic_load_explicit(&table->slots[i & table->mask], memory_order_acquire);
        if (number == 0)
            return NULL;
        struct zone *zone = &validity->zones[number - 1];
        if (zone->hash == hash && zone->size == size && memcmp(zone->name, name, size) == 0)
            return zone;
    }
}

/* A zone, or what is excepted, of just this name; NULL: none is there. */
static struct zone *zone_named(const struct validity *validity, const uint8_t *name, size_t labels,
                               size_t size)
{
    if (!atomic_load_explicit(&validity->has_apex_at[labels], memory_order_acquire))
        return NULL;
    struct zone *zone = slot_of(validity, name, size, scope_hash(name, size, validity->key));
    return zone && standing_of(zone) != STANDING_NONE ? zone : NULL;
}

/* The longest zone that the name of `labels` labels in `size` bytes lies in, or NULL. */
static struct zone *find_zone(const struct validity *validity, const uint8_t *name, size_t labels,
                              size_t size)
{
    for (;; name = name_parent(name)) {
        struct zone *zone = zone_named(validity, name, labels, size);
        if (zone || labels-- == 0)
            return zone;
        size -= 1u + name[0];
    }
}

static struct zone *zone_of(const struct validity *validity, const uint8_t *name)
{
    struct zone *zone = find_zone(validity, name, name_labels(name), name_size(name));
    return zone && standing_of(zone) == STANDING_ZONE ? zone : NULL;
}

static size_t count_of(const struct validity *validity)
{
    return atomic_load_explicit(&validity->zone_count, memory_order_acquire);
}

static void put_slot(struct zone_table *table, const struct zone *zone, uint32_t number)
{
    size_t i = zone->hash;
    while (atomic_load_explicit(&table->slots[i & table->mask], memory_order_relaxed) != 0)
        i++;
    atomic_store_explicit(&table->slots[i & table->mask], number, memory_order_release);
}

/* Makes room in the table for `more` zones: half of it stays empty. */
static bool grow_table(struct validity *validity, size_t more)
{
    struct zone_table *old = validity->table;
    const size_t wanted = 2 * (count_of(validity) + more);
    size_t slots = old ? old->mask + 1 : 1;
    if (old && wanted < slots)
        return true;
    while (slots <= wanted)
        slots *= 2;
    struct zone_table *table = calloc(1, sizeof *table + slots * sizeof table->slots[0]);
    if (!table)
        return false;
    table->older = old;
    table->mask = slots - 1;
    for (size_t i = 0; i < count_of(validity); i++)
        put_slot(table, &validity->zones[i], (uint32_t)i + 1);
    atomic_store_explicit(&validity->table, table, memory_order_release);
    return true;
}

static struct zone *known_slot(const struct validity *validity, const uint8_t *name)
{
    const size_t size = name_size(name);
    return slot_of(validity, name, size, scope_hash(name, size, validity->key));
}

/* Room for the names among them that were never zones. ERR_SPACE, ERR_MEMORY: all is as before. */
static int make_room(struct validity *validity, const struct zone_change *changes, size_t count)
{
    size_t more = 0, bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (!known_slot(validity, changes[i].name)) {
            more++;
            bytes += name_size(changes[i].name);
        }
    if (more == 0)
        return ERR_OK;
    if (more > validity->zone_room - count_of(validity))
        return ERR_SPACE;
    struct name_block *block = malloc(sizeof *block + bytes);
    if (!block || !grow_table(validity, more)) {
        free(block);
        return ERR_MEMORY;
    }
    block->older = validity->names;
    block->used = 0;
    validity->names = block;
    return ERR_OK;
}

/* A zone of a name that never was one; there is room. */
static struct zone *add_slot(struct validity *validity, const uint8_t *name)
{
    const size_t index = count_of(validity), size = name_size(name), labels = name_labels(name);
    struct zone *zone = &validity->zones[index];
    struct name_block *block = validity->names;
    zone->name = memcpy(block->bytes + block->used, name, size);
    block->used += size;
    zone->hash = scope_hash(name, size, validity->key);
    zone->size = (uint8_t)size;
    zone->labels = (uint8_t)labels;
    zone->top = (uint32_t)index;
    validity->depths[labels]++;
    put_slot(validity->table, zone, (uint32_t)index + 1);
    atomic_store_explicit(&validity->has_apex_at[labels], true, memory_order_release);
    atomic_store_explicit(&validity->zone_count, index + 1, memory_order_release);
    return zone;
}

/* The topmost one above a zone, also of those excepted, and past those. */
static uint32_t find_top(const struct validity *validity, struct zone *zone)
{
    const struct zone *top = zone;
    for (struct zone *at = zone; at;) {
        top = standing_of(at) == STANDING_EXCEPTED ? top : at;
        const uint8_t *above = name_parent(at->name);
        struct zone *outer =
            above ? find_zone(validity, above, at->labels - 1u, name_size(above)) : NULL;
        if (outer)
            atomic_store_explicit(&outer->parted, true, memory_order_release);
        at = outer;
    }
    return (uint32_t)(top - validity->zones);
}

struct stamp validity_now(const struct validity *validity)
{
    return (struct stamp){atomic_load_explicit(&validity->clock, memory_order_acquire)};
}

size_t validity_zones(const struct validity *validity)
{
    return count_of(validity);
}

size_t validity_zone_room(const struct validity *validity)
{
    return validity->zone_room;
}

const uint8_t *validity_zone(const struct validity *validity, size_t k)
{
    if (k >= count_of(validity))
        return NULL;
    const struct zone *zone = &validity->zones[k];
    return standing_of(zone) == STANDING_ZONE ? zone->name : NULL;
}

const uint8_t *validity_zone_of(const struct validity *validity, const uint8_t *canonical_name,
                                size_t *ret_index)
{
    const struct zone *zone = zone_of(validity, canonical_name);
    if (!zone)
        return NULL;
    if (ret_index)
        *ret_index = (size_t)(zone - validity->zones);
    return zone->name;
}

bool validity_is_parted(const struct validity *validity, size_t k)
{
    return atomic_load_explicit(&validity->zones[k].parted, memory_order_acquire);
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
static uint32_t number_of(const struct validity *validity, const struct zone *zone)
{
    return zone ? (uint32_t)(zone - validity->zones) + 1 : ZONE_NONE;
}

/* The reverse; NULL for ZONE_NONE and ZONE_MANY. */
static const struct zone *zone_at(const struct validity *validity, uint32_t number)
{
    return number - 1 < VALIDITY_MAX_ZONES ? &validity->zones[number - 1] : NULL;
}

static struct zone *top_of(const struct validity *validity, const struct zone *zone)
{
    return &validity->zones[atomic_load_explicit(&zone->top, memory_order_acquire)];
}

/* The topmost zone that a name lies in, or NULL. */
static const struct zone *top_zone_of(const struct validity *validity, const uint8_t *name)
{
    const struct zone *zone = zone_of(validity, name);
    return zone ? top_of(validity, zone) : NULL;
}

/* `top`: the topmost zone of the name, or NULL. */
static void depend_on(const struct validity *validity, const struct zone *top, const uint8_t *name,
                      enum told_of told, struct dependencies *ret)
{
    static const enum own_scopes own[] = {OWN_NAME, OWN_ABSENCE, OWN_SOA};
    ret->zone = number_of(validity, top);
    ret->outside = false;
    ret->own = top ? own[told] : OWN_NONE;
    ret->question = name;
    ret->count = 0;
}

void validity_depend_on_question(const struct validity *validity, const uint8_t *canonical_name,
                                 enum told_of told, struct dependencies *ret)
{
    depend_on(validity, top_zone_of(validity, canonical_name), canonical_name, told, ret);
}

void validity_depend_in(const struct validity *validity, size_t k, const uint8_t *canonical_name,
                        enum told_of told, struct dependencies *ret)
{
    depend_on(validity, top_of(validity, &validity->zones[k]), canonical_name, told, ret);
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
    if (!top) {
        dependencies->outside |=
            !dependencies->question || !name_is_within(dependencies->question, canonical_name);
        return ERR_OK;
    }
    if (dependencies->zone == ZONE_NONE)
        dependencies->zone = number_of(validity, top);
    else if (dependencies->zone != number_of(validity, top))
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
        .outside = dependencies->outside,
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
    if (!top) /* it is in no zone any more */
        return validity_now(validity);
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

struct stamp validity_grouped(const struct validity *validity)
{
    return load(&validity->grouped);
}

bool validity_is_grouped(const struct validity *validity, const uint8_t *canonical_name,
                         struct stamp stamp)
{
    const uint8_t *name = canonical_name;
    size_t size = name_size(name);
    for (size_t labels = name_labels(name);; labels--, name = name_parent(name)) {
        const struct zone *zone = NULL;
        if (atomic_load_explicit(&validity->has_apex_at[labels], memory_order_acquire))
            zone = slot_of(validity, name, size, scope_hash(name, size, validity->key));
        if (zone && stamp_after(load(&zone->grouped), stamp))
            return true;
        if (labels == 0)
            return false;
        size -= 1u + name[0];
    }
}

/* Whether a name in no zone was evicted since, or came into one, or went out of it. */
static __attribute__((noinline)) bool
is_outdated(const struct validity *validity, const struct dependent *dependent, struct stamp stamp)
{
    const uint8_t *question = dependent->own == OWN_NONE ? dependent->question : NULL;
    if (question && evicted_outside(validity, question, stamp))
        return true;
    if (!stamp_after(validity_grouped(validity), stamp))
        return false;
    return dependent->outside || (question && validity_is_grouped(validity, question, stamp));
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
    return !stamp_after(load(&validity->outside), stamp) ||
           !is_outdated(validity, dependent, stamp);
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

/*
 * Marks `kind` at the name, and the existence of what is above it up to the apex of the topmost zone. What `zone` lies in
 * exists, whatever happens there, but a zone below it only as long as it has a cut (NULL: the name lies in no zone).
 */
static size_t mark_below(struct validity *validity, const struct zone *zone, enum scope_kind kind,
                         const struct hashed_name *marked_name)
{
    struct zone *top = zone ? top_of(validity, zone) : NULL;
    const struct stamp next = next_stamp(validity);
    const uint8_t *name = marked_name->name;
    size_t size = marked_name->size, marked = 1;
    mark(validity, kind, marked_name->hash, next);
    if (!top)
        return marked;
    while (kind != SCOPE_SOA && size > top->size + 1u + name[0]) {
        size -= 1u + name[0];
        name += 1u + name[0];
        if (size <= zone->size && zone_named(validity, name, name_labels(name), size))
            continue;
        mark(validity, SCOPE_EXISTENCE, scope_hash(name, size, validity->key), next);
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

/* ---- zones come and go ---- */

/* All at and below a zone's apex is marked, for who knew it in `before`, and for who knows it in its topmost zone now. */
static void mark_group(struct validity *validity, struct zone *zone, uint32_t before)
{
    const struct stamp next = next_stamp(validity);
    struct zone *const noticed[] = {zone, &validity->zones[before], top_of(validity, zone)};
    atomic_store_explicit(&zone->grouped, next.n, memory_order_release);
    mark(validity, SCOPE_SUBTREE, zone->hash, next);
    for (size_t i = 0; i < sizeof noticed / sizeof noticed[0]; i++)
        atomic_store_explicit(&noticed[i]->newest, next.n, memory_order_release);
}

static void set_top(struct validity *validity, struct zone *zone, bool marks)
{
    const uint32_t before = zone->top, top = find_top(validity, zone);
    if (top == before)
        return;
    atomic_store_explicit(&zone->top, top, memory_order_release);
    if (marks)
        mark_group(validity, zone, before);
}

/* Whether there is, or was, a zone with more labels. */
static bool has_deeper(const struct validity *validity, size_t labels)
{
    for (size_t i = labels + 1; i <= NAME_MAX_LABELS; i++)
        if (validity->depths[i] > 0)
            return true;
    return false;
}

/* Gives each its standing, and then all that may lie below them their topmost zone. There is room. */
static size_t regroup(struct validity *validity, const struct zone_change *changes, size_t count,
                      bool marks)
{
    size_t changed = 0, shallowest = NAME_MAX_LABELS;
    for (size_t i = 0; i < count; i++) {
        struct zone *zone = known_slot(validity, changes[i].name);
        if (!zone)
            zone = add_slot(validity, changes[i].name);
        if (standing_of(zone) == changes[i].standing)
            continue;
        atomic_store_explicit(&zone->standing, (uint8_t)changes[i].standing, memory_order_release);
        if (marks)
            mark_group(validity, zone, zone->top);
        set_top(validity, zone, marks);
        shallowest = zone->labels < shallowest ? zone->labels : shallowest;
        changed++;
    }
    for (size_t i = 0; changed > 0 && has_deeper(validity, shallowest) && i < count_of(validity);
         i++)
        if (validity->zones[i].labels > shallowest)
            set_top(validity, &validity->zones[i], marks);
    return changed;
}

int validity_regroup(struct validity *validity, const struct zone_change *changes, size_t count,
                     size_t *ret_changed)
{
    int error = make_room(validity, changes, count);
    if (error)
        return error;
    *ret_changed = regroup(validity, changes, count, true);
    if (*ret_changed == 0)
        return ERR_OK;
    const struct stamp next = next_stamp(validity);
    atomic_store_explicit(&validity->grouped, next.n, memory_order_release);
    atomic_store_explicit(&validity->outside, next.n, memory_order_release);
    return ERR_OK;
}

static size_t given_zones(const struct validity_options *options)
{
    return options->zone_count + options->except_count + options->change_count;
}

static bool group_first(struct validity *validity, const struct validity_options *options)
{
    const size_t count = given_zones(options);
    struct zone_change *changes = calloc(count + 1, sizeof *changes);
    if (!changes)
        return false;
    for (size_t i = 0; i < options->change_count; i++)
        changes[options->zone_count + options->except_count + i] = options->changes[i];
    for (size_t i = 0; i < options->zone_count; i++)
        changes[i] = (struct zone_change){options->zones[i], STANDING_ZONE};
    for (size_t i = 0; i < options->except_count; i++)
        changes[options->zone_count + i] =
            (struct zone_change){options->except[i], STANDING_EXCEPTED};
    const bool good = make_room(validity, changes, count) == ERR_OK;
    if (good)
        regroup(validity, changes, count, false);
    free(changes);
    return good;
}

struct validity *validity_new(const struct validity_options *options)
{
    struct validity *validity = calloc(1, sizeof *validity);
    if (!validity)
        return NULL;
    const size_t given = given_zones(options);
    const size_t room = options->room > given ? options->room : given;
    assert(room <= VALIDITY_MAX_ZONES);
    pthread_mutex_init(&validity->lock, NULL);
    validity->clock = options->clock;
    validity->key = options->key;
    validity->settle_ms = options->settle_ms;
    validity->zone_room = room;
    validity->moments = calloc(REMEMBERED_STAMPS, sizeof *validity->moments);
    validity->marks = marks_new(room ? options->marks : 1);
    validity->zones = calloc(room + 1, sizeof *validity->zones);
    if (!validity->marks || !validity->zones || !validity->moments || !grow_table(validity, 0) ||
        !group_first(validity, options)) {
        validity_free(validity);
        return NULL;
    }
    return validity;
}

void validity_free(struct validity *validity)
{
    if (!validity)
        return;
    for (struct zone_table *table = validity->table, *older; table; table = older) {
        older = table->older;
        free(table);
    }
    for (struct name_block *block = validity->names, *older; block; block = older) {
        older = block->older;
        free(block);
    }
    free(validity->zones);
    free(validity->moments);
    checkpoints_clear(&validity->times);
    pthread_mutex_destroy(&validity->lock);
    marks_free(validity->marks);
    free(validity);
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
    atomic_store_explicit(&validity->outside, next.n, memory_order_release);
    return validity_commit(validity, now);
}

void validity_restart(struct validity *validity, struct mono now)
{
    /* Whoever takes a stamp from here on, with marks of before still there, holds nothing: it errs to that side. */
    atomic_store_explicit(&validity->clock, 1, memory_order_release);
    marks_clear(validity->marks);
    for (size_t i = 0; i < count_of(validity); i++) {
        atomic_store_explicit(&validity->zones[i].newest, 1, memory_order_release);
        atomic_store_explicit(&validity->zones[i].grouped, 0, memory_order_release);
    }
    atomic_store_explicit(&validity->grouped, 0, memory_order_release);
    atomic_store_explicit(&validity->all, 1, memory_order_release);
    atomic_store_explicit(&validity->first, 0, memory_order_release);
    atomic_store_explicit(&validity->settled, 0, memory_order_release);
    pthread_mutex_lock(&validity->lock);
    checkpoints_clear(&validity->times);
    checkpoints_add(&validity->times, now.ms, (struct stamp){1});
    validity->eviction_count = 0;
    pthread_mutex_unlock(&validity->lock);
    atomic_store_explicit(&validity->outside, 0, memory_order_release);
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
