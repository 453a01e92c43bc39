#include "bench/propagation/inside.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_US = 200000, RETRY_US = 50000, PATIENCE_S = 1 };

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

/* Takes an answer; `begun`: the question was asked after the first change. */
static void note(struct inside *inside, const char *line, bool begun)
{
    json_t *answer = json_loads(line, 0, NULL);
    json_t *ages = json_object_get(answer, "age_us"), *times = json_object_get(answer, "took_us");
    const uint64_t first = (uint64_t)json_integer_value(json_object_get(answer, "first"));
    for (size_t k = 0; k < json_array_size(ages); k++) {
        inside->known = first + k;
        const uint64_t at = inside->known - inside->before - 1;
        if (!begun && !atomic_load(&inside->begun))
            inside->before = inside->known;
        else if (inside->known > inside->before && at < inside->capacity) {
            inside->applied[at].age_us = json_integer_value(json_array_get(ages, k));
            inside->applied[at].took_us = json_integer_value(json_array_get(times, k));
        }
    }
    json_decref(answer);
}

/* Until the connection ends. */
static void observe(struct inside *inside, FILE *stream)
{
    char question[64], *line = NULL;
    size_t size = 0;
    for (bool last = false; !last;) {
        last = atomic_load(&inside->stop); /* then once more */
        const bool begun = atomic_load(&inside->begun);
        const int length = snprintf(question, sizeof question,
                                    "{\"cmd\":\"applied\",\"after\":%" PRIu64 "}\n", inside->known);
        if (send(fileno(stream), question, (size_t)length, MSG_NOSIGNAL) != length ||
            getline(&line, &size, stream) <= 0)
            break;
        note(inside, line, begun);
        if (!last)
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
