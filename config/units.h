/*
 * units.h - numbers with a unit, from text and back.
 *
 *   "64MiB"  ->  67108864 bytes         86400000 ms  ->  "1d"
 *
 * A unit is always written: a bare "5" next to a key called `lease` could be seconds or
 * milliseconds, so it is refused. Only a duration of "0" needs none. One space before the unit is
 * fine; signs and hexadecimal are not, and fractions only of percentages.
 */
#ifndef FRESHET_CONFIG_UNITS_H
#define FRESHET_CONFIG_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNITS_MAX_TEXT = 32 }; /* bytes units_format() needs */

enum units_result {
    UNITS_OK,
    UNITS_WRONG,    /* not a number with one of the units */
    UNITS_MISSING,  /* a number, but no unit */
    UNITS_OVERFLOW, /* beyond 64 bits */
};

struct unit {
    const char *name;
    uint64_t factor; /* in the base unit */
};

struct units {
    const char *what;        /* "a size" */
    const char *expected;    /* "a number with B, KiB, MiB or GiB"; NULL: the range says it */
    const char *zero;        /* how nothing is written: "0s" */
    bool bare_zero;          /* "0" needs no unit */
    unsigned decimals;       /* digits that may follow a point; the base unit holds the last */
    const struct unit *list; /* formatting takes the first that divides; ends with name NULL */
};

extern const struct units units_none;      /* a plain number */
extern const struct units units_durations; /* base: the millisecond */
extern const struct units units_sizes;     /* base: the byte */
extern const struct units units_shares;    /* percentages; base: one in a million */

/* Parses all of `text`. `ret_value` is in the base unit. */
enum units_result units_parse(const struct units *units, const char *text, uint64_t *ret_value);

/* Writes `value` (base unit) in a form that units_parse() takes. Returns `ret_text`. */
const char *units_format(const struct units *units, uint64_t value, char ret_text[UNITS_MAX_TEXT]);

#endif
