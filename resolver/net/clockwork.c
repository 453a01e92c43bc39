#include "resolver/net/clockwork.h"

#include <stdlib.h>

#include "resolver/net/clock.h"

struct clockwork {
    struct event *event;
    struct wheel *wheel;
};

static void wake(void *arg, struct mono due, struct mono now)
{
    struct clockwork *clockwork = arg;
    uint64_t ms = due.ms > now.ms ? due.ms - now.ms : 0;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    (void)event_add(clockwork->event, &tv); /* a timer needs no memory once it is made */
}

static void rung(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    clockwork_look(arg);
}

void clockwork_look(struct clockwork *clockwork)
{
    wheel_turn(clockwork->wheel, micro_now());
}

struct clockwork *clockwork_new(struct event_base *base)
{
    struct clockwork *clockwork = calloc(1, sizeof *clockwork);
    if (!clockwork)
        return NULL;
    clockwork->event = event_new(base, -1, 0, rung, clockwork);
    clockwork->wheel = wheel_new(&(struct wheel_driver){.wake = wake, .arg = clockwork});
    if (!clockwork->event || !clockwork->wheel) {
        clockwork_free(clockwork);
        return NULL;
    }
    return clockwork;
}

void clockwork_free(struct clockwork *clockwork)
{
    if (!clockwork)
        return;
    if (clockwork->event)
        event_free(clockwork->event);
    wheel_free(clockwork->wheel);
    free(clockwork);
}

struct wheel *clockwork_wheel(struct clockwork *clockwork)
{
    return clockwork->wheel;
}
