#include "bench/checker/message.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/clock.h"
#include "bench/common/messages.h"

enum { ADDRESS_TEXT = 16, CHANGES_MAX = 1024 };

static void address_text(uint32_t version, char text[ADDRESS_TEXT])
{
    snprintf(text, ADDRESS_TEXT, "10.%u.%u.%u", version >> 16 & 255, version >> 8 & 255,
             version & 255);
}

/* A change of the one address that a version has. */
static void set_text(const char *op, const char *name, unsigned ttl, uint32_t version, char *text,
                     size_t size)
{
    char address[ADDRESS_TEXT];
    address_text(version, address);
    snprintf(text, size,
             "{\"op\":\"%s\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":%u,\"rdata\":[\"%s\"]}", op,
             name, ttl, address);
}

static void swap_text(const struct zone *zone, const struct history *history, uint32_t version,
                      const char *name, char text[CHANGES_MAX])
{
    const uint32_t previous = history->changes[version].previous;
    char old[ADDRESS_TEXT];
    int length = 0;
    address_text(previous, old);
    if (!history->changes[previous].gone)
        length = snprintf(text, CHANGES_MAX,
                          "{\"op\":\"DEL\",\"name\":\"%s\",\"type\":\"A\",\"rdata\":[\"%s\"]},",
                          name, old);
    set_text("ADD", name, zone->ttl, version, text + length, CHANGES_MAX - (size_t)length);
}

/* Changes at the cut of the zone that the name is in. */
static void cut_text(const struct zone *zone, const struct change *change, uint32_t version,
                     char text[CHANGES_MAX])
{
    char cut[WIRE_MAX_TEXT];
    zone_text(zone, zone_of(zone, change->name), cut);
    if (change->kind == KIND_CUT)
        snprintf(text, CHANGES_MAX,
                 "{\"op\":\"SET\",\"name\":\"%s\",\"type\":\"NS\",\"ttl\":%u,"
                 "\"rdata\":[\"ns%u.%s\"]}",
                 cut, (unsigned)zone->ttl, (unsigned)version, cut);
    else if (change->kind == KIND_SUBTREE)
        snprintf(text, CHANGES_MAX, "{\"op\":\"FLUSH\",\"name\":\"%s\",\"subtree\":true}", cut);
    else
        snprintf(text, CHANGES_MAX, "{\"op\":\"DEL\",\"name\":\"%s\"}", cut);
}

/* The "changes" of a version, in JSON. */
static void changes_text(const struct zone *zone, const struct history *history, uint32_t version,
                         char text[CHANGES_MAX])
{
    const struct change *change = &history->changes[version];
    char name[WIRE_MAX_TEXT];
    zone_name_text(zone, change->name, name);
    switch (change->kind) {
    case KIND_FLUSH:
        snprintf(text, CHANGES_MAX, "{\"op\":\"FLUSH\",\"name\":\"%s\"}", name);
        return;
    case KIND_DEL:
        snprintf(text, CHANGES_MAX, "{\"op\":\"DEL\",\"name\":\"%s\"}", name);
        return;
    case KIND_SWAP:
        swap_text(zone, history, version, name, text);
        return;
    case KIND_CUT:
    case KIND_SUBTREE:
    case KIND_UNCUT:
        cut_text(zone, change, version, text);
        return;
    default:
        set_text("SET", name, zone->ttl, version, text, CHANGES_MAX);
    }
}

static void write_key(char key[WIRE_MAX_TEXT], const char *zone, enum key_kind kind)
{
    const size_t size = kind == KEY_NONE ? 0 : strlen(zone) - (kind == KEY_NO_DOT);
    for (size_t k = 0; k < size; k++)
        key[k] = (char)(kind == KEY_UPPER ? toupper((unsigned char)zone[k]) : zone[k]);
    key[size] = '\0';
}

static void write_time(char text[MESSAGES_TIME], const struct manner *manner, uint32_t number)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (manner->far_every && number % manner->far_every == 0)
        snprintf(text, MESSAGES_TIME, "9999-12-31T23:59:59.999999Z");
    else
        messages_time((now.tv_sec + manner->ahead_s) * US_PER_S + now.tv_nsec / 1000, text);
}

/* Who says so, as much as the manner tells. */
static void write_source(char *text, size_t size, const struct manner *manner, uint32_t version,
                         uint32_t number)
{
    const uint32_t seq = manner->restart_every ? (number - 1) % manner->restart_every + 1 : number;
    text[0] = '\0';
    if (manner->bare)
        return;
    int length = snprintf(text, size, "\"publisher\":\"checker-%s\",\"seq\":%" PRIu32 ",",
                          manner->name, seq);
    if (!manner->no_serial)
        snprintf(text + length, size - (size_t)length, "\"serial\":%" PRIu32 ",", version);
}

void message_write(struct message *ret_message, const struct zone *zone,
                   const struct history *history, uint32_t version, const struct manner *manner,
                   uint32_t number)
{
    const struct change *change = &history->changes[version];
    char changes[CHANGES_MAX], time[MESSAGES_TIME], source[128], of[WIRE_MAX_TEXT];
    const bool outer = change->outer || change->kind == KIND_CUT || change->kind == KIND_SUBTREE ||
                       change->kind == KIND_UNCUT;
    zone_text(zone, outer ? 0 : zone_of(zone, change->name), of);
    changes[0] = '\0';
    if (version > 0)
        changes_text(zone, history, version, changes);
    write_time(time, manner, number);
    write_source(source, sizeof source, manner, version, number);
    write_key(ret_message->key, of, manner->key);
    ret_message->version = version;
    ret_message->size = (size_t)snprintf(
        ret_message->value, MESSAGE_MAX,
        "{\"v\":1,\"zone\":\"%s\",%s\"time\":\"%s\",\"version\":%" PRIu32 ",\"changes\":[%s]}", of,
        source, time, version, changes);
}

uint32_t message_version(const char *value, size_t size)
{
    static const char key[] = "\"version\":";
    const char *found = memmem(value, size, key, sizeof key - 1);
    return found ? (uint32_t)strtoul(found + sizeof key - 1, NULL, 10) : 0;
}
