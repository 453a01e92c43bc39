#include "bench/propagation/inside.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/common/clock.h"
#include "bench/common/control.h"

enum { PAUSE_US = 200000, RETRY_US = 50000 };

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
static void observe(struct inside *inside, struct control *control)
{
    char question[64];
    for (bool last = false; !last;) {
        last = atomic_load(&inside->stop); /* then once more */
        const bool begun = atomic_load(&inside->begun);
        snprintf(question, sizeof question, "{\"cmd\":\"applied\",\"after\":%" PRIu64 "}\n",
                 inside->known);
        const char *line = control_ask(control, question);
        if (!line)
            break;
        note(inside, line, begun);
        if (!last)
            clock_sleep_us(PAUSE_US);
    }
}

static void *inside_main(void *arg)
{
    struct inside *inside = arg;
    struct control control;
    while (!atomic_load(&inside->stop)) {
        if (control_open(&control, inside->path)) {
            observe(inside, &control);
            control_close(&control);
        }
        clock_sleep_us(RETRY_US);
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
