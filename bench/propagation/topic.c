#include "bench/propagation/topic.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bench/common/clock.h"

enum { POLL_MS = 100, HEARTBEAT_S = 20, VALUE_MAX = 1024, STAMP_TEXT = 40, CLUSTER_MS = 5000 };

struct topic {
    const struct options *options;
    const struct zone *zone;
    struct flights *flights;
    rd_kafka_t *producer, *consumer;
    pthread_t acks, reader;
    bool has_acks, has_reader;
    atomic_bool stop;
    uint64_t feed_id;
    _Atomic int32_t partition; /* -1 until the heartbeat is acknowledged */
    _Atomic uint64_t failed;
};

/* ---- what is published ---- */

static void stamp_text(char text[STAMP_TEXT])
{
    struct timespec t;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    const size_t size = strftime(text, STAMP_TEXT, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + size, STAMP_TEXT - size, ".%06ldZ", t.tv_nsec / 1000);
}

/* The change of a version, in JSON; 0 is the heartbeat, which changes nothing. */
static int change_text(const struct topic *topic, uint32_t version, char *text, size_t size)
{
    char name[WIRE_MAX_TEXT];
    text[0] = '\0';
    if (version == 0)
        return 0;
    zone_name_text(topic->zone, topic->flights->history->changes[version].name, name);
    if (topic->options->flush)
        return snprintf(text, size, "{\"op\":\"FLUSH\",\"name\":\"%s\"}", name);
    return snprintf(text, size,
                    "{\"op\":\"SET\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":%" PRIu32
                    ",\"rdata\":[\"10.%u.%u.%u\"]}",
                    name, topic->zone->ttl, version >> 16 & 255, version >> 8 & 255, version & 255);
}

bool topic_publish(struct topic *topic, uint32_t version)
{
    char change[VALUE_MAX / 2], value[VALUE_MAX], time[STAMP_TEXT];
    change_text(topic, version, change, sizeof change);
    stamp_text(time);
    const int size = snprintf(value, sizeof value,
                              "{\"v\":1,\"zone\":\"%s\",\"serial\":%" PRIu32 ",\"time\":\"%s\","
                              "\"publisher\":\"probe\",\"seq\":%" PRIu32 ",\"changes\":[%s]}",
                              topic->zone->text, version, time, version, change);
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        topic->producer, RD_KAFKA_V_TOPIC(topic->options->topic),
        RD_KAFKA_V_KEY(topic->zone->text, strlen(topic->zone->text)),
        RD_KAFKA_V_VALUE(value, (size_t)size), RD_KAFKA_V_HEADER("ce_specversion", "1.0", -1),
        RD_KAFKA_V_HEADER("ce_type", "dns.changeset.v1", -1),
        RD_KAFKA_V_HEADER("content-type", "application/json", -1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)version),
        RD_KAFKA_V_END);
    if (error)
        atomic_fetch_add(&topic->failed, 1);
    return !error;
}

/* ---- acknowledgements ---- */

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct topic *topic = arg;
    const int64_t now_us = clock_us();
    const uint32_t version = (uint32_t)(uintptr_t)message->_private;
    if (message->err) {
        atomic_fetch_add(&topic->failed, 1);
    } else if (version == 0) {
        topic->flights->base = message->offset + 1; /* read once `partition` is known */
        atomic_store(&topic->partition, message->partition);
    } else {
        atomic_store(&topic->flights->all[version].offset, message->offset);
        atomic_store(&topic->flights->all[version].acked_us, now_us);
    }
}

static void *acks_main(void *arg)
{
    struct topic *topic = arg;
    while (!atomic_load(&topic->stop))
        rd_kafka_poll(topic->producer, POLL_MS);
    return NULL;
}

/* ---- the plain consumer ---- */

static uint32_t version_in(const rd_kafka_message_t *message)
{
    static const char key[] = "\"seq\":";
    const char *found = memmem(message->payload, message->len, key, sizeof key - 1);
    return found ? (uint32_t)strtoul(found + sizeof key - 1, NULL, 10) : 0;
}

static void take(struct topic *topic, const rd_kafka_message_t *message)
{
    const int64_t now_us = clock_us();
    if (message->err)
        return;
    const uint32_t version = version_in(message);
    if (version > 0 && version < topic->flights->history->capacity)
        atomic_store(&topic->flights->all[version].read_us, now_us);
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

struct property {
    const char *name, *value;
};

/* Of the publisher and the consumer: what freshet's own have, as far as it is about time. */
static const struct property producer_properties[] = {
    {"linger.ms", "0"},
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"partitioner", "murmur2_random"},
    {"message.timeout.ms", "10000"},
};
static const struct property consumer_properties[] = {
    {"group.id", "probe"},  {"enable.auto.commit", "false"}, {"enable.partition.eof", "true"},
    {"check.crcs", "true"}, {"auto.offset.reset", "error"},
};

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error)
{
    return rd_kafka_conf_set(conf, name, value, error, TOPIC_ERROR) == RD_KAFKA_CONF_OK;
}

static rd_kafka_conf_t *new_conf(const struct options *options, const struct property *table,
                                 size_t count, char error[TOPIC_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = set(conf, "bootstrap.servers", options->brokers, error) &&
                set(conf, "log_level", "3", error) &&
                set(conf, "socket.nagle.disable", "true", error);
    for (size_t k = 0; good && k < count; k++)
        good = set(conf, table[k].name, table[k].value, error);
    if (good)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error)
{
    rd_kafka_t *client = conf ? rd_kafka_new(type, conf, error, TOPIC_ERROR) : NULL;
    if (conf && !client)
        rd_kafka_conf_destroy(conf);
    return client;
}

static bool open_producer(struct topic *topic, char error[TOPIC_ERROR])
{
    rd_kafka_conf_t *conf =
        new_conf(topic->options, producer_properties,
                 sizeof producer_properties / sizeof *producer_properties, error);
    if (conf) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
        rd_kafka_conf_set_opaque(conf, topic);
    }
    topic->producer = new_client(RD_KAFKA_PRODUCER, conf, error);
    return topic->producer != NULL;
}

/* "name=value" */
static bool set_text(rd_kafka_conf_t *conf, const char *text, char error[TOPIC_ERROR])
{
    char name[128];
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof name) {
        snprintf(error, TOPIC_ERROR, "not name=value: %s", text);
        return false;
    }
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    return set(conf, name, equals + 1, error);
}

static bool open_consumer(struct topic *topic, char error[TOPIC_ERROR])
{
    const struct options *options = topic->options;
    rd_kafka_conf_t *conf =
        new_conf(options, consumer_properties,
                 sizeof consumer_properties / sizeof *consumer_properties, error);
    for (size_t k = 0; conf && k < options->property_count; k++)
        if (!set_text(conf, options->properties[k], error)) {
            rd_kafka_conf_destroy(conf);
            return false;
        }
    topic->consumer = new_client(RD_KAFKA_CONSUMER, conf, error);
    if (topic->consumer)
        rd_kafka_poll_set_consumer(topic->consumer);
    return topic->consumer != NULL;
}

static bool send_heartbeat(struct topic *topic, char error[TOPIC_ERROR])
{
    const int64_t give_up_us = clock_us() + HEARTBEAT_S * (int64_t)US_PER_S;
    if (topic_publish(topic, 0))
        while (atomic_load(&topic->partition) < 0 && clock_us() < give_up_us)
            nanosleep(&(const struct timespec){.tv_nsec = US_PER_S}, NULL);
    if (atomic_load(&topic->partition) >= 0)
        return true;
    snprintf(error, TOPIC_ERROR, "no acknowledgement from %s within %d s", topic->options->topic,
             HEARTBEAT_S);
    return false;
}

/* The hash by which freshet names a log: of the cluster's id and the topic. */
static void learn_feed_id(struct topic *topic)
{
    const char *name = topic->options->topic;
    char *cluster = rd_kafka_clusterid(topic->producer, CLUSTER_MS);
    const uint64_t seed = cluster ? XXH3_64bits(cluster, strlen(cluster)) : 0;
    topic->feed_id = XXH3_64bits_withSeed(name, strlen(name), seed);
    if (cluster)
        rd_kafka_mem_free(topic->producer, cluster);
}

/* From the first change on; no group. */
static bool assign(struct topic *topic, char error[TOPIC_ERROR])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->options->topic, topic->partition)->offset =
        topic->flights->base;
    const rd_kafka_resp_err_t code = rd_kafka_assign(topic->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        snprintf(error, TOPIC_ERROR, "%s", rd_kafka_err2str(code));
    return !code;
}

static bool start_reader(struct topic *topic, char error[TOPIC_ERROR])
{
    if (!open_consumer(topic, error) || !assign(topic, error))
        return false;
    topic->has_reader = pthread_create(&topic->reader, NULL, reader_main, topic) == 0;
    return topic->has_reader;
}

static bool start(struct topic *topic, char error[TOPIC_ERROR])
{
    if (!open_producer(topic, error))
        return false;
    topic->has_acks = pthread_create(&topic->acks, NULL, acks_main, topic) == 0;
    if (!topic->has_acks || !send_heartbeat(topic, error))
        return false;
    learn_feed_id(topic);
    return !topic->options->reader || start_reader(topic, error);
}

struct topic *topic_open(const struct options *options, const struct zone *zone,
                         struct flights *flights, char ret_error[TOPIC_ERROR])
{
    struct topic *topic = calloc(1, sizeof *topic);
    snprintf(ret_error, TOPIC_ERROR, "no memory, or no thread");
    if (!topic)
        return NULL;
    topic->options = options;
    topic->zone = zone;
    topic->flights = flights;
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

uint64_t topic_feed_id(const struct topic *topic)
{
    return topic->feed_id;
}

uint64_t topic_failed(const struct topic *topic)
{
    return atomic_load(&topic->failed);
}
