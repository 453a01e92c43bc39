/*
 * number.h - what is counted, each number once: its name in the status, that of its metric, and what it means.
 *
 * A program has tables of them (struct numbers), and rows of uint64_t that it fills; from a table and a row come the
 * status (JSON), the metrics (page.h), and a line in the log when what counts a limit has grown.
 */
#ifndef FRESHET_DAEMON_NUMBER_H
#define FRESHET_DAEMON_NUMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number {
    const char *name; /* in the status */
    const char *
        metric; /* without "freshet_"; a counter if it ends in "_total", else a gauge; NULL: none */
    const char *help;  /* one sentence */
    size_t offset;     /* of a uint64_t in its row */
    const char *limit; /* said in the log when it grows once a second; NULL: it is no limit */
    bool trifle;       /* anyone can cause it, and nobody is the worse off: said at level debug */
};

struct numbers {
    const struct number *list;
    size_t count;
};

static inline uint64_t number_in(const struct number *number, const void *row)
{
    return *(const uint64_t *)((const char *)row + number->offset);
}

/* Adds those of a row that have a name to an object. */
void numbers_to_json(const struct numbers *numbers, const void *row, json_t *object);

/* Whose row it is: "tier=os" in a log line. */
struct number_owner {
    const char *kind, *name; /* NULL: nobody's in particular */
};

/* Logs those numbers of a row that have a limit and have grown, then makes `before` what `now` is; both have `size` bytes. */
void numbers_tell(const struct numbers *numbers, struct number_owner owner, const void *now,
                  void *before, size_t size);

#endif
