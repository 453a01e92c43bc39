/*
 * retention.h - whether a snapshot is new enough: the log has to go on from it, now and until the next one is there.
 *
 *      log:  first ........ offset of the snapshot ........ end
 *              \__ goes ___/                       \___ what whoever starts has to read
 *
 * A message goes no earlier than `retention_ms` after it was written, and what comes after a snapshot was written after
 * that was made: so until then it is sure. Where the log is bounded by size, nobody knows when; what is left between its first message and
 * the snapshot is all there is to go by.
 *
 * Pure: what was looked up is an argument, as is the time.
 */
#ifndef FRESHET_INVALIDATION_RETENTION_H
#define FRESHET_INVALIDATION_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#define RETENTION_UNBOUNDED INT64_MAX

/* The log of a zone, its partition of the topic of updates, and the newest whole snapshot. */
struct retention_view {
    int64_t first, end;      /* offsets: the earliest that is there, the next that will be */
    int64_t retention_ms;    /* of the topic; -1: for ever. RETENTION_UNKNOWN: could not be read */
    int64_t retention_bytes; /* of a partition; -1: any number. Likewise */
    bool has_snapshot;
    int64_t offset;   /* of the first change set that is not in it */
    int64_t made_us;  /* when it was made */
    uint64_t records; /* of the zone */
    int64_t now_us;
};

#define RETENTION_UNKNOWN INT64_MIN

enum retention_verdict {
    RETENTION_FINE,
    RETENTION_DUE, /* a new one should be written: half of the margin is gone, or there is much to read after it */
    RETENTION_GAPPED, /* the log begins after it, or there is none: whoever starts now cannot have the zone */
};

struct retention_margin {
    enum retention_verdict verdict;
    int64_t
        ms; /* so long it is sure to do; RETENTION_UNBOUNDED: as far as time goes, for ever. Below 0: it may go any moment */
    int64_t messages; /* so many may go before it does not do any more; below 0: it is gapped */
    int64_t behind;   /* messages after it */
};

struct retention_margin retention_judge(const struct retention_view *view);

const char *retention_verdict_text(enum retention_verdict verdict); /* "fine", "due", "gapped" */

#endif
