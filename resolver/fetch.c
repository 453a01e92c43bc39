#include "resolver/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/build.h"
#include "resolver/chain.h"
#include "resolver/clock.h"

enum {
    MAX_QUERY_SIZE = DNS_HEADER_SIZE + NAME_MAX_SIZE + 4 + DNS_OPT_SIZE,
    ROUNDS = 3,                   /* each server is asked at most this often per step */
    REMEMBER_MS = 10 * 60 * 1000, /* that a server does not speak EDNS, or does not keep spelling */
};

/* One query to one server. Outlives its fetch when that ends first. */
struct attempt {
    struct forward_request request;
    struct attempt *prev, *next;
    struct fetch *fetch; /* NULL when the fetch has ended */
    struct upstream *upstream;
    size_t server;
    enum forward_way way;
    uint8_t step; /* of the fetch when this was sent */
    bool counted; /* as a timeout already */
    uint64_t sent_us;
    struct question asked; /* as spelled */
};

struct fetch {
    struct fetcher *fetcher;
    struct fetch_request request;
    struct question question;
    struct chain chain;
    struct event *timer;
    struct attempt *attempts; /* under way */
    uint32_t tried;           /* servers asked in this round, a bit each */
    uint8_t sent;             /* queries sent in this step */
    uint8_t step;             /* chain continuations */
    int ede;                  /* why nothing came of it so far */
};

struct fetcher {
    struct event_base *base;
    const struct validity *validity;
    struct message *message;
    struct builder builder;
    struct answer answer;
    uint16_t ttl_offsets[ANSWER_MAX_TTLS];
    uint8_t wire[DNS_MAX_MESSAGE];
};

static_assert((int)BUILD_MAX_RECORDS <= (int)ANSWER_MAX_TTLS, "every TTL of a built message has a place");

struct fetcher *fetcher_new(struct event_base *base, const struct validity *validity)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return NULL;
    fetcher->base = base;
    fetcher->validity = validity;
    fetcher->message = message_new();
    if (!fetcher->message) {
        free(fetcher);
        return NULL;
    }
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    message_free(fetcher->message);
    free(fetcher);
}

void fetch_cancel(struct fetch *fetch)
{
    if (!fetch)
        return;
    struct attempt *attempt, *next;
    DL_FOREACH_SAFE(fetch->attempts, attempt, next)
        attempt->fetch = NULL;
    chain_free(&fetch->chain);
    if (fetch->timer)
        event_free(fetch->timer);
    upstream_unref(fetch->request.upstream);
    free(fetch);
}

/* Hands the answer over; the fetch is gone afterwards, its bytes are in the fetcher. */
static void finish(struct fetch *fetch, struct answer *answer)
{
    void (*done)(void *, struct answer *) = fetch->request.done;
    void *arg = fetch->request.arg;
    fetch_cancel(fetch);
    done(arg, answer);
}

static void fail(struct fetch *fetch)
{
    struct answer *answer = &fetch->fetcher->answer;
    *answer = (struct answer){
        .flags = RCODE_SERVFAIL,
        .origin = ORIGIN_NONE,
        .ttl = TTL_FAILURE_SECONDS,
        .ede = fetch->ede,
        .body = fetch->fetcher->wire,
    };
    if (validity_depend(fetch->fetcher->validity, fetch->question.name, false,
                        &answer->dependencies) != ERR_OK)
        answer->ttl = 0;
    finish(fetch, answer);
}

/* Everything the answer says something about: the question, each link, the end. */
static int depend(struct fetch *fetch, enum chain_end end, struct dependencies *dependencies)
{
    const struct validity *validity = fetch->fetcher->validity;
    uint8_t name[NAME_MAX_SIZE];
    *dependencies = (struct dependencies){0};
    int error = validity_depend(validity, fetch->question.name, false, dependencies);
    const struct selection *selection = &fetch->chain.selection;
    for (size_t i = 0; i < selection->count && !error; i++) {
        if (selection->items[i].section != SECTION_ANSWER)
            break;
        const uint8_t *owner = selection->items[i].record.owner;
        name_lower(owner, name_size(owner), name);
        error = validity_depend(validity, name, false, dependencies);
    }
    name_lower(fetch->chain.name, name_size(fetch->chain.name), name);
    bool negative = end != CHAIN_DATA;
    return error ? error : validity_depend(validity, name, negative, dependencies);
}

static int build_body(struct fetch *fetch, size_t *ret_start)
{
    struct builder *builder = &fetch->fetcher->builder;
    build_start(builder, fetch->fetcher->wire, sizeof fetch->fetcher->wire);
    build_question(builder, &fetch->question);
    *ret_start = builder->out.at;
    const struct selection *selection = &fetch->chain.selection;
    for (size_t i = 0; i < selection->count; i++)
        build_record(builder, selection->items[i].section, &selection->items[i].record);
    return build_finish(builder, 0, 0);
}

static uint32_t lowest_ttl(const struct selection *selection)
{
    uint32_t ttl = UINT32_MAX;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].record.ttl < ttl)
            ttl = selection->items[i].record.ttl;
    return selection->count ? ttl : 0;
}

/* Fills the fetcher's answer from the finished chain. False when it cannot be built. */
static bool make_answer(struct fetch *fetch, enum chain_end end, uint16_t flags, uint8_t origin)
{
    struct fetcher *fetcher = fetch->fetcher;
    size_t start;
    int size = build_body(fetch, &start);
    if (size < 0)
        return false;
    struct builder *builder = &fetcher->builder;
    for (size_t i = 0; i < builder->ttl_count; i++)
        fetcher->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    struct answer *answer = &fetcher->answer;
    bool negative = end != CHAIN_DATA;
    bool cacheable = (!negative || fetch->chain.has_soa) &&
                     depend(fetch, end, &answer->dependencies) == ERR_OK;
    answer->flags = (uint16_t)((flags & FLAG_AD) |
                               (end == CHAIN_NXDOMAIN ? RCODE_NXDOMAIN : RCODE_NOERROR));
    memcpy(answer->counts, builder->counts, sizeof answer->counts);
    answer->negative = negative;
    answer->origin = origin;
    answer->ttl = cacheable ? lowest_ttl(&fetch->chain.selection) : 0;
    answer->uncacheable = !cacheable;
    answer->ede = EDE_NONE;
    answer->body = fetcher->wire + start;
    answer->body_size = (size_t)size - start;
    answer->ttl_offsets = fetcher->ttl_offsets;
    answer->ttl_count = builder->ttl_count;
    return true;
}

static void ask(struct fetch *fetch);
static void ask_server(struct fetch *fetch, size_t server, enum forward_way way);

static void use_response(struct fetch *fetch, const struct attempt *attempt)
{
    const struct message *message = fetch->fetcher->message;
    enum chain_end end = chain_follow(&fetch->chain, message);
    if (end == CHAIN_CONTINUES && chain_keep(&fetch->chain) == ERR_OK) {
        fetch->step++;
        fetch->tried = 0;
        fetch->sent = 0;
        ask(fetch);
        return;
    }
    uint8_t origin = attempt->upstream->servers[attempt->server].stats->origin;
    if (end == CHAIN_BROKEN || end == CHAIN_CONTINUES ||
        !make_answer(fetch, end, message->flags, origin)) {
        fetch->ede = EDE_INVALID_DATA;
        fail(fetch);
        return;
    }
    finish(fetch, &fetch->fetcher->answer);
}

static bool same_spelling(const struct question *a, const struct question *b)
{
    return a->name_size == b->name_size && memcmp(a->name, b->name, a->name_size) == 0;
}

/* What to do about a response that arrived. */
enum verdict { USE, ASK_NEXT, ASK_PLAIN, ASK_TCP };

static enum verdict judge(const struct message *message, const struct attempt *attempt,
                          struct upstream_server *server, struct mono now)
{
    if (!same_spelling(&message->question, &attempt->asked)) {
        if (attempt->way != FORWARD_TCP)
            return ASK_TCP; /* the server folds case, or somebody else answered: TCP tells */
        server->case_until = mono_add(now, REMEMBER_MS);
    }
    if (message->rcode == RCODE_NOERROR || message->rcode == RCODE_NXDOMAIN) {
        if (attempt->way == FORWARD_EDNS && !message->edns.present)
            server->plain_until = mono_add(now, REMEMBER_MS);
        return USE;
    }
    bool refuses_edns = message->rcode == RCODE_NOTIMP || message->rcode == RCODE_FORMERR ||
                        message->rcode == RCODE_BADVERS;
    return attempt->way == FORWARD_EDNS && refuses_edns ? ASK_PLAIN : ASK_NEXT;
}

static void act_on_response(struct fetch *fetch, struct attempt *attempt, const uint8_t *response,
                            size_t size)
{
    struct message *message = fetch->fetcher->message;
    struct upstream_server *server = &attempt->upstream->servers[attempt->server];
    if (message_parse(message, response, size) != ERR_OK) {
        fetch->ede = EDE_INVALID_DATA;
        ask(fetch);
        return;
    }
    switch (judge(message, attempt, server, mono_now())) {
    case USE:
        use_response(fetch, attempt);
        break;
    case ASK_NEXT:
        fetch->ede = EDE_NO_REACHABLE_AUTHORITY;
        ask(fetch);
        break;
    case ASK_PLAIN:
        server->plain_until = mono_add(mono_now(), REMEMBER_MS);
        ask_server(fetch, attempt->server, FORWARD_PLAIN);
        break;
    case ASK_TCP:
        ask_server(fetch, attempt->server, FORWARD_TCP);
        break;
    }
}

static void count_attempt(struct attempt *attempt, int status)
{
    struct upstream_server *server = &attempt->upstream->servers[attempt->server];
    if (status == ERR_OK)
        upstream_answered(server, (uint32_t)(mono_now_us() - attempt->sent_us));
    else if (status == ERR_SYSTEM)
        upstream_refused(server, mono_now());
    else if (!attempt->counted)
        upstream_timed_out(server, mono_now());
}

static void answered(struct forward_request *request, int status, const uint8_t *response,
                     size_t size)
{
    struct attempt *attempt = (struct attempt *)request;
    struct fetch *fetch = attempt->fetch;
    count_attempt(attempt, status);
    if (fetch) {
        DL_DELETE(fetch->attempts, attempt);
        if (attempt->step == fetch->step) {
            if (status == ERR_OK) {
                act_on_response(fetch, attempt, response, size);
            } else if (status == ERR_SYSTEM) {
                fetch->ede = EDE_NETWORK_ERROR;
                ask(fetch);
            }
        }
    }
    upstream_unref(attempt->upstream);
    free(attempt);
}

/* 0x20: each letter's case is a coin toss that the response must repeat. */
static void randomise_case(struct question *question)
{
    uint8_t coins[NAME_MAX_SIZE / 8 + 1];
    arc4random_buf(coins, sizeof coins);
    for (size_t i = 0; i < question->name_size; i++) {
        uint8_t lower = question->name[i] | 0x20;
        if (lower >= 'a' && lower <= 'z' && coins[i / 8] >> (i % 8) & 1)
            question->name[i] ^= 0x20;
    }
}

/* Where the chain stands, as a question. */
static void next_question(const struct fetch *fetch, struct question *ret)
{
    ret->name_size = (uint8_t)name_size(fetch->chain.name);
    name_lower(fetch->chain.name, ret->name_size, ret->name);
    ret->type = fetch->question.type;
    ret->class = fetch->question.class;
}

static int write_query(const struct fetch *fetch, struct attempt *attempt, bool edns,
                       uint8_t query[MAX_QUERY_SIZE])
{
    struct query_shape shape = {
        .edns = edns,
        .dnssec_ok = fetch->request.dnssec_ok,
        .checking_disabled = fetch->request.checking_disabled,
    };
    arc4random_buf(&shape.id, sizeof shape.id);
    int size = build_query(query, MAX_QUERY_SIZE, &attempt->asked, &shape);
    if (size > 0) /* AD in a query: "tell me whether you validated" (RFC 6840 5.7) */
        wire_put_u16(query + 2, wire_get_u16(query + 2) | FLAG_AD);
    return size;
}

/* Arms the timer for whichever comes first, the next attempt or the deadline. */
static void wait_at_most(struct fetch *fetch, uint32_t patience_ms)
{
    struct mono now = mono_now();
    uint64_t left = mono_reached(now, fetch->request.deadline)
                        ? 0
                        : fetch->request.deadline.ms - now.ms;
    uint64_t ms = left < patience_ms ? left : patience_ms;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    event_add(fetch->timer, &tv);
}

static void ask_server(struct fetch *fetch, size_t index, enum forward_way way)
{
    struct upstream_server *server = &fetch->request.upstream->servers[index];
    struct attempt *attempt = calloc(1, sizeof *attempt);
    wait_at_most(fetch, upstream_patience_ms(server));
    fetch->tried |= 1u << index;
    fetch->sent++;
    if (!attempt)
        return;
    attempt->request.done = answered;
    attempt->fetch = fetch;
    attempt->upstream = upstream_ref(fetch->request.upstream);
    attempt->server = index;
    attempt->way = way;
    attempt->step = fetch->step;
    attempt->sent_us = mono_now_us();
    next_question(fetch, &attempt->asked);
    if (mono_reached(mono_now(), server->case_until))
        randomise_case(&attempt->asked);
    uint8_t query[MAX_QUERY_SIZE];
    int size = write_query(fetch, attempt, way != FORWARD_PLAIN, query);
    DL_APPEND(fetch->attempts, attempt);
    counter_add_shared(&server->stats->sent, 1);
    forward_send(server->forward, way, query, (size_t)size, &attempt->request);
}

/* Asks the next server, or gives up when all were asked often enough. */
static void ask(struct fetch *fetch)
{
    struct upstream *upstream = fetch->request.upstream;
    struct mono now = mono_now();
    if (mono_reached(now, fetch->request.deadline)) {
        fail(fetch);
        return;
    }
    if (fetch->sent >= ROUNDS * upstream->count) {
        if (!fetch->attempts)
            fail(fetch);
        else
            wait_at_most(fetch, UINT32_MAX);
        return;
    }
    uint32_t all = upstream->count == UPSTREAM_MAX_SERVERS ? UINT32_MAX : (1u << upstream->count) - 1;
    if (fetch->tried == all)
        fetch->tried = 0;
    size_t index = upstream_pick(upstream, fetch->tried, now);
    struct upstream_server *server = &upstream->servers[index];
    bool plain = !mono_reached(now, server->plain_until);
    ask_server(fetch, index, plain ? FORWARD_PLAIN : FORWARD_EDNS);
}

/* The server asked last has had its time: it is slow, and another one is asked as well. */
static void impatient(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct fetch *fetch = arg;
    struct mono now = mono_now();
    struct attempt *attempt;
    DL_FOREACH(fetch->attempts, attempt) {
        if (!attempt->counted)
            upstream_timed_out(&attempt->upstream->servers[attempt->server], now);
        attempt->counted = true;
    }
    ask(fetch);
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->timer = event_new(fetcher->base, -1, 0, impatient, fetch);
    if (!fetch->timer) {
        free(fetch);
        return NULL;
    }
    fetch->fetcher = fetcher;
    fetch->request = *request;
    fetch->question = *request->question;
    fetch->request.question = &fetch->question;
    fetch->ede = EDE_NO_REACHABLE_AUTHORITY;
    upstream_ref(request->upstream);
    chain_start(&fetch->chain, &fetch->question, request->dnssec_ok);
    if (mono_reached(mono_now(), request->deadline))
        wait_at_most(fetch, 0);
    else
        ask(fetch);
    return fetch;
}
