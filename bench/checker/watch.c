#include "bench/checker/watch.h"

#include <jansson.h>
#include <string.h>

#include "bench/common/clock.h"
#include "bench/common/control.h"

enum { RETRY_US = 20000 };

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
static void observe(struct watch *watch, struct control *control)
{
    while (!atomic_load(&watch->stop)) {
        const int64_t asked_us = clock_us();
        const char *line = control_ask(control, "{\"cmd\":\"status\"}\n");
        if (!line)
            return;
        note(watch, line, asked_us);
        clock_sleep_us(watch->pause_us);
    }
}

static void *watch_main(void *arg)
{
    struct watch *watch = arg;
    struct control control;
    while (!atomic_load(&watch->stop)) {
        if (control_open(&control, watch->tier->control)) {
            observe(watch, &control);
            control_close(&control);
        }
        note_state(watch->tier, TIER_SILENT, clock_us());
        clock_sleep_us(RETRY_US);
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
