#include "zone/inquiry.h"

#include "zone/change.h"

static bool held_soa(const struct inquiry *inquiry, struct rdata_view *ret)
{
    struct zone_rrset rrset;
    if (!zone_find(zone_state(inquiry->zone), zone_apex(inquiry->zone), TYPE_SOA, &rrset))
        return false;
    *ret = zone_rdata(&rrset, 0);
    return true;
}

bool inquiry_held(const struct inquiry *inquiry, struct soa_times *ret)
{
    struct rdata_view soa;
    if (!held_soa(inquiry, &soa))
        return false;
    xfrin_soa(soa.bytes, soa.size, ret);
    return true;
}

void inquiry_finish(struct inquiry *inquiry)
{
    xfrin_free(inquiry->xfrin);
    inquiry->xfrin = NULL;
}

void inquiry_drop(struct inquiry *inquiry)
{
    inquiry_finish(inquiry);
    zone_edit_abort(inquiry->edit);
    inquiry->edit = NULL;
    differences_clear(&inquiry->differences);
    tsig_chain_end(&inquiry->chain);
}

/* ---- what comes ---- */

static int sink_whole(void *arg)
{
    struct inquiry *inquiry = arg;
    zone_edit_abort(inquiry->edit);
    inquiry->edit = NULL;
    return zone_edit_begin(inquiry->zone, true, &inquiry->edit);
}

static int sink_record(void *arg, enum xfrin_part part, const struct record *record)
{
    struct inquiry *inquiry = arg;
    struct rdata_view rdata = {record->rdata, record->rdata_size};
    const struct change change = {.op = CHANGE_ADD,
                                  .type = record->type,
                                  .ttl = record->ttl,
                                  .name = record->owner,
                                  .rdata = &rdata,
                                  .rdata_count = 1};
    if (part == XFRIN_WHOLE)
        return zone_edit_change(inquiry->edit, &change);
    return differences_add(&inquiry->differences,
                           part == XFRIN_DELETED ? DIFFERENCES_DELETE : DIFFERENCES_ADD, record,
                           INQUIRY_MAX_DIFFERENCES);
}

static int sink_version(void *arg, const struct record *soa)
{
    struct inquiry *inquiry = arg;
    return inquiry->edit ? 0
                         : differences_add(&inquiry->differences, DIFFERENCES_VERSION, soa,
                                           INQUIRY_MAX_DIFFERENCES);
}

static bool expect(struct inquiry *inquiry)
{
    struct soa_times held = {0};
    (void)inquiry_held(inquiry, &held);
    inquiry->xfrin = xfrin_new(&(struct xfrin_options){
        .apex = zone_apex(inquiry->zone),
        .type = inquiry->type,
        .id = inquiry->id,
        .serial = held.serial,
        .sink = {sink_whole, sink_record, sink_version, inquiry},
    });
    return inquiry->xfrin != NULL;
}

/* ---- what is asked ---- */

int inquiry_ask(struct inquiry *inquiry, uint16_t type, uint16_t id, uint64_t now,
                uint8_t ret_query[INQUIRY_MAX_QUERY])
{
    struct rdata_view soa = {0};
    inquiry_drop(inquiry);
    inquiry->id = id;
    inquiry->type = type == TYPE_IXFR && !held_soa(inquiry, &soa) ? TYPE_AXFR : type;
    const struct xfrin_query query = {.apex = zone_apex(inquiry->zone),
                                      .type = inquiry->type,
                                      .id = id,
                                      .soa = soa.bytes,
                                      .soa_size = soa.size};
    int size = xfrin_write_query(&query, ret_query, INQUIRY_MAX_QUERY);
    if (size > 0 && inquiry->key) {
        inquiry->chain = tsig_chain_begin(inquiry->key);
        size = tsig_sign(&inquiry->chain, ret_query, (size_t)size, INQUIRY_MAX_QUERY, now);
    }
    return size < 0 || expect(inquiry) ? size : ERR_MEMORY;
}

/* TSIG_OK also when no message is to be signed. */
static int verify(struct inquiry *inquiry, const uint8_t *message, size_t size,
                  const struct tsig *tsig, uint64_t now)
{
    if (!inquiry->key)
        return TSIG_OK;
    int fault = tsig_verify(&inquiry->chain, message, size, tsig, now);
    /* signed, and it says what is wrong: our clock, for one */
    return fault == TSIG_OK && tsig && tsig->error != 0 ? tsig->error : fault;
}

struct inquiry_heard inquiry_take(struct inquiry *inquiry, const uint8_t *message, size_t size,
                                  uint64_t now)
{
    struct tsig tsig = {0};
    const int found = tsig_find(message, size, &tsig);
    struct inquiry_heard heard = {.result = XFRIN_MALFORMED, .fault = TSIG_OK};
    if (found < 0 && found != ERR_NOT_FOUND)
        return heard;
    heard.fault = verify(inquiry, message, size, found == 0 ? &tsig : NULL, now);
    heard.said = found == 0 ? tsig.error : 0;
    if (heard.fault != TSIG_OK)
        return heard;
    heard.result = xfrin_take(inquiry->xfrin, message, found == 0 ? tsig.at : size);
    if (heard.result == XFRIN_DONE && inquiry->key && !tsig_chain_is_proven(&inquiry->chain))
        heard = (struct inquiry_heard){.fault = TSIG_BADSIG};
    return heard;
}
