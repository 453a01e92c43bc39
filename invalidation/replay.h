/*
 * replay.h - a zone as the log has it: from its snapshot, or from the head of the log, to an offset or the end.
 *
 * For tools. A change set that cannot be read is an error here: what is after it is not known (streamed.h).
 *
 * Threads: the caller's, which waits.
 */
#ifndef FRESHET_INVALIDATION_REPLAY_H
#define FRESHET_INVALIDATION_REPLAY_H

#include "invalidation/log_reader.h"
#include "invalidation/snapshot_topic.h"

struct replay_options {
    struct log_reader_options updates, snapshots;
    const uint8_t *apex; /* canonical */
    bool from_beginning; /* of the log, whatever snapshots there are */
    int64_t
        until; /* offset of the first change set that is not to be in it; -1: the end of the log as it is now */
};

/* What was read. */
struct replayed {
    struct zone *zone; /* to be freed with zone_free() */
    uint64_t log_id;
    int32_t partition;
    int64_t from;  /* the snapshot's offset, or the first of the log */
    int64_t until; /* the first change set that is not in it */
    uint64_t sets; /* taken from the log */
};

/*
 * ERR_NOT_FOUND (no such topic, no snapshot, a log that begins behind it, or ends before `until`), ERR_TIMEOUT, ERR_KAFKA, ERR_MEMORY, and
 * what changeset_parse() and snapshot_topic_load() return, with one line in `ret_error`.
 */
MUST_CHECK int replay_zone(const struct replay_options *options, struct replayed *ret,
                           char ret_error[LOG_MAX_ERROR]);

/* Where the log of a zone ends now, and whose log it is. As replay_zone(). */
MUST_CHECK int replay_end(const struct log_reader_options *updates, const uint8_t *apex,
                          struct snapshot_stand *ret, char ret_error[LOG_MAX_ERROR]);

#endif
