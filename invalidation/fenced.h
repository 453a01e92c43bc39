/*
 * fenced.h - messages to one partition, of which one program at a time is the writer: Kafka sees to that. And to partitions of
 * one more topic, behind the same fence. Private to outlet.h.
 *
 *      caller: fenced_put() --> thread: begin, all that wait, commit --> caller: fenced_get()
 *
 * The writer is who was the last to say so: a transactional producer whose name is the partition's (transactional.id). Whoever
 * was it before has nothing left under way from then on, and whatever he sends later the brokers refuse; he learns that by it.
 * So what lies in the partition when a writer is open is all there will be but for what he writes himself (and who writes
 * without this).
 *
 * Readers see what is committed, so a message counts once its transaction is. What waits meanwhile goes together, and messages lie
 * in the partition, and come back, in the order they were put: where one has to be sent again, so have those behind it.
 *
 * Threads: one of its own; all calls are the caller's.
 */
#ifndef FRESHET_INVALIDATION_FENCED_H
#define FRESHET_INVALIDATION_FENCED_H

#include "invalidation/envelope.h"

struct fenced;

struct fenced_options {
    struct kafka_settings kafka; /* what it points to is borrowed, as all below */
    const char *topic;
    const char *id; /* the writer's name: the same for all that may come to be it */
    int32_t partition;
    int timeout_ms; /* for a transaction; one that hangs for longer the brokers end */
    int fd; /* an eventfd, written to when fenced_get() or fenced_state() has something new */
};

/* Does not wait for a connection. NULL with one line in `ret_error`. */
struct fenced *fenced_open(const struct fenced_options *options, char ret_error[KAFKA_MAX_ERROR]);

/* Ends it; what is under way is ended first if that can be done within half a second. NULL is fine. */
void fenced_close(struct fenced *fenced);

enum fenced_state {
    FENCED_OPENING,
    FENCED_OPEN,
    FENCED_LOST, /* another is the writer, or it cannot be said what became of a transaction: to be closed */
};
enum fenced_state fenced_state(struct fenced *fenced);

/* The envelope, of whichever topic, is borrowed until `opaque` comes back. ERR_MEMORY. */
MUST_CHECK int fenced_put(struct fenced *fenced, const struct envelope *envelope, void *opaque);

struct fenced_result {
    void *opaque;
    rd_kafka_resp_err_t code; /* 0: it is committed, at: */
    int64_t offset;
    size_t size;
};
/*
 * The next that is done; false: none. In FENCED_LOST all come back, and it is not known what is in the log. After one that is to be
 * sent again, or is too large, all that was put comes back for that until there is none.
 */
bool fenced_get(struct fenced *fenced, struct fenced_result *ret);

/* The epoch that the brokers know it by; -1: not known yet. And what it last complained about. */
int64_t fenced_epoch(struct fenced *fenced);
void fenced_trouble(struct fenced *fenced, char ret[KAFKA_MAX_TROUBLE]);

#endif
