/*
 * entry.h - how an answer lies in memory: one block, no pointers, nothing that can be computed.
 *
 *      0   2    3      4         6         7      8                       16
 *     +---+----+------+---------+---------+------+-----------------------+
 *     |size8|dead|state|body size|name size|origin| stamp 44    zone 20   |
 *     +---+----+------+---------+---------+------+----------+------------+
 *     | born 48 (ms)            scopes 8  flags 8| ttl 24 stale 24 else 16|     16 .. 32
 *     +------------------------------------------+----------+------------+
 *     | counts 3 x 16                | EDE 16    |                             32 .. 40
 *     +------------------------------+-----------+
 *     | further scopes, 8 B each | TTL offsets, 2 B each | type, class, bits, name | body |
 *     +--------------------------+-----------------------+-------------------------+------+
 *
 * The A record of a name of 20 characters takes 40 + 2 + 27 + 16 bytes, 88 in units of 8, and 7 to 13 in
 * the index. The question's name is in the key alone: records of it point there (answer.h). What the
 * answer depends on by its question needs no bytes (validity.h), and the hash is made from the key when it is needed.
 */
#ifndef FRESHET_CACHE_ENTRY_H
#define FRESHET_CACHE_ENTRY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cache/answer.h"
#include "cache/ring.h"

enum {
    ENTRY_USED = 1,    /* hit since it was put, or last given a second chance */
    ENTRY_COVERED = 2, /* it may outlive its TTL under the lease */
    ENTRY_PUSHED = 4,  /* it came with the change itself, not from an upstream */
    ENTRY_SHARED = 8,  /* where a change goes for clients with their own; an answer once PUSHED */
    ENTRY_OWN = 0x30,  /* two bits: enum own_scopes */
    ENTRY_OWN_SHIFT = 4,
    ENTRY_PROVISIONAL = 0x40, /* it may be old: not to be held, not to be revived */
    ENTRY_OUTSIDE = 0x80,     /* some name in it lies in no zone of the feed */
};

enum {
    ENTRY_MOST_SECONDS = (1 << 24) - 1, /* 194 days */
    ENTRY_ELSEWHERE_UNIT = 4,           /* seconds */
    ENTRY_ELSEWHERE_MOST = UINT16_MAX,
    ENTRY_FLAGS = FLAG_AD | FLAG_RCODE | FLAG_ROTATES | FLAG_SECOND_HAND,
};

struct entry {
    uint16_t size8;
    uint8_t dead;
    uint8_t state;
    uint16_t body_size;
    uint8_t name_size;
    uint8_t origin;
    uint64_t stamp : 44; /* known valid at */
    uint64_t zone : 20;
    uint64_t born_ms : 48;
    uint64_t scope_count : 8;
    uint64_t flags : 8;        /* ENTRY_FLAGS */
    uint64_t ttl : 24;         /* seconds from born */
    uint64_t stale_until : 24; /* seconds from born; it stands in for a dead upstream; 0: not */
    uint64_t
        elsewhere : 16; /* answers as this one may be cached elsewhere so long, in units of 4 s */
    uint16_t counts[3];
    int16_t ede;
    uint8_t tail[];
};

static_assert(sizeof(struct entry) == 40, "the fixed part of an entry");
static_assert(offsetof(struct entry, size8) == offsetof(struct ring_block, size8) &&
                  offsetof(struct entry, dead) == offsetof(struct ring_block, dead),
              "an entry is a block of a ring");
static_assert(DEPENDENCIES_MAX <= UINT8_MAX, "scope_count holds it");
static_assert((int)ENTRY_FLAGS <= (int)UINT8_MAX, "flags hold them");

/* Bytes of the largest there can be. */
enum {
    ENTRY_MAX_BYTES = sizeof(struct entry) + DEPENDENCIES_MAX * sizeof(struct scope) +
                      ANSWER_MAX_TTLS * sizeof(uint16_t) + ANSWER_KEY_MAX + DNS_MAX_MESSAGE +
                      RING_UNIT,
};

static inline size_t entry_bytes(const struct entry *entry)
{
    return (size_t)entry->size8 * RING_UNIT;
}

static inline struct scope *entry_scopes(const struct entry *entry)
{
    return (struct scope *)entry->tail;
}

/* One offset for each record. */
static inline size_t entry_ttl_count(const struct entry *entry)
{
    return (size_t)entry->counts[0] + entry->counts[1] + entry->counts[2];
}

static inline uint16_t *entry_ttl_offsets(const struct entry *entry)
{
    return (uint16_t *)(entry->tail + entry->scope_count * sizeof(struct scope));
}

static inline uint8_t *entry_key(const struct entry *entry)
{
    return (uint8_t *)(entry_ttl_offsets(entry) + entry_ttl_count(entry));
}

static inline size_t entry_key_size(const struct entry *entry)
{
    bool of_client = entry_key(entry)[ANSWER_KEY_BITS] & KEY_OF_CLIENT;
    return (size_t)ANSWER_KEY_FIXED + entry->name_size + (of_client ? KEY_CLIENT_SIZE : 0);
}

static inline uint8_t *entry_body(const struct entry *entry)
{
    return entry_key(entry) + entry_key_size(entry);
}

static inline bool entry_has_key(const struct entry *entry, const struct answer_key *key)
{
    /* With names of one size and the same bits, the keys are of one size. */
    const uint8_t *bytes = entry_key(entry);
    return entry->name_size == key->name_size &&
           bytes[ANSWER_KEY_BITS] == key->bytes[ANSWER_KEY_BITS] &&
           memcmp(bytes, key->bytes, key->size) == 0;
}

/* Units that an entry for `answer` under a key of `key_size` bytes takes. */
uint16_t entry_size8(const struct answer *answer, size_t key_size);

/* Fills a block of at least that size; `state` is ENTRY_ bits but for those that the answer tells. */
void entry_write(struct entry *entry, const struct answer_key *key, const struct answer *answer,
                 struct stamp stamp, struct mono born, uint8_t state);

/* Seconds that answers to its question, this one or an earlier one, may be cached elsewhere; 0: unknown. */
static inline uint32_t entry_elsewhere(const struct entry *entry)
{
    return (uint32_t)entry->elsewhere * ENTRY_ELSEWHERE_UNIT;
}

/* Milliseconds since it was put. */
static inline uint64_t entry_age_ms(const struct entry *entry, struct mono now)
{
    return now.ms > entry->born_ms ? now.ms - entry->born_ms : 0;
}

static inline bool entry_is_expired(const struct entry *entry, uint64_t age_ms)
{
    return age_ms >= (uint64_t)entry->ttl * 1000;
}

/* Whether the same is held under a question besides (absent.h). */
static inline bool entry_is_second(const struct entry *entry)
{
    return answer_key_is_of_name(entry_key(entry)) && entry->zone != ZONE_NONE;
}

/* How it is judged; `question_hash` is that of its name. */
static inline struct dependent entry_dependent(const struct entry *entry, uint64_t question_hash)
{
    return (struct dependent){
        .question = answer_key_name(entry_key(entry)),
        .question_hash = question_hash,
        .zone = (uint32_t)entry->zone,
        .own = (entry->state & ENTRY_OWN) >> ENTRY_OWN_SHIFT,
        .count = entry->scope_count,
        .scopes = entry_scopes(entry),
    };
}

#endif
