/*
 * flood.c - change sets into a topic as fast as it takes them: large batches, one acknowledgement each.
 *
 * The messages look like those of invalidation/publish.c, headers included; only nobody waits for each.
 * Prints one line when all are acknowledged.
 */
#include "bench/apply/bench.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/apply/messages.h"
#include "invalidation/changeset.h"

enum { GIVE_UP_MS = 60000, FULL_MS = 10, MAX_ERROR = 512 };

struct flood {
    const struct flood_options *options;
    struct messages messages;
    rd_kafka_t *client;
    uint64_t acknowledged, failed;
    size_t room;
    char *json;
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    struct flood *flood = arg;
    (void)client;
    if (message->err)
        flood->failed++;
    else
        flood->acknowledged++;
}

static rd_kafka_t *new_client(struct flood *flood)
{
    static const char *const settings[][2] = {
        {"linger.ms", "20"},
        {"batch.num.messages", "20000"},
        {"batch.size", "1000000"},
        {"queue.buffering.max.messages", "400000"},
        {"queue.buffering.max.kbytes", "200000"},
        {"message.max.bytes", "1000000"},
        {"partitioner", "murmur2_random"},
        {"acks", "1"},
    };
    char error[MAX_ERROR];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = rd_kafka_conf_set(conf, "bootstrap.servers", flood->options->brokers, error,
                                  sizeof error) == RD_KAFKA_CONF_OK;
    for (size_t i = 0; good && i < sizeof settings / sizeof settings[0]; i++)
        good = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error) ==
               RD_KAFKA_CONF_OK;
    rd_kafka_conf_set_opaque(conf, flood);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = good ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error) : NULL;
    if (client)
        return client;
    fprintf(stderr, "apply: %s\n", error);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static rd_kafka_headers_t *make_headers(uint64_t k, int64_t time_us)
{
    char id[40], time[TIME_MAX_TEXT];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(6);
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012" PRIx64, k);
    rd_kafka_header_add(headers, "ce_specversion", -1, "1.0", -1);
    rd_kafka_header_add(headers, "ce_id", -1, id, -1);
    rd_kafka_header_add(headers, "ce_source", -1, "freshet:bench", -1);
    rd_kafka_header_add(headers, "ce_type", -1, "dns.changeset.v1", -1);
    rd_kafka_header_add(headers, "ce_time", -1, time_to_text(time_us, time), -1);
    rd_kafka_header_add(headers, "content-type", -1, "application/json", -1);
    return headers;
}

/* One message; while the client's queue is full, waits for it. */
static bool produce(struct flood *flood, uint64_t k)
{
    const int64_t give_up_us = clock_us(CLOCK_MONOTONIC) + GIVE_UP_MS * INT64_C(1000);
    /* The time is now; the k that messages_write() adds is taken off again. */
    flood->messages.time_us = clock_us(CLOCK_REALTIME) - (int64_t)k;
    size_t length = messages_write(&flood->messages, k, flood->json, flood->room);
    rd_kafka_headers_t *headers = make_headers(k, flood->messages.time_us);
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            flood->client, RD_KAFKA_V_TOPIC(flood->options->topic),
            RD_KAFKA_V_KEY(MESSAGES_ZONE, strlen(MESSAGES_ZONE)),
            RD_KAFKA_V_VALUE(flood->json, length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || clock_us(CLOCK_MONOTONIC) > give_up_us) {
            fprintf(stderr, "apply: %s\n", rd_kafka_err2str(code));
            rd_kafka_headers_destroy(headers);
            return false;
        }
        rd_kafka_poll(flood->client, FULL_MS);
    }
}

/* Holds back what would come before its time. */
static void keep_pace(struct flood *flood, uint64_t sent, int64_t began_us)
{
    if (flood->options->rate == 0)
        return;
    const int64_t due_us = began_us + (int64_t)(sent * 1000000 / flood->options->rate);
    for (int64_t now_us; (now_us = clock_us(CLOCK_MONOTONIC)) < due_us;)
        rd_kafka_poll(flood->client, due_us - now_us > 1000 ? 1 : 0);
}

static bool send_all(struct flood *flood)
{
    const struct flood_options *options = flood->options;
    const int64_t began_us = clock_us(CLOCK_MONOTONIC);
    bool good = true;
    for (uint64_t i = 0; good && i < options->sets; i++) {
        good = produce(flood, options->first + i);
        if (i % 1000 == 0)
            rd_kafka_poll(flood->client, 0);
        keep_pace(flood, i + 1, began_us);
    }
    rd_kafka_flush(flood->client, GIVE_UP_MS);
    const double s = (double)(clock_us(CLOCK_MONOTONIC) - began_us) / 1e6;
    printf("{\"sets\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"sets_per_s\":%.0f}\n",
           flood->acknowledged, flood->failed, s, (double)flood->acknowledged / s);
    return good && flood->acknowledged == options->sets;
}

bool flood_run(const struct flood_options *options)
{
    struct flood flood = {
        .options = options,
        .messages = {.prefix = "host",
                     .publisher = "bench",
                     .names = options->names,
                     .per_set = options->per_set},
        .room = MESSAGES_HEAD + options->per_set * MESSAGES_CHANGE,
    };
    flood.json = malloc(flood.room);
    flood.client = flood.json ? new_client(&flood) : NULL;
    bool good = flood.client && send_all(&flood);
    if (flood.client)
        rd_kafka_destroy(flood.client);
    free(flood.json);
    return good;
}
