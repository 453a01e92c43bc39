#include "bench/common/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/common/clock.h"

void messages_time(int64_t time_us, char text[MESSAGES_TIME])
{
    const time_t seconds = time_us / US_PER_S;
    struct tm utc;
    const size_t size =
        strftime(text, MESSAGES_TIME, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    snprintf(text + size, MESSAGES_TIME - size, ".%06dZ", (int)(time_us % US_PER_S));
}

size_t messages_head(const struct message_head *head, char *json, size_t room)
{
    char time[MESSAGES_TIME];
    messages_time(head->time_us, time);
    return (size_t)snprintf(json, room,
                            "{\"v\":1,\"zone\":\"%s\",\"serial\":%" PRIu32 ",\"time\":\"%s\","
                            "\"publisher\":\"%s\",\"seq\":%" PRIu64 ",\"changes\":[",
                            head->zone, (uint32_t)head->serial, time, head->publisher, head->seq);
}

void messages_owner(const struct messages *messages, uint64_t n, char text[MESSAGES_OWNER])
{
    const int length =
        snprintf(text, MESSAGES_OWNER, "%s%07" PRIu64 ".%s", messages->prefix, n % messages->names,
                 messages->suffix ? messages->suffix : MESSAGES_ZONE);
    assert(length > 0 && length < MESSAGES_OWNER);
    (void)length;
}

static size_t write_change(const struct messages *messages, uint64_t n, char *json, size_t room)
{
    char owner[MESSAGES_OWNER];
    uint8_t address[MESSAGES_ADDRESS];
    messages_address(n, address);
    messages_owner(messages, n, owner);
    const int length = snprintf(json, room,
                                "{\"op\":\"SET\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":3600,"
                                "\"rdata\":[\"%u.%u.%u.%u\"]}",
                                owner, address[0], address[1], address[2], address[3]);
    assert(length > 0 && (size_t)length < room);
    return (size_t)length;
}

size_t messages_write(const struct messages *messages, uint64_t k, char *json, size_t room)
{
    assert(room >= MESSAGES_HEAD + messages->per_set * MESSAGES_CHANGE);
    size_t at = messages_head(
        &(struct message_head){.zone = messages->zone ? messages->zone : MESSAGES_ZONE,
                               .publisher = messages->publisher,
                               .serial = k + 1,
                               .seq = k + 1,
                               .time_us = messages->time_us + (int64_t)k},
        json, room);
    for (uint64_t i = 0; i < messages->per_set; i++) {
        if (i > 0)
            json[at++] = ',';
        at += write_change(messages, k * messages->per_set + i, json + at, room - at);
    }
    memcpy(json + at, "]}", 3);
    return at + 2;
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
