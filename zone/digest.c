/* digest.c - see digest.h. */
#include "zone/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "dns/rdata.h"
#include "zone/state.h"

enum { SCHEME_SIMPLE = 1, HASH_SHA384 = 1, ZONEMD_HEADER = 6 };

struct digesting {
    const struct zone_state *state;
    EVP_MD_CTX *context;
    bool failed;
    uint8_t rdata[UINT16_MAX]; /* one record's, canonical */
};

/* Types whose names are in lower case in the canonical form (RFC 4034 6.2, RFC 6840 5.1). */
static bool folds_names(uint16_t type)
{
    static const uint8_t types[] = {2,  3,  4,  5,  6,  7,  8,  9,  12, 14, 15, 17,
                                    18, 21, 24, 26, 30, 33, 35, 36, 38, 39, 46};
    for (size_t i = 0; i < sizeof types; i++)
        if (types[i] == type)
            return true;
    return false;
}

/* The canonical form of RDATA, in `to`. */
static void canonical(uint16_t type, struct rdata_view rdata, uint8_t *to)
{
    size_t offset;
    bool compressible;
    memcpy(to, rdata.bytes, rdata.size);
    if (!folds_names(type))
        return;
    for (size_t k = 0; rdata_name_at(type, rdata.bytes, rdata.size, k, &offset, &compressible); k++)
        name_lower(rdata.bytes + offset, name_size(rdata.bytes + offset), to + offset);
}

/* RFC 8976 3.3.1: ZONEMD of the apex and its signatures are not part of it. */
static bool is_left_out(const struct digesting *digesting, const struct zone_rrset *rrset, size_t k)
{
    if (rrset->node->name_size != digesting->state->apex_size)
        return false;
    if (rrset->type == TYPE_RRSIG) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        return rdata.size >= 2 && wire_get_u16(rdata.bytes) == TYPE_ZONEMD;
    }
    return rrset->type == TYPE_ZONEMD;
}

static void add_record(struct digesting *digesting, const struct zone_rrset *rrset, size_t k)
{
    const struct rdata_view rdata = zone_rdata(rrset, k);
    uint8_t fixed[10]; /* type, class, TTL, length (RFC 4034 6.2) */
    wire_put_u16(fixed, rrset->type);
    wire_put_u16(fixed + 2, CLASS_IN);
    wire_put_u32(fixed + 4, zone_ttl(rrset, k));
    wire_put_u16(fixed + 8, rdata.size);
    canonical(rrset->type, rdata, digesting->rdata);
    if (EVP_DigestUpdate(digesting->context, rrset->owner, rrset->node->name_size) != 1 ||
        EVP_DigestUpdate(digesting->context, fixed, sizeof fixed) != 1 ||
        EVP_DigestUpdate(digesting->context, digesting->rdata, rdata.size) != 1)
        digesting->failed = true;
}

static void add_rrset(struct digesting *digesting, const struct zone_rrset *rrset)
{
    for (size_t k = 0; k < rrset->count; k++)
        if (!is_left_out(digesting, rrset, k))
            add_record(digesting, rrset, k);
}

/* RFC 8976 3.3.2: by type, the SOA in its place among them. */
static void add_node(struct digesting *digesting, const struct node *node)
{
    struct zone_rrset rrset, soa;
    bool soa_waits = node_find(node, TYPE_SOA, &soa);
    for (bool more = node_first(node, &rrset); more; more = node_next(node, &rrset)) {
        if (rrset.type == TYPE_SOA)
            continue;
        if (soa_waits && rrset.type > TYPE_SOA) {
            add_rrset(digesting, &soa);
            soa_waits = false;
        }
        add_rrset(digesting, &rrset);
    }
    if (soa_waits)
        add_rrset(digesting, &soa);
}

int zone_digest(const struct zone_state *state, uint8_t ret_digest[ZONE_DIGEST_SIZE])
{
    struct digesting *digesting = malloc(sizeof *digesting);
    struct state_cursor cursor;
    if (!digesting)
        return ERR_MEMORY;
    digesting->state = state;
    digesting->context = EVP_MD_CTX_new();
    digesting->failed =
        !digesting->context || EVP_DigestInit_ex(digesting->context, EVP_sha384(), NULL) != 1;
    if (!digesting->failed)
        for (state_first(state, &cursor); cursor.node; state_next(&cursor))
            add_node(digesting, cursor.node);
    uint8_t digest[ZONE_DIGEST_SIZE];
    const bool fine =
        !digesting->failed && EVP_DigestFinal_ex(digesting->context, digest, NULL) == 1;
    EVP_MD_CTX_free(digesting->context);
    free(digesting);
    if (!fine)
        return ERR_MEMORY;
    memcpy(ret_digest, digest, sizeof digest);
    return ERR_OK;
}

/* RFC 8976 4: the one of the SOA's serial, scheme SIMPLE and SHA-384. */
static bool find_own(const struct zone_state *state, uint32_t serial, struct rdata_view *ret)
{
    struct zone_rrset rrset;
    if (!state_apex_find(state, TYPE_ZONEMD, &rrset))
        return false;
    for (size_t k = 0; k < rrset.count; k++) {
        const struct rdata_view rdata = zone_rdata(&rrset, k);
        if (rdata.size == ZONEMD_HEADER + ZONE_DIGEST_SIZE && wire_get_u32(rdata.bytes) == serial &&
            rdata.bytes[4] == SCHEME_SIMPLE && rdata.bytes[5] == HASH_SHA384) {
            *ret = rdata;
            return true;
        }
    }
    return false;
}

int zone_digest_check(const struct zone_state *state)
{
    uint32_t serial;
    struct rdata_view own;
    uint8_t digest[ZONE_DIGEST_SIZE];
    if (!zone_serial(state, &serial) || !find_own(state, serial, &own))
        return ERR_NOT_FOUND;
    const int result = zone_digest(state, digest);
    if (result != ERR_OK)
        return result;
    return memcmp(digest, own.bytes + ZONEMD_HEADER, sizeof digest) == 0 ? ERR_OK : ERR_RDATA;
}
