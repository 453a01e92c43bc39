#include "invalidation/watermarks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invalidation/client.h"
#include "invalidation/renewal.h"
#include "invalidation/witness.h"

enum {
    ASK_MS = 450,         /* for each of a reading's requests; a stop waits for all three */
    RETRY_FIRST_MS = 100, /* pause after a failure, doubled up to the last */
    RETRY_LAST_MS = 1000,
};

struct watermarks {
    struct client *client; /* the thread's, but for client_poll() */
    char *topic;
    void (*ready)(void *arg);
    void *ready_arg;
    pthread_t thread;
    bool running;
    struct witness witness; /* the thread's own, as what follows */
    uint64_t made_anew;
    struct renewal renewal;
    uint64_t renewed;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t moved;
    bool stop;
    bool full;                /* `found` waits to be taken */
    uint64_t interval_ms;     /* to the next reading, after a success */
    uint64_t last_ms;         /* that it is doubled up to */
    struct log_reading found; /* the thread's while not full */
    struct log_reading taken; /* the taker's */
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(MONO_CLOCK, &t);
    return (struct mono){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000};
}

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int first_since(struct watermarks *reader, const struct witness_question *question,
                       int64_t *ret_offset)
{
    return kafka_first_since(client_kafka(reader->client), reader->topic, question->partition,
                             question->time_ms, ASK_MS, ret_offset, reader->found.error);
}

/* Whether it is the log that it was. Asked after the ends, so what it says of the log holds for them too. */
static int ask_witness(struct watermarks *reader)
{
    const struct log_ends *ends = &reader->found.ends;
    struct witness_question question;
    int64_t first;
    if (witness_question(&reader->witness, ends, &question)) {
        int result = first_since(reader, &question, &first);
        if (result < 0)
            return result;
        if (!witness_answer(&reader->witness, first))
            reader->made_anew++;
    }
    /* Without a witness a reading is no worse than without a question: the next one tries again. */
    if (witness_wish(&reader->witness, ends, wall_ms(), &question) &&
        first_since(reader, &question, &first) == 0)
        witness_learn(&reader->witness, ends, &question, first);
    return 0;
}

static void ask(struct watermarks *reader)
{
    struct log_reading *found = &reader->found;
    rd_kafka_t *kafka = client_kafka(reader->client);
    found->asked = now();
    found->code = kafka_topic_ends(kafka, reader->topic, ASK_MS, &found->ends, found->error);
    if (!found->hosts[0]) /* whoever leads may be out of reach just because of his name */
        kafka_broker_hosts(kafka, ASK_MS, found->hosts);
    if (found->code == 0)
        found->code = ask_witness(reader);
    if (found->code == 0)
        found->error[0] = '\0';
    found->ends.made_anew = reader->made_anew;
}

/* A client that has no good answer for long is given up: a new one asks anew who the brokers are. */
static void renew(struct watermarks *reader)
{
    struct log_reading *found = &reader->found;
    char error[KAFKA_MAX_ERROR];
    const bool answered = found->code == 0 || found->code == ERR_NOT_FOUND;
    if (answered)
        renewal_rest(&reader->renewal);
    else if (renewal_due(&reader->renewal, true, now()) &&
             client_renew(reader->client, error) == ERR_OK)
        reader->renewed++;
    found->renewed = reader->renewed;
}

/* Of a wait of `ms`, on the clock that a condition can wait by. */
static struct timespec deadline(uint64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += (time_t)(ms / 1000) + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* With the lock held: until the watermarks were taken. */
static void wait_taken(struct watermarks *reader)
{
    while (reader->full && !reader->stop)
        pthread_cond_wait(&reader->moved, &reader->lock);
}

/* With the lock held: the pace may change while we wait for it. */
static void wait_pace(struct watermarks *reader, uint64_t retry_ms)
{
    const struct mono since = now();
    while (!reader->stop) {
        const uint64_t wait_ms = retry_ms > 0 ? retry_ms : reader->interval_ms;
        const uint64_t waited_ms = now().ms - since.ms;
        if (waited_ms >= wait_ms)
            break;
        const struct timespec t = deadline(wait_ms - waited_ms);
        pthread_cond_timedwait(&reader->moved, &reader->lock, &t);
    }
    if (retry_ms == 0)
        reader->interval_ms =
            reader->interval_ms * 2 < reader->last_ms ? reader->interval_ms * 2 : reader->last_ms;
}

static uint64_t next_retry(uint64_t retry_ms, int code)
{
    if (code == 0)
        return 0;
    if (retry_ms == 0)
        return RETRY_FIRST_MS;
    return retry_ms * 2 < RETRY_LAST_MS ? retry_ms * 2 : RETRY_LAST_MS;
}

static void *watermarks_main(void *arg)
{
    struct watermarks *reader = arg;
    uint64_t retry_ms = 0;
    pthread_mutex_lock(&reader->lock);
    while (!reader->stop) {
        pthread_mutex_unlock(&reader->lock);
        ask(reader);
        renew(reader);
        retry_ms = next_retry(retry_ms, reader->found.code);
        pthread_mutex_lock(&reader->lock);
        reader->full = true;
        reader->ready(reader->ready_arg);
        wait_taken(reader);
        wait_pace(reader, retry_ms);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

static int start_thread(struct watermarks *reader, char error[KAFKA_MAX_ERROR])
{
    int failed = pthread_create(&reader->thread, NULL, watermarks_main, reader);
    if (failed) {
        snprintf(error, KAFKA_MAX_ERROR, "no thread: %s", strerror(failed));
        return ERR_SYSTEM;
    }
    reader->running = true;
    return 0;
}

static struct watermarks *new_reader(const struct watermarks_options *options)
{
    struct watermarks *reader = calloc(1, sizeof *reader);
    char *topic = strdup(options->topic);
    if (!reader || !topic) {
        free(reader);
        free(topic);
        return NULL;
    }
    reader->topic = topic;
    reader->ready = options->ready;
    reader->ready_arg = options->ready_arg;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reader->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return reader;
}

struct watermarks *watermarks_start(const struct watermarks_options *options,
                                    char ret_error[KAFKA_MAX_ERROR])
{
    struct watermarks *reader = new_reader(options);
    if (!reader) {
        rd_kafka_conf_destroy(options->conf);
        snprintf(ret_error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    /* It assigns nothing, so it needs no group: without one librdkafka asks for no coordinator. */
    rd_kafka_conf_set(options->conf, "group.id", NULL, NULL, 0);
    kafka_read_uncommitted(options->conf);
    reader->client = client_new(options->conf, ret_error);
    if (reader->client && start_thread(reader, ret_error) == 0)
        return reader;
    watermarks_stop(reader);
    return NULL;
}

void watermarks_stop(struct watermarks *reader)
{
    if (!reader)
        return;
    if (reader->running) {
        pthread_mutex_lock(&reader->lock);
        reader->stop = true;
        pthread_cond_broadcast(&reader->moved);
        pthread_mutex_unlock(&reader->lock);
        pthread_join(reader->thread, NULL);
    }
    client_free(reader->client);
    pthread_cond_destroy(&reader->moved);
    pthread_mutex_destroy(&reader->lock);
    free(reader->topic);
    free(reader);
}

void watermarks_pace(struct watermarks *reader, uint64_t first_ms, uint64_t last_ms)
{
    pthread_mutex_lock(&reader->lock);
    reader->interval_ms = first_ms;
    reader->last_ms = last_ms;
    pthread_cond_signal(&reader->moved);
    pthread_mutex_unlock(&reader->lock);
}

const struct log_reading *watermarks_take(struct watermarks *reader)
{
    const struct log_reading *taken = NULL;
    pthread_mutex_lock(&reader->lock);
    if (reader->full) {
        reader->taken = reader->found;
        reader->full = false;
        taken = &reader->taken;
        pthread_cond_signal(&reader->moved);
    }
    pthread_mutex_unlock(&reader->lock);
    return taken;
}

void watermarks_poll(struct watermarks *reader)
{
    client_poll(reader->client);
}
