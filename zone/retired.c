/* retired.c - see retired.h. */
#include "zone/retired.h"

#include <stdlib.h>
#include <urcu.h>

struct retired {
    struct rcu_head head;
    size_t count, capacity;
    void (*work)(uintptr_t names, uintptr_t hashes);
    uintptr_t names, hashes;
    void *pieces[];
};

enum { PIECES_AT_FIRST = 32 };

/*
 * ThreadSanitizer does not see into liburcu, which is not instrumented: that a reader's end, and the giving away, come
 * before the freeing has to be said.
 */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *at);
void __tsan_release(void *at);
static char grace;
#define COMES_AFTER()  __tsan_acquire(&grace)
#define COMES_BEFORE() __tsan_release(&grace)
#else
#define COMES_AFTER()  ((void)0)
#define COMES_BEFORE() ((void)0)
#endif

static _Thread_local bool is_registered;

int retired_new(struct retired **ret_retired)
{
    struct retired *retired = malloc(sizeof *retired + PIECES_AT_FIRST * sizeof(void *));
    if (!retired)
        return ERR_MEMORY;
    *retired = (struct retired){.capacity = PIECES_AT_FIRST};
    *ret_retired = retired;
    return ERR_OK;
}

int retired_reserve(struct retired **retired, size_t count)
{
    const size_t needed = (*retired)->count + count + 1; /* the old state has a place kept */
    if (needed <= (*retired)->capacity)
        return ERR_OK;
    const size_t capacity = needed + needed / 2;
    struct retired *bigger = realloc(*retired, sizeof *bigger + capacity * sizeof(void *));
    if (!bigger)
        return ERR_MEMORY;
    bigger->capacity = capacity;
    *retired = bigger;
    return ERR_OK;
}

void retired_add(struct retired *retired, void *piece)
{
    retired->pieces[retired->count++] = piece;
}

void retired_take_back(struct retired *retired, const void *piece)
{
    size_t at = retired->count - 1;
    while (retired->pieces[at] != piece)
        at--;
    retired->pieces[at] = retired->pieces[--retired->count];
}

void retired_at_end(struct retired *retired, void (*work)(uintptr_t names, uintptr_t hashes),
                    uintptr_t names, uintptr_t hashes)
{
    retired->work = work;
    retired->names = names;
    retired->hashes = hashes;
}

static void free_all(struct rcu_head *head)
{
    struct retired *retired = caa_container_of(head, struct retired, head);
    COMES_AFTER();
    for (size_t i = 0; i < retired->count; i++)
        free(retired->pieces[i]);
    if (retired->work)
        retired->work(retired->names, retired->hashes);
    free(retired);
}

void retired_give(struct retired *retired)
{
    const bool registers = retired_reader_register();
    COMES_BEFORE();
    call_rcu(&retired->head, free_all);
    if (registers)
        retired_reader_unregister();
}

void retired_forget(struct retired *retired)
{
    free(retired);
}

bool retired_reader_register(void)
{
    if (is_registered)
        return false;
    rcu_register_thread();
    return is_registered = true;
}

void retired_reader_unregister(void)
{
    if (is_registered)
        rcu_unregister_thread();
    is_registered = false;
}

void retired_read_begin(void)
{
    rcu_read_lock();
}

void retired_read_end(void)
{
    COMES_BEFORE();
    rcu_read_unlock();
}
