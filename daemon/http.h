/*
 * http.h - one page for machines, over HTTP/1: a request, its answer, and the connection is closed.
 *
 *     GET, HEAD of the page -> 200      another path -> 404      another method -> 405      not HTTP/1 -> 400
 *     more than 8 kB before the empty line -> 431
 *
 * Bounded in each direction: HTTP_MAX_VISITORS at a time, of whom the oldest makes room for another; what a request may
 * be; and the time from the first byte to the last, however they trickle. A body is not read. (libevent's evhttp bounds
 * neither the number of connections nor their time, and keeps silent ones for ever.)
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_DAEMON_HTTP_H
#define FRESHET_DAEMON_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>

enum {
    HTTP_MAX_VISITORS = 16,
    HTTP_MAX_HEAD = 8 * 1024, /* bytes up to the empty line */
    HTTP_SECONDS = 10,        /* for all of it */
};

struct http;

struct http_page {
    const char *path; /* borrowed */
    const char *type; /* Content-Type; borrowed */
    /* Writes the page. */
    void (*write)(void *arg, struct evbuffer *out);
    void *arg;
};

/* Serves `page` on a listening socket; takes over `fd`, also on failure. NULL: no memory. */
struct http *http_new(struct event_base *base, int fd, const struct http_page *page);

/* NULL is fine. */
void http_free(struct http *http);

#endif
