#include "invalidation/position.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire.h"
#include "invalidation/kafka.h"

struct offsets {
    int64_t applying;
    int64_t applied;
};

struct positions {
    pthread_mutex_t lock;
    const struct validity *validity;
    size_t zone_count;
    int32_t *zone_partition; /* by zone index */
    bool wanted, claimed;
    uint64_t feed_id;
    size_t count;
    struct offsets *partitions;
    size_t listed_count; /* partitions that carry zones, each once */
    int32_t listed[POSITION_MAX_LISTED];
};

enum { BODY_SIZE = 1 + 8, LISTED_SIZE = 4 + 8, OPTION_HEADER = 4 };

struct positions *positions_new(const struct validity *validity)
{
    struct positions *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->validity = validity;
    while (validity_zone(validity, p->zone_count))
        p->zone_count++;
    p->zone_partition = calloc(p->zone_count + 1, sizeof *p->zone_partition);
    if (!p->zone_partition) {
        positions_free(p);
        return NULL;
    }
    return p;
}

void positions_free(struct positions *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p->zone_partition);
    free(p->partitions);
    free(p);
}

static void list_partition(struct positions *p, int32_t partition)
{
    for (size_t i = 0; i < p->listed_count; i++)
        if (p->listed[i] == partition)
            return;
    if (p->listed_count < POSITION_MAX_LISTED)
        p->listed[p->listed_count++] = partition;
}

int positions_take(struct positions *p, uint64_t feed_id, const int64_t *offsets, size_t count)
{
    struct offsets *partitions = calloc(count + 1, sizeof *partitions);
    if (!partitions)
        return ERR_MEMORY;
    for (size_t k = 0; k < count; k++)
        partitions[k] = (struct offsets){offsets[k], offsets[k]};
    pthread_mutex_lock(&p->lock);
    free(p->partitions);
    p->partitions = partitions;
    p->count = count;
    p->feed_id = feed_id;
    p->listed_count = 0;
    for (size_t zone = 0; zone < p->zone_count; zone++) {
        p->zone_partition[zone] = kafka_partition_of(validity_zone(p->validity, zone), count);
        list_partition(p, p->zone_partition[zone]);
    }
    p->wanted = true;
    p->claimed = false;
    pthread_mutex_unlock(&p->lock);
    return ERR_OK;
}

void positions_claim(struct positions *p)
{
    pthread_mutex_lock(&p->lock);
    p->claimed = p->wanted;
    pthread_mutex_unlock(&p->lock);
}

void positions_drop(struct positions *p)
{
    pthread_mutex_lock(&p->lock);
    p->wanted = p->claimed = false;
    pthread_mutex_unlock(&p->lock);
}

void positions_applying(struct positions *p, int32_t partition, int64_t next)
{
    pthread_mutex_lock(&p->lock);
    if (partition >= 0 && (size_t)partition < p->count)
        p->partitions[partition].applying = next;
    pthread_mutex_unlock(&p->lock);
}

void positions_applied(struct positions *p, int32_t partition, int64_t next)
{
    pthread_mutex_lock(&p->lock);
    if (partition >= 0 && (size_t)partition < p->count)
        p->partitions[partition].applied = next;
    pthread_mutex_unlock(&p->lock);
}

static void copy(struct positions *p, bool applied, struct position_set *ret)
{
    pthread_mutex_lock(&p->lock);
    ret->known = applied ? p->claimed : p->wanted;
    ret->feed_id = p->feed_id;
    ret->count = ret->known ? p->listed_count : 0;
    for (size_t i = 0; i < ret->count; i++) {
        const struct offsets *offsets = &p->partitions[p->listed[i]];
        ret->listed[i].partition = p->listed[i];
        ret->listed[i].offset = applied ? offsets->applied : offsets->applying;
    }
    pthread_mutex_unlock(&p->lock);
}

void positions_applied_now(struct positions *p, struct position_set *ret)
{
    copy(p, true, ret);
}

void positions_wanted_now(struct positions *p, struct position_set *ret)
{
    copy(p, false, ret);
}

/* The offset listed for a partition, or -1. */
static int64_t offset_of(const struct position_set *set, int32_t partition)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->listed[i].partition == partition)
            return set->listed[i].offset;
    return -1;
}

bool positions_cover(struct positions *p, const struct position_set *parent,
                     const struct position_set *wanted, size_t zone)
{
    if (!wanted->known)
        return true;
    if (!parent->known || parent->feed_id != wanted->feed_id)
        return false;
    pthread_mutex_lock(&p->lock);
    int32_t partition = zone < p->zone_count ? p->zone_partition[zone] : -1;
    pthread_mutex_unlock(&p->lock);
    int64_t ours = offset_of(wanted, partition);
    int64_t theirs = offset_of(parent, partition);
    return ours >= 0 && theirs >= ours && theirs - ours < POSITION_MAX_AHEAD;
}

static void write_u64(struct wire_writer *w, uint64_t n)
{
    wire_write_u32(w, (uint32_t)(n >> 32));
    wire_write_u32(w, (uint32_t)n);
}

static size_t write_option(const struct position_set *set, size_t listed, uint8_t *buffer)
{
    if (!set->known)
        return 0;
    struct wire_writer w = wire_writer(buffer, POSITION_MAX_SIZE);
    wire_write_u16(&w, POSITION_OPTION);
    wire_write_u16(&w, (uint16_t)(BODY_SIZE + listed * LISTED_SIZE));
    wire_write_u8(&w, POSITION_VERSION);
    write_u64(&w, set->feed_id);
    for (size_t i = 0; i < listed; i++) {
        wire_write_u32(&w, (uint32_t)set->listed[i].partition);
        write_u64(&w, (uint64_t)set->listed[i].offset);
    }
    return w.at;
}

size_t position_write_query(const struct position_set *wanted, uint8_t *buffer)
{
    return write_option(wanted, 0, buffer);
}

size_t position_write_response(const struct position_set *applied, uint8_t *buffer)
{
    return write_option(applied, applied->count, buffer);
}

static uint64_t read_u64(struct wire_reader *r)
{
    uint64_t high = wire_read_u32(r);
    return high << 32 | wire_read_u32(r);
}

static int read_body(struct wire_reader *r, struct position_set *ret)
{
    struct position_set set = {.known = true};
    size_t size = wire_left(r);
    if (wire_read_u8(r) != POSITION_VERSION || size < BODY_SIZE ||
        (size - BODY_SIZE) % LISTED_SIZE != 0 ||
        (size - BODY_SIZE) / LISTED_SIZE > POSITION_MAX_LISTED)
        return ERR_FORMAT;
    set.feed_id = read_u64(r);
    for (; wire_left(r) > 0; set.count++) {
        set.listed[set.count].partition = (int32_t)wire_read_u32(r);
        set.listed[set.count].offset = (int64_t)read_u64(r);
        if (set.listed[set.count].partition < 0 || set.listed[set.count].offset < 0)
            return ERR_FORMAT;
    }
    *ret = set;
    return 1;
}

int position_read(const uint8_t *options, size_t size, struct position_set *ret)
{
    struct wire_reader r = wire_reader(options, size);
    while (wire_left(&r) > 0) {
        uint16_t code = wire_read_u16(&r);
        uint16_t length = wire_read_u16(&r);
        const uint8_t *body = wire_read(&r, length);
        if (!body)
            return ERR_FORMAT;
        if (code != POSITION_OPTION)
            continue;
        struct wire_reader inner = wire_reader(body, length);
        return read_body(&inner, ret);
    }
    return 0;
}
