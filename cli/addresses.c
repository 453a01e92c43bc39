#include "cli/addresses.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESS_MAX_BYTES = 16 };

bool address_read(uint16_t type, const char *text, char ret_text[INET6_ADDRSTRLEN])
{
    uint8_t bytes[ADDRESS_MAX_BYTES];
    int size = rdata_from_text(type, text, bytes, sizeof bytes);
    return size > 0 && rdata_to_text(type, bytes, (size_t)size, ret_text, INET6_ADDRSTRLEN) > 0;
}

static size_t place_of(const struct addresses *addresses, const char *text)
{
    size_t k = 0;
    while (k < addresses->count && strcmp(addresses->texts[k], text) != 0)
        k++;
    return k;
}

bool addresses_have(const struct addresses *addresses, const char *text)
{
    return place_of(addresses, text) < addresses->count;
}

bool addresses_add(struct addresses *addresses, const char *text)
{
    if (addresses_have(addresses, text))
        return true;
    if (addresses->count == ADDRESSES_MAX)
        return false;
    snprintf(addresses->texts[addresses->count++], INET6_ADDRSTRLEN, "%s", text);
    return true;
}

void addresses_remove(struct addresses *addresses, const char *text)
{
    const size_t k = place_of(addresses, text);
    if (k == addresses->count)
        return;
    addresses->count--;
    memmove(addresses->texts[k], addresses->texts[k + 1],
            (addresses->count - k) * sizeof addresses->texts[0]);
}

bool addresses_equal(const struct addresses *one, const struct addresses *two)
{
    bool equal = one->count == two->count; /* neither has an address twice */
    for (size_t k = 0; k < one->count && equal; k++)
        equal = addresses_have(two, one->texts[k]);
    return equal;
}

const char *addresses_text(const struct addresses *addresses, const char *between,
                           char text[ADDRESSES_MAX_TEXT])
{
    size_t at = 0;
    snprintf(text, ADDRESSES_MAX_TEXT, "nothing");
    for (size_t k = 0; k < addresses->count && at < ADDRESSES_MAX_TEXT; k++)
        at += (size_t)snprintf(text + at, ADDRESSES_MAX_TEXT - at, "%s%s", k > 0 ? between : "",
                               addresses->texts[k]);
    return text;
}

static int take(struct addresses *addresses, const struct record *record)
{
    char text[INET6_ADDRSTRLEN];
    int size = rdata_to_text(record->type, record->rdata, record->rdata_size, text, sizeof text);
    if (size < 0)
        return size;
    if (addresses->count == 0 || record->ttl < addresses->ttl)
        addresses->ttl = record->ttl;
    return addresses_add(addresses, text) ? ERR_OK : ERR_SPACE;
}

int addresses_from_message(const struct message *message, const uint8_t *name, uint16_t type,
                           struct addresses *ret)
{
    struct addresses found = {.type = type};
    for (size_t k = 0; k < message->answer_count; k++) {
        const struct record *record = &message_answers(message)[k];
        if (!name_equal(record->owner, name))
            continue;
        if (record->type == TYPE_CNAME)
            return ERR_FORMAT;
        int error = record->type == type ? take(&found, record) : ERR_OK;
        if (error)
            return error;
    }
    *ret = found;
    return ERR_OK;
}
