#include "bench/propagation/primary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/clock.h"
#include "bench/common/cursor.h"
#include "bench/common/udp.h"

enum {
    IDS = 65536,
    OPCODE_UPDATE = 5 << 11,
    NOTIFY_AA = 4 << 11 | 1 << 10,
    ZONE_POINTER = 0xc000 | HEADER_SIZE,
};

int primary_open(struct primary *primary, const struct options *options)
{
    const bool tells = options->notify.sin_port != 0;
    primary->versions = calloc(IDS, sizeof *primary->versions);
    primary->fd = udp_connect(&options->primary);
    primary->notify_fd = tells ? udp_connect(&options->notify) : -1;
    return primary->versions && primary->fd >= 0 && (!tells || primary->notify_fd >= 0) ? 0 : -1;
}

void primary_close(struct primary *primary)
{
    close(primary->fd);
    if (primary->notify_fd >= 0)
        close(primary->notify_fd);
    free(primary->versions);
}

static uint8_t *put_header(uint8_t *at, uint16_t id)
{
    at = put(put(at, id, 2), OPCODE_UPDATE, 2);
    return put(put(at, 1u << 16, 4), 2u << 16, 4); /* one zone, no prerequisites, two updates */
}

/* The name: its label, and the zone of the zone section. */
static uint8_t *put_name(const struct primary *primary, uint32_t name, uint8_t *at)
{
    char text[WIRE_MAX_TEXT];
    zone_name_text(primary->zone, name, text);
    *at++ = LABEL_SIZE - 1;
    memcpy(at, text, LABEL_SIZE - 1);
    return put(at + LABEL_SIZE - 1, ZONE_POINTER, 2);
}

/* Deletes the RRset and adds the new one (RFC 2136 2.5.2 and 2.5.1), which is applied as one. */
static size_t write_update(const struct primary *primary, uint32_t version, uint8_t *bytes)
{
    const uint32_t name = primary->flights->history->changes[version].name;
    uint8_t *at = put_header(bytes, (uint16_t)version);
    memcpy(at, primary->zone->wire, primary->zone->size);
    at = put(put(at + primary->zone->size, TYPE_SOA, 2), CLASS_IN, 2);
    at = put(put(put_name(primary, name, at), TYPE_A, 2), CLASS_ANY, 2);
    at = put(put(at, 0, 4), 0, 2);
    at = put(put(put_name(primary, name, at), TYPE_A, 2), CLASS_IN, 2);
    at = put(put(at, primary->zone->ttl, 4), 4, 2);
    return (size_t)(put(put(at, 10, 1), version, 3) - bytes);
}

void primary_publish(struct primary *primary, uint32_t version)
{
    uint8_t bytes[WIRE_MAX];
    const size_t size = write_update(primary, version, bytes);
    primary->versions[version % IDS] = version;
    primary->sent++;
    if (send(primary->fd, bytes, size, 0) < 0)
        primary->refused++;
}

/* RFC 1996; whatever was answered to the last one is dropped. */
static void send_notify(struct primary *primary)
{
    uint8_t bytes[WIRE_MAX];
    while (recv(primary->notify_fd, bytes, sizeof bytes, 0) > 0)
        ;
    uint8_t *at = put(put(bytes, ++primary->told & 0xffff, 2), NOTIFY_AA, 2);
    at = put(put(at, 1u << 16, 4), 0, 4);
    memcpy(at, primary->zone->wire, primary->zone->size);
    at = put(put(at + primary->zone->size, TYPE_SOA, 2), CLASS_IN, 2);
    if (send(primary->notify_fd, bytes, (size_t)(at - bytes), 0) < 0)
        primary->refused++;
}

/* Whether it acknowledges a change. */
static bool take_reply(struct primary *primary, const uint8_t *bytes)
{
    const uint32_t version = primary->versions[wire_id(bytes)];
    primary->versions[wire_id(bytes)] = 0;
    if (version && (bytes[3] & 15) == 0) {
        atomic_store(&primary->flights->all[version].acked_us, clock_us());
        return true;
    }
    primary->refused += version != 0;
    return false;
}

void primary_receive(struct primary *primary)
{
    uint8_t bytes[WIRE_MAX];
    ssize_t size;
    bool news = false;
    while ((size = recv(primary->fd, bytes, sizeof bytes, 0)) >= HEADER_SIZE)
        news |= take_reply(primary, bytes);
    if (news && primary->notify_fd >= 0)
        send_notify(primary);
}
