#include "invalidation/streamed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "dns/rdata.h"
#include "invalidation/zone_set.h"

enum { LOOK_MS = 500 };

struct streamed_zone {
    UT_hash_handle hh;
    struct zone *data;
    struct zone_history *_Atomic history; /* NULL: none is kept */
    struct streamed_zone *prev, *next_moved;
    bool watched; /* every change is told, not only those of the serial */
    bool moved;   /* there is another version since somebody asked */
    bool gone;    /* nobody wants it; it is not loaded, and has no data */
    size_t number;
    _Atomic int state;
    _Atomic uint64_t unprovable;
    uint64_t epoch;                /* what is loaded for an older one is not wanted */
    int64_t next;                  /* offset of the first change set that is not in it */
    int64_t least;                 /* of a snapshot to be of use */
    uint32_t expire;               /* the SOA's, in seconds */
    struct streamed_status status; /* but for the state */
    uint8_t apex[NAME_MAX_SIZE];
};

struct streamed {
    struct applier *applier;
    size_t count;
    struct streamed_zone **zones; /* by number */
    struct streamed_zone *table;  /* by name */
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    bool woken;
    struct streamed_feed feed;
    int64_t feed_next[LOG_MAX_PARTITIONS]; /* where the feed stands */
    size_t whole;                          /* zones LIVE or EXPIRED */
    size_t gone;                           /* and those that nobody wants, which are neither */
    bool lost;                             /* the feed is not live */
    struct mono lost_since;
    struct streamed_zone *moved;
    void (*on_moved)(void *arg);
    void *on_moved_arg;
    struct mono look; /* for zones that have expired; not before this */
};

const char *streamed_state_text(enum streamed_state state)
{
    static const char *const texts[] = {"loading", "live", "expired", "gapped"};
    return texts[state];
}

struct streamed *streamed_new(void)
{
    struct streamed *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wanted, NULL);
    return s;
}

void streamed_set_applier(struct streamed *s, struct applier *applier)
{
    s->applier = applier;
}

void streamed_free(struct streamed *s)
{
    if (!s)
        return;
    HASH_CLEAR(hh, s->table);
    for (size_t k = 0; k < s->count; k++) {
        zone_free(s->zones[k]->data);
        zone_history_free(s->zones[k]->history);
        free(s->zones[k]);
    }
    free(s->zones);
    pthread_cond_destroy(&s->wanted);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* The lock is held. */
static struct streamed_zone *find(const struct streamed *s, const uint8_t *apex)
{
    struct streamed_zone *zone;
    HASH_FIND(hh, s->table, apex, name_size(apex), zone);
    return zone;
}

struct streamed_zone *streamed_find(const struct streamed *s, const uint8_t *apex)
{
    pthread_mutex_t *lock = &((struct streamed *)s)->lock;
    pthread_mutex_lock(lock);
    struct streamed_zone *zone = find(s, apex);
    if (zone && zone->gone)
        zone = NULL;
    pthread_mutex_unlock(lock);
    return zone;
}

/* The lock is held. */
static int add_new(struct streamed *s, const uint8_t *apex)
{
    const size_t size = name_size(apex);
    struct streamed_zone **grown = realloc(s->zones, (s->count + 1) * sizeof *grown);
    struct streamed_zone *zone = calloc(1, sizeof *zone);
    if (grown)
        s->zones = grown;
    if (!grown || !zone || zone_new(apex, &zone->data) < 0) {
        free(zone);
        return ERR_MEMORY;
    }
    memcpy(zone->apex, apex, size);
    memcpy(zone->status.zone, apex, size);
    zone->status.partition = -1;
    zone->status.behind = -1;
    snprintf(zone->status.reason, STREAMED_MAX_REASON, "it has not been read yet");
    HASH_ADD_KEYPTR(hh, s->table, zone->apex, size, zone);
    zone->number = s->count;
    s->zones[s->count++] = zone;
    return 0;
}

int streamed_add(struct streamed *s, const uint8_t *apex)
{
    int error = 0;
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = find(s, apex);
    if (!zone)
        error = add_new(s, apex);
    else if (zone->gone)
        s->gone--;
    if (!error && (!zone || zone->gone)) {
        s->feed.zones++;
        pthread_cond_broadcast(&s->wanted);
    }
    if (zone)
        zone->gone = false;
    pthread_mutex_unlock(&s->lock);
    return error;
}

/* The k-th; NULL past the last one. */
static struct streamed_zone *zone_at(struct streamed *s, size_t k)
{
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = k < s->count ? s->zones[k] : NULL;
    pthread_mutex_unlock(&s->lock);
    return zone;
}

size_t streamed_count(const struct streamed *s)
{
    pthread_mutex_t *lock = &((struct streamed *)s)->lock;
    pthread_mutex_lock(lock);
    const size_t count = s->count;
    pthread_mutex_unlock(lock);
    return count;
}

/* ---- whoever answers from them --------------------------------------------------------------- */

enum streamed_state streamed_state(const struct streamed_zone *zone)
{
    return (enum streamed_state)atomic_load_explicit(&zone->state, memory_order_acquire);
}

const struct zone *streamed_data(const struct streamed_zone *zone)
{
    return zone->data;
}

const uint8_t *streamed_apex(const struct streamed_zone *zone)
{
    return zone->apex;
}

size_t streamed_number(const struct streamed_zone *zone)
{
    return zone->number;
}

/* ---- whoever hands them on ------------------------------------------------------------------- */

int streamed_keep(struct streamed *s, struct streamed_zone *zone, size_t max_bytes)
{
    int error = 0;
    pthread_mutex_lock(&s->lock);
    struct zone_history *history = atomic_load(&zone->history);
    if (history)
        zone_history_resize(history, max_bytes);
    else
        error = zone_history_new(max_bytes, &history);
    if (error == 0)
        atomic_store(&zone->history, history);
    pthread_mutex_unlock(&s->lock);
    return error;
}

struct zone_history *streamed_history(const struct streamed_zone *zone)
{
    return atomic_load(&zone->history);
}

void streamed_watch(struct streamed *s, struct streamed_zone *zone)
{
    pthread_mutex_lock(&s->lock);
    zone->watched = true;
    pthread_mutex_unlock(&s->lock);
}

void streamed_set_moved(struct streamed *s, void (*moved)(void *arg), void *arg)
{
    s->on_moved = moved;
    s->on_moved_arg = arg;
}

const struct streamed_zone *streamed_moved(struct streamed *s)
{
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = s->moved;
    if (zone) {
        DL_DELETE2(s->moved, zone, prev, next_moved);
        zone->moved = false;
    }
    pthread_mutex_unlock(&s->lock);
    return zone;
}

/* The lock is held. */
static void note_moved(struct streamed *s, struct streamed_zone *zone)
{
    if ((!zone->history && !zone->watched) || zone->moved || !s->on_moved)
        return;
    zone->moved = true;
    DL_APPEND2(s->moved, zone, prev, next_moved);
    s->on_moved(s->on_moved_arg);
}

/* ---- changes of state; the lock is held ------------------------------------------------------ */

static bool is_whole(const struct streamed_zone *zone)
{
    const enum streamed_state state = streamed_state(zone);
    return state == STREAMED_LIVE || state == STREAMED_EXPIRED;
}

static void turn(struct streamed *s, struct streamed_zone *zone, enum streamed_state state,
                 const char *reason)
{
    const bool was = is_whole(zone);
    atomic_store_explicit(&zone->state, (int)state, memory_order_release);
    s->whole += (size_t)is_whole(zone) - (size_t)was;
    snprintf(zone->status.reason, STREAMED_MAX_REASON, "%s", reason);
    zone->status.part = zone->status.parts = 0;
    zone->status.behind = -1;
    if (state == STREAMED_LIVE)
        note_moved(s, zone);
    if (was && !is_whole(zone)) {
        zone->epoch++;
        pthread_cond_broadcast(&s->wanted);
    }
}

/* All of the zone, after it has changed its state; the lock is not held. */
static void invalidate(struct streamed *s, const struct streamed_zone *zone, struct apply_at at)
{
    struct apply_result result;
    at.settled = true; /* nobody is asked who may not have had it yet */
    if (s->applier)
        (void)!apply_invalidate(s->applier, zone->apex, at, &result);
}

/* What is to be known of a state without looking into it again. */
static void describe(struct streamed_zone *zone)
{
    enum { EXPIRE_FROM_END = 8 };
    struct streamed_status *status = &zone->status;
    struct zone_rrset soa;
    const struct zone_state *state = zone_state(zone->data);
    zone_size(state, &status->size);
    status->has_serial = zone_serial(state, &status->serial);
    zone->expire = UINT32_MAX;
    if (!status->has_serial || !zone_find(state, zone->apex, TYPE_SOA, &soa))
        return;
    const struct rdata_view rdata = zone_rdata(&soa, 0);
    if (rdata.size > EXPIRE_FROM_END)
        zone->expire = wire_get_u32(rdata.bytes + rdata.size - EXPIRE_FROM_END);
}

/* The lock is held. */
static int change(struct streamed *s, struct streamed_zone *zone, const struct change_set *set)
{
    const uint32_t before = zone->status.serial;
    int error = zone_set_apply(zone->data, set, zone->history);
    if (error)
        return error;
    describe(zone);
    if (streamed_state(zone) == STREAMED_LIVE && (zone->watched || zone->status.serial != before))
        note_moved(s, zone);
    zone->status.sets++;
    return 0;
}

/* ---- the feed's thread ----------------------------------------------------------------------- */

void streamed_position(struct streamed *s, uint64_t log_id, const int64_t *offsets, size_t count)
{
    pthread_mutex_lock(&s->lock);
    s->feed = (struct streamed_feed){.known = true,
                                     .log_id = log_id,
                                     .partitions = count,
                                     .epoch = s->feed.epoch + 1,
                                     .zones = s->feed.zones};
    memcpy(s->feed_next, offsets, count * sizeof *offsets);
    pthread_cond_broadcast(&s->wanted);
    pthread_mutex_unlock(&s->lock);
}

/* The lock is held. */
static void reach(struct streamed *s, int32_t partition, int64_t next)
{
    if (partition >= 0 && (size_t)partition < s->feed.partitions && s->feed_next[partition] < next)
        s->feed_next[partition] = next;
}

static bool is_elsewhere(const struct streamed_zone *zone, int32_t partition)
{
    return zone->status.partition >= 0 && partition != zone->status.partition;
}

/* The lock is held. False: the zone has to be invalidated. */
static bool take_set(struct streamed *s, struct streamed_zone *zone, const struct change_set *set,
                     int64_t next, int32_t partition)
{
    char reason[STREAMED_MAX_REASON];
    zone->status.elsewhere += is_elsewhere(zone, partition);
    if (!is_whole(zone) || partition != zone->status.partition || next <= zone->next)
        return true;
    int error = change(s, zone, set);
    if (!error) {
        zone->next = next;
        return true;
    }
    snprintf(reason, sizeof reason, "change set %" PRId32 ":%" PRId64 ": %s", partition, next - 1,
             error_text(error));
    turn(s, zone, STREAMED_GAPPED, reason);
    return false;
}

enum streamed_taken streamed_change(struct streamed *s, const struct change_set *set, int64_t next,
                                    struct apply_at at)
{
    bool fine = true;
    enum streamed_taken taken = STREAMED_NONE;
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = find(s, set->zone);
    if (zone && zone->gone)
        zone = NULL;
    if (zone) {
        fine = take_set(s, zone, set, next, at.partition);
        taken = is_elsewhere(zone, at.partition) ? STREAMED_ELSEWHERE : STREAMED_TAKEN;
    }
    reach(s, at.partition, next);
    pthread_mutex_unlock(&s->lock);
    if (!fine)
        invalidate(s, zone, at);
    return taken;
}

void streamed_refused(struct streamed *s, const uint8_t *apex, int64_t next, int error,
                      struct apply_at at)
{
    char reason[STREAMED_MAX_REASON];
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = apex ? find(s, apex) : NULL;
    reach(s, at.partition, next);
    const bool ours = zone && zone->status.partition == at.partition;
    const bool whole = ours && is_whole(zone) && next > zone->next;
    if (zone)
        zone->status.refused++;
    if (ours && next > zone->least)
        zone->least = next;
    if (whole) {
        snprintf(reason, sizeof reason, "change set %" PRId32 ":%" PRId64 " was refused: %s",
                 at.partition, next - 1, error_text(error));
        turn(s, zone, STREAMED_GAPPED, reason);
    }
    pthread_mutex_unlock(&s->lock);
    if (whole)
        invalidate(s, zone, at);
}

void streamed_reached(struct streamed *s, int32_t partition, int64_t next)
{
    pthread_mutex_lock(&s->lock);
    reach(s, partition, next);
    pthread_mutex_unlock(&s->lock);
}

void streamed_gap(struct streamed *s, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    s->feed.known = false;
    s->feed.epoch++;
    for (size_t k = 0; k < s->count; k++) {
        struct streamed_zone *zone = s->zones[k];
        zone->epoch++;
        zone->least = 0; /* it may be another log now */
        if (is_whole(zone))
            turn(s, zone, STREAMED_GAPPED, reason);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Whether a zone ceases, or begins again, to be known well enough. */
static bool ages(struct streamed *s, struct streamed_zone *zone, struct mono now)
{
    const bool late =
        s->lost && now.ms - s->lost_since.ms > (uint64_t)zone->expire * UINT64_C(1000);
    if (streamed_state(zone) == STREAMED_LIVE && late) {
        turn(s, zone, STREAMED_EXPIRED, "the feed is lost for longer than the SOA's expire");
        return true;
    }
    if (streamed_state(zone) == STREAMED_EXPIRED && !late) {
        turn(s, zone, STREAMED_LIVE, "");
        return true;
    }
    return false;
}

void streamed_tick(struct streamed *s, bool live, struct apply_at at)
{
    pthread_mutex_lock(&s->lock);
    const bool was_lost = s->lost;
    s->lost = !live;
    if (s->lost && !was_lost)
        s->lost_since = at.now;
    const bool due = was_lost != s->lost || (s->lost && mono_reached(at.now, s->look));
    const size_t count = due ? s->count : 0;
    if (due)
        s->look = mono_add(at.now, LOOK_MS);
    pthread_mutex_unlock(&s->lock);
    for (size_t k = 0; k < count; k++) {
        pthread_mutex_lock(&s->lock);
        struct streamed_zone *zone = s->zones[k];
        const bool turned = ages(s, zone, at.now);
        pthread_mutex_unlock(&s->lock);
        if (turned)
            invalidate(s, zone, at);
    }
}

/* ---- the loader's thread --------------------------------------------------------------------- */

/* The lock is held: how many zones are to be loaded. */
static size_t left(const struct streamed *s)
{
    return s->feed.known ? s->count - s->whole - s->gone : 0;
}

size_t streamed_wait(struct streamed *s, struct streamed_feed *ret)
{
    pthread_mutex_lock(&s->lock);
    while (!s->woken && left(s) == 0)
        pthread_cond_wait(&s->wanted, &s->lock);
    s->woken = false;
    *ret = s->feed;
    const size_t ret_left = left(s);
    pthread_mutex_unlock(&s->lock);
    return ret_left;
}

size_t streamed_look(struct streamed *s, struct streamed_feed *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->feed;
    const size_t ret_left = left(s);
    pthread_mutex_unlock(&s->lock);
    return ret_left;
}

void streamed_wake(struct streamed *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_broadcast(&s->wanted);
    pthread_mutex_unlock(&s->lock);
}

bool streamed_job(struct streamed *s, size_t k, struct streamed_job *ret)
{
    pthread_mutex_lock(&s->lock);
    struct streamed_zone *zone = s->zones[k];
    const bool wanted = !is_whole(zone) && !zone->gone && s->feed.known;
    if (wanted)
        *ret = (struct streamed_job){.zone = zone, .epoch = zone->epoch, .least = zone->least};
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

/* The lock is held: whether what is loaded is still of use. */
static bool is_wanted(const struct streamed *s, const struct streamed_job *job)
{
    return s->feed.known && job->zone->epoch == job->epoch && !is_whole(job->zone) &&
           !job->zone->gone;
}

/* Lets go of what the zone has, which nobody looks at. */
static int empty(struct streamed_zone *zone)
{
    struct zone_edit *edit;
    if (zone->history)
        zone_history_forget(zone->history);
    int error = zone_edit_begin(zone->data, true, &edit);
    if (!error)
        zone_edit_commit(edit);
    return error;
}

void streamed_drop(struct streamed *s, struct streamed_zone *zone)
{
    pthread_mutex_lock(&s->lock);
    const bool whole = is_whole(zone);
    if (!zone->gone) {
        zone->gone = true;
        s->gone++;
        zone->epoch++;
        turn(s, zone, STREAMED_GAPPED, "nobody wants it");
    }
    /* What the loader has of it, the loader lets go of. Without memory it goes when it is loaded again. */
    if (whole)
        (void)!empty(zone);
    pthread_mutex_unlock(&s->lock);
}

/* The lock is held: what was loaded is not wanted any more. */
static void let_go(struct streamed_zone *zone)
{
    if (zone->gone && !is_whole(zone))
        (void)!empty(zone);
}

int streamed_begin(struct streamed *s, const struct streamed_job *job, struct zone_edit **ret_edit)
{
    pthread_mutex_lock(&s->lock);
    const bool wanted = is_wanted(s, job);
    if (wanted)
        turn(s, job->zone, STREAMED_LOADING, "its snapshot is being read");
    pthread_mutex_unlock(&s->lock);
    int error = wanted ? empty(job->zone) : ERR_NOT_FOUND;
    return error ? error : zone_edit_begin(job->zone->data, true, ret_edit);
}

void streamed_progress(struct streamed *s, const struct streamed_job *job, uint32_t part,
                       uint32_t parts, int64_t behind)
{
    pthread_mutex_lock(&s->lock);
    if (is_wanted(s, job)) {
        job->zone->status.part = part;
        job->zone->status.parts = parts;
        job->zone->status.behind = behind;
    }
    pthread_mutex_unlock(&s->lock);
}

bool streamed_loaded(struct streamed *s, const struct streamed_job *job, struct zone_edit *edit,
                     const struct snapshot_head *head)
{
    struct streamed_zone *zone = job->zone;
    zone_edit_commit(edit);
    pthread_mutex_lock(&s->lock);
    const bool wanted = is_wanted(s, job);
    if (wanted) {
        zone->next = head->offset;
        zone->status.partition = head->partition;
        zone->status.made_us = head->made_us;
        describe(zone);
        turn(s, zone, STREAMED_LOADING, "the log since its snapshot is being read");
    } else {
        let_go(zone);
    }
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

int streamed_catch_up(struct streamed *s, const struct streamed_job *job,
                      const struct change_set *set, int64_t next)
{
    pthread_mutex_lock(&s->lock);
    int error = is_wanted(s, job) && next > job->zone->next ? change(s, job->zone, set) : 0;
    pthread_mutex_unlock(&s->lock);
    return error;
}

bool streamed_join(struct streamed *s, const struct streamed_job *job, int64_t next,
                   struct apply_at at, int64_t *ret_until)
{
    struct streamed_zone *zone = job->zone;
    pthread_mutex_lock(&s->lock);
    const bool wanted = is_wanted(s, job);
    const int64_t feed_next = wanted ? s->feed_next[zone->status.partition] : 0;
    if (wanted && next > zone->next)
        zone->next = next;
    const bool joins = wanted && zone->next >= feed_next;
    if (joins) {
        zone->status.loads++;
        turn(s, zone, STREAMED_LIVE, "");
    }
    if (!wanted)
        let_go(zone);
    pthread_mutex_unlock(&s->lock);
    if (joins)
        invalidate(s, zone, at);
    *ret_until = feed_next;
    return joins || !wanted;
}

void streamed_fail(struct streamed *s, const struct streamed_job *job, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    if (is_wanted(s, job))
        turn(s, job->zone, STREAMED_GAPPED, reason);
    pthread_mutex_unlock(&s->lock);
}

void streamed_unreadable(struct streamed *s, const struct streamed_job *job, int64_t next,
                         const char *reason)
{
    pthread_mutex_lock(&s->lock);
    if (is_wanted(s, job) && next > job->zone->least)
        job->zone->least = next;
    pthread_mutex_unlock(&s->lock);
    streamed_fail(s, job, reason);
}

void streamed_count_damaged(struct streamed *s, const uint8_t *apex, int error)
{
    struct streamed_zone *zone = streamed_find(s, apex);
    (void)error;
    if (!zone)
        return;
    pthread_mutex_lock(&s->lock);
    zone->status.damaged++;
    pthread_mutex_unlock(&s->lock);
}

void streamed_count_unprovable(const struct streamed_zone *zone)
{
    atomic_fetch_add(&((struct streamed_zone *)zone)->unprovable, 1);
}

/* ---- whoever wants to know ------------------------------------------------------------------- */

bool streamed_status(struct streamed *s, size_t k, struct streamed_status *ret)
{
    struct streamed_zone *zone = zone_at(s, k);
    if (!zone)
        return false;
    pthread_mutex_lock(&s->lock);
    *ret = zone->status;
    ret->gone = zone->gone;
    ret->state = streamed_state(zone);
    ret->unprovable = atomic_load(&zone->unprovable);
    ret->offset = zone->next;
    if (is_whole(zone) && s->feed.known && s->feed_next[ret->partition] > ret->offset)
        ret->offset = s->feed_next[ret->partition];
    pthread_mutex_unlock(&s->lock);
    return true;
}

bool streamed_next(struct streamed *s, size_t *k, struct streamed_status *ret)
{
    while (streamed_status(s, *k, ret)) {
        ++*k;
        if (!ret->gone)
            return true;
    }
    return false;
}
