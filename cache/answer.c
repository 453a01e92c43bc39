#include "cache/answer.h"

uint32_t answer_bound_ttls(struct answer *answer, const struct ttl_policy *policy)
{
    struct ttl_policy bounds = *policy;
    if (answer->provisional)
        bounds.min_ttl = 0;
    answer->ttl = answer->uncacheable ? 0 : ttl_bounded(&bounds, answer->ttl, answer->negative);
    for (size_t i = 0; i < answer->ttl_count; i++) {
        uint8_t *at = answer->body + answer->ttl_offsets[i];
        /* The links that lead to a negative end are data. */
        bool negative = answer->negative && i >= answer->counts[SECTION_ANSWER];
        uint32_t ttl = ttl_bounded(&bounds, wire_get_u32(at), negative);
        wire_put_u32(at, ttl);
    }
    return answer->ttl;
}

void answer_doubt(struct answer *answer)
{
    answer->provisional = true;
    answer->covered = false;
    if (answer->ttl > TTL_PROVISIONAL_SECONDS)
        answer->ttl = TTL_PROVISIONAL_SECONDS;
    body_age_ttls(answer->body, answer->ttl_offsets, answer->ttl_count, 0, TTL_PROVISIONAL_SECONDS);
}

void answer_disown(struct answer *answer)
{
    answer->behind = answer->uncacheable = true;
    answer->ttl = 0;
}

void body_age_ttls(uint8_t *body, const uint16_t *ttl_offsets, size_t ttl_count, uint32_t age,
                   uint32_t cap)
{
    for (size_t i = 0; i < ttl_count; i++) {
        uint8_t *at = body + ttl_offsets[i];
        uint32_t ttl = wire_get_u32(at);
        ttl = ttl > age ? ttl - age : 0;
        wire_put_u32(at, ttl < cap ? ttl : cap);
    }
}

void body_set_ttls(uint8_t *body, const uint16_t *ttl_offsets, size_t ttl_count, uint32_t ttl)
{
    for (size_t i = 0; i < ttl_count; i++)
        wire_put_u32(body + ttl_offsets[i], ttl);
}
