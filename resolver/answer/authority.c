#include "resolver/answer/authority.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "dns/build.h"
#include "zone/lookup.h"

struct served {
    UT_hash_handle hh;
    const struct streamed_zone *zone;
};

struct authority {
    struct served *table;
    struct builder builder;
};

struct authority *authority_new(void)
{
    return calloc(1, sizeof(struct authority));
}

void authority_free(struct authority *authority)
{
    struct served *served, *next;
    if (!authority)
        return;
    HASH_ITER (hh, authority->table, served, next) {
        HASH_DEL(authority->table, served);
        free(served);
    }
    free(authority);
}

int authority_add(struct authority *authority, const struct streamed_zone *zone)
{
    const uint8_t *apex = streamed_apex(zone);
    struct served *served = calloc(1, sizeof *served);
    if (!served)
        return ERR_MEMORY;
    served->zone = zone;
    HASH_ADD_KEYPTR(hh, authority->table, apex, name_size(apex), served);
    return 0;
}

/* The longest zone that has a name; for DS, the parent's (RFC 4035 3.1.4.1), where that is here too. */
static const struct streamed_zone *find(const struct authority *authority,
                                        const struct question *question)
{
    uint8_t canonical[NAME_MAX_SIZE];
    const struct streamed_zone *apex = NULL;
    name_lower(question->name, question->name_size, canonical);
    for (const uint8_t *at = canonical; at; at = name_parent(at)) {
        struct served *served;
        HASH_FIND(hh, authority->table, at, question->name_size - (size_t)(at - canonical), served);
        if (served && (question->type != TYPE_DS || at != canonical))
            return served->zone;
        if (served)
            apex = served->zone;
    }
    return apex;
}

static uint16_t flags_of(enum zone_lookup_result result)
{
    switch (result) {
    case ZONE_NXDOMAIN:
        return FLAG_AA | RCODE_NXDOMAIN;
    case ZONE_OUTSIDE:
        return RCODE_SERVFAIL;
    default:
        return FLAG_AA;
    }
}

static void look_up(struct authority *authority, const struct streamed_zone *zone,
                    const struct authority_query *query, struct reply_content *ret)
{
    struct builder *builder = &authority->builder;
    build_start(builder, query->reply, query->limit);
    build_question(builder, query->question);
    const size_t start = builder->out.at;
    zone_read_begin();
    const enum zone_lookup_result result =
        zone_lookup(zone_state(streamed_data(zone)), query->question, query->dnssec_ok, builder);
    zone_read_end();
    *ret = (struct reply_content){
        .flags = flags_of(result),
        .counts = {builder->counts[0], builder->counts[1], builder->counts[2]},
        .body_size = builder->out.at - start,
        .truncated = builder->out.failed,
        .ede = EDE_NONE,
    };
    if (result == ZONE_REFERRAL && builder->counts[SECTION_ANSWER] == 0)
        ret->flags &= (uint16_t)~FLAG_AA;
}

bool authority_answer(struct authority *authority, const struct authority_query *query,
                      struct reply_content *ret)
{
    const struct streamed_zone *zone = find(authority, query->question);
    if (!zone)
        return false;
    if (streamed_state(zone) == STREAMED_LIVE) {
        look_up(authority, zone, query, ret);
        return true;
    }
    build_start(&authority->builder, query->reply, query->limit);
    build_question(&authority->builder, query->question);
    *ret = (struct reply_content){.flags = RCODE_SERVFAIL, .ede = EDE_NOT_READY};
    return true;
}
