/* primary.c - see primary.h. */
#include "origin/primary.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "zone/update.h"

struct job {
    struct job *prev, *next;
    primary_answer_fn *answer;
    void *arg;
    uint64_t until_us;
    bool anything, has_key;
    bool in_batch;
    uint16_t rcode; /* what was judged */
    const char *why;
    uint8_t key[NAME_MAX_SIZE];
    size_t size;
    uint8_t bytes[];
};

/* LATE: nobody waits for it any more, and it may come to the log yet. */
enum flight { GROUNDED, SENT, LATE, ACKNOWLEDGED };

struct primary {
    struct primary_options options;
    struct update *update; /* scratch */
    struct job *jobs;      /* those of the version under way first */
    size_t job_count;
    enum flight flight;
    int64_t acknowledged; /* offset of the last that was; the log has it, and readers may not yet */
    uint64_t until_us;    /* of the flight */
    int64_t offset;       /* of the last set in the state */
    bool ours;            /* it is our turn */
    bool sure;            /* and nothing is known to be missing of what may be in the log */
    bool current;         /* the state is the log's, as of some offset */
    bool whole;           /* and it has an SOA */
    bool ready;           /* all of that */
    const char *why;
};

static const char loading[] = "the log is being read";
static const char doubtful[] = "a version was not acknowledged, and may be in the log or not";
static const char not_in_time[] = "the log did not have it in time";
static const char standby[] = "another instance takes the UPDATEs of this zone";

struct primary *primary_new(const struct primary_options *options)
{
    struct primary *primary = calloc(1, sizeof *primary);
    if (!primary)
        return NULL;
    primary->options = *options;
    primary->offset = primary->acknowledged = -1;
    primary->why = loading;
    primary->update = update_new();
    if (!primary->update) {
        free(primary);
        return NULL;
    }
    return primary;
}

/* ---- answers ---- */

static void count_answer(struct primary *primary, uint16_t rcode)
{
    primary->options.counts->rcodes[rcode & 15]++;
}

static void answer(struct primary *primary, struct job *job, uint16_t rcode, const char *why)
{
    DL_DELETE(primary->jobs, job);
    primary->job_count--;
    count_answer(primary, rcode);
    job->answer(job->arg, rcode, why);
    free(job);
}

/* All of the version under way: as they were judged, or with one failure for all. */
static void answer_batch(struct primary *primary, const char *failure)
{
    struct job *job, *next;
    DL_FOREACH_SAFE (primary->jobs, job, next) {
        if (!job->in_batch)
            break;
        answer(primary, job, failure ? RCODE_SERVFAIL : job->rcode, failure ? failure : job->why);
    }
}

void primary_free(struct primary *primary)
{
    if (!primary)
        return;
    while (primary->jobs)
        answer(primary, primary->jobs, RCODE_SERVFAIL, "the program ends");
    update_free(primary->update);
    free(primary);
}

/* ---- a version ---- */

struct asker {
    const struct primary *primary;
    const struct job *job;
};

static bool may(void *arg, const uint8_t *name, uint16_t type)
{
    const struct asker *asker = arg;
    const struct primary_options *options = &asker->primary->options;
    return policy_allows(options->rules, options->rule_count,
                         asker->job->has_key ? asker->job->key : NULL, name, type);
}

/* Judges a job in the edit. An error is one after which the edit is of no use. */
static int judge(struct primary *primary, struct zone_edit *edit, struct job *job)
{
    struct asker asker = {.primary = primary, .job = job};
    struct update_verdict verdict = {.rcode = RCODE_FORMERR, .why = "malformed"};
    int error = 0;
    if (update_parse(primary->update, job->bytes, job->size) == 0)
        error = zone_update(edit, zone_apex(primary->options.zone), primary->update,
                            job->anything ? NULL : may, &asker, &verdict);
    job->rcode = verdict.rcode;
    job->why = verdict.why;
    return error;
}

/* Judges what waits, as much as makes one version. `*ret_failed`: the one with which it failed. */
static int judge_batch(struct primary *primary, struct zone_edit *edit, struct job **ret_failed)
{
    size_t bytes = 0;
    struct job *job;
    int error = 0;
    DL_FOREACH (primary->jobs, job) {
        bytes += job->size;
        if (job != primary->jobs && bytes > PRIMARY_MAX_BATCH_BYTES)
            break;
        job->in_batch = true;
        *ret_failed = job;
        error = judge(primary, edit, job);
        if (error < 0)
            break;
    }
    return error;
}

static int publish(struct primary *primary, const struct change_list *list, uint32_t serial,
                   struct primary_now now)
{
    const struct primary_options *options = &primary->options;
    struct change_set set = {
        .has_serial = true,
        .serial = serial,
        .time_us = now.wall_us,
        .changes = list->changes,
        .change_count = list->count,
    };
    const uint8_t *apex = zone_apex(options->zone);
    memcpy(set.zone, apex, name_size(apex));
    strncpy(set.publisher, options->publisher, sizeof set.publisher - 1);
    int error = options->actions->publish(options->actions->arg, primary, &set);
    if (error == 0) {
        primary->flight = SENT;
        primary->until_us = now.us + PRIMARY_PATIENCE_US;
    }
    return error;
}

static void count_in_vain(struct primary *primary)
{
    struct job *job;
    DL_FOREACH (primary->jobs, job) {
        if (job->in_batch && job->rcode == RCODE_NOERROR)
            primary->options.counts->in_vain++;
    }
}

/* What the edit came to is published, or where it came to nothing, answered. */
static int launch(struct primary *primary, struct zone_edit *edit, struct primary_now now)
{
    struct change_list list = {.count = 0};
    uint32_t serial = 0;
    int error =
        zone_update_finish(edit, zone_state(primary->options.zone), primary->options.serials,
                           (uint64_t)(now.wall_us / 1000000), &list, &serial);
    if (error == 0 && list.count > 0)
        error = publish(primary, &list, serial, now);
    else if (error == 0)
        count_in_vain(primary);
    if (error == 0 && list.count == 0)
        answer_batch(primary, NULL);
    change_list_clear(&list);
    return error;
}

static void leave_batch(struct primary *primary)
{
    struct job *job;
    DL_FOREACH (primary->jobs, job) {
        job->in_batch = false;
    }
}

/* One try. False: a job was refused for what it would come to, and the others are to be judged without it. */
static bool try_batch(struct primary *primary, struct primary_now now)
{
    struct zone_edit *edit;
    struct job *failed = NULL;
    int error = zone_edit_begin(primary->options.zone, false, &edit);
    if (error == 0) {
        error = judge_batch(primary, edit, &failed);
        if (error == ERR_TOO_LARGE) {
            zone_edit_abort(edit);
            leave_batch(primary);
            answer(primary, failed, RCODE_REFUSED, "an RRset would be too large for any answer");
            return false;
        }
        if (error == 0)
            error = launch(primary, edit, now);
        zone_edit_abort(edit);
    }
    if (error < 0)
        answer_batch(primary, error == ERR_TOO_LARGE ? "the version is too large for a message"
                                                     : error_text(error));
    return true;
}

/* Begins versions until one is under way or nobody waits. */
static void go(struct primary *primary, struct primary_now now)
{
    while (primary->ready && primary->flight == GROUNDED && primary->jobs)
        (void)try_batch(primary, now);
}

/* ---- the log ---- */

static int apply(struct primary *primary, const struct change_set *set)
{
    struct zone *zone = primary->options.zone;
    struct zone_edit *edit;
    int error = zone_edit_begin(zone, false, &edit);
    if (error < 0)
        return error;
    for (size_t i = 0; i < set->change_count && error == 0; i++)
        error = zone_edit_change(edit, &set->changes[i]);
    if (error < 0) {
        zone_edit_abort(edit);
        return error;
    }
    /* Without memory there is no history: whoever asks gets the whole zone. */
    if (zone_history_note(primary->options.history, zone_state(zone), zone_edit_state(edit)) < 0)
        zone_history_forget(primary->options.history);
    zone_edit_commit(edit);
    return 0;
}

static void land(struct primary *primary)
{
    if (primary->flight != ACKNOWLEDGED || primary->offset < primary->acknowledged)
        return;
    primary->flight = GROUNDED;
    answer_batch(primary, NULL);
}

/* A zone that the log has nothing of yet waits for whoever imports it; its SOA comes last. */
static void become_ready(struct primary *primary)
{
    uint32_t serial;
    primary->whole = zone_serial(zone_state(primary->options.zone), &serial);
    primary->ready = primary->whole && primary->ours && primary->sure;
    primary->why = !primary->whole   ? "the log has no SOA of the zone"
                   : !primary->ours  ? standby
                   : !primary->ready ? loading
                                     : NULL;
}

int primary_read(struct primary *primary, const struct change_set *set, int64_t offset,
                 struct primary_now now)
{
    const struct primary_actions *actions = primary->options.actions;
    uint32_t before = 0, after;
    bool had = zone_serial(zone_state(primary->options.zone), &before);
    int error = apply(primary, set);
    if (error < 0)
        return error;
    if (primary->ready && primary->flight == GROUNDED && set->change_count > 0 &&
        strcmp(set->publisher, primary->options.publisher) == 0)
        primary->options.counts->beside++;
    primary->offset = offset;
    if (primary->current && !primary->whole)
        become_ready(primary);
    if (zone_serial(zone_state(primary->options.zone), &after) && (!had || after != before) &&
        primary->whole)
        actions->version(actions->arg, primary, after);
    land(primary);
    go(primary, now);
    return 0;
}

void primary_caught_up(struct primary *primary, struct primary_now now)
{
    const struct primary_actions *actions = primary->options.actions;
    if (primary->flight != GROUNDED)
        return;
    if (primary->offset < primary->acknowledged) { /* a commit shows a moment after it is told */
        actions->catch_up(actions->arg, primary);
        return;
    }
    primary->current = primary->sure = true;
    become_ready(primary);
    go(primary, now);
}

void primary_lost(struct primary *primary, const char *why)
{
    primary->current = primary->sure = primary->whole = primary->ready = false;
    primary->acknowledged = -1;
    primary->why = why;
}

/* Nothing is judged before all is read that the log has. */
static void doubt(struct primary *primary, const char *why)
{
    const struct primary_actions *actions = primary->options.actions;
    primary->flight = GROUNDED;
    primary->sure = primary->ready = false;
    primary->why = why;
    actions->catch_up(actions->arg, primary);
}

/* It may be in the log or come to it: not known before it has ended. */
static void give_up(struct primary *primary)
{
    const struct primary_actions *actions = primary->options.actions;
    primary->options.counts->late++;
    answer_batch(primary, not_in_time);
    primary->flight = LATE;
    primary->sure = primary->ready = false;
    primary->why = doubtful;
    actions->give_up(actions->arg, primary);
}

void primary_published(struct primary *primary, int result, int64_t offset, struct primary_now now)
{
    if (result == 0)
        primary->acknowledged = offset;
    if (primary->flight == LATE)
        doubt(primary, doubtful);
    if (primary->flight != SENT)
        return;
    if (result == ERR_TOO_LARGE) { /* it is not in the log */
        primary->flight = GROUNDED;
        answer_batch(primary, "the version is too large for the broker");
        go(primary, now);
        return;
    }
    if (result < 0) {
        answer_batch(primary, error_text(result));
        doubt(primary, doubtful);
        return;
    }
    primary->options.counts->published++;
    primary->flight = ACKNOWLEDGED;
    primary->until_us = now.us + PRIMARY_READ_BACK_US;
    land(primary);
    go(primary, now);
}

static void stand_by(struct primary *primary)
{
    if (primary->flight == ACKNOWLEDGED)
        answer_batch(primary, NULL);
    primary->flight = GROUNDED;
    while (primary->jobs)
        answer(primary, primary->jobs, RCODE_SERVFAIL, standby);
    primary->ready = false;
    if (primary->whole)
        primary->why = standby;
}

void primary_turn(struct primary *primary, bool ours)
{
    primary->ours = ours;
    if (ours)
        doubt(primary, loading);
    else
        stand_by(primary);
}

/* ---- questions ---- */

static void refuse(struct primary *primary, const struct primary_update *update, uint64_t *counter,
                   uint16_t rcode, const char *why)
{
    ++*counter;
    count_answer(primary, rcode);
    update->answer(update->arg, rcode, why);
}

void primary_update(struct primary *primary, const struct primary_update *update,
                    struct primary_now now)
{
    struct primary_counts *counts = primary->options.counts;
    counts->updates++;
    if (primary->job_count >= PRIMARY_MAX_WAITING) {
        refuse(primary, update, &counts->overflow, RCODE_SERVFAIL, "too many updates are waiting");
        return;
    }
    if (!primary->ours) {
        refuse(primary, update, &counts->standby, RCODE_REFUSED, standby);
        return;
    }
    if (!primary->whole) {
        refuse(primary, update, &counts->not_ready, RCODE_SERVFAIL, primary->why);
        return;
    }
    struct job *job = calloc(1, sizeof *job + update->size);
    if (!job) {
        refuse(primary, update, &counts->overflow, RCODE_SERVFAIL, error_text(ERR_MEMORY));
        return;
    }
    job->answer = update->answer;
    job->arg = update->arg;
    job->anything = update->anything;
    job->has_key = update->key != NULL;
    if (update->key)
        memcpy(job->key, update->key, name_size(update->key));
    job->until_us = now.us + PRIMARY_PATIENCE_US;
    job->size = update->size;
    memcpy(job->bytes, update->bytes, update->size);
    DL_APPEND(primary->jobs, job);
    primary->job_count++;
    go(primary, now);
}

uint64_t primary_due(const struct primary *primary)
{
    const bool has_end = primary->flight == SENT || primary->flight == ACKNOWLEDGED;
    uint64_t due = has_end ? primary->until_us : UINT64_MAX;
    const struct job *job;
    DL_FOREACH (primary->jobs, job) {
        if (!job->in_batch)
            return job->until_us < due ? job->until_us : due;
    }
    return due;
}

static void drop_late(struct primary *primary, struct primary_now now)
{
    struct job *job, *next;
    DL_FOREACH_SAFE (primary->jobs, job, next) {
        if (job->in_batch || job->until_us > now.us)
            continue;
        primary->options.counts->late++;
        answer(primary, job, RCODE_SERVFAIL, "the log did not take what came before in time");
    }
}

void primary_tick(struct primary *primary, struct primary_now now)
{
    if (primary->flight == SENT && now.us >= primary->until_us) {
        give_up(primary);
    } else if (primary->flight == ACKNOWLEDGED && now.us >= primary->until_us) {
        /* The log has it; the reader is behind, and the state as well. */
        answer_batch(primary, NULL);
        doubt(primary, "a version that the log has was not read yet");
    }
    drop_late(primary, now);
}

bool primary_is_ready(const struct primary *primary)
{
    return primary->whole;
}

void primary_status(const struct primary *primary, struct primary_status *ret)
{
    *ret = (struct primary_status){
        .ready = primary->ready,
        .why = primary->why,
        .waiting = primary->job_count,
        .under_way = primary->flight != GROUNDED,
        .offset = primary->offset,
    };
    ret->has_serial = zone_serial(zone_state(primary->options.zone), &ret->serial);
}

bool primary_knows(const struct primary *primary, const uint8_t *key)
{
    return policy_knows(primary->options.rules, primary->options.rule_count, key);
}

const struct zone *primary_zone(const struct primary *primary)
{
    return primary->options.zone;
}

struct zone_history *primary_history(const struct primary *primary)
{
    return primary->options.history;
}
