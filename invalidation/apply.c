#include "invalidation/apply.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"

enum {
    MAX_PUBLISHERS = 32, /* remembered per zone; the one not heard of for longest is forgotten */
    SEQ_WINDOW = 1024,   /* seqs below the highest that are told apart */
};

/* Which sets of a publisher were applied: a window of bits that ends at the highest seq. */
struct publisher_log {
    char name[sizeof((struct change_set *)0)->publisher];
    uint64_t used; /* the zone's count of sets when it was last heard of */
    uint64_t highest;
    uint64_t seen[SEQ_WINDOW / 64]; /* by seq modulo SEQ_WINDOW */
};

/* A zone's record of what was applied. */
struct zone_history {
    bool has_serial;
    uint32_t serial;
    int64_t time_us;
    int64_t missed_until_us; /* sets committed before may have been missed */
    uint64_t sets;
    uint64_t invalidated;
    uint64_t duplicates, jumps_back, stale;
    size_t publisher_count;
    struct publisher_log *publishers; /* grown as they appear */
};

struct applier {
    struct applier_options options;
    pthread_mutex_t lock; /* one change set at a time: the marks have one writer */
    size_t zone_count;
    struct zone_history *histories; /* by zone index */
    struct builder builder;
    uint16_t ttl_offsets[BUILD_MAX_RECORDS];
    uint8_t wire[DNS_MAX_MESSAGE];
    uint8_t body[DNS_MAX_MESSAGE]; /* one store's copy, with its own TTL bounds */
};

struct applier *applier_new(const struct applier_options *options)
{
    struct applier *applier = calloc(1, sizeof *applier);
    if (!applier)
        return NULL;
    applier->options = *options;
    while (validity_zone(options->validity, applier->zone_count))
        applier->zone_count++;
    applier->histories = calloc(applier->zone_count + 1, sizeof *applier->histories);
    pthread_mutex_init(&applier->lock, NULL);
    if (!applier->histories) {
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
    for (size_t i = 0; applier->histories && i < applier->zone_count; i++)
        free(applier->histories[i].publishers);
    free(applier->histories);
    free(applier);
}

/* The history of exactly this zone, or NULL. */
static struct zone_history *history_of(struct applier *applier, const uint8_t *zone)
{
    size_t index;
    const uint8_t *found = validity_zone_of(applier->options.validity, zone, &index);
    return found && name_equal(found, zone) ? &applier->histories[index] : NULL;
}

/* Whether what a change says holds for more names than its own. */
static bool touches_subtree(const struct change_set *set, const struct change *change)
{
    if (change->op == CHANGE_FLUSH)
        return change->subtree;
    if (change->op == CHANGE_DEL && change->type == 0)
        return true;
    return change->type == TYPE_DNAME ||
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

static bool serial_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0; /* RFC 1982 3.2 */
}

/* The log of a publisher; a new one takes the place of the one not heard of for longest. NULL: no memory. */
static struct publisher_log *publisher_of(struct zone_history *history, const char *name)
{
    struct publisher_log *oldest = NULL;
    for (size_t i = 0; i < history->publisher_count; i++) {
        struct publisher_log *log = &history->publishers[i];
        if (strcmp(log->name, name) == 0)
            return log;
        if (!oldest || log->used < oldest->used)
            oldest = log;
    }
    if (history->publisher_count < MAX_PUBLISHERS) {
        size_t count = history->publisher_count + 1;
        struct publisher_log *grown = realloc(history->publishers, count * sizeof *grown);
        if (!grown)
            return NULL;
        history->publishers = grown;
        oldest = &grown[history->publisher_count++];
    }
    *oldest = (struct publisher_log){0};
    memcpy(oldest->name, name, sizeof oldest->name);
    return oldest;
}

enum seq_order { SEQ_NEW, SEQ_BACK, SEQ_DUPLICATE };

static uint64_t *seq_word(struct publisher_log *log, uint64_t seq)
{
    return &log->seen[seq % SEQ_WINDOW / 64];
}

/* Slides the window so that it ends at `seq`; what comes into it is not seen yet. */
static void raise_highest(struct publisher_log *log, uint64_t seq)
{
    uint64_t steps = seq - log->highest;
    if (steps >= SEQ_WINDOW)
        memset(log->seen, 0, sizeof log->seen);
    for (uint64_t s = log->highest + 1; steps < SEQ_WINDOW && s <= seq; s++)
        *seq_word(log, s) &= ~((uint64_t)1 << s % 64);
    log->highest = seq;
}

/* Enters a set by its publisher and seq, and tells how it stands to those before. */
static enum seq_order enter_seq(struct zone_history *history, const struct change_set *set)
{
    if (!set->has_seq || set->publisher[0] == '\0')
        return SEQ_NEW;
    struct publisher_log *log = publisher_of(history, set->publisher);
    if (!log)
        return SEQ_BACK; /* no memory: it may be a duplicate */
    bool first = log->used == 0;
    log->used = history->sets + 1;
    uint64_t bit = (uint64_t)1 << set->seq % 64;
    if (first || set->seq > log->highest) {
        raise_highest(log, set->seq);
        *seq_word(log, set->seq) |= bit;
        return SEQ_NEW;
    }
    if (log->highest - set->seq >= SEQ_WINDOW)
        return SEQ_BACK;
    if (*seq_word(log, set->seq) & bit)
        return SEQ_DUPLICATE;
    *seq_word(log, set->seq) |= bit;
    return SEQ_BACK;
}

/* Older than what was applied for the zone: it may still evict, but brings no data (P8). */
static bool is_stale(const struct zone_history *history, const struct change_set *set)
{
    return set->time_us < history->time_us || set->time_us < history->missed_until_us ||
           (set->has_serial && history->has_serial && serial_before(set->serial, history->serial));
}

static void enter(struct zone_history *history, const struct change_set *set)
{
    history->sets++;
    if (set->time_us > history->time_us)
        history->time_us = set->time_us;
    if (set->has_serial && (!history->has_serial || serial_before(history->serial, set->serial))) {
        history->has_serial = true;
        history->serial = set->serial;
    }
}

/* An RRset that can stand as the answer to its own question. */
static bool is_installable(const struct change_set *set, const struct change *change)
{
    return change->op == CHANGE_SET && !touches_subtree(set, change) &&
           !name_is_wildcard(change->name);
}

/* The answer a SET carries; its body is in applier->wire behind the question. */
static bool build_answer(struct applier *applier, const struct change *change, struct answer *ret)
{
    struct builder *builder = &applier->builder;
    struct question question = {
        .type = change->type, .class = CLASS_IN, .name_size = (uint8_t)name_size(change->name)};
    memcpy(question.name, change->name, question.name_size);
    build_start(builder, applier->wire, sizeof applier->wire);
    build_question(builder, &question);
    size_t start = builder->out.at;
    for (size_t i = 0; i < change->rdata_count; i++)
        build_record(builder, SECTION_ANSWER,
                     &(struct record){
                         .owner = change->name,
                         .rdata = change->rdata[i].bytes,
                         .rdata_size = change->rdata[i].size,
                         .ttl = change->ttl,
                         .type = change->type,
                         .class = CLASS_IN,
                     });
    int size = build_finish(builder, 0, 0);
    if (size < 0)
        return false;
    for (size_t i = 0; i < builder->ttl_count; i++)
        applier->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    *ret = (struct answer){
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
    validity_depend_on_question(applier->options.validity, change->name, false, &ret->dependencies);
    return true;
}

/* Puts a built answer in the place of the one that a store holds, with the store's own bounds. */
static bool replace(struct applier *applier, struct store *store, const struct answer_key *key,
                    const struct answer *built, struct stamp stamp, struct mono now)
{
    struct ttl_policy policy = store_policy(store);
    struct answer bounded = *built;
    bounded.body = applier->body;
    memcpy(applier->body, built->body, built->body_size);
    answer_bound_ttls(&bounded, &policy);
    return store_replace(store, key, &bounded, stamp, now);
}

/*
 * Replaces the answers that stores hold for the question, with CD set or not. What was asked for with
 * DO set wants signatures, which a change set does not carry: it stays evicted. Most changes are of names that
 * no store holds: the answer is built when the first one does.
 */
static size_t install(struct applier *applier, const struct change *change, struct stamp stamp,
                      struct mono now)
{
    struct answer answer;
    struct answer_key key;
    bool built = false;
    size_t installed = 0;
    for (size_t i = 0; i < applier->options.store_count; i++) {
        struct store *store = applier->options.stores[i];
        for (int cd = 0; cd <= KEY_CHECKING_DISABLED; cd += KEY_CHECKING_DISABLED) {
            store_key_variant(store, change->name, change->type, cd, &key);
            if (!store_has(store, &key))
                continue;
            if (!built && !build_answer(applier, change, &answer))
                return 0;
            built = true;
            installed += replace(applier, store, &key, &answer, stamp, now);
        }
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
static size_t install_set(struct applier *applier, const struct change_set *set, struct stamp stamp,
                          struct mono now)
{
    struct superseded superseded;
    size_t installed = 0;
    if (!superseded_init(&superseded, set))
        return 0; /* evicted is enough */
    for (size_t i = set->change_count; i-- > 0;) {
        const struct change *change = &set->changes[i];
        if (touches_subtree(set, change))
            break;
        if (is_installable(set, change) && !is_superseded(applier, &superseded, change))
            installed += install(applier, change, stamp, now);
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

static void apply_in_order(struct applier *applier, struct zone_history *history,
                           const struct change_set *set, enum seq_order order, struct mono now,
                           struct apply_result *result)
{
    struct validity *validity = applier->options.validity;
    for (size_t i = 0; i < set->change_count; i++)
        result->marked += mark_change(validity, set, &set->changes[i]);
    if (set->change_count > 0)
        result->stamp = validity_commit(validity, now);
    if (order == SEQ_NEW && !is_stale(history, set))
        result->installed = install_set(applier, set, result->stamp, now);
    else
        history->stale++;
    enter(history, set);
    tell_evicted(applier, set, now);
}

int apply_change_set(struct applier *applier, const struct change_set *set, struct mono now,
                     struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    struct zone_history *history = history_of(applier, set->zone);
    if (!history)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {.stamp = validity_now(validity)};
    enum seq_order order = enter_seq(history, set);
    if (order == SEQ_DUPLICATE) {
        history->duplicates++;
        result.duplicate = true;
    } else {
        history->jumps_back += order == SEQ_BACK;
        apply_in_order(applier, history, set, order, now, &result);
    }
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
}

int apply_invalidate(struct applier *applier, const uint8_t *zone, struct mono now,
                     int64_t missed_until_us, struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    struct zone_history *only = zone ? history_of(applier, zone) : NULL;
    if (zone && !only)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {0};
    for (size_t i = 0; i < applier->zone_count; i++) {
        struct zone_history *history = &applier->histories[i];
        if (only && history != only)
            continue;
        result.marked += validity_mark_subtree(validity, validity_zone(validity, i));
        history->invalidated++;
        if (history->missed_until_us < missed_until_us)
            history->missed_until_us = missed_until_us;
        /* A gap: publishers may have started over. What they repeat is too old to bring data. */
        if (!zone)
            history->publisher_count = 0;
    }
    result.stamp = validity_commit(validity, now);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
}

int apply_evict(struct applier *applier, const uint8_t *name, bool subtree, struct mono now,
                struct apply_result *ret_result)
{
    struct validity *validity = applier->options.validity;
    if (!validity_zone_of(validity, name, NULL))
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&applier->lock);
    struct apply_result result = {0};
    result.marked =
        subtree ? validity_mark_subtree(validity, name) : validity_mark_name(validity, name);
    result.stamp = validity_commit(validity, now);
    pthread_mutex_unlock(&applier->lock);
    *ret_result = result;
    return ERR_OK;
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
    const struct zone_history *history = &applier->histories[k];
    *ret = (struct apply_zone_status){
        .has_serial = history->has_serial,
        .serial = history->serial,
        .time_us = history->time_us,
        .sets = history->sets,
        .invalidated = history->invalidated,
        .duplicates = history->duplicates,
        .jumps_back = history->jumps_back,
        .stale = history->stale,
    };
    pthread_mutex_unlock(&applier->lock);
    memcpy(ret->zone, zone, name_size(zone));
    return true;
}
