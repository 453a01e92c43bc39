/*
 * witness.h - whether the log is still the one it was, when its name, its partitions and its ends
 * say so.
 *
 * A topic that is deleted, made anew and grown past our position between two looks at its ends
 * looks like the old one: librdkafka 2.0 shows neither the topic's id nor the leader's epoch. But
 * what lies in a log never changes, so a question about its past always has the same answer. The
 * question: which message of a partition is the first with a time stamp of t or later? Asked at t,
 * with the partition ending at e, the answer is "none yet", or one at an offset that is known from
 * then on:
 *
 *     below `below`, no message of `partition` has a time stamp of `time_ms` or later
 *
 * holds for ever in that log, whatever is appended or expires. A log made later starts at 0 with
 * messages that are all younger. So either it ends below ours, which shows by itself, or it has
 * such a message and this does not hold. One partition is enough: all of a topic are made anew
 * together.
 *
 * What cannot be seen: a new log whose messages before `below` all claim to be older than the old
 * log's witness (copied with their time stamps, or by publishers whose clocks are behind; or our
 * clock was ahead at the asking); and one made anew before anything was in it to ask about. Nor
 * does it show what a leader lost in an unclean election when as much came in its place before the
 * next look; librdkafka from 2.1 on tells that by itself, as an offset out of range.
 *
 * No Kafka and no clock: the questions are the caller's to ask.
 *
 *     log changed?   witness_question() -> ask -> witness_answer()
 *     none yet?      witness_wish() -> ask -> witness_learn()
 */
#ifndef FRESHET_INVALIDATION_WITNESS_H
#define FRESHET_INVALIDATION_WITNESS_H

#include <stdbool.h>

#include "invalidation/log_ends.h"

enum { WITNESS_NONE = -1 }; /* the answer when there is no such message */

/* For the first message of `partition` with a time stamp of `time_ms` (since 1970) or later. */
struct witness_question {
    int32_t partition;
    int64_t time_ms;
};

/* Zero-initialise. */
struct witness {
    bool known;
    struct witness_question question;
    int64_t below;
    size_t count; /* of partitions, and the log's id when it was learnt */
    uint64_t log_id;
    size_t turn; /* which partition to try next */
};

/* Whether there is something to ask of the log that ends there. What is known of another is forgotten. */
bool witness_question(struct witness *witness, const struct log_ends *ends,
                      struct witness_question *ret);

/* The offset that the broker answered. False: it is another log; the witness is forgotten. */
bool witness_answer(struct witness *witness, int64_t first);

/* Whether a witness is to be learnt, at the time of day `wall_ms`. The ends were asked for before. */
bool witness_wish(const struct witness *witness, const struct log_ends *ends, int64_t wall_ms,
                  struct witness_question *ret);

/* The answer to a wish. Of no use when it is the partition's first message: another is tried the next time. */
void witness_learn(struct witness *witness, const struct log_ends *ends,
                   const struct witness_question *question, int64_t first);

#endif
