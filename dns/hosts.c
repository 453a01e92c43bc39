/* hosts.c - see hosts.h. */
#include "dns/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct word {
    const char *start;
    size_t size;
};

/* What is left of one line. */
struct line {
    const char *at;
    const char *end;
    unsigned number;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool next_word(struct line *line, struct word *ret)
{
    while (line->at < line->end && is_blank(*line->at))
        line->at++;
    ret->start = line->at;
    while (line->at < line->end && !is_blank(*line->at))
        line->at++;
    ret->size = (size_t)(line->at - ret->start);
    return ret->size > 0;
}

/* Returns the address's size, or 0: none. */
static size_t parse_address(const struct word *word, uint8_t ret_address[16])
{
    char text[INET6_ADDRSTRLEN];
    if (word->size >= sizeof text || memchr(word->start, '\0', word->size))
        return 0;
    memcpy(text, word->start, word->size);
    text[word->size] = '\0';
    if (inet_pton(AF_INET, text, ret_address) == 1)
        return 4;
    return inet_pton(AF_INET6, text, ret_address) == 1 ? 16 : 0;
}

/* The bytes of a name that hosts(5) lets be written plainly: it knows no escapes. */
static bool is_plain(const struct word *word)
{
    for (size_t i = 0; i < word->size; i++)
        if (word->start[i] <= ' ' || word->start[i] > '~' || word->start[i] == '\\')
            return false;
    return true;
}

static bool parse_name(const struct word *word, uint8_t ret_name[NAME_MAX_SIZE])
{
    if (!is_plain(word))
        return false;
    int size = name_from_text_n(word->start, word->size, ret_name);
    if (size <= 1) /* the root is no host */
        return false;
    name_lower(ret_name, (size_t)size, ret_name);
    return true;
}

static void read_line(struct line *line, const struct hosts_sink *sink)
{
    struct word word;
    uint8_t address[16], name[NAME_MAX_SIZE];
    struct hosts_entry entry = {
        .line = line->number, .address = address, .name = name, .first = true};
    if (!next_word(line, &word))
        return;
    entry.address_size = parse_address(&word, address);
    if (entry.address_size == 0) {
        sink->bad(sink->arg, line->number, "does not begin with an address");
        return;
    }
    if (!next_word(line, &word)) {
        sink->bad(sink->arg, line->number, "has an address and no name");
        return;
    }
    do {
        if (parse_name(&word, name))
            sink->entry(sink->arg, &entry);
        else
            sink->bad(sink->arg, line->number, "has what is not a host name");
        entry.first = false;
    } while (next_word(line, &word));
}

void hosts_read(const char *text, size_t size, const struct hosts_sink *sink)
{
    struct line line = {.number = 0};
    const char *end = text + size;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        line.at = text;
        line.end = newline ? newline : end;
        line.number++;
        const char *comment = memchr(text, '#', (size_t)(line.end - text));
        if (comment)
            line.end = comment;
        read_line(&line, sink);
        text = next;
    }
}

static uint8_t *put_label(uint8_t *at, const char *text)
{
    size_t size = strlen(text);
    *at++ = (uint8_t)size;
    memcpy(at, text, size);
    return at + size;
}

size_t hosts_reverse_name(const uint8_t *address, size_t address_size,
                          uint8_t ret_name[HOSTS_PTR_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = ret_name;
    for (size_t i = address_size; i-- > 0;) {
        if (address_size == 4) {
            char number[4];
            snprintf(number, sizeof number, "%u", (unsigned)address[i]);
            at = put_label(at, number);
        } else {
            at = put_label(at, (const char[]){digits[address[i] & 15], '\0'});
            at = put_label(at, (const char[]){digits[address[i] >> 4], '\0'});
        }
    }
    at = put_label(at, address_size == 4 ? "in-addr" : "ip6");
    at = put_label(at, "arpa");
    *at++ = 0;
    return (size_t)(at - ret_name);
}
