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
    struct log_reader *reader;
    struct log_ends ends;
    bool *wanted; /* by partition: some zone is in it, and it is not read to its end */
    size_t left;  /* of those */
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
    if (item && item->zone->partition == message->partition) {
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
        item->zone->partition = publish_partition(zone_apex(item->zone->zone), recall->ends.count);
        recall->wanted[item->zone->partition] = true;
        if (zone_edit_begin(item->zone->zone, true, &item->edit) < 0)
            return ERR_MEMORY;
    }
    return 0;
}

/* A log that has lost its beginning does not say what zones were then. */
static void doubt_partition(struct recall *recall, int32_t partition)
{
    for (size_t k = 0; k < recall->options.zone_count; k++)
        if (recall->items[k].zone->partition == partition)
            make_worse(&recall->items[k], CAPTURE_UNKNOWN);
}

static int begin_partitions(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    struct log_place places[LOG_MAX_PARTITIONS];
    size_t count = 0;
    recall->left = 0;
    for (size_t p = 0; p < recall->ends.count; p++) {
        int64_t first, end;
        if (!recall->wanted[p])
            continue;
        int result = log_reader_span(recall->reader, (int32_t)p, ASK_MS, &first, &end, error);
        if (result < 0)
            return result;
        if (first > 0)
            doubt_partition(recall, (int32_t)p);
        recall->wanted[p] = first < end;
        if (first < end)
            places[count++] = (struct log_place){.partition = (int32_t)p, .offset = first};
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

static int read_log(struct recall *recall, char error[RECALL_MAX_ERROR])
{
    memset(recall->wanted, 0, LOG_MAX_PARTITIONS * sizeof *recall->wanted);
    snprintf(error, RECALL_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    int result = log_reader_ends(recall->reader, ASK_MS, &recall->ends, error);
    if (result == 0)
        result = begin_zones(recall);
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
    log_reader_close(recall->reader);
    recall->reader =
        log_reader_open(&(struct log_reader_options){.brokers = options->brokers,
                                                     .topic = options->updates,
                                                     .properties = options->properties,
                                                     .property_count = options->property_count},
                        error);
    return recall->reader != NULL;
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
    (void)fd, (void)what;
    struct recall *recall = arg;
    event_del(recall->finished);
    recall->options.done(recall->options.arg);
}

/* ---- the whole of it ---- */

static bool make_items(struct recall *recall)
{
    recall->items = calloc(recall->options.zone_count, sizeof *recall->items);
    recall->wanted = calloc(LOG_MAX_PARTITIONS, sizeof *recall->wanted);
    if (!recall->items || !recall->wanted)
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
    HASH_CLEAR(hh, recall->by_key);
    if (recall->finished)
        event_free(recall->finished);
    if (recall->fd >= 0)
        close(recall->fd);
    free(recall->items);
    free(recall->wanted);
    free(recall);
}
