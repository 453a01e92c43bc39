#include "resolver/answer/attempt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "resolver/answer/pool.h"

enum {
    KEPT = 2048,                  /* attempts whose memory waits for the next */
    REMEMBER_MS = 10 * 60 * 1000, /* that a server does not speak EDNS, or does not keep spelling */
};

struct attempts {
    struct pool pool;
    struct entropy *entropy;
    struct message *message;
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

void attempt_overdue(struct attempt *attempt, struct mono now)
{
    if (!attempt->overdue)
        server_timed_out(server_of(attempt), now);
    attempt->overdue = true;
}

/* ---- the response --------------------------------------------------------------------------- */

/* Not the query come back, nor the response to another opcode. */
static bool is_response(const struct message *message)
{
    return (message->flags & (FLAG_QR | FLAG_OPCODE)) == FLAG_QR;
}

/* The question's name in the query as it was sent. */
static uint8_t *spelled(struct attempt *attempt)
{
    return attempt->request.bytes + DNS_HEADER_SIZE;
}

static bool same_spelling(const struct message *message, struct attempt *attempt)
{
    const struct question *question = &message->question;
    return question->name_size > 0 &&
           memcmp(question->name, spelled(attempt), question->name_size) == 0;
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

static struct attempt_result useless(int ede)
{
    return (struct attempt_result){.end = ATTEMPT_USELESS, .ede = ede};
}

static struct attempt_result again(enum exchange_way way)
{
    return (struct attempt_result){.end = ATTEMPT_AGAIN, .way = way};
}

/* What a well-formed response is good for. */
static struct attempt_result weigh(const struct message *message, struct attempt *attempt,
                                   struct mono now)
{
    struct server *server = server_of(attempt);
    if (!same_spelling(message, attempt)) {
        if (attempt->way != EXCHANGE_TCP)
            return again(EXCHANGE_TCP); /* it folds case, or somebody else answered: TCP tells */
        server->case_until = mono_add(now, REMEMBER_MS);
    }
    bool usable = message->rcode == RCODE_NOERROR || message->rcode == RCODE_NXDOMAIN ||
                  message->rcode == RCODE_YXDOMAIN; /* RFC 6672 2.2 */
    bool refuses_edns =
        attempt->edns && (message->rcode == RCODE_NOTIMP || message->rcode == RCODE_FORMERR ||
                          message->rcode == RCODE_BADVERS);
    /* With OPT in it, it is about the question, not about EDNS (RFC 6891 7). */
    if (attempt->edns && (usable || refuses_edns) && !message->edns.present)
        server->plain_until = mono_add(now, REMEMBER_MS);
    if (usable && is_referral(message))
        return useless(EDE_NO_REACHABLE_AUTHORITY);
    if (usable)
        return (struct attempt_result){.end = ATTEMPT_USABLE, .message = message};
    if (!refuses_edns)
        return useless(EDE_NO_REACHABLE_AUTHORITY);
    return again(attempt->way == EXCHANGE_TCP && !message->edns.present ? EXCHANGE_TCP
                                                                        : EXCHANGE_PLAIN);
}

static struct attempt_result read_response(struct attempt *attempt,
                                           const struct exchange_response *response)
{
    struct message *message = attempt->attempts->message;
    if (response->status == ERR_SYSTEM)
        return useless(EDE_NETWORK_ERROR);
    if (response->status != ERR_OK)
        return (struct attempt_result){.end = ATTEMPT_SILENT};
    if (message_parse(message, response->bytes, response->size) != ERR_OK || !is_response(message))
        return useless(EDE_INVALID_DATA);
    return weigh(message, attempt, micro_ms(response->now));
}

static void count(struct attempt *attempt, const struct exchange_response *response)
{
    struct server *server = server_of(attempt);
    if (response->status == ERR_OK)
        server_answered(server, micro_between(attempt->sent, response->now));
    else if (response->status == ERR_SYSTEM)
        server_refused(server, micro_ms(response->now));
    else
        attempt_overdue(attempt, micro_ms(response->now));
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

static void write_query(struct attempt *attempt, const struct attempt_order *order,
                        bool random_case)
{
    struct entropy *entropy = attempt->attempts->entropy;
    struct exchange_request *request = &attempt->request;
    struct query_shape shape = {
        .edns = attempt->edns,
        .dnssec_ok = order->shape->dnssec_ok,
        .checking_disabled = order->shape->checking_disabled,
    };
    entropy_take(entropy, &shape.id, sizeof shape.id);
    int size = build_query(request->bytes, sizeof request->bytes, order->question, &shape);
    assert(size > 0);
    if (attempt->edns)
        size += (int)add_option(order->shape->option, request->bytes, (size_t)size);
    /* AD in a query: "tell me whether you validated" (RFC 6840 5.7) */
    wire_put_u16(request->bytes + 2, wire_get_u16(request->bytes + 2) | FLAG_AD);
    if (random_case)
        randomise_case(entropy, spelled(attempt), order->question->name_size);
    request->size = (uint16_t)size;
}

enum exchange_way attempt_first_way(const struct server *server, struct mono now)
{
    return mono_reached(now, server->plain_until) ? EXCHANGE_EDNS : EXCHANGE_PLAIN;
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
    attempt->servers = servers_ref(order->servers);
    attempt->index = order->index;
    attempt->way = order->way;
    attempt->edns =
        order->way == EXCHANGE_EDNS ||
        (order->way == EXCHANGE_TCP && mono_reached(micro_ms(now), server->plain_until));
    attempt->overdue = false;
    attempt->sent = now;
    attempt->ended = order->ended;
    attempt->arg = order->arg;
    write_query(attempt, order, mono_reached(micro_ms(now), server->case_until));
    counter_add_shared(&server->stats->sent, 1);
    exchange_send(order->servers->items[order->index].exchange, order->way, &attempt->request);
    return attempt;
}
