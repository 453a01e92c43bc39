#include "bench/checker/watch.h"

#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/common/clock.h"

enum { ANSWER_MS = 1000, RETRY_US = 20000, LINE_MAX_SIZE = 256 * 1024 };

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* One line, its end cut off. False: closed, silent, or too long. */
static bool read_line(int fd, char *line, size_t size)
{
    for (size_t at = 0; at + 1 < size;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, ANSWER_MS) <= 0)
            return false;
        const ssize_t got = read(fd, line + at, size - 1 - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
        if (line[at - 1] == '\n') {
            line[at - 1] = '\0';
            return true;
        }
    }
    return false;
}

/* That what lies beyond the last known offsets was not applied, was said to the question before. */
static void note_applied(struct watch *watch, json_t *feed, int64_t now_us)
{
    json_t *places = json_object_get(feed, "partitions"), *place;
    size_t k;
    json_array_foreach(places, k, place)
        tier_advance(watch->tier, (int)json_integer_value(json_object_get(place, "partition")),
                     json_integer_value(json_object_get(place, "offset")),
                     (struct window){watch->asked_us, now_us});
    atomic_store(&watch->tier->watched, json_array_size(places) > 0);
}

static void note_state(struct tier *tier, enum tier_state state, int64_t now_us)
{
    if (atomic_load(&tier->state) == (int)state)
        return;
    atomic_store(&tier->live_since_us, state == TIER_LIVE ? now_us : INT64_MAX);
    atomic_store(&tier->state, state);
}

static void note(struct watch *watch, const char *line, int64_t asked_us)
{
    const int64_t now_us = clock_us();
    json_t *status = json_loads(line, 0, NULL);
    json_t *feed = json_object_get(status, "feed");
    const char *state = json_string_value(json_object_get(feed, "state"));
    if (state) {
        note_applied(watch, feed, now_us);
        note_state(watch->tier, strcmp(state, "live") == 0 ? TIER_LIVE : TIER_NOT_LIVE, now_us);
        watch->asked_us = asked_us;
    }
    json_decref(status);
}

/* Until the connection ends. */
static void observe(struct watch *watch, int fd)
{
    static const char question[] = "{\"cmd\":\"status\"}\n";
    static _Thread_local char line[LINE_MAX_SIZE];
    while (!atomic_load(&watch->stop)) {
        const int64_t asked_us = clock_us();
        if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) != sizeof question - 1 ||
            !read_line(fd, line, sizeof line))
            return;
        note(watch, line, asked_us);
        usleep((useconds_t)watch->pause_us);
    }
}

static void *watch_main(void *arg)
{
    struct watch *watch = arg;
    while (!atomic_load(&watch->stop)) {
        int fd = connect_to(watch->tier->control);
        if (fd >= 0) {
            observe(watch, fd);
            close(fd);
        }
        note_state(watch->tier, TIER_SILENT, clock_us());
        usleep(RETRY_US);
    }
    return NULL;
}

bool watch_start(struct watch *watch)
{
    return pthread_create(&watch->thread, NULL, watch_main, watch) == 0;
}

void watch_stop(struct watch *watch)
{
    atomic_store(&watch->stop, true);
    pthread_join(watch->thread, NULL);
}
