#include "bench/common/history.h"

#include <stdlib.h>

const char *const kind_texts[KIND_COUNT] = {"initial", "set",     "flush", "swap",   "del",
                                            "cut",     "subtree", "uncut", "aborted"};

static void add_first_versions(struct history *history)
{
    for (uint32_t name = 0; name < history->names; name++) {
        const uint32_t version = ++history->count;
        history->changes[version] =
            (struct change){.name = name, .set = version, .logged_us = 1, .readable_us = 1};
        atomic_store(&history->changes[version].offset, OFFSET_NONE);
        history->current[name] = version;
    }
}

struct history *history_new(uint32_t names, uint32_t changes)
{
    struct history *history = calloc(1, sizeof *history);
    if (!history)
        return NULL;
    history->names = names;
    history->capacity = names + changes + 1;
    if (history->capacity > VERSION_MAX)
        history->capacity = VERSION_MAX;
    history->changes = calloc(history->capacity, sizeof *history->changes);
    history->current = calloc(names, sizeof *history->current);
    if (!history->changes || !history->current) {
        history_free(history);
        return NULL;
    }
    add_first_versions(history);
    return history;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    free(history->changes);
    free(history->current);
    free(history);
}

/* The next version; NULL: the room is used up. All of it is zero but what is set here. */
static struct change *take(struct history *history, uint32_t name, enum change_kind kind,
                           int64_t now_us)
{
    if (history->count + 1 >= history->capacity)
        return NULL;
    const uint32_t version = ++history->count;
    struct change *change = &history->changes[version];
    change->name = name;
    change->set = version;
    change->kind = kind;
    change->gone = kind == KIND_DEL || kind == KIND_UNCUT;
    change->authority_us = now_us;
    atomic_store(&change->offset, OFFSET_UNKNOWN);
    return change;
}

static uint32_t make_current(struct history *history, struct change *change)
{
    const uint32_t version = (uint32_t)(change - history->changes);
    change->previous = history->current[change->name];
    history->changes[change->previous].next = version;
    history->current[change->name] = version;
    return version;
}

uint32_t history_add(struct history *history, uint32_t name, enum change_kind kind, int64_t now_us)
{
    struct change *change = take(history, name, kind, now_us);
    return change ? make_current(history, change) : 0;
}

uint32_t history_join(struct history *history, uint32_t set, uint32_t name, int64_t now_us)
{
    struct change *change = take(history, name, history->changes[set].kind, now_us);
    if (!change)
        return 0;
    change->set = set;
    return make_current(history, change);
}

uint32_t history_abort(struct history *history, uint32_t name, int64_t now_us)
{
    return take(history, name, KIND_ABORTED, now_us) ? history->count : 0;
}

uint32_t history_at(const struct history *history, uint32_t name, int64_t now_us, int64_t lag_us)
{
    uint32_t version = history->current[name];
    while (history->changes[version].previous &&
           history->changes[version].authority_us > now_us - lag_us)
        version = history->changes[version].previous;
    return version;
}

bool history_owns(const struct history *history, uint32_t version, uint32_t name)
{
    return version > 0 && version <= history->count && history->changes[version].name == name &&
           history->changes[version].kind != KIND_ABORTED;
}

void history_readable(struct history *history, uint32_t version, int64_t now_us)
{
    _Atomic int64_t *readable = &history_set(history, version)->readable_us;
    int64_t known = atomic_load(readable);
    while ((known == 0 || known > now_us) &&
           !atomic_compare_exchange_weak(readable, &known, now_us))
        ;
}

void history_place(struct history *history, uint32_t version, int partition, int64_t offset)
{
    struct change *set = history_set(history, version);
    atomic_store(&set->partition, partition);
    atomic_store(&set->offset, offset);
}
