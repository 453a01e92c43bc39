#include "cache/index.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    FIRST_BUCKETS = 4,
    FILL = 10,              /* slots per bucket, on average, before the table grows */
    PAGES_FROM = 16 * 1024, /* bytes from which a table is mapped by itself, and given back whole */
};

static struct index_bucket *buckets_new(size_t count)
{
    size_t bytes = count * sizeof(struct index_bucket);
    if (bytes >= PAGES_FROM) {
        void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return pages == MAP_FAILED ? NULL : pages;
    }
    void *block = aligned_alloc(sizeof(struct index_bucket), bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static void buckets_free(struct index_bucket *buckets, size_t count)
{
    size_t bytes = count * sizeof *buckets;
    if (bytes >= PAGES_FROM)
        munmap(buckets, bytes);
    else
        free(buckets);
}

bool index_init(struct index *index, size_t max_bytes, size_t count)
{
    size_t buckets = FIRST_BUCKETS;
    while (buckets * FILL < count && 2 * buckets * sizeof(struct index_bucket) <= max_bytes)
        buckets *= 2;
    index->buckets = buckets_new(buckets);
    index->mask = buckets - 1;
    index->count = 0;
    index->max_bytes = max_bytes;
    return index->buckets != NULL;
}

void index_free(struct index *index)
{
    if (index->buckets)
        buckets_free(index->buckets, index->mask + 1);
    index->buckets = NULL;
}

size_t index_bytes(const struct index *index)
{
    return (index->mask + 1) * sizeof *index->buckets;
}

static bool wants_to_grow(const struct index *index)
{
    return index->count >= (index->mask + 1) * FILL;
}

bool index_is_full(const struct index *index)
{
    return wants_to_grow(index) && 2 * index_bytes(index) > index->max_bytes;
}

static const uint32_t ALL_SLOTS = (1u << INDEX_SLOTS) - 1;

/* There is a free slot somewhere. */
static void add(struct index *index, uint64_t hash, uint32_t ref)
{
    size_t at = index_home(index, hash);
    struct index_bucket *bucket = &index->buckets[at];
    while (bucket->used == ALL_SLOTS) {
        bucket->passed++;
        at = (at + 1) & index->mask;
        bucket = &index->buckets[at];
    }
    int slot = __builtin_ctz(~(unsigned)bucket->used);
    bucket->used |= (uint16_t)(1u << slot);
    bucket->tags[slot] = index_tag(hash);
    bucket->refs[slot] = ref;
    index->count++;
}

static bool grow(struct index *index)
{
    struct index_bucket *old = index->buckets;
    size_t old_count = index->mask + 1;
    struct index_bucket *buckets = buckets_new(2 * old_count);
    if (!buckets)
        return false;
    index->buckets = buckets;
    index->mask = 2 * old_count - 1;
    index->count = 0;
    for (size_t i = 0; i < old_count; i++)
        for (uint32_t used = old[i].used; used; used &= used - 1) {
            uint32_t ref = old[i].refs[__builtin_ctz(used)];
            add(index, index->hash_of(index->arg, ref), ref);
        }
    buckets_free(old, old_count);
    return true;
}

bool index_insert(struct index *index, uint64_t hash, uint32_t ref)
{
    if (index_is_full(index) || (wants_to_grow(index) && !grow(index)))
        return false;
    add(index, hash, ref);
    return true;
}

/* The slot of a reference that is there; `passing` is added to all buckets passed on the way. */
static uint32_t *locate(struct index *index, uint64_t hash, uint32_t ref, int passing,
                        struct index_bucket **ret_bucket)
{
    for (size_t at = index_home(index, hash);; at = (at + 1) & index->mask) {
        struct index_bucket *bucket = &index->buckets[at];
        for (uint32_t m = index_matches(bucket, index_tag(hash)); m; m &= m - 1) {
            uint32_t *slot = &bucket->refs[__builtin_ctz(m)];
            if (*slot == ref) {
                *ret_bucket = bucket;
                return slot;
            }
        }
        assert(bucket->passed > 0);
        bucket->passed = (uint16_t)(bucket->passed + passing);
    }
}

void index_remove(struct index *index, uint64_t hash, uint32_t ref)
{
    struct index_bucket *bucket;
    uint32_t *slot = locate(index, hash, ref, -1, &bucket);
    bucket->used &= (uint16_t) ~(1u << (slot - bucket->refs));
    index->count--;
}

void index_move(struct index *index, uint64_t hash, uint32_t from, uint32_t to)
{
    struct index_bucket *bucket;
    *locate(index, hash, from, 0, &bucket) = to;
}

void index_assign(struct index *to, const struct index *from)
{
    to->count = from->count;
    to->max_bytes = from->max_bytes;
    to->hash_of = from->hash_of;
    to->arg = from->arg;
    /* A peek in between sees a bucket of the one with the mask of the other: it is only peeked at. */
    to->buckets = from->buckets;
    to->mask = from->mask;
}

/* ---- the walk ---- */

enum {
    WALK_MAX = 64,      /* references at a time */
    WALK_BUCKETS = 256, /* buckets looked at, at a time */
};

static uint64_t reversed(uint64_t n)
{
    n = (n >> 1 & 0x5555555555555555u) | (n & 0x5555555555555555u) << 1;
    n = (n >> 2 & 0x3333333333333333u) | (n & 0x3333333333333333u) << 2;
    n = (n >> 4 & 0x0f0f0f0f0f0f0f0fu) | (n & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(n);
}

/* The references with the lowest places, in order. */
struct gathered {
    uint64_t at[WALK_MAX];
    uint32_t refs[WALK_MAX];
    size_t count, room;
    bool more; /* there were too many */
};

static void gather(struct gathered *gathered, uint64_t at, uint32_t ref)
{
    size_t i = gathered->count;
    if (i == gathered->room) {
        gathered->more = true;
        if (gathered->at[--i] <= at)
            return;
    } else {
        gathered->count++;
    }
    for (; i > 0 && gathered->at[i - 1] > at; i--) {
        gathered->at[i] = gathered->at[i - 1];
        gathered->refs[i] = gathered->refs[i - 1];
    }
    gathered->at[i] = at;
    gathered->refs[i] = ref;
}

/* What belongs to one bucket, and is not behind us; some of it may have gone to those that follow. */
static void gather_bucket(const struct index *index, size_t home, uint64_t from,
                          struct gathered *ret)
{
    size_t mask = index->mask;
    for (size_t passed = 0; passed <= mask; passed++) {
        const struct index_bucket *bucket = &index->buckets[(home + passed) & mask];
        for (uint32_t used = bucket->used; used; used &= used - 1) {
            uint32_t ref = bucket->refs[__builtin_ctz(used)];
            uint64_t hash = index->hash_of(index->arg, ref);
            if (index_home(index, hash) == home && reversed(hash) >= from)
                gather(ret, reversed(hash), ref);
        }
        if (bucket->passed == 0)
            return;
    }
}

/* Where the bucket after that of a place begins; 0: there is none. */
static uint64_t next_bucket(size_t mask, uint64_t at)
{
    uint64_t span = reversed(mask);
    span &= -span; /* the lowest of the bits that tell buckets apart, in the order of the walk */
    return (at & ~(span - 1)) + span;
}

/* Moves past a bucket, or past what was taken of it. */
static void pass(const struct index *index, struct index_walk *walk,
                 const struct gathered *gathered)
{
    uint64_t next =
        gathered->more ? gathered->at[gathered->count - 1] + 1 : next_bucket(index->mask, walk->at);
    walk->ended = next == 0;
    walk->at = next;
}

enum { WALK_AHEAD = 5 }; /* buckets that have some dozens of references, on average */

void index_walk_expect(const struct index *index, const struct index_walk *walk)
{
    const size_t mask = atomic_load_explicit(&index->mask, memory_order_relaxed);
    uint64_t at = walk->at;
    for (int i = 0; i < WALK_AHEAD && (i == 0 || at != 0); i++, at = next_bucket(mask, at))
        index_expect(index, reversed(at));
}

size_t index_walk_peek(const struct index *index, const struct index_walk *walk, uint32_t *ret_refs,
                       size_t room)
{
    size_t count = 0;
    uint64_t at = walk->at;
    for (int i = 0; i < WALK_AHEAD && (i == 0 || at != 0); i++) {
        const struct index_bucket *bucket = &index->buckets[index_home(index, reversed(at))];
        for (uint32_t used = bucket->used; used && count < room; used &= used - 1)
            ret_refs[count++] = bucket->refs[__builtin_ctz(used)];
        at = next_bucket(index->mask, at);
    }
    return count;
}

size_t index_walk(const struct index *index, struct index_walk *walk, uint32_t *ret_refs,
                  size_t room)
{
    size_t count = 0;
    for (int i = 0; i < WALK_BUCKETS && count < room && !walk->ended; i++) {
        struct gathered gathered;
        gathered.count = 0;
        gathered.more = false;
        gathered.room = room - count < WALK_MAX ? room - count : WALK_MAX;
        gather_bucket(index, index_home(index, reversed(walk->at)), walk->at, &gathered);
        memcpy(ret_refs + count, gathered.refs, gathered.count * sizeof *ret_refs);
        count += gathered.count;
        pass(index, walk, &gathered);
    }
    return count;
}

void index_walk_back(const struct index *index, struct index_walk *walk, uint32_t ref)
{
    *walk = (struct index_walk){.at = reversed(index->hash_of(index->arg, ref))};
}
