#include "invalidation/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GAP_SPACING_MS = 1000 };

void sync_init(struct sync *sync, const struct sync_options *options)
{
    *sync = (struct sync){.state = FEED_COLD, .options = *options};
    snprintf(sync->reason, sizeof sync->reason, "starting");
}

static void set_state(struct sync *sync, enum feed_state state, const char *reason)
{
    sync->state = state;
    snprintf(sync->reason, sizeof sync->reason, "%s", reason);
}

static void forget_proof(struct sync *sync)
{
    sync->proof.found = sync->proof.pending = false;
}

void sync_lose(struct sync *sync, const char *reason, struct mono now)
{
    if (!sync->assigned)
        return;
    sync->stale_before = now;
    forget_proof(sync);
    set_state(sync, FEED_LOST, reason);
}

enum sync_action sync_gap(struct sync *sync, const char *reason, struct mono now)
{
    sync->assigned = false;
    sync->stale_before = now;
    sync->not_before = mono_add(sync->assigned_at, GAP_SPACING_MS);
    forget_proof(sync);
    set_state(sync, FEED_COLD, reason);
    return SYNC_DROP;
}

/* Each partition has to show again that it is read. */
static void start_reading(struct sync *sync, struct mono now)
{
    memset(sync->drained, 0, sizeof sync->drained);
    memset(sync->at_end, 0, sizeof sync->at_end);
    sync->drained_count = 0;
    sync->assigned_at = now;
}

static enum sync_action resume(struct sync *sync, struct mono now)
{
    start_reading(sync, now);
    set_state(sync, FEED_CATCHUP, "reading on after a loss");
    return SYNC_RESUME;
}

void sync_reached(struct sync *sync, int32_t partition, int64_t next)
{
    if (partition < 0 || (size_t)partition >= sync->count)
        return;
    if (!sync->drained[partition]) {
        sync->drained[partition] = true;
        sync->drained_count++;
    }
    if (sync->next[partition] < next)
        sync->next[partition] = next;
    sync->at_end[partition] = false;
}

void sync_drained(struct sync *sync, int32_t partition, int64_t end)
{
    sync_reached(sync, partition, end);
    if (partition >= 0 && (size_t)partition < sync->count)
        sync->at_end[partition] = true;
}

/* ---- what readings prove ---- */

static bool has_reached(const struct sync *sync, const int64_t *ends)
{
    for (size_t k = 0; k < sync->count; k++)
        if (sync->next[k] < ends[k])
            return false;
    return true;
}

static void check_pending(struct sync *sync)
{
    struct sync_proof *proof = &sync->proof;
    if (!proof->pending || !has_reached(sync, proof->wanted))
        return;
    proof->found = true;
    proof->asked = proof->wanted_asked;
    proof->pending = false;
}

/*
 * An older wish stays until it is met, or a feed that is always a little behind would never prove
 * anything.
 */
static void seek_proof(struct sync *sync, const struct log_reading *reading)
{
    struct sync_proof *proof = &sync->proof;
    if (has_reached(sync, reading->ends.offset)) {
        proof->found = true;
        proof->asked = reading->asked;
        proof->pending = false;
    } else if (!proof->pending) {
        proof->pending = true;
        proof->wanted_asked = reading->asked;
        memcpy(proof->wanted, reading->ends.offset, sizeof proof->wanted);
    }
}

/* An end before what was read or seen earlier: the topic was made anew, or its leader lost data. */
static bool log_shrank(const struct sync *sync, const struct log_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++)
        if (ends->offset[k] < sync->floor[k])
            return true;
    return false;
}

static void raise_floor(struct sync *sync, const struct log_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++)
        sync->floor[k] = ends->offset[k] > sync->next[k] ? ends->offset[k] : sync->next[k];
}

void sync_take(struct sync *sync, const struct log_reading *reading, const int64_t *start,
               struct mono now)
{
    const struct log_ends *ends = &reading->ends;
    sync->count = ends->count;
    memcpy(sync->next, start, sync->count * sizeof *sync->next);
    sync->log_id = ends->log_id;
    sync->made_anew = ends->made_anew;
    sync->assigned = true;
    sync->takes++;
    start_reading(sync, now);
    set_state(sync, FEED_CATCHUP, "reading to the end of the log");
    seek_proof(sync, reading);
    raise_floor(sync, ends);
}

void sync_take_failed(struct sync *sync, const char *reason, struct mono now)
{
    sync->not_before = mono_add(now, GAP_SPACING_MS);
    set_state(sync, FEED_COLD, reason);
}

/* Whether the log is no longer the one that was read; says why. */
static bool is_gap(const struct sync *sync, const struct log_ends *ends,
                   char reason[FEED_MAX_ERROR])
{
    if (ends->count != sync->count)
        snprintf(reason, FEED_MAX_ERROR, "partition count changed from %zu to %zu", sync->count,
                 ends->count);
    else if (ends->log_id != sync->log_id)
        snprintf(reason, FEED_MAX_ERROR, "the cluster is another one");
    else if (ends->made_anew != sync->made_anew)
        snprintf(reason, FEED_MAX_ERROR, "the topic was made anew");
    else if (log_shrank(sync, ends))
        snprintf(reason, FEED_MAX_ERROR, "the log ends before what was read from it");
    else
        return false;
    return true;
}

static enum sync_action use_reading(struct sync *sync, const struct log_reading *reading,
                                    struct mono now)
{
    char reason[FEED_MAX_ERROR];
    enum sync_action action = SYNC_GO_ON;
    if (sync->assigned && is_gap(sync, &reading->ends, reason))
        return sync_gap(sync, reason, now);
    sync->answered = now;
    if (!sync->assigned)
        return mono_reached(now, sync->not_before) ? SYNC_TAKE : SYNC_GO_ON;
    if (sync->state == FEED_LOST)
        action = resume(sync, now);
    seek_proof(sync, reading);
    raise_floor(sync, &reading->ends);
    return action;
}

/* While COLD each failure is the reason for being so; a topic that is gone is a gap. */
static enum sync_action use_failure(struct sync *sync, const struct log_reading *reading,
                                    const char *trouble, struct mono now)
{
    const bool silent = reading->code == ERR_TIMEOUT && trouble[0] != '\0';
    const char *reason = silent ? trouble : reading->error;
    if (!sync->assigned)
        set_state(sync, FEED_COLD, reason);
    else if (reading->code == ERR_NOT_FOUND || reading->code == ERR_TOO_LARGE)
        return sync_gap(sync, reason, now);
    return SYNC_GO_ON;
}

enum sync_action sync_read(struct sync *sync, const struct log_reading *reading,
                           const char *trouble, struct mono now)
{
    if (reading->code < 0)
        return use_failure(sync, reading, trouble, now);
    if (reading->asked.ms < sync->stale_before.ms)
        return SYNC_GO_ON;
    return use_reading(sync, reading, now);
}

/* ---- the passing of time ---- */

/*
 * Why it is behind: what is not read yet, or what does not come although all before it is read. A
 * transaction under way hides it; or it is just being fetched, which a large message may take a
 * while for.
 */
static void describe_lag(const struct sync *sync, char reason[FEED_MAX_ERROR])
{
    int64_t unread = 0, hidden = 0;
    for (size_t k = 0; k < sync->count; k++) {
        const int64_t lag = sync->floor[k] - sync->next[k];
        if (lag > 0)
            *(sync->at_end[k] ? &hidden : &unread) += lag;
    }
    if (hidden > 0 && unread == 0)
        snprintf(reason, FEED_MAX_ERROR,
                 "%" PRId64
                 " messages do not come: a transaction under way hides them, or they are large",
                 hidden);
    else if (unread > 0)
        snprintf(reason, FEED_MAX_ERROR, "%" PRId64 " messages behind", unread + hidden);
    else
        snprintf(reason, FEED_MAX_ERROR, "the brokers are slow to say how long the log is");
}

/* Less one tick: that much later a lapse may be noticed. */
static bool in_lease(const struct sync *sync, struct mono since, struct mono now)
{
    return !mono_reached(now, mono_add(since, sync->options.lease_ms - sync->options.tick_ms));
}

void sync_tick(struct sync *sync, const char *trouble, struct mono now)
{
    char reason[FEED_MAX_ERROR];
    if (!sync->assigned || sync->state == FEED_LOST)
        return;
    check_pending(sync);
    const bool drained = sync->drained_count == sync->count;
    if (drained && sync->proof.found && in_lease(sync, sync->proof.asked, now)) {
        set_state(sync, FEED_LIVE, "");
    } else if (in_lease(sync, sync->answered, now)) {
        describe_lag(sync, reason);
        set_state(sync, FEED_CATCHUP, drained ? reason : "reading to the end of the log");
    } else {
        snprintf(reason, sizeof reason, "no answer from the brokers within the lease%s%s",
                 trouble[0] ? ": " : "", trouble);
        sync_lose(sync, reason, now);
    }
}

struct mono sync_lease(const struct sync *sync)
{
    if (sync->state != FEED_LIVE)
        return (struct mono){0};
    return mono_add(sync->proof.asked, sync->options.lease_ms);
}

bool sync_is_live(const struct sync *sync, struct mono now)
{
    return sync->state == FEED_LIVE && !mono_reached(now, sync_lease(sync));
}
