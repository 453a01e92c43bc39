#include "resolver/answer/quota.h"

#include <stdlib.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>
#include <utlist.h>

#include "resolver/answer/pool.h"

enum {
    KEPT = 1024, /* holders whose memory waits for the next */
    SHARE = 4,   /* a finer quota is blamed from this part of the biggest on */
};

struct quota_holder {
    UT_hash_handle hh;
    struct quota_holder *prev, *next; /* of the same count */
    uint64_t who;
    size_t count;
    struct quota_item *items;
};

struct quota {
    struct quota_holder *holders; /* by who */
    struct pool pool;
    size_t size;
    size_t most;                     /* the highest count with a holder */
    struct quota_holder *by_count[]; /* [size + 1] */
};

struct quota *quota_new(size_t size)
{
    struct quota *quota = calloc(1, sizeof *quota + (size + 1) * sizeof quota->by_count[0]);
    if (!quota)
        return NULL;
    quota->size = size;
    quota->pool = pool_of(sizeof(struct quota_holder), KEPT);
    return quota;
}

void quota_free(struct quota *quota)
{
    if (!quota)
        return;
    pool_drain(&quota->pool);
    free(quota);
}

static void leave_count(struct quota *quota, struct quota_holder *holder)
{
    if (holder->count == 0)
        return;
    DL_DELETE(quota->by_count[holder->count], holder);
    if (holder->count == quota->most && !quota->by_count[holder->count])
        quota->most--; /* if that is empty as well, the holder comes to it in a moment */
}

static void enter_count(struct quota *quota, struct quota_holder *holder, size_t count)
{
    holder->count = count;
    if (count == 0)
        return;
    DL_APPEND(quota->by_count[count], holder);
    if (count > quota->most)
        quota->most = count;
}

/* The whole of the number counts. */
static uint32_t hash_of(uint64_t who)
{
    return (uint32_t)(who * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* NULL: it holds nothing. */
static struct quota_holder *find(const struct quota *quota, uint64_t who)
{
    struct quota_holder *holder;
    HASH_FIND_BYHASHVALUE(hh, quota->holders, &who, sizeof who, hash_of(who), holder);
    return holder;
}

static struct quota_holder *holder_of(struct quota *quota, uint64_t who)
{
    struct quota_holder *holder = find(quota, who);
    if (holder)
        return holder;
    holder = pool_get(&quota->pool);
    if (!holder)
        return NULL;
    holder->who = who;
    holder->count = 0;
    holder->items = NULL;
    HASH_ADD_BYHASHVALUE(hh, quota->holders, who, sizeof holder->who, hash_of(who), holder);
    if (holder->hh.tbl)
        return holder;
    pool_put(&quota->pool, holder);
    return NULL;
}

void quota_charge(struct quota *quota, struct quota_item *item, uint64_t who)
{
    struct quota_holder *holder = holder_of(quota, who);
    item->holder = NULL;
    if (!holder || holder->count == quota->size)
        return;
    item->holder = holder;
    DL_APPEND(holder->items, item);
    size_t count = holder->count + 1;
    leave_count(quota, holder);
    enter_count(quota, holder, count);
}

void quota_release(struct quota *quota, struct quota_item *item)
{
    struct quota_holder *holder = item->holder;
    if (!holder)
        return;
    item->holder = NULL;
    DL_DELETE(holder->items, item);
    size_t count = holder->count - 1;
    leave_count(quota, holder);
    enter_count(quota, holder, count);
    if (count == 0) {
        HASH_DELETE(hh, quota->holders, holder);
        pool_put(&quota->pool, holder);
    }
}

uint64_t quota_who(const struct quota_item *item)
{
    return item->holder->who;
}

size_t quota_shares(const struct quota_item *item)
{
    return item->holder->count;
}

size_t quota_held(const struct quota *quota, uint64_t who)
{
    const struct quota_holder *holder = find(quota, who);
    return holder ? holder->count : 0;
}

size_t quota_most(const struct quota *quota)
{
    return quota->most;
}

struct quota_item *quota_oldest(const struct quota *quota)
{
    return quota->most ? quota->by_count[quota->most]->items : NULL;
}

size_t quota_blame(struct quota *const *quotas, size_t count)
{
    size_t most = 0, i = 0;
    for (size_t k = 0; k < count; k++)
        if (quota_most(quotas[k]) > most)
            most = quota_most(quotas[k]);
    while (i + 1 < count && quota_most(quotas[i]) * SHARE < most)
        i++;
    return i;
}
