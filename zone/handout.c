#include "zone/handout.h"

#include <stdlib.h>
#include <string.h>

struct handout {
    struct transfer *transfer;
    struct signature signature;
    struct question question;
    struct transfer_shape shape;
    struct handout_places *places; /* NULL: it takes none */
    size_t udp_size;               /* 0: by TCP */
    bool incremental, cut;
};

uint16_t handout_rcode(enum handout_result result)
{
    static const uint16_t rcodes[] = {
        [HANDOUT_BEGUN] = RCODE_NOERROR,     [HANDOUT_REFUSED] = RCODE_REFUSED,
        [HANDOUT_MALFORMED] = RCODE_FORMERR, [HANDOUT_NOT_READY] = RCODE_SERVFAIL,
        [HANDOUT_BUSY] = RCODE_SERVFAIL,
    };
    return rcodes[result];
}

/* The serial that an IXFR has (RFC 1995 3). */
static bool asked_serial(const struct message *query, uint32_t *ret)
{
    enum { SERIAL_FROM_END = 20, LEAST = 22 };
    const struct record *records = message_authorities(query);
    for (size_t i = 0; i < query->authority_count; i++) {
        if (records[i].type != TYPE_SOA || records[i].rdata_size < LEAST)
            continue;
        *ret = wire_get_u32(records[i].rdata + records[i].rdata_size - SERIAL_FROM_END);
        return true;
    }
    return false;
}

static bool take_place(struct handout_places *places)
{
    if (atomic_fetch_add_explicit(&places->taken, 1, memory_order_relaxed) < places->most)
        return true;
    atomic_fetch_sub_explicit(&places->taken, 1, memory_order_relaxed);
    return false;
}

static size_t udp_size(const struct message *query)
{
    size_t size = query->edns.present ? query->edns.udp_size : DNS_CLASSIC_UDP;
    return size < DNS_EDNS_UDP ? size : DNS_EDNS_UDP;
}

static enum handout_result start(const struct handout_request *request,
                                 const struct transfer_request *transfer, struct handout **ret)
{
    struct handout *handout = calloc(1, sizeof *handout);
    if (!handout)
        return HANDOUT_NOT_READY;
    if (transfer_begin(transfer, &handout->transfer) < 0) {
        free(handout);
        return HANDOUT_NOT_READY;
    }
    if (request->tcp && !take_place(request->places)) {
        transfer_end(handout->transfer);
        free(handout);
        return HANDOUT_BUSY;
    }
    handout->places = request->tcp ? request->places : NULL;
    handout->udp_size = request->tcp ? 0 : udp_size(request->query);
    handout->incremental = transfer->incremental;
    handout->signature = *request->signature;
    handout->question = request->query->question;
    handout->shape = (struct transfer_shape){.question = &handout->question,
                                             .id = request->query->id,
                                             .edns = request->query->edns.present};
    *ret = handout;
    return HANDOUT_BEGUN;
}

enum handout_result handout_begin(const struct handout_request *request,
                                  struct handout **ret_handout)
{
    struct transfer_request transfer = {
        .zone = request->zone,
        .history = request->history,
        .incremental = request->query->question.type == TYPE_IXFR,
    };
    if (!request->may)
        return HANDOUT_REFUSED;
    if (transfer.incremental ? !asked_serial(request->query, &transfer.serial) : !request->tcp)
        return HANDOUT_MALFORMED;
    if (!request->zone)
        return HANDOUT_NOT_READY;
    return start(request, &transfer, ret_handout);
}

enum transfer_kind handout_kind(const struct handout *handout)
{
    return transfer_kind(handout->transfer);
}

bool handout_is_incremental(const struct handout *handout)
{
    return handout->incremental;
}

bool handout_is_over(const struct handout *handout)
{
    return handout->cut || transfer_is_over(handout->transfer);
}

/* Bytes that records may take. */
static size_t room_of(const struct handout *handout, size_t room)
{
    const size_t taken = signature_room(&handout->signature);
    if (handout->udp_size > 0 && handout->udp_size < room)
        room = handout->udp_size;
    return room > taken ? room - taken : 0;
}

/* Returns its size, or less than 0. */
static int write_next(struct handout *handout, uint8_t *buffer, size_t room)
{
    const size_t left = room_of(handout, room);
    if (left < DNS_HEADER_SIZE)
        return ERR_TOO_LARGE;
    return handout->udp_size > 0 ? transfer_single(handout->transfer, &handout->shape, buffer, left)
                                 : transfer_next(handout->transfer, &handout->shape, buffer, left);
}

static int write_end(const struct handout *handout, uint8_t *buffer)
{
    memset(buffer, 0, DNS_HEADER_SIZE);
    wire_put_u16(buffer, handout->shape.id);
    wire_put_u16(buffer + 2, FLAG_QR | RCODE_SERVFAIL);
    return DNS_HEADER_SIZE;
}

size_t handout_next(struct handout *handout, uint8_t *buffer, size_t room, uint64_t now)
{
    int size = write_next(handout, buffer, room);
    handout->cut = size <= 0;
    if (size <= 0)
        size = write_end(handout, buffer);
    size = signature_answer(&handout->signature, buffer, (size_t)size, room, now);
    handout->cut |= size <= 0;
    return size > 0 ? (size_t)size : 0;
}

bool handout_is_cut(const struct handout *handout)
{
    return handout->cut;
}

void handout_end(struct handout *handout)
{
    if (!handout)
        return;
    if (handout->places)
        atomic_fetch_sub_explicit(&handout->places->taken, 1, memory_order_relaxed);
    transfer_end(handout->transfer);
    signature_end(&handout->signature);
    free(handout);
}
