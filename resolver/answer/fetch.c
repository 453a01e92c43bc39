#include "resolver/answer/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/build.h"
#include "resolver/answer/chain.h"
#include "resolver/daemon/clock.h"
#include "resolver/answer/entropy.h"
#include "resolver/answer/pool.h"

enum {
    MAX_QUERY_SIZE = DNS_HEADER_SIZE + NAME_MAX_SIZE + 4 + DNS_OPT_SIZE + POSITION_QUERY_SIZE,
    KEPT = 2048,                  /* fetches, and queries, whose memory waits for the next */
    ROUNDS = 3,                   /* each server is asked at most this often per step */
    BEHIND_FIRST_PAUSE_MS = 1,    /* before a parent that is behind is asked again; then doubled */
    BEHIND_LAST_PAUSE_MS = 64,    /* past this, its answer is taken for what it is */
    REMEMBER_MS = 10 * 60 * 1000, /* that a server does not speak EDNS, or does not keep spelling */
};

/* One query to one server. Outlives its fetch when that ends first. */
struct attempt {
    struct forward_request request;
    struct attempt *prev, *next;
    struct fetcher *fetcher;
    struct fetch *fetch; /* NULL when the fetch has ended */
    struct upstream *upstream;
    size_t server;
    enum forward_way way;
    uint8_t step; /* of the fetch when this was sent */
    bool edns;    /* the query had OPT */
    bool counted; /* as a timeout already */
    uint64_t sent_us;
};

static_assert((int)MAX_QUERY_SIZE <= (int)PORTS_MAX_QUERY, "every query fits a udp_query");

struct fetch {
    struct wheel_timer timer;
    struct fetcher *fetcher;
    struct fetch_request request;
    struct question question;
    struct chain chain;
    struct attempt *attempts;    /* under way */
    uint32_t tried;              /* servers asked in this round, a bit each */
    uint8_t sent;                /* queries sent in this step */
    uint8_t step;                /* chain continuations, and starts from anew */
    bool resting;                /* before asking a parent again */
    bool behind;                 /* some response was older than we are */
    bool by_parent;              /* a parent was asked, perhaps for a part of the chain only */
    uint32_t pause_ms;           /* the next rest */
    struct position_set *wanted; /* what a parent must have applied; NULL: not asking a parent */
    int ede;                     /* why nothing came of it so far */
};

struct fetcher {
    struct wheel *wheel;
    struct pool fetches, attempts;
    struct entropy entropy;
    uint64_t now_us; /* when the callback that runs began */
    const struct validity *validity;
    struct positions *positions;
    struct message *message;
    struct builder builder;
    struct answer answer;
    uint8_t canonical[NAME_MAX_SIZE]; /* the question's name, for the answer's dependencies */
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
    fetcher->fetches = pool_of(sizeof(struct fetch), KEPT);
    fetcher->attempts = pool_of(sizeof(struct attempt), KEPT);
    fetcher->validity = validity;
    fetcher->positions = positions;
    fetcher->wheel = wheel_new(base);
    fetcher->message = message_new();
    if (!fetcher->wheel || !fetcher->message) {
        fetcher_free(fetcher);
        return NULL;
    }
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    wheel_free(fetcher->wheel);
    message_free(fetcher->message);
    pool_drain(&fetcher->fetches);
    pool_drain(&fetcher->attempts);
    free(fetcher);
}

struct wheel *fetcher_wheel(struct fetcher *fetcher)
{
    return fetcher->wheel;
}

/* The time, read once per callback: thousands may come between two looks at the clock otherwise. */
static struct mono look_at_clock(struct fetcher *fetcher)
{
    fetcher->now_us = mono_now_us();
    return (struct mono){fetcher->now_us / 1000};
}

static struct mono now_of(const struct fetcher *fetcher)
{
    return (struct mono){fetcher->now_us / 1000};
}

void fetch_cancel(struct fetch *fetch)
{
    if (!fetch)
        return;
    struct attempt *attempt, *next;
    DL_FOREACH_SAFE (fetch->attempts, attempt, next)
        attempt->fetch = NULL;
    chain_free(&fetch->chain);
    wheel_stop(fetch->fetcher->wheel, &fetch->timer);
    upstream_unref(fetch->request.upstream);
    free(fetch->wanted);
    pool_put(&fetch->fetcher->fetches, fetch);
}

/* Hands the answer over; the fetch is gone afterwards, its bytes are in the fetcher. */
static void finish(struct fetch *fetch, struct answer *answer)
{
    void (*done)(void *, struct answer *) = fetch->request.done;
    void *arg = fetch->request.arg;
    fetch_cancel(fetch);
    done(arg, answer);
}

static void depend_on_question(struct fetch *fetch, bool negative, struct answer *answer)
{
    uint8_t *canonical = fetch->fetcher->canonical;
    name_lower(fetch->question.name, fetch->question.name_size, canonical);
    validity_depend_on_question(fetch->fetcher->validity, canonical, negative,
                                &answer->dependencies);
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
    depend_on_question(fetch, false, answer);
    finish(fetch, answer);
}

static int depend_on(struct fetch *fetch, const uint8_t *name, bool negative, struct answer *answer)
{
    const struct validity *validity = fetch->fetcher->validity;
    uint8_t canonical[NAME_MAX_SIZE];
    if (name_equal(name, fetch->question.name))
        return ERR_OK;
    name_lower(name, name_size(name), canonical);
    answer->covered = answer->covered && validity_zone_of(validity, canonical, NULL);
    return validity_depend(validity, canonical, negative, &answer->dependencies);
}

/* Everything the answer says something about: the question, each link, the end. */
static int depend(struct fetch *fetch, enum chain_end end, struct answer *answer)
{
    bool negative = end != CHAIN_DATA;
    depend_on_question(fetch, negative && name_equal(fetch->chain.name, fetch->question.name),
                       answer);
    /* Signatures expire by themselves: no change tells of it. */
    answer->covered = !fetch->request.dnssec_ok && answer->dependencies.zone != ZONE_NONE;
    int error = ERR_OK;
    const struct selection *selection = &fetch->chain.selection;
    for (size_t i = 0; i < selection->count && !error; i++) {
        if (selection->items[i].section != SECTION_ANSWER)
            break;
        error = depend_on(fetch, selection->items[i].record.owner, false, answer);
    }
    return error ? error : depend_on(fetch, fetch->chain.name, negative, answer);
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
    answer->provisional = answer->secondhand = false;
    answer->elsewhere = 0;
    /* A parent shortens what it fetched while a change settled (P4): not for us to hold, then. */
    if (fetch->by_parent && lowest_ttl(&fetch->chain.selection) <= TTL_PROVISIONAL_SECONDS)
        answer->covered = false;
    answer->ede = EDE_NONE;
    answer->body = fetcher->wire + start;
    answer->body_size = (size_t)size - start;
    answer->ttl_offsets = fetcher->ttl_offsets;
    answer->ttl_count = builder->ttl_count;
    return true;
}

/* What the parent must have applied, when it is a parent that is asked. */
static int take_position(struct fetch *fetch)
{
    free(fetch->wanted);
    fetch->wanted = NULL;
    if (!fetch->request.upstream->parents)
        return ERR_OK;
    fetch->wanted = calloc(1, sizeof *fetch->wanted);
    if (!fetch->wanted)
        return ERR_MEMORY;
    fetch->by_parent = true;
    positions_wanted_now(fetch->fetcher->positions, fetch->wanted);
    return ERR_OK;
}

static bool leaves(const void *arg, const uint8_t *name)
{
    const struct fetch *fetch = arg;
    return fetch->request.choose(fetch->request.choose_arg, name) != fetch->request.upstream;
}

static void start_chain(struct fetch *fetch)
{
    chain_start(&fetch->chain, &fetch->question, fetch->request.dnssec_ok);
    if (fetch->request.choose) {
        fetch->chain.leaves = leaves;
        fetch->chain.leaves_arg = fetch;
    }
}

/* Turns to who is asked for the name where the chain stands. */
static int change_upstream(struct fetch *fetch)
{
    struct fetch_request *request = &fetch->request;
    if (!request->choose || !leaves(fetch, fetch->chain.name))
        return ERR_OK;
    upstream_unref(request->upstream);
    request->upstream = upstream_ref(request->choose(request->choose_arg, fetch->chain.name));
    return take_position(fetch);
}

static void ask(struct fetch *fetch);
static void ask_server(struct fetch *fetch, size_t server, enum forward_way way);

/* How a parent's response stands to what we have applied. */
enum place { PLACE_FINE, PLACE_BEHIND, PLACE_NO_POSITION };

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
    return found == 1 && parent.feed_id == fetch->wanted->feed_id ? PLACE_BEHIND
                                                                  : PLACE_NO_POSITION;
}

static void wait_at_most(struct fetch *fetch, uint32_t wait_ms);

/* From the question again, after a pause: the parent will have applied more by then. */
static void ask_again_later(struct fetch *fetch)
{
    chain_free(&fetch->chain);
    start_chain(fetch);
    if (change_upstream(fetch) != ERR_OK) {
        fail(fetch);
        return;
    }
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
    counter_add(place == PLACE_BEHIND ? &counters->behind : &counters->no_position, 1);
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
    if (end == CHAIN_CONTINUES && chain_keep(&fetch->chain) == ERR_OK &&
        change_upstream(fetch) == ERR_OK) {
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

/* The question's name in the query as it was sent. */
static uint8_t *spelled(struct attempt *attempt)
{
    return attempt->request.udp_query.bytes + DNS_HEADER_SIZE;
}

static bool same_spelling(const struct message *message, struct attempt *attempt)
{
    const struct question *question = &message->question;
    return question->name_size > 0 &&
           memcmp(question->name, spelled(attempt), question->name_size) == 0;
}

/* What to do about a response that arrived. */
enum verdict { USE, ASK_NEXT, ASK_PLAIN, ASK_TCP };

static enum verdict classify(const struct message *message, struct attempt *attempt,
                             struct upstream_server *server, struct mono now)
{
    if (!same_spelling(message, attempt)) {
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
    switch (classify(message, attempt, server, now_of(fetch->fetcher))) {
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
    struct mono now = look_at_clock(attempt->fetcher);
    if (status == ERR_OK)
        upstream_answered(server, (uint32_t)(attempt->fetcher->now_us - attempt->sent_us));
    else if (status == ERR_SYSTEM)
        upstream_refused(server, now);
    else if (!attempt->counted)
        upstream_timed_out(server, now);
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
    pool_put(&attempt->fetcher->attempts, attempt);
}

/* 0x20: each letter's case is a coin toss that the response must repeat. `name` is in lower case. */
static void randomise_case(struct entropy *entropy, uint8_t *name, size_t size)
{
    uint8_t coins[NAME_MAX_SIZE / 8 + 1];
    entropy_take(entropy, coins, size / 8 + 1);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)(name[i] - 'a') < 26)
            name[i] ^= (uint8_t)((coins[i / 8] >> (i % 8) & 1) << 5);
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

/* Writes the query into the udp_query. */
static void write_query(const struct fetch *fetch, struct attempt *attempt, bool random_case)
{
    struct entropy *entropy = &fetch->fetcher->entropy;
    struct udp_query *udp_query = &attempt->request.udp_query;
    struct question question;
    struct query_shape shape = {
        .edns = attempt->edns,
        .dnssec_ok = fetch->request.dnssec_ok,
        .checking_disabled = fetch->request.checking_disabled,
    };
    next_question(fetch, &question);
    entropy_take(entropy, &shape.id, sizeof shape.id);
    int size = build_query(udp_query->bytes, MAX_QUERY_SIZE, &question, &shape);
    assert(size > 0);
    if (attempt->edns && fetch->wanted)
        size += (int)add_position(fetch, udp_query->bytes, (size_t)size);
    /* AD in a query: "tell me whether you validated" (RFC 6840 5.7) */
    wire_put_u16(udp_query->bytes + 2, wire_get_u16(udp_query->bytes + 2) | FLAG_AD);
    if (random_case)
        randomise_case(entropy, spelled(attempt), question.name_size);
    udp_query->size = (uint16_t)size;
}

/* Arms the timer for whichever comes first, the next attempt or the deadline. */
static void wait_at_most(struct fetch *fetch, uint32_t wait_ms)
{
    struct mono now = now_of(fetch->fetcher), deadline = fetch->request.deadline;
    struct mono due = mono_add(now, wait_ms);
    wheel_start(fetch->fetcher->wheel, &fetch->timer, due.ms < deadline.ms ? due : deadline, now);
}

static struct attempt *attempt_new(struct fetch *fetch, size_t index, enum forward_way way)
{
    struct fetcher *fetcher = fetch->fetcher;
    struct attempt *attempt = pool_get(&fetcher->attempts);
    if (!attempt)
        return NULL;
    attempt->request.done = answered;
    attempt->fetcher = fetcher;
    attempt->fetch = fetch;
    attempt->upstream = upstream_ref(fetch->request.upstream);
    attempt->server = index;
    attempt->way = way;
    attempt->step = fetch->step;
    attempt->counted = false;
    attempt->sent_us = fetcher->now_us;
    DL_APPEND(fetch->attempts, attempt);
    return attempt;
}

static void ask_server(struct fetch *fetch, size_t index, enum forward_way way)
{
    struct upstream_server *server = &fetch->request.upstream->servers[index];
    struct mono now = now_of(fetch->fetcher);
    struct attempt *attempt = attempt_new(fetch, index, way);
    wait_at_most(fetch, upstream_retransmit_ms(server));
    fetch->tried |= 1u << index;
    fetch->sent++;
    if (!attempt)
        return;
    attempt->edns =
        way == FORWARD_EDNS || (way == FORWARD_TCP && mono_reached(now, server->plain_until));
    write_query(fetch, attempt, mono_reached(now, server->case_until));
    counter_add_shared(&server->stats->sent, 1);
    forward_send(server->forward, way, &attempt->request);
}

/* Asks the next server, or gives up when all were asked often enough. */
static void ask(struct fetch *fetch)
{
    struct upstream *upstream = fetch->request.upstream;
    struct mono now = now_of(fetch->fetcher);
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
static void retransmit(struct wheel_timer *timer, struct mono now)
{
    struct fetch *fetch = (struct fetch *)timer;
    struct attempt *attempt;
    look_at_clock(fetch->fetcher);
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

static void copy_question(const struct question *from, struct question *ret)
{
    memcpy(ret->name, from->name, from->name_size);
    ret->name_size = from->name_size;
    ret->type = from->type;
    ret->class = from->class;
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request)
{
    struct fetch *fetch = pool_get(&fetcher->fetches);
    if (!fetch)
        return NULL;
    fetch->fetcher = fetcher;
    fetch->request = *request;
    fetch->wanted = NULL;
    fetch->by_parent = false;
    if (take_position(fetch) != ERR_OK) {
        pool_put(&fetcher->fetches, fetch);
        return NULL;
    }
    copy_question(request->question, &fetch->question);
    fetch->request.question = &fetch->question;
    fetch->timer = (struct wheel_timer){.ring = retransmit};
    fetch->attempts = NULL;
    fetch->tried = 0;
    fetch->sent = fetch->step = 0;
    fetch->resting = fetch->behind = false;
    fetch->ede = EDE_NO_REACHABLE_AUTHORITY;
    fetch->pause_ms = BEHIND_FIRST_PAUSE_MS;
    upstream_ref(request->upstream);
    start_chain(fetch);
    if (mono_reached(look_at_clock(fetcher), request->deadline))
        wait_at_most(fetch, 0);
    else
        ask(fetch);
    return fetch;
}
