/*
 * publisher.h - one who publishes change sets, in its manner.
 *
 *     loop     publisher_publish()  --->  librdkafka  ---> broker
 *                     |                       ^   |
 *                     |  (transactions)       |   | acknowledged: logged
 *                     +---> waiting ---> thread <-+
 *
 * Without transactions a message goes out at once, and its acknowledgement says where it lies in the log
 * and that it can be read. With them, the thread takes what waits, some at a time, into a transaction and
 * commits or aborts that; what is in it is in the log once that is done.
 *
 * Threads: one of its own, in which acknowledgements come.
 */
#ifndef FRESHET_CHECKER_PUBLISHER_H
#define FRESHET_CHECKER_PUBLISHER_H

#include "bench/checker/manner.h"
#include "bench/common/history.h"
#include "bench/common/kafka.h"
#include "bench/common/wire.h"

struct publisher_options {
    const char *brokers, *topic;
    const struct manner *manner;
    const struct zone *zone;
    struct history *history;
    /* An acknowledgement says that anyone can read it: no transaction may stand before it. */
    bool readable_when_logged;
    int64_t hang_us; /* how long a transaction of a hanging one is open */
    int64_t rest_us; /* from one to the next; 0: there is one when publisher_hang_next() says so */
};

struct publisher;

/* NULL with one line in `ret_error`. */
struct publisher *publisher_open(const struct publisher_options *options,
                                 char ret_error[KAFKA_ERROR]);
void publisher_close(struct publisher *publisher);

const struct manner *publisher_manner(const struct publisher *publisher);

/* Whether it would take a change now. */
bool publisher_is_free(const struct publisher *publisher, int64_t now_us);

/* Makes a hanging one free, for one transaction that is open for so long. */
void publisher_hang_next(struct publisher *publisher, int64_t hang_us);

/* Publishes a version. False: it is not taken. */
bool publisher_publish(struct publisher *publisher, uint32_t version);

/* Sends what nobody can read, to any partition. */
bool publisher_send_garbage(struct publisher *publisher);

struct publisher_counters {
    uint64_t published, acknowledged, failed, committed, aborted;
};
struct publisher_counters publisher_count(const struct publisher *publisher);

#endif
