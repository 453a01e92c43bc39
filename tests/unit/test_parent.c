/*
 * test_parent.c - two tiers on one feed, the lower asking the upper, while one is behind the other (P3).
 *
 *      client --> child: store, fetch, parent.c --> a made-up way --> parent: query.c, store --> made-up authority
 *
 * All under one made-up clock. What each has applied of the log is the test's to say.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>

#include "resolver/answer/forwarders.h"
#include "resolver/answer/parent.h"
#include "resolver/answer/query.h"
#include "tests/unit/fake/source.h"

enum {
    FEED = 77,
    PARTITIONS = 5,
    SETTLE_MS = 2000,
    HORIZON_MS = 4000,
    TIMEOUT_MS = 5000,
    STEP_MS = 50
};

/* A tier, and what its process has applied. */
struct process {
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct fetcher *fetcher;
    struct tier_worker tier;
    bool live; /* its feed is */
    bool behind[PARTITIONS];
    int64_t applied[PARTITIONS];
};

static struct fixture {
    struct world world;
    struct process parent, child;
    struct fake_source authority; /* of the parent */
    struct fake_server way;       /* from the child to the parent */
    struct message *message;
    /* what the child's client has got */
    size_t replies;
    uint8_t version;
    uint32_t ttl;
} f;

/* ---- the log -------------------------------------------------------------------------------- */

static void take(struct process *p, int64_t offset)
{
    int64_t offsets[PARTITIONS];
    for (size_t i = 0; i < PARTITIONS; i++)
        offsets[i] = offset;
    struct mono now = world_ms(&f.world);
    assert_int_equal(positions_take(p->positions, FEED, offsets, PARTITIONS, now, now), ERR_OK);
    validity_mark_all(p->validity, true);
    validity_commit(p->validity, now);
    positions_claim(p->positions, now);
    positions_proved(p->positions, now);
    memcpy(p->applied, offsets, sizeof offsets);
    p->live = true;
}

/* Its place in the log is worth nothing any more: feed.c drop_position. */
static void lose_place(struct process *p)
{
    const struct mono now = world_ms(&f.world);
    positions_drop(p->positions);
    validity_mark_all(p->validity, true);
    validity_commit(p->validity, now);
    positions_claim(p->positions, now);
    p->live = false;
}

/* A message that changes one name, before `next` in its partition. */
static void apply(struct process *p, int32_t partition, int64_t next, const char *name)
{
    struct question question = fake_question(name, TYPE_A);
    positions_applying(p->positions, partition, next, world_ms(&f.world));
    validity_mark_name(p->validity, question.name);
    validity_commit(p->validity, world_ms(&f.world));
    positions_applied(p->positions, partition, next);
    p->applied[partition] = next;
    for (size_t i = 0; i < PARTITIONS; i++) {
        f.parent.behind[i] = f.parent.applied[i] < f.child.applied[i];
        f.child.behind[i] = f.child.applied[i] < f.parent.applied[i];
    }
}

/* All of the log is applied: so says who is live, but not while there is something that the other has and it has not. */
static void prove(struct process *p)
{
    bool behind = !p->live;
    for (size_t i = 0; i < PARTITIONS; i++)
        behind |= p->behind[i];
    if (!behind)
        positions_proved(p->positions, world_ms(&f.world));
}

static void pass(uint64_t ms)
{
    for (uint64_t done = 0; done < ms; done += STEP_MS) {
        world_pass(&f.world, STEP_MS);
        prove(&f.parent);
        prove(&f.child);
    }
}

/* ---- the two tiers -------------------------------------------------------------------------- */

static struct source *source_of_parent(struct process *p)
{
    const struct server_address address = fake_server_address(&f.way);
    struct source *near = forwarders_new(
        &(struct forwarders_options){.attempts = f.world.attempts,
                                     .wheel = f.world.wheel,
                                     .servers = servers_new(f.world.known, &address, 1)});
    return parent_new(near, p->positions);
}

static void open_process(struct process *p, struct source *source, uint32_t min_ttl)
{
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    assert_true(name_from_text("example.com.", zone) > 0);
    p->validity = validity_new(&(struct validity_options){
        .zones = zones, .zone_count = 1, .marks = 1024, .key = 1, .settle_ms = SETTLE_MS});
    p->positions =
        positions_new(p->validity, HORIZON_MS, (struct mono){world_ms(&f.world).ms - SETTLE_MS});
    p->store = store_new(&(struct store_options){
        .size = 1 << 20,
        .shards = 1,
        .policy = {.min_ttl = min_ttl, .max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400},
        .validity = p->validity});
    p->fetcher = fetcher_new(f.world.wheel, p->validity);
    if (!source)
        source = source_of_parent(p);
    p->tier = (struct tier_worker){.store = p->store,
                                   .validity = p->validity,
                                   .positions = p->positions,
                                   .resolve_timeout_ms = TIMEOUT_MS};
    network_list_set(&p->tier.position_for, NULL, 0);
    p->tier.inflight = inflight_new(&(struct inflight_options){.fetcher = p->fetcher,
                                                               .validity = p->validity,
                                                               .store = p->store,
                                                               .routes = routes_new(source)});
}

static void close_process(struct process *p)
{
    inflight_free(p->tier.inflight);
    fetcher_free(p->fetcher);
    store_free(p->store);
    positions_free(p->positions);
    validity_free(p->validity);
}

/* Killed, and started again: nothing is held, and the log is not read yet. */
static void restart_parent(void)
{
    close_process(&f.parent);
    f.parent.live = false;
    open_process(&f.parent, source_ref(&f.authority.source), 0);
}

static int open_with(uint32_t childs_min_ttl)
{
    memset(&f, 0, sizeof f);
    world_open(&f.world);
    f.message = message_new();
    fake_source_open(&f.authority, &f.world);
    fake_server_open(&f.way, &f.world, 1);
    f.way.exchange.sure = true;
    open_process(&f.parent, source_ref(&f.authority.source), 0);
    open_process(&f.child, NULL, childs_min_ttl);
    take(&f.parent, 100);
    take(&f.child, 100);
    pass(HORIZON_MS + 2 * SETTLE_MS); /* a cold start settles too */
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return open_with(0);
}

static int setup_min_ttl(void **state)
{
    (void)state;
    return open_with(60);
}

static int teardown(void **state)
{
    (void)state;
    close_process(&f.child);
    known_servers_sweep(f.world.known);
    close_process(&f.parent);
    fake_source_close(&f.authority);
    message_free(f.message);
    world_close(&f.world);
    return 0;
}

/* ---- who asks whom -------------------------------------------------------------------------- */

static void no_hold(void *endpoint)
{
    (void)endpoint;
}

static void to_child(const struct client *client, const uint8_t *bytes, size_t size)
{
    (void)client;
    fake_server_respond_bytes(&f.way, bytes, size);
}

static void to_client(const struct client *client, const uint8_t *bytes, size_t size)
{
    (void)client;
    const struct message *message = f.message;
    assert_int_equal(message_parse(f.message, bytes, size), ERR_OK);
    f.replies++;
    f.version = message->answer_count ? message->records[0].rdata[3] : 0;
    f.ttl = message->answer_count ? message->records[0].ttl : 0;
}

static void handle(struct process *p, const struct transport *transport, const uint8_t *bytes,
                   size_t size)
{
    uint8_t reply[DNS_EDNS_UDP];
    struct client client = {.transport = transport};
    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct query_input input = {
        .bytes = bytes, .size = size, .client = &client, .now = f.world.now};
    size_t length = query_handle(&p->tier, &input, reply);
    if (length > 0)
        transport->send(&client, reply, length);
}

static void ask(const char *name)
{
    static const struct transport transport = {
        .send = to_client, .hold = no_hold, .release = no_hold};
    uint8_t bytes[512];
    struct question question = fake_question(name, TYPE_A);
    int size = build_query(bytes, sizeof bytes, &question, &(struct query_shape){.edns = true});
    assert_true(size > 0);
    f.replies = 0;
    handle(&f.child, &transport, bytes, (size_t)size);
}

/* The parent gets the query that is on its way. */
static void deliver(void)
{
    static const struct transport transport = {
        .send = to_child, .hold = no_hold, .release = no_hold};
    uint8_t bytes[EXCHANGE_MAX_QUERY];
    assert_int_equal(fake_server_waiting(&f.way), 1);
    const struct exchange_request *request = f.way.waiting->request;
    memcpy(bytes, request->bytes, request->size);
    handle(&f.parent, &transport, bytes, request->size);
}

/* What the authority says, if it is asked. */
static void answer(const char *record)
{
    if (fake_source_waiting(&f.authority) > 0)
        fake_source_reply(&f.authority, &(struct fake_reply){.flags = FLAG_AA, .answer = {record}});
}

static void expect(uint8_t version, uint32_t ttl)
{
    assert_int_equal(f.replies, 1);
    assert_int_equal(f.version, version);
    assert_int_equal(f.ttl, ttl);
}

/* Both have it. */
static void fill(const char *name, const char *record)
{
    ask(name);
    deliver();
    answer(record);
    assert_int_equal(f.replies, 1);
}

/* Whether the child has to ask, for an answer that it once had. */
static bool child_lacks(const char *name)
{
    size_t sent = f.way.count;
    ask(name);
    return f.way.count > sent;
}

/* The child asks until it takes what the parent has: the old one, for nobody to keep. */
static void expect_old_and_unkept(const char *name)
{
    ask(name);
    for (int i = 0; i < 20 && f.replies == 0; i++) {
        deliver();
        pass(100);
    }
    expect(1, 0);
    assert_true(child_lacks(name));
    deliver();
    pass(100);
}

#define WWW "www.example.com."
#define FTP "ftp.example.com."

/* ---- the tests ------------------------------------------------------------------------------ */

static void an_equal_parent_is_believed(void **state)
{
    (void)state;
    fill(WWW, WWW " 60 A 192.0.2.1");
    expect(1, 60);
    assert_true(f.way.last.position);
    assert_false(child_lacks(WWW));
    expect(1, 60);
}

static void test_p3_what_a_parent_lacks_is_asked_for_again(void **state)
{
    (void)state;
    fill(WWW, WWW " 60 A 192.0.2.1");
    apply(&f.child, 2, 101, WWW);
    ask(WWW);
    for (int i = 0; i < 3; i++) {
        deliver(); /* it has the old one, and says it */
        assert_int_equal(f.replies, 0);
        world_pass(&f.world, UINT64_C(1) << i);
    }
    apply(&f.parent, 2, 101, WWW);
    deliver();
    answer(WWW " 60 A 192.0.2.2");
    assert_int_equal(f.version, 2);
    assert_int_equal(counter_get(&inflight_counters(f.child.tier.inflight)->fetch.behind), 3);
    assert_int_equal(counter_get(&inflight_counters(f.child.tier.inflight)->fetch.uncached), 0);
}

/* Past a bound the client gets what there is, with TTL 0, and nobody keeps it. */
static void test_p3_nothing_is_imported_again(void **state)
{
    (void)state;
    fill(WWW, WWW " 60 A 192.0.2.1");
    apply(&f.child, 2, 101, WWW);
    ask(WWW);
    for (int i = 0; i < 20 && f.replies == 0; i++) {
        deliver();
        pass(100);
    }
    expect(1, 0);
    assert_true(child_lacks(WWW));
}

/* A parent that lags for long is not asked over and over for each query. */
static void test_p3_what_was_changed_long_ago_is_not_waited_for(void **state)
{
    (void)state;
    fill(WWW, WWW " 600 A 192.0.2.1");
    apply(&f.child, 2, 101, WWW);
    pass(3000);
    ask(WWW);
    deliver();
    expect(1, 0);
    assert_true(child_lacks(WWW));
}

/* In the same partition, while the parent lacks a change of another: it is as good as ever. */
static void test_p3_what_was_not_touched_is_kept(void **state)
{
    (void)state;
    apply(&f.child, 2, 101, WWW);
    pass(SETTLE_MS);
    fill(FTP, FTP " 60 A 192.0.2.1");
    expect(1, 60);
    assert_false(child_lacks(FTP));
    assert_int_equal(counter_get(&inflight_counters(f.child.tier.inflight)->fetch.behind), 0);
}

/* Which partition it came by is nothing to go by: any may have touched the name. */
static void test_p3_every_partition_counts(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        pass(HORIZON_MS + SETTLE_MS);
        fill(WWW, WWW " 3600 A 192.0.2.1");
        for (int32_t other = 0; other < PARTITIONS; other++)
            if (other != partition)
                apply(&f.parent, other, 101 + partition, FTP);
        apply(&f.child, partition, 101 + partition, WWW);
        pass(300);
        ask(WWW);
        deliver();
        expect(1, 0);
        assert_true(child_lacks(WWW));
        f.way.count = 0;
        deliver(); /* the parent still has the old one */
        for (int32_t other = 0; other < PARTITIONS; other++)
            if (other != partition)
                apply(&f.child, other, 101 + partition, FTP);
        apply(&f.parent, partition, 101 + partition, WWW);
    }
}

static void a_parent_that_is_ahead_is_believed(void **state)
{
    (void)state;
    apply(&f.parent, 2, 101, WWW);
    pass(SETTLE_MS);
    fill(WWW, WWW " 60 A 192.0.2.2");
    expect(2, 60);
    assert_false(child_lacks(WWW));
    /* The change arrives here as well; what was fetched since is fetched again, and right. */
    apply(&f.child, 2, 101, WWW);
    assert_true(child_lacks(WWW));
    deliver();
    assert_int_equal(f.version, 2);
}

/* As from any cache: it is kept, and for a second at a time once a change has come that it may not have. */
static void test_p3_a_parent_without_position_is_like_any_cache(void **state)
{
    (void)state;
    f.parent.tier.position_for.count = 0;
    fill(WWW, WWW " 60 A 192.0.2.1");
    expect(1, 60);
    assert_false(child_lacks(WWW));
    assert_int_equal(counter_get(&inflight_counters(f.child.tier.inflight)->fetch.no_position), 1);
    apply(&f.child, 1, 101, WWW);
    pass(SETTLE_MS);
    assert_true(child_lacks(WWW));
    deliver(); /* the parent still has the old one */
    expect(1, 1);
    assert_false(child_lacks(WWW));
    pass(1000);
    assert_true(child_lacks(WWW));
    deliver();
    /* Of names that the feed says nothing about it is as good as any. */
    fill("www.example.org.", "www.example.org. 60 A 192.0.2.1");
    expect(1, 60);
    assert_false(child_lacks("www.example.org."));
}

/* Partitions were added, say: the parent has dropped all, and its new place is not known yet. Its child is through. */
static void test_p3_a_parent_that_starts_anew(void **state)
{
    (void)state;
    fill(WWW, WWW " 3600 A 192.0.2.1");
    lose_place(&f.parent);
    pass(SETTLE_MS + 500);
    fill(FTP, FTP " 3600 A 192.0.2.1");
    expect(1, 3600); /* nothing has touched it */
    assert_false(child_lacks(FTP));
    apply(&f.child, 2, 101, FTP);
    expect_old_and_unkept(FTP);
    pass(SETTLE_MS + 500);
    const size_t sent = f.way.count;
    expect_old_and_unkept(FTP);
    assert_int_equal(f.way.count, sent + 2); /* one query for each client's */
    assert_false(child_lacks(WWW));
    take(&f.parent, 101);
    pass(SETTLE_MS + 500);
    fill(FTP, FTP " 3600 A 192.0.2.2");
    expect(2, 3600);
    assert_false(child_lacks(FTP));
}

/* What the child dropped with all else is kept again once the parent's is from after that. */
static void test_p3_child_and_parent_start_anew(void **state)
{
    (void)state;
    lose_place(&f.parent);
    pass(500);
    fill(WWW, WWW " 3600 A 192.0.2.1");
    take(&f.child, 100);
    expect_old_and_unkept(WWW);
    take(&f.parent, 100);
    pass(SETTLE_MS + 500);
    fill(WWW, WWW " 3600 A 192.0.2.2");
    expect(2, 3600);
    assert_false(child_lacks(WWW));
}

/* It may have asked an authority that lagged behind a change which it never heard of. */
static void test_p3_a_parent_that_was_started_again(void **state)
{
    (void)state;
    fill(WWW, WWW " 3600 A 192.0.2.1");
    fill(FTP, FTP " 3600 A 192.0.2.1");
    apply(&f.child, 2, 101, WWW);
    pass(SETTLE_MS / 2);
    restart_parent();
    ask(WWW);
    deliver();
    answer(WWW " 3600 A 192.0.2.1");
    expect(1, 0);
    pass(HORIZON_MS);
    expect_old_and_unkept(WWW);
    assert_false(child_lacks(FTP));
    fill("new.example.com.", "new.example.com. 3600 A 192.0.2.1");
    expect(1, 3600);
}

/* The option was lost on the way, of a parent that is known to have one; for how far it is there is nothing to go by. */
static void test_p3_a_parent_that_says_nothing_for_once(void **state)
{
    (void)state;
    fill(WWW, WWW " 60 A 192.0.2.1");
    f.parent.tier.position_for.count = 0;
    apply(&f.child, 1, 101, WWW);
    pass(SETTLE_MS + 500);
    expect_old_and_unkept(WWW);
    fill(FTP, FTP " 60 A 192.0.2.1");
    expect(1, 60);
    assert_false(child_lacks(FTP));
}

/* The topic was made anew. The parent has not noticed: its offsets are higher, of what is gone. */
static void test_p3_a_parent_in_a_topic_that_is_gone(void **state)
{
    (void)state;
    fill(WWW, WWW " 3600 A 192.0.2.1");
    f.parent.live = false; /* no proof */
    pass(500);
    take(&f.child, 3);
    apply(&f.child, 2, 4, WWW);
    expect_old_and_unkept(WWW);
    take(&f.parent, 4);
    pass(SETTLE_MS + 500);
    fill(WWW, WWW " 3600 A 192.0.2.2");
    expect(2, 3600);
}

static void test_p3_a_parent_whose_feed_is_lost_is_older_with_every_moment(void **state)
{
    (void)state;
    fill(WWW, WWW " 3600 A 192.0.2.1");
    f.parent.live = false;
    pass(HORIZON_MS + 2000);
    apply(&f.child, 1, 101, WWW);
    pass(HORIZON_MS + 2000); /* so long that the child does not ask for the partition any more */
    ask(WWW);
    deliver();
    expect(1, 0);
    assert_true(child_lacks(WWW));
}

/* The child's position is newer than anything that the parent can have: all of it may have changed meanwhile. */
static void test_p3_a_parent_from_before_the_childs_start(void **state)
{
    (void)state;
    fill(WWW, WWW " 3600 A 192.0.2.1");
    take(&f.child, 500);
    ask(WWW);
    for (int i = 0; i < 20 && f.replies == 0; i++) {
        deliver();
        pass(100);
    }
    expect(1, 0);
    assert_true(child_lacks(WWW));
}

/* What a parent fetched while a change settled lives a second in the child too, whatever its policy would make of it. */
static void test_p4_what_is_provisional_stays_so(void **state)
{
    (void)state;
    apply(&f.parent, 2, 101, WWW);
    fill(WWW, WWW " 3600 A 192.0.2.1");
    assert_in_range(f.ttl, 0, 1);
    pass(1000);
    assert_true(child_lacks(WWW));
    deliver();
    answer(WWW " 3600 A 192.0.2.2");
    pass(SETTLE_MS);
    assert_true(child_lacks(WWW));
    deliver();
    answer(WWW " 3600 A 192.0.2.2");
    expect(2, 3600);
    assert_false(child_lacks(WWW));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_equal_parent_is_believed),
        TEST(test_p3_what_a_parent_lacks_is_asked_for_again),
        TEST(test_p3_nothing_is_imported_again),
        TEST(test_p3_what_was_changed_long_ago_is_not_waited_for),
        TEST(test_p3_what_was_not_touched_is_kept),
        TEST(test_p3_every_partition_counts),
        TEST(a_parent_that_is_ahead_is_believed),
        TEST(test_p3_a_parent_without_position_is_like_any_cache),
        TEST(test_p3_a_parent_that_starts_anew),
        TEST(test_p3_child_and_parent_start_anew),
        TEST(test_p3_a_parent_that_was_started_again),
        TEST(test_p3_a_parent_that_says_nothing_for_once),
        TEST(test_p3_a_parent_in_a_topic_that_is_gone),
        TEST(test_p3_a_parent_whose_feed_is_lost_is_older_with_every_moment),
        TEST(test_p3_a_parent_from_before_the_childs_start),
        TEST(test_p4_what_is_provisional_stays_so),
        cmocka_unit_test_setup_teardown(test_p4_what_is_provisional_stays_so, setup_min_ttl,
                                        teardown),
    };
    return cmocka_run_group_tests_name("parent", tests, NULL, NULL);
}
