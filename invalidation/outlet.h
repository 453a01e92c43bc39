/*
 * outlet.h - change sets to the topic for a program that does not wait: sent at once, and sent again until they are there.
 *
 * What is sent stays the outlet's until all in-sync replicas have it, or it is called back. A broker that is away, a send that
 * timed out, a client that librdkafka gives up: the same message, byte for byte, goes out again, so it may be there twice. The
 * order of two sets is kept only if the second is sent once the first is acknowledged: that is the caller's to see to.
 *
 * With a fence it writes to one partition, in transactions, and only as long as nobody else does (fenced.h). Once another
 * does, it is lost: what is under way may be in the log or not, and nothing goes out any more. Sets are in order then, however many
 * are under way, and are told of in order; behind one that is too large nothing has been told of, and can be taken back. Bytes
 * for another topic, the parts of a snapshot, may go the same way: from who is not the writer any more the brokers refuse those, too.
 *
 * Everything happens in the caller's thread, in outlet_poll().
 */
#ifndef FRESHET_INVALIDATION_OUTLET_H
#define FRESHET_INVALIDATION_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "invalidation/changeset.h"
#include "invalidation/publish.h"

struct outlet;
struct outlet_message;

enum { OUTLET_POLL_MS = 100 }; /* outlet_poll() is due at least this often */

/* Options as publisher_new(); `timeout_ms`: after it a send counts as lost, and is made again. NULL with one line. */
struct outlet *outlet_open(const struct publisher_options *options,
                           char ret_error[PUBLISH_MAX_ERROR]);

/* One for a partition, whose writer is called `id` by all that may come to be it. `options->timeout_ms` is a transaction's. */
struct outlet *outlet_open_fenced(const struct publisher_options *options, const char *id,
                                  int32_t partition, char ret_error[PUBLISH_MAX_ERROR]);

enum outlet_state {
    OUTLET_OPENING, /* with a fence: not the writer yet. Nothing is to be sent */
    OUTLET_OPEN,
    OUTLET_LOST, /* to be closed */
};
/* It changes in outlet_poll() or before, and then the descriptor is readable. */
enum outlet_state outlet_state(const struct outlet *outlet);

bool outlet_is_fenced(const struct outlet *outlet);

/* What the brokers know the writer's turn by; -1: not known (yet), or without a fence. */
int64_t outlet_epoch(const struct outlet *outlet);

/* What is under way is taken back, without being told. NULL is fine. */
void outlet_close(struct outlet *outlet);

/* A descriptor that is readable when outlet_poll() has something to do. */
int outlet_fd(const struct outlet *outlet);

/* Tells who has sent what has come of it, and sends again what has to be. */
void outlet_poll(struct outlet *outlet);

struct outlet_send {
    const struct change_set *set; /* not needed after the call */
    /*
     * 0: acknowledged, with where. ERR_TOO_LARGE: the broker takes no message of that size, and never will. ERR_TIMEOUT: it was
     * given up, and what was sent of it has failed: it may be in the log, but is on no way there any more. Called from
     * outlet_poll(); the message is gone then.
     */
    void (*done)(void *arg, int result, const struct publish_receipt *receipt);
    void *arg;
};

/* Returns 0 with what outlet_take_back() takes; ERR_TOO_LARGE: it will never fit; ERR_MEMORY. */
MUST_CHECK int outlet_send(struct outlet *outlet, const struct outlet_send *send,
                           struct outlet_message **ret_message);

struct outlet_bytes {
    const char *topic; /* borrowed */
    int32_t partition;
    const char *key; /* up to ENVELOPE_MAX_KEY bytes */
    size_t key_size;
    const uint8_t *value; /* NULL: a tombstone */
    size_t value_size;
    void (*done)(void *arg, int result,
                 const struct publish_receipt *receipt); /* as that of a set */
    void *arg;
};

/* The same of other bytes, which are not needed after the call: with a fence only, and not counted in the status. */
MUST_CHECK int outlet_send_bytes(struct outlet *outlet, const struct outlet_bytes *bytes,
                                 struct outlet_message **ret_message);

/* It is not sent again; its sender hears of it all the same. */
void outlet_give_up(struct outlet *outlet, struct outlet_message *message);

/* Its sender does not want to hear of it any more, and it is not sent again; it may be in the log all the same. */
void outlet_take_back(struct outlet *outlet, struct outlet_message *message);

struct outlet_status {
    size_t under_way;             /* sets not acknowledged */
    uint64_t acknowledged, again; /* since the start: sets; sends made again */
    uint64_t bytes;               /* of sets acknowledged */
    const char *
        trouble; /* what the client last complained about; "" when the last send went well. Good until the next call */
};
void outlet_status(const struct outlet *outlet, struct outlet_status *ret);

#endif
