#include "resolver/query.h"

#include <string.h>

#include "dns/build.h"
#include "resolver/reply.h"

/* Copies the question as spelled; returns where it ends in the reply. */
static size_t copy_question(const struct query *query, const struct query_input *input,
                            uint8_t *reply)
{
    if (query->question.name_size == 0)
        return DNS_HEADER_SIZE;
    memcpy(reply + DNS_HEADER_SIZE, input->bytes + DNS_HEADER_SIZE,
           query->question_end - DNS_HEADER_SIZE);
    return query->question_end;
}

static size_t reply_error(const struct query *query, const struct query_input *input, int rcode,
                          int ede, uint8_t *reply)
{
    struct reply_shape shape = reply_shape_of(query, input->stream);
    struct reply_content content = {
        .flags = (uint16_t)(rcode & FLAG_RCODE),
        .rcode_high = (uint16_t)(rcode >> 4),
        .ede = ede,
    };
    return reply_finish(reply, copy_question(query, input, reply), &shape, &content);
}

static size_t reply_unparsed(struct desk *desk, const struct query *query,
                             const struct query_input *input, int error, uint8_t *reply)
{
    switch (error) {
    case ERR_OPCODE:
        counter_add(&desk->counters.refused, 1);
        return reply_error(query, input, RCODE_NOTIMP, EDE_NONE, reply);
    case ERR_VERSION:
        counter_add(&desk->counters.refused, 1);
        return reply_error(query, input, RCODE_BADVERS, EDE_NONE, reply);
    case ERR_SHORT:
    case ERR_NOT_QUERY:
        counter_add(&desk->counters.dropped, 1);
        return 0;
    default:
        counter_add(&desk->counters.malformed, 1);
        return reply_error(query, input, RCODE_FORMERR, EDE_NONE, reply);
    }
}

/* Queries we never take further: the RCODE, with why in `ret_ede`; NOERROR for all others. */
static int refusal(const struct query *query, int *ret_ede)
{
    const struct question *question = &query->question;
    *ret_ede = EDE_NONE;
    if (question->type == 0 || question->type == TYPE_OPT || question->type == TYPE_TSIG ||
        question->type == TYPE_TKEY)
        return RCODE_FORMERR;
    if (question->type == TYPE_MAILA || question->type == TYPE_MAILB)
        return RCODE_NOTIMP;
    *ret_ede = EDE_NOT_SUPPORTED;
    if (question->type == TYPE_AXFR || question->type == TYPE_IXFR)
        return RCODE_REFUSED;
    if (question->class == 0 || question->class == CLASS_CH || question->class == CLASS_NONE ||
        question->class == CLASS_ANY)
        return RCODE_REFUSED;
    *ret_ede = EDE_NOT_AUTHORITATIVE; /* RFC 8914 4.21: what RD clear gets from a resolver */
    return query->flags & FLAG_RD ? RCODE_NOERROR : RCODE_REFUSED;
}

/* ANY gets one small record instead of everything (RFC 8482 4.2). */
static size_t reply_any(const struct query *query, const struct query_input *input, uint8_t *reply)
{
    static const uint8_t hinfo[] = {
        0xc0, DNS_HEADER_SIZE, 0, TYPE_HINFO, 0, CLASS_IN, 0, 0, 0x0e, 0x10, 0, 9,
        7,    'R',             'F', 'C',      '8', '4',    '8', '2', 0,
    };
    struct reply_shape shape = reply_shape_of(query, input->stream);
    size_t question_end = copy_question(query, input, reply);
    memcpy(reply + question_end, hinfo, sizeof hinfo);
    return reply_finish(reply, question_end, &shape,
                        &(struct reply_content){
                            .counts = {1, 0, 0}, .body_size = sizeof hinfo, .ede = EDE_NONE});
}

static size_t wait_for_it(struct desk *desk, const struct query *query,
                          const struct query_input *input, const struct answer_key *key,
                          struct stamp arrived, uint8_t *reply)
{
    struct reply_shape shape = reply_shape_of(query, input->stream);
    struct inflight_wait wait = {
        .key = key,
        .question = &query->question,
        .client = input->client,
        .shape = &shape,
        .arrived = arrived,
        .deadline = mono_add(input->now, desk->resolve_timeout_ms),
    };
    if (inflight_wait(desk->inflight, &wait) == ERR_OK)
        return 0;
    return reply_error(query, input, RCODE_SERVFAIL, EDE_OTHER, reply);
}

static size_t answer(struct desk *desk, const struct query *query, const struct query_input *input,
                     uint8_t *reply)
{
    struct answer_key key;
    struct store_hit hit;
    struct store *store = desk->tier->store;
    struct reply_shape shape = reply_shape_of(query, input->stream);
    struct stamp arrived = validity_now(desk->validity);
    store_key(store,
              &(struct key_parts){
                  .name = query->question.name,
                  .type = query->question.type,
                  .class = query->question.class,
                  .dnssec_ok = query->edns.dnssec_ok,
                  .checking_disabled = query->flags & FLAG_CD,
              },
              &key);
    enum store_result result =
        store_get(store, &key, input->now, reply + query->question_end,
                  reply_room(&shape, query->question_end), &hit);
    if (result != STORE_HIT && result != STORE_TRUNCATED)
        return wait_for_it(desk, query, input, &key, arrived, reply);
    if (result == STORE_TRUNCATED)
        counter_add(&desk->counters.truncated, 1);
    struct reply_content content = {
        .flags = hit.flags,
        .counts = {hit.counts[0], hit.counts[1], hit.counts[2]},
        .body_size = hit.body_size,
        .truncated = result == STORE_TRUNCATED,
        .ede = hit.ede,
    };
    return reply_finish(reply, copy_question(query, input, reply), &shape, &content);
}

size_t query_handle(struct desk *desk, const struct query_input *input, uint8_t *reply)
{
    struct query query;
    int ede;
    counter_add(&desk->counters.queries, 1);
    int error = query_parse(input->bytes, input->size, &query);
    if (error != ERR_OK)
        return reply_unparsed(desk, &query, input, error, reply);
    int rcode = refusal(&query, &ede);
    if (rcode != RCODE_NOERROR) {
        counter_add(&desk->counters.refused, 1);
        return reply_error(&query, input, rcode, ede, reply);
    }
    if (query.question.type == TYPE_ANY)
        return reply_any(&query, input, reply);
    return answer(desk, &query, input, reply);
}
