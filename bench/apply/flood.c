/*
 * flood.c - change sets into a topic, as fast as it takes them or at a steady rate.
 *
 * The sets are those of messages.h, with headers like freshet's publisher's; only nobody waits for
 * each, and large batches have one acknowledgement. Without a number of sets it goes on until SIGTERM.
 * With a rate it prints "ready" when the first set was acknowledged, from which time the rate is kept
 * (left to itself the client finds the topic's leaders late, and sends what has gathered at once).
 * One line when all are acknowledged.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/common/clock.h"
#include "bench/common/ended.h"
#include "bench/common/kafka.h"
#include "bench/common/messages.h"

enum { GIVE_UP_MS = 60000, FULL_MS = 10, LOOK_EVERY = 1000 };

struct flood {
    const char *brokers, *topic;
    struct option_list properties;
    struct messages messages;
    uint64_t first, sets; /* sets first..first+sets-1; 0: until it is told to end */
    uint64_t rate;        /* a second; 0: no limit */
    rd_kafka_t *client;
    uint64_t sent, acknowledged, failed;
    size_t room;
    char *json;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct flood *flood = arg;
    if (message->err)
        flood->failed++;
    else
        flood->acknowledged++;
}

static rd_kafka_t *open_client(struct flood *flood)
{
    static kafka_setting settings[] = {
        {"linger.ms", "20"},
        {"batch.num.messages", "20000"},
        {"batch.size", "1000000"},
        {"queue.buffering.max.messages", "400000"},
        {"queue.buffering.max.kbytes", "200000"},
        {"message.max.bytes", "1000000"},
        {"partitioner", "murmur2_random"},
        {"acks", "1"},
        {NULL, NULL},
    };
    char error[KAFKA_ERROR];
    rd_kafka_t *client = kafka_open(RD_KAFKA_PRODUCER,
                                    &(struct kafka_options){.brokers = flood->brokers,
                                                            .settings = settings,
                                                            .more = &flood->properties,
                                                            .delivered = on_delivery,
                                                            .arg = flood},
                                    error);
    if (!client)
        options_fail("Kafka", error);
    return client;
}

/* One message; while the client's queue is full, waits for it. */
static void produce(struct flood *flood)
{
    const int64_t give_up_us = clock_us() + GIVE_UP_MS * US_PER_MS;
    const uint64_t k = flood->first + flood->sent;
    const int64_t now_us = clock_wall_us();
    flood->messages.time_us = now_us - (int64_t)k; /* messages_write() adds k again */
    const struct kafka_message message = {
        .topic = flood->topic,
        .key = flood->messages.zone,
        .value = flood->json,
        .size = messages_write(&flood->messages, k, flood->json, flood->room),
        .id = k + 1,
        .time_us = now_us};
    rd_kafka_resp_err_t code;
    while ((code = kafka_send(flood->client, &message)) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
           clock_us() < give_up_us)
        rd_kafka_poll(flood->client, FULL_MS);
    if (code)
        options_fail(flood->topic, rd_kafka_err2str(code));
    flood->sent++;
}

static bool is_done(const struct flood *flood)
{
    return ended || (flood->sets && flood->sent >= flood->sets);
}

static void begin(struct flood *flood)
{
    const int64_t give_up_us = clock_us() + GIVE_UP_MS * US_PER_MS;
    produce(flood);
    while (flood->acknowledged + flood->failed == 0 && clock_us() < give_up_us && !ended)
        rd_kafka_poll(flood->client, FULL_MS);
    printf("ready\n");
    fflush(stdout);
}

/* What is due is sent every millisecond. */
static void send_all(struct flood *flood)
{
    const int64_t began_us = clock_us();
    const uint64_t before = flood->sent;
    while (!is_done(flood)) {
        const double passed_s = (double)(clock_us() - began_us) / US_PER_S;
        const uint64_t due = flood->rate ? (uint64_t)(passed_s * (double)flood->rate) : LOOK_EVERY;
        const uint64_t until = flood->rate ? before + due : flood->sent + due;
        while (flood->sent < until && !is_done(flood))
            produce(flood);
        rd_kafka_poll(flood->client, 0);
        if (flood->rate)
            clock_sleep_us(US_PER_MS);
    }
}

static void read_options(struct flood *flood, int argc, char **argv)
{
    struct messages *m = &flood->messages;
    const struct option_row rows[] = {
        {"brokers", "LIST", "", PLACE(&flood->brokers), .needed = true},
        {"topic", "TOPIC", "", PLACE(&flood->topic), .needed = true},
        {"X", "NAME=VALUE", "a property of the producer", PLACE(&flood->properties)},
        {"first", "K", "number of the first set (0)", NUMBER(&flood->first, 0, 1e15)},
        {"sets", "N", "until SIGTERM", NUMBER(&flood->sets, 1, 1e15)},
        {"per-set", "N", "changes in each (1)", NUMBER(&m->per_set, 1, 10000)},
        {"rate", "N", "sets a second (no limit)", NUMBER(&flood->rate, 1, 1e9)},
        {"names", "N", "they repeat after so many (10000000)", NUMBER(&m->names, 1, 1e15)},
        {"zone", "ZONE", MESSAGES_ZONE, PLACE(&m->zone)},
    };
    const struct option_table table =
        OPTION_TABLE(rows, .about = "--brokers=LIST --topic=TOPIC ...");
    options_read(&table, argc, argv);
}

int main(int argc, char **argv)
{
    struct flood flood = {.messages = {.zone = MESSAGES_ZONE,
                                       .suffix = MESSAGES_ZONE,
                                       .prefix = "host",
                                       .publisher = "bench",
                                       .names = 10000000,
                                       .per_set = 1}};
    read_options(&flood, argc, argv);
    flood.room = MESSAGES_HEAD + flood.messages.per_set * MESSAGES_CHANGE;
    flood.json = malloc(flood.room);
    flood.client = open_client(&flood);
    ended_watch();
    const int64_t began_us = clock_us();
    if (flood.rate)
        begin(&flood);
    send_all(&flood);
    rd_kafka_flush(flood.client, GIVE_UP_MS);
    const double seconds = (double)(clock_us() - began_us) / US_PER_S;
    printf("{\"sets\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"sets_per_s\":%.0f,"
           "\"next\":%" PRIu64 "}\n",
           flood.acknowledged, flood.failed, seconds, (double)flood.acknowledged / seconds,
           flood.first + flood.sent);
    rd_kafka_destroy(flood.client);
    free(flood.json);
    return flood.acknowledged < flood.sent ? EXIT_FAILURE : EXIT_SUCCESS;
}
