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

static const struct unit *find_unit(const struct units *units, const char *name)
{
    for (const struct unit *unit = units->list; unit->name; unit++)
        if (strcmp(unit->name, name) == 0)
            return unit;
    return NULL;
}

enum units_result units_parse(const struct units *units, const char *text, uint64_t *ret_value)
{
    uint64_t value;
    bool fits;
    if (!read_digits(&text, &value, &fits))
        return UNITS_WRONG;
    if (text[0] == ' ' && text[1])
        text++;
    const struct unit *unit = find_unit(units, text);
    if (!unit && *text)
        return UNITS_WRONG;
    if (!unit && !(units->bare_zero && value == 0 && fits))
        return UNITS_MISSING;
    if (!fits || __builtin_mul_overflow(value, unit ? unit->factor : 1, &value))
        return UNITS_OVERFLOW;
    *ret_value = value;
    return UNITS_OK;
}

const char *units_format(const struct units *units, uint64_t value, char ret_text[UNITS_MAX_TEXT])
{
    const struct unit *unit = units->list;
    while (value % unit->factor != 0)
        unit++; /* ends at the base unit, whose factor is 1 */
    if (value == 0)
        snprintf(ret_text, UNITS_MAX_TEXT, "%s", units->zero);
    else
        snprintf(ret_text, UNITS_MAX_TEXT, "%" PRIu64 "%s", value / unit->factor, unit->name);
    return ret_text;
}
