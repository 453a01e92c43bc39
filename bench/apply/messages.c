#include "bench/apply/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "invalidation/changeset.h"

static int write_owner(const struct messages *messages, uint64_t n, char *text, size_t room)
{
    return snprintf(text, room, "%s%07" PRIu64 "." MESSAGES_ZONE, messages->prefix,
                    n % messages->names);
}

static size_t write_change(const struct messages *messages, uint64_t n, char *json, size_t room)
{
    char owner[64];
    uint8_t address[MESSAGES_ADDRESS];
    messages_address(n, address);
    int length = write_owner(messages, n, owner, sizeof owner);
    assert(length > 0 && (size_t)length < sizeof owner);
    length = snprintf(json, room,
                      "{\"op\":\"SET\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":3600,"
                      "\"rdata\":[\"%u.%u.%u.%u\"]}",
                      owner, address[0], address[1], address[2], address[3]);
    assert(length > 0 && (size_t)length < room);
    return (size_t)length;
}

size_t messages_write(const struct messages *messages, uint64_t k, char *json, size_t room)
{
    char time[TIME_MAX_TEXT];
    assert(room >= MESSAGES_HEAD + messages->per_set * MESSAGES_CHANGE);
    size_t at = (size_t)snprintf(
        json, room,
        "{\"v\":1,\"zone\":\"" MESSAGES_ZONE "\",\"serial\":%" PRIu32 ",\"time\":\"%s\","
        "\"publisher\":\"%s\",\"seq\":%" PRIu64 ",\"changes\":[",
        (uint32_t)(k + 1), time_to_text(messages->time_us + (int64_t)k, time), messages->publisher,
        k + 1);
    for (uint64_t i = 0; i < messages->per_set; i++) {
        if (i > 0)
            json[at++] = ',';
        at += write_change(messages, k * messages->per_set + i, json + at, room - at);
    }
    memcpy(json + at, "]}", 3);
    return at + 2;
}

void messages_name(const struct messages *messages, uint64_t n, uint8_t name[NAME_MAX_SIZE])
{
    char text[64];
    write_owner(messages, n, text, sizeof text);
    int size = name_from_text(text, name);
    assert(size > 0);
    name_lower(name, (size_t)size, name);
}

void messages_address(uint64_t n, uint8_t address[MESSAGES_ADDRESS])
{
    address[0] = 10;
    address[1] = (uint8_t)(n >> 16);
    address[2] = (uint8_t)(n >> 8);
    address[3] = (uint8_t)n;
}

uint64_t messages_last(const struct messages *messages, uint64_t i, uint64_t changes)
{
    assert(i < messages->names && i < changes);
    return i + (changes - 1 - i) / messages->names * messages->names;
}
