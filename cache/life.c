#include "cache/life.h"

#include <string.h>

bool life_is_left(const struct rules *rules, const struct entry *entry, struct mono now)
{
    const struct ttl_policy *policy = &rules->policy;
    uint64_t extra = policy->hold > policy->serve_stale ? policy->hold : policy->serve_stale;
    return entry_age_ms(entry, now) < (entry->ttl + extra) * 1000;
}

bool life_is_held(const struct rules *rules, const struct entry *entry, struct mono now)
{
    return entry->state & ENTRY_COVERED &&
           entry_age_ms(entry, now) < ((uint64_t)entry->ttl + rules->policy.hold) * 1000 &&
           validity_has_lease(rules->validity, now);
}

/* There is no TTL left to count down: a held answer starts over within client_ttl, a stale one has its own
 * (RFC 8767 4). */
int life_copy_stale(const struct rules *rules, const struct entry *entry,
                    const struct store_look *look)
{
    memcpy(look->buffer, entry_body(entry), entry->body_size);
    if (life_is_held(rules, entry, look->now)) {
        body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry), 0,
                      rules->policy.client_ttl);
        return entry->ede;
    }
    uint32_t cap = life_ttl_cap(rules, entry, look->child);
    body_set_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry),
                  cap < TTL_STALE_SECONDS ? cap : TTL_STALE_SECONDS);
    bool nxdomain = (entry->flags & FLAG_RCODE) == RCODE_NXDOMAIN;
    return nxdomain ? EDE_STALE_NXDOMAIN : EDE_STALE_ANSWER;
}

bool life_revive(const struct rules *rules, struct entry *entry, uint64_t name_hash,
                 struct mono now)
{
    enum { RECHECK_SECONDS = 5 }; /* then the upstream is tried again; RFC 8767 5 wants no busier */
    uint64_t age_ms = entry_age_ms(entry, now);
    uint64_t life = (uint64_t)entry->ttl + rules->policy.serve_stale;
    if ((entry->flags & FLAG_RCODE) == RCODE_SERVFAIL || rules->policy.serve_stale == 0 ||
        entry->state & ENTRY_PROVISIONAL || age_ms >= life * 1000 ||
        !life_is_unchanged(rules, entry, name_hash))
        return false;
    const uint64_t until = (age_ms + 999) / 1000 + RECHECK_SECONDS;
    entry->stale_until = until < ENTRY_MOST_SECONDS ? until : ENTRY_MOST_SECONDS;
    return true;
}
