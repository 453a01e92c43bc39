#include "bench/checker/log.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/clock.h"

enum { POLL_MS = 100, HEARTBEAT_S = 20, CHANGE_MAX = 1024, STAMP_TEXT = 40 };

struct log {
    const struct zone *zone;
    struct history *history;
    char *topic;
    rd_kafka_t *producer, *consumer;
    pthread_t acks, reader;
    bool has_acks, has_reader;
    atomic_bool stop;
    _Atomic int partition; /* -1 until the heartbeat is acknowledged */
    _Atomic int64_t base;
    _Atomic uint64_t published, acknowledged, read, failed;
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

static void address_text(uint32_t version, char text[16])
{
    snprintf(text, 16, "10.%u.%u.%u", version >> 16 & 255, version >> 8 & 255, version & 255);
}

/* The "changes" of a version, in JSON. */
static void changes_text(const struct log *log, uint32_t version, char text[CHANGE_MAX])
{
    const struct change *change = &log->history->changes[version];
    const bool was_gone = log->history->changes[change->previous].gone;
    const unsigned ttl = log->zone->ttl;
    char name[WIRE_MAX_TEXT], old[16], new[16];
    zone_name_text(log->zone, change->name, name);
    address_text(change->previous, old);
    address_text(version, new);
    if (change->kind == KIND_FLUSH)
        snprintf(text, CHANGE_MAX, "{\"op\":\"FLUSH\",\"name\":\"%s\"}", name);
    else if (change->kind == KIND_DEL)
        snprintf(text, CHANGE_MAX, "{\"op\":\"DEL\",\"name\":\"%s\"}", name);
    else if (change->kind == KIND_SWAP && !was_gone)
        snprintf(text, CHANGE_MAX,
                 "{\"op\":\"DEL\",\"name\":\"%s\",\"type\":\"A\",\"rdata\":[\"%s\"]},"
                 "{\"op\":\"ADD\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":%u,\"rdata\":[\"%s\"]}",
                 name, old, name, ttl, new);
    else
        snprintf(text, CHANGE_MAX,
                 "{\"op\":\"%s\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":%u,\"rdata\":[\"%s\"]}",
                 change->kind == KIND_SWAP ? "ADD" : "SET", name, ttl, new);
}

/* `version` 0 is the heartbeat, which changes nothing. */
static bool produce(struct log *log, uint32_t version)
{
    char changes[CHANGE_MAX] = "", value[CHANGE_MAX + 512], time[STAMP_TEXT];
    if (version > 0)
        changes_text(log, version, changes);
    stamp_text(time);
    const int size = snprintf(value, sizeof value,
                              "{\"v\":1,\"zone\":\"%s\",\"serial\":%" PRIu32
                              ",\"time\":\"%s\",\"publisher\":\"checker\","
                              "\"seq\":%" PRIu32 ",\"changes\":[%s]}",
                              log->zone->text, version, time, version, changes);
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        log->producer, RD_KAFKA_V_TOPIC(log->topic),
        RD_KAFKA_V_KEY(log->zone->text, strlen(log->zone->text)),
        RD_KAFKA_V_VALUE(value, (size_t)size), RD_KAFKA_V_HEADER("ce_specversion", "1.0", -1),
        RD_KAFKA_V_HEADER("ce_type", "dns.changeset.v1", -1),
        RD_KAFKA_V_HEADER("content-type", "application/json", -1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)version),
        RD_KAFKA_V_END);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool log_publish(struct log *log, uint32_t version)
{
    log->history->changes[version].published_us = clock_us();
    if (!produce(log, version)) {
        atomic_fetch_add(&log->failed, 1);
        return false;
    }
    atomic_fetch_add(&log->published, 1);
    return true;
}

/* ---- acknowledgements ---- */

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct log *log = arg;
    const int64_t now_us = clock_us();
    const uint32_t version = (uint32_t)(uintptr_t)message->_private;
    if (message->err) {
        atomic_fetch_add(&log->failed, 1);
    } else if (version == 0) {
        atomic_store(&log->base, message->offset + 1);
        atomic_store(&log->partition, message->partition);
    } else {
        atomic_store(&log->history->changes[version].offset, message->offset);
        history_readable(log->history, version, now_us);
        atomic_fetch_add(&log->acknowledged, 1);
    }
}

static void *acks_main(void *arg)
{
    struct log *log = arg;
    while (!atomic_load(&log->stop))
        rd_kafka_poll(log->producer, POLL_MS);
    return NULL;
}

/* ---- the reader ---- */

static uint32_t version_in(const rd_kafka_message_t *message)
{
    static const char key[] = "\"seq\":";
    const char *found = memmem(message->payload, message->len, key, sizeof key - 1);
    return found ? (uint32_t)strtoul(found + sizeof key - 1, NULL, 10) : 0;
}

static void take(struct log *log, const rd_kafka_message_t *message)
{
    const int64_t now_us = clock_us();
    if (message->err)
        return;
    const uint32_t version = version_in(message);
    if (version == 0 || version >= log->history->capacity)
        return;
    atomic_store(&log->history->changes[version].offset, message->offset);
    history_readable(log->history, version, now_us);
    atomic_fetch_add(&log->read, 1);
}

static void *reader_main(void *arg)
{
    struct log *log = arg;
    while (!atomic_load(&log->stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(log->consumer, POLL_MS);
        if (!message)
            continue;
        take(log, message);
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

/* ---- opening ---- */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char error[LOG_ERROR])
{
    return rd_kafka_conf_set(conf, name, value, error, LOG_ERROR) == RD_KAFKA_CONF_OK;
}

static bool set_text(rd_kafka_conf_t *conf, const char *text, char error[LOG_ERROR])
{
    char name[128];
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof name) {
        snprintf(error, LOG_ERROR, "not name=value: %s", text);
        return false;
    }
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    return set(conf, name, equals + 1, error);
}

/* Messages wait in the producer for as long as a broker is away. */
static bool open_producer(struct log *log, const struct log_options *options, char error[LOG_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_conf_set_opaque(conf, log);
    if (set(conf, "bootstrap.servers", options->brokers, error) &&
        set(conf, "log_level", "3", error) && set(conf, "enable.idempotence", "true", error) &&
        set(conf, "linger.ms", "0", error) && set(conf, "acks", "all", error) &&
        set(conf, "partitioner", "murmur2_random", error) &&
        set(conf, "socket.nagle.disable", "true", error) &&
        set(conf, "reconnect.backoff.max.ms", "500", error) &&
        set(conf, "message.timeout.ms", "0", error))
        log->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, LOG_ERROR);
    if (!log->producer)
        rd_kafka_conf_destroy(conf);
    return log->producer != NULL;
}

static bool open_consumer(struct log *log, const struct log_options *options, char error[LOG_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = set(conf, "bootstrap.servers", options->brokers, error) &&
                set(conf, "log_level", "3", error) && /* syslog's: errors */
                set(conf, "group.id", "checker", error) &&
                set(conf, "enable.auto.commit", "false", error) &&
                set(conf, "socket.nagle.disable", "true", error) &&
                set(conf, "reconnect.backoff.max.ms", "500", error);
    for (size_t k = 0; good && k < options->property_count; k++)
        good = set_text(conf, options->properties[k], error);
    if (good)
        log->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, LOG_ERROR);
    if (!log->consumer) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_poll_set_consumer(log->consumer);
    return true;
}

static bool send_heartbeat(struct log *log, char error[LOG_ERROR])
{
    const int64_t give_up_us = clock_us() + HEARTBEAT_S * (int64_t)US_PER_S;
    if (produce(log, 0))
        while (atomic_load(&log->partition) < 0 && clock_us() < give_up_us)
            nanosleep(&(const struct timespec){.tv_nsec = US_PER_S}, NULL);
    if (atomic_load(&log->partition) >= 0)
        return true;
    snprintf(error, LOG_ERROR, "no acknowledgement from %s within %d s", log->topic, HEARTBEAT_S);
    return false;
}

/* From the first change on; no group. */
static bool assign(struct log *log, char error[LOG_ERROR])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, log->topic, log->partition)->offset = log->base;
    const rd_kafka_resp_err_t code = rd_kafka_assign(log->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        snprintf(error, LOG_ERROR, "%s", rd_kafka_err2str(code));
    return !code;
}

static bool start(struct log *log, const struct log_options *options, char error[LOG_ERROR])
{
    if (!open_producer(log, options, error) || !open_consumer(log, options, error))
        return false;
    log->has_acks = pthread_create(&log->acks, NULL, acks_main, log) == 0;
    if (!log->has_acks || !send_heartbeat(log, error) || !assign(log, error))
        return false;
    log->has_reader = pthread_create(&log->reader, NULL, reader_main, log) == 0;
    return log->has_reader;
}

struct log *log_open(const struct log_options *options, char ret_error[LOG_ERROR])
{
    struct log *log = calloc(1, sizeof *log);
    snprintf(ret_error, LOG_ERROR, "no memory, or no thread");
    if (!log)
        return NULL;
    log->zone = options->zone;
    log->history = options->history;
    log->topic = strdup(options->topic);
    atomic_store(&log->partition, -1);
    if (log->topic && start(log, options, ret_error))
        return log;
    log_close(log);
    return NULL;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    atomic_store(&log->stop, true);
    if (log->has_acks)
        pthread_join(log->acks, NULL);
    if (log->has_reader)
        pthread_join(log->reader, NULL);
    if (log->producer)
        rd_kafka_destroy(log->producer);
    if (log->consumer)
        rd_kafka_destroy_flags(log->consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(log->topic);
    free(log);
}

int log_partition(const struct log *log)
{
    return atomic_load(&log->partition);
}

int64_t log_base(const struct log *log)
{
    return atomic_load(&log->base);
}

struct log_counters log_count(const struct log *log)
{
    return (struct log_counters){.published = atomic_load(&log->published),
                                 .acknowledged = atomic_load(&log->acknowledged),
                                 .read = atomic_load(&log->read),
                                 .failed = atomic_load(&log->failed)};
}
