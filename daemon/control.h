/*
 * control.h - the unix socket by which an operator asks and orders. One JSON object per line, both ways.
 *
 *     {"cmd":"status"}   -> {"ok":true, ...}    what commands there are is the program's
 *     anything else                                               -> {"ok":false,"error":"..."}
 *
 * A client is answered as fast as it takes the answers: what waits for it is bounded. One that takes nothing for 30 s, or
 * asks nothing, is dropped, and so is one whose request is not whole by then. Of 64 the quietest makes room for another.
 *
 * Whoever may open the socket may do all of it: it is made with mode 0600, or 0660 where a group is named.
 *
 * Threads: all on the main thread.
 */
#ifndef FRESHET_DAEMON_CONTROL_H
#define FRESHET_DAEMON_CONTROL_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "config/config.h"
#include "daemon/privileges.h"

enum { CONTROL_MAX_ERROR = 256 };

struct control;

/* An answer of many lines, written as its client takes them; other requests of that client wait for its end. */
struct control_work {
    /* Writes the next lines. False: that was it. NULL: there is no such answer. */
    bool (*next)(void *state, struct evbuffer *out);
    void (*free)(void *state);
    void *state;
};

struct control_commands {
    /* The answer to a request: a new reference, NULL for want of memory; or work in `ret_work`, and the rest does not matter. */
    json_t *(*answer)(void *arg, json_t *request, struct control_work *ret_work);
    void *arg;
};

/* {"ok":false,"error":text} */
json_t *control_refuse(const char *text);

/* Writes an object as a line; takes the reference, and NULL for want of memory. */
void control_write_line(struct evbuffer *out, json_t *object);

/*
 * Listens at the path, replacing a socket that nobody serves any more, and makes its directory if that is not there: it
 * and the socket are `owner`'s, the socket's group the one that is named. NULL with one line in `ret_error`: a live
 * instance serves it, no permission, path too long, no such group, ...
 */
struct control *control_open(struct event_base *base, const struct config_control *place,
                             const struct control_commands *commands, const struct identity *owner,
                             char ret_error[CONTROL_MAX_ERROR]);

/*
 * Whether it could be opened there, but for another instance that is running. Opens nothing. False, with the
 * key's path, and a line without it.
 */
bool control_check(const struct config_control *place, const char **ret_key,
                   char ret_error[CONTROL_MAX_ERROR]);

/* Closes it and removes the socket. NULL is fine. */
void control_close(struct control *control);

#endif
