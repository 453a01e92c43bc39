#include "invalidation/feed.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "invalidation/client.h"
#include "invalidation/delayed.h"
#include "invalidation/intake.h"
#include "invalidation/kafka.h"
#include "invalidation/liveness.h"
#include "invalidation/renewal.h"
#include "invalidation/report.h"
#include "invalidation/watermarks.h"

enum {
    TICK_MS = 100,         /* the longest wait for a message */
    TICK_SHARE = 8,        /* of a short lease, one tick is at most this part */
    BATCH_MESSAGES = 1000, /* applied between two looks at everything else */
    PROOFS_PER_LEASE = 3,
    FETCHES_PER_LEASE = 6, /* at least, where nothing comes */
    FETCH_MS = 500,        /* the longest that a broker holds one */
    SEARCH_MS = 200,       /* between the first two readings of watermarks while not live */
    START_MS = 800, /* for each of two requests, which may stand behind a fetch: where to start */
    LATE_MS = 1000, /* clocks of publishers may be behind ours by this much */
    SETTLING_MOST = 10000, /* messages of a partition that are read again at the start */
    DEFAULT_LEASE_MS = 3000,
    MAX_LINE = 1024,
};

static_assert((int)FEED_MAX_ERROR >= (int)KAFKA_MAX_ERROR, "errors of kafka.h fit");

struct feed {
    char *topic;
    uint64_t lease_ms, settle_ms;
    struct applier *applier;
    struct positions *positions;
    struct streamed *streamed;
    void (*report)(void *arg, enum feed_severity severity, const char *text);
    void *report_arg;

    struct client *consumer;
    struct watermarks *reader;
    struct delayed
        *delayed; /* what has been read and is not here yet; NULL: no distance is simulated */
    pthread_t thread;
    bool running;
    atomic_bool stop;

    /* The feed thread's own. */
    struct liveness liveness;
    struct renewal renewal; /* of the consumer */
    bool outdated;          /* the log is another one than the consumer knows */
    uint64_t reader_renewed;
    uint64_t tick_ms;
    int64_t taken[LOG_MAX_PARTITIONS]; /* the position as it was taken; before it, it settles */
    char trouble[KAFKA_MAX_TROUBLE];   /* what the client last complained about */
    struct limiter refusals[FEED_ERROR_KINDS];
    struct limiter logs, errors, waits, misplaced;
    bool told_of_creating;

    pthread_mutex_t lock; /* of what follows; only the feed thread writes */
    struct feed_status status;
    struct apply_log apply_log;
    struct histogram applying, ages;
};

const char *feed_state_text(enum feed_state state)
{
    static const char *const texts[] = {"cold", "catchup", "live", "lost"};
    return texts[state];
}

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(MONO_CLOCK, &t);
    return (struct mono){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000};
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- reports ---- */

__attribute__((format(printf, 3, 4))) static void
report(struct feed *f, enum feed_severity severity, const char *format, ...)
{
    char line[MAX_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    f->report(f->report_arg, severity, line);
}

/* librdkafka's levels are syslog's; debug lines were asked for one by one and are not held back. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct feed *f = rd_kafka_opaque(client);
    /* Brokers before 0.11, and the mock one, earn this with each reading: said once. */
    const bool creates = strcmp(facility, "AUTOCREATE") == 0;
    if (creates && f->told_of_creating)
        return;
    f->told_of_creating |= creates;
    const enum feed_severity severity = creates || level > 6 ? FEED_DEBUG
                                        : level > 4          ? FEED_INFO
                                                             : FEED_WARNING;
    uint64_t suppressed = 0;
    char quote[REPORT_MAX_QUOTED];
    if (severity == FEED_DEBUG || limiter_lets(&f->logs, now(), &suppressed))
        report(f, severity, "msg=\"kafka client\" facility=%s text=%s suppressed=%" PRIu64,
               facility, report_quote(text, quote), suppressed);
}

/* An error that is neither a gap nor a loss. */
static void report_error(struct feed *f, const char *error)
{
    uint64_t suppressed;
    char quote[REPORT_MAX_QUOTED];
    if (limiter_lets(&f->errors, now(), &suppressed))
        report(f, FEED_WARNING, "msg=\"kafka client error\" error=%s suppressed=%" PRIu64,
               report_quote(error, quote), suppressed);
}

/* ---- state ---- */

/*
 * Not live, the feed soon looks again; but not for long more often than a live one does, or brokers
 * that do not keep up would be asked the more.
 */
static void set_pace(struct feed *f, bool live)
{
    const uint64_t steady_ms = f->lease_ms / PROOFS_PER_LEASE;
    const bool soon = !live && SEARCH_MS < steady_ms;
    watermarks_pace(f->reader, soon ? SEARCH_MS : steady_ms, steady_ms);
}

static void report_move(struct feed *f)
{
    const struct liveness *liveness = &f->liveness;
    char topic[REPORT_MAX_QUOTED], why[REPORT_MAX_QUOTED];
    if (liveness->state == FEED_LIVE)
        report(f, FEED_INFO, "msg=\"feed is live\" topic=%s partitions=%zu",
               report_quote(f->topic, topic), liveness->count);
    else
        report(f, liveness->state == FEED_CATCHUP ? FEED_INFO : FEED_WARNING,
               "msg=\"feed is %s\" topic=%s reason=%s", feed_state_text(liveness->state),
               report_quote(f->topic, topic), report_quote(liveness->reason, why));
}

/* It waits for another reason than before. */
static void report_waiting(struct feed *f)
{
    uint64_t suppressed;
    char topic[REPORT_MAX_QUOTED], quote[REPORT_MAX_QUOTED];
    if (limiter_lets(&f->waits, now(), &suppressed))
        report(f, FEED_WARNING, "msg=\"feed is waiting\" topic=%s reason=%s suppressed=%" PRIu64,
               report_quote(f->topic, topic), report_quote(f->liveness.reason, quote), suppressed);
}

/* What the states say now is made known: the lease to the cache, the rest to whoever asks. */
static void publish_state(struct feed *f)
{
    const struct liveness *liveness = &f->liveness;
    applier_set_lease(f->applier, liveness_lease(liveness));
    pthread_mutex_lock(&f->lock);
    const bool moved = f->status.state != liveness->state;
    const bool other_reason = strcmp(f->status.reason, liveness->reason) != 0;
    f->status.state = liveness->state;
    memcpy(f->status.reason, liveness->reason, sizeof f->status.reason);
    pthread_mutex_unlock(&f->lock);
    if (moved) {
        set_pace(f, liveness->state == FEED_LIVE);
        report_move(f);
    } else if (other_reason && liveness->state == FEED_COLD) {
        report_waiting(f);
    }
}

static struct apply_at moment(int32_t partition)
{
    const int64_t now_us = clock_us(MONO_CLOCK);
    return (struct apply_at){
        .now = {(uint64_t)now_us / 1000},
        .us = (unsigned)(now_us % 1000),
        .wall_us = clock_us(CLOCK_REALTIME),
        .partition = partition,
    };
}

/* `settles`: what changed may not have reached every server yet (P4); else that is known of each name. */
static void invalidate_all(struct feed *f, bool settles)
{
    struct apply_result result = {.marked = 0};
    struct apply_at at = moment(-1);
    at.settled = !settles;
    if (apply_invalidate(f->applier, NULL, at, &result) < 0)
        return; /* no zones: nothing to invalidate */
    pthread_mutex_lock(&f->lock);
    f->status.marked += result.marked;
    pthread_mutex_unlock(&f->lock);
}

/* A gap: what was cached may have changed unseen, and the position is worth nothing. */
static void drop_position(struct feed *f)
{
    rd_kafka_assign(client_kafka(f->consumer), NULL);
    delayed_drop(f->delayed);
    positions_drop(f->positions);
    if (f->streamed)
        streamed_gap(f->streamed, f->liveness.reason);
    const struct mono since = now();
    invalidate_all(f, true);
    positions_claim(f->positions, since);
}

/* Reads each partition from an offset on. */
static int assign(struct feed *f, const int64_t *from, char error[KAFKA_MAX_ERROR])
{
    delayed_drop(f->delayed);
    f->trouble[0] = '\0';
    return kafka_assign(client_kafka(f->consumer), f->topic, from, f->liveness.count, error);
}

/*
 * The first time nothing can have been missed, and what changed right before is in the log: lowers
 * the offsets to where that begins. False: it is not known what settles, so everything does.
 */
static bool find_settling(struct feed *f, int64_t *from)
{
    const struct liveness *liveness = &f->liveness;
    const int64_t since_ms = clock_us(CLOCK_REALTIME) / 1000 - (int64_t)f->settle_ms - LATE_MS;
    if (liveness->takes > 1 || f->settle_ms == 0)
        return liveness->takes == 1;
    if (kafka_offsets_since(client_kafka(f->consumer), f->topic, since_ms, START_MS, from,
                            liveness->count) < 0)
        return false;
    for (size_t k = 0; k < liveness->count; k++)
        if (liveness->next[k] - from[k] > SETTLING_MOST)
            return false;
    return true;
}

static void copy_positions(struct feed *f)
{
    const struct liveness *liveness = &f->liveness;
    pthread_mutex_lock(&f->lock);
    f->status.partition_count = liveness->count;
    for (size_t k = 0; k < liveness->count; k++)
        f->status.positions[k] =
            (struct feed_position){.partition = (int32_t)k, .offset = liveness->next[k], .end = -1};
    f->status.resets = liveness->takes;
    pthread_mutex_unlock(&f->lock);
}

/* Where to start reading: the ends of what is committed. The consumer learns the leaders as well. */
static int ask_start(struct feed *f, const struct log_ends *ends, struct log_ends *ret,
                     char error[KAFKA_MAX_ERROR])
{
    int result = kafka_topic_ends(client_kafka(f->consumer), f->topic, START_MS, ret, error);
    if (result < 0)
        return result;
    if (ret->count == ends->count && ret->log_id == ends->log_id)
        return 0;
    snprintf(error, KAFKA_MAX_ERROR, "topic %s: its partitions are changing", f->topic);
    return ERR_KAFKA;
}

/*
 * COLD to CATCHUP, in the order that makes it sound: it is known where to start, all is
 * invalidated, then it is read.
 */
static int start_reading(struct feed *f, char error[KAFKA_MAX_ERROR])
{
    const struct liveness *liveness = &f->liveness;
    /* What is fetched from here on must come from parents that have got as far. */
    int64_t from[LOG_MAX_PARTITIONS];
    memcpy(from, liveness->next, liveness->count * sizeof *from);
    memcpy(f->taken, liveness->next, liveness->count * sizeof *from);
    const bool known = find_settling(f, from);
    int result =
        positions_take(f->positions, liveness->log_id, liveness->next, liveness->count,
                       liveness->proof.found ? liveness->proof.asked : (struct mono){0}, now());
    if (result < 0) {
        snprintf(error, KAFKA_MAX_ERROR, "%s", error_text(result));
        return result;
    }
    const struct mono since = now();
    invalidate_all(f, !known);
    positions_claim(f->positions, since);
    if (f->streamed)
        streamed_position(f->streamed, liveness->log_id, liveness->next, liveness->count);
    copy_positions(f);
    return assign(f, known ? from : liveness->next, error);
}

/* ---- new clients ---- */

static void count_renewal(struct feed *f, const char *whose, const char *why)
{
    char quote[REPORT_MAX_QUOTED];
    pthread_mutex_lock(&f->lock);
    f->status.renewed++;
    pthread_mutex_unlock(&f->lock);
    report(f, FEED_WARNING, "msg=\"kafka client given up for a new one\" client=%s reason=%s",
           whose, report_quote(why, quote));
}

/* The position stays, if there is one, and is read on from. */
static void renew_consumer(struct feed *f, const char *why)
{
    char error[KAFKA_MAX_ERROR];
    delayed_drop(f->delayed);
    f->outdated = false;
    if (client_renew(f->consumer, error) < 0) {
        report_error(f, error);
        return;
    }
    f->trouble[0] = '\0';
    count_renewal(f, "consumer", why);
    liveness_lose(&f->liveness, "a new client is to read on", now());
}

/* One that gets nowhere although the brokers answer the reader of watermarks. */
static void renew_stalled(struct feed *f)
{
    const bool stalled = liveness_is_stalled(&f->liveness, now()) && !delayed_holds(f->delayed);
    if (f->liveness.state == FEED_LIVE)
        renewal_rest(&f->renewal);
    else if (renewal_due(&f->renewal, stalled, now()))
        renew_consumer(f, f->liveness.reason);
}

static enum liveness_action take_position(struct feed *f, const struct log_reading *reading)
{
    char error[KAFKA_MAX_ERROR];
    struct log_ends start;
    if (f->outdated)
        renew_consumer(f, "the log is another one than it knows");
    if (ask_start(f, &reading->ends, &start, error) < 0) {
        liveness_take_failed(&f->liveness, error, now());
        return LIVENESS_GO_ON;
    }
    liveness_take(&f->liveness, reading, start.offset, now());
    return start_reading(f, error) < 0 ? liveness_gap(&f->liveness, error, now()) : LIVENESS_GO_ON;
}

/* What the states ask for. */
static void act(struct feed *f, enum liveness_action action, const struct log_reading *reading)
{
    char error[KAFKA_MAX_ERROR];
    if (action == LIVENESS_TAKE)
        action = take_position(f, reading);
    if (action == LIVENESS_RESUME && assign(f, f->liveness.next, error) < 0)
        liveness_lose(&f->liveness, error, now());
    if (action == LIVENESS_DROP)
        drop_position(f);
    publish_state(f);
}

static void note_hosts(struct feed *f, const char hosts[LOG_MAX_HOSTS])
{
    pthread_mutex_lock(&f->lock);
    if (hosts[0])
        memcpy(f->status.hosts, hosts, LOG_MAX_HOSTS);
    pthread_mutex_unlock(&f->lock);
}

static void note_ends(struct feed *f, const struct log_reading *reading)
{
    pthread_mutex_lock(&f->lock);
    for (size_t k = 0; reading->code == 0 && k < f->status.partition_count; k++)
        if (k < reading->ends.count)
            f->status.positions[k].end = reading->ends.offset[k];
    pthread_mutex_unlock(&f->lock);
}

static void take_reading(struct feed *f)
{
    const struct log_reading *reading = watermarks_take(f->reader);
    if (!reading)
        return;
    note_hosts(f, reading->hosts);
    if (reading->renewed != f->reader_renewed)
        count_renewal(f, "watermarks", reading->error);
    f->reader_renewed = reading->renewed;
    const enum liveness_action action = liveness_read(&f->liveness, reading, f->trouble, now());
    f->outdated |= action == LIVENESS_DROP;
    if (reading->code == 0)
        f->trouble[0] = '\0'; /* that is over */
    act(f, action, reading);
    note_ends(f, reading);
}

static void gap(struct feed *f, const char *reason)
{
    act(f, liveness_gap(&f->liveness, reason, now()), NULL);
}

static void lose(struct feed *f, const char *reason)
{
    liveness_lose(&f->liveness, reason, now());
    publish_state(f);
}

/* The position moved. */
static void copy_position(struct feed *f, int32_t partition)
{
    if (partition < 0 || (size_t)partition >= f->liveness.count)
        return;
    pthread_mutex_lock(&f->lock);
    f->status.positions[partition].offset = f->liveness.next[partition];
    pthread_mutex_unlock(&f->lock);
}

/* ---- messages ---- */

static void count_applied(struct feed *f, const struct apply_result *result, int64_t apply_us,
                          int64_t delay_us)
{
    pthread_mutex_lock(&f->lock);
    f->status.applied++;
    f->status.installed += result->installed;
    f->status.marked += result->marked;
    f->status.last_apply_us = apply_us;
    f->status.last_delay_us = delay_us > 0 ? delay_us : 0; /* clocks may disagree */
    apply_log_add(&f->apply_log, delay_us, apply_us);
    histogram_add(&f->applying, (uint64_t)apply_us, 1);
    histogram_add(&f->ages, (uint64_t)f->status.last_delay_us, 1);
    pthread_mutex_unlock(&f->lock);
}

static void count_ignored(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->status.ignored++;
    pthread_mutex_unlock(&f->lock);
}

static void report_refusal(struct feed *f, const rd_kafka_message_t *message,
                           const struct changeset_error *error,
                           const struct intake_refusal *refusal)
{
    uint64_t suppressed;
    if (!limiter_lets(&f->refusals[-error->code], now(), &suppressed))
        return;
    char reason[REPORT_MAX_QUOTED], where[REPORT_MAX_QUOTED], name[NAME_MAX_TEXT],
        quote[REPORT_MAX_QUOTED];
    report(f, FEED_WARNING,
           "msg=\"change set refused\" reason=%s where=%s invalidated=%s partition=%" PRId32
           " offset=%" PRId64 " suppressed=%" PRIu64,
           report_quote(error_text(error->code), reason), report_quote(error->where, where),
           refusal->has_zone ? report_quote(name_to_text(refusal->zone, name), quote) : "all",
           message->partition, message->offset, suppressed);
}

static void refuse(struct feed *f, const rd_kafka_message_t *message,
                   const struct intake_message *content, const struct changeset_error *error)
{
    const struct apply_at at = moment(message->partition);
    const struct intake_refusal refusal = intake_refuse(f->applier, content, error, at);
    if (f->streamed)
        streamed_refused(f->streamed, refusal.has_zone ? refusal.zone : NULL, message->offset + 1,
                         error->code, at);
    if (!refusal.ours) {
        count_ignored(f);
        return;
    }
    pthread_mutex_lock(&f->lock);
    f->status.marked += refusal.marked;
    f->status.refused[-error->code]++;
    pthread_mutex_unlock(&f->lock);
    report_refusal(f, message, error, &refusal);
}

static void report_misplaced(struct feed *f, const struct change_set *set,
                             const rd_kafka_message_t *message)
{
    uint64_t suppressed;
    char name[NAME_MAX_TEXT], zone[REPORT_MAX_QUOTED];
    if (limiter_lets(&f->misplaced, now(), &suppressed))
        report(
            f, FEED_WARNING,
            "msg=\"a change set of a streamed zone lies in another partition than the zone's: it "
            "evicts only\" zone=%s partition=%" PRId32 " offset=%" PRId64 " suppressed=%" PRIu64,
            report_quote(name_to_text(set->zone, name), zone), message->partition, message->offset,
            suppressed);
}

static int apply(struct feed *f, struct change_set *set, const rd_kafka_message_t *message)
{
    struct apply_result result = {.marked = 0};
    const struct apply_at at = moment(message->partition);
    const enum streamed_taken taken =
        f->streamed ? streamed_change(f->streamed, set, message->offset + 1, at) : STREAMED_NONE;
    const bool streamed = taken != STREAMED_NONE;
    if (taken == STREAMED_ELSEWHERE)
        report_misplaced(f, set, message);
    const bool installs = !streamed && liveness_is_live(&f->liveness, at.now);
    int code = intake_apply(f->applier, set, installs, at, &result);
    if (code == 0 && streamed && result.duplicate)
        (void)!apply_invalidate(f->applier, set->zone, at, &result); /* the log has it twice */
    const int64_t began_us = (int64_t)at.now.ms * 1000 + at.us;
    const int64_t apply_us = clock_us(MONO_CLOCK) - began_us;
    if (code == 0)
        count_applied(f, &result, apply_us, at.wall_us + apply_us - set->time_us);
    if (code == 0 && result.restarted)
        gap(f, "the change clock starts over");
    return code;
}

static struct intake_message content_of(const rd_kafka_message_t *message)
{
    return (struct intake_message){.key = message->key,
                                   .key_size = message->key_len,
                                   .value = message->payload,
                                   .value_size = message->len};
}

static void handle_set(struct feed *f, const rd_kafka_message_t *message)
{
    const struct intake_message content = content_of(message);
    struct change_set *set = NULL;
    struct changeset_error error;
    int code = intake_read(&content, &set, &error);
    if (code == 0)
        error.code = code = apply(f, set, message);
    if (code == ERR_NOT_FOUND)
        count_ignored(f);
    else if (code < 0)
        refuse(f, message, &content, &error);
    changeset_free(set);
}

/* What changed right before the start, or may have: marked now, so that it settles. */
static void settle(struct feed *f, const rd_kafka_message_t *message)
{
    const struct intake_message content = content_of(message);
    const struct apply_at at = moment(message->partition);
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result = {.restarted = false};
    if (intake_read(&content, &set, &error) < 0)
        intake_refuse(f->applier, &content, &error, at);
    else if (intake_apply(f->applier, set, false, at, &result) == 0 && result.restarted)
        gap(f, "the change clock starts over");
    changeset_free(set);
}

/*
 * Errors of a fetch. What is not known to pass by itself may have skipped something: a gap. Errors
 * of no partition are not about the log: a group we never join, say, that we are not allowed to
 * see.
 */
static void handle_error(struct feed *f, const rd_kafka_message_t *message)
{
    char reason[FEED_MAX_ERROR];
    if (message->partition < 0) {
        report_error(f, rd_kafka_message_errstr(message));
        return;
    }
    snprintf(reason, sizeof reason, "partition %" PRId32 ": %s", message->partition,
             rd_kafka_message_errstr(message));
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        lose(f, reason);
        break;
    default:
        gap(f, reason);
    }
}

/* What was aborted, and how transactions ended, is in the log, and no message to be applied. */
static void handle_end(struct feed *f, int32_t partition, int64_t end)
{
    if (partition >= 0 && (size_t)partition < f->liveness.count &&
        f->liveness.next[partition] < end) {
        positions_applying(f->positions, partition, end, now());
        positions_applied(f->positions, partition, end);
    }
    if (f->streamed)
        streamed_reached(f->streamed, partition, end);
    liveness_drained(&f->liveness, partition, end);
    copy_position(f, partition);
}

static void handle(struct feed *f, const rd_kafka_message_t *message)
{
    if (!f->liveness.assigned)
        return; /* left over from before a gap */
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        handle_end(f, message->partition, message->offset);
    } else if (message->err) {
        handle_error(f, message);
    } else if (message->offset < f->taken[message->partition]) {
        settle(f, message);
    } else {
        positions_applying(f->positions, message->partition, message->offset + 1, now());
        handle_set(f, message);
        positions_applied(f->positions, message->partition, message->offset + 1);
        liveness_reached(&f->liveness, message->partition, message->offset + 1);
        copy_position(f, message->partition);
    }
}

/* Waits for a message, then takes what else is there. */
static void consume(struct feed *f)
{
    int wait_ms = (int)f->tick_ms;
    for (int k = 0; k < BATCH_MESSAGES; k++, wait_ms = 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client_kafka(f->consumer), wait_ms);
        if (!message)
            return;
        handle(f, message);
        rd_kafka_message_destroy(message);
    }
}

/* As consume(), over a distance: takes what has set out, and applies what has arrived. */
static void consume_far(struct feed *f)
{
    const uint64_t wait_ms =
        delayed_wait_ms(f->delayed, (uint64_t)clock_us(MONO_CLOCK), f->tick_ms);
    rd_kafka_message_t *message;
    for (int k = 0; k < BATCH_MESSAGES && delayed_has_room(f->delayed); k++) {
        if (!(message =
                  rd_kafka_consumer_poll(client_kafka(f->consumer), k == 0 ? (int)wait_ms : 0)))
            break;
        if (!delayed_add(f->delayed, message, (uint64_t)clock_us(MONO_CLOCK))) {
            handle(f, message);
            rd_kafka_message_destroy(message);
        }
    }
    if (!delayed_has_room(f->delayed))
        usleep((useconds_t)wait_ms * 1000);
    for (int k = 0; k < BATCH_MESSAGES; k++) {
        if (!(message = delayed_take(f->delayed, (uint64_t)clock_us(MONO_CLOCK))))
            return;
        handle(f, message);
        rd_kafka_message_destroy(message);
    }
}

static void *feed_main(void *arg)
{
    struct feed *f = arg;
    while (!atomic_load(&f->stop)) {
        if (f->delayed)
            consume_far(f);
        else
            consume(f);
        watermarks_poll(f->reader);
        take_reading(f);
        liveness_tick(&f->liveness, f->trouble, now());
        if (f->streamed)
            streamed_tick(f->streamed, f->liveness.state == FEED_LIVE, moment(-1));
        if (f->liveness.proof.found)
            positions_proved(f->positions, f->liveness.proof.asked);
        renew_stalled(f);
        publish_state(f);
    }
    return NULL;
}

/* ---- start and stop ---- */

/* Both are called from polls, so in the feed's thread. */
static void on_consumer_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct feed *f = arg;
    kafka_note_trouble(f->trouble, code, reason);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && f->liveness.assigned &&
        f->liveness.state != FEED_LOST)
        lose(f, f->trouble);
}

static void on_watermarks_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct feed *f = arg;
    kafka_note_trouble(f->trouble, code, reason);
}

static void on_watermarks_ready(void *arg)
{
    struct feed *f = arg;
    client_wake(f->consumer);
}

static struct kafka_settings settings_of(const struct feed_options *options, uint64_t lease_ms)
{
    const uint64_t share_ms = lease_ms / FETCHES_PER_LEASE;
    return (struct kafka_settings){.brokers = options->brokers,
                                   .properties = options->properties,
                                   .property_count = options->property_count,
                                   .fetch_wait_ms = share_ms == 0         ? 1
                                                    : share_ms < FETCH_MS ? share_ms
                                                                          : FETCH_MS};
}

static rd_kafka_conf_t *new_conf(struct feed *f, const struct feed_options *options,
                                 void (*on_error)(rd_kafka_t *, int, const char *, void *),
                                 char error[FEED_MAX_ERROR])
{
    const struct kafka_settings settings = settings_of(options, f->lease_ms);
    rd_kafka_conf_t *conf = kafka_consumer_conf(&settings, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, f);
    return conf;
}

static int start_consumer(struct feed *f, const struct feed_options *options,
                          char error[FEED_MAX_ERROR])
{
    rd_kafka_conf_t *conf = new_conf(f, options, on_consumer_error, error);
    if (!conf)
        return ERR_CONFIG;
    f->consumer = client_new(conf, error);
    return f->consumer ? ERR_OK : ERR_KAFKA;
}

static int start_watermarks(struct feed *f, const struct feed_options *options,
                            char error[FEED_MAX_ERROR])
{
    struct watermarks_options options_of_reader = {
        .topic = f->topic,
        .conf = new_conf(f, options, on_watermarks_error, error),
        .ready = on_watermarks_ready,
        .ready_arg = f,
    };
    if (!options_of_reader.conf)
        return ERR_CONFIG;
    f->reader = watermarks_start(&options_of_reader, error);
    if (!f->reader)
        return ERR_KAFKA;
    set_pace(f, false);
    return 0;
}

static int start_thread(struct feed *f, char error[FEED_MAX_ERROR])
{
    int failed = pthread_create(&f->thread, NULL, feed_main, f);
    if (failed) {
        snprintf(error, FEED_MAX_ERROR, "no thread: %s", strerror(failed));
        return ERR_SYSTEM;
    }
    f->running = true;
    return 0;
}

static struct feed *new_feed(const struct feed_options *options)
{
    struct feed *f = calloc(1, sizeof *f);
    char *topic = strdup(options->topic);
    const struct delayed_options way = {options->delay_ms, options->jitter_ms, options->loss};
    const bool near = way.delay_ms == 0 && way.loss == 0;
    struct delayed *delayed = near ? NULL : delayed_new(&way);
    if (!f || !topic || (!near && !delayed)) {
        delayed_free(delayed);
        free(f);
        free(topic);
        return NULL;
    }
    f->topic = topic;
    f->delayed = delayed;
    f->settle_ms = options->settle_ms;
    f->lease_ms = options->lease_ms > 0 ? options->lease_ms : DEFAULT_LEASE_MS;
    f->tick_ms = f->lease_ms / TICK_SHARE < TICK_MS ? f->lease_ms / TICK_SHARE : TICK_MS;
    liveness_init(&f->liveness,
                  &(struct liveness_options){.lease_ms = f->lease_ms, .tick_ms = f->tick_ms});
    f->applier = options->applier;
    f->positions = options->positions;
    f->streamed = options->streamed;
    f->report = options->report;
    f->report_arg = options->report_arg;
    f->status.state = f->liveness.state;
    f->status.last_apply_us = f->status.last_delay_us = -1;
    memcpy(f->status.reason, f->liveness.reason, sizeof f->status.reason);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

struct feed *feed_start(const struct feed_options *options, char ret_error[FEED_MAX_ERROR])
{
    struct feed *f = new_feed(options);
    if (!f) {
        snprintf(ret_error, FEED_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    /* Signals are the program's main thread's; new threads start with the mask of their maker. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool up = start_consumer(f, options, ret_error) == 0 &&
                    start_watermarks(f, options, ret_error) == 0 && start_thread(f, ret_error) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (up)
        return f;
    feed_stop(f);
    return NULL;
}

bool feed_property_is_secret(const char *property)
{
    return kafka_is_secret(property);
}

int feed_check(const struct feed_options *options, size_t *ret_property,
               char ret_error[FEED_MAX_ERROR])
{
    const struct kafka_settings settings = settings_of(options, options->lease_ms);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = kafka_check(&settings, ret_property, ret_error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

void feed_stop(struct feed *f)
{
    if (!f)
        return;
    if (f->running) {
        atomic_store(&f->stop, true);
        client_wake(f->consumer);
        pthread_join(f->thread, NULL);
    }
    watermarks_stop(f->reader);
    delayed_free(f->delayed);
    client_free(f->consumer);
    pthread_mutex_destroy(&f->lock);
    free(f->topic);
    free(f);
}

void feed_status(struct feed *f, struct feed_status *ret)
{
    pthread_mutex_lock(&f->lock);
    *ret = f->status;
    pthread_mutex_unlock(&f->lock);
    histogram_read(&f->applying, &ret->applying);
    histogram_read(&f->ages, &ret->ages);
}

size_t feed_apply_log(struct feed *f, uint64_t after, struct applied_set ret_sets[APPLY_LOG_MOST],
                      uint64_t *ret_first)
{
    pthread_mutex_lock(&f->lock);
    const size_t count = apply_log_after(&f->apply_log, after, ret_sets, ret_first);
    pthread_mutex_unlock(&f->lock);
    return count;
}
