/*
 * report.h - what the checker says: JSON objects on stdout, one on each line.
 *
 *     {"type":"ready", ...}        the tiers are up and warm; the run begins
 *     {"type":"second", ...}       each second of the run
 *     {"type":"mark", ...}         what was told it on stdin, as it was done
 *     {"type":"violation", ...}    each violation, the first TRACES_MAX of each kind and tier
 *     {"type":"result", ...}       at the end
 */
#ifndef FRESHET_CHECKER_REPORT_H
#define FRESHET_CHECKER_REPORT_H

#include "bench/common/authority.h"
#include "bench/checker/judge.h"
#include "bench/checker/log.h"
#include "bench/checker/options.h"

enum { TRACES_MAX = 20 };

struct report {
    const struct options *options;
    const struct history *history;
    const struct zone *zone;
    const struct authority *authority;
    struct log *log;
    struct tier *tiers;
    int64_t began_us;           /* times are told from here */
    int64_t measured_us;        /* RUN and DRAIN */
    uint64_t authority_queries; /* in that time */
    struct histogram late;      /* how late a steady query or a change was, by its schedule */
    struct histogram acked;     /* from publish to acknowledgement or consumer: readable */
    unsigned traced[TIERS_MAX][OFFENCE_COUNT];
};

void report_ready(struct report *report);
void report_second(struct report *report, unsigned second);
void report_mark(struct report *report, const char *text);

/* A judge's report(); `arg` is the report. */
void report_violation(void *arg, const struct trace *trace);

void report_result(struct report *report);

#endif
