/*
 * dial.h - a zone's way to its primaries: a question by UDP, a connection by TCP that stays open for the next one.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_ORIGIN_DIAL_H
#define FRESHET_ORIGIN_DIAL_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum { DIAL_IDLE_SECONDS = 60, DIAL_MAX_WHY = 160 };

struct dial;

/* What comes back. Each may call the dial again, but not dial_free(). */
struct dial_callbacks {
    void (*datagram)(void *arg, size_t primary, const uint8_t *bytes, size_t size);
    void (*message)(void *arg, const uint8_t *bytes, size_t size);
    void (*closed)(void *arg, const char *why); /* while something was asked for */
    void *arg;
};

/* `primaries` are borrowed. NULL: no memory. */
struct dial *dial_new(struct event_base *base, const struct config_address *primaries,
                      const struct dial_callbacks *callbacks);
void dial_free(struct dial *dial); /* NULL is fine */

/* From a port of its own; what is asked after it takes its place. */
void dial_send(struct dial *dial, size_t primary, const uint8_t *bytes, size_t size);

/*
 * Over TCP: the connection that is open to this primary, or a new one. One that the primary has closed meanwhile is opened
 * again, once.
 */
void dial_ask(struct dial *dial, size_t primary, const uint8_t *bytes, size_t size);

/* All that was asked for is here: the connection may be closed by the primary, and stays till then. */
void dial_rest(struct dial *dial);

/* Closes the connection. */
void dial_hang_up(struct dial *dial);

#endif
