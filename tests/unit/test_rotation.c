/*
 * test_rotation.c - the records of a set change places from hit to hit, and nothing else changes.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store.h"
#include "dns/build.h"
#include "resolver/answer/compose.h"

static struct fixture {
    struct validity *validity;
    struct store *store;
    struct composer *composer;
    struct builder builder;
    struct message *sent, *got;
    struct question question;
    struct answer_key key;
    uint8_t wire[DNS_MAX_MESSAGE];
} f;

static int setup(void **state)
{
    (void)state;
    f.validity = validity_new(&(struct validity_options){.marks = 64, .key = 7});
    f.store = store_new(&(struct store_options){.size = 1 << 20,
                                                .policy = {.max_ttl = 86400, .client_ttl = 86400},
                                                .validity = f.validity});
    f.composer = composer_new(f.validity);
    f.sent = message_new();
    f.got = message_new();
    return f.sent && f.got ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    message_free(f.got);
    message_free(f.sent);
    composer_free(f.composer);
    store_free(f.store);
    validity_free(f.validity);
    return 0;
}

static void ask(const char *name, uint16_t type)
{
    int size = name_from_text(name, f.question.name);
    assert_true(size > 0);
    f.question.name_size = (uint8_t)size;
    f.question.type = type;
    f.question.class = CLASS_IN;
    build_start(&f.builder, f.wire, sizeof f.wire);
    build_question(&f.builder, &f.question);
}

static void with(const char *owner, const char *type, const char *rdata)
{
    uint8_t owner_bytes[NAME_MAX_SIZE], bytes[512];
    int number = type_from_text(type), size = rdata_from_text((uint16_t)number, rdata, bytes, 512);
    assert_true(size >= 0 && name_from_text(owner, owner_bytes) > 0);
    build_record(&f.builder, SECTION_ANSWER,
                 &(struct record){.owner = owner_bytes,
                                  .rdata = bytes,
                                  .rdata_size = (uint16_t)size,
                                  .ttl = 100,
                                  .type = (uint16_t)number,
                                  .class = CLASS_IN});
}

/* Parses what was built, makes an answer of it, and keeps that. Returns whether it may be rotated. */
static bool keep(void)
{
    struct chain chain;
    static const struct source_worth worth = {.as_old_as = {UINT64_MAX}};
    int size = build_finish(&f.builder, 1, FLAG_QR);
    assert_true(size > 0);
    assert_int_equal(message_parse(f.sent, f.wire, (size_t)size), ERR_OK);
    chain_start(&chain, &f.question, true);
    assert_int_equal(chain_follow(&chain, f.sent), CHAIN_DATA);
    struct answer *answer = compose_answer(
        f.composer,
        &(struct composition){
            .question = &f.question, .chain = &chain, .end = CHAIN_DATA, .worth = &worth});
    assert_non_null(answer);
    store_key_variant(f.store, f.question.name, f.question.type, 0, &f.key);
    assert_true(store_put(f.store, &f.key, answer, validity_now(f.validity), (struct mono){1000}));
    chain_free(&chain);
    return answer->flags & FLAG_ROTATES;
}

/* A hit, as a message. */
static void hit(void)
{
    static uint8_t reply[DNS_MAX_MESSAGE];
    struct builder builder;
    struct store_hit hit;
    build_start(&builder, reply, sizeof reply);
    build_question(&builder, &f.question);
    const size_t start = builder.out.at;
    assert_int_equal(store_get(f.store,
                               &(struct store_look){.key = &f.key,
                                                    .now = {31000},
                                                    .buffer = reply + start,
                                                    .room = sizeof reply - start},
                               &hit),
                     STORE_HIT);
    wire_put_u16(reply + 2, FLAG_QR);
    wire_put_u16(reply + 4, 1);
    for (size_t i = 0; i < 3; i++)
        wire_put_u16(reply + 6 + 2 * i, hit.counts[i]);
    assert_int_equal(message_parse(f.got, reply, start + hit.body_size), ERR_OK);
}

static bool same(const struct record *a, const struct record *b)
{
    return a->type == b->type && name_equal(a->owner, b->owner) &&
           rdata_compare(a->type, a->rdata, a->rdata_size, b->rdata, b->rdata_size) == 0;
}

/* Over many hits: each is what was sent, `first` to `first + count` in any order; how many of them came first. */
static size_t starts(size_t first, size_t count)
{
    bool led[256] = {0};
    size_t leaders = 0;
    for (int round = 0; round < 400; round++) {
        hit();
        assert_int_equal(f.got->answer_count, f.sent->answer_count);
        size_t lead = count;
        for (size_t i = 0; i < f.got->answer_count; i++) {
            const struct record *record = &f.got->records[i];
            assert_int_equal(record->ttl, 70);
            if (i < first || i >= first + count) {
                assert_true(same(record, &f.sent->records[i]));
                continue;
            }
            size_t k = 0;
            while (k < count && !same(record, &f.sent->records[first + k]))
                k++;
            assert_true(k < count);
            if (i == first)
                lead = k;
            /* in the order in which they were sent, from the first on */
            assert_int_equal((lead + i - first) % count, k);
        }
        leaders += !led[lead];
        led[lead] = true;
    }
    return leaders;
}

static void addresses_change_places(void **state)
{
    (void)state;
    ask("www.example.com.", TYPE_A);
    with("www.example.com.", "A", "192.0.2.1");
    with("www.example.com.", "A", "192.0.2.2");
    with("www.example.com.", "A", "192.0.2.3");
    assert_true(keep());
    assert_int_equal(starts(0, 3), 3);
}

static void what_is_around_them_stays(void **state)
{
    (void)state;
    ask("www.example.com.", TYPE_AAAA);
    with("www.example.com.", "CNAME", "web.example.net.");
    with("web.example.net.", "AAAA", "2001:db8::1");
    with("web.example.net.", "AAAA", "2001:db8::2");
    with("web.example.net.", "RRSIG",
         "AAAA 8 3 3600 20300101000000 20200101000000 1 example.net. AAAA");
    assert_true(keep());
    assert_int_equal(starts(1, 2), 2);
}

/* Records of any size, and names that are alike: none is written as a part of another. */
static void so_do_names(void **state)
{
    (void)state;
    static const char *const types[] = {"MX", "NS", "TXT", "SRV"};
    static const char *const rdata[][3] = {
        {"10 a.mail.example.org.", "20 second.mail.example.org.", "30 mail.example.org."},
        {"ns1.example.org.", "b.ns1.example.org.", "example.com."},
        {"a", "\"a longer one\"", "bb"},
        {"1 1 1 a.example.org.", "1 1 1 bb.a.example.org.", "1 2 1 example.com."},
    };
    for (size_t i = 0; i < 4; i++) {
        ask("example.com.", (uint16_t)type_from_text(types[i]));
        for (size_t k = 0; k < 3; k++)
            with("example.com.", types[i], rdata[i][k]);
        assert_true(keep());
        assert_int_equal(starts(0, 3), 3);
    }
}

static void the_root_too(void **state)
{
    (void)state;
    ask(".", TYPE_NS);
    with(".", "NS", "a.root-servers.net.");
    with(".", "NS", "b.root-servers.net.");
    assert_true(keep());
    assert_int_equal(starts(0, 2), 2);
}

/* Of a set that fills a message many ways the first kilobyte goes round; one that has to be compressed stays. */
static void large_sets(void **state)
{
    (void)state;
    char text[64];
    ask("www.example.com.", TYPE_A);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "192.0.2.%d", i);
        with("www.example.com.", "A", text);
    }
    assert_true(keep());
    assert_true(starts(0, 200) > 50);
    ask("example.com.", TYPE_NS);
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "ns%d.name-servers.example.net.", i);
        with("example.com.", "NS", text);
    }
    assert_false(keep());
    assert_int_equal(starts(0, 30), 1);
}

static void one_record_has_no_other_place(void **state)
{
    (void)state;
    ask("www.example.com.", TYPE_A);
    with("www.example.com.", "A", "192.0.2.1");
    assert_false(keep());
    ask("www.example.com.", TYPE_A);
    with("www.example.com.", "CNAME", "web.example.net.");
    with("web.example.net.", "A", "192.0.2.1");
    assert_false(keep());
    assert_int_equal(starts(1, 1), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(addresses_change_places),
        TEST(what_is_around_them_stays),
        TEST(so_do_names),
        TEST(the_root_too),
        TEST(large_sets),
        TEST(one_record_has_no_other_place),
    };
    return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
