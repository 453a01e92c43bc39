/*
 * follow.h - the log, read for zones that live in it: each from its snapshot on, or from the head of the log, and then on and on.
 *
 *      own thread: snapshot -> zone, log -> queue            the loop: read(), caught_up(), lost()
 *
 * A zone is the thread's until it is told as caught up the first time, and again after lost(); in between it is the
 * loop's. What is not whole is not handed out: without a snapshot that the log goes on from, the log has to have its head.
 *
 * Threads: one of its own; all calls and callbacks are the loop's.
 */
#ifndef FRESHET_ORIGIN_FOLLOW_H
#define FRESHET_ORIGIN_FOLLOW_H

#include <event2/event.h>

#include "invalidation/changeset.h"
#include "zone/zone.h"

struct follow;

enum { FOLLOW_MAX_ERROR = 512, FOLLOW_MAX_WAITING = 4096, FOLLOW_AGAIN_S = 5 };

/* Where a zone lies, and what it was read from. */
struct follow_stand {
    int32_t partition;
    bool has_snapshot;
    int64_t snapshot_offset, snapshot_made_us; /* as in retention.h */
};

struct follow_options {
    struct event_base *base;
    const char *brokers;
    const char *updates;   /* topic */
    const char *snapshots; /* topic */
    char *const *properties;
    size_t property_count;
    struct zone *const *zones; /* borrowed; all there will be */
    size_t zone_count;
    /* A change set of the k-th zone. False: it cannot be taken, and the zone is to be read anew. */
    bool (*read)(void *arg, size_t k, const struct change_set *set, int64_t offset);
    /* All was read that the log had when follow_catch_up() was called; or when it was begun. */
    void (*caught_up)(void *arg, size_t k, const struct follow_stand *stand);
    /* It is not known any more what the zone is; `why` is one line, good inside the call. */
    void (*lost)(void *arg, size_t k, const char *why);
    void *arg;
};

/* Options are copied, what they point to is borrowed. NULL with one line in `ret_error`. */
struct follow *follow_start(const struct follow_options *options, char ret_error[FOLLOW_MAX_ERROR]);

/* Returns within about a second. NULL is fine. */
void follow_stop(struct follow *follow);

/* caught_up() is to be called once all is read that the log has now. */
void follow_catch_up(struct follow *follow, size_t k);

#endif
