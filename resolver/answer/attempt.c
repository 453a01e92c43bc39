#include "resolver/answer/attempt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "resolver/answer/pool.h"

enum { FLAGS_AT = 2 }; /* in a message */

enum {
    KEPT = 512, /* attempts whose memory waits for the next */
    EDNS_MS =
        60 * 1000, /* since it was seen to: a server speaks EDNS, whatever else is seen of it */
    EDNS_SMALL_UDP = 512,  /* gets through where larger ones do not */
    EDNS_LARGE_UDP = 4096, /* where there is no TCP (RFC 6891 6.2.5) */
    AWAIT_TCP_MS = 2000,   /* then the connection may have been lost */
    PROBE_MS = 2000,       /* how long something of our own is waited for */
};

struct attempts {
    struct pool pool;
    struct entropy *entropy;
    struct message *message;
    uint8_t response[DNS_MAX_MESSAGE];
};

struct attempts *attempts_new(struct entropy *entropy)
{
    struct attempts *attempts = calloc(1, sizeof *attempts);
    if (!attempts)
        return NULL;
    attempts->pool = pool_of(sizeof(struct attempt), KEPT);
    attempts->entropy = entropy;
    attempts->message = message_new();
    if (!attempts->message) {
        free(attempts);
        return NULL;
    }
    return attempts;
}

void attempts_free(struct attempts *attempts)
{
    if (!attempts)
        return;
    pool_drain(&attempts->pool);
    message_free(attempts->message);
    free(attempts);
}

static struct server *server_of(const struct attempt *attempt)
{
    return attempt->servers->items[attempt->index].server;
}

void attempt_abandon(struct attempt *attempt)
{
    attempt->ended = NULL;
}

static uint64_t name_of(const struct attempt *attempt)
{
    return server_hash_name(attempt->request.bytes + DNS_HEADER_SIZE);
}

/* By TCP it says nothing of the server: many have none. */
void attempt_overdue(struct attempt *attempt)
{
    if (attempt->overdue)
        return;
    attempt->overdue = true;
    if (attempt->way != EXCHANGE_TCP)
        server_timed_out(server_of(attempt), name_of(attempt));
    if (!attempt->ended)
        return;
    attempt->standing->silences++;
    attempt->standing->slow_tcp |= attempt->way == EXCHANGE_TCP;
}

/* ---- the response --------------------------------------------------------------------------- */

/* Not the query come back, nor the response to another opcode. */
static bool is_response(const struct exchange_response *response)
{
    return response->size >= DNS_HEADER_SIZE &&
           (wire_get_u16(response->bytes + FLAGS_AT) & (FLAG_QR | FLAG_OPCODE)) == FLAG_QR;
}

/* The question's name in the query as it was sent. */
static uint8_t *spelled(struct attempt *attempt)
{
    return attempt->request.bytes + DNS_HEADER_SIZE;
}

static bool same_spelling(const struct message *message, struct attempt *attempt)
{
    const struct question *question = &message->question;
    return memcmp(question->name, spelled(attempt), question->name_size) == 0;
}

static bool has_type(const struct record *records, size_t count, uint16_t type)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].type == type)
            return true;
    return false;
}

/*
 * It says who else to ask (NS without SOA, RFC 2308 2.2), down the tree or, if it does not know the zone at all, up: that
 * is no answer, nor a sign that there is none. Where it speaks for the zone, it is (AA): to say so without a SOA is odd.
 */
static bool is_referral(const struct message *message)
{
    const struct record *authorities = message_authorities(message);
    if (message->rcode != RCODE_NOERROR || message->flags & FLAG_AA)
        return false;
    for (size_t i = 0; i < message->answer_count; i++)
        if (name_is_within(message->question.name, message->records[i].owner))
            return false;
    return has_type(authorities, message->authority_count, TYPE_NS) &&
           !has_type(authorities, message->authority_count, TYPE_SOA);
}

/*
 * A lame server, which knows nothing of the zone and answers all the same: neither from the authority nor from a resolver,
 * and without the SOA that a negative answer has (RFC 2308 2).
 */
static bool is_hollow(const struct message *message)
{
    return message->answer_count == 0 && !(message->flags & (FLAG_AA | FLAG_RA)) &&
           message->rcode != RCODE_YXDOMAIN &&
           !has_type(message_authorities(message), message->authority_count, TYPE_SOA);
}

/* Whether a record answers the question, or leads on from its name. */
static bool is_about(const struct record *record, const struct question *question)
{
    if (record->class != question->class || !name_is_within(question->name, record->owner))
        return false;
    return record->type == TYPE_DNAME ||
           ((record->type == question->type || record->type == TYPE_CNAME) &&
            name_equal(record->owner, question->name));
}

/* It has an answer to something, and not to this, nor does it say that there is none. */
static bool is_beside_the_point(const struct message *message)
{
    if (message->rcode != RCODE_NOERROR || message->answer_count == 0 ||
        message->question.type == TYPE_ANY ||
        has_type(message_authorities(message), message->authority_count, TYPE_SOA))
        return false;
    for (size_t i = 0; i < message->answer_count; i++)
        if (is_about(&message->records[i], &message->question))
            return false;
    return true;
}

static struct attempt_result useless(int ede)
{
    return (struct attempt_result){.end = ATTEMPT_USELESS, .ede = ede};
}

static struct attempt_result again(void)
{
    return (struct attempt_result){.end = ATTEMPT_AGAIN};
}

/* The first Extended DNS Error in a message (RFC 8914 2), or `otherwise`. */
static int ede_of(const struct message *message, int otherwise)
{
    struct wire_reader reader = wire_reader(message->edns.options, message->edns.options_size);
    struct edns_option option;
    while (edns_next(&reader, &option))
        if (option.code == EDNS_OPTION_EDE && option.size >= 2)
            return wire_get_u16(option.bytes);
    return otherwise;
}

static bool knows_edns(const struct server *server, struct mono now)
{
    return !mono_reached(now, server->edns);
}

/* Once without, if that was not the case already. */
static struct attempt_result without_edns(struct attempt *attempt, int ede)
{
    if (attempt->payload == 0 || attempt->standing->no_edns)
        return useless(ede);
    attempt->standing->no_edns = true;
    return again();
}

/* Only a part: the whole over TCP, or in a larger message where there is no TCP. */
static struct attempt_result truncated(struct attempt *attempt)
{
    struct standing *standing = attempt->standing;
    if (attempt->way == EXCHANGE_TCP || (standing->large && standing->no_tcp))
        return useless(EDE_NO_REACHABLE_AUTHORITY);
    if (standing->large) /* TCP is under way, or its turn comes again */
        return (struct attempt_result){.end = ATTEMPT_SILENT};
    standing->truncated = true;
    return again();
}

/* YXDOMAIN: of a DNAME that leads to too long a name (RFC 6672 2.2). */
static bool is_usable(const struct message *message)
{
    return message->rcode == RCODE_NOERROR || message->rcode == RCODE_NXDOMAIN ||
           message->rcode == RCODE_YXDOMAIN;
}

/*
 * What a response says of EDNS at the server. With OPT in it, an error is about the question (RFC 6891 7). An answer without
 * is no reason not to ask with it: that costs nothing, and it may be only this one.
 */
static void learn_edns(struct attempt *attempt, const struct message *message, struct mono now)
{
    const bool refuses = message->rcode == RCODE_NOTIMP || message->rcode == RCODE_FORMERR;
    struct server *server = server_of(attempt);
    if (message->edns.present) {
        server->edns = mono_add(now, EDNS_MS);
        server->no_edns = (struct lack){.name = 0};
    } else if (!knows_edns(server, now) &&
               (attempt->payload > 0 ? refuses
                                     : is_usable(message) && attempt->standing->silences > 1)) {
        lack_note(&server->no_edns, name_of(attempt), now);
    }
}

static struct attempt_result weigh_error(const struct message *message, struct attempt *attempt,
                                         struct mono now)
{
    const bool about_edns = message->rcode == RCODE_NOTIMP || message->rcode == RCODE_FORMERR ||
                            message->rcode == RCODE_BADVERS;
    int ede = ede_of(message, EDE_NO_REACHABLE_AUTHORITY);
    attempt->standing->refused |= message->rcode == RCODE_REFUSED;
    if (about_edns || (!message->edns.present && !knows_edns(server_of(attempt), now)))
        return without_edns(attempt, ede);
    return useless(ede);
}

/* What a well-formed response is good for. */
static struct attempt_result weigh(const struct message *message, struct attempt *attempt,
                                   struct mono now)
{
    struct server *server = server_of(attempt);
    const bool usable = is_usable(message);
    if (!attempt->lower && !same_spelling(message, attempt)) {
        attempt->standing->misspelled = true;
        if (attempt->way != EXCHANGE_TCP)
            return again(); /* it folds case, or somebody else answered */
    }
    if (attempt->standing->misspelled && (attempt->lower || !same_spelling(message, attempt)))
        lack_note(&server->no_spelling, name_of(attempt), now);
    learn_edns(attempt, message, now);
    if (!usable)
        return weigh_error(message, attempt, now);
    if (is_referral(message))
        return useless(EDE_NO_REACHABLE_AUTHORITY);
    if (is_beside_the_point(message))
        return useless(ede_of(message, EDE_INVALID_DATA));
    if (message->answer_count > 0)
        server_worked(server, &message->question, now);
    return (struct attempt_result){
        .end = is_hollow(message) ? ATTEMPT_HOLLOW : ATTEMPT_USABLE,
        .message = message,
        .ede = ede_of(message, EDE_NONE),
        .unheeded = attempt->dnssec_ok && !message->edns.present,
    };
}

/* No response, and there will be none. */
static struct attempt_result read_failure(struct attempt *attempt, int status)
{
    struct standing *standing = attempt->standing;
    if (attempt->way == EXCHANGE_TCP) {
        standing->no_tcp = true;
        if (standing->misspelled || (standing->truncated && !standing->large))
            return again();
        return (struct attempt_result){.end = ATTEMPT_SILENT};
    }
    return (struct attempt_result){.end = status == ERR_SYSTEM ? ATTEMPT_REFUSED : ATTEMPT_SILENT};
}

/*
 * Reads it with the question's name in lower case, in a copy: names that are compressed to it would be given to clients in
 * the spelling that was made up for the query. The message's question is as it came.
 */
static int parse_response(struct attempts *attempts, const struct exchange_response *response)
{
    struct message *message = attempts->message;
    uint8_t *copy = attempts->response;
    memcpy(copy, response->bytes, response->size);
    for (size_t at = DNS_HEADER_SIZE; at < response->size && copy[at] != 0; at++)
        copy[at] = name_fold(copy[at]);
    int error = message_parse(message, copy, response->size);
    if (error == ERR_OK)
        memcpy(message->question.name, response->bytes + DNS_HEADER_SIZE,
               message->question.name_size);
    return error;
}

static struct attempt_result read_response(struct attempt *attempt,
                                           const struct exchange_response *response)
{
    const struct mono now = micro_ms(response->now);
    if (attempt->way == EXCHANGE_TCP)
        attempt->standing->tcp = (struct mono){0};
    if (response->status != ERR_OK)
        return read_failure(attempt, response->status);
    if (!is_response(response))
        return useless(EDE_INVALID_DATA);
    if (wire_get_u16(response->bytes + FLAGS_AT) & FLAG_TC)
        return truncated(attempt);
    if (parse_response(attempt->attempts, response) == ERR_OK)
        return weigh(attempt->attempts->message, attempt, now);
    return knows_edns(server_of(attempt), now) ? useless(EDE_INVALID_DATA)
                                               : without_edns(attempt, EDE_INVALID_DATA);
}

/* What it says of the server that anything came, or not. */
static void count(struct attempt *attempt, const struct exchange_response *response)
{
    struct server *server = server_of(attempt);
    struct servers *servers = attempt->servers;
    const struct mono now = micro_ms(response->now);
    if (response->status == ERR_OK) {
        if (server_answered(server, micro_between(attempt->sent, response->now), now) &&
            servers->returned)
            servers->returned(servers->returned_arg, attempt->index, response->now);
    } else if (response->status != ERR_SYSTEM) {
        attempt_overdue(attempt);
    } else if (attempt->way != EXCHANGE_TCP) {
        server_refused(server, now);
    }
}

static void done(struct exchange_request *request, const struct exchange_response *response)
{
    struct attempt *attempt = (struct attempt *)request;
    struct attempts *attempts = attempt->attempts;
    struct servers *servers = attempt->servers;
    count(attempt, response);
    if (attempt->ended) {
        struct attempt_result result = read_response(attempt, response);
        result.now = response->now;
        attempt->ended(attempt->arg, attempt, &result);
    }
    pool_put(&attempts->pool, attempt);
    servers_unref(servers);
}

/* ---- the query ------------------------------------------------------------------------------ */

/* 0x20: each letter's case is a coin toss that the response must repeat. `name` is in lower case. */
static void randomise_case(struct entropy *entropy, uint8_t *name, size_t size)
{
    uint8_t coins[NAME_MAX_SIZE / 8 + 1];
    entropy_take(entropy, coins, size / 8 + 1);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)(name[i] - 'a') < 26)
            name[i] ^= (uint8_t)((coins[i / 8] >> (i % 8) & 1) << 5);
}

/* Puts an option into the OPT record that a query ends with. Returns the bytes added. */
static size_t add_option(const struct source_option *option, uint8_t *query, size_t size)
{
    enum { RDLENGTH_SIZE = 2 };
    if (!option || size + option->size > EXCHANGE_MAX_QUERY)
        return 0;
    memcpy(query + size, option->bytes, option->size);
    wire_put_u16(query + size - RDLENGTH_SIZE, option->size);
    return option->size;
}

static void write_query(struct attempt *attempt, const struct attempt_order *order)
{
    enum { CLASS_FROM_END = 8 }; /* where an OPT record says how much may come */
    struct entropy *entropy = attempt->attempts->entropy;
    struct exchange_request *request = &attempt->request;
    struct query_shape shape = {
        .edns = attempt->payload > 0,
        .dnssec_ok = order->shape->dnssec_ok,
        .checking_disabled = order->shape->checking_disabled,
    };
    entropy_take(entropy, &shape.id, sizeof shape.id);
    int size = build_query(request->bytes, sizeof request->bytes, order->question, &shape);
    assert(size > 0);
    if (attempt->payload > 0) {
        wire_put_u16(request->bytes + size - CLASS_FROM_END, attempt->payload);
        size += (int)add_option(order->shape->option, request->bytes, (size_t)size);
    }
    /* AD in a query: "tell me whether you validated" (RFC 6840 5.7) */
    wire_put_u16(request->bytes + FLAGS_AT, wire_get_u16(request->bytes + FLAGS_AT) | FLAG_AD);
    if (!attempt->lower)
        randomise_case(entropy, spelled(attempt), order->question->name_size);
    request->size = (uint16_t)size;
    request->deadline = order->shape->deadline;
}

/* After some silence. Each after the other, since nobody knows which of it gets lost; and as usual in between. */
static void ask_for_less(struct attempt *attempt, struct mono now)
{
    enum { ALONE = 2, WITH_ALL = 5, MANNERS = 4, DOUBTFUL = 4 };
    const struct server *server = server_of(attempt);
    const struct standing *standing = attempt->standing;
    const bool all = server->answered.ms > 0 && server->timeouts_in_row >= DOUBTFUL;
    const uint8_t first = all ? WITH_ALL : ALONE;
    if (standing->silences < first)
        return;
    switch ((standing->silences - first) % MANNERS) {
    case 0:
        attempt->payload = attempt->payload > 0 ? EDNS_SMALL_UDP : 0;
        break;
    case 1:
        attempt->payload = 0;
        break;
    case 2:
        if (!standing->no_tcp && mono_reached(now, standing->tcp))
            attempt->way = EXCHANGE_TCP;
        break;
    default:
        break;
    }
}

/* How the server is asked: as it should be, or by the way out that its standing calls for. */
static void choose_manner(struct attempt *attempt, struct mono now)
{
    const struct server *server = server_of(attempt);
    struct standing *standing = attempt->standing;
    const bool plain = standing->no_edns || lack_is_believed(&server->no_edns, now);
    attempt->way = EXCHANGE_UDP;
    attempt->payload = plain ? 0 : DNS_EDNS_UDP;
    const bool by_udp = standing->no_tcp || standing->slow_tcp;
    attempt->lower =
        lack_is_believed(&server->no_spelling, now) || (standing->misspelled && by_udp);
    if (standing->refused && !by_udp) {
        attempt->way = EXCHANGE_TCP;
    } else if (!standing->misspelled && !standing->truncated) {
        ask_for_less(attempt, now);
    } else if (standing->truncated && by_udp && !standing->large) {
        attempt->payload = EDNS_LARGE_UDP;
        standing->large = true;
    } else if (!standing->no_tcp && (standing->truncated || !standing->slow_tcp)) {
        attempt->way = EXCHANGE_TCP;
    }
}

static bool await_tcp(struct attempt *attempt, struct mono now)
{
    struct standing *standing = attempt->standing;
    if (attempt->way != EXCHANGE_TCP)
        return false;
    if (!mono_reached(now, standing->tcp))
        return true;
    standing->tcp = mono_add(now, AWAIT_TCP_MS);
    return false;
}

struct attempt *attempt_send(struct attempts *attempts, const struct attempt_order *order,
                             struct micro now)
{
    struct server *server = order->servers->items[order->index].server;
    struct attempt *attempt = pool_get(&attempts->pool);
    if (!attempt)
        return NULL;
    attempt->request.done = done;
    attempt->attempts = attempts;
    attempt->servers = order->servers;
    attempt->index = order->index;
    attempt->standing = order->standing;
    attempt->dnssec_ok = order->shape->dnssec_ok;
    attempt->overdue = false;
    attempt->sent = now;
    attempt->ended = order->ended;
    attempt->arg = order->arg;
    choose_manner(attempt, micro_ms(now));
    if (await_tcp(attempt, micro_ms(now))) {
        pool_put(&attempts->pool, attempt);
        return NULL;
    }
    servers_ref(order->servers);
    write_query(attempt, order);
    counter_add_shared(&server->stats->sent, 1);
    exchange_send(order->servers->items[order->index].exchange, attempt->way, &attempt->request);
    return attempt;
}

/* A name that it has answered, which somebody may have made sure that it does not now; and one that is nobody's. */
void attempt_probe(struct attempts *attempts, struct servers *servers, size_t index,
                   struct micro now)
{
    static const struct question root = {.name_size = 1, .type = TYPE_NS, .class = CLASS_IN};
    const struct question *canary = &servers->items[index].server->canary;
    const struct question *questions[] = {canary, &root};
    const struct inquiry_options shape = {.deadline = mono_add(micro_ms(now), PROBE_MS)};
    struct standing standing = {.silences = 0};
    for (size_t i = canary->name_size > 0 ? 0 : 1; i < 2; i++) {
        struct attempt *attempt = attempt_send(attempts,
                                               &(struct attempt_order){
                                                   .servers = servers,
                                                   .index = index,
                                                   .question = questions[i],
                                                   .shape = &shape,
                                                   .standing = &standing,
                                               },
                                               now);
        if (attempt)
            attempt->overdue = true; /* it says nothing that it was not asked for */
    }
}
