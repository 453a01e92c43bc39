#include "config/zone_name.h"

#include <string.h>
#include <strings.h>

enum { MAX_LABEL = 63 }; /* bytes (RFC 1035 2.3.4) */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads one character of a name as written: `\DDD` and `\X` are one (RFC 1035 5.1). -1: it is none. */
static int read_character(const char **text)
{
    const char *at = *text;
    if (*at == '\\' && is_digit(at[1])) {
        if (!is_digit(at[2]) || !is_digit(at[3]))
            return -1;
        const int value = (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
        *text += 4;
        return value <= UINT8_MAX ? value : -1;
    }
    if (*at == '\\')
        at++;
    if (*at <= ' ' || *at >= 0x7f)
        return -1;
    *text = at + 1;
    return *at;
}

static uint8_t lower(int c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Reads one label and the dot behind it. The bytes that it takes, its length byte included; 0: it is none. */
static size_t read_label(const char **text, uint8_t *wire, size_t room)
{
    size_t size = 1;
    while (**text && **text != '.') {
        const int c = read_character(text);
        if (c < 0 || size > MAX_LABEL || size >= room)
            return 0;
        wire[size++] = lower(c);
    }
    *text += **text == '.';
    wire[0] = (uint8_t)(size - 1);
    return size > 1 ? size : 0;
}

size_t zone_name_read(const char *text, uint8_t ret_wire[ZONE_NAME_MAX])
{
    size_t size = 0;
    if (!*text)
        return 0;
    if (strcmp(text, ".") == 0)
        text++;
    while (*text) {
        const size_t label = read_label(&text, ret_wire + size, ZONE_NAME_MAX - 1 - size);
        if (label == 0)
            return 0;
        size += label;
    }
    ret_wire[size++] = 0;
    return size;
}

/* Without its final dot, of a text without escapes. */
static size_t length_of(const char *text)
{
    const size_t length = strlen(text);
    return length > 0 && text[length - 1] == '.' ? length - 1 : length;
}

bool zone_name_is_zone(const char *text, const char **ret_what, const char **ret_expected)
{
    uint8_t wire[ZONE_NAME_MAX];
    const size_t size = zone_name_read(text, wire);
    const bool wildcard = size > 0 && wire[0] == 1 && wire[1] == '*'; /* RFC 4592 2.1.1 */
    *ret_what = wildcard ? "is a wildcard, and no zone" : "is not a domain name";
    *ret_expected = wildcard
                        ? "the zone itself, such as example.com.; what is below it is meant with it"
                        : "labels of 1 to 63 ASCII characters, 253 in all, such as example.com.";
    return size > 0 && !wildcard;
}

bool zone_name_same(const char *one, const char *two)
{
    if (!strchr(one, '\\') && !strchr(two, '\\')) /* most are, and long lists are searched */
        return length_of(one) == length_of(two) && strncasecmp(one, two, length_of(one)) == 0;
    uint8_t first[ZONE_NAME_MAX], second[ZONE_NAME_MAX];
    const size_t size = zone_name_read(one, first);
    return size > 0 && size == zone_name_read(two, second) && memcmp(first, second, size) == 0;
}
