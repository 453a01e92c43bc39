#include "bench/checker/publisher.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/checker/message.h"
#include "bench/common/clock.h"

enum {
    POLL_MS = 100,
    NAP_US = 2000,
    WAITING_MAX = 1024, /* messages for transactions to come */
    BATCH_MAX = 8,      /* messages in a transaction */
    KEPT = 8,           /* after so many a message is repeated */
    TRANSACTION_MS = 20000,
    WAKE_S = 20,
};

struct publisher {
    struct publisher_options options;
    rd_kafka_t *client;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop, awake; /* awake: the broker has acknowledged something */
    uint32_t number;         /* of the newest message */
    struct message *kept;
    /* transactions: */
    struct message *waiting; /* a ring of WAITING_MAX */
    _Atomic uint64_t first, last;
    _Atomic int64_t hang_us, free_at_us; /* INT64_MAX: it hangs */
    _Atomic uint64_t published, acknowledged, failed, committed, aborted;
};

/* ---- what goes out ---- */

/* `opaque` is the version that an acknowledgement is for; 0: for none. */
static bool produce(struct publisher *publisher, const struct message *message, bool keyed,
                    uint32_t opaque)
{
    const struct kafka_message sent = {.topic = publisher->options.topic,
                                       .key = keyed && message->key[0] ? message->key : NULL,
                                       .value = message->value,
                                       .size = message->size,
                                       .opaque = (void *)(uintptr_t)opaque};
    const rd_kafka_resp_err_t error = kafka_send(publisher->client, &sent);
    if (error)
        atomic_fetch_add(&publisher->failed, 1);
    return !error;
}

/* What was sent some time ago again, in whatever partition. */
static void repeat(struct publisher *publisher, const struct message *message)
{
    struct message *kept = &publisher->kept[publisher->number % KEPT];
    if (kept->size)
        produce(publisher, kept, false, 0);
    *kept = *message;
}

static bool enqueue(struct publisher *publisher, const struct message *message)
{
    const uint64_t last = atomic_load(&publisher->last);
    if (last - atomic_load(&publisher->first) == WAITING_MAX) {
        atomic_fetch_add(&publisher->failed, 1);
        return false;
    }
    publisher->waiting[last % WAITING_MAX] = *message;
    if (publisher->options.manner->transactions == TRANSACTIONS_HANG)
        atomic_store(&publisher->free_at_us, INT64_MAX);
    atomic_store(&publisher->last, last + 1);
    return true;
}

bool publisher_publish(struct publisher *publisher, uint32_t version)
{
    const struct manner *manner = publisher->options.manner;
    struct message message;
    message_write(&message, publisher->options.zone, publisher->options.history, version, manner,
                  ++publisher->number);
    publisher->options.history->changes[version].published_us = clock_us();
    const bool taken = manner->transactions ? enqueue(publisher, &message)
                                            : produce(publisher, &message, true, version);
    if (taken)
        atomic_fetch_add(&publisher->published, 1);
    if (taken && manner->repeats)
        repeat(publisher, &message);
    return taken;
}

bool publisher_send_garbage(struct publisher *publisher)
{
    static const char garbage[] = "{ half a message";
    struct message message = {.size = sizeof garbage - 1};
    memcpy(message.value, garbage, sizeof garbage);
    return produce(publisher, &message, false, 0);
}

/* ---- acknowledgements ---- */

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct publisher *publisher = arg;
    struct history *history = publisher->options.history;
    const int64_t now_us = clock_us();
    const uint32_t version = (uint32_t)(uintptr_t)message->_private;
    atomic_store(&publisher->awake, true);
    if (version == 0)
        return;
    if (message->err) {
        atomic_fetch_add(&publisher->failed, 1);
        return;
    }
    history_place(history, version, message->partition, message->offset);
    atomic_fetch_add(&publisher->acknowledged, 1);
    if (publisher->options.manner->transactions)
        return;
    atomic_store(&history_set(history, version)->logged_us, now_us);
    if (publisher->options.readable_when_logged)
        history_readable(history, version, now_us);
}

/* ---- transactions ---- */

static const struct message *waiting_at(const struct publisher *publisher, uint64_t at)
{
    return &publisher->waiting[at % WAITING_MAX];
}

static bool is_aborted(const struct publisher *publisher, uint64_t at)
{
    const uint32_t version = waiting_at(publisher, at)->version;
    return publisher->options.history->changes[version].kind == KIND_ABORTED;
}

/* What waits and shares the fate of the first: the end of it. */
static uint64_t batch_end(const struct publisher *publisher, uint64_t first)
{
    const uint64_t last = atomic_load(&publisher->last);
    uint64_t end = first;
    while (end < last && end - first < BATCH_MAX &&
           is_aborted(publisher, end) == is_aborted(publisher, first))
        end++;
    return end;
}

static bool went_well(struct publisher *publisher, rd_kafka_error_t *error)
{
    if (!error)
        return true;
    fprintf(stderr, "checker: publisher %s: %s\n", publisher->options.manner->name,
            rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return false;
}

static void hang(struct publisher *publisher)
{
    const int64_t until_us = clock_us() + atomic_load(&publisher->hang_us);
    while (clock_us() < until_us && !atomic_load(&publisher->stop))
        usleep(NAP_US);
}

static void note_committed(struct publisher *publisher, uint64_t first, uint64_t end)
{
    struct history *history = publisher->options.history;
    for (uint64_t at = first; at < end; at++)
        atomic_store(&history_set(history, waiting_at(publisher, at)->version)->logged_us,
                     clock_us());
}

static void transact(struct publisher *publisher, uint64_t first, uint64_t end)
{
    rd_kafka_t *client = publisher->client;
    const bool abort = is_aborted(publisher, first);
    bool good = went_well(publisher, rd_kafka_begin_transaction(client));
    for (uint64_t at = first; good && at < end; at++) {
        const struct message *message = waiting_at(publisher, at);
        good = produce(publisher, message, true, message->version);
    }
    if (good && publisher->options.manner->transactions == TRANSACTIONS_HANG) {
        rd_kafka_flush(client, TRANSACTION_MS);
        hang(publisher);
    }
    if (good && !abort &&
        went_well(publisher, rd_kafka_commit_transaction(client, TRANSACTION_MS))) {
        note_committed(publisher, first, end);
        atomic_fetch_add(&publisher->committed, 1);
        return;
    }
    if (abort)
        rd_kafka_flush(client, TRANSACTION_MS); /* an abort would drop what has not left yet */
    else
        atomic_fetch_add(&publisher->failed, 1);
    if (went_well(publisher, rd_kafka_abort_transaction(client, TRANSACTION_MS)))
        atomic_fetch_add(&publisher->aborted, 1);
}

static void rest(struct publisher *publisher)
{
    const int64_t rest_us = publisher->options.rest_us;
    atomic_store(&publisher->hang_us, publisher->options.hang_us);
    atomic_store(&publisher->free_at_us, rest_us ? clock_us() + rest_us : INT64_MAX);
}

static void transact_waiting(struct publisher *publisher)
{
    const uint64_t first = atomic_load(&publisher->first);
    const uint64_t end = batch_end(publisher, first);
    if (first == end) {
        rd_kafka_poll(publisher->client, 0);
        usleep(NAP_US);
        return;
    }
    transact(publisher, first, end);
    atomic_store(&publisher->first, end);
    rest(publisher);
}

static void *publisher_main(void *arg)
{
    struct publisher *publisher = arg;
    while (!atomic_load(&publisher->stop))
        if (publisher->options.manner->transactions)
            transact_waiting(publisher);
        else
            rd_kafka_poll(publisher->client, POLL_MS);
    return NULL;
}

/* ---- opening ---- */

/* Messages wait for as long as a broker is away; those of a transaction cannot. */
static bool open_client(struct publisher *publisher, char error[KAFKA_ERROR])
{
    const struct manner *manner = publisher->options.manner;
    char id[64];
    snprintf(id, sizeof id, "checker-%s-%ld", manner->name, (long)getpid());
    kafka_setting settings[] = {
        {"enable.idempotence", "true"},
        {"linger.ms", "0"},
        {"acks", "all"},
        {"partitioner", manner->crc32 ? "consistent_random" : "murmur2_random"},
        {"sticky.partitioning.linger.ms", "0"},
        {"reconnect.backoff.max.ms", "500"},
        {manner->transactions ? "transactional.id" : "message.timeout.ms",
         manner->transactions ? id : "0"},
        {NULL, NULL}};
    const struct kafka_options options = {.brokers = publisher->options.brokers,
                                          .settings = settings,
                                          .delivered = on_delivered,
                                          .arg = publisher};
    publisher->client = kafka_open(RD_KAFKA_PRODUCER, &options, error);
    if (!publisher->client)
        return false;
    snprintf(error, KAFKA_ERROR, "no transactions");
    return !manner->transactions ||
           went_well(publisher, rd_kafka_init_transactions(publisher->client, TRANSACTION_MS));
}

/* The first message pays for the connections: that shall be no change. Transactions were waited for. */
static bool wake(struct publisher *publisher, char error[KAFKA_ERROR])
{
    const int64_t give_up_us = clock_us() + WAKE_S * (int64_t)US_PER_S;
    struct message message;
    if (publisher->options.manner->transactions)
        return true;
    message_write(&message, publisher->options.zone, publisher->options.history, 0,
                  publisher->options.manner, ++publisher->number);
    produce(publisher, &message, true, 0);
    while (!atomic_load(&publisher->awake) && clock_us() < give_up_us)
        usleep(NAP_US);
    snprintf(error, KAFKA_ERROR, "no acknowledgement from %s within %d s", publisher->options.topic,
             WAKE_S);
    return atomic_load(&publisher->awake);
}

struct publisher *publisher_open(const struct publisher_options *options,
                                 char ret_error[KAFKA_ERROR])
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    snprintf(ret_error, KAFKA_ERROR, "no memory, or no thread");
    if (!publisher)
        return NULL;
    publisher->options = *options;
    publisher->kept = options->manner->repeats ? calloc(KEPT, sizeof *publisher->kept) : NULL;
    publisher->waiting =
        options->manner->transactions ? calloc(WAITING_MAX, sizeof *publisher->waiting) : NULL;
    rest(publisher);
    if ((publisher->kept || !options->manner->repeats) &&
        (publisher->waiting || !options->manner->transactions) && open_client(publisher, ret_error))
        publisher->has_thread =
            pthread_create(&publisher->thread, NULL, publisher_main, publisher) == 0;
    if (publisher->has_thread && wake(publisher, ret_error))
        return publisher;
    publisher_close(publisher);
    return NULL;
}

void publisher_close(struct publisher *publisher)
{
    if (!publisher)
        return;
    atomic_store(&publisher->stop, true);
    if (publisher->has_thread)
        pthread_join(publisher->thread, NULL);
    if (publisher->client)
        rd_kafka_destroy(publisher->client);
    free(publisher->kept);
    free(publisher->waiting);
    free(publisher);
}

/* ---- the rest ---- */

const struct manner *publisher_manner(const struct publisher *publisher)
{
    return publisher->options.manner;
}

bool publisher_is_free(const struct publisher *publisher, int64_t now_us)
{
    if (publisher->options.manner->transactions == TRANSACTIONS_NONE)
        return true;
    if (publisher->options.manner->transactions == TRANSACTIONS_HANG)
        return now_us >= atomic_load(&publisher->free_at_us);
    return atomic_load(&publisher->last) - atomic_load(&publisher->first) < BATCH_MAX;
}

void publisher_hang_next(struct publisher *publisher, int64_t hang_us)
{
    atomic_store(&publisher->hang_us, hang_us);
    atomic_store(&publisher->free_at_us, 0);
}

struct publisher_counters publisher_count(const struct publisher *publisher)
{
    return (struct publisher_counters){.published = atomic_load(&publisher->published),
                                       .acknowledged = atomic_load(&publisher->acknowledged),
                                       .failed = atomic_load(&publisher->failed),
                                       .committed = atomic_load(&publisher->committed),
                                       .aborted = atomic_load(&publisher->aborted)};
}
