/*
 * report.h - the lines a feed reports: a text as a value in them, and not the same complaint a thousand times a second.
 *
 * Threads: the caller's.
 */
#ifndef FRESHET_INVALIDATION_REPORT_H
#define FRESHET_INVALIDATION_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/stamp.h"

enum { LIMITER_SPACING_MS = 1000, REPORT_MAX_QUOTED = 400 };

/* A value of key=value: in quotes, printable ASCII, cut when long. Returns `ret_quoted`. */
const char *report_quote(const char *text, char ret_quoted[REPORT_MAX_QUOTED]);

/* At most one report of a kind per second; the rest is counted. */
struct limiter {
    struct mono next;
    uint64_t suppressed;
};

/* Whether to report now; then `ret_suppressed` says how many were not since the last one. */
static inline bool limiter_lets(struct limiter *limiter, struct mono now, uint64_t *ret_suppressed)
{
    if (!mono_reached(now, limiter->next)) {
        limiter->suppressed++;
        return false;
    }
    *ret_suppressed = limiter->suppressed;
    *limiter = (struct limiter){.next = mono_add(now, LIMITER_SPACING_MS)};
    return true;
}

#endif
