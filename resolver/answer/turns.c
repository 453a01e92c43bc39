#include "resolver/answer/turns.h"

#include <assert.h>
#include <stdlib.h>

enum { MOST = 32768 };

/* One who has something waiting. */
struct party {
    uint64_t who;
    struct turn *first, **end; /* `end`: where the next thing of his is linked */
    struct party *next;        /* whose turn is after his; or, of nobody: the next that is free */
    struct party *chained;     /* of the same bucket */
};

/* Memory is touched as it is needed: parties are taken from the free ones first, then from those never used. */
struct turns {
    size_t size, count;
    struct party *first, **end; /* whose turn it is now; `end`: where the last comes */
    struct party *free, *unused;
    struct party **buckets; /* by `who` */
    struct party parties[]; /* no more than there are things */
};

struct turns *turns_new(size_t size)
{
    assert(size > 0 && size <= MOST && (size & (size - 1)) == 0);
    struct turns *turns = calloc(1, sizeof *turns + size * sizeof turns->parties[0]);
    if (!turns)
        return NULL;
    turns->buckets = calloc(size, sizeof *turns->buckets);
    if (!turns->buckets) {
        free(turns);
        return NULL;
    }
    turns->size = size;
    turns->end = &turns->first;
    turns->unused = turns->parties;
    return turns;
}

void turns_free(struct turns *turns)
{
    if (!turns)
        return;
    free(turns->buckets);
    free(turns);
}

size_t turns_count(const struct turns *turns)
{
    return turns->count;
}

size_t turns_room(const struct turns *turns)
{
    return turns->size - turns->count;
}

/* Where in its bucket a party is linked, or would be. */
static struct party **find(struct turns *turns, uint64_t who)
{
    /* Networks lie close together, and only the upper bits of a product depend on all of theirs. */
    const uint64_t mixed = who * UINT64_C(0x9e3779b97f4a7c15);
    struct party **place = &turns->buckets[(mixed >> 32) & (turns->size - 1)];
    while (*place && (*place)->who != who)
        place = &(*place)->chained;
    return place;
}

/* Behind all others. */
static void line_up(struct turns *turns, struct party *party)
{
    party->next = NULL;
    *turns->end = party;
    turns->end = &party->next;
}

static struct party *enter(struct turns *turns, struct party **place, uint64_t who)
{
    struct party *party = turns->free;
    if (party)
        turns->free = party->next;
    else
        party = turns->unused++;
    party->who = who;
    party->end = &party->first;
    party->chained = NULL;
    *place = party;
    line_up(turns, party);
    return party;
}

static void leave(struct turns *turns, struct party *party)
{
    *find(turns, party->who) = party->chained;
    party->next = turns->free;
    turns->free = party;
}

void turns_put(struct turns *turns, struct turn *turn, uint64_t who)
{
    assert(turns->count < turns->size);
    struct party **place = find(turns, who);
    struct party *party = *place ? *place : enter(turns, place, who);
    turn->next = NULL;
    *party->end = turn;
    party->end = &turn->next;
    turns->count++;
}

struct turn *turns_take(struct turns *turns)
{
    struct party *party = turns->first;
    if (!party)
        return NULL;
    turns->first = party->next;
    if (!turns->first)
        turns->end = &turns->first;
    struct turn *turn = party->first;
    party->first = turn->next;
    turns->count--;
    if (party->first)
        line_up(turns, party);
    else
        leave(turns, party);
    return turn;
}
