/*
 * recall.h - what zones are, by the log: snapshot and the rest, read by a thread while nobody else touches them.
 *
 * Messages of a zone count in its own partition, in order. A set that cannot be read, or that says it is in a snapshot
 * ("must": ["snapshot"]), makes the zone unknown until a snapshot that stands behind it; one of another publisher makes it
 * doubtful, since its primary may not know of it. A log that does not begin at its beginning, without a snapshot to go on
 * from, says too little: unknown.
 *
 * Kafka away: it tries on, and says so. Threads: recall_start() starts one, which edits the zones until it is done.
 */
#ifndef FRESHET_ORIGIN_RECALL_H
#define FRESHET_ORIGIN_RECALL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/capture.h"
#include "zone/zone.h"

enum { RECALL_MAX_ERROR = 512 };

struct recall;

struct recall_zone {
    struct zone *zone;      /* an empty one: the thread's until it is done */
    enum capture_base base; /* filled by the thread */
    int32_t partition;
    int64_t offset; /* the first message that is not in it */
    uint64_t sets;  /* that were read for it */
    bool
        has_snapshot; /* it began with one, that stands at an offset and was made then (1970 UTC) */
    int64_t snapshot_offset, snapshot_made_us;
};

struct recall_options {
    struct event_base *base;                   /* whose thread is told */
    const char *brokers, *updates, *snapshots; /* topics */
    char *const *properties;                   /* property_count of them */
    size_t property_count;
    const char *publisher;
    struct recall_zone *zones; /* borrowed until it is done or stopped */
    size_t zone_count;
    void (*done)(void *arg);                     /* in the thread of `base` */
    void (*trouble)(void *arg, const char *why); /* in its own: it tries again */
    void *arg;
};

/* NULL with one line in `ret_error`. Strings are borrowed. */
struct recall *recall_start(const struct recall_options *options, char ret_error[RECALL_MAX_ERROR]);

/* Ends the thread, within about a second where it is not done, and frees. NULL is fine. */
void recall_stop(struct recall *recall);

#endif
