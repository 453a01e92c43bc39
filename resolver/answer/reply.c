#include "resolver/answer/reply.h"

#include <string.h>

#include "invalidation/position.h"
#include "resolver/answer/cookie.h"

enum { NUMBER_OPTION_SIZE = 6 };

/* An option whose data is a number: EDE (RFC 8914 2), the keepalive (RFC 7828 3.1). */
static void write_number(uint8_t *at, uint16_t option, uint16_t number)
{
    wire_put_u16(at, option);
    wire_put_u16(at + 2, sizeof number);
    wire_put_u16(at + 4, number);
}

/* The options behind an OPT record, as far as there is room. Returns the bytes written. */
static size_t write_options(uint8_t *at, size_t room, const struct reply_shape *shape,
                            const struct reply_content *content)
{
    size_t size = 0;
    if (shape->cookie && room >= COOKIE_OPTION_SIZE) {
        memcpy(at, shape->cookie, COOKIE_OPTION_SIZE);
        size = COOKIE_OPTION_SIZE;
    }
    /* Where it does not fit, nothing does: the reply is truncated, and comes again over TCP. */
    if (shape->option_size > 0 && !content->behind && room >= size + shape->option_size) {
        memcpy(at + size, shape->option, shape->option_size);
        position_describe(
            at + size, &(struct position_claim){.provisional = content->provisional,
                                                .vouched = content->vouched,
                                                .outside = content->outside,
                                                .second_hand = content->flags & FLAG_SECOND_HAND});
        size += shape->option_size;
    }
    if (content->ede != EDE_NONE && room >= size + NUMBER_OPTION_SIZE) {
        write_number(at + size, EDNS_OPTION_EDE, (uint16_t)content->ede);
        size += NUMBER_OPTION_SIZE;
    }
    if (shape->keepalive > 0 && room >= size + NUMBER_OPTION_SIZE) {
        write_number(at + size, EDNS_OPTION_TCP_KEEPALIVE, shape->keepalive);
        size += NUMBER_OPTION_SIZE;
    }
    return size;
}

/* RFC 6891 6.1.2. Returns the bytes written. */
static size_t write_opt(uint8_t *at, size_t room, const struct reply_shape *shape,
                        const struct reply_content *content)
{
    size_t options = 0;
    if (shape->options || content->ede != EDE_NONE)
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
                     (content->flags & (FLAG_RCODE | FLAG_AA));
    if (content->flags & FLAG_AD && shape->trust_ad && (shape->dnssec_ok || shape->flags & FLAG_AD))
        flags |= FLAG_AD;
    if (content->truncated)
        flags |= FLAG_TC;
    return flags;
}

/* Past a name as it lies in a message. */
static void skip_name(struct wire_reader *reader)
{
    enum { POINTER = 0xc0 };
    uint8_t label;
    while ((label = wire_read_u8(reader)) != 0) {
        if (label >= POINTER) {
            (void)wire_read_u8(reader);
            return;
        }
        (void)wire_read(reader, label);
    }
}

/* The TTL of a body's first record, an SOA; 0 where there is none: then nobody keeps what is made of it. */
static uint32_t first_ttl(const uint8_t *body, size_t size)
{
    struct wire_reader reader = wire_reader(body, size);
    skip_name(&reader);
    (void)wire_read(&reader, 4); /* type, class */
    return wire_read_u32(&reader);
}

/* One small record in place of everything (RFC 8482 4.2). */
static void put_hinfo(uint8_t *body, const uint8_t *class, uint32_t ttl)
{
    static const uint8_t hinfo[] = {
        0xc0, DNS_HEADER_SIZE,
        0,    TYPE_HINFO,
        0,    0,
        0,    0,
        0,    0,
        0,    9,
        7,    'R',
        'F',  'C',
        '8',  '4',
        '8',  '2',
        0,
    };
    memcpy(body, hinfo, sizeof hinfo);
    memcpy(body + 4, class, sizeof(uint16_t));
    wire_put_u32(body + 6, ttl);
}

enum { HINFO_SIZE = 21, HINFO_TTL = 3600 };

/* Of names whose changes are told, no longer than what says that there is no CNAME. */
static uint32_t hinfo_ttl(const uint8_t *body, const struct reply_content *content)
{
    if (content->outside && !content->behind)
        return HINFO_TTL;
    const uint32_t ttl = content->truncated ? 0 : first_ttl(body, content->body_size);
    return ttl < HINFO_TTL ? ttl : HINFO_TTL;
}

/*
 * The body tells of the CNAME of a name that was asked for ANY. If there is one, that is the answer; so is that there is
 * no such name; for all others it is a HINFO. The question says ANY again.
 */
static void answer_any(uint8_t *reply, size_t question_end, struct reply_content *content)
{
    uint8_t *body = reply + question_end;
    wire_put_u16(body - 4, TYPE_ANY);
    if (content->flags & FLAG_RCODE || content->rcode_high > 0 ||
        content->counts[SECTION_ANSWER] > 0)
        return;
    put_hinfo(body, body - 2, hinfo_ttl(body, content));
    content->body_size = HINFO_SIZE;
    content->truncated = false;
    content->counts[SECTION_ANSWER] = 1;
    content->counts[SECTION_AUTHORITY] = content->counts[SECTION_ADDITIONAL] = 0;
    content->flags &= (uint16_t)~FLAG_AD; /* nobody has signed it */
}

static size_t finish(uint8_t *reply, size_t question_end, const struct reply_shape *shape,
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

void reply_take(const struct answer *answer, uint8_t *body, size_t room, struct reply_content *ret)
{
    *ret = (struct reply_content){
        .flags = answer->flags,
        .counts = {answer->counts[0], answer->counts[1], answer->counts[2]},
        .body_size = answer->body_size,
        .truncated = answer->body_size > room,
        .provisional = answer->provisional,
        .vouched = answer->covered,
        .outside = answer->outside,
        .behind = answer->behind,
        .ede = answer->ede,
    };
    if (!ret->truncated && answer->body_size > 0)
        memcpy(body, answer->body, answer->body_size);
}

size_t reply_finish(uint8_t *reply, size_t question_end, const struct reply_shape *shape,
                    const struct reply_content *content)
{
    if (!shape->any)
        return finish(reply, question_end, shape, content);
    struct reply_content any = *content;
    answer_any(reply, question_end, &any);
    return finish(reply, question_end, shape, &any);
}

size_t reply_cut(uint8_t *reply, size_t size)
{
    struct wire_reader reader = wire_reader(reply, size);
    (void)wire_read(&reader, DNS_HEADER_SIZE);
    if (reader.failed || wire_get_u16(reply + 2) & FLAG_TC)
        return 0;
    if (wire_get_u16(reply + 4) > 0) {
        skip_name(&reader);
        (void)wire_read(&reader, 4);
    }
    size_t question_end = reader.at, opt = size;
    unsigned records = wire_get_u16(reply + 6) + wire_get_u16(reply + 8) + wire_get_u16(reply + 10);
    while (records-- > 0 && !reader.failed) {
        size_t at = reader.at;
        skip_name(&reader);
        uint16_t type = wire_read_u16(&reader);
        (void)wire_read(&reader, 6); /* class, TTL */
        (void)wire_read(&reader, wire_read_u16(&reader));
        if (type == TYPE_OPT)
            opt = at;
    }
    if (reader.failed)
        return 0;
    memmove(reply + question_end, reply + opt, size - opt);
    wire_put_u16(reply + 2, wire_get_u16(reply + 2) | FLAG_TC);
    memset(reply + 6, 0, 6);
    wire_put_u16(reply + 10, opt < size);
    return question_end + size - opt;
}
