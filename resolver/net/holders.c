#include "resolver/net/holders.h"

#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>
#include <utlist.h>

enum {
    RANKS = 65,   /* of a size_t: its bits */
    FEW = 8,      /* connections that anyone may have */
    V6_BYTES = 7, /* a /56: what a home or an office is given */
};

/* The network of a client; no padding, it is hashed. */
struct network_key {
    uint8_t bytes[V6_BYTES];
    uint8_t version;
};

/* Where a holder is listed, by the logarithm of what it holds; 0: nothing, and nowhere. */
struct rank {
    struct rank *prev, *next;
    struct holder *holder;
    unsigned n;
};

struct holder {
    UT_hash_handle hh;
    struct network_key key;
    struct held *idle, *busy;
    size_t count, bytes;
    struct mono out; /* until then nobody else of it is taken; 0: anybody is */
    struct rank by_count, by_bytes;
};

struct holders {
    struct holder *table;
    struct held *idle;
    size_t count, bytes;
    struct rank *by_count[RANKS], *by_bytes[RANKS];
};

static struct network_key key_of(const union address *peer)
{
    struct network_key key = {.version = 4};
    if (peer->family == AF_INET) {
        memcpy(key.bytes, &peer->in.sin_addr, sizeof peer->in.sin_addr);
        return key;
    }
    key.version = 6;
    memcpy(key.bytes, &peer->in6.sin6_addr, V6_BYTES);
    return key;
}

/* ---- ranks */

static unsigned bits_of(size_t n)
{
    return n == 0 ? 0 : RANKS - 1 - (unsigned)__builtin_clzl(n);
}

static void rank_set(struct rank *lists[RANKS], struct rank *rank, size_t holds)
{
    unsigned n = bits_of(holds);
    if (n == rank->n)
        return;
    if (rank->n > 0)
        DL_DELETE(lists[rank->n], rank);
    if (n > 0)
        DL_APPEND(lists[n], rank);
    rank->n = n;
}

static struct holder *biggest(struct rank *const lists[RANKS])
{
    for (unsigned n = RANKS - 1; n > 0; n--)
        if (lists[n])
            return lists[n]->holder;
    return NULL;
}

/* ---- who comes and goes */

struct holders *holders_new(void)
{
    return calloc(1, sizeof(struct holders));
}

void holders_free(struct holders *holders)
{
    free(holders);
}

/* NULL: it holds nothing. */
static struct holder *find(const struct holders *holders, const struct network_key *key)
{
    struct holder *holder;
    HASH_FIND(hh, holders->table, key, sizeof *key, holder);
    return holder;
}

static struct holder *holder_get(struct holders *holders, const union address *peer)
{
    struct network_key key = key_of(peer);
    struct holder *holder = find(holders, &key);
    if (holder)
        return holder;
    holder = calloc(1, sizeof *holder);
    if (!holder)
        return NULL;
    holder->key = key;
    holder->by_count.holder = holder->by_bytes.holder = holder;
    HASH_ADD(hh, holders->table, key, sizeof holder->key, holder);
    if (holder->hh.tbl)
        return holder;
    free(holder);
    return NULL;
}

static void list(struct holders *holders, struct held *held)
{
    struct held **own = held->busy ? &held->holder->busy : &held->holder->idle;
    DL_APPEND2(*own, held, own_prev, own_next);
    if (!held->busy)
        DL_APPEND(holders->idle, held);
}

static void unlist(struct holders *holders, struct held *held)
{
    struct held **own = held->busy ? &held->holder->busy : &held->holder->idle;
    DL_DELETE2(*own, held, own_prev, own_next);
    if (!held->busy)
        DL_DELETE(holders->idle, held);
}

bool holders_enter(struct holders *holders, struct held *held, const union address *peer,
                   struct mono now)
{
    struct holder *holder = holder_get(holders, peer);
    if (!holder)
        return false;
    *held = (struct held){.holder = holder, .since = now};
    list(holders, held);
    holders->count++;
    rank_set(holders->by_count, &holder->by_count, ++holder->count);
    return true;
}

void holders_leave(struct holders *holders, struct held *held)
{
    struct holder *holder = held->holder;
    holders_set_bytes(holders, held, 0);
    unlist(holders, held);
    holders->count--;
    rank_set(holders->by_count, &holder->by_count, --holder->count);
    if (holder->count > 0)
        return;
    HASH_DEL(holders->table, holder);
    free(holder);
}

void holders_touch(struct holders *holders, struct held *held, bool busy, struct mono now)
{
    unlist(holders, held);
    held->busy = busy;
    held->since = now;
    list(holders, held);
}

void holders_set_bytes(struct holders *holders, struct held *held, size_t bytes)
{
    struct holder *holder = held->holder;
    if (bytes == held->bytes)
        return;
    holders->bytes += bytes - held->bytes;
    holder->bytes += bytes - held->bytes;
    held->bytes = bytes;
    rank_set(holders->by_bytes, &holder->by_bytes, holder->bytes);
}

/* ---- who goes */

size_t holders_count(const struct holders *holders)
{
    return holders->count;
}

size_t holders_bytes(const struct holders *holders)
{
    return holders->bytes;
}

struct held *holders_quietest(const struct holders *holders)
{
    return holders->idle;
}

struct held *holders_for_room(const struct holders *holders)
{
    struct holder *holder = biggest(holders->by_count);
    if (!holder)
        return NULL;
    if (holder->count <= FEW && holders->idle)
        return holders->idle;
    return holder->idle ? holder->idle : holder->busy;
}

/* Of a holder, that for which bytes wait and that has taken nothing for longest. */
static struct held *stuck_of(const struct holder *holder)
{
    struct held *held;
    for (held = holder->busy; held; held = held->own_next)
        if (held->bytes > 0)
            return held;
    for (held = holder->idle; held; held = held->own_next)
        if (held->bytes > 0)
            return held;
    return NULL;
}

struct held *holders_for_bytes(struct holders *holders, struct mono now)
{
    struct holder *holder = biggest(holders->by_bytes);
    if (!holder)
        return NULL;
    holder->out = mono_add(now, HOLDERS_OUT_MS);
    return stuck_of(holder);
}

bool holders_keep_out(const struct holders *holders, const union address *peer, struct mono now)
{
    const struct network_key key = key_of(peer);
    const struct holder *holder = find(holders, &key);
    return holder && holder->out.ms > 0 && !mono_reached(now, holder->out);
}
