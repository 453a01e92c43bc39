#include "config/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct units units_none = {
    .what = "a number",
    .zero = "0",
    .list = (const struct unit[]){{"", 1}, {NULL, 0}},
};

const struct units units_durations = {
    .what = "a duration",
    .expected = "a number with ms, s, m, h, d or w",
    .zero = "0s",
    .bare_zero = true,
    .list = (const struct unit[]){{"w", 604800000},
                                  {"d", 86400000},
                                  {"h", 3600000},
                                  {"m", 60000},
                                  {"s", 1000},
                                  {"ms", 1},
                                  {NULL, 0}},
};

/* The powers of ten come after the byte: they are read, never written. */
const struct units units_sizes = {
    .what = "a size",
    .expected = "a number with B, KiB, MiB or GiB",
    .zero = "0B",
    .list = (const struct unit[]){{"GiB", UINT64_C(1) << 30},
                                  {"MiB", UINT64_C(1) << 20},
                                  {"KiB", UINT64_C(1) << 10},
                                  {"B", 1},
                                  {"KB", 1000},
                                  {"MB", 1000000},
                                  {"GB", 1000000000},
                                  {NULL, 0}},
};

const struct units units_shares = {
    .what = "a percentage",
    .expected = "a number with %",
    .zero = "0%",
    .decimals = 4,
    .list = (const struct unit[]){{"%", 10000}, {NULL, 0}},
};

/* Reads the digits at `text`; false when there are none. `ret_fits` is false beyond 64 bits. */
static bool read_digits(const char **text, uint64_t *ret_value, bool *ret_fits)
{
    const char *first = *text;
    *ret_value = 0;
    *ret_fits = true;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        if (__builtin_mul_overflow(*ret_value, UINT64_C(10), ret_value) ||
            __builtin_add_overflow(*ret_value, digit, ret_value))
            *ret_fits = false;
    }
    return *text > first;
}

/*
 * Reads a point and at most `decimals` digits after it, if there are any. `ret_share` is in units of
 * the last decimal: with four of them ".5" is 5000. False when the point is not followed so.
 */
static bool read_fraction(const char **text, unsigned decimals, uint64_t *ret_share)
{
    *ret_share = 0;
    if (decimals == 0 || **text != '.')
        return true;
    const char *first = ++*text;
    for (unsigned place = 0; place < decimals; place++) {
        bool digit = **text >= '0' && **text <= '9';
        *ret_share = *ret_share * 10 + (digit ? (uint64_t)(*(*text)++ - '0') : 0);
    }
    return *text > first;
}

static const struct unit *find_unit(const struct units *units, const char *name)
{
    for (const struct unit *unit = units->list; unit->name; unit++)
        if (strcmp(unit->name, name) == 0)
            return unit;
    return NULL;
}

enum units_result units_parse(const struct units *units, const char *text, uint64_t *ret_value)
{
    uint64_t value, share;
    bool fits;
    if (!read_digits(&text, &value, &fits) || !read_fraction(&text, units->decimals, &share))
        return UNITS_WRONG;
    if (text[0] == ' ' && text[1])
        text++;
    const struct unit *unit = find_unit(units, text);
    if (!unit && *text)
        return UNITS_WRONG;
    if (!unit && !(units->bare_zero && value == 0 && fits))
        return UNITS_MISSING;
    if (!fits || __builtin_mul_overflow(value, unit ? unit->factor : 1, &value) ||
        __builtin_add_overflow(value, share, &value))
        return UNITS_OVERFLOW;
    *ret_value = value;
    return UNITS_OK;
}

/* "0.1%": without the zeros at the end. */
static void format_fraction(const struct units *units, uint64_t value,
                            char ret_text[UNITS_MAX_TEXT])
{
    const struct unit *unit = units->list;
    unsigned decimals = units->decimals;
    uint64_t share = value % unit->factor;
    for (; share % 10 == 0; share /= 10)
        decimals--;
    snprintf(ret_text, UNITS_MAX_TEXT, "%" PRIu64 ".%0*" PRIu64 "%s", value / unit->factor,
             (int)decimals, share, unit->name);
}

const char *units_format(const struct units *units, uint64_t value, char ret_text[UNITS_MAX_TEXT])
{
    const struct unit *unit = units->list;
    if (units->decimals > 0 && value % unit->factor != 0) {
        format_fraction(units, value, ret_text);
        return ret_text;
    }
    while (value % unit->factor != 0)
        unit++; /* ends at the base unit, whose factor is 1 */
    if (value == 0)
        snprintf(ret_text, UNITS_MAX_TEXT, "%s", units->zero);
    else
        snprintf(ret_text, UNITS_MAX_TEXT, "%" PRIu64 "%s", value / unit->factor, unit->name);
    return ret_text;
}
