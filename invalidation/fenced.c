#include "invalidation/fenced.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum {
    CALL_MS = 500,
    IDLE_MS = 100,
    LEARN_MS = 300,
    /*
     * The brokers wind a transaction up after they have said that it is committed. One that begins sooner they refuse, and
     * librdkafka waits for 20 ms before it asks again.
     */
    WIND_UP_US = 3000,
};

struct part {
    struct part *prev, *next;
    const struct envelope *envelope;
    struct fenced_result result;
};

struct fenced {
    struct fenced_options options;
    rd_kafka_t *client;
    rd_kafka_topic_t *beside; /* the other topic, once there was something for it */
    pthread_t thread;
    int wake; /* an eventfd: there is something to do */
    atomic_bool stop;
    atomic_llong epoch;
    pthread_mutex_t lock; /* over all below */
    enum fenced_state state;
    struct part *waiting, *done;
    bool
        unwinding; /* some of `done` are to be sent again: what was put since goes back as well, as they are in order */
    size_t
        one_by_one; /* so many each in a transaction of its own, after one was taken back for the sake of any of them */
    char trouble[KAFKA_MAX_TROUBLE];
};

static void tell(int fd)
{
    const uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

static void set_state(struct fenced *fenced, enum fenced_state state)
{
    pthread_mutex_lock(&fenced->lock);
    fenced->state = state;
    pthread_mutex_unlock(&fenced->lock);
    tell(fenced->options.fd);
}

/* ---- what librdkafka tells, in the thread ---- */

static void note(struct fenced *fenced, int code, const char *reason)
{
    pthread_mutex_lock(&fenced->lock);
    kafka_note_trouble(fenced->trouble, code, reason);
    pthread_mutex_unlock(&fenced->lock);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    note(arg, code, reason);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client, (void)arg;
    struct part *part = message->_private;
    part->result.code = message->err;
    part->result.offset = message->offset;
    part->result.size = message->len;
}

/* Its statistics are where librdkafka says what the epoch is (its STATISTICS.md, "eos"). */
static int on_statistics(rd_kafka_t *client, char *json, size_t size, void *arg)
{
    (void)client, (void)size;
    struct fenced *fenced = arg;
    static const char key[] = "\"producer_epoch\":";
    const char *found = strstr(json, key);
    if (found)
        atomic_store(&fenced->epoch, strtoll(found + sizeof key - 1, NULL, 10));
    return 0;
}

/* ---- the thread ---- */

enum outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_ABORT, OUTCOME_LOST };

/* What is to be done after a call. */
static enum outcome judge(struct fenced *fenced, rd_kafka_error_t *error)
{
    enum outcome outcome = OUTCOME_DONE;
    if (!error)
        return outcome;
    if (rd_kafka_error_is_fatal(error))
        outcome = OUTCOME_LOST;
    else if (rd_kafka_error_txn_requires_abort(error))
        outcome = OUTCOME_ABORT;
    else
        outcome = rd_kafka_error_is_retriable(error) ? OUTCOME_AGAIN : OUTCOME_LOST;
    note(fenced, rd_kafka_error_code(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return outcome;
}

static bool become_writer(struct fenced *fenced)
{
    enum outcome outcome = OUTCOME_AGAIN;
    while (outcome == OUTCOME_AGAIN && !fenced->stop)
        outcome = judge(fenced, rd_kafka_init_transactions(fenced->client, CALL_MS));
    /* left alone, librdkafka looks for the leader once a second */
    if (outcome == OUTCOME_DONE)
        kafka_learn_topic(fenced->client, fenced->options.topic, LEARN_MS);
    return outcome == OUTCOME_DONE;
}

static enum outcome commit(struct fenced *fenced)
{
    enum outcome outcome = OUTCOME_AGAIN;
    while (outcome == OUTCOME_AGAIN && !fenced->stop)
        outcome = judge(fenced, rd_kafka_commit_transaction(fenced->client, CALL_MS));
    return outcome == OUTCOME_AGAIN ? OUTCOME_LOST : outcome;
}

static enum outcome take_back(struct fenced *fenced)
{
    enum outcome outcome = OUTCOME_AGAIN;
    while (outcome == OUTCOME_AGAIN && !fenced->stop)
        outcome = judge(fenced, rd_kafka_abort_transaction(fenced->client, CALL_MS));
    return outcome == OUTCOME_DONE ? OUTCOME_AGAIN : OUTCOME_LOST;
}

/* Before the first message to another topic. */
static void meet(struct fenced *fenced, const char *topic)
{
    if (!topic || fenced->beside)
        return;
    fenced->beside = kafka_compressed_topic(fenced->client, topic, &fenced->options.kafka);
    kafka_learn_topic(fenced->client, topic, LEARN_MS);
}

/* Hands them to librdkafka, up to the first that it does not take, which is returned; NULL: all. */
static struct part *produce(struct fenced *fenced, struct part *parts)
{
    struct part *part;
    DL_FOREACH (parts, part) {
        part->result.code = RD_KAFKA_RESP_ERR__IN_PROGRESS;
        meet(fenced, part->envelope->topic);
        const rd_kafka_resp_err_t code = envelope_send_to(
            part->envelope, fenced->client, fenced->options.topic, fenced->options.partition, part);
        if (code) {
            part->result.code = code;
            return part;
        }
    }
    return NULL;
}

/* What was not committed is to be sent again; `but_large`: unless no broker takes it. */
static void spoil(struct part *parts, bool but_large)
{
    for (struct part *part = parts; part; part = part->next)
        if (!but_large || part->result.code != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            part->result.code = RD_KAFKA_RESP_ERR__RETRY;
}

/* One transaction of these, up to the first that cannot be sent; `ret_left`: that one and those behind it, which are spoilt. */
static enum outcome transact(struct fenced *fenced, struct part *parts, struct part **ret_left)
{
    *ret_left = parts;
    enum outcome outcome = judge(fenced, rd_kafka_begin_transaction(fenced->client));
    if (outcome == OUTCOME_DONE) {
        struct part *left = produce(fenced, parts);
        outcome = commit(fenced);
        if (outcome == OUTCOME_DONE)
            *ret_left = left;
    }
    if (outcome == OUTCOME_ABORT)
        outcome = take_back(fenced);
    spoil(*ret_left,
          outcome == OUTCOME_DONE || !parts->next); /* among several it may be another's fault */
    return outcome;
}

/* What goes into the next transaction. */
static struct part *take_waiting(struct fenced *fenced)
{
    pthread_mutex_lock(&fenced->lock);
    struct part *parts = fenced->unwinding ? NULL : fenced->waiting;
    if (parts && fenced->one_by_one > 0) {
        DL_DELETE(fenced->waiting, parts);
        parts->prev = parts;
        parts->next = NULL;
        fenced->one_by_one--;
    } else if (parts) {
        fenced->waiting = NULL;
    }
    pthread_mutex_unlock(&fenced->lock);
    return parts;
}

static void hand_back(struct fenced *fenced, struct part *parts, const struct part *left,
                      enum outcome outcome)
{
    struct part *part;
    size_t count = 0;
    pthread_mutex_lock(&fenced->lock);
    if (outcome == OUTCOME_LOST)
        fenced->state = FENCED_LOST;
    else if (outcome == OUTCOME_DONE)
        fenced->trouble[0] = '\0';
    else
        DL_COUNT(parts, part, count);
    fenced->one_by_one += count;
    fenced->unwinding = left != NULL;
    DL_CONCAT(fenced->done, parts);
    pthread_mutex_unlock(&fenced->lock);
    tell(fenced->options.fd);
}

static void serve(struct fenced *fenced)
{
    struct part *left, *parts;
    while (!fenced->stop && (parts = take_waiting(fenced))) {
        const enum outcome outcome = transact(fenced, parts, &left);
        hand_back(fenced, parts, left, outcome);
        if (outcome != OUTCOME_DONE)
            return;
        usleep(WIND_UP_US);
    }
}

static void rest(struct fenced *fenced)
{
    uint64_t signals;
    struct pollfd wake = {.fd = fenced->wake, .events = POLLIN};
    if (poll(&wake, 1, IDLE_MS) > 0)
        (void)!read(fenced->wake, &signals, sizeof signals);
    while (rd_kafka_poll(fenced->client, 0) > 0)
        continue;
    if (rd_kafka_fatal_error(fenced->client, NULL, 0))
        set_state(fenced, FENCED_LOST);
}

static void *run(void *arg)
{
    struct fenced *fenced = arg;
    set_state(fenced, become_writer(fenced) ? FENCED_OPEN : FENCED_LOST);
    while (!fenced->stop && fenced_state(fenced) == FENCED_OPEN) {
        rest(fenced);
        serve(
            fenced); /* after a loss nothing is polled: what comes late is of parts that went back */
    }
    return NULL;
}

/* ---- the caller ---- */

enum fenced_state fenced_state(struct fenced *fenced)
{
    pthread_mutex_lock(&fenced->lock);
    const enum fenced_state state = fenced->state;
    pthread_mutex_unlock(&fenced->lock);
    return state;
}

int fenced_put(struct fenced *fenced, const struct envelope *envelope, void *opaque)
{
    struct part *part = calloc(1, sizeof *part);
    if (!part)
        return ERR_MEMORY;
    part->envelope = envelope;
    part->result.opaque = opaque;
    pthread_mutex_lock(&fenced->lock);
    DL_APPEND(fenced->waiting, part);
    pthread_mutex_unlock(&fenced->lock);
    tell(fenced->wake);
    return 0;
}

bool fenced_get(struct fenced *fenced, struct fenced_result *ret)
{
    pthread_mutex_lock(&fenced->lock);
    if (fenced->state == FENCED_LOST || fenced->unwinding) {
        spoil(fenced->waiting, false);
        DL_CONCAT(fenced->done, fenced->waiting);
        fenced->waiting = NULL;
    }
    struct part *part = fenced->done;
    if (part)
        DL_DELETE(fenced->done, part);
    else
        fenced->unwinding = false;
    pthread_mutex_unlock(&fenced->lock);
    if (!part)
        return false;
    *ret = part->result;
    free(part);
    return true;
}

int64_t fenced_epoch(struct fenced *fenced)
{
    return atomic_load(&fenced->epoch);
}

void fenced_trouble(struct fenced *fenced, char ret[KAFKA_MAX_TROUBLE])
{
    pthread_mutex_lock(&fenced->lock);
    memcpy(ret, fenced->trouble, KAFKA_MAX_TROUBLE);
    pthread_mutex_unlock(&fenced->lock);
}

static rd_kafka_t *make_client(struct fenced *fenced, char error[KAFKA_MAX_ERROR])
{
    char timeout[16];
    const struct fenced_options *options = &fenced->options;
    snprintf(timeout, sizeof timeout, "%d", options->timeout_ms);
    rd_kafka_conf_t *conf = kafka_producer_conf(&options->kafka, options->timeout_ms, error);
    if (!conf)
        return NULL;
    if (rd_kafka_conf_set(conf, "transactional.id", options->id, error, KAFKA_MAX_ERROR) ||
        rd_kafka_conf_set(conf, "transaction.timeout.ms", timeout, error, KAFKA_MAX_ERROR) ||
        rd_kafka_conf_set(conf, "socket.timeout.ms", timeout, error, KAFKA_MAX_ERROR) ||
        rd_kafka_conf_set(conf, "statistics.interval.ms", "1000", error, KAFKA_MAX_ERROR)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    rd_kafka_conf_set_opaque(conf, fenced);
    return kafka_client_new(RD_KAFKA_PRODUCER, conf, error);
}

static void free_parts(struct part *parts)
{
    struct part *part, *next;
    DL_FOREACH_SAFE (parts, part, next)
        free(part);
}

static void destroy(struct fenced *fenced)
{
    if (fenced->client) {
        rd_kafka_purge(fenced->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        if (fenced->beside)
            rd_kafka_topic_destroy(fenced->beside);
        rd_kafka_destroy(fenced->client);
    }
    free_parts(fenced->waiting);
    free_parts(fenced->done);
    if (fenced->wake >= 0)
        close(fenced->wake);
    pthread_mutex_destroy(&fenced->lock);
    free(fenced);
}

struct fenced *fenced_open(const struct fenced_options *options, char ret_error[KAFKA_MAX_ERROR])
{
    struct fenced *fenced = calloc(1, sizeof *fenced);
    snprintf(ret_error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!fenced)
        return NULL;
    fenced->options = *options;
    fenced->epoch = -1;
    fenced->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&fenced->lock, NULL);
    fenced->client = fenced->wake >= 0 ? make_client(fenced, ret_error) : NULL;
    if (fenced->client && pthread_create(&fenced->thread, NULL, run, fenced) == 0)
        return fenced;
    destroy(fenced);
    return NULL;
}

void fenced_close(struct fenced *fenced)
{
    if (!fenced)
        return;
    fenced->stop = true;
    tell(fenced->wake);
    pthread_join(fenced->thread, NULL);
    destroy(fenced);
}
