/*
 * reply.h - the last step: header and OPT around a body, for one client. Pure; no I/O.
 *
 * A reply is laid out in the buffer it is sent from: 12 bytes of header, the question as the client spelled
 * it, the body, OPT if the client sent one. Who asks for ANY gets the CNAME of the name, or that it does not exist, or
 * else a HINFO record that stands for all there is (RFC 8482 4.2): the body is that of the question for a CNAME.
 */
#ifndef FRESHET_RESOLVER_ANSWER_REPLY_H
#define FRESHET_RESOLVER_ANSWER_REPLY_H

#include "cache/answer.h"
#include "dns/build.h"
#include "resolver/answer/client.h"
#include "resolver/answer/cookie.h"

/* What the reply to `query` must look like; `stream` when it goes over TCP. */
static inline struct reply_shape reply_shape_of(const struct query *query, bool stream)
{
    struct reply_shape shape = {
        .id = query->id,
        .flags = query->flags,
        .edns = query->edns.present,
        .dnssec_ok = query->edns.dnssec_ok,
        .trust_ad = true,
        .any = query->question.type == TYPE_ANY,
        .limit = DNS_CLASSIC_UDP,
    };
    if (stream)
        shape.limit = DNS_MAX_MESSAGE;
    else if (query->edns.present && query->edns.udp_size > DNS_CLASSIC_UDP)
        shape.limit =
            query->edns.udp_size < DNS_EDNS_UDP ? query->edns.udp_size : (uint16_t)DNS_EDNS_UDP;
    return shape;
}

/* Bytes a body may have after a question that ends at `question_end`. */
static inline size_t reply_room(const struct reply_shape *shape, size_t question_end)
{
    size_t taken = question_end + (shape->edns ? DNS_OPT_SIZE : 0);
    if (shape->options)
        taken += shape->option_size + (shape->cookie ? COOKIE_OPTION_SIZE : 0u);
    return shape->limit > taken ? shape->limit - taken : 0;
}

struct reply_content {
    uint16_t flags; /* RCODE, AA, FLAG_SECOND_HAND, and AD when the data was validated upstream */
    uint16_t rcode_high; /* upper bits of an extended RCODE */
    uint16_t counts[3];
    size_t body_size; /* bytes already in place behind the question */
    bool truncated;   /* the body did not fit: none is sent, TC is set (RFC 2181 9) */
    bool behind;      /* the data may be older than our position says: it is not told */
    bool provisional, vouched, outside; /* what a child tier is told of it, with our position */
    int ede;
};

/* What is said of an answer; its body is put at `body`, where there is room for it. */
void reply_take(const struct answer *answer, uint8_t *body, size_t room, struct reply_content *ret);

/*
 * Completes a reply whose question (up to `question_end`; 12 means none) and body are in place. `reply` has
 * room for shape->limit bytes. Returns the size of the message.
 */
size_t reply_finish(uint8_t *reply, size_t question_end, const struct reply_shape *shape,
                    const struct reply_content *content);

/*
 * Cuts a reply of ours down to what any way can carry: the question and OPT, with TC set. Returns its size now, in the same
 * place; 0: it was cut already, or is no reply of ours.
 */
size_t reply_cut(uint8_t *reply, size_t size);

#endif
