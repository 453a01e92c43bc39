/* history.c - see history.h. */
#include "zone/history.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "zone/serial.h"

struct zone_history {
    pthread_mutex_t lock;
    size_t max_bytes, bytes;
    struct zone_version **each; /* room for `room`; those from `first` on are there */
    size_t first, count, room;
    struct zone_version *pending; /* changes under the serial that the last one came to */
};

int zone_history_new(size_t max_bytes, struct zone_history **ret_history)
{
    struct zone_history *history = calloc(1, sizeof *history);
    if (!history)
        return ERR_MEMORY;
    pthread_mutex_init(&history->lock, NULL);
    history->max_bytes = max_bytes;
    *ret_history = history;
    return 0;
}

static void drop_first(struct zone_history *history)
{
    struct zone_version *version = history->each[history->first++];
    history->count--;
    history->bytes -= zone_version_bytes(version);
    zone_version_release(version);
    if (history->count == 0)
        history->first = 0;
}

static void forget_all(struct zone_history *history)
{
    while (history->count > 0)
        drop_first(history);
    zone_version_release(history->pending);
    history->pending = NULL;
}

void zone_history_free(struct zone_history *history)
{
    if (!history)
        return;
    forget_all(history);
    free(history->each);
    pthread_mutex_destroy(&history->lock);
    free(history);
}

void zone_history_forget(struct zone_history *history)
{
    pthread_mutex_lock(&history->lock);
    forget_all(history);
    pthread_mutex_unlock(&history->lock);
}

/* -- the writer -------------------------------------------------------------------------------- */

/* Room for one more behind the last; those in front that are gone make it first. */
static bool make_room(struct zone_history *history)
{
    if (history->first + history->count < history->room)
        return true;
    if (history->first > history->room / 2) {
        memmove(history->each, history->each + history->first,
                history->count * sizeof(struct zone_version *));
        history->first = 0;
        return true;
    }
    size_t room = history->room * 2 + 16;
    struct zone_version **each = realloc(history->each, room * sizeof(struct zone_version *));
    if (!each)
        return false;
    history->each = each;
    history->room = room;
    return true;
}

static void keep_within(struct zone_history *history)
{
    while (history->bytes > history->max_bytes)
        drop_first(history);
}

void zone_history_resize(struct zone_history *history, size_t max_bytes)
{
    pthread_mutex_lock(&history->lock);
    history->max_bytes = max_bytes;
    keep_within(history);
    pthread_mutex_unlock(&history->lock);
}

static int append(struct zone_history *history, struct zone_version *version)
{
    if (!make_room(history))
        return ERR_MEMORY;
    history->each[history->first + history->count++] = version;
    history->bytes += zone_version_bytes(version);
    keep_within(history);
    return 0;
}

/* Takes the version over, with what is pending before it. */
static int take(struct zone_history *history, struct zone_version *version)
{
    if (history->pending) {
        struct zone_version *both, *parts[] = {history->pending, version};
        int error = zone_version_merge(parts, 2, &both);
        zone_version_release(version);
        if (error < 0)
            return error;
        zone_version_release(history->pending);
        history->pending = NULL;
        version = both;
    }
    if (version->from == version->to && zone_version_bytes(version) <= history->max_bytes) {
        history->pending = version;
        return 0;
    }
    if (version->from == version->to) {
        zone_version_release(version);
        return ERR_TOO_LARGE;
    }
    int error = append(history, version);
    if (error < 0)
        zone_version_release(version);
    return error;
}

/* Whether the one state is a version behind the other. */
static bool follows(const struct zone_state *before, const struct zone_state *after)
{
    uint32_t from, to;
    return zone_serial(before, &from) && zone_serial(after, &to) &&
           (from == to || serial_is_newer(to, from));
}

int zone_history_note(struct zone_history *history, const struct zone_state *before,
                      const struct zone_state *after)
{
    struct zone_version *version = NULL;
    int error = ERR_TOO_LARGE;
    if (follows(before, after))
        error = zone_version_between(before, after, history->max_bytes, &version);
    if (error == ERR_NOT_FOUND)
        return 0;
    pthread_mutex_lock(&history->lock);
    if (error == 0)
        error = take(history, version);
    if (error < 0)
        forget_all(history);
    pthread_mutex_unlock(&history->lock);
    return error == ERR_TOO_LARGE ? 0 : error;
}

/* -- readers ----------------------------------------------------------------------------------- */

/* Where the versions from one serial to another are: the first of them, and how many. */
static bool find(const struct zone_history *history, uint32_t from, uint32_t to, size_t *ret_first,
                 size_t *ret_count)
{
    size_t end = history->first + history->count, first = history->first;
    while (first < end && history->each[first]->from != from)
        first++;
    for (size_t last = first; last < end; last++) {
        if (history->each[last]->to == to) {
            *ret_first = first;
            *ret_count = last + 1 - first;
            return true;
        }
    }
    return false;
}

static int hold(struct zone_history *history, uint32_t from, uint32_t to, struct zone_versions *ret)
{
    struct zone_versions versions = {.bytes = 0};
    size_t first;
    if (!find(history, from, to, &first, &versions.count))
        return ERR_NOT_FOUND;
    versions.each = malloc(versions.count * sizeof(struct zone_version *));
    if (!versions.each)
        return ERR_MEMORY;
    for (size_t i = 0; i < versions.count; i++) {
        versions.each[i] = zone_version_hold(history->each[first + i]);
        versions.bytes += zone_version_bytes(versions.each[i]);
    }
    *ret = versions;
    return 0;
}

int zone_history_hold(struct zone_history *history, uint32_t from, uint32_t to,
                      struct zone_versions *ret_versions)
{
    pthread_mutex_lock(&history->lock);
    int error = hold(history, from, to, ret_versions);
    pthread_mutex_unlock(&history->lock);
    return error;
}

void zone_versions_release(struct zone_versions *versions)
{
    for (size_t i = 0; i < versions->count; i++)
        zone_version_release(versions->each[i]);
    free(versions->each);
    *versions = (struct zone_versions){.count = 0};
}

void zone_history_size(struct zone_history *history, struct zone_history_size *ret_size)
{
    pthread_mutex_lock(&history->lock);
    *ret_size = (struct zone_history_size){.versions = history->count, .bytes = history->bytes};
    pthread_mutex_unlock(&history->lock);
}
