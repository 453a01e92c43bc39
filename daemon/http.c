#include "daemon/http.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/accept.h"
#include "daemon/net.h"

enum stage { READING_HEAD, READING_BODY, TAKEN, ANSWERED };

struct visitor {
    struct visitor *prev, *next; /* oldest first */
    struct http *http;
    struct bufferevent *stream;
    struct event *late;
    enum stage stage; /* ANSWERED: goes when all is sent */
    char *line;       /* the first */
    size_t length;    /* of the body */
    char type[HTTP_MAX_TYPE];
};

struct http {
    struct event_base *base;
    struct http_page page;
    struct http_service service;
    struct acceptor *acceptor;
    struct visitor *visitors;
    size_t count;
};

static void visitor_free(struct visitor *visitor)
{
    const struct http_service *service = &visitor->http->service;
    if (visitor->stage == TAKEN && service->gone)
        service->gone(service->arg, visitor);
    DL_DELETE(visitor->http->visitors, visitor);
    visitor->http->count--;
    net_finish(bufferevent_getfd(visitor->stream));
    bufferevent_free(visitor->stream);
    event_free(visitor->late);
    free(visitor->line);
    free(visitor);
}

/* ---- answers */

static void reply(struct visitor *visitor, const char *status, const char *type,
                  struct evbuffer *body, bool send)
{
    struct evbuffer *out = bufferevent_get_output(visitor->stream);
    evbuffer_add_printf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\n", status, type);
    if (strncmp(status, "204", 3) != 0) /* which may not have it: RFC 9110 8.6 */
        evbuffer_add_printf(out, "Content-Length: %zu\r\n", evbuffer_get_length(body));
    evbuffer_add_printf(out, "Allow: %s\r\nConnection: close\r\n\r\n",
                        visitor->http->service.allow);
    if (send)
        evbuffer_add_buffer(out, body);
}

/* Nothing more is read of him. Without memory for an answer, his time runs out. */
static void set_answered(struct visitor *visitor)
{
    visitor->stage = ANSWERED;
    bufferevent_disable(visitor->stream, EV_READ);
}

void http_answer(struct visitor *visitor, const char *status, const char *type,
                 struct evbuffer *body)
{
    struct evbuffer *made = body ? NULL : evbuffer_new();
    set_answered(visitor);
    if (made)
        evbuffer_add_printf(made, "%s\n", status);
    if (body || made)
        reply(visitor, status, type, body ? body : made, true);
    if (made)
        evbuffer_free(made);
}

static void refuse(struct visitor *visitor, const char *status)
{
    http_answer(visitor, status, "text/plain", NULL);
}

/* ---- a page */

static const char plain[] = "text/plain; charset=utf-8";

/* What is written of a page, with its status. */
struct served {
    const char *status, *type;
};

static struct served write_page(const struct http_page *page, struct evbuffer *body)
{
    page->write(page->arg, body);
    return (struct served){"200 OK", page->type};
}

static struct served write_health(const struct http_page *page, struct evbuffer *body)
{
    (void)page;
    evbuffer_add_printf(body, "ok\n");
    return (struct served){"200 OK", plain};
}

static struct served write_readiness(const struct http_page *page, struct evbuffer *body)
{
    if (!page->ready(page->arg, body))
        return (struct served){"503 Service Unavailable", plain};
    evbuffer_add_printf(body, "ok\n");
    return (struct served){"200 OK", plain};
}

typedef struct served write_fn(const struct http_page *page, struct evbuffer *body);

static write_fn *find_page(const struct http_page *page, const char *path)
{
    if (strcmp(path, page->path) == 0)
        return write_page;
    if (strcmp(path, "/healthz") == 0)
        return write_health;
    return page->ready && strcmp(path, "/readyz") == 0 ? write_readiness : NULL;
}

static void serve(struct visitor *visitor, write_fn *write, bool send)
{
    struct evbuffer *body = evbuffer_new();
    set_answered(visitor);
    if (!body)
        return;
    const struct served served = write(&visitor->http->page, body);
    reply(visitor, served.status, served.type, body, send);
    evbuffer_free(body);
}

static void serve_answer(struct visitor *visitor, const struct http_request *request, bool send)
{
    const struct http_page *page = &visitor->http->page;
    struct evbuffer *body = page->answer ? evbuffer_new() : NULL;
    if (!body || !page->answer(page->arg, request->path, request->query, body)) {
        refuse(visitor, "404 Not Found");
    } else {
        set_answered(visitor);
        reply(visitor, "200 OK", "application/json", body, send);
    }
    if (body)
        evbuffer_free(body);
}

static void take_for_page(void *arg, struct visitor *visitor, const struct http_request *request)
{
    const struct http *http = arg;
    bool get = strcmp(request->method, "GET") == 0;
    write_fn *write = find_page(&http->page, request->path);
    if (!get && strcmp(request->method, "HEAD") != 0)
        refuse(visitor, "405 Method Not Allowed");
    else if (!write)
        serve_answer(visitor, request, get);
    else
        serve(visitor, write, get);
}

/* ---- a request */

/* A proxy's way to say it has the host in front (RFC 9112 3.2.2). */
static char *without_host(char *path)
{
    static const char scheme[] = "http://";
    if (strncasecmp(path, scheme, strlen(scheme)) != 0)
        return path;
    path += strlen(scheme);
    return path + strcspn(path, "/");
}

/* "GET /metrics?x=y HTTP/1.1", and all of the body is here. */
static void take(struct visitor *visitor)
{
    const struct http_service *service = &visitor->http->service;
    struct evbuffer *input = bufferevent_get_input(visitor->stream);
    char *rest = visitor->line;
    struct http_request request = {.method = strsep(&rest, " "), .type = visitor->type};
    char *path = strsep(&rest, " ");
    if (!path || !rest || strncmp(rest, "HTTP/1.", strlen("HTTP/1.")) != 0) {
        refuse(visitor, "400 Bad Request");
        return;
    }
    path = without_host(path);
    request.path = strsep(&path, "?");
    request.query = path ? path : "";
    request.size = visitor->length;
    request.body =
        visitor->length ? (char *)evbuffer_pullup(input, (ev_ssize_t)visitor->length) : "";
    visitor->stage = TAKEN;
    bufferevent_disable(visitor->stream, EV_READ);
    if (!request.body)
        refuse(visitor, "503 Service Unavailable");
    else
        service->take(service->arg, visitor, &request);
}

/* What follows a field's name on its line; NULL: it is another field's. */
static const char *value_of(const char *line, const char *name)
{
    const size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':')
        return NULL;
    line += size + 1;
    return line + strspn(line, " \t");
}

/* "413 ..." if the body is none that is read; NULL. */
static const char *note_length(struct visitor *visitor, const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return "400 Bad Request";
    const unsigned long long length = strtoull(text, &end, 10);
    if (end[strspn(end, " \t")])
        return "400 Bad Request";
    if (length > visitor->http->service.max_body)
        return "413 Content Too Large";
    visitor->length = (size_t)length;
    return NULL;
}

/* What it needs to know of a line of the head; else a status to refuse it with. */
static const char *note_field(struct visitor *visitor, const char *line)
{
    const char *value;
    if ((value = value_of(line, "Content-Length")))
        return note_length(visitor, value);
    if (value_of(line, "Transfer-Encoding"))
        return "411 Length Required";
    if ((value = value_of(line, "Content-Type")))
        snprintf(visitor->type, sizeof visitor->type, "%s", value);
    return NULL;
}

/* All of the head is here. What a page is sent along with the request is of no interest. */
static void take_head(struct visitor *visitor, struct evbuffer *input)
{
    const char *status = NULL;
    visitor->line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
    bool last = !visitor->line;
    while (!last && visitor->http->service.max_body > 0) {
        char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
        last = !line || !*line;
        if (!last && !status)
            status = note_field(visitor, line);
        free(line);
    }
    visitor->stage = READING_BODY;
    if (status || !visitor->line)
        refuse(visitor, status ? status : "503 Service Unavailable");
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
    if (visitor->stage == READING_HEAD && has_head(input))
        take_head(visitor, input);
    else if (visitor->stage == READING_HEAD && evbuffer_get_length(input) >= HTTP_MAX_HEAD)
        refuse(visitor, "431 Request Header Fields Too Large");
    if (visitor->stage == READING_BODY && evbuffer_get_length(input) >= visitor->length)
        take(visitor);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    struct visitor *visitor = arg;
    if (visitor->stage == ANSWERED)
        visitor_free(visitor);
}

/* It has ended its side, which is no harm while it takes its answer; or it is gone. */
static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    struct visitor *visitor = arg;
    if (!(what & BEV_EVENT_EOF) || visitor->stage != ANSWERED)
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
    log_limited(LOG_LEVEL_WARNING, "msg=\"a %s connection is closed for another\" most=%d",
                http->service.name, HTTP_MAX_VISITORS);
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
    const struct http *http = arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"the %s port rests for 100 ms\" error=\"%s\"",
                http->service.name, strerror(error));
}

struct http *http_serve(struct event_base *base, int fd, const struct http_service *service)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http) {
        close(fd);
        return NULL;
    }
    http->base = base;
    http->service = *service;
    http->acceptor = acceptor_new(
        &(struct acceptor_options){
            .base = base, .taken = on_taken, .rests = on_rests, .lacks = on_lack, .arg = http},
        fd);
    if (http->acceptor)
        return http;
    http_free(http);
    return NULL;
}

struct http *http_new(struct event_base *base, int fd, const struct http_page *page)
{
    static const struct http_service service = {
        .name = "metrics", .allow = "GET, HEAD", .take = take_for_page};
    struct http *http = http_serve(base, fd, &service);
    if (http) {
        http->page = *page;
        http->service.arg = http;
    }
    return http;
}

int http_listen(const struct sockaddr *address, socklen_t size)
{
    enum { BACKLOG = 16 };
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
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
