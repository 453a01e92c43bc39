#include "origin/recall.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

#include "invalidation/log_reader.h"
#include "invalidation/publish.h"
#include "invalidation/snapshot_topic.h"

enum { ASK_MS = 2000, READ_MS = 500, SILENT_READS = 20, AGAIN_MS = 500, STEP_MS = 50 };

/* A zone while the log is read for it. */
struct item {
    struct recall_zone *zone;
    struct zone_edit *edit;
    char key[NAME_MAX_TEXT]; /* of its messages */
    UT_hash_handle hh;
};

struct recall {
    struct recall_options options;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    int fd; /* written to when it is done */
    struct event *finished;
    struct item *items;  /* one per zone */
    struct item *by_key; /* a uthash table of them */
    struct log_reader *reader, *snapshots;
    struct log_ends ends;
    int64_t *first; /* by partition: where the log begins */
    bool *wanted;   /* by partition: some zone is in it, and it is not read to its end */
    size_t left;    /* of those */
};

/* ---- one message ---- */

static void make_worse(struct item *item, enum capture_base base)
{
    if (item->zone->base < base)
        item->zone->base = base;
}

static void apply(const struct recall *recall, struct item *item, const struct change_set *set)
{
    item->zone->sets++;
    if (strcmp(set->publisher, recall->options.publisher) != 0)
        make_worse(item, CAPTURE_DOUBTFUL);
    for (size_t k = 0; k < set->change_count; k++)
        if (zone_edit_change(item->edit, &set->changes[k]) < 0)
            make_worse(item, CAPTURE_UNKNOWN);
}

static struct item *find(const struct recall *recall, const char *key, size_t size)
{
    struct item *found;
    HASH_FIND(hh, recall->by_key, key, size, found);
    return found;
}

static struct item *find_zone(const struct recall *recall, const uint8_t *zone)
{
    char text[NAME_MAX_TEXT];
    name_to_text(zone, text);
    return find(recall, text, strlen(text));
}

static void take_message(struct recall *recall, const struct log_message *message)
{
    struct item *item = message->key ? find(recall, message->key, message->key_size) : NULL;
    struct change_set *set;
    struct changeset_error error;
    if (!message->value || (message->key && !item))
        return;
    int result = changeset_parse((const char *)message->value, message->value_size, &set, &error);
    if (result == 0 || error.has_zone)
        item = find_zone(recall, result == 0 ? set->zone : error.zone);
    if (item && item->zone->partition == message->partition &&
        message->offset >= item->zone->offset) {
        if (result == 0)
            apply(recall, item, set);
        else
            make_worse(item, CAPTURE_UNKNOWN);
        item->zone->offset = message->offset + 1;
    }
    if (result == 0)
        changeset_free(set);
}

/* ---- one try ---- */

static void drop_edits(struct recall *recall)
{
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        zone_edit_abort(recall->items[k].edit);
        recall->items[k].edit = NULL;
    }
}

static int begin_zones(struct recall *recall)
{
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        struct item *item = &recall->items[k];
        item->zone->base = CAPTURE_KNOWN;
        item->zone->offset = 0;
        item->zone->sets = 0;
        item->zone->has_snapshot = false;
        item->zone->partition = publish_partition(zone_apex(item->zone->zone), recall->ends.count);
        recall->wanted[item->zone->partition] = true;
        if (zone_edit_begin(item->zone->zone, true, &item->edit) < 0)
            return ERR_MEMORY;
    }
    return 0;
}

static int look_at_partitions(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    int result = 0;
    for (size_t p = 0; result == 0 && p < recall->ends.count; p++)
        if (recall->wanted[p])
            result = log_reader_span(recall->reader, (int32_t)p, ASK_MS, &recall->first[p],
                                     &recall->ends.offset[p], error);
    return result;
}

/* From where on a partition has to be read for its zones. One of a log that has lost its beginning does not say what zones were. */
static int64_t first_needed(struct recall *recall, int32_t partition)
{
    int64_t needed = recall->ends.offset[partition];
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        struct item *item = &recall->items[k];
        if (item->zone->partition != partition)
            continue;
        if (!item->zone->has_snapshot) {
            item->zone->offset = recall->first[partition];
            if (recall->first[partition] > 0)
                make_worse(item, CAPTURE_UNKNOWN);
        }
        if (item->zone->offset < needed)
            needed = item->zone->offset;
    }
    return needed;
}

static int begin_partitions(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    struct log_place places[LOG_MAX_PARTITIONS];
    size_t count = 0;
    for (size_t p = 0; p < recall->ends.count; p++) {
        if (!recall->wanted[p])
            continue;
        const int64_t from = first_needed(recall, (int32_t)p);
        recall->wanted[p] = from < recall->ends.offset[p];
        if (recall->wanted[p])
            places[count++] = (struct log_place){.partition = (int32_t)p, .offset = from};
    }
    recall->left = count;
    return count == 0 ? 0 : log_reader_from(recall->reader, places, count, error);
}

/* Reads until each partition has ended once. */
static int read_partitions(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    int silent = 0;
    while (recall->left > 0) {
        struct log_message message;
        int result = log_reader_next(recall->reader, READ_MS, &message, error);
        if (recall->stopping)
            return ERR_TIMEOUT;
        silent = result == ERR_TIMEOUT ? silent + 1 : 0;
        if (result == ERR_TIMEOUT && silent < SILENT_READS)
            continue;
        if (result < 0)
            return result;
        if (!message.end)
            take_message(recall, &message);
        else if (recall->wanted[message.partition]) {
            recall->wanted[message.partition] = false;
            recall->left--;
        }
    }
    return 0;
}

/* ---- snapshots ---- */

static bool on_asked(void *arg)
{
    const struct recall *recall = arg;
    return recall->stopping;
}

/* Whether the log goes on from it. */
static bool is_usable(const struct recall *recall, const struct item *item,
                      const struct snapshot_slot *slot)
{
    const struct snapshot_head *head = &slot->place.head;
    const int32_t partition = item->zone->partition;
    return slot->whole && head->log_id == recall->ends.log_id && head->partition == partition &&
           head->offset >= recall->first[partition] &&
           head->offset <= recall->ends.offset[partition];
}

static int load_snapshot(struct recall *recall, struct item *item,
                         const struct snapshot_index *index, const struct snapshot_watch *watch,
                         char error[RECALL_MAX_ERROR])
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    const struct snapshot_slot *best = NULL;
    if (!snapshot_index_find(index, zone_apex(item->zone->zone), slots))
        return 0;
    for (size_t k = 0; k < SNAPSHOT_SLOTS; k++)
        if (is_usable(recall, item, &slots[k]) &&
            (!best || slots[k].place.head.offset > best->place.head.offset))
            best = &slots[k];
    if (!best)
        return 0;
    int result = snapshot_topic_load(recall->snapshots, &best->place, item->edit, watch, error);
    if (result < 0)
        return result; /* compacted meanwhile, for one: all begins again */
    item->zone->has_snapshot = true;
    item->zone->snapshot_offset = item->zone->offset = best->place.head.offset;
    item->zone->snapshot_made_us = best->place.head.made_us;
    return 0;
}

/* The partitions that zones have in the topic of snapshots, each once. */
static size_t snapshot_partitions(const struct recall *recall, size_t of, int32_t *partitions)
{
    size_t count = 0;
    bool there[LOG_MAX_PARTITIONS] = {false};
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        const int32_t one = snapshot_topic_partition(zone_apex(recall->items[k].zone->zone), of);
        if (!there[one])
            partitions[count++] = one;
        there[one] = true;
    }
    return count;
}

static int load_snapshots(struct recall *recall, struct snapshot_index *index, size_t partitions,
                          char error[RECALL_MAX_ERROR])
{
    const struct snapshot_watch watch = {.stopped = on_asked, .arg = recall};
    int32_t places[LOG_MAX_PARTITIONS];
    int result = 0;
    for (size_t k = 0; result == 0 && k < recall->options.zone_count; k++)
        result = snapshot_index_want(index, zone_apex(recall->items[k].zone->zone));
    if (result == 0)
        result = snapshot_topic_scan(recall->snapshots, places,
                                     snapshot_partitions(recall, partitions, places), index, &watch,
                                     error);
    for (size_t k = 0; result == 0 && k < recall->options.zone_count; k++)
        result = load_snapshot(recall, &recall->items[k], index, &watch, error);
    return result;
}

/* A topic that is not there has no snapshots. */
static int read_snapshots(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    struct log_ends *ends = malloc(sizeof *ends);
    struct snapshot_index *index = snapshot_index_new(false);
    int result =
        ends && index ? log_reader_ends(recall->snapshots, ASK_MS, ends, error) : ERR_MEMORY;
    if (result == 0)
        result = load_snapshots(recall, index, ends->count, error);
    else if (result == ERR_NOT_FOUND)
        result = 0;
    snapshot_index_free(index);
    free(ends);
    return result;
}

/* ---- all of it, once ---- */

static int read_log(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    memset(recall->wanted, 0, LOG_MAX_PARTITIONS * sizeof *recall->wanted);
    snprintf(error, RECALL_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    int result = log_reader_ends(recall->reader, ASK_MS, &recall->ends, error);
    if (result == 0)
        result = begin_zones(recall);
    if (result == 0)
        result = look_at_partitions(recall, error);
    if (result == 0)
        result = read_snapshots(recall, error);
    if (result == 0)
        result = begin_partitions(recall, error);
    if (result == 0)
        result = read_partitions(recall, error);
    return result;
}

/* ---- the thread ---- */

static bool open_reader(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    const struct recall_options *options = &recall->options;
    struct log_reader_options from = {.brokers = options->brokers,
                                      .topic = options->updates,
                                      .properties = options->properties,
                                      .property_count = options->property_count};
    log_reader_close(recall->reader);
    log_reader_close(recall->snapshots);
    recall->snapshots = NULL;
    recall->reader = log_reader_open(&from, error);
    from.topic = options->snapshots;
    if (recall->reader)
        recall->snapshots = log_reader_open(&from, error);
    return recall->snapshots != NULL;
}

static void rest(const struct recall *recall)
{
    for (int ms = 0; ms < AGAIN_MS && !recall->stopping; ms += STEP_MS)
        usleep(STEP_MS * 1000);
}

static void *run(void *arg)
{
    struct recall *recall = arg;
    char error[RECALL_MAX_ERROR];
    const uint64_t one = 1;
    while (!recall->stopping) {
        if (open_reader(recall, error) && read_log(recall, error) == 0)
            break;
        drop_edits(recall);
        if (!recall->stopping)
            recall->options.trouble(recall->options.arg, error);
        rest(recall);
    }
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        if (recall->items[k].edit)
            zone_edit_commit(recall->items[k].edit);
        recall->items[k].edit = NULL;
    }
    (void)!write(recall->fd, &one, sizeof one);
    return NULL;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct recall *recall = arg;
    uint64_t signals;
    (void)!read(fd, &signals, sizeof signals);
    event_del(recall->finished);
    recall->options.done(recall->options.arg);
}

/* ---- the whole of it ---- */

static bool make_items(struct recall *recall)
{
    recall->items = calloc(recall->options.zone_count, sizeof *recall->items);
    recall->wanted = calloc(LOG_MAX_PARTITIONS, sizeof *recall->wanted);
    recall->first = calloc(LOG_MAX_PARTITIONS, sizeof *recall->first);
    if (!recall->items || !recall->wanted || !recall->first)
        return false;
    for (size_t k = 0; k < recall->options.zone_count; k++) {
        struct item *item = &recall->items[k];
        item->zone = &recall->options.zones[k];
        name_to_text(zone_apex(item->zone->zone), item->key);
        HASH_ADD_STR(recall->by_key, key, item);
    }
    return true;
}

struct recall *recall_start(const struct recall_options *options, char ret_error[RECALL_MAX_ERROR])
{
    struct recall *recall = calloc(1, sizeof *recall);
    snprintf(ret_error, RECALL_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!recall)
        return NULL;
    recall->options = *options;
    recall->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    recall->finished =
        event_new(options->base, recall->fd, EV_READ | EV_PERSIST, on_finished, recall);
    if (recall->fd >= 0 && recall->finished && event_add(recall->finished, NULL) == 0 &&
        make_items(recall))
        recall->started = pthread_create(&recall->thread, NULL, run, recall) == 0;
    if (recall->started)
        return recall;
    recall_stop(recall);
    return NULL;
}

void recall_stop(struct recall *recall)
{
    if (!recall)
        return;
    recall->stopping = true;
    if (recall->started)
        pthread_join(recall->thread, NULL);
    log_reader_close(recall->reader);
    log_reader_close(recall->snapshots);
    HASH_CLEAR(hh, recall->by_key);
    if (recall->finished)
        event_free(recall->finished);
    if (recall->fd >= 0)
        close(recall->fd);
    free(recall->items);
    free(recall->wanted);
    free(recall->first);
    free(recall);
}
