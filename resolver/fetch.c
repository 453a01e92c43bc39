#include "resolver/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/build.h"
#include "resolver/chain.h"
#include "resolver/clock.h"

enum {
    MAX_QUERY_SIZE = DNS_HEADER_SIZE + NAME_MAX_SIZE + 4 + DNS_OPT_SIZE + POSITION_QUERY_SIZE,
    ROUNDS = 3,                   /* each server is asked at most this often per step */
    BEHIND_FIRST_PAUSE_MS = 1,    /* before a parent that is behind is asked again; then doubled */
    BEHIND_LAST_PAUSE_MS = 64,    /* past this, its answer is taken for what it is */
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
    bool edns;    /* the query had OPT */
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
    struct attempt *attempts;    /* under way */
    uint32_t tried;              /* servers asked in this round, a bit each */
    uint8_t sent;                /* queries sent in this step */
    uint8_t step;                /* chain continuations, and starts from anew */
    bool resting;                /* before asking a parent again */
    bool behind;                 /* some response was older than we are */
    uint32_t pause_ms;           /* the next rest */
    struct position_set *wanted; /* what a parent must have applied; NULL: not asking a parent */
    int ede;                     /* why nothing came of it so far */
};

struct fetcher {
    struct event_base *base;
    const struct validity *validity;
    struct positions *positions;
    struct message *message;
    struct builder builder;
    struct answer answer;
    uint16_t ttl_offsets[ANSWER_MAX_TTLS];
    uint8_t wire[DNS_MAX_MESSAGE];
};

static_assert((int)BUILD_MAX_RECORDS <= (int)ANSWER_MAX_TTLS,
              "every TTL of a built message has a place");

struct fetcher *fetcher_new(struct event_base *base, const struct validity *validity,
                            struct positions *positions)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return NULL;
    fetcher->base = base;
    fetcher->validity = validity;
    fetcher->positions = positions;
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
    DL_FOREACH_SAFE (fetch->attempts, attempt, next)
        attempt->fetch = NULL;
    chain_free(&fetch->chain);
    if (fetch->timer)
        event_free(fetch->timer);
    upstream_unref(fetch->request.upstream);
    free(fetch->wanted);
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

static int depend_on(struct fetch *fetch, const uint8_t *name, bool negative, struct answer *answer)
{
    const struct validity *validity = fetch->fetcher->validity;
    uint8_t canonical[NAME_MAX_SIZE];
    name_lower(name, name_size(name), canonical);
    answer->covered = answer->covered && validity_zone_of(validity, canonical, NULL);
    return validity_depend(validity, canonical, negative, &answer->dependencies);
}

/* Everything the answer says something about: the question, each link, the end. */
static int depend(struct fetch *fetch, enum chain_end end, struct answer *answer)
{
    answer->dependencies = (struct dependencies){0};
    /* Signatures expire by themselves: no change tells of it. */
    answer->covered = !fetch->request.dnssec_ok;
    int error = depend_on(fetch, fetch->question.name, false, answer);
    const struct selection *selection = &fetch->chain.selection;
    for (size_t i = 0; i < selection->count && !error; i++) {
        if (selection->items[i].section != SECTION_ANSWER)
            break;
        error = depend_on(fetch, selection->items[i].record.owner, false, answer);
    }
    return error ? error : depend_on(fetch, fetch->chain.name, end != CHAIN_DATA, answer);
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
static bool make_answer(struct fetch *fetch, enum chain_end end, uint8_t origin)
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
    bool dependable = depend(fetch, end, answer) == ERR_OK;
    bool cacheable = dependable && !fetch->behind && (!negative || fetch->chain.has_soa);
    answer->flags = (uint16_t)((fetch->chain.authentic ? FLAG_AD : 0) |
                               (end == CHAIN_NXDOMAIN ? RCODE_NXDOMAIN : RCODE_NOERROR));
    memcpy(answer->counts, builder->counts, sizeof answer->counts);
    answer->negative = negative;
    answer->origin = origin;
    answer->ttl = cacheable ? lowest_ttl(&fetch->chain.selection) : 0;
    answer->uncacheable = !cacheable;
    answer->behind = fetch->behind;
    /* A parent shortens what it fetched while a change settled (P4): not for us to hold, then. */
    if (fetch->wanted && lowest_ttl(&fetch->chain.selection) <= TTL_SETTLING_SECONDS)
        answer->covered = false;
    answer->ede = EDE_NONE;
    answer->body = fetcher->wire + start;
    answer->body_size = (size_t)size - start;
    answer->ttl_offsets = fetcher->ttl_offsets;
    answer->ttl_count = builder->ttl_count;
    return true;
}

static void ask(struct fetch *fetch);
static void ask_server(struct fetch *fetch, size_t server, enum forward_way way);

/* How a parent's response stands to what we have applied. */
enum place { PLACE_FINE, PLACE_BEHIND, PLACE_UNKNOWN };

/* Whether a name lies in a zone of the feed for which the parent is not as far as we were. */
static bool is_behind_for(const struct fetch *fetch, const struct position_set *parent,
                          const uint8_t *name)
{
    uint8_t canonical[NAME_MAX_SIZE];
    size_t zone;
    name_lower(name, name_size(name), canonical);
    return validity_zone_of(fetch->fetcher->validity, canonical, &zone) &&
           !positions_cover(fetch->fetcher->positions, parent, fetch->wanted, zone);
}

/* Checks every name that the response has contributed to the answer so far. */
static enum place place_of(const struct fetch *fetch)
{
    struct position_set parent = {.known = false};
    if (!fetch->wanted || !fetch->wanted->known)
        return PLACE_FINE;
    const struct edns *edns = &fetch->fetcher->message->edns;
    int found = position_read(edns->options, edns->options_size, &parent);
    const struct selection *selection = &fetch->chain.selection;
    bool behind = is_behind_for(fetch, &parent, fetch->question.name) ||
                  is_behind_for(fetch, &parent, fetch->chain.name);
    for (size_t i = 0; i < selection->count && !behind; i++)
        behind = is_behind_for(fetch, &parent, selection->items[i].record.owner);
    if (!behind)
        return PLACE_FINE;
    return found == 1 && parent.feed_id == fetch->wanted->feed_id ? PLACE_BEHIND : PLACE_UNKNOWN;
}

static void wait_at_most(struct fetch *fetch, uint32_t patience_ms);

/* From the question again, after a pause: the parent will have applied more by then. */
static void ask_again_later(struct fetch *fetch)
{
    chain_free(&fetch->chain);
    chain_start(&fetch->chain, &fetch->question, fetch->request.dnssec_ok);
    fetch->step++;
    fetch->tried = 0;
    fetch->sent = 0;
    fetch->resting = true;
    wait_at_most(fetch, fetch->pause_ms);
    fetch->pause_ms *= 2;
}

/* Whether the response may be used; if not, the fetch goes on by itself. */
static bool accept_place(struct fetch *fetch)
{
    struct fetch_counters *counters = fetch->request.counters;
    enum place place = place_of(fetch);
    if (place == PLACE_FINE)
        return true;
    counter_add(place == PLACE_BEHIND ? &counters->behind : &counters->unplaced, 1);
    if (place == PLACE_BEHIND && fetch->pause_ms <= BEHIND_LAST_PAUSE_MS) {
        ask_again_later(fetch);
        return false;
    }
    if (!fetch->behind)
        counter_add(&counters->uncached, 1);
    fetch->behind = true;
    return true;
}

static void use_response(struct fetch *fetch, const struct attempt *attempt)
{
    const struct message *message = fetch->fetcher->message;
    enum chain_end end = chain_follow(&fetch->chain, message);
    if (!accept_place(fetch))
        return;
    if (end == CHAIN_CONTINUES && chain_keep(&fetch->chain) == ERR_OK) {
        fetch->step++;
        fetch->tried = 0;
        fetch->sent = 0;
        ask(fetch);
        return;
    }
    uint8_t origin = attempt->upstream->servers[attempt->server].stats->origin;
    if (end == CHAIN_BROKEN || end == CHAIN_CONTINUES || !make_answer(fetch, end, origin)) {
        fetch->ede = EDE_INVALID_DATA;
        fail(fetch);
        return;
    }
    finish(fetch, &fetch->fetcher->answer);
}

/* Not the query come back, nor the response to another opcode. */
static bool is_response(const struct message *message)
{
    return (message->flags & (FLAG_QR | FLAG_OPCODE)) == FLAG_QR;
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
    bool usable = message->rcode == RCODE_NOERROR || message->rcode == RCODE_NXDOMAIN;
    bool refuses_edns =
        attempt->edns && (message->rcode == RCODE_NOTIMP || message->rcode == RCODE_FORMERR ||
                          message->rcode == RCODE_BADVERS);
    /* With OPT in it, it is about the question, not about EDNS (RFC 6891 7). */
    if (attempt->edns && (usable || refuses_edns) && !message->edns.present)
        server->plain_until = mono_add(now, REMEMBER_MS);
    if (usable)
        return USE;
    return refuses_edns ? ASK_PLAIN : ASK_NEXT;
}

static void act_on_response(struct fetch *fetch, struct attempt *attempt, const uint8_t *response,
                            size_t size)
{
    struct message *message = fetch->fetcher->message;
    struct upstream_server *server = &attempt->upstream->servers[attempt->server];
    if (message_parse(message, response, size) != ERR_OK || !is_response(message)) {
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
        ask_server(fetch, attempt->server,
                   attempt->way == FORWARD_TCP && !message->edns.present ? FORWARD_TCP
                                                                         : FORWARD_PLAIN);
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

/* Puts the position option into the OPT record that a query ends with. Returns the bytes added. */
static size_t add_position(const struct fetch *fetch, uint8_t *query, size_t size)
{
    enum { RDLENGTH_SIZE = 2 };
    size_t option = position_write_query(fetch->wanted, query + size);
    wire_put_u16(query + size - RDLENGTH_SIZE, (uint16_t)option);
    return option;
}

static int write_query(const struct fetch *fetch, const struct attempt *attempt,
                       uint8_t query[MAX_QUERY_SIZE])
{
    struct query_shape shape = {
        .edns = attempt->edns,
        .dnssec_ok = fetch->request.dnssec_ok,
        .checking_disabled = fetch->request.checking_disabled,
    };
    arc4random_buf(&shape.id, sizeof shape.id);
    int size = build_query(query, MAX_QUERY_SIZE, &attempt->asked, &shape);
    if (size > 0 && attempt->edns && fetch->wanted)
        size += (int)add_position(fetch, query, (size_t)size);
    if (size > 0) /* AD in a query: "tell me whether you validated" (RFC 6840 5.7) */
        wire_put_u16(query + 2, wire_get_u16(query + 2) | FLAG_AD);
    return size;
}

/* Arms the timer for whichever comes first, the next attempt or the deadline. */
static void wait_at_most(struct fetch *fetch, uint32_t patience_ms)
{
    struct mono now = mono_now();
    uint64_t left =
        mono_reached(now, fetch->request.deadline) ? 0 : fetch->request.deadline.ms - now.ms;
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
    attempt->edns = way == FORWARD_EDNS ||
                    (way == FORWARD_TCP && mono_reached(mono_now(), server->plain_until));
    uint8_t query[MAX_QUERY_SIZE];
    int size = write_query(fetch, attempt, query);
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
    uint32_t all =
        upstream->count == UPSTREAM_MAX_SERVERS ? UINT32_MAX : (1u << upstream->count) - 1;
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
    if (fetch->resting) {
        fetch->resting = false;
        ask(fetch);
        return;
    }
    DL_FOREACH (fetch->attempts, attempt) {
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
    fetch->pause_ms = BEHIND_FIRST_PAUSE_MS;
    if (request->upstream->parents) {
        fetch->wanted = calloc(1, sizeof *fetch->wanted);
        if (!fetch->wanted) {
            event_free(fetch->timer);
            free(fetch);
            return NULL;
        }
        positions_wanted_now(fetcher->positions, fetch->wanted);
    }
    upstream_ref(request->upstream);
    chain_start(&fetch->chain, &fetch->question, request->dnssec_ok);
    if (mono_reached(mono_now(), request->deadline))
        wait_at_most(fetch, 0);
    else
        ask(fetch);
    return fetch;
}
