#include "resolver/answer/query.h"

#include <string.h>

#include "dns/build.h"
#include "resolver/answer/reply.h"

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

static size_t reply_failure(const struct query *query, const struct query_input *input,
                            const struct reply_shape *shape, int rcode, int ede, uint8_t *reply)
{
    struct reply_content content = {
        .flags = (uint16_t)(rcode & FLAG_RCODE),
        .rcode_high = (uint16_t)(rcode >> 4),
        .ede = ede,
    };
    return reply_finish(reply, copy_question(query, input, reply), shape, &content);
}

/* Answers a client's cookie with one of ours, which is written to `at`. */
static void put_cookie(const struct tier_worker *tier_worker, const struct query_input *input,
                       const struct cookie_view *cookie, uint8_t *at, struct reply_shape *shape)
{
    const struct admission *admission = tier_worker->admission;
    if (!cookie->bytes || !admission)
        return;
    cookie_write(&admission->secrets, cookie, &input->client->peer, admission->unix_now(), at);
    shape->cookie = at;
    shape->options = true;
}

static size_t reply_error(const struct tier_worker *tier_worker, const struct query_read *read,
                          const struct query_input *input, int rcode, int ede, uint8_t *reply)
{
    uint8_t cookie[COOKIE_OPTION_SIZE];
    struct reply_shape shape = reply_shape_of(&read->query, input->stream);
    put_cookie(tier_worker, input, &read->cookie, cookie, &shape);
    return reply_failure(&read->query, input, &shape, rcode, ede, reply);
}

static size_t reply_unparsed(struct tier_worker *tier_worker, const struct query_read *read,
                             const struct query_input *input, uint8_t *reply)
{
    switch (read->error) {
    case ERR_OPCODE:
        counter_add(&tier_worker->counters.refused, 1);
        return reply_error(tier_worker, read, input, RCODE_NOTIMP, EDE_NONE, reply);
    case ERR_VERSION:
        counter_add(&tier_worker->counters.refused, 1);
        return reply_error(tier_worker, read, input, RCODE_BADVERS, EDE_NONE, reply);
    case ERR_SHORT:
    case ERR_NOT_QUERY:
        counter_add(&tier_worker->counters.dropped, 1);
        return 0;
    default:
        counter_add(&tier_worker->counters.malformed, 1);
        return reply_error(tier_worker, read, input, RCODE_FORMERR, EDE_NONE, reply);
    }
}

/* Queries we never take further: the RCODE, with why in `ret_ede`; NOERROR for all others. */
static int refusal(const struct query *query, int *ret_ede)
{
    const struct question_view *question = &query->question;
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

/* Whoever asks for ANY is told of a CNAME, or that there is none (reply.h). */
static uint16_t type_to_look_up(const struct question_view *question)
{
    return question->type == TYPE_ANY ? TYPE_CNAME : question->type;
}

static void question_to_look_up(const struct query *query, struct question *ret)
{
    question_copy(&query->question, ret);
    ret->type = type_to_look_up(&query->question);
}

/* A query past its checks, with what its reply needs. */
struct asked {
    const struct query *query;
    const struct query_input *input;
    const struct answer_key *key;
    struct reply_shape shape;
    struct stamp arrived;
    uint8_t position[POSITION_MAX_SIZE]; /* our position, for a child */
    uint8_t cookie[COOKIE_OPTION_SIZE];  /* for whoever sent one */
};

static void tell_misfit(const struct tier_worker *tier_worker, const struct asked *asked,
                        enum misfit misfit)
{
    if (tier_worker->misfit)
        tier_worker->misfit(tier_worker->misfit_arg, misfit, &asked->input->client->peer,
                            answer_key_name(asked->key->bytes));
}

/* Once a query, however often it is looked at. */
static void count_option(const struct asked *asked, struct counter *counter)
{
    if (!asked->input->again)
        counter_add(counter, 1);
}

/* Whether a child tier asks for our position; strangers and malformed options are ignored. */
static bool wants_position(struct tier_worker *tier_worker, const struct asked *asked,
                           struct position_query *ret)
{
    const struct edns *edns = &asked->query->edns;
    int found = position_read_query(edns->options, edns->options_size, ret);
    if (found == 0)
        return false;
    const struct client *client = asked->input->client;
    if (found == 1 &&
        (client->transport->inside || network_list_has(&tier_worker->position_for, &client->peer)))
        return true;
    if (found == 1)
        tell_misfit(tier_worker, asked, MISFIT_STRANGER);
    count_option(asked, &tier_worker->counters.position_ignored);
    return false;
}

/* Puts our position into the reply's shape. It comes before the lookup: what is found is no older. */
static void take_position(struct tier_worker *tier_worker, struct asked *asked)
{
    struct position_query query;
    struct position_claim claim;
    if (!wants_position(tier_worker, asked, &query))
        return;
    if (query.covered &&
        !positions_cover(tier_worker->positions, answer_key_name(asked->key->bytes)))
        tell_misfit(tier_worker, asked, MISFIT_ZONE);
    positions_claim_for(tier_worker->positions, &query, micro_ms(asked->input->now), &claim);
    if (claim.feed_id != POSITION_NO_LOG && claim.feed_id != query.feed_id) {
        tell_misfit(tier_worker, asked, MISFIT_LOG);
        count_option(asked, &tier_worker->counters.position_ignored);
        return;
    }
    count_option(asked, &tier_worker->counters.position_asked);
    asked->shape.option = asked->position;
    asked->shape.option_size = (uint16_t)position_write_claim(&claim, asked->position);
    asked->shape.options = true;
}

/* Tells who asks for it how long the connection may be idle (RFC 7828 3.3.2); 0 is no time of ours. */
static void take_keepalive(struct asked *asked)
{
    const struct edns *edns = &asked->query->edns;
    struct wire_reader reader = wire_reader(edns->options, edns->options_size);
    struct edns_option option;
    while (edns_next(&reader, &option))
        if (option.code == EDNS_OPTION_TCP_KEEPALIVE) {
            asked->shape.keepalive = asked->input->keepalive;
            asked->shape.options = true;
        }
}

/* Has an answer that is near its end fetched again. */
static void refresh(struct tier_worker *tier_worker, const struct asked *asked)
{
    struct question question;
    question_to_look_up(asked->query, &question);
    inflight_prefetch(tier_worker->inflight, asked->key, &question, asked->input->now,
                      tier_worker->resolve_timeout_ms);
}

static inline __attribute__((always_inline)) size_t reply_hit(struct tier_worker *tier_worker,
                                                              const struct asked *asked,
                                                              const struct store_hit *hit,
                                                              bool truncated, uint8_t *reply)
{
    if (truncated)
        counter_add(&tier_worker->counters.truncated, 1);
    if (hit->aging)
        refresh(tier_worker, asked);
    struct reply_content content = {
        .flags = hit->flags,
        .counts = {hit->counts[0], hit->counts[1], hit->counts[2]},
        .body_size = hit->body_size,
        .truncated = truncated,
        .provisional = hit->provisional,
        .vouched = hit->vouched,
        .outside = hit->outside,
        .ede = hit->ede,
    };
    return reply_finish(reply, copy_question(asked->query, asked->input, reply), &asked->shape,
                        &content);
}

static inline __attribute__((always_inline)) enum store_result
get_held(const struct tier_worker *tier_worker, const struct asked *asked, uint8_t *reply,
         struct store_hit *ret)
{
    size_t question_end = asked->query->question_end;
    return store_get(tier_worker->store,
                     &(struct store_look){
                         .key = asked->key,
                         .now = micro_ms(asked->input->now),
                         .buffer = reply + question_end,
                         .room = reply_room(&asked->shape, question_end),
                         .child = asked->shape.option_size > 0,
                         .comes_again = asked->input->patient,
                     },
                     ret);
}

/* It cannot be fetched: what is held past its TTL, if it may be given (RFC 8767), or SERVFAIL. */
static __attribute__((noinline)) size_t
reply_without(struct tier_worker *tier_worker, const struct asked *asked, int ede, uint8_t *reply)
{
    struct store_hit hit;
    enum store_result result =
        store_revive(tier_worker->store, asked->key, micro_ms(asked->input->now))
            ? get_held(tier_worker, asked, reply, &hit)
            : STORE_MISS;
    if (result == STORE_HIT || result == STORE_TRUNCATED)
        return reply_hit(tier_worker, asked, &hit, result == STORE_TRUNCATED, reply);
    return reply_failure(asked->query, asked->input, &asked->shape, RCODE_SERVFAIL, ede, reply);
}

static size_t reply_told(struct tier_worker *tier_worker, const struct asked *asked,
                         const struct answer *answer, uint8_t *reply)
{
    const size_t question_end = copy_question(asked->query, asked->input, reply);
    struct reply_content content;
    reply_take(answer, reply + question_end, reply_room(&asked->shape, question_end), &content);
    if (content.truncated)
        counter_add(&tier_worker->counters.truncated, 1);
    return reply_finish(reply, question_end, &asked->shape, &content);
}

static size_t ask_or_wait(struct tier_worker *tier_worker, const struct asked *asked,
                          uint8_t *reply)
{
    struct question question;
    question_to_look_up(asked->query, &question);
    struct waiter_terms terms = {
        .key = asked->key,
        .question = &question,
        .client = asked->input->client,
        .shape = &asked->shape,
        .arrived = asked->arrived,
        .now = asked->input->now,
        .deadline = mono_add(micro_ms(asked->input->now), tier_worker->resolve_timeout_ms),
    };
    const struct answer *answer = inflight_at_once(tier_worker->inflight, &terms);
    if (answer)
        return reply_told(tier_worker, asked, answer, reply);
    const int error = inflight_wait(tier_worker->inflight, &terms);
    if (error == ERR_OK)
        return 0;
    return reply_without(tier_worker, asked,
                         error == ERR_TIMEOUT ? EDE_NO_REACHABLE_AUTHORITY : EDE_OTHER, reply);
}

/* Answers what needs neither cache nor upstream; 0: all other names. */
static size_t reply_local(struct tier_worker *tier_worker, const struct asked *asked,
                          uint8_t *reply)
{
    struct reply_content content;
    struct question question;
    question_to_look_up(asked->query, &question);
    size_t question_end = asked->query->question_end;
    const struct local_query local = {
        .question = &question,
        .reply = reply,
        .limit = question_end + reply_room(&asked->shape, question_end),
        .turn = counter_get(&tier_worker->counters.local),
    };
    if (!local_answer(tier_worker->local, &local, &content))
        return 0;
    counter_add(&tier_worker->counters.local, 1);
    content.provisional = true; /* no change set tells a child when it changes */
    if (content.truncated)
        counter_add(&tier_worker->counters.truncated, 1);
    return reply_finish(reply, question_end, &asked->shape, &content);
}

static size_t look_up(struct tier_worker *tier_worker, struct asked *asked, uint8_t *reply)
{
    struct store_hit hit;
    asked->arrived = validity_now(tier_worker->validity);
    enum store_result result = get_held(tier_worker, asked, reply, &hit);
    if (result == STORE_HIT || result == STORE_TRUNCATED)
        return reply_hit(tier_worker, asked, &hit, result == STORE_TRUNCATED, reply);
    if (asked->input->patient)
        return QUERY_LATER;
    return ask_or_wait(tier_worker, asked, reply);
}

/* What the client's EDNS options ask for. */
static void take_options(struct tier_worker *tier_worker, struct asked *asked,
                         const struct cookie_view *cookie)
{
    take_position(tier_worker, asked);
    put_cookie(tier_worker, asked->input, cookie, asked->cookie, &asked->shape);
    if (asked->input->keepalive > 0)
        take_keepalive(asked);
}

static size_t answer(struct tier_worker *tier_worker, const struct query_read *read,
                     const struct query_input *input, uint8_t *reply)
{
    const struct query *query = &read->query;
    struct asked asked;
    asked.query = query;
    asked.input = input;
    asked.key = &read->key;
    asked.shape = reply_shape_of(query, input->stream);
    asked.shape.trust_ad = tier_worker->trust_ad;
    if (query->edns.options_size > 0)
        take_options(tier_worker, &asked, &read->cookie);
    if (tier_worker->local &&
        local_may_have(tier_worker->local, query->question.name, query->question.name_size)) {
        size_t size = reply_local(tier_worker, &asked, reply);
        if (size > 0)
            return size;
    }
    return look_up(tier_worker, &asked, reply);
}

/* Who asks, as a number that is never 0. */
static uint64_t client_number(const struct tier_worker *tier_worker,
                              const struct query_input *input, const struct cookie_view *cookie)
{
    const union address *peer = &input->client->peer;
    uint64_t number;
    if (cookie->bytes)
        number = validity_hash(tier_worker->validity, cookie->bytes, COOKIE_CLIENT_SIZE);
    else if (peer->family == AF_INET)
        number = validity_hash(tier_worker->validity, (const uint8_t *)&peer->in.sin_addr,
                               sizeof peer->in.sin_addr);
    else
        number = validity_hash(tier_worker->validity, (const uint8_t *)&peer->in6.sin6_addr,
                               sizeof peer->in6.sin6_addr);
    return number | 1;
}

void query_read(struct tier_worker *tier_worker, const struct query_input *input,
                struct query_read *ret)
{
    const struct question_view *question = &ret->query.question;
    ret->error = query_parse(input->bytes, input->size, &ret->query);
    ret->cookie.bytes = NULL;
    if (ret->error == ERR_OK && ret->query.edns.options_size > 0)
        ret->error = cookie_find(&ret->query.edns, &ret->cookie);
    if (ret->error != ERR_OK)
        return;
    ret->rcode = refusal(&ret->query, &ret->ede);
    if (ret->rcode != RCODE_NOERROR)
        return;
    store_key(
        tier_worker->store,
        &(struct key_parts){
            .name = question->name,
            .name_size = question->name_size,
            .type = type_to_look_up(question),
            .class = question->class,
            .dnssec_ok = ret->query.edns.dnssec_ok,
            .checking_disabled = ret->query.flags & FLAG_CD,
            .client = tier_worker->per_client ? client_number(tier_worker, input, &ret->cookie) : 0,
        },
        &ret->key);
    store_expect(tier_worker->store, ret->key.hash);
}

/* ---- whoever is not answered as others are --------------------------------------------------- */

/* Cut short: whoever is really there asks again by TCP. */
static size_t reply_short(const struct tier_worker *tier_worker, const struct query_read *read,
                          const struct query_input *input, uint8_t *reply)
{
    uint8_t cookie[COOKIE_OPTION_SIZE];
    struct reply_shape shape = reply_shape_of(&read->query, input->stream);
    put_cookie(tier_worker, input, &read->cookie, cookie, &shape);
    return reply_finish(reply, copy_question(&read->query, input, reply), &shape,
                        &(struct reply_content){.truncated = true, .ede = EDE_NONE});
}

/* Every other query past the rate gets something. */
static size_t reply_later(struct tier_worker *tier_worker, const struct query_read *read,
                          const struct query_input *input, uint8_t *reply)
{
    counter_add(&tier_worker->counters.limited, 1);
    if (read->error != ERR_OK || counter_get(&tier_worker->counters.limited) % 2)
        return 0;
    counter_add(&tier_worker->counters.slipped, 1);
    return reply_short(tier_worker, read, input, reply);
}

static enum admitted judge(const struct tier_worker *tier_worker, const struct query_read *read,
                           const struct query_input *input, enum access access)
{
    if (access == ACCESS_DROP)
        return ADMITTED_DROP;
    if (access == ACCESS_REFUSE)
        return ADMITTED_NOT;
    if (input->stream)
        return ADMITTED;
    return admission_of_public(tier_worker->admission, &read->cookie, &input->client->peer,
                               input->now);
}

/* Whether the query was dealt with, and has `ret_size` bytes for an answer. */
static bool turn_away(struct tier_worker *tier_worker, const struct query_read *read,
                      const struct query_input *input, enum access access, uint8_t *reply,
                      size_t *ret_size)
{
    const bool readable = read->error == ERR_OK;
    *ret_size = 0;
    switch (judge(tier_worker, read, input, access)) {
    case ADMITTED_DROP:
        counter_add(&tier_worker->counters.clients_dropped, 1);
        return true;
    case ADMITTED_NOT:
        counter_add(&tier_worker->counters.clients_refused, 1);
        if (readable)
            *ret_size = reply_error(tier_worker, read, input, RCODE_REFUSED, EDE_PROHIBITED, reply);
        return true;
    case ADMITTED_LATER:
        *ret_size = reply_later(tier_worker, read, input, reply);
        return true;
    case ADMITTED_LEARN:
        counter_add(&tier_worker->counters.limited, 1);
        if (readable)
            *ret_size = reply_error(tier_worker, read, input, RCODE_BADCOOKIE, EDE_NONE, reply);
        return true;
    case ADMITTED_PROVE:
        if (!readable)
            return false;
        counter_add(&tier_worker->counters.bad_cookies, 1);
        *ret_size = read->cookie.bytes
                        ? reply_error(tier_worker, read, input, RCODE_BADCOOKIE, EDE_NONE, reply)
                        : reply_short(tier_worker, read, input, reply);
        return true;
    default:
        return false;
    }
}

/* ---- zones that are ours, as a secondary has them -------------------------------------------- */

static size_t room_for_reply(const struct query_input *input)
{
    return input->stream ? DNS_MAX_MESSAGE : DNS_EDNS_UDP;
}

/* Answers from a zone that is ours. 0: the name is in none. */
static size_t reply_from_zone(struct tier_worker *tier_worker, const struct query_read *read,
                              struct reply_shape *shape, uint8_t *reply)
{
    struct question question;
    struct reply_content content;
    question_copy(&read->query.question, &question);
    const size_t question_end = read->query.question_end;
    const struct authority_query asked = {
        .question = &question,
        .dnssec_ok = shape->dnssec_ok,
        .reply = reply,
        .limit = question_end + reply_room(shape, question_end),
    };
    if (!authority_answer(tier_worker->authority, &asked, &content))
        return 0;
    counter_add(&tier_worker->counters.authoritative, 1);
    if (content.truncated)
        counter_add(&tier_worker->counters.truncated, 1);
    return reply_finish(reply, question_end, shape, &content);
}

/* The same to who signs what they ask: they are answered signed (RFC 8945 5.3). */
static size_t reply_authoritative(struct tier_worker *tier_worker, const struct query_read *read,
                                  const struct query_input *input, uint8_t *reply)
{
    uint8_t cookie[COOKIE_OPTION_SIZE];
    struct signature signature;
    size_t size;
    struct reply_shape shape = reply_shape_of(&read->query, input->stream);
    const uint64_t now = handouts_now(tier_worker->handouts);
    if (read->query.question.class != CLASS_IN)
        return 0;
    shape.any = false; /* the zone knows what there is */
    put_cookie(tier_worker, input, &read->cookie, cookie, &shape);
    signature_check(authority_keys(tier_worker->authority), input->bytes, input->size, now,
                    &signature);
    const size_t room = signature_room(&signature);
    shape.limit = room < shape.limit ? (uint16_t)(shape.limit - room) : 0;
    if (signature.fault == TSIG_OK) {
        size = reply_from_zone(tier_worker, read, &shape, reply);
    } else {
        counter_add(&tier_worker->counters.handouts.bad_signatures, 1);
        size = reply_failure(&read->query, input, &shape, signature_rcode(&signature), EDE_NONE,
                             reply);
    }
    int signed_size =
        size > 0 ? signature_answer(&signature, reply, size, room_for_reply(input), now) : 0;
    signature_end(&signature);
    return signed_size > 0 ? (size_t)signed_size : 0;
}

/* A question for all of a zone. IXFR has an SOA where other queries have nothing, and is malformed as one of them. */
static bool is_for_handouts(const struct query_read *read)
{
    const struct question_view *question = &read->query.question;
    return (read->error == ERR_OK || read->error == ERR_FORMAT) && question->name_size > 0 &&
           (question->type == TYPE_AXFR || question->type == TYPE_IXFR);
}

/* False: none of this is to be answered here. */
static bool ask_authority(struct tier_worker *tier_worker, const struct query_read *read,
                          const struct query_input *input, uint8_t *reply, size_t *ret_size)
{
    if (is_for_handouts(read)) {
        int size =
            handouts_take(tier_worker->handouts, &(struct handouts_query){
                                                     .authority = tier_worker->authority,
                                                     .bytes = input->bytes,
                                                     .size = input->size,
                                                     .client = input->client,
                                                     .stream = input->stream,
                                                     .reply = reply,
                                                     .counters = &tier_worker->counters.handouts,
                                                 });
        *ret_size = size > 0 ? (size_t)size : 0;
        return size >= 0;
    }
    if (read->error != ERR_OK || read->ede != EDE_NOT_AUTHORITATIVE)
        return false;
    *ret_size = reply_authoritative(tier_worker, read, input, reply);
    return *ret_size > 0;
}

/* Who may not ask, or not that, or not like that. */
static __attribute__((noinline)) size_t answer_else(struct tier_worker *tier_worker,
                                                    const struct query_input *input,
                                                    const struct query_read *read,
                                                    enum access access, uint8_t *reply)
{
    size_t size;
    if (access != ACCESS_ALLOW && turn_away(tier_worker, read, input, access, reply, &size))
        return size;
    if (tier_worker->authority && ask_authority(tier_worker, read, input, reply, &size))
        return size;
    if (read->error != ERR_OK)
        return reply_unparsed(tier_worker, read, input, reply);
    if (read->rcode != RCODE_NOERROR) {
        counter_add(&tier_worker->counters.refused, 1);
        return reply_error(tier_worker, read, input, read->rcode, read->ede, reply);
    }
    return answer(tier_worker, read, input, reply);
}

static inline __attribute__((always_inline)) size_t answer_query(struct tier_worker *tier_worker,
                                                                 const struct query_read *read,
                                                                 const struct query_input *input,
                                                                 uint8_t *reply)
{
    enum access access = ACCESS_ALLOW;
    counter_add(&tier_worker->counters.queries, 1);
    if (tier_worker->admission && !input->client->transport->inside)
        access = admission_access(tier_worker->admission, &input->client->peer);
    if (access != ACCESS_ALLOW || read->error != ERR_OK || read->rcode != RCODE_NOERROR)
        return answer_else(tier_worker, input, read, access, reply);
    return answer(tier_worker, read, input, reply);
}

/* ---- who is told ----------------------------------------------------------------------------- */

/* What is counted where an answer is made, by what makes it. */
struct makers {
    uint64_t local, zone, self;
};

static struct makers makers_of(const struct tier_worker *tier_worker)
{
    const struct inflight_counters *inflight = inflight_counters(tier_worker->inflight);
    const struct handout_counters *handouts = &tier_worker->counters.handouts;
    return (struct makers){
        .local = counter_get(&tier_worker->counters.local),
        .zone = counter_get(&tier_worker->counters.authoritative) +
                counter_get(&inflight->at_once) + counter_get(&handouts->axfr) +
                counter_get(&handouts->ixfr),
        .self = counter_get(&tier_worker->counters.clients_refused) +
                counter_get(&tier_worker->counters.limited) +
                counter_get(&tier_worker->counters.bad_cookies) + counter_get(&handouts->refused) +
                counter_get(&handouts->malformed) + counter_get(&handouts->not_ready) +
                counter_get(&handouts->busy) + counter_get(&handouts->bad_signatures) +
                counter_get(&inflight->overloaded) + counter_get(&inflight->in_vain),
    };
}

typedef size_t maker(struct tier_worker *tier_worker, const struct query_read *read,
                     const struct query_input *input, uint8_t *reply);

static __attribute__((noinline)) size_t answer_aloud(maker *make, struct tier_worker *tier_worker,
                                                     const struct query_input *input,
                                                     const struct query_read *read, uint8_t *reply)
{
    const struct makers before = makers_of(tier_worker);
    struct told told = {.client = input->client, .reply = reply};
    told.size = make(tier_worker, read, input, reply);
    const struct makers after = makers_of(tier_worker);
    if (after.local != before.local)
        told.from = TOLD_LOCAL;
    else if (after.zone != before.zone)
        told.from = TOLD_ZONE;
    else if (after.self != before.self || read->error != ERR_OK || read->rcode != RCODE_NOERROR)
        told.from = TOLD_SELF;
    if (told.size > 0 && told.size != QUERY_LATER && !input->client->transport->inside)
        tier_worker->told(tier_worker->told_arg, &told);
    return told.size;
}

size_t query_answer(struct tier_worker *tier_worker, const struct query_input *input,
                    const struct query_read *read, uint8_t *reply)
{
    if (__builtin_expect(tier_worker->told != NULL, 0))
        return answer_aloud(answer_query, tier_worker, input, read, reply);
    return answer_query(tier_worker, read, input, reply);
}

size_t query_ask(struct tier_worker *tier_worker, const struct query_input *input,
                 const struct query_read *read, uint8_t *reply)
{
    if (__builtin_expect(tier_worker->told != NULL, 0))
        return answer_aloud(answer, tier_worker, input, read, reply);
    return answer(tier_worker, read, input, reply);
}
