#include "daemon/http_query.h"

#include <ctype.h>
#include <string.h>

static unsigned digit_of(char c)
{
    return isdigit((unsigned char)c) ? (unsigned)(c - '0')
                                     : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

/* One character of a value, and how many bytes of the text it takes; 0: it is none. */
static size_t decode(const char *text, size_t left, char *ret)
{
    if (text[0] != '%') {
        *ret = text[0] == '+' ? ' ' : text[0];
        return 1;
    }
    if (left < 3 || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
        return 0;
    *ret = (char)(digit_of(text[1]) << 4 | digit_of(text[2]));
    return *ret == '\0' ? 0 : 3;
}

static bool decode_all(const char *text, size_t size, char *ret_value, size_t room)
{
    size_t used = 0;
    for (size_t at = 0, took; at < size; at += took) {
        if (used + 1 >= room)
            return false;
        took = decode(text + at, size - at, &ret_value[used++]);
        if (took == 0)
            return false;
    }
    ret_value[used] = '\0';
    return true;
}

bool http_query_find(const char *query, const char *name, char *ret_value, size_t room)
{
    const size_t name_size = strlen(name);
    for (size_t size; *query; query += size + (query[size] == '&')) {
        size = strcspn(query, "&");
        if (size <= name_size || strncmp(query, name, name_size) != 0 || query[name_size] != '=')
            continue;
        return decode_all(query + name_size + 1, size - name_size - 1, ret_value, room);
    }
    return false;
}
