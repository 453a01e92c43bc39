#include "invalidation/liveness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dns/error.h"

enum {
    GAP_SPACING_MS = 1000,
    MOVES_MS = 1000,   /* a position that has not moved for so long stands still */
    HIDDEN_MS = 60000, /* so long a transaction may hide what there is */
};

void liveness_init(struct liveness *liveness, const struct liveness_options *options)
{
    *liveness = (struct liveness){.state = FEED_COLD, .options = *options};
    snprintf(liveness->reason, sizeof liveness->reason, "starting");
}

static void set_state(struct liveness *liveness, enum feed_state state, const char *reason)
{
    liveness->state = state;
    snprintf(liveness->reason, sizeof liveness->reason, "%s", reason);
}

static void forget_proof(struct liveness *liveness)
{
    liveness->proof.found = liveness->proof.pending = false;
}

void liveness_lose(struct liveness *liveness, const char *reason, struct mono now)
{
    if (!liveness->assigned)
        return;
    liveness->stale_before = now;
    forget_proof(liveness);
    set_state(liveness, FEED_LOST, reason);
}

enum liveness_action liveness_gap(struct liveness *liveness, const char *reason, struct mono now)
{
    liveness->assigned = false;
    liveness->stale_before = now;
    liveness->not_before = mono_add(liveness->assigned_at, GAP_SPACING_MS);
    forget_proof(liveness);
    set_state(liveness, FEED_COLD, reason);
    return LIVENESS_DROP;
}

/* Each partition has to show again that it is read. */
static void start_reading(struct liveness *liveness, struct mono now)
{
    memset(liveness->drained, 0, sizeof liveness->drained);
    memset(liveness->at_end, 0, sizeof liveness->at_end);
    liveness->drained_count = 0;
    liveness->assigned_at = now;
}

static enum liveness_action resume(struct liveness *liveness, struct mono now)
{
    start_reading(liveness, now);
    set_state(liveness, FEED_CATCHUP, "reading on after a loss");
    return LIVENESS_RESUME;
}

void liveness_reached(struct liveness *liveness, int32_t partition, int64_t next)
{
    if (partition < 0 || (size_t)partition >= liveness->count)
        return;
    if (!liveness->drained[partition]) {
        liveness->drained[partition] = true;
        liveness->drained_count++;
    }
    if (liveness->next[partition] < next) {
        liveness->next[partition] = next;
        liveness->moves++;
    }
    liveness->at_end[partition] = false;
}

void liveness_drained(struct liveness *liveness, int32_t partition, int64_t end)
{
    liveness_reached(liveness, partition, end);
    if (partition >= 0 && (size_t)partition < liveness->count)
        liveness->at_end[partition] = true;
}

/* ---- what readings prove ---- */

static bool has_reached(const struct liveness *liveness, const int64_t *ends)
{
    for (size_t k = 0; k < liveness->count; k++)
        if (liveness->next[k] < ends[k])
            return false;
    return true;
}

static void check_pending(struct liveness *liveness)
{
    struct liveness_proof *proof = &liveness->proof;
    if (!proof->pending || !has_reached(liveness, proof->wanted))
        return;
    proof->found = true;
    proof->asked = proof->wanted_asked;
    proof->pending = false;
}

/*
 * An older wish stays until it is met, or a feed that is always a little behind would never prove
 * anything.
 */
static void seek_proof(struct liveness *liveness, const struct log_reading *reading)
{
    struct liveness_proof *proof = &liveness->proof;
    if (has_reached(liveness, reading->ends.offset)) {
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
static bool log_shrank(const struct liveness *liveness, const struct log_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++)
        if (ends->offset[k] < liveness->floor[k])
            return true;
    return false;
}

static void raise_floor(struct liveness *liveness, const struct log_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++)
        liveness->floor[k] =
            ends->offset[k] > liveness->next[k] ? ends->offset[k] : liveness->next[k];
}

void liveness_take(struct liveness *liveness, const struct log_reading *reading,
                   const int64_t *start, struct mono now)
{
    const struct log_ends *ends = &reading->ends;
    liveness->count = ends->count;
    memcpy(liveness->next, start, liveness->count * sizeof *liveness->next);
    liveness->log_id = ends->log_id;
    liveness->made_anew = ends->made_anew;
    liveness->assigned = true;
    liveness->takes++;
    start_reading(liveness, now);
    set_state(liveness, FEED_CATCHUP, "reading to the end of the log");
    seek_proof(liveness, reading);
    raise_floor(liveness, ends);
}

void liveness_take_failed(struct liveness *liveness, const char *reason, struct mono now)
{
    liveness->not_before = mono_add(now, GAP_SPACING_MS);
    set_state(liveness, FEED_COLD, reason);
}

/* Whether the log is no longer the one that was read; says why. */
static bool is_gap(const struct liveness *liveness, const struct log_ends *ends,
                   char reason[FEED_MAX_ERROR])
{
    if (ends->count != liveness->count)
        snprintf(reason, FEED_MAX_ERROR, "partition count changed from %zu to %zu", liveness->count,
                 ends->count);
    else if (ends->log_id != liveness->log_id)
        snprintf(reason, FEED_MAX_ERROR, "the cluster is another one");
    else if (ends->made_anew != liveness->made_anew)
        snprintf(reason, FEED_MAX_ERROR, "the topic was made anew");
    else if (log_shrank(liveness, ends))
        snprintf(reason, FEED_MAX_ERROR, "the log ends before what was read from it");
    else
        return false;
    return true;
}

static enum liveness_action use_reading(struct liveness *liveness,
                                        const struct log_reading *reading, struct mono now)
{
    char reason[FEED_MAX_ERROR];
    enum liveness_action action = LIVENESS_GO_ON;
    if (liveness->assigned && is_gap(liveness, &reading->ends, reason))
        return liveness_gap(liveness, reason, now);
    liveness->answered = now;
    if (!liveness->assigned)
        return mono_reached(now, liveness->not_before) ? LIVENESS_TAKE : LIVENESS_GO_ON;
    if (liveness->state == FEED_LOST)
        action = resume(liveness, now);
    seek_proof(liveness, reading);
    raise_floor(liveness, &reading->ends);
    return action;
}

/* While COLD each failure is the reason for being so; a topic that is gone is a gap. */
static enum liveness_action use_failure(struct liveness *liveness,
                                        const struct log_reading *reading, const char *trouble,
                                        struct mono now)
{
    const bool silent = reading->code == ERR_TIMEOUT && trouble[0] != '\0';
    const char *reason = silent ? trouble : reading->error;
    if (!liveness->assigned)
        set_state(liveness, FEED_COLD, reason);
    else if (reading->code == ERR_NOT_FOUND || reading->code == ERR_TOO_LARGE)
        return liveness_gap(liveness, reason, now);
    return LIVENESS_GO_ON;
}

enum liveness_action liveness_read(struct liveness *liveness, const struct log_reading *reading,
                                   const char *trouble, struct mono now)
{
    liveness->heard = reading->code == 0;
    if (reading->code < 0)
        return use_failure(liveness, reading, trouble, now);
    if (reading->asked.ms < liveness->stale_before.ms)
        return LIVENESS_GO_ON;
    return use_reading(liveness, reading, now);
}

/* ---- the passing of time ---- */

/*
 * Why it is behind: what is not read yet, or what does not come although all before it is read. A
 * transaction under way hides it; or it is just being fetched, which a large message may take a
 * while for.
 */
static void describe_lag(const struct liveness *liveness, char reason[FEED_MAX_ERROR])
{
    int64_t unread = 0, hidden = 0;
    for (size_t k = 0; k < liveness->count; k++) {
        const int64_t lag = liveness->floor[k] - liveness->next[k];
        if (lag > 0)
            *(liveness->at_end[k] ? &hidden : &unread) += lag;
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
static bool in_lease(const struct liveness *liveness, struct mono since, struct mono now)
{
    return !mono_reached(now,
                         mono_add(since, liveness->options.lease_ms - liveness->options.tick_ms));
}

/* What comes right after an assignment proves nothing: its end may follow, again and again. */
static void note_moves(struct liveness *liveness, struct mono now)
{
    const bool moves = liveness->assigned && liveness->moves != liveness->moves_seen &&
                       mono_reached(now, mono_add(liveness->assigned_at, MOVES_MS));
    if (moves || liveness->state == FEED_LIVE)
        liveness->moved_at = now;
    liveness->moves_seen = liveness->moves;
}

/* All was read to where the client says that it ends. */
static bool is_hidden(const struct liveness *liveness)
{
    if (!liveness->assigned || liveness->drained_count < liveness->count)
        return false;
    for (size_t k = 0; k < liveness->count; k++)
        if (liveness->floor[k] > liveness->next[k] && !liveness->at_end[k])
            return false;
    return true;
}

bool liveness_is_stalled(const struct liveness *liveness, struct mono now)
{
    const uint64_t patience_ms = is_hidden(liveness) ? HIDDEN_MS : MOVES_MS;
    return liveness->heard && liveness->state != FEED_LIVE &&
           mono_reached(now, mono_add(liveness->moved_at, patience_ms));
}

void liveness_tick(struct liveness *liveness, const char *trouble, struct mono now)
{
    char reason[FEED_MAX_ERROR];
    note_moves(liveness, now);
    if (!liveness->assigned || liveness->state == FEED_LOST)
        return;
    check_pending(liveness);
    const bool drained = liveness->drained_count == liveness->count;
    if (drained && liveness->proof.found && in_lease(liveness, liveness->proof.asked, now)) {
        set_state(liveness, FEED_LIVE, "");
    } else if (in_lease(liveness, liveness->answered, now)) {
        describe_lag(liveness, reason);
        set_state(liveness, FEED_CATCHUP, drained ? reason : "reading to the end of the log");
    } else {
        snprintf(reason, sizeof reason, "no answer from the brokers within the lease%s%s",
                 trouble[0] ? ": " : "", trouble);
        liveness_lose(liveness, reason, now);
    }
}

struct mono liveness_lease(const struct liveness *liveness)
{
    if (liveness->state != FEED_LIVE)
        return (struct mono){0};
    return mono_add(liveness->proof.asked, liveness->options.lease_ms);
}

bool liveness_is_live(const struct liveness *liveness, struct mono now)
{
    return liveness->state == FEED_LIVE && !mono_reached(now, liveness_lease(liveness));
}
