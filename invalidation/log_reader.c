#include "invalidation/log_reader.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/client.h"
#include "invalidation/retention.h"

static_assert(LOG_FROM_FIRST == RD_KAFKA_OFFSET_BEGINNING, "as librdkafka has it");

enum { FETCH_MS = 50 }; /* an end shows within this */

struct log_reader {
    struct client *client;
    char *topic;
    rd_kafka_message_t *message; /* handed out last */
    char trouble[KAFKA_MAX_TROUBLE];
};

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct log_reader *reader = arg;
    kafka_note_trouble(reader->trouble, code, reason);
}

static struct client *new_client(struct log_reader *reader,
                                 const struct log_reader_options *options,
                                 char error[LOG_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count,
                                            .fetch_wait_ms = FETCH_MS};
    rd_kafka_conf_t *conf = kafka_consumer_conf(&settings, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, reader);
    return client_new(conf, error);
}

struct log_reader *log_reader_open(const struct log_reader_options *options,
                                   char ret_error[LOG_MAX_ERROR])
{
    struct log_reader *reader = calloc(1, sizeof *reader);
    if (reader)
        reader->topic = strdup(options->topic);
    if (!reader || !reader->topic) {
        snprintf(ret_error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        log_reader_close(reader);
        return NULL;
    }
    sigset_t all, before; /* signals are the program's main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reader->client = new_client(reader, options, ret_error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reader->client)
        return reader;
    log_reader_close(reader);
    return NULL;
}

void log_reader_close(struct log_reader *reader)
{
    if (!reader)
        return;
    if (reader->message)
        rd_kafka_message_destroy(reader->message);
    client_free(reader->client);
    free(reader->topic);
    free(reader);
}

static void drop_message(struct log_reader *reader)
{
    if (reader->message)
        rd_kafka_message_destroy(reader->message);
    reader->message = NULL;
}

void log_reader_renew(struct log_reader *reader)
{
    char ignored[KAFKA_MAX_ERROR];
    drop_message(reader);
    (void)!client_renew(reader->client, ignored);
}

static int explain(struct log_reader *reader, int error, char text[LOG_MAX_ERROR])
{
    if (error == ERR_TIMEOUT && reader->trouble[0])
        snprintf(text, LOG_MAX_ERROR, "topic %s: %s", reader->topic, reader->trouble);
    return error;
}

int log_reader_expect(struct log_reader *reader, int timeout_ms, char ret_error[LOG_MAX_ERROR])
{
    return kafka_expect_topic(client_kafka(reader->client), reader->topic, timeout_ms, ret_error);
}

int log_reader_ends(struct log_reader *reader, int timeout_ms, struct log_ends *ret,
                    char ret_error[LOG_MAX_ERROR])
{
    int error =
        kafka_topic_ends(client_kafka(reader->client), reader->topic, timeout_ms, ret, ret_error);
    rd_kafka_message_t *none =
        rd_kafka_consumer_poll(client_kafka(reader->client), 0); /* for on_error() */
    if (none)
        rd_kafka_message_destroy(none);
    return explain(reader, error, ret_error);
}

int log_reader_span(struct log_reader *reader, int32_t partition, int timeout_ms,
                    int64_t *ret_first, int64_t *ret_end, char ret_error[LOG_MAX_ERROR])
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        client_kafka(reader->client), reader->topic, partition, ret_first, ret_end, timeout_ms);
    if (!code)
        return 0;
    snprintf(ret_error, LOG_MAX_ERROR, "topic %s partition %" PRId32 ": %s", reader->topic,
             partition, rd_kafka_err2str(code));
    return explain(reader, code == RD_KAFKA_RESP_ERR__TIMED_OUT ? ERR_TIMEOUT : ERR_KAFKA,
                   ret_error);
}

int log_reader_since(struct log_reader *reader, int64_t since_ms, int timeout_ms, int64_t *offsets,
                     size_t count)
{
    return kafka_offsets_since(client_kafka(reader->client), reader->topic, since_ms, timeout_ms,
                               offsets, count);
}

static void read_retention(rd_kafka_event_t *event, int64_t *ret_ms, int64_t *ret_bytes)
{
    size_t topics = 0, entries = 0;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &topics) : NULL;
    if (topics != 1 || rd_kafka_ConfigResource_error(resources[0]))
        return;
    const rd_kafka_ConfigEntry_t **configs =
        rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (size_t k = 0; k < entries; k++) {
        const char *name = rd_kafka_ConfigEntry_name(configs[k]);
        const char *value = rd_kafka_ConfigEntry_value(configs[k]);
        if (value && strcmp(name, "retention.ms") == 0)
            *ret_ms = strtoll(value, NULL, 10);
        if (value && strcmp(name, "retention.bytes") == 0)
            *ret_bytes = strtoll(value, NULL, 10);
    }
}

void log_reader_retention(struct log_reader *reader, int timeout_ms, int64_t *ret_ms,
                          int64_t *ret_bytes)
{
    rd_kafka_ConfigResource_t *topic =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, reader->topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client_kafka(reader->client));
    *ret_ms = *ret_bytes = RETENTION_UNKNOWN;
    rd_kafka_DescribeConfigs(client_kafka(reader->client), &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    if (event && !rd_kafka_event_error(event))
        read_retention(event, ret_ms, ret_bytes);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(topic);
}

int log_reader_from(struct log_reader *reader, const struct log_place *places, size_t count,
                    char ret_error[LOG_MAX_ERROR])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t k = 0; k < count; k++)
        rd_kafka_topic_partition_list_add(list, reader->topic, places[k].partition)->offset =
            places[k].offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(client_kafka(reader->client), list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code)
        return 0;
    snprintf(ret_error, LOG_MAX_ERROR, "topic %s: %s", reader->topic, rd_kafka_err2str(code));
    return ERR_KAFKA;
}

/* What passes by itself is waited for; the rest may have passed something over. */
static int fault(struct log_reader *reader, char error[LOG_MAX_ERROR])
{
    const rd_kafka_message_t *message = reader->message;
    snprintf(error, LOG_MAX_ERROR, "topic %s partition %" PRId32 ": %s", reader->topic,
             message->partition, rd_kafka_message_errstr(message));
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return ERR_TIMEOUT;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return ERR_NOT_FOUND;
    default:
        return ERR_KAFKA;
    }
}

static int64_t timestamp_of(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t kind;
    const int64_t timestamp = rd_kafka_message_timestamp(message, &kind);
    return kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
}

int log_reader_next(struct log_reader *reader, int timeout_ms, struct log_message *ret,
                    char ret_error[LOG_MAX_ERROR])
{
    drop_message(reader);
    const rd_kafka_message_t *message = reader->message =
        rd_kafka_consumer_poll(client_kafka(reader->client), timeout_ms);
    if (!message) {
        snprintf(ret_error, LOG_MAX_ERROR, "topic %s: nothing came in time", reader->topic);
        return explain(reader, ERR_TIMEOUT, ret_error);
    }
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return fault(reader, ret_error);
    reader->trouble[0] = '\0';
    *ret = (struct log_message){.partition = message->partition,
                                .offset = message->offset,
                                .timestamp_ms = timestamp_of(message),
                                .end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF};
    if (!ret->end) {
        ret->key = message->key;
        ret->key_size = message->key_len;
        ret->value = message->payload;
        ret->value_size = message->len;
    }
    return 0;
}
