#include "bench/common/authority.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/clock.h"
#include "bench/common/udp.h"

#define NO_NAME UINT32_MAX /* the apex has no number */

enum { BATCH = 256 };

int authority_open(struct authority *authority, uint16_t port)
{
    authority->fd = udp_bind(port);
    authority->departures = calloc(AUTHORITY_WAITING, sizeof *authority->departures);
    return authority->fd >= 0 && authority->departures ? 0 : -1;
}

void authority_close(struct authority *authority)
{
    close(authority->fd);
    free(authority->departures);
}

/* What to say; the history learns that it was said. */
static struct wire_reply decide(struct authority *authority, enum wire_asked asked, uint32_t name)
{
    struct history *history = authority->history;
    struct wire_reply reply = {.asked = asked, .serial = history->count};
    if (asked != ASKED_NAME && asked != ASKED_NAME_OTHER_TYPE)
        return reply;
    if (name >= history->names) {
        reply.asked = name == NO_NAME ? asked : ASKED_UNKNOWN;
        return reply;
    }
    const int64_t now_us = clock_us();
    reply.version = history_at(history, name, now_us, authority->lag_us);
    struct change *change = &history->changes[reply.version];
    reply.gone = change->gone;
    reply.undelegated = change->kind == KIND_UNCUT;
    change->served_us = now_us;
    authority->stale += change->next != 0;
    return reply;
}

void authority_send(struct authority *authority, int64_t now_us)
{
    for (; authority->first < authority->last; authority->first++) {
        const struct departure *next = &authority->departures[authority->first % AUTHORITY_WAITING];
        if (next->due_us > now_us)
            return;
        if (sendto(authority->fd, next->bytes, next->size, 0,
                   (const struct sockaddr *)&next->client,
                   sizeof next->client) == (ssize_t)next->size)
            authority->answered++;
    }
}

/* A reply that finds no room is lost, as on any busy line. */
static void answer(struct authority *authority, const uint8_t *query, size_t size,
                   const struct sockaddr_in *client)
{
    uint8_t bytes[WIRE_MAX];
    uint32_t name = NO_NAME;
    authority->queries++;
    const enum wire_asked asked = wire_read_query(authority->zone, query, size, &name);
    if (asked == ASKED_GARBAGE || authority->down ||
        authority->last - authority->first == AUTHORITY_WAITING)
        return;
    const struct wire_reply reply = decide(authority, asked, name);
    const size_t length = wire_reply(authority->zone, &reply, query, size, bytes);
    if (length == 0 || length > AUTHORITY_REPLY_MAX)
        return;
    struct departure *last = &authority->departures[authority->last++ % AUTHORITY_WAITING];
    last->due_us = clock_us() + authority->delay_us;
    last->client = *client;
    last->size = length;
    memcpy(last->bytes, bytes, length);
}

void authority_serve(struct authority *authority)
{
    for (int k = 0; k < BATCH; k++) {
        uint8_t bytes[WIRE_MAX];
        struct sockaddr_in client;
        socklen_t client_size = sizeof client;
        const ssize_t size = recvfrom(authority->fd, bytes, sizeof bytes, 0,
                                      (struct sockaddr *)&client, &client_size);
        if (size < 0)
            break;
        answer(authority, bytes, (size_t)size, &client);
    }
    authority_send(authority, clock_us());
}
