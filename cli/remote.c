#include "cli/remote.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cli/control.h"

enum { TIMEOUT_MS = 10000, MAX_HOST = 256, MAX_PORT = 16, MAX_PATH = 4096, MAX_ANSWER = 4 << 20 };

static const char scheme[] = "http://";

bool remote_is(const char *place)
{
    return strncmp(place, scheme, sizeof scheme - 1) == 0;
}

/* "http://HOST:PORT" or "http://[HOST]:PORT", with a slash behind or not. */
static bool split(const char *place, char host[MAX_HOST], char port[MAX_PORT])
{
    const char *text = place + sizeof scheme - 1;
    const bool bracket = text[0] == '[';
    const char *start = text + bracket;
    const size_t length = strcspn(start, bracket ? "]" : ":/");
    const char *rest = start + length + (bracket && start[length]);
    const size_t digits = rest[0] == ':' ? strspn(rest + 1, "0123456789") : 0;
    if (length == 0 || length >= MAX_HOST || digits == 0 || digits >= MAX_PORT ||
        strspn(rest + 1 + digits, "/") != strlen(rest + 1 + digits))
        return false;
    snprintf(host, MAX_HOST, "%.*s", (int)length, start);
    snprintf(port, MAX_PORT, "%.*s", (int)digits, rest + 1);
    return true;
}

static uint64_t timeout_ms(const struct options *o)
{
    return o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
}

static int connect_to(const struct options *o, const struct addrinfo *address)
{
    const uint64_t ms = timeout_ms(o);
    const struct timeval t = {.tv_sec = (time_t)(ms / 1000),
                              .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A connected socket; -1 after a complaint. */
static int open_remote(const struct options *o, const char *place)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char host[MAX_HOST], port[MAX_PORT];
    if (!split(place, host, port)) {
        complain(o, "is no address of a freshetd; expected http://HOST:PORT, the `metrics` of its "
                    "configuration");
        return -1;
    }
    const int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        complain(o, "%s", gai_strerror(error));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *one = found; one && fd < 0; one = one->ai_next)
        fd = connect_to(o, one);
    if (fd < 0)
        complain(o, "%s: is it running, with this as `metrics` in its configuration?",
                 errno == EINPROGRESS ? strerror(ETIMEDOUT) : strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static void add_encoded(char path[MAX_PATH], const char *name, const char *value)
{
    size_t used = strlen(path);
    used += (size_t)snprintf(path + used, MAX_PATH - used, "%s%s=", strchr(path, '?') ? "&" : "?",
                             name);
    for (; *value && used + 4 < MAX_PATH; value++)
        used += (size_t)snprintf(path + used, MAX_PATH - used,
                                 strchr("-._~*", *value) || (*value >= '0' && *value <= '9') ||
                                         ((*value | 32) >= 'a' && (*value | 32) <= 'z')
                                     ? "%c"
                                     : "%%%02x",
                                 (unsigned char)*value);
}

/* The path of a request. */
static void write_path(const json_t *request, char path[MAX_PATH])
{
    const bool drained = strcmp(member_text(request, "cmd"), "drained_by") == 0;
    snprintf(path, MAX_PATH, "/%s", drained ? "drained-by" : "lookup");
    add_encoded(path, "name", member_text(request, "name"));
    if (!drained)
        add_encoded(path, "type", member_text(request, "type"));
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for more no longer than until then. As recv(). */
static ssize_t receive_more(int fd, char *text, size_t room, int64_t until_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    const int64_t left = until_ms - now_ms();
    const int ready = poll(&one, 1, left < 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX);
    if (ready == 0)
        errno = EAGAIN;
    return ready > 0 ? recv(fd, text, room, 0) : -1;
}

/* All that comes, up to MAX_ANSWER, in time as a whole: a byte now and then does not keep us. NULL after a complaint. */
static char *receive(const struct options *o, int fd)
{
    const int64_t until = now_ms() + (int64_t)timeout_ms(o);
    char *text = malloc(MAX_ANSWER + 1);
    size_t size = 0;
    ssize_t got = 1;
    while (text && size < MAX_ANSWER &&
           (got = receive_more(fd, text + size, MAX_ANSWER - size, until)) > 0)
        size += (size_t)got;
    if (text && got == 0) {
        text[size] = '\0';
        return text;
    }
    complain(o, "%s",
             !text             ? strerror(ENOMEM)
             : got > 0         ? "the answer is too long"
             : errno == EAGAIN ? "no answer in time"
                               : strerror(errno));
    free(text);
    return NULL;
}

static json_t *parse(const struct options *o, const char *text)
{
    const char *body = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || !body) {
        complain(o, "%.*s: is that the `metrics` of a freshetd?",
                 text[0] ? (int)strcspn(text, "\r\n") : 9, text[0] ? text : "no answer");
        return NULL;
    }
    json_t *answer = json_loads(body + 4, 0, NULL);
    if (!json_is_object(answer)) {
        complain(o, "the answer is not a JSON object");
    } else if (json_is_false(json_object_get(answer, "ok"))) {
        complain(o, "%s", member_text(answer, "error"));
    } else {
        return answer;
    }
    json_decref(answer);
    return NULL;
}

static bool send_all(const struct options *o, int fd, const char *text)
{
    const size_t size = strlen(text);
    if (send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size)
        return true;
    complain(o, "%s", strerror(errno));
    return false;
}

json_t *remote_answer(const struct options *options, const char *place, json_t *request)
{
    char path[MAX_PATH], text[MAX_PATH + 64];
    json_t *answer = NULL;
    write_path(request, path);
    json_decref(request);
    int fd = open_remote(options, place);
    if (fd < 0)
        return NULL;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: freshet\r\nConnection: close\r\n\r\n",
             path);
    char *got = send_all(options, fd, text) ? receive(options, fd) : NULL;
    if (got)
        answer = parse(options, got);
    free(got);
    close(fd);
    return answer;
}
