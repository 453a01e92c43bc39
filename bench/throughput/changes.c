/*
 * changes.c - publishes change sets at a steady rate, of names that nobody asks for.
 *
 *     changes --brokers=LIST --topic=TOPIC --rate=10000            until SIGTERM
 *     changes --brokers=LIST --topic=TOPIC --count=1200000 --per-set=100
 *
 * Each change is a SET of a name that was never changed before, in the zone whose names are asked
 * for. What is due is produced every millisecond. Prints "ready" when the first set was
 * acknowledged, from which time the rate is kept, and at the end how many were.
 */
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TICK_NS = 1000000,
    PER_SET_MAX = 1000,
    CHANGE_TEXT = 160, /* of one change as JSON */
    HEAD_TEXT = 256,
    FLUSH_MS = 10000,
    POLL_MS = 10,
    ERROR_TEXT = 256,
};

struct changes {
    const char *brokers, *topic, *zone, *parent;
    uint64_t rate;  /* sets a second; 0: as fast as they are taken */
    uint64_t count; /* changes; 0: until told to end */
    uint64_t first; /* number of the first changed name */
    unsigned per_set;
    rd_kafka_t *client;
    uint64_t sets, acknowledged, failed;
};

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

__attribute__((noreturn)) static void fail(const char *what, const char *text)
{
    fprintf(stderr, "changes: %s: %s\n", what, text);
    exit(1);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct changes *changes = arg;
    if (message->err)
        changes->failed++;
    else
        changes->acknowledged++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[ERROR_TEXT];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK)
        fail(name, error);
}

static void connect_client(struct changes *changes)
{
    char error[ERROR_TEXT];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", changes->brokers);
    set(conf, "enable.idempotence", "true");
    set(conf, "partitioner", "murmur2_random");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, changes);
    changes->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!changes->client)
        fail("rd_kafka_new", error);
}

/* The message's JSON (invalidation/changeset.h); its size. */
static size_t write_set(struct changes *changes, char *json, size_t room)
{
    struct timespec now;
    struct tm day;
    char time_text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(time_text, sizeof time_text, "%FT%T", gmtime_r(&now.tv_sec, &day));
    size_t at = (size_t)snprintf(json, room,
                                 "{\"v\":1,\"zone\":\"%s\",\"time\":\"%s.%06ldZ\","
                                 "\"publisher\":\"bench\",\"changes\":[",
                                 changes->zone, time_text, now.tv_nsec / 1000);
    for (unsigned i = 0; i < changes->per_set; i++) {
        const uint64_t number = changes->first++;
        at += (size_t)snprintf(json + at, room - at,
                               "%s{\"op\":\"SET\",\"name\":\"c%010" PRIu64
                               ".%s\",\"type\":\"A\",\"ttl\":3600,\"rdata\":[\"192.0.2.%u\"]}",
                               i ? "," : "", number, changes->parent, (unsigned)(number % 254 + 1));
    }
    at += (size_t)snprintf(json + at, room - at, "]}");
    return at;
}

static rd_kafka_headers_t *make_headers(uint64_t number)
{
    char id[32];
    snprintf(id, sizeof id, "%" PRIu64, number);
    const char *const headers[][2] = {{"ce_specversion", "1.0"},
                                      {"ce_id", id},
                                      {"ce_source", "freshet:bench"},
                                      {"ce_type", "freshet.changeset.v1"},
                                      {"content-type", "application/json"}};
    rd_kafka_headers_t *list = rd_kafka_headers_new(5);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (rd_kafka_header_add(list, headers[i][0], -1, headers[i][1], -1))
            fail("header", headers[i][0]);
    return list;
}

/* Hands one set to the client; false when its queue is full. */
static bool produce(struct changes *changes)
{
    static char json[HEAD_TEXT + PER_SET_MAX * CHANGE_TEXT];
    const uint64_t first = changes->first;
    const size_t size = write_set(changes, json, sizeof json);
    rd_kafka_headers_t *headers = make_headers(changes->sets);
    const rd_kafka_resp_err_t code = rd_kafka_producev(
        changes->client, RD_KAFKA_V_TOPIC(changes->topic),
        RD_KAFKA_V_KEY(changes->zone, strlen(changes->zone)), RD_KAFKA_V_VALUE(json, size),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        changes->sets++;
        return true;
    }
    rd_kafka_headers_destroy(headers);
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        fail("produce", rd_kafka_err2str(code));
    changes->first = first;
    return false;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool is_done(const struct changes *changes)
{
    return ended || (changes->count && changes->sets * changes->per_set >= changes->count);
}

/* Left to itself the client finds the topic's leaders late, and sends what has gathered at once. */
static void begin(struct changes *changes)
{
    const int64_t until = now_ns() + (int64_t)FLUSH_MS * 1000000;
    produce(changes);
    while (changes->acknowledged + changes->failed == 0 && now_ns() < until && !ended)
        rd_kafka_poll(changes->client, POLL_MS);
    printf("ready\n");
    fflush(stdout);
}

/* How many sets should have been produced `elapsed` nanoseconds after the start. */
static uint64_t due(const struct changes *changes, int64_t elapsed)
{
    return changes->rate ? (uint64_t)((double)elapsed / 1e9 * (double)changes->rate) : UINT64_MAX;
}

static void publish(struct changes *changes)
{
    begin(changes);
    const int64_t began = now_ns();
    const uint64_t first = changes->sets;
    while (!is_done(changes)) {
        const uint64_t wanted = due(changes, now_ns() - began);
        while (changes->sets - first < wanted && !is_done(changes))
            if (!produce(changes))
                break;
        rd_kafka_poll(changes->client, 0);
        nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
    }
    rd_kafka_flush(changes->client, FLUSH_MS);
    const double took = (double)(now_ns() - began) / 1e9;
    printf("{\"sets\": %" PRIu64 ", \"acknowledged\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"seconds\": %.3f, \"next\": %" PRIu64 "}\n",
           changes->sets, changes->acknowledged, changes->failed, took, changes->first);
}

static void read_options(struct changes *changes, int argc, char **argv)
{
    static const struct option options[] = {{"brokers", required_argument, NULL, 'b'},
                                            {"topic", required_argument, NULL, 't'},
                                            {"zone", required_argument, NULL, 'z'},
                                            {"parent", required_argument, NULL, 'p'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"per-set", required_argument, NULL, 's'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'b')
            changes->brokers = optarg;
        else if (option == 't')
            changes->topic = optarg;
        else if (option == 'z')
            changes->zone = optarg;
        else if (option == 'p')
            changes->parent = optarg;
        else if (option == 'r')
            changes->rate = strtoull(optarg, NULL, 10);
        else if (option == 'c')
            changes->count = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            changes->first = strtoull(optarg, NULL, 10);
        else if (option == 's')
            changes->per_set = (unsigned)strtoul(optarg, NULL, 10);
        else
            fail("unknown option", argv[optind - 1]);
    }
    if (!changes->brokers || !changes->topic || changes->per_set - 1 >= PER_SET_MAX)
        fail("usage", "--brokers, --topic; --per-set from 1 to 1000");
}

int main(int argc, char **argv)
{
    struct changes changes = {.zone = "example.com.", .parent = "bench.example.com.", .per_set = 1};
    read_options(&changes, argc, argv);
    connect_client(&changes);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    publish(&changes);
    rd_kafka_destroy(changes.client);
    return changes.failed || changes.acknowledged < changes.sets;
}
