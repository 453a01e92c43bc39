/*
 * snapshots.h - a thread that writes snapshots (invalidation/snapshot_topic.h), and looks how long those that are there will do.
 *
 *      main thread: this state is to be written ---> thread: writes it, waits for Kafka ---> main thread: done
 *      main thread: snapshots_judge()           <--- thread: how much of the log is still there, every few seconds
 *
 * A state is held (zone_state_hold()), so the zone goes on meanwhile. What fails is reported and tried again until it is written,
 * not wanted any more (snapshots_forget()), or the program ends.
 *
 * Where several instances take turns, a snapshot goes the way that the zone's change sets go, through the outlet of its turn
 * (parts.h): of who is not the writer any more the brokers take no part, however long he was stopped in the middle of one.
 *
 * Whether a zone needs a new one is retention.h's to say: it is due when half of what the log keeps has gone by, or much was
 * written after it; gapped when the log does not go on from it any more.
 */
#ifndef FRESHET_ORIGIN_SNAPSHOTS_H
#define FRESHET_ORIGIN_SNAPSHOTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "invalidation/log_ends.h"
#include "invalidation/retention.h"
#include "zone/zone.h"

enum { SNAPSHOTS_LOOK_MS = 2000 };

struct snapshots;

struct snapshots_options {
    struct event_base *base; /* whose thread is told */
    const char *brokers, *updates, *topic;
    char *const *properties; /* property_count of them */
    size_t property_count;
    void (*trouble)(void *arg, const char *why); /* in the thread: it tries again */
    void *arg;
};

/* Strings are borrowed. NULL with one line in `ret_error`. */
struct snapshots *snapshots_start(const struct snapshots_options *options,
                                  char ret_error[LOG_MAX_ERROR]);

/* Ends the thread; what was not written is not. NULL is fine. */
void snapshots_stop(struct snapshots *snapshots);

struct snapshots_job {
    const struct zone *zone; /* its state now is what is written */
    int32_t partition;
    int64_t offset;        /* of the log: the first change set that is not in it */
    struct outlet *outlet; /* borrowed until it is written, or snapshots_forget() */
    /* In the thread of `base`, once it is written; `made_us`: when (1970 UTC). */
    void (*done)(void *arg, int64_t offset, int64_t made_us);
    void *arg;
};

/* ERR_MEMORY. */
MUST_CHECK int snapshots_write(struct snapshots *snapshots, const struct snapshots_job *job);

/* Another program may have written some meanwhile. */
void snapshots_look_again(struct snapshots *snapshots);

/* Whoever is this `arg` wants none of his jobs to go on, nor to hear of them: what is not written is not. */
void snapshots_forget(struct snapshots *snapshots, const void *arg);

/*
 * How long the newest snapshot of a zone will do (retention.h). What is known of the log of its partition is filled into `view`, which
 * has the snapshot. False: nothing is known yet, or `snapshots` is NULL.
 */
bool snapshots_judge(struct snapshots *snapshots, int32_t partition, const struct zone *zone,
                     int64_t now_us, struct retention_view *view, struct retention_margin *ret);

struct snapshots_status {
    size_t waiting;
    uint64_t written, failed;
};
void snapshots_status(struct snapshots *snapshots, struct snapshots_status *ret);

#endif
