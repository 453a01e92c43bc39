/*
 * http.h - a service for machines, over HTTP/1: a request, its answer, and the connection is closed.
 *
 *     a page:   GET, HEAD of it -> 200      another path -> 404      another method -> 405
 *     either:   not HTTP/1 -> 400           more than 8 kB before the empty line -> 431
 *     bodies:   without a length -> 411     larger than the service takes -> 413
 *
 * Bounded in each direction: HTTP_MAX_VISITORS at a time, of whom the oldest makes room for another; what a request may
 * be; and the time from the first byte to the last, however they trickle. (libevent's evhttp bounds neither the number of
 * connections nor their time, and keeps silent ones for ever.)
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_DAEMON_HTTP_H
#define FRESHET_DAEMON_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
    HTTP_MAX_VISITORS = 16,
    HTTP_MAX_HEAD = 8 * 1024, /* bytes up to the empty line */
    HTTP_MAX_TYPE = 128,      /* bytes of Content-Type */
    HTTP_SECONDS = 10,        /* for all of it */
};

struct http;

struct http_page {
    const char *path; /* borrowed */
    const char *type; /* Content-Type; borrowed */
    /* Writes the page. */
    void (*write)(void *arg, struct evbuffer *out);
    /* Whether whoever waits for a start need wait no longer; writes a line for each reason why not. */
    bool (*ready)(void *arg, struct evbuffer *out);
    /* Answers at another path, in JSON; `query` is what stands behind its question mark. False: there is no such. NULL: none is. */
    bool (*answer)(void *arg, const char *path, const char *query, struct evbuffer *out);
    void *arg;
};

/*
 * Serves `page` on a listening socket, and beside it /healthz (200 as long as the loop turns) and /readyz (200 or 503, with
 * the reasons); takes over `fd`, also on failure. NULL: no memory.
 */
struct http *http_new(struct event_base *base, int fd, const struct http_page *page);

struct visitor; /* who asked, until he is answered or gone */

/* Good inside the call of `take`. */
struct http_request {
    const char *method; /* "GET" */
    const char *path;   /* "/records", without what is behind a question mark, which is the next */
    const char *query;  /* "": none */
    const char *type;   /* Content-Type, as far as it is of use; "": none */
    const char *body;
    size_t size;
};

struct http_service {
    const char *name;  /* of it, in the log; this and the next borrowed */
    const char *allow; /* methods */
    size_t max_body;   /* bytes; 0: no body is read */
    /* Answers by http_answer(), now or later. */
    void (*take)(void *arg, struct visitor *visitor, const struct http_request *request);
    void (*gone)(void *arg, struct visitor *visitor); /* before he was answered; or NULL */
    void *arg;
};

/* The same for a service of more than a page. */
struct http *http_serve(struct event_base *base, int fd, const struct http_service *service);

/* `status` such as "404 Not Found"; `body` is drained, NULL: the status is all there is to say. */
void http_answer(struct visitor *visitor, const char *status, const char *type,
                 struct evbuffer *body);

/* A listening socket that is not shared with another instance; -1 with errno. */
int http_listen(const struct sockaddr *address, socklen_t size);

/* NULL is fine. */
void http_free(struct http *http);

#endif
