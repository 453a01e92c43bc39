#include "cli/text.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at `*at`, moved past them; false when there are none or they pass `most`. */
static bool take_number(const char **at, uint64_t most, uint64_t *ret_number)
{
    if (!is_digit(**at))
        return false;
    uint64_t number = 0;
    for (; is_digit(**at); (*at)++) {
        const uint64_t digit = (uint64_t)(**at - '0');
        if (number > (most - digit) / 10 || digit > most)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

bool text_to_number(const char *text, uint64_t most, uint64_t *ret_number)
{
    uint64_t number;
    if (!take_number(&text, most, &number) || *text != '\0')
        return false;
    *ret_number = number;
    return true;
}

/* The factor of the unit at `*at`, moved past it; 0 when it is none of `units`. */
static uint64_t take_unit(const char **at, const struct unit *units)
{
    for (; units->name; units++) {
        const size_t length = strlen(units->name);
        if (strncmp(*at, units->name, length) == 0) {
            *at += length;
            return units->factor;
        }
    }
    return 0;
}

/* Numbers with units, added up; a number alone counts as `bare`. */
static bool parse_amount(const char *text, const struct unit *units, uint64_t bare, uint64_t most,
                         uint64_t *ret_amount)
{
    uint64_t sum = 0;
    const char *first = text;
    do {
        uint64_t number;
        const bool at_start = text == first;
        if (!take_number(&text, most, &number))
            return false;
        uint64_t factor = *text == '\0' && at_start ? bare : take_unit(&text, units);
        if (factor == 0 || number > (most - sum) / factor)
            return false;
        sum += number * factor;
    } while (*text != '\0');
    *ret_amount = sum;
    return true;
}

bool text_to_ttl(const char *text, uint32_t *ret_ttl)
{
    static const struct unit units[] = {{"s", 1},     {"m", 60},     {"h", 3600},
                                        {"d", 86400}, {"w", 604800}, {NULL, 0}};
    uint64_t amount;
    if (!parse_amount(text, units, 1, INT32_MAX, &amount))
        return false;
    *ret_ttl = (uint32_t)amount;
    return true;
}

bool text_to_duration(const char *text, uint64_t *ret_ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
    return parse_amount(text, units, 1000, INT32_MAX, ret_ms);
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~';
}

size_t text_print(FILE *file, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (is_plain(*c))
            fputc(*c, file);
        else
            fprintf(file, "\\x%02x", (unsigned char)*c);
    }
    return text_width(text);
}

size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += is_plain(*text) ? 1 : 4;
    return width;
}
