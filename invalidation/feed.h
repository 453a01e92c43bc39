/*
 * feed.h - the subscription: one thread that reads the topic of change sets and applies them.
 *
 *     brokers --> watermarks.c   how long is the log, is it the same? --> liveness.c   is anything missed?
 *        |
 *        +------> feed.c         messages, as they come or delayed.c --> intake.c   one message
 *
 *   COLD      no position in the log yet: brokers unreachable, or the topic does not exist
 *   CATCHUP   a position is assigned, its end has not been reached, or not within the lease
 *   LIVE      every partition was read to its end, as proven within the lease
 *   LOST      the brokers are gone; positions are kept
 *
 * liveness.h says what leads from one to another and what the proof is; the feed does what it asks for.
 * While not LIVE the tiers are plain TTL caches.
 *
 * A cache needs no history, so there is no consumer group: every partition is assigned by hand.
 * Order matters when going from COLD to CATCHUP: first it is known where to start, the end of what
 * is committed; then all subscribed zones are invalidated, then consuming starts there. Whatever
 * was cached before, in ignorance, is gone; whatever is fetched after is covered by the log from
 * there on. A gap goes back to COLD and through the same order. The first time a little of what
 * lies before is read all the same, the messages of the last `settle`: what they changed may not
 * have reached every authoritative server yet, so it counts as changed now. They are neither
 * installed nor counted.
 *
 * A client that gets nowhere while the brokers answer another, or that knew a log which is another one now, is given up
 * for a new one (renewal.h, client.h).
 *
 * A message that cannot be applied invalidates its zone (P9, intake.h). It is counted by reason and
 * reported at most once per reason and second; the feed goes on.
 *
 * Threads: feed_start() starts one; the other calls may come from any thread.
 */
#ifndef FRESHET_INVALIDATION_FEED_H
#define FRESHET_INVALIDATION_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/histogram.h"
#include "invalidation/apply.h"
#include "invalidation/apply_log.h"
#include "invalidation/feed_state.h"
#include "invalidation/log_ends.h"
#include "invalidation/position.h"
#include "invalidation/streamed.h"

enum feed_severity { FEED_ERROR, FEED_WARNING, FEED_INFO, FEED_DEBUG };

struct feed;

struct feed_options {
    const char *brokers;
    const char *topic;
    char *const *properties; /* "name=value" for librdkafka, property_count of them */
    size_t property_count;
    uint64_t lease_ms;
    uint64_t settle_ms;          /* what changed so long before the start settles as well */
    struct applier *applier;     /* borrowed */
    struct positions *positions; /* borrowed: kept up to date, for tiers above and below */
    struct streamed
        *streamed; /* borrowed: takes each set before it is marked. NULL: no zone is streamed */
    /* A simulated distance, for experiments (delayed.h): messages are applied that much later. */
    uint64_t delay_ms;
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of a million come late */
    /* Called from the feed's thread; `text` is one line of key=value pairs without a newline. */
    void (*report)(void *arg, enum feed_severity severity, const char *text);
    void *report_arg;
};

enum { FEED_ERROR_KINDS = 32 };

struct feed_position {
    int32_t partition;
    int64_t offset; /* next to be applied */
    int64_t end;    /* where the log was last seen to end; -1: not yet */
};

struct feed_status {
    enum feed_state state;
    char reason[FEED_MAX_ERROR]; /* why it is not LIVE; "" when it is */
    uint64_t applied;            /* change sets applied */
    uint64_t ignored;            /* for zones that are not ours */
    uint64_t installed;          /* answers replaced in place */
    uint64_t marked;             /* scopes marked */
    uint64_t resets;             /* times the position was taken anew and all zones invalidated */
    uint64_t renewed;            /* clients of Kafka given up for new ones */
    uint64_t refused[FEED_ERROR_KINDS]; /* by -enum error */
    int64_t last_apply_us;     /* the newest change set took so long to apply; -1: none yet */
    int64_t last_delay_us;     /* its age when applied, by its "time" and this host's clock */
    char hosts[LOG_MAX_HOSTS]; /* what the brokers last called themselves, separated by commas */
    struct histogram_sum applying, ages; /* of all that were applied: both as above */
    size_t partition_count;
    struct feed_position positions[LOG_MAX_PARTITIONS];
};

/* Messages of a partition that are in the log, as far as is known, and not applied. */
static inline int64_t feed_lag(const struct feed_position *position)
{
    return position->end > position->offset ? position->end - position->offset : 0;
}

/*
 * Starts the thread. Unreachable brokers are not an error (it keeps trying); a property librdkafka
 * does not know is: NULL with one line in `ret_error`. Options are copied.
 */
struct feed *feed_start(const struct feed_options *options, char ret_error[FEED_MAX_ERROR]);

/*
 * Whether feed_start() would refuse these properties, and the files they name. Connects to nobody. ERR_OK, or another
 * with one line in `ret_error`, and in `ret_property` the index of the one refused, or `property_count`.
 */
MUST_CHECK int feed_check(const struct feed_options *options, size_t *ret_property,
                          char ret_error[FEED_MAX_ERROR]);

/* Whether the value of a "name=value" of librdkafka is for nobody's eyes, by its name: a password, a key. */
bool feed_property_is_secret(const char *property);

/* Stops the thread and frees the feed; returns within about a second. NULL is fine. */
void feed_stop(struct feed *feed);

void feed_status(struct feed *feed, struct feed_status *ret);

/* How the change sets after the `after`-th were applied; see apply_log_after(). */
size_t feed_apply_log(struct feed *feed, uint64_t after,
                      struct applied_set ret_sets[APPLY_LOG_MOST], uint64_t *ret_first);

#endif
