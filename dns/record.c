/* record.c - see record.h. */
#include "dns/record.h"

#include <strings.h>

enum { TTL_DIGITS = 10 };

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static size_t word_size(const char *text)
{
    return strcspn(text, " \t");
}

static bool is_number(const char *text)
{
    return *text >= '0' && *text <= '9';
}

/* RFC 2181 8: 31 bits. */
static int parse_ttl(const char *text, size_t size, uint32_t *ret)
{
    uint64_t ttl = 0;
    if (size > TTL_DIGITS)
        return ERR_TTL;
    for (size_t i = 0; i < size; i++) {
        if (!is_number(text + i))
            return ERR_TTL;
        ttl = ttl * 10 + (uint64_t)(text[i] - '0');
    }
    if (ttl > INT32_MAX)
        return ERR_TTL;
    *ret = (uint32_t)ttl;
    return ERR_OK;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

/* TTL and class, each once at most. Returns where the type stands, or NULL with the reason. */
static const char *read_middle(const char *text, struct record *record, int *ret_error)
{
    bool ttl = false, class = false;
    for (;; text = skip_blanks(text + word_size(text))) {
        size_t size = word_size(text);
        if (!ttl && is_number(text)) {
            ttl = true;
            *ret_error = parse_ttl(text, size, &record->ttl);
            if (*ret_error != ERR_OK)
                return NULL;
        } else if (!class && is_word(text, size, "IN")) {
            class = true;
        } else {
            return text;
        }
    }
}

static int read_type(const char *text, size_t size, uint16_t *ret_type)
{
    char word[TYPE_MAX_TEXT];
    if (size == 0)
        return ERR_FORMAT;
    if (is_word(text, size, "CH") || is_word(text, size, "HS") || is_word(text, size, "IN"))
        return ERR_FORMAT;
    if (size >= sizeof word)
        return ERR_TYPE;
    memcpy(word, text, size);
    word[size] = '\0';
    int type = type_from_text(word);
    if (type < 0 || type_is_meta((uint16_t)type))
        return ERR_TYPE;
    *ret_type = (uint16_t)type;
    return ERR_OK;
}

int record_from_text(const char *text, uint32_t default_ttl, struct record_room *room,
                     struct record *ret)
{
    int error;
    struct record record = {
        .owner = room->owner, .rdata = room->rdata, .ttl = default_ttl, .class = CLASS_IN};
    text = skip_blanks(text);
    size_t owner_size = word_size(text);
    int size = name_from_text_n(text, owner_size, room->owner);
    if (size < 0)
        return size;
    name_lower(room->owner, (size_t)size, room->owner);
    text = read_middle(skip_blanks(text + owner_size), &record, &error);
    if (!text)
        return error;
    error = read_type(text, word_size(text), &record.type);
    if (error != ERR_OK)
        return error;
    int length = rdata_from_text(record.type, skip_blanks(text + word_size(text)), room->rdata,
                                 sizeof room->rdata);
    if (length < 0)
        return length;
    record.rdata_size = (uint16_t)length;
    *ret = record;
    return ERR_OK;
}
