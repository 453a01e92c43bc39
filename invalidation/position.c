#include "invalidation/position.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checkpoints.h"
#include "dns/message.h"

enum {
    FLAG_PROVISIONAL = 1,
    FLAG_VOUCHED = 2,
    FLAG_OUTSIDE = 4,
    FLAG_FROM_CACHE = 8,
    FLAGS_AT = POSITION_RESPONSE_FIXED - 1,
    FIRST_AT = POSITION_HEADER_SIZE,
    FIRST_COVERED = 0x8000,
    OPTION_HEADER = 4
};

struct partition {
    int64_t base;     /* where the position was taken */
    int64_t applying; /* next to be, or being applied */
    int64_t applied;
    struct mono last;              /* when something was applied, or the position was taken */
    struct checkpoints applied_at; /* by offset: the clock before the message there was applied */
};

struct positions {
    pthread_mutex_t lock;
    const struct validity *validity;
    uint64_t horizon_ms;
    bool wanted, claimed;
    uint64_t feed_id;
    struct mono proved;
    bool follows; /* there is a log, so there is or will be a position */
    bool bare;    /* nothing that is given here was asked for before `since` */
    struct mono since;
    struct mono retaken; /* when a position was taken after an earlier one; {0}: it is the first */
    struct stamp base;   /* the clock when all was invalidated as the position was taken */
    size_t count;
    struct partition *partitions;
};

struct positions *positions_new(const struct validity *validity, uint64_t horizon_ms,
                                struct mono since)
{
    struct positions *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->validity = validity;
    p->horizon_ms = horizon_ms;
    p->follows = p->bare = since.ms > 0;
    p->since = since;
    return p;
}

static void free_partitions(struct positions *p)
{
    for (size_t k = 0; k < p->count; k++)
        checkpoints_clear(&p->partitions[k].applied_at);
    free(p->partitions);
    p->partitions = NULL;
    p->count = 0;
}

void positions_free(struct positions *p)
{
    if (!p)
        return;
    free_partitions(p);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int positions_take(struct positions *p, uint64_t feed_id, const int64_t *offsets, size_t count,
                   struct mono asked, struct mono now)
{
    if (count > POSITION_MAX_PARTITIONS)
        return ERR_TOO_LARGE;
    struct partition *partitions = calloc(count + 1, sizeof *partitions);
    if (!partitions)
        return ERR_MEMORY;
    for (size_t k = 0; k < count; k++)
        partitions[k] = (struct partition){
            .base = offsets[k], .applying = offsets[k], .applied = offsets[k], .last = now};
    pthread_mutex_lock(&p->lock);
    if (p->partitions)
        p->retaken = now;
    free_partitions(p);
    p->partitions = partitions;
    p->count = count;
    p->feed_id = feed_id;
    p->proved = asked;
    p->base = (struct stamp){0};
    p->wanted = true;
    p->claimed = false;
    pthread_mutex_unlock(&p->lock);
    return ERR_OK;
}

void positions_claim(struct positions *p, struct mono since)
{
    pthread_mutex_lock(&p->lock);
    p->claimed = p->wanted;
    p->bare = true;
    p->since = since;
    p->base = validity_now(p->validity);
    pthread_mutex_unlock(&p->lock);
}

void positions_drop(struct positions *p)
{
    pthread_mutex_lock(&p->lock);
    p->wanted = p->claimed = p->bare = false;
    pthread_mutex_unlock(&p->lock);
}

void positions_applying(struct positions *p, int32_t partition, int64_t next, struct mono now)
{
    pthread_mutex_lock(&p->lock);
    if (partition >= 0 && (size_t)partition < p->count &&
        next > p->partitions[partition].applying) {
        struct partition *part = &p->partitions[partition];
        part->applying = next;
        part->last = now;
        checkpoints_add(&part->applied_at, (uint64_t)next - 1, validity_now(p->validity));
    }
    pthread_mutex_unlock(&p->lock);
}

void positions_applied(struct positions *p, int32_t partition, int64_t next)
{
    pthread_mutex_lock(&p->lock);
    if (partition >= 0 && (size_t)partition < p->count && p->partitions[partition].applied < next)
        p->partitions[partition].applied = next;
    pthread_mutex_unlock(&p->lock);
}

void positions_proved(struct positions *p, struct mono moment)
{
    pthread_mutex_lock(&p->lock);
    if (p->proved.ms < moment.ms)
        p->proved = moment;
    pthread_mutex_unlock(&p->lock);
}

/* ---- a child's side ---- */

static void name_partition(struct position_query *query, size_t *count, size_t partition)
{
    if (*count == 0)
        query->first = (uint16_t)partition;
    const size_t bit = partition - query->first;
    query->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
    query->size = (uint8_t)(bit / 8 + 1);
    ++*count;
}

void positions_ask(struct positions *p, struct mono now, struct position_query *ret)
{
    size_t named = 0;
    pthread_mutex_lock(&p->lock);
    *ret = (struct position_query){.known = p->wanted, .feed_id = p->feed_id};
    for (size_t k = 0; ret->known && k < p->count; k++) {
        const struct mono last = p->partitions[k].last;
        const bool in_use = !mono_reached(now, mono_add(last, p->horizon_ms));
        if (in_use && named < POSITION_MAX_NAMED)
            name_partition(ret, &named, k);
        else if (last.ms > ret->quiet_since.ms)
            ret->quiet_since = last;
    }
    pthread_mutex_unlock(&p->lock);
}

bool positions_cover(const struct positions *p, const uint8_t *name)
{
    return validity_zone_of(p->validity, name, NULL) != NULL;
}

static struct stamp older(struct stamp a, struct stamp b)
{
    return stamp_after(a, b) ? b : a;
}

static struct stamp newer(struct stamp a, struct stamp b)
{
    return stamp_after(a, b) ? a : b;
}

/* Our clock just before we applied the message at `offset`, as far as is remembered; the base has no checkpoint. */
static struct stamp clock_at(const struct positions *p, const struct partition *part,
                             int64_t offset)
{
    const struct stamp found = checkpoints_at(&part->applied_at, (uint64_t)offset);
    return offset >= part->base ? newer(found, p->base) : (struct stamp){0};
}

/* By the offsets of the named partitions. `proved` is our clock when the parent had all of the log. */
static int bound_by_offsets(const struct positions *p, const struct position_query *query,
                            const struct position_claim *claim, struct stamp proved,
                            struct stamp *bound)
{
    size_t at = 0;
    for (size_t bit = 0; bit < (size_t)query->size * 8; bit++) {
        if (!(query->bits[bit / 8] >> bit % 8 & 1))
            continue;
        const size_t k = query->first + bit;
        if (k >= p->count || at >= claim->count)
            return ERR_NOT_FOUND;
        const struct partition *part = &p->partitions[k];
        const int64_t theirs = claim->offsets[at++];
        if (theirs - part->applying >= POSITION_MAX_AHEAD)
            return ERR_NOT_FOUND;
        if (theirs < part->applying)
            *bound = older(*bound, newer(clock_at(p, part, theirs), proved));
    }
    return ERR_OK;
}

int positions_bound(struct positions *p, const struct position_query *query,
                    const struct position_claim *claim, struct mono sent, struct stamp own,
                    struct stamp *ret_stamp)
{
    struct stamp bound = own;
    int error = ERR_OK;
    if (!query->known) {
        *ret_stamp = own;
        return ERR_OK;
    }
    const bool placed = claim->feed_id != POSITION_NO_LOG;
    if (!claim->known || (placed && claim->feed_id != query->feed_id))
        return ERR_NOT_FOUND;
    const uint64_t back_ms = (uint64_t)claim->age_ms + POSITION_MARGIN_MS;
    const bool is_proved = claim->age_ms != POSITION_NO_PROOF && back_ms <= sent.ms;
    const struct mono proof = {is_proved ? sent.ms - back_ms : 0};
    const struct stamp proved = is_proved ? validity_at(p->validity, proof) : (struct stamp){0};
    pthread_mutex_lock(&p->lock);
    /* Where a position was taken anew meanwhile, all was invalidated, and our own stamp is from before. */
    if (p->wanted && p->feed_id == query->feed_id) {
        const bool compares = placed && proof.ms >= p->retaken.ms;
        if (!compares || proof.ms < query->quiet_since.ms)
            bound = older(bound, proved);
        if (compares)
            error = bound_by_offsets(p, query, claim, proved, &bound);
    }
    pthread_mutex_unlock(&p->lock);
    if (!error)
        *ret_stamp = bound;
    return error;
}

/* ---- a parent's side ---- */

static uint32_t age_of(struct mono moment, struct mono now)
{
    const uint64_t age_ms = now.ms > moment.ms ? now.ms - moment.ms : 0;
    return age_ms < POSITION_NO_PROOF ? (uint32_t)age_ms : POSITION_NO_PROOF;
}

/* False: there are partitions in the query that we have not heard of, so no proof of ours covers them. */
static bool claim_offsets(const struct positions *p, const struct position_query *query,
                          struct position_claim *ret)
{
    for (size_t bit = 0; bit < (size_t)query->size * 8; bit++) {
        const size_t k = query->first + bit;
        if (!(query->bits[bit / 8] >> bit % 8 & 1))
            continue;
        if (k >= p->count)
            return false;
        if (ret->count == POSITION_MAX_NAMED)
            break;
        ret->offsets[ret->count++] = p->partitions[k].applied;
    }
    return true;
}

void positions_claim_for(struct positions *p, const struct position_query *query, struct mono now,
                         struct position_claim *ret)
{
    pthread_mutex_lock(&p->lock);
    ret->known = p->follows;
    ret->provisional = ret->vouched = ret->outside = ret->second_hand = false;
    ret->count = 0;
    if (p->claimed) {
        ret->feed_id = p->feed_id;
        ret->age_ms = claim_offsets(p, query, ret) ? age_of(p->proved, now) : POSITION_NO_PROOF;
    } else {
        ret->feed_id = POSITION_NO_LOG;
        ret->age_ms = p->bare ? age_of(p->since, now) : POSITION_NO_PROOF;
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- the option ---- */

static void write_u64(struct wire_writer *w, uint64_t n)
{
    wire_write_u32(w, (uint32_t)(n >> 32));
    wire_write_u32(w, (uint32_t)n);
}

static void write_header(struct wire_writer *w, uint64_t feed_id)
{
    wire_write_u16(w, POSITION_OPTION);
    wire_write_u16(w, 0);
    wire_write_u8(w, POSITION_VERSION);
    write_u64(w, feed_id);
}

static size_t finish(const struct wire_writer *w, uint8_t *buffer)
{
    wire_put_u16(buffer + 2, (uint16_t)(w->at - OPTION_HEADER));
    return w->at;
}

size_t position_write_query(const struct position_query *query, uint8_t *buffer)
{
    if (!query->known)
        return 0;
    struct wire_writer w = wire_writer(buffer, POSITION_QUERY_SIZE);
    write_header(&w, query->feed_id);
    wire_write_u16(&w, (uint16_t)(query->first | (query->covered ? FIRST_COVERED : 0)));
    for (size_t i = 0; i < query->size; i++)
        wire_write_u8(&w, query->bits[i]);
    return finish(&w, buffer);
}

void position_note_query(uint8_t *query, bool covered)
{
    const uint16_t first = wire_get_u16(query + FIRST_AT) & ~FIRST_COVERED;
    wire_put_u16(query + FIRST_AT, (uint16_t)(first | (covered ? FIRST_COVERED : 0)));
}

static uint8_t flags_of(const struct position_claim *claim)
{
    return (uint8_t)((claim->provisional ? FLAG_PROVISIONAL : 0) |
                     (claim->vouched ? FLAG_VOUCHED : 0) | (claim->outside ? FLAG_OUTSIDE : 0) |
                     (claim->second_hand ? FLAG_FROM_CACHE : 0));
}

static void write_offset(struct wire_writer *w, int64_t offset)
{
    uint64_t n = offset > 0 ? (uint64_t)offset : 0;
    for (; n >= 0x80; n >>= 7)
        wire_write_u8(w, (uint8_t)(n | 0x80));
    wire_write_u8(w, (uint8_t)n);
}

size_t position_write_claim(const struct position_claim *claim, uint8_t *buffer)
{
    if (!claim->known)
        return 0;
    struct wire_writer w = wire_writer(buffer, POSITION_MAX_SIZE);
    write_header(&w, claim->feed_id);
    wire_write_u32(&w, claim->age_ms);
    wire_write_u8(&w, flags_of(claim));
    for (size_t i = 0; i < claim->count; i++)
        write_offset(&w, claim->offsets[i]);
    return finish(&w, buffer);
}

void position_describe(uint8_t *claim, const struct position_claim *what)
{
    claim[FLAGS_AT] = flags_of(what);
}

/* Looks for the option, and reads what both kinds begin with; `ret` is at what follows. Returns 1, 0 or ERR_FORMAT. */
static int find(const uint8_t *options, size_t size, struct wire_reader *ret, uint64_t *ret_feed_id)
{
    struct wire_reader r = wire_reader(options, size);
    struct edns_option option;
    while (edns_next(&r, &option)) {
        if (option.code != POSITION_OPTION)
            continue;
        *ret = wire_reader(option.bytes, option.size);
        if (option.size < POSITION_HEADER_SIZE - OPTION_HEADER ||
            wire_read_u8(ret) != POSITION_VERSION)
            return ERR_FORMAT;
        const uint64_t high = wire_read_u32(ret);
        *ret_feed_id = high << 32 | wire_read_u32(ret);
        return 1;
    }
    return r.failed ? ERR_FORMAT : 0;
}

int position_read_query(const uint8_t *options, size_t size, struct position_query *ret)
{
    struct position_query query = {.known = true};
    struct wire_reader r;
    size_t named = 0;
    int found = find(options, size, &r, &query.feed_id);
    if (found != 1)
        return found;
    if (wire_left(&r) < 2)
        return ERR_FORMAT;
    const uint16_t first = wire_read_u16(&r);
    query.covered = first & FIRST_COVERED;
    query.first = first & (uint16_t)~FIRST_COVERED;
    if (query.first + wire_left(&r) * 8 > POSITION_MAX_PARTITIONS + 7u ||
        wire_left(&r) > sizeof query.bits)
        return ERR_FORMAT;
    while (wire_left(&r) > 0) {
        query.bits[query.size] = wire_read_u8(&r);
        named += (size_t)__builtin_popcount(query.bits[query.size++]);
    }
    if (named > POSITION_MAX_NAMED)
        return ERR_FORMAT;
    *ret = query;
    return 1;
}

/* False: cut off, or more than 63 bits. */
static bool read_offset(struct wire_reader *r, int64_t *ret)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 63 && wire_left(r) > 0; shift += 7) {
        const uint8_t byte = wire_read_u8(r);
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = (int64_t)n;
            return true;
        }
    }
    return false;
}

int position_read_claim(const uint8_t *options, size_t size, struct position_claim *ret)
{
    struct wire_reader r;
    uint64_t feed_id;
    int found = find(options, size, &r, &feed_id);
    if (found != 1)
        return found;
    if (wire_left(&r) < 5)
        return ERR_FORMAT;
    ret->known = true;
    ret->feed_id = feed_id;
    ret->age_ms = wire_read_u32(&r);
    const uint8_t flags = wire_read_u8(&r);
    ret->provisional = flags & FLAG_PROVISIONAL;
    ret->vouched = flags & FLAG_VOUCHED;
    ret->outside = flags & FLAG_OUTSIDE;
    ret->second_hand = flags & FLAG_FROM_CACHE;
    for (ret->count = 0; wire_left(&r) > 0; ret->count++)
        if (ret->count == POSITION_MAX_NAMED || !read_offset(&r, &ret->offsets[ret->count])) {
            ret->known = false;
            return ERR_FORMAT;
        }
    return 1;
}
