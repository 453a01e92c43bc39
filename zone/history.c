/* history.c - see history.h. */
#include "zone/history.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "zone/serial.h"

/*
 * Changes under the serial that the last version came to, to go with the next. They are made one of when that comes, or
 * when there is no room for more: to do it with each would cost as much as there are, each time.
 */
struct pending {
    struct zone_version **each;
    size_t count, room, bytes;
};

struct zone_history {
    pthread_mutex_t lock;
    size_t max_bytes, bytes;
    struct zone_version **each; /* room for `room`; those from `first` on are there */
    size_t first, count, room;
    struct pending pending;
    bool
        incomplete; /* of what changed under the present serial some is forgotten: no way leads on from it */
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

static void pending_clear(struct pending *pending)
{
    for (size_t i = 0; i < pending->count; i++)
        zone_version_release(pending->each[i]);
    free(pending->each);
    *pending = (struct pending){.count = 0};
}

static void forget_all(struct zone_history *history)
{
    while (history->count > 0)
        drop_first(history);
    pending_clear(&history->pending);
    history->incomplete = false;
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

/* Takes the version over. */
static int pending_add(struct pending *pending, struct zone_version *version)
{
    if (pending->count == pending->room) {
        size_t room = pending->room * 2 + 16;
        struct zone_version **each = realloc(pending->each, room * sizeof(struct zone_version *));
        if (!each) {
            zone_version_release(version);
            return ERR_MEMORY;
        }
        pending->each = each;
        pending->room = room;
    }
    pending->each[pending->count++] = version;
    pending->bytes += zone_version_bytes(version);
    return 0;
}

/* All of them as one, which is the caller's; none is left. */
static int pending_merge(struct pending *pending, struct zone_version **ret_version)
{
    int error = zone_version_merge(pending->each, pending->count, ret_version);
    pending_clear(pending);
    return error;
}

/* Half of the room must be free after that, so that it is not done again soon. */
static int pending_shrink(struct pending *pending, size_t max_bytes)
{
    struct zone_version *all;
    if (pending->bytes <= max_bytes)
        return 0;
    int error = pending_merge(pending, &all);
    if (error == 0)
        error = pending_add(pending, all);
    return error == 0 && pending->bytes > max_bytes / 2 ? ERR_TOO_LARGE : error;
}

/* Takes the version over, with what is pending before it. */
static int take(struct zone_history *history, struct zone_version *version)
{
    bool same_serial = version->from == version->to;
    if (history->incomplete) {
        history->incomplete = same_serial;
        zone_version_release(version);
        return 0;
    }
    if (same_serial || history->pending.count > 0) {
        int error = pending_add(&history->pending, version);
        if (error < 0 || same_serial)
            return error < 0 ? error : pending_shrink(&history->pending, history->max_bytes);
        error = pending_merge(&history->pending, &version);
        if (error < 0)
            return error;
    }
    int error = append(history, version);
    if (error < 0)
        zone_version_release(version);
    return error;
}

int zone_history_note(struct zone_history *history, const struct zone_state *before,
                      const struct zone_state *after)
{
    struct zone_version *version = NULL;
    uint32_t from, to;
    bool known = zone_serial(before, &from) && zone_serial(after, &to);
    int error = ERR_TOO_LARGE;
    if (known && (from == to || serial_is_newer(to, from)))
        error = zone_version_between(before, after, history->max_bytes, &version);
    if (error == ERR_NOT_FOUND)
        return 0;
    pthread_mutex_lock(&history->lock);
    if (error == 0)
        error = take(history, version);
    if (error < 0) {
        forget_all(history);
        history->incomplete = known && from == to;
    }
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
