#include "invalidation/apply.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "dns/build.h"
#include "invalidation/order.h"

enum {
    INNER_ZONES = 4096,    /* zones below those of the subscription whose order is remembered */
    LAST_STAMPS = 1 << 16, /* so many before the end of the clock it starts over */
};

/* A zone below one of the subscription, as sets are named for it. */
struct inner_zone {
    UT_hash_handle hh;
    struct order order;
    uint8_t name[NAME_MAX_SIZE];
};

struct applier {
    struct applier_options options;
    pthread_mutex_t lock; /* one change set at a time: the marks have one writer */
    size_t zone_count;
    struct order *orders;     /* by zone index */
    uint64_t *invalidated;    /* by zone index: times by itself */
    uint64_t all_invalidated; /* times all zones were: gaps, and what named no zone */
    int64_t all_missed_until_us;
    struct inner_zone *inner;
    struct builder builder;
    uint16_t ttl_offsets[BUILD_MAX_RECORDS];
    uint8_t wire[DNS_MAX_MESSAGE];
    uint8_t body[DNS_MAX_MESSAGE]; /* one store's copy, with its own TTL bounds */
    const struct rdata_view *sorted[BUILD_MAX_RECORDS];
    bool again[BUILD_MAX_RECORDS]; /* by record of a change: the same as another */
};

struct applier *applier_new(const struct applier_options *options)
{
    struct applier *applier = calloc(1, sizeof *applier);
    if (!applier)
        return NULL;
    applier->options = *options;
    while (validity_zone(options->validity, applier->zone_count))
        applier->zone_count++;
    applier->orders = calloc(applier->zone_count + 1, sizeof *applier->orders);
    applier->invalidated = calloc(applier->zone_count + 1, sizeof *applier->invalidated);
    pthread_mutex_init(&applier->lock, NULL);
    if (!applier->orders || !applier->invalidated) {
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
    for (size_t i = 0; applier->orders && i < applier->zone_count; i++)
        order_clear(&applier->orders[i]);
    struct inner_zone *zone, *next;
    HASH_ITER (hh, applier->inner, zone, next) {
        HASH_DEL(applier->inner, zone);
        order_clear(&zone->order);
        free(zone);
    }
    free(applier->orders);
    free(applier->invalidated);
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
    return zone;
}

/* What came before for a zone that is ours, or below one that is. NULL: it is not remembered. */
static struct order *order_of(struct applier *applier, const uint8_t *zone)
{
    size_t index;
    const uint8_t *found = validity_zone_of(applier->options.validity, zone, &index);
    struct order *order = NULL;
    if (found && name_equal(found, zone)) {
        order = &applier->orders[index];
    } else {
        const size_t size = name_size(zone);
        struct inner_zone *inner = find_inner(applier, zone, size);
        if (!inner)
            inner = add_inner(applier, zone, size);
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

/* Whether a name lies in a zone below `zone` that is known: then `zone` has no say of what is there. */
static bool lies_deeper(const struct applier *applier, const uint8_t *name, const uint8_t *zone)
{
    const uint8_t *found = validity_zone_of(applier->options.validity, name, NULL);
    const size_t zone_size = name_size(zone);
    if (!found || name_size(found) > zone_size)
        return true; /* excepted, or in another one of ours */
    for (size_t size = name_size(name); applier->inner && size > zone_size;
         size -= 1u + name[0], name += 1u + name[0])
        if (find_inner(applier, name, size))
            return true;
    return false;
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

static size_t mark_change(struct validity *validity, const struct change_set *set,
                          const struct change *change)
{
    size_t marked = validity_mark_name(validity, change->name);
    if (name_is_wildcard(change->name))
        marked += validity_mark_subtree(validity, name_parent(change->name));
    if (touches_subtree(set, change))
        marked += validity_mark_subtree(validity, change->name);
    return marked;
}

static size_t mark_set(struct validity *validity, const struct order *order,
                       const struct change_set *set)
{
    size_t marked = 0;
    for (size_t i = 0; i < set->change_count; i++)
        marked += mark_change(validity, set, &set->changes[i]);
    /* A heartbeat repeats the serial, as a rule. */
    if (set->has_serial &&
        (set->change_count > 0 || (order->has_serial && order->serial != set->serial)))
        marked += validity_mark_soa(validity, set->zone);
    return marked;
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

/* ---- installing ---- */

/* An RRset that can stand as the answer to its own question. */
static bool is_installable(const struct applier *applier, const struct change_set *set,
                           const struct change *change)
{
    return change->op == CHANGE_SET && !touches_subtree(set, change) &&
           !name_is_wildcard(change->name) && !lies_deeper(applier, change->name, set->zone);
}

static int compare_rdata(const void *a, const void *b, void *type)
{
    const struct rdata_view *one = *(const struct rdata_view *const *)a;
    const struct rdata_view *other = *(const struct rdata_view *const *)b;
    int order = rdata_compare(*(uint16_t *)type, one->bytes, one->size, other->bytes, other->size);
    return order != 0 ? order : (one > other) - (one < other);
}

/* Finds what a change says twice (RFC 2181 5); it has at most BUILD_MAX_RECORDS records. */
static void find_repeated(struct applier *applier, const struct change *change)
{
    uint16_t type = change->type;
    const struct rdata_view **sorted = applier->sorted;
    for (size_t i = 0; i < change->rdata_count; i++) {
        sorted[i] = &change->rdata[i];
        applier->again[i] = false;
    }
    qsort_r(sorted, change->rdata_count, sizeof *sorted, compare_rdata, &type);
    for (size_t i = 1; i < change->rdata_count; i++)
        applier->again[sorted[i] - change->rdata] =
            rdata_compare(type, sorted[i - 1]->bytes, sorted[i - 1]->size, sorted[i]->bytes,
                          sorted[i]->size) == 0;
}

/* The question, and the records of a SET behind it. Returns the size, or less than 0. */
static int build_set(struct applier *applier, const struct change *change, bool movable,
                     size_t *ret_start)
{
    struct builder *builder = &applier->builder;
    struct question question = {
        .type = change->type, .class = CLASS_IN, .name_size = (uint8_t)name_size(change->name)};
    memcpy(question.name, change->name, question.name_size);
    build_start(builder, applier->wire, sizeof applier->wire);
    build_question(builder, &question);
    *ret_start = builder->out.at;
    for (size_t i = 0; i < change->rdata_count; i++) {
        const struct record record = {
            .owner = change->name,
            .rdata = change->rdata[i].bytes,
            .rdata_size = change->rdata[i].size,
            .ttl = change->ttl,
            .type = change->type,
            .class = CLASS_IN,
        };
        if (applier->again[i])
            continue;
        if (movable)
            build_movable(builder, SECTION_ANSWER, &record);
        else
            build_record(builder, SECTION_ANSWER, &record);
    }
    return build_finish(builder, 0, 0);
}

/* The answer a SET carries; its body is in applier->wire behind the question. */
static bool build_answer(struct applier *applier, const struct change *change, struct answer *ret)
{
    const struct builder *builder = &applier->builder;
    size_t start;
    if (change->rdata_count > BUILD_MAX_RECORDS)
        return false;
    find_repeated(applier, change);
    int size = build_set(applier, change, true, &start);
    if (size < 0 || size > DNS_CLASSIC_UDP - DNS_OPT_SIZE) /* too long for some client */
        size = build_set(applier, change, false, &start);
    if (size < 0)
        return false;
    for (size_t i = 0; i < builder->ttl_count; i++)
        applier->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    *ret = (struct answer){
        .flags = builder->counts[0] > 1 && build_stands_alone(builder, start, (size_t)size)
                     ? FLAG_ROTATES
                     : 0,
        .counts = {builder->counts[0], 0, 0},
        .origin = ORIGIN_FEED,
        .ttl = change->ttl,
        .ede = EDE_NONE,
        .covered = true,
        .body = applier->wire + start,
        .body_size = (size_t)size - start,
        .ttl_offsets = applier->ttl_offsets,
        .ttl_count = builder->ttl_count,
    };
    validity_depend_on_question(applier->options.validity, change->name,
                                change->type == TYPE_SOA ? TOLD_SOA : TOLD_DATA,
                                &ret->dependencies);
    return true;
}

/* Puts a built answer in the place of the one that a store holds, with the store's own bounds. */
static bool replace(struct applier *applier, struct store *store, const struct answer_key *key,
                    const struct answer *built, const struct store_pushed *pushed)
{
    struct ttl_policy policy = store_policy(store);
    struct answer bounded = *built;
    bounded.body = applier->body;
    memcpy(applier->body, built->body, built->body_size);
    answer_bound_ttls(&bounded, &policy);
    return store_replace(store, key, &bounded, pushed);
}

enum { VARIANTS = 2, MASKED_STORES = 32 / VARIANTS };

/*
 * The v-th key that a change may bring the answer to: with CD set or not. What was asked for with DO set wants signatures,
 * which a change set does not carry: it stays evicted.
 */
static void variant_key(const struct store *store, const struct change *change, size_t v,
                        struct answer_key *ret)
{
    store_key_variant(store, change->name, change->type, v ? KEY_CHECKING_DISABLED : 0, ret);
}

/* Where in a mask of (store, variant) an answer is noted; what has no place of its own shares the last one. */
static uint32_t mask_of(size_t store, size_t variant)
{
    const size_t place = store < MASKED_STORES ? store : MASKED_STORES - 1;
    return UINT32_C(1) << (place * VARIANTS + variant);
}

/* Before the marks: where a store holds what no other change has touched up to now. Mostly nowhere. */
static uint32_t renew(struct applier *applier, const struct change *change)
{
    uint32_t mask = 0;
    struct answer_key key;
    for (size_t i = 0; i < applier->options.store_count; i++)
        for (size_t v = 0; v < VARIANTS; v++) {
            variant_key(applier->options.stores[i], change, v, &key);
            if (store_renew(applier->options.stores[i], &key))
                mask |= mask_of(i, v);
        }
    return mask;
}

/* A mask for each change of a set; NULL: nothing is to be installed, or no memory. To be freed. */
static uint32_t *renew_set(struct applier *applier, const struct change_set *set)
{
    uint32_t *masks = NULL;
    for (size_t i = 0; i < set->change_count; i++) {
        uint32_t mask =
            is_installable(applier, set, &set->changes[i]) ? renew(applier, &set->changes[i]) : 0;
        if (mask && !masks)
            masks = calloc(set->change_count, sizeof *masks);
        if (mask && masks)
            masks[i] = mask;
    }
    return masks;
}

/* Replaces the answers that stores hold for the question, where the mask says that they may be. */
static size_t install(struct applier *applier, const struct change *change, uint32_t mask,
                      const struct store_pushed *pushed)
{
    struct answer answer;
    struct answer_key key;
    size_t installed = 0;
    if (!build_answer(applier, change, &answer))
        return 0;
    for (size_t i = 0; i < applier->options.store_count; i++)
        for (size_t v = 0; v < VARIANTS; v++) {
            struct store *store = applier->options.stores[i];
            if (!(mask & mask_of(i, v)))
                continue;
            variant_key(store, change, v, &key);
            installed += replace(applier, store, &key, &answer, pushed);
        }
    return installed;
}

/*
 * What later changes of the same set have the last word on: an RRset, or a name as a whole (type 0). A hash
 * table of places in the set, by name and type; at most half full.
 */
struct superseded {
    const struct change_set *set;
    size_t size;     /* a power of two; 0: nothing is superseded */
    uint32_t *slots; /* a place in the set, counted from 1; 0: free */
};

/* False: no memory. */
static bool superseded_init(struct superseded *superseded, const struct change_set *set)
{
    *superseded = (struct superseded){.set = set};
    if (set->change_count < 2)
        return true;
    size_t size = 4;
    while (size < 2 * set->change_count)
        size *= 2;
    superseded->slots = calloc(size, sizeof *superseded->slots);
    superseded->size = superseded->slots ? size : 0;
    return superseded->slots != NULL;
}

/* The slot of (name, type), or the free one where it goes. */
static uint32_t *superseded_slot(const struct applier *applier, const struct superseded *superseded,
                                 const uint8_t *name, uint16_t type)
{
    const uint64_t hash = validity_hash(applier->options.validity, name, name_size(name));
    for (size_t at = hash + type * UINT64_C(0x9e3779b97f4a7c15);; at++) {
        uint32_t *slot = &superseded->slots[at & (superseded->size - 1)];
        if (*slot == 0)
            return slot;
        const struct change *change = &superseded->set->changes[*slot - 1];
        if (change->type == type && name_equal(change->name, name))
            return slot;
    }
}

static bool is_superseded(const struct applier *applier, const struct superseded *superseded,
                          const struct change *change)
{
    return superseded->size > 0 &&
           (*superseded_slot(applier, superseded, change->name, change->type) != 0 ||
            *superseded_slot(applier, superseded, change->name, 0) != 0);
}

static void supersede(const struct applier *applier, const struct superseded *superseded,
                      size_t place)
{
    const struct change *change = &superseded->set->changes[place];
    if (superseded->size > 0)
        *superseded_slot(applier, superseded, change->name, change->type) = (uint32_t)place + 1;
}

/*
 * From the last change to the first, so that the last word on an RRset is the one installed. A change
 * to a whole subtree silences everything before it.
 */
static size_t install_set(struct applier *applier, const struct change_set *set,
                          const uint32_t *masks, const struct store_pushed *pushed)
{
    struct superseded superseded;
    size_t installed = 0;
    if (!superseded_init(&superseded, set))
        return 0; /* evicted is enough */
    for (size_t i = set->change_count; i-- > 0;) {
        const struct change *change = &set->changes[i];
        if (touches_subtree(set, change))
            break;
        if (masks[i] && !is_superseded(applier, &superseded, change))
            installed += install(applier, change, masks[i], pushed);
        supersede(applier, &superseded, i);
    }
    free(superseded.slots);
    return installed;
}

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

/* A set that is no repetition: marked, and installed where it is in order. */
static void apply_once(struct applier *applier, const struct change_set *set,
                       const struct order *before, struct apply_at at, bool in_order,
                       struct apply_result *result)
{
    struct validity *validity = applier->options.validity;
    const struct stamp since = validity_now(validity);
    uint32_t *masks = in_order ? renew_set(applier, set) : NULL;
    result->marked = mark_set(validity, before, set);
    if (result->marked > 0)
        commit(applier, at.now, result);
    if (masks && !result->restarted)
        result->installed = install_set(
            applier, set, masks,
            &(struct store_pushed){
                .since = since, .stamp = result->stamp, .made = made_at(set, at), .now = at.now});
    free(masks);
    tell_evicted(applier, set, at.now);
}

int apply_change_set(struct applier *applier, const struct change_set *set, struct apply_at at,
                     struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    if (!validity_zone_of(validity, set->zone, NULL))
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {.stamp = validity_now(validity)};
    struct order *order = order_of(applier, set->zone);
    const struct order before = order ? *order : (struct order){0};
    const struct order_read read = {
        .now = at.now, .wall_us = at.wall_us, .partition = at.partition};
    const enum order_verdict verdict = order ? order_enter(order, set, &read) : ORDER_EVICTS;
    result.duplicate = verdict == ORDER_REPEATED;
    if (!result.duplicate)
        apply_once(applier, set, &before, at, verdict == ORDER_PLACED, &result);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
}

int apply_invalidate(struct applier *applier, const uint8_t *zone, struct apply_at at,
                     struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    size_t index = 0;
    if (applier->zone_count == 0 || (zone && !validity_zone_of(validity, zone, &index)))
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {0};
    if (zone) {
        struct order *order = order_of(applier, zone);
        if (order)
            order_missed(order, at.wall_us);
        applier->invalidated[index]++;
        result.marked = validity_mark_subtree(validity, zone);
    } else {
        applier->all_invalidated++;
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
    for (size_t i = 0; subtree && (zone = validity_zone(validity, i)); i++)
        if (name_is_within(zone, name))
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

const uint8_t *applier_zone_of(const struct applier *applier, const uint8_t *name)
{
    return validity_zone_of(applier->options.validity, name, NULL);
}

void applier_set_lease(struct applier *applier, struct mono until)
{
    validity_set_lease(applier->options.validity, until);
}

bool applier_zone_status(struct applier *applier, size_t k, struct apply_zone_status *ret)
{
    if (k >= applier->zone_count)
        return false;
    const uint8_t *zone = validity_zone(applier->options.validity, k);
    pthread_mutex_lock(&applier->lock);
    const struct order *order = &applier->orders[k];
    *ret = (struct apply_zone_status){
        .has_serial = order->has_serial,
        .serial = order->serial,
        .time_us = order->time_us,
        .sets = order->sets,
        .invalidated = applier->invalidated[k] + applier->all_invalidated,
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
