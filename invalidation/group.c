#include "invalidation/group.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "invalidation/kafka.h"

enum {
    POLL_MS = 100,
    ASK_MS = 2000,
    RELEASE_MS =
        2000, /* for the caller to let go; longer, and another may have it while it is fenced */
    MOST_HEARTBEAT_MS = 500, /* what is free is told with these */
    HEARTBEATS = 6,          /* in a session */
    LEAVE_S = 2,
};

struct item {
    struct item *prev, *next;
    struct group_news news;
};

struct group {
    struct group_options options;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    pthread_t thread;
    atomic_bool stop;
    atomic_size_t partitions;
    bool uncertain;       /* whether there are still as many; the thread's own */
    int released;         /* an eventfd */
    pthread_mutex_t lock; /* over all below */
    struct item *items;
    bool ours[LOG_MAX_PARTITIONS];  /* by what was told */
    bool asked[LOG_MAX_PARTITIONS]; /* and not answered */
    size_t held;                    /* of those that were revoked, not released */
    char trouble[KAFKA_MAX_TROUBLE];
};

/* ---- the thread ---- */

static void tell(struct group *group, enum group_event event, int32_t partition)
{
    const uint64_t one = 1;
    struct item *item = calloc(1, sizeof *item);
    if (!item)
        abort(); /* a few bytes: there is nothing left to go on with */
    item->news = (struct group_news){event, partition};
    pthread_mutex_lock(&group->lock);
    if (event != GROUP_OURS) {
        group->ours[partition] = event == GROUP_GRANTED;
        group->asked[partition] = false;
    }
    group->held += event == GROUP_REVOKED;
    DL_APPEND(group->items, item);
    pthread_mutex_unlock(&group->lock);
    (void)!write(group->options.fd, &one, sizeof one);
}

static void note(struct group *group, int code, const char *reason)
{
    pthread_mutex_lock(&group->lock);
    kafka_note_trouble(group->trouble, code, reason);
    pthread_mutex_unlock(&group->lock);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    note(arg, code, reason);
}

/* The brokers may not say so at once: the caller is woken when they have. */
static void learn_count(struct group *group)
{
    const uint64_t one = 1;
    char error[KAFKA_MAX_ERROR];
    struct log_ends *ends = calloc(1, sizeof *ends);
    if (ends && kafka_topic_ends(group->client, group->options.topic, ASK_MS, ends, error) == 0) {
        group->partitions = ends->count;
        group->uncertain = false;
        (void)!write(group->options.fd, &one, sizeof one);
    }
    free(ends);
}

static size_t held(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    const size_t count = group->held;
    pthread_mutex_unlock(&group->lock);
    return count;
}

static void wait_until_released(struct group *group)
{
    uint64_t signals;
    struct pollfd released = {.fd = group->released, .events = POLLIN};
    for (int ms = 0; ms < RELEASE_MS && held(group) > 0 && !group->stop; ms += POLL_MS)
        if (poll(&released, 1, POLL_MS) > 0)
            (void)!read(group->released, &signals, sizeof signals);
    pthread_mutex_lock(&group->lock);
    group->held = 0;
    pthread_mutex_unlock(&group->lock);
}

/* Nothing is read of what is assigned. */
static void take(struct group *group, rd_kafka_topic_partition_list_t *list)
{
    for (int k = 0; k < list->cnt; k++)
        list->elems[k].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_error_destroy(rd_kafka_incremental_assign(group->client, list));
    rd_kafka_pause_partitions(group->client, list);
    group->uncertain =
        true; /* also where nothing is added here: what the topic has more may be another's */
    for (int k = 0; k < list->cnt; k++)
        if (list->elems[k].partition < LOG_MAX_PARTITIONS)
            tell(group, GROUP_GRANTED, list->elems[k].partition);
}

static void give(struct group *group, rd_kafka_topic_partition_list_t *list)
{
    const bool lost = rd_kafka_assignment_lost(group->client);
    for (int k = 0; k < list->cnt; k++)
        if (list->elems[k].partition < LOG_MAX_PARTITIONS)
            tell(group, GROUP_REVOKED, list->elems[k].partition);
    if (!lost)
        wait_until_released(group);
    rd_kafka_error_destroy(rd_kafka_incremental_unassign(group->client, list));
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *arg)
{
    (void)client;
    struct group *group = arg;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        take(group, list);
    else
        give(group, list);
}

/* The coordinator takes the mark of a member of the present generation only. Another try comes with the next poll. */
static void on_marked(rd_kafka_t *client, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *arg)
{
    (void)client;
    struct group *group = arg;
    for (int k = 0; list && k < list->cnt; k++) {
        const int32_t partition = list->elems[k].partition;
        const rd_kafka_resp_err_t error = code ? code : list->elems[k].err;
        pthread_mutex_lock(&group->lock);
        const bool ours = group->ours[partition];
        group->asked[partition] = ours && error;
        pthread_mutex_unlock(&group->lock);
        if (error)
            note(group, error, rd_kafka_err2str(error));
        else if (ours)
            tell(group, GROUP_OURS, partition);
    }
}

static void mark(struct group *group, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, group->options.topic, partition)->offset = 0;
    if (rd_kafka_commit_queue(group->client, list, group->queue, on_marked, group))
        group_ask(group, partition);
    rd_kafka_topic_partition_list_destroy(list);
}

static void answer(struct group *group)
{
    bool asked[LOG_MAX_PARTITIONS];
    pthread_mutex_lock(&group->lock);
    for (size_t p = 0; p < LOG_MAX_PARTITIONS; p++)
        asked[p] = group->asked[p] && group->ours[p];
    memset(group->asked, 0, sizeof group->asked);
    pthread_mutex_unlock(&group->lock);
    for (size_t p = 0; p < LOG_MAX_PARTITIONS; p++)
        if (asked[p])
            mark(group, (int32_t)p);
}

static void *run(void *arg)
{
    struct group *group = arg;
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, group->options.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(group->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    while (!group->stop) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(group->client, POLL_MS);
        if (message && message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            note(group, message->err, rd_kafka_message_errstr(message));
        if (message)
            rd_kafka_message_destroy(message);
        if (group->uncertain)
            learn_count(group);
        answer(group);
    }
    rd_kafka_consumer_close(group->client);
    return NULL;
}

/* ---- the caller ---- */

bool group_next(struct group *group, struct group_news *ret)
{
    pthread_mutex_lock(&group->lock);
    struct item *item = group->items;
    if (item)
        DL_DELETE(group->items, item);
    pthread_mutex_unlock(&group->lock);
    if (!item)
        return false;
    *ret = item->news;
    free(item);
    return true;
}

void group_release(struct group *group, int32_t partition)
{
    const uint64_t one = 1;
    (void)partition;
    pthread_mutex_lock(&group->lock);
    if (group->held > 0)
        group->held--;
    pthread_mutex_unlock(&group->lock);
    (void)!write(group->released, &one, sizeof one);
}

void group_ask(struct group *group, int32_t partition)
{
    pthread_mutex_lock(&group->lock);
    group->asked[partition] = true;
    pthread_mutex_unlock(&group->lock);
    rd_kafka_queue_yield(group->queue);
}

size_t group_partitions(struct group *group)
{
    return group->partitions;
}

void group_trouble(struct group *group, char *ret, size_t room)
{
    pthread_mutex_lock(&group->lock);
    snprintf(ret, room, "%s", group->trouble);
    pthread_mutex_unlock(&group->lock);
}

/* ---- the whole of it ---- */

static bool set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value,
                       char error[LOG_MAX_ERROR])
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return rd_kafka_conf_set(conf, name, text, error, LOG_MAX_ERROR) == RD_KAFKA_CONF_OK;
}

/*
 * A member joins with what it has just been told of topics: what it forgets sooner than it asks again and joins (kafka.c), it
 * asks for without end, from librdkafka 2.4 on: then nobody gets what another had.
 */
enum { REMEMBERED_MS = 2000 };

static rd_kafka_t *make_client(struct group *group, char error[LOG_MAX_ERROR])
{
    const struct group_options *options = &group->options;
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    const uint64_t heartbeat = options->session_ms / HEARTBEATS;
    const uint64_t patience =
        60000; /* between polls: only a process that stands still takes so long */
    rd_kafka_conf_t *conf = kafka_consumer_conf(&settings, error);
    if (!conf)
        return NULL;
    if (rd_kafka_conf_set(conf, "group.id", options->name, error, LOG_MAX_ERROR) ||
        rd_kafka_conf_set(conf, "partition.assignment.strategy", "cooperative-sticky", error,
                          LOG_MAX_ERROR) ||
        !set_number(conf, "metadata.max.age.ms", REMEMBERED_MS, error) ||
        !set_number(conf, "session.timeout.ms", options->session_ms, error) ||
        !set_number(conf, "heartbeat.interval.ms",
                    heartbeat < MOST_HEARTBEAT_MS ? heartbeat : MOST_HEARTBEAT_MS, error) ||
        !set_number(conf, "max.poll.interval.ms",
                    options->session_ms > patience ? options->session_ms : patience, error)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, group);
    return kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
}

static void destroy(struct group *group)
{
    struct item *item, *next;
    if (group->queue)
        rd_kafka_queue_destroy(group->queue);
    if (group->client)
        rd_kafka_destroy_flags(group->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    DL_FOREACH_SAFE (group->items, item, next)
        free(item);
    if (group->released >= 0)
        close(group->released);
    pthread_mutex_destroy(&group->lock);
    free(group);
}

struct group *group_join(const struct group_options *options, char ret_error[LOG_MAX_ERROR])
{
    struct group *group = calloc(1, sizeof *group);
    snprintf(ret_error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!group)
        return NULL;
    group->options = *options;
    group->released = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&group->lock, NULL);
    group->client = group->released >= 0 ? make_client(group, ret_error) : NULL;
    if (group->client) {
        rd_kafka_poll_set_consumer(group->client);
        group->queue = rd_kafka_queue_get_consumer(group->client);
        if (pthread_create(&group->thread, NULL, run, group) == 0)
            return group;
    }
    destroy(group);
    return NULL;
}

void group_leave(struct group *group)
{
    struct timespec until;
    if (!group)
        return;
    group->stop = true;
    rd_kafka_queue_yield(group->queue);
    clock_gettime(CLOCK_REALTIME, &until); /* the only clock that this join knows */
    until.tv_sec += LEAVE_S;
    if (pthread_timedjoin_np(group->thread, NULL, &until) == 0)
        destroy(group);
    /* else it is left behind, and ends with the process: the brokers do not answer */
}
