/*
 * test_query.c - the order of things in a query: position, then stamp, then lookup.
 *
 * store_get() is wrapped by the linker, so that a change can be applied at the moment that matters.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "dns/build.h"
#include "invalidation/kafka.h"
#include "resolver/answer/query.h"

enum { FEED = 5, PARTITIONS = 3 };

struct fixture {
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct tier_worker tier_worker;
    int32_t partition;
    uint8_t zone[NAME_MAX_SIZE];
    struct question question;
};

static struct fixture f;
static const struct mono began = {1500};
static void (*after_lookup)(void);

enum store_result __real_store_get(struct store *store, const struct store_look *look,
                                   struct store_hit *ret);
enum store_result __wrap_store_get(struct store *store, const struct store_look *look,
                                   struct store_hit *ret);

enum store_result __wrap_store_get(struct store *store, const struct store_look *look,
                                   struct store_hit *ret)
{
    enum store_result result = __real_store_get(store, look, ret);
    if (after_lookup)
        after_lookup();
    return result;
}

static void hold_an_answer(void)
{
    uint8_t body[16] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    static const uint16_t ttl_offsets[] = {6};
    struct answer answer = {.counts = {1, 0, 0},
                            .ttl = 60,
                            .ede = EDE_NONE,
                            .body = body,
                            .body_size = sizeof body,
                            .ttl_offsets = ttl_offsets,
                            .ttl_count = 1};
    struct answer_key key;
    validity_depend_on_question(f.validity, f.question.name, false, &answer.dependencies);
    store_key_variant(f.store, f.question.name, TYPE_A, 0, &key);
    assert_true(store_put(f.store, &key, &answer, validity_now(f.validity), (struct mono){1000}));
}

static int setup(void **state)
{
    (void)state;
    const uint8_t *zones[] = {f.zone};
    const int64_t offsets[PARTITIONS] = {0};
    assert_true(name_from_text("example.com.", f.zone) > 0);
    int size = name_from_text("www.example.com.", f.question.name);
    f.question.name_size = (uint8_t)size;
    f.question.type = TYPE_A;
    f.question.class = CLASS_IN;
    f.partition = kafka_partition_of(f.zone, PARTITIONS);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 64, .key = 1});
    f.positions = positions_new(f.validity, 4000, (struct mono){1});
    assert_int_equal(positions_take(f.positions, FEED, offsets, PARTITIONS, began, began), 0);
    positions_claim(f.positions, began);
    f.store = store_new(
        &(struct store_options){.size = 1 << 20,
                                .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 5},
                                .validity = f.validity});
    f.tier_worker =
        (struct tier_worker){.store = f.store, .validity = f.validity, .positions = f.positions};
    network_list_set(&f.tier_worker.position_for, NULL, 0);
    hold_an_answer();
    after_lookup = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(f.store);
    positions_free(f.positions);
    validity_free(f.validity);
    return 0;
}

/* Asks as a child tier on loopback would; returns what the reply claims for the zone's partition. */
static int64_t claimed_offset(void)
{
    uint8_t query[512], reply[DNS_EDNS_UDP];
    struct position_query ours;
    struct position_claim claimed;
    positions_ask(f.positions, began, &ours);
    int size = build_query(query, sizeof query, &f.question, &(struct query_shape){.edns = true});
    assert_true(size > 0);
    size_t option = position_write_query(&ours, query + size);
    wire_put_u16(query + size - 2, (uint16_t)option);
    static const struct transport transport = {.inside = false};
    struct client client = {
        .transport = &transport,
        .peer.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    size_t length = query_handle(
        &f.tier_worker,
        &(struct query_input){
            .bytes = query, .size = (size_t)size + option, .client = &client, .now = {2000000}},
        reply);
    struct message *message = message_new();
    assert_int_equal(message_parse(message, reply, length), 0);
    assert_int_equal(message->answer_count, 1);
    assert_int_equal(
        position_read_claim(message->edns.options, message->edns.options_size, &claimed), 1);
    message_free(message);
    assert_int_equal(claimed.feed_id, FEED);
    assert_int_equal(claimed.age_ms, 500);
    assert_int_equal(claimed.count, PARTITIONS);
    return claimed.offsets[f.partition];
}

static void apply_a_change(void)
{
    positions_applying(f.positions, f.partition, 1, began);
    validity_mark_name(f.validity, f.question.name);
    validity_commit(f.validity, (struct mono){2000});
    positions_applied(f.positions, f.partition, 1);
}

static void a_parent_says_how_far_it_is(void **state)
{
    (void)state;
    assert_int_equal(claimed_offset(), 0);
    positions_applying(f.positions, f.partition, 9, began);
    assert_int_equal(claimed_offset(), 0);
    positions_applied(f.positions, f.partition, 9);
    assert_int_equal(claimed_offset(), 9);
}

/* tests/model/counterexamples/position-after-lookup.txt: the lookup has found the old answer, then the
 * change is applied. A position read only now would pass the old answer off as new. */
static void test_p3_the_position_comes_before_the_lookup(void **state)
{
    (void)state;
    after_lookup = apply_a_change;
    assert_int_equal(claimed_offset(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_parent_says_how_far_it_is),
        TEST(test_p3_the_position_comes_before_the_lookup),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
