#include "bench/common/history.h"

#include <stdlib.h>

const char *const kind_texts[KIND_COUNT] = {"initial", "set", "flush", "swap", "del"};

static void add_first_versions(struct history *history)
{
    for (uint32_t name = 0; name < history->names; name++) {
        const uint32_t version = ++history->count;
        history->changes[version] = (struct change){.name = name, .readable_us = 1};
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

uint32_t history_add(struct history *history, uint32_t name, enum change_kind kind, int64_t now_us)
{
    if (history->count + 1 >= history->capacity)
        return 0;
    const uint32_t version = ++history->count;
    struct change *change = &history->changes[version]; /* all zero; readable_us stays so */
    change->name = name;
    change->previous = history->current[name];
    change->kind = kind;
    change->gone = kind == KIND_DEL;
    change->authority_us = now_us;
    atomic_store(&change->offset, OFFSET_UNKNOWN);
    history->changes[change->previous].next = version;
    history->current[name] = version;
    return version;
}

uint32_t history_at(const struct history *history, uint32_t name, int64_t now_us, int64_t lag_us)
{
    uint32_t version = history->current[name];
    while (history->changes[version].previous &&
           history->changes[version].authority_us > now_us - lag_us)
        version = history->changes[version].previous;
    return version;
}

uint32_t history_before(const struct history *history, uint32_t name, int64_t offset)
{
    uint32_t version = history->current[name];
    for (;;) {
        const struct change *change = &history->changes[version];
        const int64_t at = atomic_load(&change->offset);
        if (at == OFFSET_NONE || (at != OFFSET_UNKNOWN && at < offset))
            return version;
        version = change->previous;
    }
}

bool history_owns(const struct history *history, uint32_t version, uint32_t name)
{
    return version > 0 && version <= history->count && history->changes[version].name == name;
}

void history_readable(struct history *history, uint32_t version, int64_t now_us)
{
    _Atomic int64_t *readable = &history->changes[version].readable_us;
    int64_t known = atomic_load(readable);
    while ((known == 0 || known > now_us) &&
           !atomic_compare_exchange_weak(readable, &known, now_us))
        ;
}
