#include "invalidation/watermarks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ASK_MS = 450,         /* for each of a reading's two requests; a stop waits for both */
    RETRY_FIRST_MS = 100, /* pause after a failure, doubled up to the last */
    RETRY_LAST_MS = 1000,
};

struct watermarks_reader {
    rd_kafka_t *client;
    char *topic;
    void (*ready)(void *arg);
    void *ready_arg;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t moved;
    bool stop;
    bool full;               /* `found` waits to be taken */
    uint64_t interval_ms;    /* to the next reading, after a success */
    uint64_t last_ms;        /* that it is doubled up to */
    struct watermarks found; /* the thread's while not full */
    struct watermarks taken; /* the taker's */
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000};
}

static void ask(struct watermarks_reader *s)
{
    s->found.asked = now();
    s->found.error[0] = '\0';
    s->found.code = kafka_topic_ends(s->client, s->topic, ASK_MS, &s->found.ends, s->found.error);
}

static struct timespec deadline(struct mono at)
{
    return (struct timespec){.tv_sec = (time_t)(at.ms / 1000),
                             .tv_nsec = (long)(at.ms % 1000) * 1000000};
}

/* With the lock held: until the watermarks were taken. */
static void wait_taken(struct watermarks_reader *s)
{
    while (s->full && !s->stop)
        pthread_cond_wait(&s->moved, &s->lock);
}

/* With the lock held: the pace may change while we wait for it. */
static void wait_pace(struct watermarks_reader *s, uint64_t retry_ms)
{
    const struct mono since = now();
    while (!s->stop) {
        const uint64_t wait_ms = retry_ms > 0 ? retry_ms : s->interval_ms;
        const struct mono until = mono_add(since, wait_ms);
        if (mono_reached(now(), until))
            break;
        const struct timespec t = deadline(until);
        pthread_cond_timedwait(&s->moved, &s->lock, &t);
    }
    if (retry_ms == 0)
        s->interval_ms = s->interval_ms * 2 < s->last_ms ? s->interval_ms * 2 : s->last_ms;
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
    struct watermarks_reader *s = arg;
    uint64_t retry_ms = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        pthread_mutex_unlock(&s->lock);
        ask(s);
        retry_ms = next_retry(retry_ms, s->found.code);
        pthread_mutex_lock(&s->lock);
        s->full = true;
        s->ready(s->ready_arg);
        wait_taken(s);
        wait_pace(s, retry_ms);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_thread(struct watermarks_reader *s, char error[KAFKA_MAX_ERROR])
{
    int failed = pthread_create(&s->thread, NULL, watermarks_main, s);
    if (failed) {
        snprintf(error, KAFKA_MAX_ERROR, "no thread: %s", strerror(failed));
        return ERR_SYSTEM;
    }
    s->running = true;
    return 0;
}

static struct watermarks_reader *new_reader(const struct watermarks_options *options)
{
    struct watermarks_reader *s = calloc(1, sizeof *s);
    char *topic = strdup(options->topic);
    if (!s || !topic) {
        free(s);
        free(topic);
        return NULL;
    }
    s->topic = topic;
    s->ready = options->ready;
    s->ready_arg = options->ready_arg;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return s;
}

struct watermarks_reader *watermarks_start(const struct watermarks_options *options,
                                           char ret_error[KAFKA_MAX_ERROR])
{
    struct watermarks_reader *s = new_reader(options);
    if (!s) {
        rd_kafka_conf_destroy(options->conf);
        snprintf(ret_error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    /* It assigns nothing, so it needs no group: without one librdkafka asks for no coordinator. */
    rd_kafka_conf_set(options->conf, "group.id", NULL, NULL, 0);
    s->client = kafka_client_new(RD_KAFKA_CONSUMER, options->conf, ret_error);
    if (s->client && start_thread(s, ret_error) == 0)
        return s;
    watermarks_stop(s);
    return NULL;
}

void watermarks_stop(struct watermarks_reader *s)
{
    if (!s)
        return;
    if (s->running) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_broadcast(&s->moved);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    if (s->client)
        rd_kafka_destroy_flags(s->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    free(s->topic);
    free(s);
}

void watermarks_pace(struct watermarks_reader *s, uint64_t first_ms, uint64_t last_ms)
{
    pthread_mutex_lock(&s->lock);
    s->interval_ms = first_ms;
    s->last_ms = last_ms;
    pthread_cond_signal(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

const struct watermarks *watermarks_take(struct watermarks_reader *s)
{
    const struct watermarks *taken = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->full) {
        s->taken = s->found;
        s->full = false;
        taken = &s->taken;
        pthread_cond_signal(&s->moved);
    }
    pthread_mutex_unlock(&s->lock);
    return taken;
}

void watermarks_poll(struct watermarks_reader *s)
{
    rd_kafka_poll(s->client, 0);
}
