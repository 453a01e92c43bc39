#include "cache/life.h"

#include <string.h>

#include "dns/type.h"
#include "dns/wire.h"

/* A record's owner, and where a CNAME leads to. False: none of them came into a zone, or went out of one. */
static bool record_is_regrouped(const struct validity *validity, struct wire_reader *reader,
                                struct stamp stamp)
{
    enum { CLASS_AND_TTL = 6 };
    uint8_t name[NAME_MAX_SIZE];
    bool touched = name_read(reader, name) < 0;
    const uint16_t type = wire_read_u16(reader);
    wire_read(reader, CLASS_AND_TTL);
    const size_t end = wire_read_u16(reader) + reader->at;
    if (!touched) {
        name_lower(name, name_size(name), name);
        touched = validity_is_grouped(validity, name, stamp);
    }
    if (!touched && type == TYPE_CNAME) {
        touched = name_read(reader, name) < 0;
        if (!touched)
            name_lower(name, name_size(name), name);
        touched = touched || validity_is_grouped(validity, name, stamp);
    }
    reader->at = end;
    return touched || reader->failed;
}

/* Whether some name of an entry came into a zone, or went out of one, since its stamp. */
static __attribute__((noinline)) bool is_regrouped(const struct rules *rules,
                                                   const struct entry *entry)
{
    enum { TYPE_AND_CLASS = 4 };
    const struct stamp stamp = {entry->stamp};
    uint8_t wire[DNS_MAX_MESSAGE]; /* as it was: names in it point to where they stood */
    struct wire_writer writer = wire_writer(wire, sizeof wire);
    wire_reserve(&writer, DNS_HEADER_SIZE);
    wire_write(&writer, answer_key_name(entry_key(entry)), entry->name_size);
    wire_reserve(&writer, TYPE_AND_CLASS);
    const size_t start = writer.at;
    wire_write(&writer, entry_body(entry), entry->body_size);
    struct wire_reader reader = wire_reader(wire, writer.at);
    reader.at = start;
    bool touched = writer.failed;
    for (size_t i = 0; i < entry_ttl_count(entry) && !touched; i++)
        touched = record_is_regrouped(rules->validity, &reader, stamp);
    return touched;
}

bool life_is_unchanged_outside(const struct rules *rules, const struct entry *entry,
                               uint64_t name_hash)
{
    const struct dependent dependent = entry_dependent(entry, name_hash);
    const struct stamp stamp = {entry->stamp};
    return validity_holds(rules->validity, &dependent, stamp) &&
           !(stamp_after(validity_grouped(rules->validity), stamp) && is_regrouped(rules, entry));
}

enum store_result life_judge_outside(const struct rules *rules, struct entry *entry,
                                     uint64_t name_hash)
{
    const struct stamp clock = validity_now(rules->validity);
    if (!stamp_after(validity_grouped(rules->validity), (struct stamp){entry->stamp}))
        return STORE_HIT;
    if (!life_is_unchanged(rules, entry, name_hash))
        return STORE_INVALID;
    entry->stamp = clock.n;
    return STORE_HIT;
}

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
