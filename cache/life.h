/*
 * life.h - how long an entry is given: by its TTL, what may be added to that, and what changes leave of it.
 *
 *     put                     TTL over                       TTL + hold, or + serve_stale
 *      |------- fresh --- aging |---- held, or revived ----------| no more
 *      \_______________________ a mark on one of its scopes: invalid ___________________/
 *
 * The rules are those of one tier: its policy, and what it knows of changes. No state of its own; the caller
 * holds the entry's lock.
 */
#ifndef FRESHET_CACHE_LIFE_H
#define FRESHET_CACHE_LIFE_H

#include "cache/entry.h"
#include "cache/store.h"

struct rules {
    const struct validity *validity; /* borrowed */
    struct ttl_policy policy;
};

/* Whether it can still be of use to anybody: within its TTL, or what may be added to that. */
bool life_is_left(const struct rules *rules, const struct entry *entry, struct mono now);

/* Past its TTL, but the feed vouches for it: had it changed, we would have been told (P6). */
bool life_is_held(const struct rules *rules, const struct entry *entry, struct mono now);

/* In the last tenth of its life (a provisional one: half): the more it is asked for, the likelier somebody asks then. */
static inline bool life_is_aging(const struct rules *rules, const struct entry *entry,
                                 uint64_t age_ms)
{
    if (entry->state &
        ENTRY_PROVISIONAL) /* whatever the policy: something better may be had soon */
        return age_ms >= (uint64_t)entry->ttl * 500;
    return rules->policy.prefetch && age_ms >= (uint64_t)entry->ttl * 900;
}

/* Whether no change has touched it, of one with names outside; nor has one of them come into a zone, or gone out of one. */
bool life_is_unchanged_outside(const struct rules *rules, const struct entry *entry,
                               uint64_t name_hash);

/* Whether no change has touched it; `name_hash` is that of its name. */
static inline bool life_is_unchanged(const struct rules *rules, const struct entry *entry,
                                     uint64_t name_hash)
{
    if (entry->state & ENTRY_OUTSIDE)
        return life_is_unchanged_outside(rules, entry, name_hash);
    struct dependent dependent = entry_dependent(entry, name_hash);
    return validity_holds(rules->validity, &dependent, (struct stamp){entry->stamp});
}

/* The same for an entry in no zone: as long as no zone has come to it. Moves its stamp. */
enum store_result life_judge_outside(const struct rules *rules, struct entry *entry,
                                     uint64_t name_hash);

/* Past its TTL, but its upstream was found dead a moment ago (RFC 8767). */
static inline bool life_is_revived(const struct entry *entry, struct mono now)
{
    return entry_age_ms(entry, now) < (uint64_t)entry->stale_until * 1000;
}

/*
 * The check of every hit: its time is not over, and nothing it depends on was marked since its stamp. The
 * clock is read first, so that a check that passes may move the stamp there. Returns STORE_HIT, STORE_EXPIRED
 * or STORE_INVALID.
 */
static inline enum store_result life_judge(const struct rules *rules, struct entry *entry,
                                           uint64_t name_hash, struct mono now)
{
    if (entry_is_expired(entry, entry_age_ms(entry, now)) && !life_is_held(rules, entry, now) &&
        !life_is_revived(entry, now))
        return STORE_EXPIRED;
    if (entry->zone == ZONE_NONE)
        return life_judge_outside(rules, entry, name_hash);
    struct stamp clock = validity_now(rules->validity);
    if (entry->stamp == clock.n)
        return STORE_HIT;
    if (!life_is_unchanged(rules, entry, name_hash))
        return STORE_INVALID;
    if (clock.n > entry->stamp)
        entry->stamp = clock.n;
    return STORE_HIT;
}

/* The highest TTL a client may be told. */
static inline uint32_t life_ttl_cap(const struct rules *rules, const struct entry *entry,
                                    bool child)
{
    return entry->zone != ZONE_NONE && !child ? rules->policy.client_ttl : UINT32_MAX;
}

/* Copies the body of an entry past its TTL. Returns the Extended DNS Error that says so, or EDE_NONE. */
int life_copy_stale(const struct rules *rules, const struct entry *entry,
                    const struct store_look *look);

/*
 * The upstream is dead: lets an entry be given past its TTL for a few seconds. False: the policy has none
 * of it, or a change has touched the entry.
 */
bool life_revive(const struct rules *rules, struct entry *entry, uint64_t name_hash,
                 struct mono now);

#endif
