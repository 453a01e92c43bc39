/* follow.c - see follow.h. */
#include "origin/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

#include "invalidation/log_reader.h"
#include "invalidation/snapshot_topic.h"

enum { SLICE_MS = 50, ASK_MS = 5000, MAX_PARTITIONS = LOG_MAX_PARTITIONS };

enum said { SAID_READ, SAID_CAUGHT_UP, SAID_LOST };

struct item {
    struct item *prev, *next;
    enum said said;
    size_t k;
    int64_t offset;
    uint64_t served;           /* SAID_CAUGHT_UP: which question that answers */
    struct follow_stand stand; /* SAID_CAUGHT_UP */
    struct change_set *set;
    char why[FOLLOW_MAX_ERROR];
};

/* A zone, as the thread knows it. */
struct followed {
    struct zone *zone;
    char key[NAME_MAX_TEXT];
    struct follow_stand stand;
    int64_t next;    /* offset */
    bool loaded;     /* and handed to the loop */
    int64_t goal;    /* caught_up() is said from there on; -1: nobody waits for it */
    uint64_t asked;  /* by the loop, how often: what is the goal? Under the lock */
    uint64_t served; /* which of these the goal is of */
    bool refused;    /* by the loop: read it anew. Under the lock */
};

struct follow {
    struct follow_options options;
    struct followed *zones;
    struct log_reader *reader, *snapshots;
    size_t partitions;
    uint64_t log_id;
    int64_t at[MAX_PARTITIONS]; /* the next message of each is read there; -1: it is not read */
    time_t again;               /* when those that are not loaded are tried again */
    char error[LOG_MAX_ERROR];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct item *items;
    size_t item_count;
    bool stop;
    int fd;
    struct event *readable;
};

/* ---- from the thread to the loop ---- */

static void push(struct follow *follow, struct item *item)
{
    pthread_mutex_lock(&follow->lock);
    while (follow->item_count >= FOLLOW_MAX_WAITING && !follow->stop)
        pthread_cond_wait(&follow->drained, &follow->lock);
    DL_APPEND(follow->items, item);
    follow->item_count++;
    pthread_mutex_unlock(&follow->lock);
    const uint64_t one = 1;
    if (write(follow->fd, &one, sizeof one) < 0)
        return; /* it is readable already */
}

/* Until the loop has taken all: what is lost is the thread's again. */
static void wait_until_taken(struct follow *follow)
{
    pthread_mutex_lock(&follow->lock);
    while (follow->items && !follow->stop)
        pthread_cond_wait(&follow->drained, &follow->lock);
    pthread_mutex_unlock(&follow->lock);
}

static struct item *new_item(enum said said, size_t k)
{
    struct item *item = calloc(1, sizeof *item);
    if (!item)
        abort(); /* a few hundred bytes: there is nothing left to go on with */
    item->said = said;
    item->k = k;
    return item;
}

__attribute__((format(printf, 3, 4))) static void lose(struct follow *follow, size_t k,
                                                       const char *format, ...)
{
    struct item *item = new_item(SAID_LOST, k);
    va_list args;
    va_start(args, format);
    vsnprintf(item->why, sizeof item->why, format, args);
    va_end(args);
    follow->zones[k].loaded = false;
    follow->zones[k].goal = -1;
    push(follow, item);
}

static void take_item(struct follow *follow, struct item *item)
{
    const struct follow_options *options = &follow->options;
    switch (item->said) {
    case SAID_READ:
        if (options->read(options->arg, item->k, item->set, item->offset))
            break;
        pthread_mutex_lock(&follow->lock);
        follow->zones[item->k].refused = true;
        pthread_mutex_unlock(&follow->lock);
        break;
    case SAID_CAUGHT_UP:
        pthread_mutex_lock(&follow->lock);
        const bool latest = item->served == follow->zones[item->k].asked;
        pthread_mutex_unlock(&follow->lock);
        if (latest) /* else it was asked again, and the log may have more */
            options->caught_up(options->arg, item->k, &item->stand);
        break;
    case SAID_LOST:
        options->lost(options->arg, item->k, item->why);
        break;
    }
}

/* What waits counts as waiting until it was taken: only then may the thread make a zone anew. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct follow *follow = arg;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return;
    for (;;) {
        pthread_mutex_lock(&follow->lock);
        struct item *item = follow->items;
        pthread_mutex_unlock(&follow->lock);
        if (!item)
            return;
        take_item(follow, item);
        pthread_mutex_lock(&follow->lock);
        DL_DELETE(follow->items, item);
        follow->item_count--;
        pthread_cond_signal(&follow->drained);
        pthread_mutex_unlock(&follow->lock);
        changeset_free(item->set);
        free(item);
    }
}

/* ---- where zones begin ---- */

static const struct snapshot_watch nobody = {.arg = NULL};

/* The partition of each zone. */
static int look_at_log(struct follow *follow)
{
    struct log_ends ends;
    int error = log_reader_ends(follow->reader, ASK_MS, &ends, follow->error);
    if (error < 0)
        return error;
    follow->log_id = ends.log_id;
    if (follow->partitions != ends.count) {
        follow->partitions = ends.count;
        for (size_t p = 0; p < MAX_PARTITIONS; p++)
            follow->at[p] = -1;
    }
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        struct followed *zone = &follow->zones[k];
        zone->stand.partition = snapshot_topic_partition(zone_apex(zone->zone), ends.count);
    }
    return 0;
}

/* What snapshots there are; an index without any where there is no such topic. */
static int scan_snapshots(struct follow *follow, struct snapshot_index *index)
{
    struct log_ends ends;
    int32_t partitions[MAX_PARTITIONS];
    int error = log_reader_ends(follow->snapshots, ASK_MS, &ends, follow->error);
    if (error == ERR_NOT_FOUND)
        return 0;
    for (size_t p = 0; p < MAX_PARTITIONS; p++)
        partitions[p] = (int32_t)p;
    if (error == 0)
        error = snapshot_topic_scan(follow->snapshots, partitions, ends.count, index, &nobody,
                                    follow->error);
    return error;
}

/* One of another log says nothing of this one, wherever it stands. */
static bool fits(const struct follow *follow, const struct followed *zone,
                 const struct snapshot_slot *slot, int64_t first, int64_t end)
{
    const struct snapshot_head *head = &slot->place.head;
    return slot->whole && head->log_id == follow->log_id &&
           head->partition == zone->stand.partition && head->offset >= first && head->offset <= end;
}

static int load_snapshot(struct follow *follow, struct followed *zone,
                         const struct snapshot_place *place)
{
    struct zone_edit *edit;
    int error = zone_edit_begin(zone->zone, true, &edit);
    if (error < 0)
        return error;
    if (place)
        error = snapshot_topic_load(follow->snapshots, place, edit, &nobody, follow->error);
    if (error < 0)
        zone_edit_abort(edit);
    else
        zone_edit_commit(edit);
    return error;
}

/* Makes a zone what it was at the place from where the log is read. */
static void load(struct follow *follow, size_t k, const struct snapshot_index *index)
{
    struct followed *zone = &follow->zones[k];
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    const struct snapshot_place *best = NULL;
    int64_t first, end;
    int error =
        log_reader_span(follow->reader, zone->stand.partition, ASK_MS, &first, &end, follow->error);
    if (error == 0 && snapshot_index_find(index, zone_apex(zone->zone), slots)) {
        for (size_t i = 0; i < SNAPSHOT_SLOTS; i++) {
            if (fits(follow, zone, &slots[i], first, end) &&
                (!best || slots[i].place.head.offset > best->head.offset))
                best = &slots[i].place;
        }
    }
    if (error == 0 && !best && first > 0) {
        lose(follow, k, "no snapshot, and the log begins at offset %" PRId64, first);
        return;
    }
    if (error == 0)
        error = load_snapshot(follow, zone, best);
    if (error < 0) {
        lose(follow, k, "%s", follow->error[0] ? follow->error : error_text(error));
        return;
    }
    zone->stand = (struct follow_stand){.partition = zone->stand.partition,
                                        .has_snapshot = best != NULL,
                                        .snapshot_offset = best ? best->head.offset : 0,
                                        .snapshot_made_us = best ? best->head.made_us : 0};
    zone->next = best ? best->head.offset : first;
    zone->goal = end;
    zone->loaded = true;
}

/* Reads each partition from where the first of its zones needs it. */
static int seek(struct follow *follow)
{
    struct log_place places[MAX_PARTITIONS];
    size_t count = 0;
    for (size_t p = 0; p < follow->partitions; p++) {
        int64_t from = follow->at[p];
        for (size_t k = 0; k < follow->options.zone_count; k++) {
            const struct followed *zone = &follow->zones[k];
            if (zone->loaded && zone->stand.partition == (int32_t)p &&
                (from < 0 || zone->next < from))
                from = zone->next;
        }
        follow->at[p] = from;
        if (from >= 0)
            places[count++] = (struct log_place){.partition = (int32_t)p, .offset = from};
    }
    return count == 0 ? 0 : log_reader_from(follow->reader, places, count, follow->error);
}

static bool all_are_loaded(const struct follow *follow)
{
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        if (!follow->zones[k].loaded)
            return false;
    }
    return true;
}

/* Loads those that are not; those that cannot be are tried again later. */
static void begin(struct follow *follow)
{
    follow->again = time(NULL) + FOLLOW_AGAIN_S;
    follow->error[0] = '\0';
    struct snapshot_index *index = snapshot_index_new(true);
    int error = index ? look_at_log(follow) : ERR_MEMORY;
    if (error == 0)
        error = scan_snapshots(follow, index);
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        if (follow->zones[k].loaded)
            continue;
        if (error < 0)
            lose(follow, k, "%s", follow->error[0] ? follow->error : error_text(error));
        else
            load(follow, k, index);
    }
    snapshot_index_free(index);
    if (error == 0 && seek(follow) < 0)
        follow->again = 0;
}

/* ---- on and on ---- */

static void reach(struct follow *follow, int32_t partition, int64_t next)
{
    follow->at[partition] = next;
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        struct followed *zone = &follow->zones[k];
        if (zone->stand.partition != partition || !zone->loaded || zone->goal < 0 ||
            next < zone->goal)
            continue;
        zone->goal = -1;
        struct item *item = new_item(SAID_CAUGHT_UP, k);
        item->served = zone->served;
        item->stand = zone->stand;
        push(follow, item);
    }
}

static struct followed *zone_of(struct follow *follow, const struct log_message *message)
{
    for (size_t k = 0; message->key && k < follow->options.zone_count; k++) {
        struct followed *zone = &follow->zones[k];
        if (zone->loaded && zone->stand.partition == message->partition &&
            zone->next <= message->offset && message->key_size == strlen(zone->key) &&
            memcmp(message->key, zone->key, message->key_size) == 0)
            return zone;
    }
    return NULL;
}

static void take_message(struct follow *follow, const struct log_message *message)
{
    struct followed *zone = zone_of(follow, message);
    struct changeset_error error;
    if (!zone)
        return;
    const size_t k = (size_t)(zone - follow->zones);
    struct item *item = new_item(SAID_READ, k);
    item->offset = message->offset;
    zone->next = message->offset + 1;
    if (changeset_parse(message->value ? (const char *)message->value : "", message->value_size,
                        &item->set, &error) == 0) {
        push(follow, item);
        return;
    }
    free(item);
    lose(follow, k, "the message at offset %" PRId64 " cannot be read: %s", message->offset,
         error_text(error.code));
}

static void lose_all(struct follow *follow)
{
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        if (follow->zones[k].loaded)
            lose(follow, k, "%s", follow->error);
    }
    for (size_t p = 0; p < MAX_PARTITIONS; p++)
        follow->at[p] = -1;
    wait_until_taken(follow);
    follow->again = 0;
}

static void read_one(struct follow *follow)
{
    struct log_message message;
    int error = log_reader_next(follow->reader, SLICE_MS, &message, follow->error);
    if (error == ERR_NOT_FOUND) {
        lose_all(follow);
        return;
    }
    if (error < 0)
        return; /* brokers come back */
    if (!message.end)
        take_message(follow, &message);
    reach(follow, message.partition, message.end ? message.offset : message.offset + 1);
}

/* What the loop has asked for meanwhile. */
static void see_to_requests(struct follow *follow)
{
    for (size_t k = 0; k < follow->options.zone_count; k++) {
        struct followed *zone = &follow->zones[k];
        int64_t first, end;
        pthread_mutex_lock(&follow->lock);
        const uint64_t asked = zone->asked;
        const bool refused = zone->refused;
        zone->refused = false;
        pthread_mutex_unlock(&follow->lock);
        if (refused && zone->loaded) {
            lose(follow, k, "a change set could not be applied");
            wait_until_taken(follow);
            follow->again = 0;
        }
        if (asked == zone->served || !zone->loaded ||
            log_reader_span(follow->reader, zone->stand.partition, ASK_MS, &first, &end,
                            follow->error) < 0)
            continue;
        zone->served = asked;
        zone->goal = end;
        reach(follow, zone->stand.partition, follow->at[zone->stand.partition]);
    }
}

static bool is_stopped(struct follow *follow)
{
    pthread_mutex_lock(&follow->lock);
    bool stop = follow->stop;
    pthread_mutex_unlock(&follow->lock);
    return stop;
}

static void *run(void *arg)
{
    struct follow *follow = arg;
    while (!is_stopped(follow)) {
        if (!all_are_loaded(follow) && time(NULL) >= follow->again) {
            wait_until_taken(follow);
            begin(follow);
        }
        see_to_requests(follow);
        read_one(follow);
    }
    return NULL;
}

/* ---- */

void follow_catch_up(struct follow *follow, size_t k)
{
    pthread_mutex_lock(&follow->lock);
    follow->zones[k].asked++;
    pthread_mutex_unlock(&follow->lock);
}

static struct log_reader *open_topic(const struct follow_options *options, const char *topic,
                                     char *error)
{
    return log_reader_open(&(struct log_reader_options){.brokers = options->brokers,
                                                        .topic = topic,
                                                        .properties = options->properties,
                                                        .property_count = options->property_count},
                           error);
}

static bool prepare(struct follow *follow, char *error)
{
    const struct follow_options *options = &follow->options;
    follow->zones = calloc(options->zone_count + 1, sizeof *follow->zones);
    if (follow->zones)
        for (size_t k = 0; k < options->zone_count; k++) {
            follow->zones[k] = (struct followed){.zone = options->zones[k], .goal = -1};
            name_to_text(zone_apex(options->zones[k]), follow->zones[k].key);
        }
    follow->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (follow->fd >= 0)
        follow->readable =
            event_new(options->base, follow->fd, EV_READ | EV_PERSIST, on_readable, follow);
    if (!follow->zones || !follow->readable || event_add(follow->readable, NULL) < 0) {
        snprintf(error, FOLLOW_MAX_ERROR, "%s", strerror(errno));
        return false;
    }
    follow->reader = open_topic(options, options->updates, error);
    if (follow->reader)
        follow->snapshots = open_topic(options, options->snapshots, error);
    return follow->snapshots != NULL;
}

static void destroy(struct follow *follow)
{
    struct item *item, *next;
    DL_FOREACH_SAFE (follow->items, item, next) {
        changeset_free(item->set);
        free(item);
    }
    log_reader_close(follow->reader);
    log_reader_close(follow->snapshots);
    if (follow->readable)
        event_free(follow->readable);
    if (follow->fd >= 0)
        close(follow->fd);
    pthread_cond_destroy(&follow->drained);
    pthread_mutex_destroy(&follow->lock);
    free(follow->zones);
    free(follow);
}

struct follow *follow_start(const struct follow_options *options, char ret_error[FOLLOW_MAX_ERROR])
{
    struct follow *follow = calloc(1, sizeof *follow);
    if (!follow) {
        snprintf(ret_error, FOLLOW_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    follow->options = *options;
    pthread_mutex_init(&follow->lock, NULL);
    pthread_cond_init(&follow->drained, NULL);
    int error =
        prepare(follow, ret_error) ? pthread_create(&follow->thread, NULL, run, follow) : -1;
    if (error == 0)
        return follow;
    if (error > 0)
        snprintf(ret_error, FOLLOW_MAX_ERROR, "%s", strerror(error));
    destroy(follow);
    return NULL;
}

void follow_stop(struct follow *follow)
{
    if (!follow)
        return;
    pthread_mutex_lock(&follow->lock);
    follow->stop = true;
    pthread_mutex_unlock(&follow->lock);
    pthread_cond_signal(&follow->drained);
    pthread_join(follow->thread, NULL);
    destroy(follow);
}
