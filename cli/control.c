#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_MS = 10000, MAX_ANSWER = 64 * 1024 * 1024 };

struct control {
    const struct options *options;
    FILE *stream;
    char *line;
    size_t line_room;
};

static void set_timeout(const struct options *o, int fd)
{
    const uint64_t ms = o->timeout_ms > 0 ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    const struct timeval t = {.tv_sec = (time_t)(ms / 1000),
                              .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* What the three ways to fail mean, and what to do next. */
static void complain_of_socket(const struct options *o, int error)
{
    static const struct {
        int error;
        const char *next;
    } ways[] = {
        {ENOENT, "is it running, with this path as `control` in its configuration? -c FILE or "
                 "--control PATH says another"},
        {ECONNREFUSED, "the one that made the socket has ended; start it again"},
        {EACCES,
         "the socket is for the user that made it and root (try sudo), and for the group that "
         "`control: {path, group}` may name"},
    };
    const char *next = NULL;
    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++)
        if (ways[k].error == error)
            next = ways[k].next;
    complain(o, "no freshetd answers at %s: %s%s%s", o->control, strerror(error), next ? ": " : "",
             next ? next : "");
}

static int open_socket(const struct options *o)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(o->control) >= sizeof address.sun_path) {
        complain(o, "%s: too long for the path of a socket", o->control);
        return -1;
    }
    strcpy(address.sun_path, o->control);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        complain(o, "socket: %s", strerror(errno));
        return -1;
    }
    set_timeout(o, fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    complain_of_socket(o, errno);
    close(fd);
    return -1;
}

static struct control *open_control(const struct options *o)
{
    int fd = open_socket(o);
    if (fd < 0)
        return NULL;
    struct control *control = calloc(1, sizeof *control);
    FILE *stream = fdopen(fd, "r+");
    if (!control || !stream) {
        complain(o, "%s", strerror(ENOMEM));
        free(control);
        if (stream)
            fclose(stream);
        else
            close(fd);
        return NULL;
    }
    control->options = o;
    control->stream = stream;
    return control;
}

/* In one write: a request is short, and there is no SIGPIPE for a reader that has gone. */
static bool send_request(const struct control *control, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
    char *line = NULL;
    int size = text ? asprintf(&line, "%s\n", text) : -1;
    free(text);
    if (size < 0) {
        complain(control->options, "%s", strerror(ENOMEM));
        return false;
    }
    const bool sent = send(fileno(control->stream), line, (size_t)size, MSG_NOSIGNAL) == size;
    if (!sent)
        complain(control->options, "%s: %s", control->options->control, strerror(errno));
    free(line);
    return sent;
}

struct control *control_ask(const struct options *options, json_t *request)
{
    struct control *control = open_control(options);
    if (control && !send_request(control, request)) {
        control_end(control);
        control = NULL;
    }
    json_decref(request);
    return control;
}

static void complain_of_end(const struct control *control)
{
    const struct options *o = control->options;
    if (feof(control->stream))
        complain(o, "%s: the connection ended before the answer", o->control);
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
        complain(o, "%s: no answer in time", o->control);
    else
        complain(o, "%s: %s", o->control, strerror(errno));
}

json_t *control_next(struct control *control)
{
    const struct options *o = control->options;
    ssize_t size = getline(&control->line, &control->line_room, control->stream);
    if (size < 0 || size > MAX_ANSWER) {
        complain_of_end(control);
        return NULL;
    }
    json_t *answer = json_loadb(control->line, (size_t)size, 0, NULL);
    if (!json_is_object(answer)) {
        complain(o, "%s: the answer is not a JSON object", o->control);
        json_decref(answer);
        return NULL;
    }
    if (json_is_false(json_object_get(answer, "ok"))) {
        complain(o, "%s", member_text(answer, "error"));
        json_decref(answer);
        return NULL;
    }
    return answer;
}

void control_end(struct control *control)
{
    if (!control)
        return;
    fclose(control->stream);
    free(control->line);
    free(control);
}

json_t *control_answer(const struct options *options, json_t *request)
{
    struct control *control = control_ask(options, request);
    json_t *answer = control ? control_next(control) : NULL;
    control_end(control);
    return answer;
}

const char *member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

long long member_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

bool member_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

void print_json_line(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
    printf("\n");
}
