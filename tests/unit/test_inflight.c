/*
 * test_inflight.c - one tier between made-up clients and a made-up source, while changes are applied: who joins whom,
 * who gets what, and what is kept.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>

#include "resolver/answer/query.h"
#include "tests/unit/fake/source.h"

enum { CLIENTS = 8, TIMEOUT_MS = 5000, SETTLE_MS = 2000, STALE_AFTER_MS = 1800 };

/* Someone who asks. */
struct fake_client {
    struct client client;
    size_t replies;
    unsigned holds;
    uint16_t rcode;
    uint16_t answers;
    uint8_t last_byte; /* of the last address: which version it is */
    uint32_t ttl;      /* of the first record */
    int ede;
};

static struct fixture {
    struct world world;
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct fetcher *fetcher;
    struct fake_source source, other; /* `other`: for example.net. */
    struct tier_worker tier;
    struct fake_client clients[CLIENTS];
    struct message *message;
} f;

/* ---- clients -------------------------------------------------------------------------------- */

static int ede_of(const struct edns *edns)
{
    struct wire_reader reader = wire_reader(edns->options, edns->options_size);
    while (wire_left(&reader) > 0) {
        uint16_t code = wire_read_u16(&reader), size = wire_read_u16(&reader);
        const uint8_t *bytes = wire_read(&reader, size);
        if (code == EDNS_OPTION_EDE)
            return wire_get_u16(bytes);
    }
    return EDE_NONE;
}

static void take(struct fake_client *client, const uint8_t *bytes, size_t size)
{
    const struct message *message = f.message;
    assert_int_equal(message_parse(f.message, bytes, size), ERR_OK);
    client->replies++;
    client->rcode = message->rcode;
    client->answers = message->answer_count;
    client->ede = ede_of(&message->edns);
    if (message->answer_count > 0) {
        const struct record *last = &message->records[message->answer_count - 1];
        client->last_byte = last->rdata[last->rdata_size - 1];
        client->ttl = message->records[0].ttl;
    }
}

static void send_reply(const struct client *client, const uint8_t *bytes, size_t size)
{
    take(client->endpoint, bytes, size);
}

static void hold(void *endpoint)
{
    ((struct fake_client *)endpoint)->holds++;
}

static void release(void *endpoint)
{
    ((struct fake_client *)endpoint)->holds--;
}

static const struct transport transport = {.send = send_reply, .hold = hold, .release = release};

/* Forgets what it has got so far. */
static void ask_for(size_t i, const char *name, const struct query_shape *shape)
{
    uint8_t query[512], reply[DNS_EDNS_UDP];
    struct fake_client *client = &f.clients[i];
    struct question question = fake_question(name, TYPE_A);
    int size = build_query(query, sizeof query, &question, shape);
    assert_true(size > 0);
    *client = (struct fake_client){.client = {.transport = &transport, .endpoint = client}};
    client->client.peer.in.sin_family = AF_INET;
    client->client.peer.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size_t length = query_handle(
        &f.tier,
        &(struct query_input){
            .bytes = query, .size = (size_t)size, .client = &client->client, .now = f.world.now},
        reply);
    if (length > 0)
        take(client, reply, length);
}

static void ask(size_t i, const char *name)
{
    ask_for(i, name, &(struct query_shape){.id = (uint16_t)i, .edns = true});
}

static void expect_version(size_t i, uint8_t version)
{
    assert_int_equal(f.clients[i].replies, 1);
    assert_int_equal(f.clients[i].rcode, RCODE_NOERROR);
    assert_int_equal(f.clients[i].last_byte, version);
    assert_int_equal(f.clients[i].holds, 0);
}

static void expect_waiting(size_t i)
{
    assert_int_equal(f.clients[i].replies, 0);
    assert_int_equal(f.clients[i].holds, 1);
}

/* ---- the tier ------------------------------------------------------------------------------- */

static void set_routes(void)
{
    uint8_t zone[NAME_MAX_SIZE];
    assert_true(name_from_text("example.net.", zone) > 0);
    struct routes *routes = routes_new(source_ref(&f.source.source));
    assert_int_equal(routes_add(routes, zone, source_ref(&f.other.source)), ERR_OK);
    if (f.tier.inflight)
        inflight_set_routes(f.tier.inflight, routes);
    else
        f.tier.inflight = inflight_new(&(struct inflight_options){
            .fetcher = f.fetcher, .validity = f.validity, .store = f.store, .routes = routes});
}

static int open_with(const struct ttl_policy *policy)
{
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    memset(&f, 0, sizeof f);
    world_open(&f.world);
    assert_true(name_from_text("example.com.", zone) > 0);
    f.validity = validity_new(&(struct validity_options){
        .zones = zones, .zone_count = 1, .marks = 1024, .key = 1, .settle_ms = SETTLE_MS});
    f.positions = positions_new(f.validity, 4000, (struct mono){1});
    f.store = store_new(&(struct store_options){
        .size = 1 << 20, .shards = 1, .policy = *policy, .validity = f.validity});
    f.fetcher = fetcher_new(f.world.wheel, f.validity);
    f.message = message_new();
    fake_source_open(&f.source, &f.world);
    fake_source_open(&f.other, &f.world);
    f.tier = (struct tier_worker){.store = f.store,
                                  .validity = f.validity,
                                  .positions = f.positions,
                                  .resolve_timeout_ms = TIMEOUT_MS};
    set_routes();
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

static int setup_max_ttl(void **state)
{
    (void)state;
    struct ttl_policy policy = plain;
    policy.max_ttl = 60;
    return open_with(&policy);
}

static int setup_min_ttl(void **state)
{
    (void)state;
    struct ttl_policy policy = plain;
    policy.min_ttl = 60;
    return open_with(&policy);
}

static int teardown(void **state)
{
    (void)state;
    inflight_free(f.tier.inflight);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(f.clients[i].holds, 0);
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

static const struct inflight_counters *counters(void)
{
    return inflight_counters(f.tier.inflight);
}

/* Answers of www.example.com., as they are from one change to the next. */
static const struct fake_reply v1 = {.flags = FLAG_AA,
                                     .answer = {"www.example.com. 60 A 192.0.2.1"}},
                               v2 = {.flags = FLAG_AA,
                                     .answer = {"www.example.com. 60 A 192.0.2.2"}};

/* A change of a name is applied. */
static void change(const char *name)
{
    struct question question = fake_question(name, TYPE_A);
    validity_mark_name(f.validity, question.name);
    validity_commit(f.validity, world_ms(&f.world));
}

static void change_below(const char *name)
{
    struct question question = fake_question(name, TYPE_A);
    validity_mark_subtree(f.validity, question.name);
    validity_commit(f.validity, world_ms(&f.world));
}

/* Long enough that nothing settles any more. */
static void settle(void)
{
    world_pass(&f.world, SETTLE_MS + 1000);
}

/* ---- one fetch for all ---------------------------------------------------------------------- */

static void identical_questions_share_a_fetch(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++)
        ask(i, i % 2 ? "www.example.com." : "WWW.example.com.");
    assert_int_equal(f.source.asked, 1);
    assert_int_equal(inflight_waiters(f.tier.inflight), CLIENTS);
    fake_source_reply(&f.source, &v1);
    for (size_t i = 0; i < CLIENTS; i++)
        expect_version(i, 1);
    assert_int_equal(inflight_waiters(f.tier.inflight), 0);
    ask(0, "www.example.com.");
    expect_version(0, 1);
    assert_int_equal(f.source.asked, 1);
    assert_int_equal(counter_get(&counters()->jobs), 1);
    assert_int_equal(counter_get(&counters()->joined), CLIENTS - 1);
}

static void different_questions_do_not(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    ask(1, "ftp.example.com.");
    ask_for(2, "www.example.com.", &(struct query_shape){.edns = true, .dnssec_ok = true});
    ask_for(3, "www.example.com.", &(struct query_shape){.checking_disabled = true});
    assert_int_equal(f.source.asked, 4);
}

static void a_question_goes_where_its_zone_goes(void **state)
{
    (void)state;
    ask(0, "www.example.net.");
    assert_true(f.source.asked == 0 && f.other.asked == 1);
    fake_source_reply(&f.other,
                      &(struct fake_reply){.answer = {"www.example.net. 60 A 192.0.2.7"}});
    expect_version(0, 7);
}

/* Those under way go on where they are. */
static void new_routes_are_for_new_questions(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    set_routes();
    ask(1, "ftp.example.com.");
    fake_source_reply(&f.source, &v1);
    expect_version(0, 1);
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
    assert_int_equal(f.clients[1].rcode, RCODE_SERVFAIL);
}

static void a_failure_is_told_and_kept_for_a_moment(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    ask(1, "www.example.com.");
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    ask(2, "www.example.com.");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.clients[i].rcode, RCODE_SERVFAIL);
        assert_int_equal(f.clients[i].ede, EDE_NO_REACHABLE_AUTHORITY);
    }
    assert_int_equal(f.source.asked, 1);
    world_pass(&f.world, TTL_FAILURE_SECONDS * 1000);
    ask(0, "www.example.com.");
    expect_waiting(0);
    assert_int_equal(counter_get(&counters()->failed), 1);
}

/* Whoever asks while a fetch is as good as dead gets the time that he would have had by himself. */
static void a_fetch_that_took_too_long_fails_for_the_first_alone(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    world_pass(&f.world, TIMEOUT_MS - 10);
    ask(1, "www.example.com.");
    world_pass(&f.world, 10);
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    assert_int_equal(f.clients[0].rcode, RCODE_SERVFAIL);
    expect_waiting(1);
    assert_int_equal(f.source.asked, 2);
    ask(2, "www.example.com.");
    expect_waiting(2);
    fake_source_reply(&f.source, &v1);
    expect_version(1, 1);
    expect_version(2, 1);
}

static void clients_may_be_gone_before_their_answer(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    ask(1, "ftp.example.com.");
    inflight_free(f.tier.inflight);
    f.tier.inflight = NULL;
    assert_true(f.clients[0].replies == 0 && f.clients[0].holds == 0 && f.clients[1].holds == 0);
    assert_int_equal(fake_source_waiting(&f.source), 0);
    set_routes();
}

/* ---- P1: a query that comes after a change never gets what was fetched before it ------------- */

static void test_p1_what_was_fetched_before_is_gone(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    change("www.example.com.");
    ask(1, "www.example.com.");
    expect_waiting(1);
    fake_source_reply(&f.source, &v2);
    expect_version(1, 2);
}

/* The change comes between the query and the response of its fetch: who asked before may have it, with TTL 0. */
static void test_p1_the_response_may_be_older_than_the_query(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    change("www.example.com.");
    ask(1, "www.example.com.");
    assert_int_equal(f.source.asked, 2);
    fake_source_reply(&f.source, &v1);
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ttl, 0);
    expect_waiting(1);
    ask(2, "www.example.com.");
    assert_int_equal(f.source.asked, 2);
    fake_source_reply(&f.source, &v2);
    expect_version(1, 2);
    expect_version(2, 2);
}

/*
 * The change is of a name that the question does not tell of, so the query joins; what comes back shows that it is
 * touched, and is asked for again.
 */
static void test_p1_a_change_at_the_end_of_a_chain(void **state)
{
    (void)state;
    static const struct fake_reply old = {.flags = FLAG_AA,
                                          .answer = {"www.example.com. 60 CNAME x.example.com.",
                                                     "x.example.com. 60 A 192.0.2.1"}},
                                   new = {.flags = FLAG_AA,
                                          .answer = {"www.example.com. 60 CNAME x.example.com.",
                                                     "x.example.com. 60 A 192.0.2.2"}};
    ask(0, "www.example.com.");
    change("x.example.com.");
    ask(1, "www.example.com.");
    assert_int_equal(f.source.asked, 1);
    fake_source_reply(&f.source, &old);
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ttl, 0);
    expect_waiting(1);
    assert_int_equal(counter_get(&counters()->asked_again), 1);
    fake_source_reply(&f.source, &new);
    expect_version(1, 2);
    settle();
    ask(2, "www.example.com.");
    expect_waiting(2); /* it settled when it was fetched */
}

/* Whoever asks again meets one who has asked already. */
static void those_who_ask_again_join_as_well(void **state)
{
    (void)state;
    static const struct fake_reply old = {
        .answer = {"www.example.com. 60 CNAME x.example.com.", "x.example.com. 60 A 192.0.2.1"}};
    ask(0, "www.example.com.");
    change("x.example.com.");
    ask(1, "www.example.com.");
    change("www.example.com.");
    ask(2, "www.example.com.");
    assert_int_equal(f.source.asked, 2);
    fake_source_reply(&f.source, &old);
    expect_version(0, 1);
    expect_waiting(1);
    assert_int_equal(f.source.asked, 2);
    fake_source_reply(&f.source, &v2);
    expect_version(1, 2);
    expect_version(2, 2);
}

static void test_p1_failures_end_with_a_change_too(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    change("www.example.com.");
    ask(1, "www.example.com.");
    expect_waiting(1);
}

static void test_p1_an_absence_ends_with_what_appears_below(void **state)
{
    (void)state;
    static const struct fake_reply nothing = {
        .rcode = RCODE_NXDOMAIN,
        .flags = FLAG_AA,
        .authority = {"example.com. 3600 SOA ns. h. 1 2 3 4 300"}};
    ask(0, "a.example.com.");
    fake_source_reply(&f.source, &nothing);
    assert_int_equal(f.clients[0].rcode, RCODE_NXDOMAIN);
    ask(1, "a.example.com.");
    assert_int_equal(f.clients[1].rcode, RCODE_NXDOMAIN);
    change("new.a.example.com.");
    ask(2, "a.example.com.");
    expect_waiting(2);
}

static void test_p1_a_whole_subtree(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    ask(1, "ftp.example.com.");
    change_below("example.com.");
    ask(2, "www.example.com.");
    ask(3, "ftp.example.com.");
    expect_waiting(2);
    expect_waiting(3);
    assert_int_equal(f.source.asked, 4);
}

/* Prefetched or not, it is a fetch like any other. */
static void test_p1_a_prefetch_is_superseded_too(void **state)
{
    (void)state;
    struct question question = fake_question("www.example.com.", TYPE_A);
    struct answer_key key;
    store_key_variant(f.store, question.name, TYPE_A, 0, &key);
    inflight_prefetch(f.tier.inflight, &key, &question, f.world.now, TIMEOUT_MS);
    inflight_prefetch(f.tier.inflight, &key, &question, f.world.now, TIMEOUT_MS);
    assert_int_equal(f.source.asked, 1);
    change("www.example.com.");
    ask(0, "www.example.com.");
    assert_int_equal(f.source.asked, 2);
    fake_source_reply(&f.source, &v1);
    expect_waiting(0);
    fake_source_reply(&f.source, &v2);
    expect_version(0, 2);
    assert_int_equal(counter_get(&counters()->prefetched), 1);
}

/* ---- P2: a fetch under way when a change comes never fills the cache; nobody waits on it later -- */

static void test_p2_a_late_fill_is_none(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    change("www.example.com.");
    fake_source_reply(&f.source, &v1);
    expect_version(0, 1);
    ask(1, "www.example.com.");
    expect_waiting(1);
    assert_int_equal(f.source.asked, 2);
}

/* However they come back. */
static void test_p2_the_old_one_does_not_replace_the_new(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    change("www.example.com.");
    ask(1, "www.example.com.");
    /* The second is answered first. */
    struct fake_inquiry *old = f.source.inquiries;
    const struct question *question = old->question;
    old->question = NULL;
    fake_source_reply(&f.source, &v2);
    expect_version(1, 2);
    old->question = question;
    fake_source_reply(&f.source, &v1);
    expect_version(0, 1);
    ask(2, "www.example.com.");
    expect_version(2, 2);
}

static void test_p2_nobody_waits_on_what_set_out_before(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    for (size_t i = 1; i < CLIENTS; i++) {
        change("www.example.com.");
        ask(i, "www.example.com.");
        assert_int_equal(f.source.asked, i + 1);
    }
    assert_int_equal(counter_get(&counters()->superseded), CLIENTS - 1);
    /* The first never answers. */
    f.source.inquiries->question = NULL;
    for (size_t i = 1; i < CLIENTS; i++)
        fake_source_reply(&f.source, &v2);
    for (size_t i = 1; i < CLIENTS; i++)
        expect_version(i, 2);
    expect_waiting(0);
}

static void a_change_elsewhere_disturbs_nobody(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    change("ftp.example.com.");
    ask(1, "www.example.com.");
    assert_int_equal(f.source.asked, 1);
    fake_source_reply(&f.source, &v1);
    ask(2, "www.example.com.");
    expect_version(2, 1);
    assert_int_equal(f.clients[2].ttl, 60);
}

/* ---- P4: what is asked for while a change settles lives a second ---------------------------- */

static void test_p4_a_lagging_authority_cannot_pin_the_old(void **state)
{
    (void)state;
    change("www.example.com.");
    world_pass(&f.world, SETTLE_MS - 1);
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    expect_version(0, 1);
    assert_in_range(f.clients[0].ttl, 0, 1);
    world_pass(&f.world, 999);
    ask(1, "www.example.com.");
    expect_version(1, 1);
    world_pass(&f.world, 1);
    ask(2, "www.example.com.");
    expect_waiting(2);
    fake_source_reply(&f.source, &v2);
    assert_int_equal(f.clients[2].ttl, 60);
    world_pass(&f.world, 50000);
    ask(3, "www.example.com.");
    expect_version(3, 2);
}

/* It is the asking that counts: a response may take long. */
static void test_p4_counts_from_when_it_was_asked_for(void **state)
{
    (void)state;
    change("www.example.com.");
    world_pass(&f.world, 10);
    ask(0, "www.example.com.");
    world_pass(&f.world, SETTLE_MS + 1000);
    fake_source_reply(&f.source, &v1);
    assert_in_range(f.clients[0].ttl, 0, 1);
    world_pass(&f.world, 1000);
    ask(1, "www.example.com.");
    expect_waiting(1);
}

static void test_p4_at_the_end_of_a_chain(void **state)
{
    (void)state;
    change("x.example.com.");
    ask(0, "www.example.com.");
    fake_source_reply(&f.source,
                      &(struct fake_reply){.flags = FLAG_AA,
                                           .answer = {"www.example.com. 60 CNAME x.example.com.",
                                                      "x.example.com. 60 A 192.0.2.1"}});
    assert_in_range(f.clients[0].ttl, 0, 1);
    world_pass(&f.world, 1000);
    ask(1, "www.example.com.");
    expect_waiting(1);
}

static void test_p4_no_policy_lengthens_it(void **state)
{
    (void)state;
    change("www.example.com.");
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    assert_in_range(f.clients[0].ttl, 0, 1);
    world_pass(&f.world, 1000);
    ask(1, "www.example.com.");
    expect_waiting(1);
}

/* ---- an upstream that is somebody else's cache ----------------------------------------------- */

/* What it gives is from before the change, or may be: the client is told a second, and the next one asks again. */
static void expect_doubt(const struct fake_reply *reply)
{
    ask(0, "www.example.com.");
    expect_waiting(0);
    fake_source_reply(&f.source, reply);
    assert_in_range(f.clients[0].ttl, 0, 1);
    world_pass(&f.world, 1000);
}

static void expect_trust(const struct fake_reply *reply)
{
    ask(0, "www.example.com.");
    expect_waiting(0);
    fake_source_reply(&f.source, reply);
    assert_in_range(f.clients[0].ttl, 2, UINT32_MAX);
    world_pass(&f.world, 1000);
    ask(0, "www.example.com.");
    assert_int_equal(f.clients[0].replies, 1);
}

/* What clients have had before the change, from a cache above. */
static void open_second_hand(const struct fake_reply *before)
{
    f.source.worth = (struct source_worth){.hand = SECOND_HAND};
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, before);
}

/* An alias lives for an hour in the cache above, what it leads to for a minute. */
static void test_p4_the_longest_of_a_chain_may_be_old(void **state)
{
    (void)state;
    static const struct fake_reply chain = {
        .answer = {"www.example.com. 3600 CNAME x.example.com.", "x.example.com. 60 A 192.0.2.1"}};
    open_second_hand(&chain);
    change("www.example.com.");
    world_pass(&f.world, 100000);
    expect_doubt(&chain);
    world_pass(&f.world, 3400000);
    expect_doubt(&chain);
    world_pass(&f.world, 200000);
    expect_trust(&chain);
}

/* Our own upper bound says nothing of how long the cache above keeps it. */
static void test_p4_max_ttl_binds_nobody_else(void **state)
{
    (void)state;
    static const struct fake_reply old = {.answer = {"www.example.com. 3600 A 192.0.2.1"}},
                                   left = {.answer = {"www.example.com. 900 A 192.0.2.1"}};
    open_second_hand(&old);
    change("www.example.com.");
    world_pass(&f.world, 100000);
    expect_doubt(&old);
    world_pass(&f.world, 2600000);
    expect_doubt(&left);
    world_pass(&f.world, 1000000);
    expect_trust(&old);
}

/*
 * The cache above had it for most of its life when we asked, and fetched it again for somebody else before the change: how
 * long it may be there is not known from what we were told.
 */
static void test_p4_what_a_cache_says_may_be_the_rest_of_a_ttl(void **state)
{
    (void)state;
    static const struct fake_reply rest = {.answer = {"www.example.com. 8 A 192.0.2.1"}},
                                   old = {.answer = {"www.example.com. 1600 A 192.0.2.1"}},
                                   whole = {.answer = {"www.example.com. 3600 A 192.0.2.2"}};
    open_second_hand(&rest);
    world_pass(&f.world, 10000);
    change("www.example.com.");
    world_pass(&f.world, 1990000);
    expect_doubt(&old);
    world_pass(&f.world, 600000);
    expect_doubt(&old);
    world_pass(&f.world, 1100000);
    expect_trust(&whole);
}

/* That it failed in between does not make it forget. */
static void test_p4_a_failure_forgets_nothing(void **state)
{
    (void)state;
    static const struct fake_reply old = {.answer = {"www.example.com. 3600 A 192.0.2.1"}},
                                   left = {.answer = {"www.example.com. 900 A 192.0.2.1"}};
    open_second_hand(&old);
    change("www.example.com.");
    ask(0, "www.example.com.");
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
    assert_int_equal(f.clients[0].rcode, RCODE_SERVFAIL);
    world_pass(&f.world, 2600000);
    expect_doubt(&left);
}

/* What a parent that lags has handed on for nobody to keep: no lower bound of ours makes something of it. */
static void test_p3_what_is_for_nobody_to_keep_is_not_kept(void **state)
{
    (void)state;
    static const struct fake_reply passing = {.answer = {"www.example.com. 0 A 192.0.2.1"}};
    f.source.worth = (struct source_worth){.hand = SECOND_HAND_PARENT};
    change("www.example.com.");
    world_pass(&f.world, SETTLE_MS + 1000);
    for (int i = 0; i < 2; i++) {
        ask(0, "www.example.com.");
        expect_waiting(0);
        fake_source_reply(&f.source, &passing);
        assert_int_equal(f.clients[0].ttl, 0);
    }
}

/* Of a tier that was compared with nothing: in doubt it is handed on, for nobody to keep. */
static void test_p3_what_was_compared_with_nothing_is_not_kept(void **state)
{
    (void)state;
    static const struct fake_reply old = {.answer = {"www.example.com. 3600 A 192.0.2.1"}},
                                   other = {.answer = {"ftp.example.com. 3600 A 192.0.2.1"}};
    f.source.worth = (struct source_worth){.hand = SECOND_HAND_PARENT, .unplaced = true};
    change("www.example.com.");
    world_pass(&f.world, SETTLE_MS + 1000);
    for (int i = 0; i < 2; i++) {
        ask(0, "www.example.com.");
        expect_waiting(0);
        fake_source_reply(&f.source, &old);
        assert_int_equal(f.clients[0].ttl, 0);
    }
    ask(0, "ftp.example.com.");
    fake_source_reply(&f.source, &other);
    assert_int_equal(f.clients[0].ttl, 3600);
    ask(1, "ftp.example.com.");
    expect_version(1, 1);
}

/* A parent that was started after the change has no mark of it; that its own upstream is a cache it tells. */
static void test_p4_a_parent_tells_that_it_has_it_from_a_cache(void **state)
{
    (void)state;
    static const struct fake_reply old = {.answer = {"www.example.com. 3600 A 192.0.2.1"}};
    open_second_hand(&old);
    f.source.worth.hand = SECOND_HAND_ABOVE;
    change("www.example.com.");
    world_pass(&f.world, 100000);
    expect_doubt(&old);
}

/* ---- serve_stale ---------------------------------------------------------------------------- */

/* Holds an answer past its TTL. */
static void hold_a_stale_one(void)
{
    ask(7, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    world_pass(&f.world, 61000);
}

static void a_stale_answer_is_better_than_none(void **state)
{
    (void)state;
    hold_a_stale_one();
    ask(0, "www.example.com.");
    ask(1, "www.example.com.");
    expect_waiting(0);
    fake_source_fail(&f.source, EDE_NO_REACHABLE_AUTHORITY);
    for (size_t i = 0; i < 2; i++) {
        expect_version(i, 1);
        assert_int_equal(f.clients[i].ede, EDE_STALE_ANSWER);
    }
}

static void clients_do_not_wait_long_when_there_is_a_stale_one(void **state)
{
    (void)state;
    hold_a_stale_one();
    ask(0, "www.example.com.");
    world_pass(&f.world, STALE_AFTER_MS - 1);
    expect_waiting(0);
    world_pass(&f.world, 1);
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ede, EDE_STALE_ANSWER);
    /* The fetch goes on, for those who come later. */
    fake_source_reply(&f.source, &v2);
    ask(1, "www.example.com.");
    expect_version(1, 2);
}

static void without_a_stale_one_there_is_the_deadline(void **state)
{
    (void)state;
    ask(0, "www.example.com.");
    world_pass(&f.world, 2 * STALE_AFTER_MS);
    expect_waiting(0);
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
    assert_int_equal(f.clients[0].rcode, RCODE_SERVFAIL);
}

static void at_the_end_all_who_wait_are_answered(void **state)
{
    (void)state;
    hold_a_stale_one();
    ask(0, "www.example.com.");
    ask(1, "other.example.com.");
    ask(2, "other.example.com.");
    expect_waiting(1);
    inflight_give_up(f.tier.inflight, micro_ms(f.world.now));
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ede, EDE_STALE_ANSWER);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(f.clients[i].replies, 1);
        assert_int_equal(f.clients[i].rcode, RCODE_SERVFAIL);
    }
    assert_int_equal(inflight_waiters(f.tier.inflight), 0);
}

static void test_p1_what_a_change_has_touched_is_not_stale_but_gone(void **state)
{
    (void)state;
    hold_a_stale_one();
    ask(0, "www.example.com.");
    change("www.example.com.");
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
    assert_int_equal(f.clients[0].rcode, RCODE_SERVFAIL);
    ask(1, "www.example.com.");
    world_pass(&f.world, 2 * STALE_AFTER_MS);
    expect_waiting(1);
}

/* What was fetched while a change settled may be the old one: no day more of it because the upstream fails. */
static void test_p4_what_settled_is_not_revived(void **state)
{
    (void)state;
    change("www.example.com.");
    ask(0, "www.example.com.");
    fake_source_reply(&f.source, &v1);
    settle();
    ask(1, "www.example.com.");
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
    assert_int_equal(f.clients[1].rcode, RCODE_SERVFAIL);
}

/* ---- sources that need no fetch ------------------------------------------------------------- */

static void what_a_source_tells_at_once_is_kept_as_any_other(void **state)
{
    (void)state;
    const struct fake_reply long_lived = {.answer = {"www.example.com. 86400 A 192.0.2.1"}};
    f.source.tells = &long_lived;
    ask(0, "WWW.example.com.");
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ttl, plain.client_ttl);
    f.source.tells = NULL;
    ask(0, "www.example.com.");
    expect_version(0, 1);
    assert_int_equal(f.clients[0].ttl, plain.client_ttl);
    assert_int_equal(f.source.asked, 0);
    assert_int_equal(counter_get(&counters()->at_once), 1);
    assert_int_equal(counter_get(&counters()->jobs), 0);
}

static void test_p1_what_was_told_before_is_gone(void **state)
{
    (void)state;
    f.source.tells = &v1;
    ask(0, "www.example.com.");
    change("www.example.com.");
    f.source.tells = &v2;
    ask(0, "www.example.com.");
    expect_version(0, 2);
    f.source.tells = NULL; /* it is exact: nothing has to settle */
    ask(0, "www.example.com.");
    expect_version(0, 2);
    assert_int_equal(f.clients[0].ttl, 60);
}

static void change_www(void)
{
    change("www.example.com.");
}

static void test_p2_what_is_told_during_a_change_is_not_kept(void **state)
{
    (void)state;
    f.source.tells = &v1;
    f.source.telling = change_www;
    ask(0, "www.example.com.");
    expect_version(0, 1);
    f.source.tells = NULL;
    ask(0, "www.example.com.");
    expect_waiting(0);
    fake_source_reply(&f.source, &v2);
}

static void test_p1_a_told_absence_ends_with_what_appears_below(void **state)
{
    (void)state;
    const struct fake_reply absent = {
        .rcode = RCODE_NXDOMAIN, .authority = {"example.com. 60 SOA ns1 hostmaster 1 2 3 4 60"}};
    f.source.tells = &absent;
    ask(0, "a.example.com.");
    assert_int_equal(f.clients[0].rcode, RCODE_NXDOMAIN);
    f.source.tells = NULL;
    ask(0, "a.example.com.");
    assert_int_equal(f.clients[0].rcode, RCODE_NXDOMAIN);
    change("b.a.example.com.");
    ask(0, "a.example.com.");
    expect_waiting(0);
    fake_source_reply(&f.source, &v1);
}

/* ---- how much at a time --------------------------------------------------------------------- */

static void without_memory_for_a_fetch_it_is_refused(void **state)
{
    (void)state;
    f.source.refuses = true;
    ask(0, "www.example.com.");
    assert_int_equal(f.clients[0].rcode, RCODE_SERVFAIL);
    assert_int_equal(inflight_waiters(f.tier.inflight), 0);
}

int main(void)
{
#define TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STALE(f) cmocka_unit_test_setup_teardown(f, setup_stale, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identical_questions_share_a_fetch),
        TEST(different_questions_do_not),
        TEST(a_question_goes_where_its_zone_goes),
        TEST(new_routes_are_for_new_questions),
        TEST(a_failure_is_told_and_kept_for_a_moment),
        TEST(a_fetch_that_took_too_long_fails_for_the_first_alone),
        TEST(clients_may_be_gone_before_their_answer),
        TEST(test_p1_what_was_fetched_before_is_gone),
        TEST(test_p1_the_response_may_be_older_than_the_query),
        TEST(test_p1_a_change_at_the_end_of_a_chain),
        TEST(those_who_ask_again_join_as_well),
        TEST(test_p1_failures_end_with_a_change_too),
        TEST(test_p1_an_absence_ends_with_what_appears_below),
        TEST(test_p1_a_whole_subtree),
        TEST(test_p1_a_prefetch_is_superseded_too),
        TEST(test_p2_a_late_fill_is_none),
        TEST(test_p2_the_old_one_does_not_replace_the_new),
        TEST(test_p2_nobody_waits_on_what_set_out_before),
        TEST(a_change_elsewhere_disturbs_nobody),
        TEST(test_p4_a_lagging_authority_cannot_pin_the_old),
        TEST(test_p4_counts_from_when_it_was_asked_for),
        TEST(test_p4_at_the_end_of_a_chain),
        cmocka_unit_test_setup_teardown(test_p4_no_policy_lengthens_it, setup_min_ttl, teardown),
        TEST(test_p4_the_longest_of_a_chain_may_be_old),
        cmocka_unit_test_setup_teardown(test_p4_max_ttl_binds_nobody_else, setup_max_ttl, teardown),
        TEST(test_p4_what_a_cache_says_may_be_the_rest_of_a_ttl),
        TEST(test_p4_a_failure_forgets_nothing),
        TEST(test_p4_a_parent_tells_that_it_has_it_from_a_cache),
        cmocka_unit_test_setup_teardown(test_p3_what_is_for_nobody_to_keep_is_not_kept,
                                        setup_min_ttl, teardown),
        cmocka_unit_test_setup_teardown(test_p3_what_was_compared_with_nothing_is_not_kept,
                                        setup_min_ttl, teardown),
        STALE(a_stale_answer_is_better_than_none),
        STALE(clients_do_not_wait_long_when_there_is_a_stale_one),
        STALE(without_a_stale_one_there_is_the_deadline),
        STALE(at_the_end_all_who_wait_are_answered),
        STALE(test_p1_what_a_change_has_touched_is_not_stale_but_gone),
        STALE(test_p4_what_settled_is_not_revived),
        TEST(what_a_source_tells_at_once_is_kept_as_any_other),
        TEST(test_p1_what_was_told_before_is_gone),
        TEST(test_p2_what_is_told_during_a_change_is_not_kept),
        TEST(test_p1_a_told_absence_ends_with_what_appears_below),
        TEST(without_memory_for_a_fetch_it_is_refused),
    };
    return cmocka_run_group_tests_name("inflight", tests, NULL, NULL);
}
