/*
 * streamed_load.h - a thread that makes streamed zones whole: snapshot, rest of the log, join with the feed (streamed.h).
 *
 * While some zone is not whole it follows the topic of snapshots, so a newer one is tried as soon as it is there. When all
 * are, it reads nothing.
 *
 * Of a zone's whole snapshots it takes the newest that is of this log and of the zone's partition in it as that is divided now,
 * from which the log still goes on. What is not used is named in the log and in the zone's reason.
 *
 * Threads: streamed_load_start() starts one.
 */
#ifndef FRESHET_INVALIDATION_STREAMED_LOAD_H
#define FRESHET_INVALIDATION_STREAMED_LOAD_H

#include "invalidation/feed.h"
#include "invalidation/streamed.h"

struct streamed_load;

struct streamed_load_options {
    const char *brokers;
    const char *updates;   /* topic */
    const char *snapshots; /* topic */
    char *const *properties;
    size_t property_count;
    struct streamed *streamed; /* borrowed */
    /* Called from the thread; `text` is one line of key=value pairs without a newline. */
    void (*report)(void *arg, enum feed_severity severity, const char *text);
    void *report_arg;
};

/* Options are copied. NULL with one line in `ret_error`. */
struct streamed_load *streamed_load_start(const struct streamed_load_options *options,
                                          char ret_error[FEED_MAX_ERROR]);

/* Returns within about a second. NULL is fine. Before streamed_free(). */
void streamed_load_stop(struct streamed_load *load);

#endif
