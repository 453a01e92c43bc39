#include "bench/common/topic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bench/common/clock.h"
#include "bench/common/messages.h"

enum { POLL_MS = 100, HEARTBEAT_S = 20, VALUE_MAX = 2048, CLUSTER_MS = 5000 };

struct topic {
    struct topic_options options;
    rd_kafka_t *producer, *consumer;
    pthread_t acks, reader;
    bool has_acks, has_reader;
    atomic_bool stop;
    uint64_t feed_id;
    _Atomic int32_t partition; /* -1 until the heartbeat is acknowledged */
    _Atomic int64_t base;
    _Atomic uint64_t published, acknowledged, read, failed;
};

static bool produce(struct topic *topic, uint32_t version, const char *changes)
{
    const struct topic_options *o = &topic->options;
    char value[VALUE_MAX];
    const struct message_head head = {.zone = o->zone,
                                      .publisher = o->publisher,
                                      .serial = version,
                                      .seq = version,
                                      .time_us = clock_wall_us()};
    size_t size = messages_head(&head, value, sizeof value);
    size += (size_t)snprintf(value + size, sizeof value - size, "%s]}", changes);
    return size < sizeof value &&
           !kafka_send(topic->producer,
                       &(struct kafka_message){.topic = o->name,
                                               .key = o->zone,
                                               .value = value,
                                               .size = size,
                                               .opaque = (void *)(uintptr_t)version});
}

bool topic_publish(struct topic *topic, uint32_t version, const char *changes)
{
    const bool good = produce(topic, version, changes);
    atomic_fetch_add(good ? &topic->published : &topic->failed, 1);
    return good;
}

/* ---- the two threads ---- */

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct topic *topic = arg;
    const int64_t now_us = clock_us();
    const uint32_t version = (uint32_t)(uintptr_t)message->_private;
    if (message->err) {
        atomic_fetch_add(&topic->failed, 1);
    } else if (version == 0) {
        atomic_store(&topic->base, message->offset + 1); /* read once `partition` is known */
        atomic_store(&topic->partition, message->partition);
    } else {
        topic->options.acked(topic->options.arg, version, message->offset, now_us);
        atomic_fetch_add(&topic->acknowledged, 1);
    }
}

static void *acks_main(void *arg)
{
    struct topic *topic = arg;
    while (!atomic_load(&topic->stop))
        rd_kafka_poll(topic->producer, POLL_MS);
    return NULL;
}

static uint32_t version_in(const rd_kafka_message_t *message)
{
    static const char key[] = "\"seq\":";
    const char *found = memmem(message->payload, message->len, key, sizeof key - 1);
    return found ? (uint32_t)strtoul(found + sizeof key - 1, NULL, 10) : 0;
}

static void take(struct topic *topic, const rd_kafka_message_t *message)
{
    const int64_t now_us = clock_us();
    const uint32_t version = message->err ? 0 : version_in(message);
    if (version == 0)
        return;
    topic->options.read(topic->options.arg, version, message->offset, now_us);
    atomic_fetch_add(&topic->read, 1);
}

static void *reader_main(void *arg)
{
    struct topic *topic = arg;
    while (!atomic_load(&topic->stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(topic->consumer, POLL_MS);
        if (!message)
            continue;
        take(topic, message);
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

/* ---- opening ---- */

static bool send_heartbeat(struct topic *topic, char *error)
{
    const int64_t give_up_us = clock_us() + HEARTBEAT_S * (int64_t)US_PER_S;
    if (produce(topic, 0, ""))
        while (atomic_load(&topic->partition) < 0 && clock_us() < give_up_us)
            clock_sleep_us(US_PER_MS);
    if (atomic_load(&topic->partition) >= 0)
        return true;
    snprintf(error, KAFKA_ERROR, "no acknowledgement from %s within %d s", topic->options.name,
             HEARTBEAT_S);
    return false;
}

/* The hash by which freshet names a log: of the cluster's id and the topic. */
static void learn_feed_id(struct topic *topic)
{
    const char *name = topic->options.name;
    char *cluster = rd_kafka_clusterid(topic->producer, CLUSTER_MS);
    const uint64_t seed = cluster ? XXH3_64bits(cluster, strlen(cluster)) : 0;
    topic->feed_id = XXH3_64bits_withSeed(name, strlen(name), seed);
    if (cluster)
        rd_kafka_mem_free(topic->producer, cluster);
}

/* From the first change on; no group. */
static bool assign(struct topic *topic, char *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->options.name, topic->partition)->offset =
        topic->base;
    const rd_kafka_resp_err_t code = rd_kafka_assign(topic->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        snprintf(error, KAFKA_ERROR, "%s", rd_kafka_err2str(code));
    return !code;
}

static bool start_reader(struct topic *topic, char *error)
{
    topic->consumer = kafka_open(RD_KAFKA_CONSUMER,
                                 &(struct kafka_options){.brokers = topic->options.brokers,
                                                         .settings = topic->options.consumer,
                                                         .more = topic->options.properties},
                                 error);
    if (!topic->consumer)
        return false;
    rd_kafka_poll_set_consumer(topic->consumer);
    topic->has_reader =
        assign(topic, error) && pthread_create(&topic->reader, NULL, reader_main, topic) == 0;
    return topic->has_reader;
}

static bool start(struct topic *topic, char *error)
{
    topic->producer = kafka_open(RD_KAFKA_PRODUCER,
                                 &(struct kafka_options){.brokers = topic->options.brokers,
                                                         .settings = topic->options.producer,
                                                         .delivered = on_delivered,
                                                         .arg = topic},
                                 error);
    if (!topic->producer)
        return false;
    topic->has_acks = pthread_create(&topic->acks, NULL, acks_main, topic) == 0;
    if (!topic->has_acks || !send_heartbeat(topic, error))
        return false;
    learn_feed_id(topic);
    return !topic->options.consumer || start_reader(topic, error);
}

struct topic *topic_open(const struct topic_options *options, char ret_error[KAFKA_ERROR])
{
    struct topic *topic = calloc(1, sizeof *topic);
    snprintf(ret_error, KAFKA_ERROR, "no memory, or no thread");
    if (!topic)
        return NULL;
    topic->options = *options;
    atomic_store(&topic->partition, -1);
    if (start(topic, ret_error))
        return topic;
    topic_close(topic);
    return NULL;
}

void topic_close(struct topic *topic)
{
    if (!topic)
        return;
    atomic_store(&topic->stop, true);
    if (topic->has_acks)
        pthread_join(topic->acks, NULL);
    if (topic->has_reader)
        pthread_join(topic->reader, NULL);
    if (topic->producer)
        rd_kafka_destroy(topic->producer);
    if (topic->consumer)
        rd_kafka_destroy_flags(topic->consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(topic);
}

int32_t topic_partition(const struct topic *topic)
{
    return atomic_load(&topic->partition);
}

int64_t topic_base(const struct topic *topic)
{
    return atomic_load(&topic->base);
}

uint64_t topic_feed_id(const struct topic *topic)
{
    return topic->feed_id;
}

struct topic_counters topic_count(const struct topic *topic)
{
    return (struct topic_counters){.published = atomic_load(&topic->published),
                                   .acknowledged = atomic_load(&topic->acknowledged),
                                   .read = atomic_load(&topic->read),
                                   .failed = atomic_load(&topic->failed)};
}
