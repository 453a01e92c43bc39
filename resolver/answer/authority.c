#include "resolver/answer/authority.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "dns/build.h"
#include "resolver/answer/network.h"
#include "zone/lookup.h"

struct served {
    UT_hash_handle hh;
    const struct streamed_zone *zone;
    uint8_t (*keys)[NAME_MAX_SIZE]; /* canonical */
    size_t key_count;
    struct network_list *from; /* NULL: nobody */
};

struct authority {
    atomic_size_t references;
    struct served *table;
    struct keyring keyring;
};

struct authority *authority_new(struct keyring *keyring)
{
    struct authority *authority = calloc(1, sizeof(struct authority));
    if (!authority) {
        keyring_clear(keyring);
        return NULL;
    }
    authority->references = 1;
    authority->keyring = *keyring;
    *keyring = (struct keyring){.count = 0};
    return authority;
}

struct authority *authority_ref(struct authority *authority)
{
    atomic_fetch_add_explicit(&authority->references, 1, memory_order_relaxed);
    return authority;
}

static void served_free(struct served *served)
{
    free(served->keys);
    free(served->from);
    free(served);
}

void authority_unref(struct authority *authority)
{
    struct served *served, *next;
    if (!authority ||
        atomic_fetch_sub_explicit(&authority->references, 1, memory_order_acq_rel) > 1)
        return;
    HASH_ITER (hh, authority->table, served, next) {
        HASH_DEL(authority->table, served);
        served_free(served);
    }
    keyring_clear(&authority->keyring);
    free(authority);
}

static bool take_config(struct served *served, const struct config_zone *config)
{
    served->keys = calloc(config->transfer_key_count + 1, sizeof *served->keys);
    if (!served->keys)
        return false;
    for (size_t k = 0; k < config->transfer_key_count; k++) {
        uint8_t *name = served->keys[served->key_count];
        int size = name_from_text(config->transfer_keys[k], name);
        if (size < 0)
            continue;
        name_lower(name, (size_t)size, name);
        served->key_count++;
    }
    if (config->transfer_from_count == 0)
        return true;
    served->from = malloc(sizeof *served->from);
    if (served->from)
        network_list_set(served->from, config->transfer_from, config->transfer_from_count);
    return served->from != NULL;
}

int authority_add(struct authority *authority, const struct streamed_zone *zone,
                  const struct config_zone *config)
{
    const uint8_t *apex = streamed_apex(zone);
    struct served *served = calloc(1, sizeof *served);
    if (!served || !take_config(served, config)) {
        if (served)
            served_free(served);
        return ERR_MEMORY;
    }
    served->zone = zone;
    HASH_ADD_KEYPTR(hh, authority->table, apex, name_size(apex), served);
    return 0;
}

bool authority_is_empty(const struct authority *authority)
{
    return authority->table == NULL;
}

const struct keyring *authority_keys(const struct authority *authority)
{
    return &authority->keyring;
}

static bool may_have(const struct served *served, const union address *peer,
                     const struct tsig_key *key)
{
    for (size_t k = 0; key && k < served->key_count; k++)
        if (name_equal(served->keys[k], key->name))
            return true;
    return served->from && network_list_has(served->from, peer);
}

const struct streamed_zone *authority_handout(const struct authority *authority,
                                              const uint8_t *name, const union address *peer,
                                              const struct tsig_key *key, bool *ret_may)
{
    uint8_t canonical[NAME_MAX_SIZE];
    struct served *served;
    const size_t size = name_size(name);
    name_lower(name, size, canonical);
    HASH_FIND(hh, authority->table, canonical, size, served);
    if (!served)
        return NULL;
    *ret_may = may_have(served, peer, key);
    return served->zone;
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

static void look_up(struct builder *builder, const struct streamed_zone *zone,
                    const struct authority_query *query, struct reply_content *ret)
{
    const size_t start = builder->out.at;
    zone_read_begin();
    const enum zone_lookup_result result = zone_lookup(
        zone_state(streamed_data(zone)), query->question, zone_extras(query->dnssec_ok), builder);
    zone_read_end();
    if (result == ZONE_UNPROVABLE)
        streamed_count_unprovable(zone);
    *ret = (struct reply_content){
        .flags = zone_lookup_flags(result, builder),
        .counts = {builder->counts[0], builder->counts[1], builder->counts[2]},
        .body_size = builder->out.at - start,
        .truncated = builder->out.failed,
        .ede = result == ZONE_UNPROVABLE ? EDE_NSEC3_ITERATIONS : EDE_NONE,
    };
}

bool authority_answer(const struct authority *authority, const struct authority_query *query,
                      struct reply_content *ret)
{
    static _Thread_local struct builder builder; /* large, and used from here to the end */
    const struct streamed_zone *zone = find(authority, query->question);
    if (!zone)
        return false;
    build_start(&builder, query->reply, query->limit);
    build_question(&builder, query->question);
    if (streamed_state(zone) == STREAMED_LIVE)
        look_up(&builder, zone, query, ret);
    else
        *ret = (struct reply_content){.flags = RCODE_SERVFAIL, .ede = EDE_NOT_READY};
    return true;
}
