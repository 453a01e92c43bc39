/*
 * test_crowds.c - more questions and more clients than there is room for: who makes room, and what the others notice.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "resolver/answer/delivery.h"
#include "resolver/answer/query.h"
#include "resolver/answer/silence.h"
#include "tests/unit/fake/source.h"

enum {
    TIMEOUT_MS = 5000,
    STALE_AFTER_MS = 1800,
    FLOODER = 0x0a000001, /* 10.0.0.1 */
    OTHER = 0x0a010001,   /* 10.1.0.1 */
};

/* Those who ask, as one: what they got. */
struct crowd {
    size_t replies, failures, right, holds;
    int ede;
    uint32_t ttl; /* of the last right one */
};

static struct fixture {
    struct world world;
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct fetcher *fetcher;
    struct fake_source source, other; /* `other`: for example.net. */
    struct tier_worker tier;
    struct crowd flood, others;
    struct message *message;
    size_t told; /* how often somebody had too much */
    char blamed[NAME_MAX_TEXT];
    uint32_t blamed_client;
} f;

/* ---- clients -------------------------------------------------------------------------------- */

static void take(struct crowd *crowd, const uint8_t *bytes, size_t size)
{
    assert_int_equal(message_parse(f.message, bytes, size), ERR_OK);
    crowd->replies++;
    crowd->failures += f.message->rcode == RCODE_SERVFAIL;
    if (f.message->answer_count > 0) {
        crowd->right++;
        crowd->ttl = f.message->records[0].ttl;
    }
    struct wire_reader reader = wire_reader(f.message->edns.options, f.message->edns.options_size);
    while (wire_left(&reader) > 0) {
        uint16_t code = wire_read_u16(&reader), length = wire_read_u16(&reader);
        const uint8_t *option = wire_read(&reader, length);
        if (code == EDNS_OPTION_EDE)
            crowd->ede = wire_get_u16(option);
    }
}

static void send_reply(const struct client *client, const uint8_t *bytes, size_t size)
{
    take(client->endpoint, bytes, size);
}

static void hold(void *endpoint)
{
    ((struct crowd *)endpoint)->holds++;
}

static void release(void *endpoint)
{
    ((struct crowd *)endpoint)->holds--;
}

static const struct transport transport = {.send = send_reply, .hold = hold, .release = release};

static void ask(struct crowd *crowd, uint32_t address, const char *name)
{
    uint8_t query[512], reply[DNS_EDNS_UDP];
    struct question question = fake_question(name, TYPE_A);
    int size = build_query(query, sizeof query, &question, &(struct query_shape){.edns = true});
    assert_true(size > 0);
    struct client client = {.transport = &transport, .endpoint = crowd};
    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_addr.s_addr = htonl(address);
    struct query_input input = {
        .bytes = query, .size = (size_t)size, .client = &client, .now = f.world.now};
    size_t length = query_handle(&f.tier, &input, reply);
    if (length > 0)
        take(crowd, reply, length);
}

/* Names below a zone, from as many addresses as `spread` says. */
static void flood(const char *zone, size_t count, uint32_t spread)
{
    char name[128];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "r%zu.%s", i, zone);
        ask(&f.flood, (uint32_t)(FLOODER + i % spread * 0x101), name);
    }
}

/* ---- the tier ------------------------------------------------------------------------------- */

static void full(void *arg, const struct inflight_holder *holder)
{
    (void)arg;
    f.told++;
    f.blamed[0] = '\0';
    if (holder->zone)
        name_to_text(holder->zone, f.blamed);
    f.blamed_client = holder->client ? ntohl(holder->client->in.sin_addr.s_addr) : 0;
}

static int open_with(const struct ttl_policy *policy)
{
    uint8_t zone[NAME_MAX_SIZE], routed[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    memset(&f, 0, sizeof f);
    world_open(&f.world);
    assert_true(name_from_text("example.com.", zone) > 0);
    assert_true(name_from_text("example.net.", routed) > 0);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 1024, .key = 1});
    f.positions = positions_new(f.validity, 4000, (struct mono){1});
    f.store = store_new(&(struct store_options){
        .size = 1 << 20, .shards = 1, .policy = *policy, .validity = f.validity});
    f.fetcher = fetcher_new(f.world.wheel, f.validity);
    f.message = message_new();
    fake_source_open(&f.source, &f.world);
    fake_source_open(&f.other, &f.world);
    struct routes *routes = routes_new(source_ref(&f.source.source));
    assert_int_equal(routes_add(routes, routed, source_ref(&f.other.source)), ERR_OK);
    f.tier = (struct tier_worker){.store = f.store,
                                  .validity = f.validity,
                                  .positions = f.positions,
                                  .resolve_timeout_ms = TIMEOUT_MS};
    f.tier.inflight = inflight_new(&(struct inflight_options){.fetcher = f.fetcher,
                                                              .validity = f.validity,
                                                              .store = f.store,
                                                              .routes = routes,
                                                              .full = full});
    return f.tier.inflight ? 0 : -1;
}

static const struct ttl_policy plain = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 3600};

static int setup(void **state)
{
    (void)state;
    return open_with(&plain);
}

static int setup_stale(void **state)
{
    (void)state;
    struct ttl_policy policy = plain;
    policy.serve_stale = 3600;
    return open_with(&policy);
}

static int teardown(void **state)
{
    (void)state;
    inflight_free(f.tier.inflight);
    admission_unref(f.tier.admission);
    assert_int_equal(f.flood.holds, 0);
    assert_int_equal(f.others.holds, 0);
    fake_source_close(&f.source);
    fake_source_close(&f.other);
    fetcher_free(f.fetcher);
    store_free(f.store);
    positions_free(f.positions);
    validity_free(f.validity);
    message_free(f.message);
    world_close(&f.world);
    return 0;
}

static uint64_t displaced(void)
{
    return counter_get(&inflight_counters(f.tier.inflight)->displaced);
}

static const struct fake_reply www = {.flags = FLAG_AA,
                                      .answer = {"www.example.net. 60 A 192.0.2.1"}};

/* Somebody else's question behind another upstream is answered as ever. */
static void expect_others_served(void)
{
    ask(&f.others, OTHER, "www.example.net.");
    assert_int_equal(fake_source_waiting(&f.other), 1);
    fake_source_reply(&f.other, &www);
    assert_int_equal(f.others.right, 1);
    assert_int_equal(f.others.failures, 0);
}

/* ---- questions ------------------------------------------------------------------------------ */

static void a_flood_displaces_itself(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "slow.example.org."); /* older than all of it */
    flood("silent.example.", INFLIGHT_MAX_JOBS + 100, 1);
    assert_int_equal(f.flood.failures, 101);
    assert_int_equal(f.flood.ede, EDE_NETWORK_ERROR);
    assert_int_equal(displaced(), 101);
    assert_int_equal(f.told, 101);
    assert_string_equal(f.blamed, "silent.example.");
    expect_others_served();
    assert_int_equal(f.others.holds, 1); /* the slow one still waits */
}

static void from_however_many_addresses(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "slow.example.org.");
    flood("deep.silent.example.", INFLIGHT_MAX_JOBS + 100, 5000);
    assert_string_equal(f.blamed, "deep.silent.example.");
    assert_int_equal(f.flood.failures, 101);
    expect_others_served();
    assert_int_equal(f.others.holds, 1);
}

/* Names that have nothing in common: it is the client. */
static void for_whatever_names(void **state)
{
    (void)state;
    char name[64];
    ask(&f.others, OTHER, "slow.example.org.");
    for (size_t i = 0; i < INFLIGHT_MAX_JOBS + 100; i++) {
        snprintf(name, sizeof name, "www.z%zu.t%zu.", i, i % 500);
        ask(&f.flood, FLOODER, name);
    }
    assert_int_equal(f.blamed_client, FLOODER);
    assert_int_equal(f.flood.failures, 101);
    expect_others_served();
    assert_int_equal(f.others.holds, 1);
}

/* Neither names nor addresses have anything in common: it is the upstream. */
static void for_whatever_names_of_whomever(void **state)
{
    (void)state;
    char name[64];
    ask(&f.others, OTHER, "slow.example.net.");
    for (size_t i = 0; i < INFLIGHT_MAX_JOBS + 100; i++) {
        snprintf(name, sizeof name, "www.z%zu.t%zu.", i, i % 5000);
        ask(&f.flood, (uint32_t)(FLOODER + i * 0x101), name);
    }
    assert_string_equal(f.blamed, "");
    assert_int_equal(f.blamed_client, 0);
    assert_int_equal(f.flood.failures, 101);
    assert_int_equal(f.others.failures, 0);
    assert_int_equal(f.others.holds, 1);
}

/* What nobody waits for displaces nobody. */
static void a_prefetch_does_not(void **state)
{
    (void)state;
    flood("silent.example.", INFLIGHT_MAX_JOBS, 1);
    struct question question = fake_question("aging.example.org.", TYPE_A);
    struct answer_key key;
    store_key_variant(f.store, question.name, TYPE_A, 0, &key);
    inflight_prefetch(f.tier.inflight, &key, &question, f.world.now, TIMEOUT_MS);
    assert_int_equal(displaced(), 0);
    assert_int_equal(f.source.asked, INFLIGHT_MAX_JOBS);
}

/* What a prefetch brings and nobody keeps, nobody was told either: what is held stays. */
static void a_prefetch_in_vain_costs_nothing(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    world_pass(&f.world, 10 * 1000);
    struct question question = fake_question("www.example.net.", TYPE_A);
    struct answer_key key;
    store_key_variant(f.store, question.name, TYPE_A, 0, &key);
    inflight_prefetch(f.tier.inflight, &key, &question, f.world.now, TIMEOUT_MS);
    fake_source_reply(&f.other, &(struct fake_reply){.answer = {"www.example.net. 0 A 192.0.2.1"}});
    ask(&f.others, OTHER, "www.example.net.");
    assert_int_equal(f.other.asked, 2);
    assert_int_equal(f.others.right, 2);
}

static void what_is_held_comes_before_a_refusal(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    world_pass(&f.world, 61 * 1000);
    ask(&f.others, OTHER, "www.example.net."); /* by the flooder's network, and its first */
    flood("example.net.", INFLIGHT_MAX_JOBS, 1);
    assert_int_equal(displaced(), 1);
    assert_int_equal(f.others.replies, 2);
    assert_int_equal(f.others.right, 2);
    assert_int_equal(f.others.failures, 0);
}

/* ---- those for whom nobody answers ---------------------------------------------------------- */

enum {
    MANY = INFLIGHT_MAX_JOBS / 4 * 3 + 1
}; /* that are a silence: by name each has a zone of its own */

/* So many names below a zone; none is answered, and the next questions find that out. */
static void silence(const char *zone)
{
    flood(zone, MANY - 1, 1);
    world_pass(&f.world, SILENCE_MS);
    assert_int_equal(f.flood.failures, 0);
    flood(zone, MANY, 1); /* all but one are under way */
    assert_int_equal(f.flood.failures, 0);
}

/* Names that nobody has asked for yet. */
static void flood_anew(const char *zone, size_t count)
{
    static unsigned turn;
    char below[64];
    snprintf(below, sizeof below, "t%u.%s", turn++, zone);
    flood(below, count, 1);
}

static uint64_t in_vain(void)
{
    return counter_get(&inflight_counters(f.tier.inflight)->in_vain);
}

static void where_nobody_answers_nothing_is_asked(void **state)
{
    (void)state;
    silence("www.silent.example.");
    const size_t asked = f.source.asked;
    flood_anew("www.silent.example.", 1000);
    assert_int_equal(f.flood.failures, 1000);
    assert_int_equal(f.flood.ede, EDE_NO_REACHABLE_AUTHORITY);
    assert_int_equal(f.source.asked, asked);
    assert_int_equal(in_vain(), 1000);
    assert_int_equal(f.told, 0);
    for (size_t i = 1; i <= 20; i++) {
        world_pass(&f.world, SILENCE_PROBE_MS);
        flood_anew("www.silent.example.", 100);
        assert_int_equal(f.source.asked, asked + i);
    }
    assert_int_equal(f.told, 20);
    assert_string_equal(f.blamed, "www.silent.example.");
    expect_others_served();
    assert_int_equal(displaced(), 0);
}

/* The answer to any question, whatever it says: here, that there is no such name. */
static void an_answer_ends_the_silence(void **state)
{
    (void)state;
    silence("silent.example.");
    flood_anew("silent.example.", 100);
    assert_int_equal(f.flood.failures, 100);
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY); /* that is none, for two */
    flood_anew("silent.example.", 100);
    assert_int_equal(f.flood.failures, 202);
    fake_source_reply(
        &f.source, &(struct fake_reply){.rcode = RCODE_NXDOMAIN,
                                        .flags = FLAG_AA,
                                        .authority = {"silent.example. 60 SOA ns. h. 1 2 3 4 5"}});
    flood_anew("silent.example.", 100);
    assert_int_equal(f.flood.failures, 202);
    assert_int_equal(in_vain(), 200);
}

/* What is under way comes to its end; who asks for little then is not told that there is too much. */
static void the_modest_may_ask_in_the_silence(void **state)
{
    (void)state;
    silence("silent.example.");
    ask(&f.others, OTHER, "one.silent.example.");
    assert_int_equal(f.others.failures, 1);
    for (size_t i = SILENCE_FEW; i <= MANY; i++)
        fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    ask(&f.others, OTHER, "two.silent.example.");
    assert_int_equal(f.others.failures, 1);
    flood_anew("silent.example.", 100);
    assert_int_equal(in_vain(), 101);
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
}

/* x.co.test. floods: y.co.test. is told apart by what it answers, and, by the name alone, z.co.test. from both. */
static void a_zone_is_not_silent_for_its_neighbours(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "www.y.co.test.");
    fake_source_reply(&f.source, &(struct fake_reply){.answer = {"www.y.co.test. 60 A 192.0.2.1"}});
    world_pass(&f.world, SILENCE_MS);
    silence("x.co.test.");
    flood_anew("x.co.test.", 100);
    assert_int_equal(in_vain(), 100);
    ask(&f.others, FLOODER, "mail.y.co.test."); /* of the network that floods */
    ask(&f.others, OTHER, "www.z.co.test.");
    assert_int_equal(f.others.failures, 0);
    assert_int_equal(f.others.holds, 2);
}

/* A zone in which each name has a zone of its own by three labels. */
static void a_wider_zone_may_be_silent(void **state)
{
    (void)state;
    char name[64];
    for (size_t i = 0; i < MANY + 99; i++) {
        if (i == MANY - 1)
            world_pass(&f.world, SILENCE_MS);
        snprintf(name, sizeof name, "www.z%zu.silent.test.", i);
        ask(&f.flood, FLOODER, name);
    }
    assert_int_equal(in_vain(), 99);
    assert_int_equal(f.flood.failures, 99);
    ask(&f.others, OTHER, "www.example.test.");
    assert_int_equal(f.others.holds, 1);
}

/* Who was heard a moment ago may be back in another: nobody is refused while there is room. */
static void for_those_who_were_heard_there_is_hope(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "www.silent.example.");
    fake_source_reply(&f.source,
                      &(struct fake_reply){.answer = {"www.silent.example. 60 A 192.0.2.1"}});
    flood("silent.example.", INFLIGHT_MAX_JOBS - 1, 1);
    world_pass(&f.world, 4 * SILENCE_MS);
    flood_anew("silent.example.", 1); /* is known then */
    assert_int_equal(in_vain(), 0);
    flood_anew("silent.example.", 1000);
    assert_int_equal(in_vain(), 1000);
    assert_int_equal(displaced(), 0);
    ask(&f.others, OTHER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    assert_int_equal(f.others.right, 2);
}

/* However few: they had all of their time. */
static void those_who_had_their_time_are_a_silence(void **state)
{
    (void)state;
    flood("silent.example.", 2 * SILENCE_FEW, 1);
    world_pass(&f.world, 4 * SILENCE_MS);
    flood_anew("silent.example.", 1); /* they may be answered yet */
    assert_int_equal(in_vain(), 0);
    for (size_t i = 0; i < SILENCE_FEW; i++)
        fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    flood_anew("silent.example.", 1); /* is known then */
    flood_anew("silent.example.", 100);
    assert_int_equal(in_vain(), 100);
}

/* Nobody asks for a while: it was the flood's silence. */
static void a_silence_is_forgotten(void **state)
{
    (void)state;
    silence("silent.example.");
    world_pass(&f.world, SILENCE_FORGET_MS);
    flood_anew("silent.example.", 1);
    assert_int_equal(in_vain(), 0);
}

static void what_is_held_is_given_in_the_silence(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "www.silent.example.");
    fake_source_reply(&f.source,
                      &(struct fake_reply){.answer = {"www.silent.example. 1 A 192.0.2.1"}});
    world_pass(&f.world, SILENCE_HOPE_MS);
    silence("silent.example.");
    ask(&f.others, FLOODER, "www.silent.example.");
    assert_int_equal(in_vain(), 1);
    assert_int_equal(f.others.right, 2);
    assert_int_equal(f.others.ede, EDE_STALE_ANSWER);
    assert_int_equal(f.others.ttl, 30);
}

/* What brings silence to one is told apart from others by a number: when there are too many, old ones are forgotten. */
static void more_than_can_be_remembered(void **state)
{
    (void)state;
    struct silences *silences = silences_new(1000);
    struct mono now = {1000};
    for (uint64_t who = 1; who < 100 * 1000; who++) {
        now = mono_add(now, 1);
        silence_asked(silences, 7777777, SILENCE_FEW + 1, false, now);
        silence_asked(silences, who * UINT64_C(0x9e3779b97f4a7c15), 1, false, now);
    }
    assert_int_equal(silence_of(silences, 7777777, now), SILENCE_TOTAL);
    assert_true(silences_any(silences));
    silence_heard(silences, 7777777, now);
    assert_false(silences_any(silences));
    silences_free(silences);
}

/* ---- clients -------------------------------------------------------------------------------- */

static void many_who_wait_for_one_name_displace_themselves(void **state)
{
    (void)state;
    ask(&f.others, OTHER, "slow.example.org.");
    for (size_t i = 0; i < INFLIGHT_MAX_WAITERS; i++)
        ask(&f.flood, FLOODER, "www.example.org.");
    assert_int_equal(f.flood.failures, 1);
    assert_int_equal(f.blamed_client, FLOODER);
    assert_int_equal(counter_get(&inflight_counters(f.tier.inflight)->displaced_clients), 1);
    expect_others_served();
    assert_int_equal(f.others.holds, 1);
}

/* Those whose answer is there make room before anybody is refused. */
static void whose_answer_is_there_are_not_displaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < INFLIGHT_MAX_WAITERS; i++)
        ask(&f.flood, FLOODER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    for (size_t i = 0; i < 3 * DELIVERY_SLICE; i++)
        ask(&f.others, OTHER, "slow.example.org.");
    assert_int_equal(f.flood.failures, 0);
    assert_int_equal(f.others.failures, 0);
    assert_in_range(f.flood.right, 3 * DELIVERY_SLICE, 4 * DELIVERY_SLICE);
}

static void they_are_answered_in_slices(void **state)
{
    (void)state;
    enum { CLIENTS = 10 * DELIVERY_SLICE };
    for (size_t i = 0; i < CLIENTS; i++)
        ask(&f.flood, FLOODER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    assert_int_equal(f.flood.right, DELIVERY_SLICE);
    ask(&f.others, OTHER, "www.example.net."); /* one who comes meanwhile is not behind them */
    assert_int_equal(f.others.right, 1);
    world_pass(&f.world, 3);
    assert_in_range(f.flood.right, DELIVERY_SLICE + 1, 4 * DELIVERY_SLICE);
    world_pass(&f.world, 10);
    assert_int_equal(f.flood.right, CLIENTS);
    assert_int_equal(inflight_waiters(f.tier.inflight), 0);
}

/* A change while they are answered: those who are left asked before it, and may have it, to use once. */
static void a_change_comes_between_slices(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.flags = FLAG_AA,
                                            .answer = {"www.example.com. 60 A 192.0.2.1"}};
    enum { CLIENTS = 3 * DELIVERY_SLICE };
    for (size_t i = 0; i < CLIENTS; i++)
        ask(&f.flood, FLOODER, "www.example.com.");
    fake_source_reply(&f.source, &reply);
    assert_int_equal(f.flood.ttl, 60);
    struct question question = fake_question("www.example.com.", TYPE_A);
    validity_mark_name(f.validity, question.name);
    validity_commit(f.validity, world_ms(&f.world));
    world_pass(&f.world, 10);
    assert_int_equal(f.flood.right, CLIENTS);
    assert_int_equal(f.flood.ttl, 0);
}

static void failures_and_stale_answers_are_too(void **state)
{
    (void)state;
    enum { CLIENTS = 3 * DELIVERY_SLICE };
    ask(&f.others, OTHER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    world_pass(&f.world, 61 * 1000);
    for (size_t i = 0; i < CLIENTS; i++) {
        ask(&f.flood, FLOODER, "www.example.net.");
        ask(&f.others, OTHER, "other.example.net.");
    }
    fake_source_fail(&f.other, EDE_NETWORK_ERROR);
    fake_source_fail(&f.other, EDE_NETWORK_ERROR);
    assert_int_equal(f.flood.right, 2 * DELIVERY_SLICE);
    assert_int_equal(f.others.failures, DELIVERY_SLICE);
    world_pass(&f.world, 10);
    assert_int_equal(f.flood.right, CLIENTS);
    assert_int_equal(f.others.failures, CLIENTS);
}

static void stale_answers_for_those_who_waited_too(void **state)
{
    (void)state;
    enum { CLIENTS = 3 * DELIVERY_SLICE };
    ask(&f.others, OTHER, "www.example.net.");
    fake_source_reply(&f.other, &www);
    world_pass(&f.world, 61 * 1000);
    for (size_t i = 0; i < CLIENTS; i++)
        ask(&f.flood, FLOODER, "www.example.net.");
    world_pass(&f.world, STALE_AFTER_MS);
    assert_int_equal(f.flood.right, DELIVERY_SLICE);
    world_pass(&f.world, 10);
    assert_int_equal(f.flood.right, CLIENTS);
}

static void giving_up_answers_all_at_once(void **state)
{
    (void)state;
    enum { CLIENTS = 3 * DELIVERY_SLICE };
    for (size_t i = 0; i < CLIENTS; i++) {
        ask(&f.flood, FLOODER, "www.example.net.");
        ask(&f.others, OTHER, "other.example.net.");
    }
    fake_source_reply(&f.other, &www);
    inflight_give_up(f.tier.inflight, world_ms(&f.world));
    assert_int_equal(f.flood.right, CLIENTS);
    assert_int_equal(f.others.failures, CLIENTS);
}

/* ---- caches of their own -------------------------------------------------------------------- */

static void the_fetch_is_shared_and_the_answer_is_not(void **state)
{
    (void)state;
    enum { CLIENTS = 2000 };
    f.tier.per_client = true;
    for (uint32_t i = 0; i < CLIENTS; i++)
        ask(&f.flood, FLOODER + i, "www.example.net.");
    assert_int_equal(f.other.asked, 1);
    fake_source_reply(&f.other, &www);
    world_pass(&f.world, 100);
    assert_int_equal(f.flood.right, CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i += 100)
        ask(&f.flood, FLOODER + i, "www.example.net."); /* each has it now */
    assert_int_equal(f.flood.right, CLIENTS + CLIENTS / 100);
    assert_int_equal(f.other.asked, 1);
    struct store_counters counters;
    store_count(f.store, &counters);
    assert_int_equal(counters.replaced + counters.late, 0); /* each was kept once */
    ask(&f.others, OTHER, "www.example.net.");              /* who has not asked has not */
    assert_int_equal(f.other.asked, 2);
    assert_int_equal(f.others.holds, 1);
}

/* ---- who may ask ---------------------------------------------------------------------------- */

enum { PUBLIC = 0xc6336464 }; /* 198.51.100.100 */

static uint32_t unix_now(void)
{
    return 1559731985;
}

static void guard(const struct admission_options *options)
{
    static const struct access_rule rules[] = {
        {.family = AF_INET, .bits = 8, .bytes = {10}, .access = ACCESS_ALLOW},
        {.family = AF_INET, .bits = 8, .bytes = {10}, .access = ACCESS_NEAR},
        {.family = AF_INET, .bits = 24, .bytes = {198, 51, 100}, .access = ACCESS_ALLOW},
        {.family = AF_INET, .bits = 16, .bytes = {10, 9}, .access = ACCESS_DROP},
    };
    struct admission_options all = *options;
    all.rules = rules;
    all.rule_count = sizeof rules / sizeof *rules;
    all.secrets.count = 1;
    all.unix_now = unix_now;
    f.tier.admission = admission_new(&all);
    assert_non_null(f.tier.admission);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    guard(&(struct admission_options){.rule_count = 0});
    ask(&f.flood, 0xcb007101, "www.example.net."); /* 203.0.113.1 */
    assert_int_equal(f.message->rcode, RCODE_REFUSED);
    assert_int_equal(f.flood.ede, EDE_PROHIBITED);
    ask(&f.flood, 0x0a090001, "www.example.net.");
    assert_int_equal(f.flood.replies, 1);
    assert_int_equal(f.other.asked, 0);
    expect_others_served();
    assert_int_equal(counter_get(&f.tier.counters.clients_refused), 1);
    assert_int_equal(counter_get(&f.tier.counters.clients_dropped), 1);
}

static void the_public_is_limited_and_neighbours_are_not(void **state)
{
    (void)state;
    guard(&(struct admission_options){.rate_limit = 20});
    expect_others_served();
    for (size_t i = 0; i < 100; i++) {
        ask(&f.flood, PUBLIC, "www.example.net.");
        ask(&f.others, OTHER, "www.example.net.");
    }
    assert_int_equal(f.others.right, 101);
    assert_int_equal(f.flood.right, 20);
    assert_int_equal(f.flood.replies, 20 + 40); /* every other one with TC */
    assert_int_equal(counter_get(&f.tier.counters.limited), 80);
    assert_int_equal(counter_get(&f.tier.counters.slipped), 40);
}

static void without_cookies_it_is_sent_to_tcp(void **state)
{
    (void)state;
    guard(&(struct admission_options){.require_cookies = true});
    expect_others_served();
    ask(&f.flood, PUBLIC, "www.example.net.");
    assert_int_equal(f.flood.right, 0);
    assert_true(f.message->flags & FLAG_TC);
    assert_int_equal(counter_get(&f.tier.counters.bad_cookies), 1);
}

int main(void)
{
#define TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STALE(f) cmocka_unit_test_setup_teardown(f, setup_stale, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_flood_displaces_itself),
        TEST(from_however_many_addresses),
        TEST(for_whatever_names),
        TEST(for_whatever_names_of_whomever),
        TEST(a_prefetch_does_not),
        TEST(a_prefetch_in_vain_costs_nothing),
        STALE(what_is_held_comes_before_a_refusal),
        TEST(where_nobody_answers_nothing_is_asked),
        TEST(an_answer_ends_the_silence),
        TEST(the_modest_may_ask_in_the_silence),
        TEST(a_zone_is_not_silent_for_its_neighbours),
        TEST(a_wider_zone_may_be_silent),
        TEST(for_those_who_were_heard_there_is_hope),
        TEST(those_who_had_their_time_are_a_silence),
        TEST(a_silence_is_forgotten),
        STALE(what_is_held_is_given_in_the_silence),
        TEST(more_than_can_be_remembered),
        TEST(many_who_wait_for_one_name_displace_themselves),
        TEST(whose_answer_is_there_are_not_displaced),
        TEST(they_are_answered_in_slices),
        TEST(a_change_comes_between_slices),
        STALE(failures_and_stale_answers_are_too),
        STALE(stale_answers_for_those_who_waited_too),
        TEST(giving_up_answers_all_at_once),
        TEST(the_fetch_is_shared_and_the_answer_is_not),
        TEST(strangers_are_refused),
        TEST(the_public_is_limited_and_neighbours_are_not),
        TEST(without_cookies_it_is_sent_to_tcp),
    };
    return cmocka_run_group_tests_name("crowds", tests, NULL, NULL);
}
