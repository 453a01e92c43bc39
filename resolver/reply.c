#include "resolver/reply.h"

#include <string.h>

struct reply_shape reply_shape_of(const struct query *query, bool stream)
{
    struct reply_shape shape = {
        .id = query->id,
        .flags = query->flags,
        .edns = query->edns.present,
        .dnssec_ok = query->edns.dnssec_ok,
        .limit = DNS_CLASSIC_UDP,
    };
    if (stream)
        shape.limit = DNS_MAX_MESSAGE;
    else if (query->edns.present && query->edns.udp_size > DNS_CLASSIC_UDP)
        shape.limit =
            query->edns.udp_size < DNS_EDNS_UDP ? query->edns.udp_size : (uint16_t)DNS_EDNS_UDP;
    return shape;
}

size_t reply_room(const struct reply_shape *shape, size_t question_end)
{
    size_t taken = question_end + (shape->edns ? DNS_OPT_SIZE : 0);
    return shape->limit > taken ? shape->limit - taken : 0;
}

/* RFC 6891 6.1.2; the Extended DNS Error option is RFC 8914 2. Returns the bytes written. */
static size_t write_opt(uint8_t *at, size_t room, const struct reply_shape *shape,
                        const struct reply_content *content)
{
    bool ede = content->ede != EDE_NONE && room >= REPLY_OPT_EDE_SIZE;
    at[0] = 0;
    wire_put_u16(at + 1, TYPE_OPT);
    wire_put_u16(at + 3, DNS_EDNS_UDP);
    at[5] = (uint8_t)content->rcode_high;
    at[6] = 0;
    wire_put_u16(at + 7, shape->dnssec_ok ? 0x8000 : 0);
    wire_put_u16(at + 9, ede ? 6 : 0);
    if (!ede)
        return DNS_OPT_SIZE;
    wire_put_u16(at + 11, EDNS_OPTION_EDE);
    wire_put_u16(at + 13, 2);
    wire_put_u16(at + 15, (uint16_t)content->ede);
    return REPLY_OPT_EDE_SIZE;
}

static uint16_t reply_flags(const struct reply_shape *shape, const struct reply_content *content)
{
    uint16_t flags = FLAG_QR | FLAG_RA | (shape->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)) |
                     (content->flags & FLAG_RCODE);
    /* "Validated" is said to those who show that they understand it (RFC 6840 5.8). */
    if (content->flags & FLAG_AD && (shape->dnssec_ok || shape->flags & FLAG_AD))
        flags |= FLAG_AD;
    if (content->truncated)
        flags |= FLAG_TC;
    return flags;
}

size_t reply_finish(uint8_t *reply, size_t question_end, const struct reply_shape *shape,
                    const struct reply_content *content)
{
    static const uint16_t no_counts[3];
    const uint16_t *counts = content->truncated ? no_counts : content->counts;
    size_t size = question_end + (content->truncated ? 0 : content->body_size);
    uint16_t additional = counts[SECTION_ADDITIONAL];
    if (shape->edns) {
        size += write_opt(reply + size, shape->limit - size, shape, content);
        additional++;
    }
    wire_put_u16(reply, shape->id);
    wire_put_u16(reply + 2, reply_flags(shape, content));
    wire_put_u16(reply + 4, question_end > DNS_HEADER_SIZE ? 1 : 0);
    wire_put_u16(reply + 6, counts[SECTION_ANSWER]);
    wire_put_u16(reply + 8, counts[SECTION_AUTHORITY]);
    wire_put_u16(reply + 10, additional);
    return size;
}
