/* record.c - see record.h. */
#include "zone/record.h"

struct record zone_record(const struct zone_rrset *rrset, size_t k)
{
    struct rdata_view rdata = zone_rdata(rrset, k);
    return (struct record){
        .owner = rrset->owner,
        .rdata = rdata.bytes,
        .ttl = zone_ttl(rrset, k),
        .rdata_size = rdata.size,
        .type = rrset->type,
        .class = CLASS_IN,
    };
}

static bool take_first(void *arg, const struct zone_rrset *rrset)
{
    *(struct zone_rrset *)arg = *rrset;
    return false;
}

bool zone_soa(const struct zone_state *state, struct zone_rrset *ret_soa)
{
    struct zone_rrset first = {.type = 0};
    zone_each(state, take_first, &first);
    if (first.type != TYPE_SOA)
        return false;
    *ret_soa = first;
    return true;
}
