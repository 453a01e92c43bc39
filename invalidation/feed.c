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

#include "invalidation/held.h"
#include "invalidation/kafka.h"
#include "invalidation/report.h"
#include "invalidation/watermarks.h"

enum {
    TICK_MS = 100,         /* the longest wait for a message */
    TICK_SHARE = 8,        /* of a short lease, one tick is at most this part */
    BATCH_MESSAGES = 1000, /* applied between two looks at everything else */
    PROOFS_PER_LEASE = 3,
    SEARCH_MS = 200, /* between the first two readings of watermarks while not live */
    LEARN_MS = 450,  /* to find the leaders before the first fetch */
    RESET_SPACING_MS = 1000,
    DEFAULT_LEASE_MS = 3000,
    DESTROY_S = 1,
    MAX_LINE = 1024,
};

static_assert((int)FEED_MAX_PARTITIONS == (int)KAFKA_MAX_PARTITIONS, "one bound for partitions");
static_assert((int)FEED_MAX_ERROR >= (int)KAFKA_MAX_ERROR, "errors of kafka.h fit");

/*
 * The proof that nothing is missed: all positions have passed watermarks asked for at
 * `asked`. So as of then everything in the log was applied, however long it took to get there.
 */
struct proof {
    bool found;
    struct mono asked;
    bool pending; /* `wanted` of watermarks asked for at `wanted_asked` has not been reached yet */
    struct mono wanted_asked;
    int64_t wanted[FEED_MAX_PARTITIONS];
};

struct feed {
    char *topic;
    uint64_t lease_ms;
    struct applier *applier;
    struct positions *positions;
    void (*report)(void *arg, enum feed_severity severity, const char *text);
    void *report_arg;

    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue; /* the consumer's: to wake it */
    struct watermarks_reader *watermarks_reader;
    struct held *held; /* what has been read and is not here yet; NULL: no distance is simulated */
    pthread_t thread;
    bool running;
    atomic_bool stop;

    /* The feed thread's own. */
    bool assigned;
    bool lost; /* brokers gone: needs watermarks asked for after `stale_before` */
    struct mono stale_before;
    struct mono answered; /* when watermarks last came back good */
    struct mono assigned_at;
    struct mono not_before; /* no new position before: gaps that repeat must not spin */
    size_t drained_count; /* partitions that were read, or found empty, since they were assigned */
    bool drained[FEED_MAX_PARTITIONS];
    uint64_t log_id;
    int64_t floor[FEED_MAX_PARTITIONS]; /* an end below means that the log is not the one we read */
    struct proof proof;
    char trouble[KAFKA_MAX_TROUBLE]; /* what the client last complained about */
    struct limiter refusals[FEED_ERROR_KINDS];
    struct limiter logs, errors, waits;
    bool told_of_creating;

    pthread_mutex_t lock; /* of what follows; only the feed thread writes */
    struct feed_status status;
    struct apply_log apply_log;
};

const char *feed_state_text(enum feed_state state)
{
    static const char *const texts[] = {"cold", "catchup", "live", "lost"};
    return texts[state];
}

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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
 * Not live, the feed soon looks again; but not for long more often than a live one does, or brokers that do
 * not keep up would be asked the more.
 */
static void set_pace(struct feed *f, bool live)
{
    const uint64_t steady_ms = f->lease_ms / PROOFS_PER_LEASE;
    const bool soon = !live && SEARCH_MS < steady_ms;
    watermarks_pace(f->watermarks_reader, soon ? SEARCH_MS : steady_ms, steady_ms);
}

static void set_state(struct feed *f, enum feed_state state, const char *reason)
{
    pthread_mutex_lock(&f->lock);
    const bool moved = f->status.state != state;
    if (state != FEED_LIVE)
        applier_set_lease(f->applier, (struct mono){0});
    f->status.state = state;
    snprintf(f->status.reason, sizeof f->status.reason, "%s", reason);
    pthread_mutex_unlock(&f->lock);
    if (!moved)
        return;
    set_pace(f, state == FEED_LIVE);
    char topic[REPORT_MAX_QUOTED], why[REPORT_MAX_QUOTED];
    if (state == FEED_LIVE)
        report(f, FEED_INFO, "msg=\"feed is live\" topic=%s partitions=%zu",
               report_quote(f->topic, topic), f->status.partition_count);
    else
        report(f, state == FEED_CATCHUP ? FEED_INFO : FEED_WARNING,
               "msg=\"feed is %s\" topic=%s reason=%s", feed_state_text(state),
               report_quote(f->topic, topic), report_quote(reason, why));
}

/* The brokers are gone. Positions are kept, but only watermarks asked for from now on prove anything. */
static void lose(struct feed *f, const char *reason)
{
    f->lost = true;
    f->stale_before = now();
    f->proof.found = f->proof.pending = false;
    set_state(f, FEED_LOST, reason);
}

/* `when` is the moment from which changes settle; {0} when none can have been missed that mattered. */
static void invalidate_all(struct feed *f, struct mono when)
{
    struct apply_result result = {.marked = 0};
    const struct apply_at at = {.now = when, .wall_us = clock_us(CLOCK_REALTIME)};
    if (apply_invalidate(f->applier, NULL, at, &result) < 0)
        return; /* no zones: nothing to invalidate */
    pthread_mutex_lock(&f->lock);
    f->status.marked += result.marked;
    pthread_mutex_unlock(&f->lock);
}

/* A gap: what was cached may have changed unseen, and the position is worth nothing. */
static void reset(struct feed *f, const char *reason)
{
    rd_kafka_assign(f->consumer, NULL);
    held_drop(f->held);
    f->assigned = f->lost = false;
    f->stale_before = now();
    f->not_before = mono_add(f->assigned_at, RESET_SPACING_MS);
    positions_drop(f->positions);
    f->proof.found = f->proof.pending = false;
    invalidate_all(f, now());
    set_state(f, FEED_COLD, reason);
}

/*
 * Reads on from the positions in the status; each partition has to show again that it is answered.
 */
static int assign(struct feed *f)
{
    int64_t offsets[FEED_MAX_PARTITIONS];
    const size_t count = f->status.partition_count;
    for (size_t k = 0; k < count; k++)
        offsets[k] = f->status.positions[k].offset;
    memset(f->drained, 0, sizeof f->drained);
    f->drained_count = 0;
    held_drop(f->held);
    f->assigned_at = now();
    char error[KAFKA_MAX_ERROR];
    int result = kafka_assign(f->consumer, f->topic, offsets, count, error);
    if (result < 0)
        report_error(f, error);
    return result;
}

/*
 * COLD to CATCHUP, in the order that makes it sound: ends are known, all is invalidated, then it is
 * read.
 */
static void take_position(struct feed *f, const struct watermarks *watermarks)
{
    kafka_learn_topic(f->consumer, f->topic, LEARN_MS);
    /* What is fetched from here on must come from parents that have got as far. */
    if (positions_take(f->positions, watermarks->ends.log_id, watermarks->ends.offset,
                       watermarks->ends.count) < 0)
        return;
    /* What changed right before may not have reached every server yet: it settles (P4), the first time too. */
    invalidate_all(f, now());
    positions_claim(f->positions);
    f->log_id = watermarks->ends.log_id;
    pthread_mutex_lock(&f->lock);
    f->status.partition_count = watermarks->ends.count;
    for (size_t k = 0; k < watermarks->ends.count; k++)
        f->status.positions[k] =
            (struct feed_position){.partition = (int32_t)k, .offset = watermarks->ends.offset[k]};
    f->status.resets++;
    pthread_mutex_unlock(&f->lock);
    if (assign(f) < 0)
        return;
    f->assigned = true;
    f->trouble[0] = '\0';
    f->proof.found = true;
    f->proof.asked = watermarks->asked;
    set_state(f, FEED_CATCHUP, "reading to the end of the log");
}

/* The brokers answer again: fetching starts over at the kept positions. */
static void resume(struct feed *f)
{
    if (assign(f) < 0)
        return;
    f->lost = false;
    f->trouble[0] = '\0';
    set_state(f, FEED_CATCHUP, "reading on after a loss");
}

static void advance(struct feed *f, int32_t partition, int64_t offset)
{
    if (partition < 0 || (size_t)partition >= f->status.partition_count)
        return;
    if (!f->drained[partition]) {
        f->drained[partition] = true;
        f->drained_count++;
    }
    pthread_mutex_lock(&f->lock);
    if (f->status.positions[partition].offset < offset)
        f->status.positions[partition].offset = offset;
    pthread_mutex_unlock(&f->lock);
}

/* ---- watermarks and what they prove ---- */

static bool has_reached(const struct feed *f, const int64_t *ends)
{
    for (size_t k = 0; k < f->status.partition_count; k++)
        if (f->status.positions[k].offset < ends[k])
            return false;
    return true;
}

static void check_pending(struct feed *f)
{
    if (!f->proof.pending || !has_reached(f, f->proof.wanted))
        return;
    f->proof.found = true;
    f->proof.asked = f->proof.wanted_asked;
    f->proof.pending = false;
}

/*
 * An older wish stays until it is met, or a reader that is always a little behind would never prove
 * anything.
 */
static void seek_proof(struct feed *f, const struct watermarks *watermarks)
{
    struct proof *proof = &f->proof;
    if (has_reached(f, watermarks->ends.offset)) {
        proof->found = true;
        proof->asked = watermarks->asked;
        proof->pending = false;
    } else if (!proof->pending) {
        proof->pending = true;
        proof->wanted_asked = watermarks->asked;
        memcpy(proof->wanted, watermarks->ends.offset, sizeof proof->wanted);
    }
}

/* An end before what was read or seen earlier: the topic was made anew, or its leader lost data. */
static bool log_shrank(const struct feed *f, const struct kafka_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++)
        if (ends->offset[k] < f->floor[k])
            return true;
    return false;
}

static void raise_floor(struct feed *f, const struct kafka_ends *ends)
{
    for (size_t k = 0; k < ends->count; k++) {
        const int64_t read = f->status.positions[k].offset;
        f->floor[k] = ends->offset[k] > read ? ends->offset[k] : read;
    }
}

static void use_watermarks(struct feed *f, const struct watermarks *watermarks)
{
    char reason[FEED_MAX_ERROR];
    const struct kafka_ends *ends = &watermarks->ends;
    if (f->assigned && ends->count != f->status.partition_count) {
        snprintf(reason, sizeof reason, "partition count changed from %zu to %zu",
                 f->status.partition_count, ends->count);
        reset(f, reason);
        return;
    }
    if (f->assigned && ends->log_id != f->log_id) {
        reset(f, "the cluster is another one");
        return;
    }
    if (f->assigned && log_shrank(f, ends)) {
        reset(f, "the log ends before what was read from it");
        return;
    }
    f->answered = now();
    if (!f->assigned && !mono_reached(now(), f->not_before))
        return;
    if (!f->assigned)
        take_position(f, watermarks);
    else if (f->lost)
        resume(f);
    seek_proof(f, watermarks);
    raise_floor(f, ends);
}

/* While COLD each failure is the reason for being so; a topic that is gone is a gap. */
static void use_failure(struct feed *f, const struct watermarks *watermarks)
{
    char reason[FEED_MAX_ERROR];
    const bool silent = watermarks->code == ERR_TIMEOUT && f->trouble[0] != '\0';
    snprintf(reason, sizeof reason, "%s", silent ? f->trouble : watermarks->error);
    if (f->assigned && (watermarks->code == ERR_NOT_FOUND || watermarks->code == ERR_TOO_LARGE)) {
        reset(f, reason);
        return;
    }
    if (f->assigned)
        return;
    const bool news = strcmp(reason, f->status.reason) != 0;
    set_state(f, FEED_COLD, reason);
    uint64_t suppressed;
    char topic[REPORT_MAX_QUOTED], quote[REPORT_MAX_QUOTED];
    if (news && limiter_lets(&f->waits, now(), &suppressed))
        report(f, FEED_WARNING, "msg=\"feed is waiting\" topic=%s reason=%s suppressed=%" PRIu64,
               report_quote(f->topic, topic), report_quote(reason, quote), suppressed);
}

static void take_watermarks(struct feed *f)
{
    const struct watermarks *watermarks = watermarks_take(f->watermarks_reader);
    if (!watermarks)
        return;
    if (watermarks->code < 0)
        use_failure(f, watermarks);
    else if (watermarks->asked.ms >= f->stale_before.ms)
        use_watermarks(f, watermarks);
}

static void describe_lag(const struct feed *f, char reason[FEED_MAX_ERROR])
{
    int64_t lag = 0;
    for (size_t k = 0; k < f->status.partition_count; k++)
        if (f->floor[k] > f->status.positions[k].offset)
            lag += f->floor[k] - f->status.positions[k].offset;
    snprintf(reason, FEED_MAX_ERROR, "%" PRId64 " messages behind", lag);
}

/* The lease, less one tick: that much later a lapse may be noticed. */
static bool in_lease(const struct feed *f, struct mono since, struct mono t, uint64_t tick_ms)
{
    return !mono_reached(t, mono_add(since, f->lease_ms - tick_ms));
}

static void update_state(struct feed *f, uint64_t tick_ms)
{
    char reason[FEED_MAX_ERROR];
    const struct mono t = now();
    if (!f->assigned || f->lost)
        return;
    check_pending(f);
    const bool drained = f->drained_count == f->status.partition_count;
    if (drained && f->proof.found && in_lease(f, f->proof.asked, t, tick_ms)) {
        applier_set_lease(f->applier, mono_add(f->proof.asked, f->lease_ms));
        set_state(f, FEED_LIVE, "");
    } else if (in_lease(f, f->answered, t, tick_ms)) {
        describe_lag(f, reason);
        set_state(f, FEED_CATCHUP, drained ? reason : "reading to the end of the log");
    } else {
        snprintf(reason, sizeof reason, "no answer from the brokers within the lease%s%s",
                 f->trouble[0] ? ": " : "", f->trouble);
        lose(f, reason);
    }
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
    pthread_mutex_unlock(&f->lock);
}

static void count_ignored(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->status.ignored++;
    pthread_mutex_unlock(&f->lock);
}

/* The zone a message's key names (canonical); false when it names none. */
static bool key_zone(const rd_kafka_message_t *message, uint8_t zone[NAME_MAX_SIZE])
{
    if (!message->key || message->key_len == 0)
        return false;
    int size = name_from_text_n(message->key, message->key_len, zone);
    if (size > 0)
        name_lower(zone, (size_t)size, zone);
    return size > 0;
}

static void report_refusal(struct feed *f, const rd_kafka_message_t *message,
                           const struct changeset_error *error, const uint8_t *zone)
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
           zone ? report_quote(name_to_text(zone, name), quote) : "all", message->partition,
           message->offset, suppressed);
}

/* Invalidates one zone; adds up marks. Returns whether the zone is one of ours. */
static bool invalidate(struct feed *f, const uint8_t *zone)
{
    struct apply_result result = {.marked = 0};
    const struct apply_at at = {.now = now(), .wall_us = clock_us(CLOCK_REALTIME)};
    if (apply_invalidate(f->applier, zone, at, &result) < 0)
        return false;
    pthread_mutex_lock(&f->lock);
    f->status.marked += result.marked;
    pthread_mutex_unlock(&f->lock);
    return true;
}

/*
 * P9: what cannot be applied invalidates the zone it names and the zone of its key, which should be
 * the same; when it names none, everything. Of zones that are all not ours it is none of our
 * business.
 */
static void refuse(struct feed *f, const rd_kafka_message_t *message,
                   const struct changeset_error *error)
{
    uint8_t key[NAME_MAX_SIZE];
    const bool has_key = key_zone(message, key);
    const uint8_t *zone = NULL;
    bool ours = false;
    if (has_key && invalidate(f, key)) {
        ours = true;
        zone = key;
    }
    if (error->has_zone && !(has_key && name_equal(key, error->zone)) &&
        invalidate(f, error->zone)) {
        ours = true;
        zone = error->zone;
    }
    if (!has_key && !error->has_zone)
        ours = invalidate(f, NULL);
    if (!ours) {
        count_ignored(f);
        return;
    }
    pthread_mutex_lock(&f->lock);
    f->status.refused[-error->code]++;
    pthread_mutex_unlock(&f->lock);
    report_refusal(f, message, error, zone);
}

/*
 * A set under another zone's key may overtake its fellows in another partition: it is not in order.
 */
static int check_key(const rd_kafka_message_t *message, const struct change_set *set,
                     struct changeset_error *error)
{
    uint8_t key[NAME_MAX_SIZE];
    if (!message->key || (key_zone(message, key) && name_equal(key, set->zone)))
        return 0;
    error->code = ERR_ZONE;
    snprintf(error->where, sizeof error->where, "the key is not the zone");
    return ERR_ZONE;
}

static int apply(struct feed *f, const struct change_set *set, int64_t began_us)
{
    struct apply_result result = {.marked = 0};
    const struct apply_at at = {.now = {(uint64_t)began_us / 1000},
                                .wall_us = clock_us(CLOCK_REALTIME)};
    int code = apply_change_set(f->applier, set, at, &result);
    const int64_t apply_us = clock_us(CLOCK_MONOTONIC) - began_us;
    if (code == 0)
        count_applied(f, &result, apply_us, at.wall_us + apply_us - set->time_us);
    if (code == 0 && result.restarted)
        reset(f, "the change clock starts over");
    return code;
}

/* As the state was when last judged, unless this thread did not run since. */
static bool in_sync(const struct feed *f, struct mono t)
{
    return f->status.state == FEED_LIVE && in_lease(f, f->proof.asked, t, 0);
}

/*
 * What is read late, after a loss or a pause, may be older than what was fetched meanwhile, so its
 * data must not take the other's place (P8). An ADD evicts what a SET evicts, and installs nothing.
 */
static void only_evict(struct change_set *set)
{
    for (size_t k = 0; k < set->change_count; k++)
        if (set->changes[k].op == CHANGE_SET)
            set->changes[k].op = CHANGE_ADD;
}

static void handle_set(struct feed *f, const rd_kafka_message_t *message)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    int code =
        changeset_parse(message->payload ? message->payload : "", message->len, &set, &error);
    if (code == 0)
        code = check_key(message, set, &error);
    const int64_t began_us = clock_us(CLOCK_MONOTONIC);
    if (code == 0 && !in_sync(f, (struct mono){(uint64_t)began_us / 1000}))
        only_evict(set);
    if (code == 0) {
        code = apply(f, set, began_us);
        error.code = code;
    }
    if (code == ERR_NOT_FOUND)
        count_ignored(f);
    else if (code < 0)
        refuse(f, message, &error);
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
        reset(f, reason);
    }
}

static void handle(struct feed *f, const rd_kafka_message_t *message)
{
    if (!f->assigned)
        return; /* left over from before a reset */
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        advance(f, message->partition, message->offset);
    } else if (message->err) {
        handle_error(f, message);
    } else {
        positions_applying(f->positions, message->partition, message->offset + 1);
        handle_set(f, message);
        positions_applied(f->positions, message->partition, message->offset + 1);
        advance(f, message->partition, message->offset + 1);
    }
}

/* Waits for a message, then takes what else is there. */
static void consume(struct feed *f, uint64_t tick_ms)
{
    int wait_ms = (int)tick_ms;
    for (int k = 0; k < BATCH_MESSAGES; k++, wait_ms = 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(f->consumer, wait_ms);
        if (!message)
            return;
        handle(f, message);
        rd_kafka_message_destroy(message);
    }
}

/* As consume(), over a distance: takes what has set out, and applies what has arrived. */
static void consume_far(struct feed *f, uint64_t tick_ms)
{
    const uint64_t wait_ms = held_wait_ms(f->held, (uint64_t)clock_us(CLOCK_MONOTONIC), tick_ms);
    rd_kafka_message_t *message;
    for (int k = 0; k < BATCH_MESSAGES && held_has_room(f->held); k++) {
        if (!(message = rd_kafka_consumer_poll(f->consumer, k == 0 ? (int)wait_ms : 0)))
            break;
        if (!held_add(f->held, message, (uint64_t)clock_us(CLOCK_MONOTONIC))) {
            handle(f, message);
            rd_kafka_message_destroy(message);
        }
    }
    if (!held_has_room(f->held))
        usleep((useconds_t)wait_ms * 1000);
    for (int k = 0; k < BATCH_MESSAGES; k++) {
        if (!(message = held_take(f->held, (uint64_t)clock_us(CLOCK_MONOTONIC))))
            return;
        handle(f, message);
        rd_kafka_message_destroy(message);
    }
}

static void *feed_main(void *arg)
{
    struct feed *f = arg;
    const uint64_t share_ms = f->lease_ms / TICK_SHARE;
    const uint64_t tick_ms = share_ms < TICK_MS ? share_ms : TICK_MS;
    while (!atomic_load(&f->stop)) {
        if (f->held)
            consume_far(f, tick_ms);
        else
            consume(f, tick_ms);
        watermarks_poll(f->watermarks_reader);
        take_watermarks(f);
        update_state(f, tick_ms);
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
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && f->assigned && !f->lost)
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
    rd_kafka_queue_yield(f->queue);
}

static rd_kafka_conf_t *new_conf(struct feed *f, const struct feed_options *options,
                                 void (*on_error)(rd_kafka_t *, int, const char *, void *),
                                 char error[FEED_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
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
    f->consumer = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
    if (!f->consumer)
        return ERR_KAFKA;
    rd_kafka_poll_set_consumer(f->consumer);
    f->queue = rd_kafka_queue_get_consumer(f->consumer);
    return 0;
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
    f->watermarks_reader = watermarks_start(&options_of_reader, error);
    if (!f->watermarks_reader)
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
    const struct held_options way = {options->delay_ms, options->jitter_ms, options->loss};
    const bool near = way.delay_ms == 0 && way.loss == 0;
    struct held *held = near ? NULL : held_new(&way);
    if (!f || !topic || (!near && !held)) {
        held_free(held);
        free(f);
        free(topic);
        return NULL;
    }
    f->topic = topic;
    f->held = held;
    f->lease_ms = options->lease_ms > 0 ? options->lease_ms : DEFAULT_LEASE_MS;
    f->applier = options->applier;
    f->positions = options->positions;
    f->report = options->report;
    f->report_arg = options->report_arg;
    f->status.state = FEED_COLD;
    f->status.last_apply_us = f->status.last_delay_us = -1;
    snprintf(f->status.reason, sizeof f->status.reason, "starting");
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

static void *destroy_consumer(void *consumer)
{
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/*
 * When its topic was deleted meanwhile, librdkafka 2.0 may wait for one of its own threads for ever
 * (its issues 3007, 3954 and 4362). It has a second; then it is left behind, and ends with the
 * process. It calls nothing of ours: all callbacks are made from polls.
 */
static void drop_consumer(rd_kafka_t *consumer)
{
    pthread_t thread;
    struct timespec until;
    if (pthread_create(&thread, NULL, destroy_consumer, consumer) != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &until); /* the only clock that this join knows */
    until.tv_sec += DESTROY_S;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        pthread_detach(thread);
}

void feed_stop(struct feed *f)
{
    if (!f)
        return;
    if (f->running) {
        atomic_store(&f->stop, true);
        rd_kafka_queue_yield(f->queue);
        pthread_join(f->thread, NULL);
    }
    watermarks_stop(f->watermarks_reader);
    held_free(f->held);
    if (f->queue)
        rd_kafka_queue_destroy(f->queue);
    if (f->consumer)
        drop_consumer(f->consumer);
    pthread_mutex_destroy(&f->lock);
    free(f->topic);
    free(f);
}

void feed_status(struct feed *f, struct feed_status *ret)
{
    pthread_mutex_lock(&f->lock);
    *ret = f->status;
    pthread_mutex_unlock(&f->lock);
}

size_t feed_apply_log(struct feed *f, uint64_t after, struct applied_set ret_sets[APPLY_LOG_MOST],
                      uint64_t *ret_first)
{
    pthread_mutex_lock(&f->lock);
    const size_t count = apply_log_after(&f->apply_log, after, ret_sets, ret_first);
    pthread_mutex_unlock(&f->lock);
    return count;
}
