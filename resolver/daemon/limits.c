#include "resolver/daemon/limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

struct limits {
    const struct daemon *daemon;
    struct event *look;
    struct tier_numbers *tiers; /* as they were at the last look, one per tier */
    struct tcp_numbers tcp;
};

void limits_look_at(const struct numbers *numbers, const char *tier, const void *now, void *before,
                    size_t size)
{
    for (size_t i = 0; i < numbers->count; i++) {
        const struct number *number = &numbers->list[i];
        uint64_t new = number_in(number, now), old = number_in(number, before);
        if (number->limit && new > old)
            log_line(number->trifle ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                     "msg=\"%s\"%s%s count=%" PRIu64 " counter=freshet_%s", number->limit,
                     tier ? " tier=" : "", tier ? tier : "", new - old, number->metric);
    }
    memcpy(before, now, size);
}

static void look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct limits *limits = arg;
    const struct daemon *daemon = limits->daemon;
    for (size_t i = 0; i < daemon->tier_count; i++) {
        struct tier_numbers tier;
        numbers_take_tier(daemon, i, &tier);
        limits_look_at(&numbers_of_tier, daemon->tiers[i]->name, &tier, &limits->tiers[i],
                       sizeof tier);
    }
    struct tcp_numbers tcp;
    numbers_take_tcp(daemon, &tcp);
    limits_look_at(&numbers_of_tcp, NULL, &tcp, &limits->tcp, sizeof tcp);
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
