#include "invalidation/apply.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>

#include "invalidation/install.h"
#include "invalidation/order.h"

enum {
    INNER_ZONES = 4096,    /* zones below those of the subscription whose order is remembered */
    LAST_STAMPS = 1 << 16, /* so many before the end of the clock it starts over */
    FEW_CHANGES = 16,      /* of a set that needs no memory of its own */
    FEW_CUTS = 16,         /* delegations of one set, that its names are looked for below */
};

/* A zone below one of the subscription, as sets are named for it. */
struct inner_zone {
    UT_hash_handle hh;
    bool uncut; /* the zone above has taken its delegation away */
    struct order order;
    uint8_t name[NAME_MAX_SIZE];
};

/* A zone of the subscription, or one that was. */
struct followed_zone {
    struct order order;
    bool uncut;           /* as in inner zones */
    uint64_t invalidated; /* times by itself */
};

struct applier {
    struct applier_options options;
    pthread_mutex_t lock; /* one change set at a time: the marks have one writer */
    size_t zone_count;
    struct followed_zone *zones; /* by zone index */
    bool any_uncut;
    uint64_t all_invalidated; /* times all zones were: gaps, and what named no zone */
    int64_t all_missed_until_us;
    struct inner_zone *inner;
    struct installer *installer;
    struct touch few[FEW_CHANGES];
};

/* Room for as many zones. False: no memory. */
static bool make_room(struct applier *applier, size_t count)
{
    if (count <= applier->zone_count)
        return true;
    struct followed_zone *zones = realloc(applier->zones, count * sizeof *zones);
    if (!zones)
        return false;
    memset(zones + applier->zone_count, 0, (count - applier->zone_count) * sizeof *zones);
    applier->zones = zones;
    applier->zone_count = count;
    return true;
}

struct applier *applier_new(const struct applier_options *options)
{
    struct applier *applier = calloc(1, sizeof *applier);
    if (!applier)
        return NULL;
    applier->options = *options;
    applier->installer = installer_new(options->validity, options->stores, options->store_count);
    pthread_mutex_init(&applier->lock, NULL);
    if (!make_room(applier, validity_zones(options->validity)) || !applier->installer) {
        applier_free(applier);
        return NULL;
    }
    return applier;
}

void applier_free(struct applier *applier)
{
    if (!applier)
        return;
    pthread_mutex_destroy(&applier->lock);
    for (size_t i = 0; i < applier->zone_count; i++)
        order_clear(&applier->zones[i].order);
    struct inner_zone *zone, *next;
    HASH_ITER (hh, applier->inner, zone, next) {
        HASH_DEL(applier->inner, zone);
        order_clear(&zone->order);
        free(zone);
    }
    installer_free(applier->installer);
    free(applier->zones);
    free(applier);
}

/* ---- zones ---- */

static struct inner_zone *find_inner(const struct applier *applier, const uint8_t *name,
                                     size_t size)
{
    struct inner_zone *zone;
    HASH_FIND(hh, applier->inner, name, size, zone);
    return zone;
}

/* NULL: no memory, or too many. */
static struct inner_zone *add_inner(struct applier *applier, const uint8_t *name, size_t size)
{
    struct inner_zone *zone =
        HASH_COUNT(applier->inner) < INNER_ZONES ? calloc(1, sizeof *zone) : NULL;
    if (!zone)
        return NULL;
    memcpy(zone->name, name, size);
    HASH_ADD_KEYPTR(hh, applier->inner, zone->name, size, zone);
    if (zone->hh.tbl)
        return zone;
    free(zone);
    return NULL;
}

/* Where a set's zone is: one of the subscription, or below one. */
struct place {
    size_t index;        /* of that one */
    const uint8_t *zone; /* the set's */
    size_t size;         /* in bytes */
    bool below;
};

/* False: it is none of ours. */
static bool find_place(const struct applier *applier, const uint8_t *zone, struct place *ret)
{
    const uint8_t *found = validity_zone_of(applier->options.validity, zone, &ret->index);
    if (!found)
        return false;
    ret->zone = zone;
    ret->size = name_size(zone);
    ret->below = name_size(found) != ret->size;
    return true;
}

/* What came before for the zone. NULL: it is not remembered. */
static struct order *order_of(struct applier *applier, const struct place *place)
{
    struct order *order = NULL;
    if (!place->below) {
        order = &applier->zones[place->index].order;
    } else {
        struct inner_zone *inner = find_inner(applier, place->zone, place->size);
        if (!inner)
            inner = add_inner(applier, place->zone, place->size);
        order = inner ? &inner->order : NULL;
    }
    /* A gap: publishers may have started over. What they repeat is too old to bring data. */
    if (order && order->gap != applier->all_invalidated) {
        order->gap = applier->all_invalidated;
        order_forget_publishers(order);
        order_missed(order, applier->all_missed_until_us);
    }
    return order;
}

/* Whether a name of the set's zone lies in a zone below that is known: then the set's has no say of what is there. */
static bool lies_deeper(const struct applier *applier, const uint8_t *name,
                        const struct place *place)
{
    if (validity_is_parted(applier->options.validity, place->index)) {
        const uint8_t *found = validity_zone_of(applier->options.validity, name, NULL);
        if (!found || name_size(found) > place->size)
            return true; /* excepted, or in another one of ours */
    }
    if (!applier->inner)
        return false;
    for (size_t size = name_size(name); size > place->size;
         size -= 1u + name[0], name += 1u + name[0])
        if (find_inner(applier, name, size))
            return true;
    return false;
}

/* ---- cuts ---- */

/* Whether the zone of a name is known to have no delegation; NULL: nothing is known of such a zone. */
static bool *uncut_of(const struct applier *applier, const uint8_t *name)
{
    size_t index;
    const uint8_t *zone = validity_zone_of(applier->options.validity, name, &index);
    if (zone && name_equal(zone, name))
        return &applier->zones[index].uncut;
    struct inner_zone *inner = find_inner(applier, name, name_size(name));
    return inner ? &inner->uncut : NULL;
}

/* What a set says of delegations. One that may be late makes no zone anything that it was not. */
static void note_cuts(struct applier *applier, const struct change_set *set, bool in_order)
{
    for (size_t i = 0; i < set->change_count; i++) {
        const struct change *change = &set->changes[i];
        const bool taken = change->op == CHANGE_DEL && change->rdata_count == 0;
        if ((change->type != TYPE_NS && !(taken && change->type == 0)) ||
            name_equal(change->name, set->zone))
            continue;
        bool *uncut = uncut_of(applier, change->name);
        if (!uncut && taken && change->type == TYPE_NS) {
            struct inner_zone *inner = add_inner(applier, change->name, name_size(change->name));
            uncut = inner ? &inner->uncut : NULL;
        }
        if (uncut && taken)
            *uncut = applier->any_uncut = true;
        else if (uncut && in_order && change->op != CHANGE_DEL)
            *uncut = false;
    }
}

/* Whether a zone, or one that it lies in, has no delegation: then nobody is told what it says. */
static bool is_uncut(const struct applier *applier, const uint8_t *zone)
{
    for (const uint8_t *at = zone; applier->any_uncut && at; at = name_parent(at)) {
        const bool *uncut = uncut_of(applier, at);
        if (uncut && *uncut)
            return true;
    }
    return false;
}

static void forget_cuts(struct applier *applier)
{
    for (size_t i = 0; i < applier->zone_count; i++)
        applier->zones[i].uncut = false;
    for (struct inner_zone *zone = applier->inner; zone; zone = zone->hh.next)
        zone->uncut = false;
    applier->any_uncut = false;
}

/* ---- what a change touches ---- */

/* Whether what a change says holds for more names than its own. */
static bool touches_subtree(const struct change_set *set, const struct change *change)
{
    if (change->op == CHANGE_FLUSH)
        return change->subtree;
    if (change->op == CHANGE_DEL && change->type == 0)
        return true;
    return change->type == TYPE_DNAME || change->type == TYPE_DS || change->type == TYPE_DNSKEY ||
           (change->type == TYPE_NS && !name_equal(change->name, set->zone));
}

/* An RRset that can stand as the answer to its own question. */
static bool is_installable(const struct applier *applier, const struct place *place,
                           const struct touch *touch)
{
    return touch->change->op == CHANGE_SET && !touch->subtree &&
           !name_is_wildcard(touch->name.name) && !lies_deeper(applier, touch->name.name, place);
}

static size_t mark_touch(struct validity *validity, size_t zone, const struct touch *touch)
{
    size_t marked = validity_mark_in(validity, zone, SCOPE_NAME, &touch->name);
    if (name_is_wildcard(touch->name.name)) {
        const struct hashed_name above = validity_hashed(validity, name_parent(touch->name.name));
        marked += validity_mark_in(validity, zone, SCOPE_SUBTREE, &above);
    }
    if (touch->subtree)
        marked += validity_mark_in(validity, zone, SCOPE_SUBTREE, &touch->name);
    return marked;
}

/* Whether a set tells of another SOA record. A heartbeat repeats the serial, as a rule. */
static bool touches_soa(const struct change_set *set, const struct order *before)
{
    return set->has_serial && (set->change_count > 0 ||
                               (before && before->has_serial && before->serial != set->serial));
}

/* ---- the clock ---- */

/* Moves the clock; at its end it starts over. */
static void commit(struct applier *applier, struct mono now, struct apply_result *result)
{
    struct validity *validity = applier->options.validity;
    if (validity_now(validity).n < VALIDITY_LAST_STAMP - LAST_STAMPS) {
        result->stamp = validity_commit(validity, now);
        return;
    }
    if (applier->options.positions)
        positions_drop(applier->options.positions);
    validity_restart(validity, now);
    for (size_t i = 0; i < applier->options.store_count; i++)
        store_drop(applier->options.stores[i], (const uint8_t[]){0}, true);
    result->restarted = true;
    result->stamp = validity_now(validity);
}

/* ---- sets ---- */

/* Sets too large for single names to matter are not told of. */
static void tell_evicted(struct applier *applier, const struct change_set *set, struct mono now)
{
    enum { TELL_AT_MOST = 1000 };
    if (!applier->options.evicted || set->change_count > TELL_AT_MOST)
        return;
    for (size_t i = 0; i < set->change_count; i++)
        applier->options.evicted(applier->options.evicted_arg, set->changes[i].name, now);
}

/* The moment of the change, by our monotonic clock; no later than it was. */
static struct mono made_at(const struct change_set *set, struct apply_at at)
{
    const int64_t age_us = at.wall_us - order_time_us(set, at.wall_us);
    const uint64_t now_us = at.now.ms * 1000 + at.us, back_us = age_us > 0 ? (uint64_t)age_us : 0;
    return (struct mono){now_us > back_us ? (now_us - back_us) / 1000 : 0};
}

/* A set as it is applied, once. */
struct applying {
    const struct change_set *set;
    struct place place;
    struct apply_at at;
    bool in_order; /* what it carries may be installed */
    bool soa;      /* the zone's SOA record is another one */
};

static size_t mark_set(struct validity *validity, const struct applying *applying,
                       const struct touch *touches)
{
    const size_t index = applying->place.index;
    size_t marked = 0;
    for (size_t i = 0; i < applying->set->change_count; i++)
        marked += mark_touch(validity, index, &touches[i]);
    if (applying->soa) {
        const struct hashed_name zone = validity_hashed(validity, applying->place.zone);
        marked += validity_mark_in(validity, index, SCOPE_SOA, &zone);
    }
    return marked;
}

/* A set's delegations: what it has of names there is glue, which is not what is answered. */
struct cuts {
    size_t count; /* of all */
    const uint8_t *names[FEW_CUTS];
};

static void find_cuts(const struct change_set *set, struct cuts *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < set->change_count; i++) {
        const struct change *change = &set->changes[i];
        if (change->type != TYPE_NS || change->op == CHANGE_DEL ||
            name_equal(change->name, set->zone))
            continue;
        if (ret->count++ < FEW_CUTS)
            ret->names[ret->count - 1] = change->name;
    }
}

/* With more than a few, any name may be. */
static bool may_be_glue(const struct cuts *cuts, const uint8_t *name)
{
    bool found = cuts->count > FEW_CUTS;
    for (size_t i = 0; i < cuts->count && !found; i++)
        found = name_is_within(name, cuts->names[i]);
    return found;
}

static void find_touches(const struct applier *applier, const struct applying *applying,
                         struct touch *touches)
{
    const struct change_set *set = applying->set;
    struct cuts cuts;
    find_cuts(set, &cuts);
    for (size_t i = 0; i < set->change_count; i++) {
        struct touch *touch = &touches[i];
        touch->change = &set->changes[i];
        touch->name = validity_hashed(applier->options.validity, set->changes[i].name);
        touch->subtree = touches_subtree(set, touch->change);
        touch->installs = applying->in_order && is_installable(applier, &applying->place, touch) &&
                          !may_be_glue(&cuts, touch->name.name);
        touch->held = 0;
        validity_expect(applier->options.validity, &touch->name);
    }
}

/* Marks, and installs what is held. */
static void apply_touches(struct applier *applier, const struct applying *applying,
                          struct touch *touches, struct apply_result *result)
{
    struct validity *validity = applier->options.validity;
    const struct change_set *set = applying->set;
    const struct stamp since = validity_now(validity);
    find_touches(applier, applying, touches);
    const bool held = install_look(applier->installer, touches, set->change_count);
    result->marked = mark_set(validity, applying, touches);
    if (result->marked > 0)
        commit(applier, applying->at.now, result);
    if (held && !result->restarted)
        result->installed =
            install_put(applier->installer, applying->place.index, touches, set->change_count,
                        &(struct store_pushed){.since = since,
                                               .stamp = result->stamp,
                                               .made = made_at(set, applying->at),
                                               .now = applying->at.now});
}

/* A set that is no repetition. Without memory for its changes the whole of its zone is marked. */
static void apply_once(struct applier *applier, const struct applying *applying,
                       struct apply_result *result)
{
    const size_t count = applying->set->change_count;
    struct touch *touches = count > FEW_CHANGES ? malloc(count * sizeof *touches) : applier->few;
    if (touches) {
        apply_touches(applier, applying, touches, result);
    } else {
        result->marked = validity_mark_subtree(applier->options.validity, applying->place.zone);
        commit(applier, applying->at.now, result);
    }
    if (touches != applier->few)
        free(touches);
    tell_evicted(applier, applying->set, applying->at.now);
}

int apply_change_set(struct applier *applier, const struct change_set *set, struct apply_at at,
                     struct apply_result *ret_result)
{
    struct applying applying = {.set = set, .at = at};
    pthread_mutex_lock(&applier->lock);
    if (!find_place(applier, set->zone, &applying.place)) {
        pthread_mutex_unlock(&applier->lock);
        return ERR_NOT_FOUND;
    }
    struct apply_result result = {.stamp = validity_now(applier->options.validity)};
    struct order *order = order_of(applier, &applying.place);
    applying.soa = touches_soa(set, order);
    const struct order_read read = {
        .now = at.now, .wall_us = at.wall_us, .partition = at.partition};
    const enum order_verdict verdict = order ? order_enter(order, set, &read) : ORDER_EVICTS;
    applying.in_order = verdict == ORDER_PLACED;
    result.duplicate = verdict == ORDER_REPEATED;
    if (!result.duplicate) {
        note_cuts(applier, set, applying.in_order);
        applying.in_order = applying.in_order && !is_uncut(applier, set->zone);
        apply_once(applier, &applying, &result);
    }
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
}

int apply_invalidate(struct applier *applier, const uint8_t *zone, struct apply_at at,
                     struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    struct place place;
    pthread_mutex_lock(&applier->lock);
    if (applier->zone_count == 0 || (zone && !find_place(applier, zone, &place))) {
        pthread_mutex_unlock(&applier->lock);
        return ERR_NOT_FOUND;
    }
    struct apply_result result = {0};
    if (zone) {
        struct order *order = order_of(applier, &place);
        if (order)
            order_missed(order, at.wall_us);
        applier->zones[place.index].invalidated++;
        result.marked = validity_mark_subtree(validity, zone);
    } else {
        applier->all_invalidated++;
        forget_cuts(applier);
        if (applier->all_missed_until_us < at.wall_us)
            applier->all_missed_until_us = at.wall_us;
        result.marked = validity_mark_all(validity, !at.settled);
    }
    commit(applier, at.now, &result);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
}

/* Marks what lies in zones: at the name if that does, else, for a subtree, each zone that lies below it. */
static size_t mark_evicted(struct applier *applier, const uint8_t *name, bool subtree)
{
    struct validity *validity = applier->options.validity;
    const uint8_t *zone;
    size_t marked = 0;
    if (validity_zone_of(validity, name, NULL))
        return subtree ? validity_mark_subtree(validity, name) : validity_mark_name(validity, name);
    for (size_t i = 0; subtree && i < validity_zones(validity); i++)
        if ((zone = validity_zone(validity, i)) && name_is_within(zone, name))
            marked += validity_mark_subtree(validity, zone);
    return marked;
}

void apply_evict(struct applier *applier, const uint8_t *name, bool subtree, struct mono now,
                 struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {.marked = mark_evicted(applier, name, subtree)};
    commit(applier, now, &result);
    /* below a name of a zone there may be others that are excepted from it */
    if (subtree || !validity_zone_of(validity, name, NULL))
        result.stamp = validity_evict_outside(validity, name, subtree, now);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
}

/* ---- zones that come and go ---- */

static void forget_inner(struct applier *applier, const uint8_t *name)
{
    struct inner_zone *inner = find_inner(applier, name, name_size(name));
    if (!inner)
        return;
    HASH_DEL(applier->inner, inner);
    order_clear(&inner->order);
    free(inner);
}

/* What came before for a zone is not what comes next: until now it was nobody's to remember, or it will not be any more. */
static void start_over(struct applier *applier, const uint8_t *name, int64_t wall_us)
{
    struct place place;
    forget_inner(applier, name);
    if (!find_place(applier, name, &place))
        return;
    if (!place.below) {
        order_clear(&applier->zones[place.index].order);
        applier->zones[place.index].order = (struct order){0};
        applier->zones[place.index].uncut = false;
    }
    struct order *order = order_of(applier, &place);
    if (order)
        order_missed(order, wall_us);
}

int apply_regroup(struct applier *applier, const struct zone_change *changes, size_t count,
                  struct apply_at at, struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    struct apply_result result = {0};
    pthread_mutex_lock(&applier->lock);
    int error = make_room(applier, validity_zones(validity) + count) ? ERR_OK : ERR_MEMORY;
    if (!error)
        error = validity_regroup(validity, changes, count, &result.marked);
    for (size_t i = 0; !error && i < count && result.marked > 0; i++)
        start_over(applier, changes[i].name, at.wall_us);
    if (!error && result.marked > 0)
        commit(applier, at.now, &result);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return error;
}

const uint8_t *applier_zone_of(const struct applier *applier, const uint8_t *name)
{
    return validity_zone_of(applier->options.validity, name, NULL);
}

void applier_set_lease(struct applier *applier, struct mono until)
{
    validity_set_lease(applier->options.validity, until);
}

size_t applier_zones(const struct applier *applier)
{
    return validity_zones(applier->options.validity);
}

bool applier_zone_status(struct applier *applier, size_t k, struct apply_zone_status *ret)
{
    const uint8_t *zone = validity_zone(applier->options.validity, k);
    if (!zone)
        return false;
    pthread_mutex_lock(&applier->lock);
    const struct order *order = &applier->zones[k].order;
    *ret = (struct apply_zone_status){
        .has_serial = order->has_serial,
        .serial = order->serial,
        .time_us = order->time_us,
        .sets = order->sets,
        .invalidated = applier->zones[k].invalidated + applier->all_invalidated,
        .duplicates = order->duplicates,
        .jumps_back = order->jumps_back,
        .future = order->future,
        .elsewhere = order->elsewhere,
        .stale = order->stale,
    };
    pthread_mutex_unlock(&applier->lock);
    memcpy(ret->zone, zone, name_size(zone));
    return true;
}
