/*
 * propagation.c - how long a change takes from the call that publishes it until caches answer anew.
 *
 *     stdin   "www.example.com. 3600 192.0.2.2"  one SET of an A record per line, one at a time
 *     stdout  {"acked_us":612,"consumed_us":655,"visible_us":[812,834]}  a line for each
 *
 *   main ------ publisher_send() ----> broker --> freshetd ...
 *   reader ---- tail_next()  <-----------+           |         one: the plain consumer beside them
 *   watchers -- query, answer, pause  <--------------+         one per server
 *
 * Times are microseconds of one monotonic clock in this one process, from just before the send: to
 * the acknowledgement, to the message in the plain consumer's hands (the same client library and
 * settings as freshetd's feed), and to the first answer from each server that has the new address,
 * and only it. What did not happen within GIVE_UP_MS is null. A watcher pauses between its queries,
 * so its figure is late by up to a pause and a round trip; it is never early.
 *
 * Threads: the reader and the watchers live for one change and write into their own watch.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns/build.h"
#include "invalidation/publish.h"
#include "invalidation/tail.h"

enum {
    MAX_SERVERS = 8,
    MAX_PROPERTIES = 16,
    MAX_LINE = 1200,
    GIVE_UP_MS = 10000,
    ANSWER_MS = 1000, /* a query or its answer that is lost is noticed after this */
    PAUSE_US = 100,   /* between two queries of a watcher */
    ADDRESS_SIZE = 4,
};

/* One change, while it is under way; read by all threads. */
struct change_now {
    struct question question;
    uint8_t address[ADDRESS_SIZE];
    uint64_t seq;
    int64_t give_up_us;
};

struct watch {
    struct bench *bench;
    pthread_t thread;
    int fd; /* connected to the server; -1 for the reader */
    struct message *message;
    int64_t seen_us; /* 0: not seen */
};

struct bench {
    const char *brokers, *topic;
    char *properties[MAX_PROPERTIES];
    size_t property_count;
    uint8_t zone[NAME_MAX_SIZE];
    struct publisher *publisher;
    struct tail *tail;
    struct watch reader;
    struct watch watches[MAX_SERVERS];
    size_t watch_count;
    struct change_now now;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "propagation: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* ---- what the threads do ---- */

static bool is_new(const struct change_now *now, const struct message *message)
{
    const struct record *record = message_answers(message);
    return message->rcode == RCODE_NOERROR && message->answer_count == 1 &&
           record->type == TYPE_A && record->rdata_size == ADDRESS_SIZE &&
           memcmp(record->rdata, now->address, ADDRESS_SIZE) == 0;
}

/* Asks once. Whether an answer came and is the new one. */
static bool ask(struct watch *watch, uint16_t id)
{
    const struct change_now *now = &watch->bench->now;
    const struct query_shape shape = {.id = id};
    uint8_t bytes[DNS_EDNS_UDP];
    int size = build_query(bytes, sizeof bytes, &now->question, &shape);
    if (size < 0 || send(watch->fd, bytes, (size_t)size, 0) != size)
        return false;
    struct pollfd readable = {.fd = watch->fd, .events = POLLIN};
    if (poll(&readable, 1, ANSWER_MS) <= 0)
        return false;
    ssize_t got = recv(watch->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return got > 0 && message_parse(watch->message, bytes, (size_t)got) == 0 &&
           watch->message->id == id && is_new(now, watch->message);
}

static void *watch_server(void *arg)
{
    struct watch *watch = arg;
    const struct timespec pause = {.tv_nsec = PAUSE_US * 1000};
    for (uint16_t id = 1; now_us(CLOCK_MONOTONIC) < watch->bench->now.give_up_us; id++) {
        if (ask(watch, id)) {
            watch->seen_us = now_us(CLOCK_MONOTONIC);
            break;
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool is_ours(const struct log_message *message, uint64_t seq)
{
    struct changeset_error error;
    struct change_set *set = NULL;
    if (!message->value ||
        changeset_parse((const char *)message->value, message->value_size, &set, &error) < 0)
        return false;
    bool ours = set->has_seq && set->seq == seq;
    changeset_free(set);
    return ours;
}

static void *watch_topic(void *arg)
{
    struct watch *watch = arg;
    struct bench *bench = watch->bench;
    struct log_message message;
    char error[TAIL_MAX_ERROR];
    while (now_us(CLOCK_MONOTONIC) < bench->now.give_up_us) {
        int code = tail_next(bench->tail, ANSWER_MS, &message, error);
        int64_t came_us = now_us(CLOCK_MONOTONIC);
        if (code == ERR_KAFKA)
            break;
        if (code == 0 && is_ours(&message, bench->now.seq)) {
            watch->seen_us = came_us;
            break;
        }
    }
    return NULL;
}

/* ---- one change ---- */

/* "NAME TTL ADDRESS" */
static bool read_line(struct bench *bench, const char *line, uint32_t *ret_ttl)
{
    struct change_now *now = &bench->now;
    char name[NAME_MAX_TEXT], address[INET_ADDRSTRLEN];
    static_assert(NAME_MAX_TEXT > 1004, "the width below");
    if (sscanf(line, "%1004s %" SCNu32 " %15s", name, ret_ttl, address) != 3)
        return false;
    int size = name_from_text(name, now->question.name);
    if (size < 0 || inet_pton(AF_INET, address, now->address) != 1)
        return false;
    now->question.name_size = (uint8_t)size;
    now->question.type = TYPE_A;
    now->question.class = CLASS_IN;
    now->seq++;
    return true;
}

static bool start(struct bench *bench, struct watch *watch, void *(*run)(void *))
{
    watch->bench = bench;
    watch->seen_us = 0;
    return pthread_create(&watch->thread, NULL, run, watch) == 0;
}

static int send_set(struct bench *bench, uint32_t ttl, char error[PUBLISH_MAX_ERROR])
{
    uint8_t name[NAME_MAX_SIZE];
    struct rdata_view rdata = {.bytes = bench->now.address, .size = ADDRESS_SIZE};
    struct change change = {.op = CHANGE_SET,
                            .type = TYPE_A,
                            .ttl = ttl,
                            .name = name,
                            .rdata = &rdata,
                            .rdata_count = 1};
    struct change_set set = {.has_seq = true,
                             .seq = bench->now.seq,
                             .publisher = "propagation",
                             .time_us = now_us(CLOCK_REALTIME),
                             .changes = &change,
                             .change_count = 1};
    memcpy(set.zone, bench->zone, sizeof set.zone);
    name_lower(bench->now.question.name, bench->now.question.name_size, name);
    struct publish_receipt receipt;
    return publisher_send(bench->publisher, &set, &receipt, error);
}

static void print_time(const char *before, int64_t seen_us, int64_t began_us)
{
    if (seen_us)
        printf("%s%" PRId64, before, seen_us - began_us);
    else
        printf("%snull", before);
}

static void print_times(const struct bench *bench, int64_t began_us, int64_t acked_us)
{
    print_time("{\"acked_us\":", acked_us, began_us);
    print_time(",\"consumed_us\":", bench->reader.seen_us, began_us);
    printf(",\"visible_us\":[");
    for (size_t k = 0; k < bench->watch_count; k++)
        print_time(k ? "," : "", bench->watches[k].seen_us, began_us);
    printf("]}\n");
    fflush(stdout);
}

static int measure(struct bench *bench, const char *line)
{
    uint32_t ttl;
    char error[PUBLISH_MAX_ERROR] = "";
    size_t started = 0;
    if (!read_line(bench, line, &ttl))
        return fail("not \"NAME TTL ADDRESS\"", line);
    bench->now.give_up_us = now_us(CLOCK_MONOTONIC) + GIVE_UP_MS * 1000LL;
    bool reading = start(bench, &bench->reader, watch_topic);
    while (reading && started < bench->watch_count &&
           start(bench, &bench->watches[started], watch_server))
        started++;
    int64_t began_us = now_us(CLOCK_MONOTONIC);
    bool all = reading && started == bench->watch_count;
    int code = all ? send_set(bench, ttl, error) : ERR_SYSTEM;
    int64_t acked_us = now_us(CLOCK_MONOTONIC);
    if (reading)
        pthread_join(bench->reader.thread, NULL);
    for (size_t k = 0; k < started; k++)
        pthread_join(bench->watches[k].thread, NULL);
    if (code < 0)
        return fail("publishing", error[0] ? error : error_text(code));
    print_times(bench, began_us, acked_us);
    return EXIT_SUCCESS;
}

/* ---- setting up ---- */

/* "127.0.0.1:53" */
static bool add_server(struct bench *bench, const char *text)
{
    char host[INET_ADDRSTRLEN];
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint16_t port;
    struct watch *watch = &bench->watches[bench->watch_count];
    if (sscanf(text, "%15[0-9.]:%" SCNu16, host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return false;
    address.sin_port = htons(port);
    watch->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    watch->message = message_new();
    bench->watch_count++;
    return watch->fd >= 0 && watch->message &&
           connect(watch->fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool open_kafka(struct bench *bench)
{
    static_assert((int)TAIL_MAX_ERROR >= (int)PUBLISH_MAX_ERROR, "room for both");
    char error[TAIL_MAX_ERROR];
    const struct publisher_options out = {.brokers = bench->brokers,
                                          .topic = bench->topic,
                                          .properties = bench->properties,
                                          .property_count = bench->property_count};
    const struct tail_options in = {.brokers = bench->brokers,
                                    .topic = bench->topic,
                                    .properties = bench->properties,
                                    .property_count = bench->property_count};
    bench->publisher = publisher_new(&out, error);
    bench->tail = bench->publisher ? tail_open(&in, error) : NULL;
    if (!bench->tail)
        fail(bench->topic, error);
    return bench->tail != NULL;
}

static void shut(struct bench *bench)
{
    for (size_t k = 0; k < bench->watch_count; k++) {
        if (bench->watches[k].fd >= 0)
            close(bench->watches[k].fd);
        message_free(bench->watches[k].message);
    }
    tail_close(bench->tail);
    publisher_free(bench->publisher);
}

static const char usage[] =
    "Usage: propagation --brokers=LIST --topic=TOPIC --zone=ZONE [-X NAME=VALUE]... "
    "ADDRESS:PORT...\n"
    "Measures how long a change takes until the servers answer anew. Reads \"NAME TTL ADDRESS\"\n"
    "lines from standard input, publishes each as SET of an A record, and prints a line of JSON.\n";

static bool take_option(struct bench *bench, int code)
{
    switch (code) {
    case 'b':
        bench->brokers = optarg;
        return true;
    case 't':
        bench->topic = optarg;
        return true;
    case 'z':
        return name_from_text(optarg, bench->zone) > 0;
    case 'X':
        if (bench->property_count == MAX_PROPERTIES)
            return false;
        bench->properties[bench->property_count++] = optarg;
        return true;
    default:
        return false;
    }
}

static bool take_options(struct bench *bench, int argc, char **argv)
{
    static const struct option longs[] = {{"brokers", required_argument, NULL, 'b'},
                                          {"topic", required_argument, NULL, 't'},
                                          {"zone", required_argument, NULL, 'z'},
                                          {"property", required_argument, NULL, 'X'},
                                          {NULL, 0, NULL, 0}};
    int code;
    while ((code = getopt_long(argc, argv, "X:", longs, NULL)) != -1)
        if (!take_option(bench, code))
            return false;
    int servers = argc - optind;
    return bench->brokers && bench->topic && bench->zone[0] && servers > 0 &&
           servers <= MAX_SERVERS;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    char line[MAX_LINE];
    int result = EXIT_FAILURE;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return printf("%s", usage) < 0;
    if (!take_options(&bench, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    for (int k = optind; k < argc; k++)
        if (!add_server(&bench, argv[k])) {
            fail(argv[k], errno ? strerror(errno) : "not ADDRESS:PORT");
            goto out;
        }
    if (!open_kafka(&bench))
        goto out;
    result = EXIT_SUCCESS;
    while (result == EXIT_SUCCESS && fgets(line, sizeof line, stdin))
        result = measure(&bench, line);
out:
    shut(&bench);
    return result;
}
