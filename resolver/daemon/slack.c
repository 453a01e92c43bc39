#include "resolver/daemon/slack.h"

#include <malloc.h>
#include <stdlib.h>

#include "resolver/daemon/numbers.h"

enum {
    MANY = 256,     /* questions and clients: a MiB or two */
    PART = 8,       /* of the most that there were: so few are left */
    REST = 10,      /* looks, after memory was given back */
    CONNECTION = 4, /* a connection by TCP may have as much as so many of them */
};

struct slack {
    const struct daemon *daemon;
    struct event *look;
    size_t most;
    unsigned rest;
};

bool slack_is_due(size_t under_way, size_t *most)
{
    if (under_way > *most)
        *most = under_way;
    if (*most < MANY || under_way > *most / PART)
        return false;
    *most = under_way;
    return true;
}

static void look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct slack *slack = arg;
    size_t under_way = 0;
    for (size_t i = 0; i < slack->daemon->tier_count; i++) {
        struct tier_numbers tier;
        numbers_take_tier(slack->daemon, i, &tier);
        under_way += tier.worker.under_way + tier.worker.waiting;
    }
    struct tcp_numbers tcp;
    numbers_take_tcp(slack->daemon, &tcp);
    under_way += CONNECTION * tcp.connections;
    if (slack->rest > 0) {
        slack->rest--;
        slack->most = under_way > slack->most ? under_way : slack->most;
    } else if (slack_is_due(under_way, &slack->most)) {
        (void)malloc_trim(0);
        slack->rest = REST;
    }
}

struct slack *slack_new(struct event_base *base, const struct daemon *daemon)
{
    struct slack *slack = calloc(1, sizeof *slack);
    if (!slack)
        return NULL;
    slack->daemon = daemon;
    /* Small chunks that are freed would be kept apart, and joined with what is beside them all at once: 15 ms after a flood. */
    (void)mallopt(M_MXFAST, 0);
    slack->look = event_new(base, -1, EV_PERSIST, look, slack);
    if (slack->look && event_add(slack->look, &(struct timeval){.tv_sec = 1}) == 0)
        return slack;
    slack_free(slack);
    return NULL;
}

void slack_free(struct slack *slack)
{
    if (!slack)
        return;
    if (slack->look)
        event_free(slack->look);
    free(slack);
}
