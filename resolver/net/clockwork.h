/*
 * clockwork.h - turns a worker's wheel of timers: one libevent timer, set to the first moment that any of them is due.
 */
#ifndef FRESHET_RESOLVER_NET_CLOCKWORK_H
#define FRESHET_RESOLVER_NET_CLOCKWORK_H

#include <event2/event.h>

#include "resolver/answer/wheel.h"

struct clockwork;

/* With a wheel of its own. NULL: no memory. */
struct clockwork *clockwork_new(struct event_base *base);

/* No timer rings any more. NULL is fine. */
void clockwork_free(struct clockwork *clockwork);

/* Looks at the clock now: the loop's own timers stand still while the machine sleeps. Not from within a ring. */
void clockwork_look(struct clockwork *clockwork);

/* Its wheel, as long as it lives. */
struct wheel *clockwork_wheel(struct clockwork *clockwork);

#endif
