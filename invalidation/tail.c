#include "invalidation/tail.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invalidation/kafka.h"

enum {
    DEFAULT_TIMEOUT_MS = 10000,
    ASK_MS = 1000,      /* for one look at the topic, */
    ASK_LEAST_MS = 300, /* also when less time than that is left */
    RETRY_MS = 100,     /* between looks */
};

struct tail {
    rd_kafka_t *client;
    rd_kafka_message_t *message; /* handed out by the last tail_next() */
    size_t partitions;
    bool ended[LOG_MAX_PARTITIONS]; /* read to the end once */
    size_t ended_count;
    char trouble[KAFKA_MAX_TROUBLE]; /* what the client last complained about */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
    const struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct tail *tail = arg;
    kafka_note_trouble(tail->trouble, code, reason);
}

static rd_kafka_t *new_client(struct tail *tail, const struct tail_options *options,
                              char error[TAIL_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    rd_kafka_conf_t *conf = kafka_consumer_conf(&settings, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, tail);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
    if (client)
        rd_kafka_poll_set_consumer(client);
    return client;
}

/* Looks until the topic is found or the time has run out; the last failure tells why. */
static int find_topic(struct tail *tail, const struct tail_options *options, struct log_ends *ends,
                      char error[TAIL_MAX_ERROR])
{
    const int64_t until =
        now_ms() + (options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS);
    for (;;) {
        int64_t left = until - now_ms();
        int ask_ms = left < ASK_LEAST_MS ? ASK_LEAST_MS : left < ASK_MS ? (int)left : ASK_MS;
        int result = kafka_expect_topic(tail->client, options->topic, ask_ms, error);
        if (result == 0)
            result = kafka_topic_ends(tail->client, options->topic, ask_ms, ends, error);
        rd_kafka_message_t *none = rd_kafka_consumer_poll(tail->client, 0); /* for on_error() */
        if (none)
            rd_kafka_message_destroy(none);
        if (result == 0 || result == ERR_TOO_LARGE || now_ms() >= until)
            return result;
        sleep_ms(RETRY_MS);
    }
}

/* The first of the last `count` messages before `end`. */
static int64_t last_of(struct tail *tail, const struct tail_options *options, int32_t partition,
                       int64_t end)
{
    int64_t low, high;
    if (rd_kafka_query_watermark_offsets(tail->client, options->topic, partition, &low, &high,
                                         ASK_MS))
        return end;
    const int64_t count = options->last < INT64_MAX ? (int64_t)options->last : INT64_MAX;
    return end - low > count ? end - count : low;
}

/* Where to begin, instead of at the ends. */
static int choose_starts(struct tail *tail, const struct tail_options *options,
                         struct log_ends *ends)
{
    if (options->since_ms > 0)
        return kafka_offsets_since(tail->client, options->topic, options->since_ms,
                                   DEFAULT_TIMEOUT_MS, ends->offset, ends->count);
    for (size_t k = 0; k < ends->count; k++) {
        if (options->from_beginning)
            ends->offset[k] = RD_KAFKA_OFFSET_BEGINNING;
        else if (options->last > 0)
            ends->offset[k] = last_of(tail, options, (int32_t)k, ends->offset[k]);
    }
    return 0;
}

static int take_positions(struct tail *tail, const struct tail_options *options,
                          char error[TAIL_MAX_ERROR])
{
    struct log_ends ends;
    int result = find_topic(tail, options, &ends, error);
    if (result < 0) {
        if (result == ERR_NOT_FOUND)
            snprintf(error, TAIL_MAX_ERROR, "topic %s: the brokers have no such topic",
                     options->topic);
        if (result == ERR_TIMEOUT && tail->trouble[0])
            snprintf(error, TAIL_MAX_ERROR, "%s", tail->trouble);
        return result;
    }
    result = choose_starts(tail, options, &ends);
    if (result < 0) {
        snprintf(error, TAIL_MAX_ERROR, "topic %s: where to begin: %s", options->topic,
                 error_text(result));
        return result;
    }
    tail->partitions = ends.count;
    return kafka_assign(tail->client, options->topic, ends.offset, ends.count, error);
}

struct tail *tail_open(const struct tail_options *options, char ret_error[TAIL_MAX_ERROR])
{
    static_assert((int)TAIL_MAX_ERROR >= (int)KAFKA_MAX_ERROR, "errors of kafka.h fit");
    struct tail *tail = calloc(1, sizeof *tail);
    if (!tail) {
        snprintf(ret_error, TAIL_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    tail->client = new_client(tail, options, ret_error);
    if (tail->client && take_positions(tail, options, ret_error) == 0)
        return tail;
    tail_close(tail);
    return NULL;
}

void tail_close(struct tail *tail)
{
    if (!tail)
        return;
    if (tail->message)
        rd_kafka_message_destroy(tail->message);
    if (tail->client)
        rd_kafka_destroy(tail->client);
    free(tail);
}

size_t tail_partitions(const struct tail *tail)
{
    return tail->partitions;
}

bool tail_at_end(const struct tail *tail)
{
    return tail->ended_count == tail->partitions;
}

static void note_end(struct tail *tail, int32_t partition)
{
    if (partition < 0 || (size_t)partition >= tail->partitions || tail->ended[partition])
        return;
    tail->ended[partition] = true;
    tail->ended_count++;
}

static struct tail_message view(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp = rd_kafka_message_timestamp(message, &kind);
    return (struct tail_message){
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp,
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .value_size = message->len,
    };
}

int tail_next(struct tail *tail, int timeout_ms, struct tail_message *ret_message,
              char ret_error[TAIL_MAX_ERROR])
{
    const int64_t until = now_ms() + timeout_ms;
    do {
        if (tail->message)
            rd_kafka_message_destroy(tail->message);
        int64_t left = until - now_ms();
        tail->message = rd_kafka_consumer_poll(tail->client, left > 0 ? (int)left : 0);
        if (tail->message && !tail->message->err) {
            *ret_message = view(tail->message);
            return 0;
        }
        if (tail->message && tail->message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            note_end(tail, tail->message->partition);
        else if (tail->message) {
            snprintf(ret_error, TAIL_MAX_ERROR, "partition %d: %s", (int)tail->message->partition,
                     rd_kafka_message_errstr(tail->message));
            return ERR_KAFKA;
        }
    } while (now_ms() < until);
    return ERR_TIMEOUT;
}
