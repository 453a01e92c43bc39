#include "daemon/http.h"

#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/accept.h"
#include "daemon/net.h"

struct visitor {
    struct visitor *prev, *next; /* oldest first */
    struct http *http;
    struct bufferevent *stream;
    struct event *late;
    bool answered; /* goes when all is sent */
};

struct http {
    struct event_base *base;
    struct http_page page;
    struct acceptor *acceptor;
    struct visitor *visitors;
    size_t count;
};

static void visitor_free(struct visitor *visitor)
{
    DL_DELETE(visitor->http->visitors, visitor);
    visitor->http->count--;
    net_finish(bufferevent_getfd(visitor->stream));
    bufferevent_free(visitor->stream);
    event_free(visitor->late);
    free(visitor);
}

/* ---- a request */

static void reply(struct visitor *visitor, const char *status, struct evbuffer *body, bool send)
{
    struct evbuffer *out = bufferevent_get_output(visitor->stream);
    evbuffer_add_printf(out,
                        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                        "Allow: GET, HEAD\r\nConnection: close\r\n\r\n",
                        status, visitor->http->page.type, evbuffer_get_length(body));
    if (send)
        evbuffer_add_buffer(out, body);
    visitor->answered = true;
}

static void refuse(struct visitor *visitor, const char *status)
{
    struct evbuffer *body = evbuffer_new();
    bufferevent_disable(visitor->stream, EV_READ);
    if (!body)
        return;
    evbuffer_add_printf(body, "%s\n", status);
    reply(visitor, status, body, true);
    evbuffer_free(body);
}

static void serve(struct visitor *visitor, bool send)
{
    const struct http_page *page = &visitor->http->page;
    struct evbuffer *body = evbuffer_new();
    bufferevent_disable(visitor->stream, EV_READ);
    if (!body)
        return;
    page->write(page->arg, body);
    reply(visitor, "200 OK", body, send);
    evbuffer_free(body);
}

/* A proxy's way to say it has the host in front (RFC 9112 3.2.2). */
static const char *without_host(const char *path)
{
    static const char scheme[] = "http://";
    if (strncasecmp(path, scheme, strlen(scheme)) != 0)
        return path;
    path += strlen(scheme);
    return path + strcspn(path, "/");
}

/* "GET /metrics?x=y HTTP/1.1" */
static void answer_line(struct visitor *visitor, char *line)
{
    char *rest = line;
    const char *method = strsep(&rest, " "), *path = strsep(&rest, " "), *version = rest;
    if (!path || !version || strncmp(version, "HTTP/1.", strlen("HTTP/1.")) != 0) {
        refuse(visitor, "400 Bad Request");
        return;
    }
    path = without_host(path);
    bool get = strcmp(method, "GET") == 0;
    size_t size = strcspn(path, "?");
    const char *ours = visitor->http->page.path;
    if (!get && strcmp(method, "HEAD") != 0)
        refuse(visitor, "405 Method Not Allowed");
    else if (strlen(ours) != size || strncmp(path, ours, size) != 0)
        refuse(visitor, "404 Not Found");
    else
        serve(visitor, get);
}

/* Whether all of the head is here: up to a line that is empty. */
static bool has_head(struct evbuffer *input)
{
    return evbuffer_search(input, "\n\r\n", 3, NULL).pos >= 0 ||
           evbuffer_search(input, "\n\n", 2, NULL).pos >= 0;
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct visitor *visitor = arg;
    struct evbuffer *input = bufferevent_get_input(stream);
    if (visitor->answered)
        return;
    if (has_head(input)) {
        char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
        if (line)
            answer_line(visitor, line);
        free(line);
    } else if (evbuffer_get_length(input) >= HTTP_MAX_HEAD) {
        refuse(visitor, "431 Request Header Fields Too Large");
    }
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    struct visitor *visitor = arg;
    if (visitor->answered)
        visitor_free(visitor);
}

/* It has ended its side, which is no harm while it takes its answer; or it is gone. */
static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    struct visitor *visitor = arg;
    if (!(what & BEV_EVENT_EOF) || !visitor->answered)
        visitor_free(visitor);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    visitor_free(arg);
}

/* ---- who comes */

static struct visitor *visitor_new(struct http *http, int fd)
{
    struct visitor *visitor = calloc(1, sizeof *visitor);
    if (!visitor)
        return NULL;
    visitor->http = http;
    visitor->late = evtimer_new(http->base, on_late, visitor);
    if (visitor->late)
        visitor->stream = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (visitor->stream)
        return visitor;
    if (visitor->late)
        event_free(visitor->late);
    free(visitor);
    return NULL;
}

static void make_room(struct http *http)
{
    visitor_free(http->visitors);
    log_limited(LOG_LEVEL_WARNING, "msg=\"a metrics connection is closed for another\" most=%d",
                HTTP_MAX_VISITORS);
}

static void on_taken(void *arg, int fd, const struct sockaddr *peer, socklen_t size)
{
    (void)peer, (void)size;
    struct http *http = arg;
    if (http->count >= HTTP_MAX_VISITORS)
        make_room(http);
    struct visitor *visitor = visitor_new(http, fd);
    if (!visitor) {
        close(fd);
        return;
    }
    DL_APPEND(http->visitors, visitor);
    http->count++;
    bufferevent_setcb(visitor->stream, on_read, on_written, on_event, visitor);
    if (event_add(visitor->late, &(struct timeval){.tv_sec = HTTP_SECONDS}) != 0 ||
        bufferevent_enable(visitor->stream, EV_READ | EV_WRITE) != 0)
        visitor_free(visitor);
}

static void on_lack(void *arg)
{
    struct http *http = arg;
    if (http->visitors)
        make_room(http);
}

static void on_rests(void *arg, int error)
{
    (void)arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"the metrics port rests for 100 ms\" error=\"%s\"",
                strerror(error));
}

struct http *http_new(struct event_base *base, int fd, const struct http_page *page)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http) {
        close(fd);
        return NULL;
    }
    http->base = base;
    http->page = *page;
    http->acceptor = acceptor_new(
        &(struct acceptor_options){
            .base = base, .taken = on_taken, .rests = on_rests, .lacks = on_lack, .arg = http},
        fd);
    if (http->acceptor)
        return http;
    http_free(http);
    return NULL;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    while (http->visitors)
        visitor_free(http->visitors);
    acceptor_free(http->acceptor);
    free(http);
}
