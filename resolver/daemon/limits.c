#include "resolver/daemon/limits.h"

#include <stdlib.h>

struct limits {
    const struct daemon *daemon;
    struct event *look;
    struct tier_numbers *tiers; /* as they were at the last look, one per tier */
    struct tcp_numbers tcp;
};

static void look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct limits *limits = arg;
    const struct daemon *daemon = limits->daemon;
    for (size_t i = 0; i < daemon->tier_count; i++) {
        struct tier_numbers tier;
        numbers_take_tier(daemon, i, &tier);
        numbers_tell(&numbers_of_tier, (struct number_owner){"tier", daemon->tiers[i]->name}, &tier,
                     &limits->tiers[i], sizeof tier);
    }
    struct tcp_numbers tcp;
    numbers_take_tcp(daemon, &tcp);
    numbers_tell(&numbers_of_tcp, (struct number_owner){0}, &tcp, &limits->tcp, sizeof tcp);
}

struct limits *limits_new(struct event_base *base, const struct daemon *daemon)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (!limits)
        return NULL;
    limits->daemon = daemon;
    limits->tiers = calloc(daemon->tier_count, sizeof *limits->tiers);
    limits->look = event_new(base, -1, EV_PERSIST, look, limits);
    if (limits->tiers && limits->look &&
        event_add(limits->look, &(struct timeval){.tv_sec = 1}) == 0)
        return limits;
    if (limits->look)
        event_free(limits->look);
    free(limits->tiers);
    free(limits);
    return NULL;
}

void limits_free(struct limits *limits)
{
    if (!limits)
        return;
    look(-1, 0, limits);
    event_free(limits->look);
    free(limits->tiers);
    free(limits);
}
