#include "invalidation/streamed_load.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invalidation/intake.h"
#include "invalidation/report.h"
#include "invalidation/snapshot_topic.h"

enum {
    ASK_MS = 2000,
    PAUSE_MS = 500, /* before it begins again, after a failure */
    SLICE_MS = 100,
    PROGRESS_EVERY = 1000, /* messages of the log */
    AGAIN_MS = 5000,       /* before what could not be used is tried again */
    MAX_LINE = 1024,
};

struct streamed_load {
    struct streamed *streamed;
    struct log_reader_options updates, snapshots; /* the texts are owned */
    void (*report)(void *arg, enum feed_severity severity, const char *text);
    void *report_arg;
    pthread_t thread;
    atomic_bool stop;
    struct limiter troubles, gaps, refusals[FEED_ERROR_KINDS];

    /* Made at the start, while files that they need may still be read. */
    struct log_reader *log;      /* of updates */
    struct log_reader *parts;    /* of a snapshot */
    struct log_reader *follower; /* of the topic of snapshots */

    /* Of the round under way. */
    uint64_t rounds;
    struct streamed_feed feed;
    struct snapshot_index *index; /* by what the follower has read */
    size_t count;                 /* zones that there were when it began */
    struct item *items;           /* by number of the zone */
    const struct streamed_job *loading;
    bool unsought; /* a zone that was whole when the topic was scanned is not any more */
    int64_t until[LOG_MAX_PARTITIONS]; /* where the feed was seen to stand */
};

/* A zone of a round. */
struct item {
    struct streamed_job job;
    bool tried;          /* a generation */
    uint64_t generation; /* which one; not again before this: */
    struct mono again;
    bool loaded; /* what is missing is the log from there on */
    int32_t partition;
    int64_t next; /* of the log, to be read */
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(MONO_CLOCK, &t);
    return (struct mono){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000};
}

static struct apply_at moment(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct apply_at){
        .now = now(), .wall_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000, .partition = -1};
}

static void pause_ms(unsigned ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

__attribute__((format(printf, 3, 4))) static void
report(const struct streamed_load *load, enum feed_severity severity, const char *format, ...)
{
    char line[MAX_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    load->report(load->report_arg, severity, line);
}

static void report_trouble(struct streamed_load *load, const char *error)
{
    uint64_t suppressed;
    char quote[REPORT_MAX_QUOTED];
    if (limiter_lets(&load->troubles, now(), &suppressed))
        report(load, FEED_WARNING, "msg=\"streamed zones wait\" reason=%s suppressed=%" PRIu64,
               report_quote(error, quote), suppressed);
}

/* ---- while snapshots are read ---------------------------------------------------------------- */

static bool is_over(void *arg)
{
    struct streamed_load *load = arg;
    struct streamed_feed feed;
    streamed_look(load->streamed, &feed);
    return atomic_load(&load->stop) || feed.epoch != load->feed.epoch;
}

static void on_refused(void *arg, const uint8_t *zone, int error)
{
    struct streamed_load *load = arg;
    uint64_t suppressed;
    char name[NAME_MAX_TEXT], quote[REPORT_MAX_QUOTED], why[REPORT_MAX_QUOTED];
    streamed_count_damaged(load->streamed, zone, error);
    if (limiter_lets(&load->refusals[-error], now(), &suppressed))
        report(load, FEED_WARNING,
               "msg=\"part of a snapshot refused\" zone=%s reason=%s suppressed=%" PRIu64,
               report_quote(name_to_text(zone, name), quote), report_quote(error_text(error), why),
               suppressed);
}

static bool on_taken(void *arg, uint32_t part, uint32_t parts)
{
    struct streamed_load *load = arg;
    streamed_progress(load->streamed, load->loading, part, parts, -1);
    return !is_over(load);
}

static struct snapshot_watch watch(struct streamed_load *load)
{
    return (struct snapshot_watch){
        .refused = on_refused, .taken = on_taken, .stopped = is_over, .arg = load};
}

/* ---- a snapshot ------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void
fail(struct streamed_load *load, const struct item *item, const char *format, ...)
{
    char reason[STREAMED_MAX_REASON], name[NAME_MAX_TEXT];
    char zone[REPORT_MAX_QUOTED], why[REPORT_MAX_QUOTED];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    uint64_t suppressed;
    streamed_fail(load->streamed, &item->job, reason);
    if (!limiter_lets(&load->gaps, now(), &suppressed))
        return;
    report(load, FEED_WARNING,
           "msg=\"streamed zone is gapped\" zone=%s reason=%s suppressed=%" PRIu64,
           report_quote(name_to_text(streamed_apex(item->job.zone), name), zone),
           report_quote(reason, why), suppressed);
}

/* Whether the log goes on from a snapshot; else says why not. */
static bool goes_on(struct streamed_load *load, const struct item *item,
                    const struct snapshot_head *head)
{
    int64_t first, end;
    char error[LOG_MAX_ERROR];
    const uint8_t *apex = streamed_apex(item->job.zone);
    if (head->log_id != load->feed.log_id) {
        fail(load, item, "its snapshot is of another log");
        return false;
    }
    if (head->partition != snapshot_topic_partition(apex, load->feed.partitions)) {
        fail(load, item, "its snapshot is of another division into partitions");
        return false;
    }
    if (head->offset < item->job.least) {
        fail(load, item,
             "a change set since its snapshot, before offset %" PRId64 ", is not to be read",
             item->job.least);
        return false;
    }
    if (log_reader_span(load->log, head->partition, ASK_MS, &first, &end, error) != 0) {
        fail(load, item, "%.200s", error);
        return false;
    }
    if (head->offset < first)
        fail(load, item, "the log begins at offset %" PRId64 ", its snapshot is of %" PRId64, first,
             head->offset);
    else if (head->offset > end)
        fail(load, item, "the log ends at offset %" PRId64 ", its snapshot is of %" PRId64, end,
             head->offset);
    return head->offset >= first && head->offset <= end;
}

/* Takes one that is whole in the topic. */
static void load_place(struct streamed_load *load, struct item *item,
                       const struct snapshot_place *place)
{
    struct zone_edit *edit;
    char error[LOG_MAX_ERROR] = "";
    const struct snapshot_watch watching = watch(load);
    int code = streamed_begin(load->streamed, &item->job, &edit);
    if (code)
        return;
    load->loading = &item->job;
    code = snapshot_topic_load(load->parts, place, edit, &watching, error);
    if (code) {
        zone_edit_abort(edit);
        if (!is_over(load))
            fail(load, item, "its snapshot: %.200s", error[0] ? error : error_text(code));
        return;
    }
    item->loaded = streamed_loaded(load->streamed, &item->job, edit, &place->head);
    item->partition = place->head.partition;
    item->next = place->head.offset;
}

/* The newest first; the other where that cannot be used. */
static void load_zone(struct streamed_load *load, struct item *item)
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    const uint8_t *apex = streamed_apex(item->job.zone);
    if (!snapshot_index_find(load->index, apex, slots)) {
        load->unsought = true;
        return;
    }
    const unsigned newer =
        slots[1].whole &&
        (!slots[0].whole || slots[1].place.head.generation > slots[0].place.head.generation);
    const uint64_t generation = slots[newer].whole ? slots[newer].place.head.generation : 0;
    if (item->tried && item->generation == generation && !mono_reached(now(), item->again))
        return;
    item->tried = true;
    item->generation = generation;
    item->again = mono_add(now(), AGAIN_MS);
    for (unsigned k = 0; k < SNAPSHOT_SLOTS && !item->loaded; k++) {
        const struct snapshot_slot *slot = &slots[k == 0 ? newer : 1 - newer];
        if (slot->whole && goes_on(load, item, &slot->place.head))
            load_place(load, item, &slot->place);
    }
    if (generation == 0)
        fail(load, item, "there is no snapshot of it");
}

/* ---- the log since then ---------------------------------------------------------------------- */

/* The zone that a message is of, canonical, as far as that can be told. */
static bool zone_of(const struct log_message *message, const struct changeset_error *error,
                    uint8_t ret_zone[NAME_MAX_SIZE])
{
    if (error->has_zone) {
        memcpy(ret_zone, error->zone, name_size(error->zone));
        return true;
    }
    int size = message->key ? name_from_text_n(message->key, message->key_size, ret_zone) : -1;
    if (size > 0)
        name_lower(ret_zone, (size_t)size, ret_zone);
    return size > 0;
}

/* The zone of a round that is read now; NULL: none, or it is done. */
static struct item *find_item(struct streamed_load *load, const uint8_t *apex)
{
    struct streamed_zone *zone = streamed_find(load->streamed, apex);
    const size_t number = zone ? streamed_number(zone) : load->count;
    struct item *item = number < load->count ? &load->items[number] : NULL;
    return item && item->loaded ? item : NULL;
}

static void take_message(struct streamed_load *load, const struct log_message *message)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    uint8_t zone[NAME_MAX_SIZE];
    char reason[STREAMED_MAX_REASON];
    const struct intake_message content = {message->key, message->key_size,
                                           (const char *)message->value, message->value_size};
    int code = intake_read(&content, &set, &error);
    struct item *item = NULL;
    if (code == 0)
        item = find_item(load, set->zone);
    else if (zone_of(message, &error, zone))
        item = find_item(load, zone);
    if (item && item->partition == message->partition && message->offset >= item->next) {
        if (code == 0)
            code = streamed_catch_up(load->streamed, &item->job, set, message->offset + 1);
        if (code < 0) {
            snprintf(reason, sizeof reason, "change set %" PRId32 ":%" PRId64 " was refused: %s",
                     message->partition, message->offset, error_text(code));
            streamed_unreadable(load->streamed, &item->job, message->offset + 1, reason);
            item->loaded = false;
        }
    }
    changeset_free(set);
}

/*
 * Zones of a partition that are as far as the feed are the feed's from here on; `tell`: and how far the others are. Whether
 * any is left.
 */
static bool join(struct streamed_load *load, int32_t partition, int64_t next, bool tell)
{
    bool left = false;
    for (size_t k = 0; k < load->count; k++) {
        struct item *item = &load->items[k];
        int64_t *until = &load->until[partition];
        if (!item->loaded || item->partition != partition)
            continue;
        if (streamed_join(load->streamed, &item->job, next, moment(), until)) {
            char name[NAME_MAX_TEXT], quote[REPORT_MAX_QUOTED];
            item->loaded = false;
            report(load, FEED_INFO, "msg=\"streamed zone is live\" zone=%s offset=%" PRId64,
                   report_quote(name_to_text(streamed_apex(item->job.zone), name), quote), next);
            continue;
        }
        if (tell)
            streamed_progress(load->streamed, &item->job, 0, 0, *until - next);
        left = true;
    }
    return left;
}

/* Where each partition is to be read from. Returns how many. */
static size_t places(const struct streamed_load *load, struct log_place ret[LOG_MAX_PARTITIONS])
{
    size_t count = 0;
    for (size_t k = 0; k < load->count; k++) {
        const struct item *item = &load->items[k];
        size_t i = 0;
        if (!item->loaded)
            continue;
        while (i < count && ret[i].partition != item->partition)
            i++;
        if (i == count)
            ret[count++] = (struct log_place){item->partition, item->next};
        else if (item->next < ret[i].offset)
            ret[i].offset = item->next;
    }
    return count;
}

static void fail_partition(struct streamed_load *load, int32_t partition, const char *error)
{
    for (size_t k = 0; k < load->count; k++) {
        struct item *item = &load->items[k];
        if (!item->loaded || (partition >= 0 && item->partition != partition))
            continue;
        item->loaded = false;
        fail(load, item, "the log since its snapshot: %.180s", error);
    }
}

/* Reads the log until every zone that has been loaded is live, or is none of ours any more. */
static void catch_up(struct streamed_load *load)
{
    struct log_place from[LOG_MAX_PARTITIONS];
    char error[LOG_MAX_ERROR];
    size_t left = 0;
    const size_t count = places(load, from);
    for (size_t k = 0; k < count; k++)
        left += join(load, from[k].partition, from[k].offset, true);
    if (left == 0)
        return;
    int code = log_reader_from(load->log, from, count, error);
    for (uint64_t taken = 0; !code && left > 0 && !is_over(load); taken++) {
        struct log_message message;
        code = log_reader_next(load->log, SLICE_MS, &message, error);
        if (code == ERR_TIMEOUT) {
            code = 0;
            continue;
        }
        if (code)
            break;
        if (!message.end)
            take_message(load, &message);
        const int64_t next = message.offset + !message.end;
        const bool tell = taken % PROGRESS_EVERY == 0;
        if ((tell || next >= load->until[message.partition]) &&
            !join(load, message.partition, next, tell))
            left = places(load, from);
    }
    if (code)
        fail_partition(load, -1, error);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* What a round needs. The topics may have been made anew since the one before. */
static int open_round(struct streamed_load *load)
{
    load->count = streamed_count(load->streamed);
    load->unsought = false;
    load->items = calloc(load->count + 1, sizeof *load->items);
    load->index = snapshot_index_new(false);
    if (load->rounds++ > 0) {
        log_reader_renew(load->log);
        log_reader_renew(load->parts);
        log_reader_renew(load->follower);
    }
    return load->items && load->index ? 0 : ERR_MEMORY;
}

/* Nothing is read any more. */
static void close_round(struct streamed_load *load)
{
    char ignored[LOG_MAX_ERROR];
    (void)!log_reader_from(load->log, NULL, 0, ignored);
    (void)!log_reader_from(load->parts, NULL, 0, ignored);
    (void)!log_reader_from(load->follower, NULL, 0, ignored);
    snapshot_index_free(load->index);
    free(load->items);
    load->index = NULL;
    load->items = NULL;
}

/* Reads heads of all partitions of the topic that our zones are in. */
static int scan(struct streamed_load *load, char error[LOG_MAX_ERROR])
{
    struct log_ends ends;
    bool used[LOG_MAX_PARTITIONS] = {false};
    int32_t partitions[LOG_MAX_PARTITIONS];
    size_t count = 0;
    const struct snapshot_watch watching = watch(load);
    int code = log_reader_ends(load->follower, ASK_MS, &ends, error);
    for (size_t k = 0; !code && k < load->count; k++) {
        struct streamed_job job;
        if (!streamed_job(load->streamed, k, &job))
            continue;
        const uint8_t *apex = streamed_apex(job.zone);
        const int32_t partition = snapshot_topic_partition(apex, ends.count);
        code = snapshot_index_want(load->index, apex);
        if (!used[partition])
            partitions[count++] = partition;
        used[partition] = true;
    }
    return code ? code
                : snapshot_topic_scan(load->follower, partitions, count, load->index, &watching,
                                      error);
}

/* Loads what can be loaded. */
static void load_all(struct streamed_load *load)
{
    for (size_t k = 0; k < load->count && !is_over(load); k++) {
        struct item *item = &load->items[k];
        item->loaded = false;
        if (streamed_job(load->streamed, k, &item->job))
            load_zone(load, item);
    }
    catch_up(load);
}

/* Until all are whole, or the feed has another position, or others are to be looked for. */
static int run_round(struct streamed_load *load, char error[LOG_MAX_ERROR])
{
    struct streamed_feed feed;
    const struct snapshot_watch watching = watch(load);
    int code = open_round(load);
    if (code == 0)
        code = scan(load, error);
    while (code == 0 && !is_over(load)) {
        load_all(load);
        if (streamed_look(load->streamed, &feed) == 0 || feed.zones != load->feed.zones ||
            load->unsought)
            break;
        code = snapshot_topic_follow(load->follower, load->index, &watching, error);
    }
    close_round(load);
    return code;
}

static void *load_main(void *arg)
{
    struct streamed_load *load = arg;
    while (!atomic_load(&load->stop)) {
        char error[LOG_MAX_ERROR] = "out of memory";
        if (streamed_wait(load->streamed, &load->feed) == 0)
            continue;
        if (run_round(load, error) == 0 || is_over(load))
            continue;
        report_trouble(load, error);
        pause_ms(PAUSE_MS);
    }
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void free_load(struct streamed_load *load)
{
    log_reader_close(load->log);
    log_reader_close(load->parts);
    log_reader_close(load->follower);
    for (size_t k = 0; load->updates.properties && k < load->updates.property_count; k++)
        free(load->updates.properties[k]);
    free((char **)load->updates.properties);
    free((char *)load->updates.brokers);
    free((char *)load->updates.topic);
    free((char *)load->snapshots.topic);
    free(load);
}

static struct streamed_load *new_load(const struct streamed_load_options *options)
{
    struct streamed_load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    char **properties = calloc(options->property_count + 1, sizeof *properties);
    bool good = properties != NULL;
    for (size_t k = 0; good && k < options->property_count; k++)
        good = (properties[k] = strdup(options->properties[k])) != NULL;
    load->updates = (struct log_reader_options){.brokers = strdup(options->brokers),
                                                .topic = strdup(options->updates),
                                                .properties = properties,
                                                .property_count = options->property_count};
    load->snapshots = load->updates;
    load->snapshots.topic = strdup(options->snapshots);
    load->streamed = options->streamed;
    load->report = options->report;
    load->report_arg = options->report_arg;
    if (good && load->updates.brokers && load->updates.topic && load->snapshots.topic)
        return load;
    free_load(load);
    return NULL;
}

struct streamed_load *streamed_load_start(const struct streamed_load_options *options,
                                          char ret_error[FEED_MAX_ERROR])
{
    struct streamed_load *load = new_load(options);
    sigset_t all, before; /* signals are the program's main thread's */
    if (!load) {
        snprintf(ret_error, FEED_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    load->log = log_reader_open(&load->updates, ret_error);
    load->parts = load->log ? log_reader_open(&load->snapshots, ret_error) : NULL;
    load->follower = load->parts ? log_reader_open(&load->snapshots, ret_error) : NULL;
    if (!load->follower) {
        free_load(load);
        return NULL;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&load->thread, NULL, load_main, load);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return load;
    snprintf(ret_error, FEED_MAX_ERROR, "no thread: %s", strerror(failed));
    free_load(load);
    return NULL;
}

void streamed_load_stop(struct streamed_load *load)
{
    if (!load)
        return;
    atomic_store(&load->stop, true);
    streamed_wake(load->streamed);
    pthread_join(load->thread, NULL);
    free_load(load);
}
