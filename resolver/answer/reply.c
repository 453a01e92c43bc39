#include "resolver/answer/reply.h"

#include <string.h>

#include "invalidation/position.h"

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
    size_t taken = question_end + (shape->edns ? DNS_OPT_SIZE + shape->option_size : 0);
    return shape->limit > taken ? shape->limit - taken : 0;
}

enum { EDE_OPTION_SIZE = 6 };

/* RFC 8914 2. */
static void write_ede(uint8_t *at, int ede)
{
    wire_put_u16(at, EDNS_OPTION_EDE);
    wire_put_u16(at + 2, sizeof(uint16_t));
    wire_put_u16(at + 4, (uint16_t)ede);
}

/* The options behind an OPT record, as far as there is room. Returns the bytes written. */
static size_t write_options(uint8_t *at, size_t room, const struct reply_shape *shape,
                            const struct reply_content *content)
{
    size_t size = 0;
    /* Where it does not fit, nothing does: the reply is truncated, and comes again over TCP. */
    if (shape->option_size > 0 && !content->behind && room >= shape->option_size) {
        memcpy(at, shape->option, shape->option_size);
        position_describe(at, &(struct position_claim){.provisional = content->provisional,
                                                       .vouched = content->vouched,
                                                       .outside = content->outside});
        size = shape->option_size;
    }
    if (content->ede != EDE_NONE && room >= size + EDE_OPTION_SIZE) {
        write_ede(at + size, content->ede);
        size += EDE_OPTION_SIZE;
    }
    return size;
}

/* RFC 6891 6.1.2. Returns the bytes written. */
static size_t write_opt(uint8_t *at, size_t room, const struct reply_shape *shape,
                        const struct reply_content *content)
{
    size_t options = 0;
    if (shape->option_size > 0 || content->ede != EDE_NONE)
        options = write_options(at + DNS_OPT_SIZE, room - DNS_OPT_SIZE, shape, content);
    at[0] = 0;
    wire_put_u16(at + 1, TYPE_OPT);
    wire_put_u16(at + 3, DNS_EDNS_UDP);
    at[5] = (uint8_t)content->rcode_high;
    at[6] = 0;
    wire_put_u16(at + 7, shape->dnssec_ok ? 0x8000 : 0);
    wire_put_u16(at + 9, (uint16_t)options);
    return DNS_OPT_SIZE + options;
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
