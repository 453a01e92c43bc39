#include "bench/propagation/inside.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_US = 10000, RETRY_US = 50000, PATIENCE_S = 1 };

static FILE *connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    FILE *stream = NULL;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        stream = fdopen(fd, "r");
    if (!stream && fd >= 0)
        close(fd);
    return stream;
}

static int64_t integer(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void note(struct inside *inside, const char *line, bool begun)
{
    json_t *status = json_loads(line, 0, NULL);
    json_t *feed = json_object_get(status, "feed");
    const uint64_t applied = (uint64_t)integer(feed, "applied");
    if (!begun && !atomic_load(&inside->begun))
        inside->before = applied;
    else if (begun && applied > inside->before && applied - inside->before <= inside->capacity) {
        inside->applied[applied - inside->before - 1].age_us = integer(feed, "last_delay_us");
        inside->applied[applied - inside->before - 1].took_us = integer(feed, "last_apply_us");
    }
    json_decref(status);
}

/* Until the connection ends. */
static void observe(struct inside *inside, FILE *stream)
{
    static const char question[] = "{\"cmd\":\"status\"}\n";
    const ssize_t length = sizeof question - 1;
    char *line = NULL;
    size_t size = 0;
    while (!atomic_load(&inside->stop)) {
        const bool begun = atomic_load(&inside->begun); /* of the question, not of the answer */
        if (send(fileno(stream), question, (size_t)length, MSG_NOSIGNAL) != length ||
            getline(&line, &size, stream) <= 0)
            break;
        note(inside, line, begun);
        usleep(PAUSE_US);
    }
    free(line);
}

static void *inside_main(void *arg)
{
    struct inside *inside = arg;
    while (!atomic_load(&inside->stop)) {
        FILE *stream = connect_to(inside->path);
        if (stream) {
            observe(inside, stream);
            fclose(stream);
        }
        usleep(RETRY_US);
    }
    return NULL;
}

bool inside_start(struct inside *inside)
{
    inside->applied = calloc(inside->capacity, sizeof *inside->applied);
    return inside->applied && pthread_create(&inside->thread, NULL, inside_main, inside) == 0;
}

void inside_begin(struct inside *inside)
{
    atomic_store(&inside->begun, true);
}

void inside_stop(struct inside *inside)
{
    atomic_store(&inside->stop, true);
    pthread_join(inside->thread, NULL);
}

void inside_free(struct inside *inside)
{
    free(inside->applied);
}
