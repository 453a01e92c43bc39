#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer/chain.h"

/* A response made of records in text, parsed as if it had come from the network. */
struct response {
    struct builder builder;
    struct question question;
    uint16_t rcode;
    uint8_t wire[DNS_MAX_MESSAGE];
    uint8_t owner[NAME_MAX_SIZE];
    uint8_t rdata[4096];
    struct message *message;
};

static struct response response;

static int setup(void **state)
{
    (void)state;
    response.message = message_new();
    return response.message ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    message_free(response.message);
    return 0;
}

static void ask(const char *name, uint16_t type)
{
    struct question *question = &response.question;
    int size = name_from_text(name, question->name);
    assert_true(size > 0);
    *question = (struct question){.name_size = (uint8_t)size, .type = type, .class = CLASS_IN};
    assert_true(name_from_text(name, question->name) > 0);
    response.rcode = RCODE_NOERROR;
    build_start(&response.builder, response.wire, sizeof response.wire);
    build_question(&response.builder, question);
}

static void with(enum section section, const char *owner, uint32_t ttl, const char *type,
                 const char *rdata)
{
    int number = type_from_text(type);
    int size = rdata_from_text((uint16_t)number, rdata, response.rdata, sizeof response.rdata);
    assert_true(size >= 0 && name_from_text(owner, response.owner) > 0);
    build_record(&response.builder, section,
                 &(struct record){
                     .owner = response.owner,
                     .rdata = response.rdata,
                     .rdata_size = (uint16_t)size,
                     .ttl = ttl,
                     .type = (uint16_t)number,
                     .class = CLASS_IN,
                 });
}

static const struct message *done(void)
{
    int size = build_finish(&response.builder, 1, (uint16_t)(FLAG_QR | response.rcode));
    assert_true(size > 0);
    assert_int_equal(message_parse(response.message, response.wire, (size_t)size), ERR_OK);
    return response.message;
}

static const char *soa = "ns.example.com. h.example.com. 1 3600 900 604800 300";

static size_t count(const struct chain *chain, enum section section)
{
    size_t n = 0;
    for (size_t i = 0; i < chain->selection.count; i++)
        n += chain->selection.items[i].section == section;
    return n;
}

static void only_what_was_asked_for_is_taken(void **state)
{
    (void)state;
    struct chain chain;
    ask("www.example.com.", TYPE_A);
    with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
    with(SECTION_ANSWER, "bank.example.", 86400, "A", "192.0.2.66");
    with(SECTION_ANSWER, "www.example.com.", 50, "A", "192.0.2.2");
    with(SECTION_AUTHORITY, "example.com.", 86400, "NS", "evil.example.");
    with(SECTION_ADDITIONAL, "evil.example.", 86400, "A", "192.0.2.66");
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.selection.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(chain.selection.items[i].record.ttl, 50); /* RFC 2181 5.2 */
    chain_free(&chain);
}

static void links_are_followed_in_any_order(void **state)
{
    (void)state;
    struct chain chain;
    ask("a.example.com.", TYPE_A);
    with(SECTION_ANSWER, "c.example.com.", 100, "A", "192.0.2.1");
    with(SECTION_ANSWER, "b.example.com.", 100, "CNAME", "c.example.com.");
    with(SECTION_ANSWER, "A.example.com.", 100, "CNAME", "B.example.com.");
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.selection.count, 3);
    assert_int_equal(chain.links, 2);
    chain_free(&chain);
}

static void half_a_chain_continues_and_keeps_its_links(void **state)
{
    (void)state;
    struct chain chain;
    char name[NAME_MAX_TEXT];
    ask("a.example.com.", TYPE_A);
    with(SECTION_ANSWER, "a.example.com.", 100, "CNAME", "b.example.net.");
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_CONTINUES);
    assert_string_equal(name_to_text(chain.name, name), "b.example.net.");
    assert_int_equal(chain_keep(&chain), ERR_OK);
    ask("b.example.net.", TYPE_A);
    with(SECTION_ANSWER, "b.example.net.", 100, "A", "192.0.2.1");
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(count(&chain, SECTION_ANSWER), 2);
    assert_string_equal(name_to_text(chain.selection.items[0].record.owner, name),
                        "a.example.com.");
    chain_free(&chain);
}

static void a_loop_is_broken(void **state)
{
    (void)state;
    struct chain chain;
    ask("a.example.com.", TYPE_A);
    with(SECTION_ANSWER, "a.example.com.", 100, "CNAME", "b.example.com.");
    with(SECTION_ANSWER, "b.example.com.", 100, "CNAME", "a.example.com.");
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_BROKEN);
    chain_free(&chain);
}

static void negative_answers_bring_their_soa(void **state)
{
    (void)state;
    struct chain chain;
    ask("no.example.com.", TYPE_A);
    response.rcode = RCODE_NXDOMAIN;
    with(SECTION_AUTHORITY, "example.com.", 3600, "SOA", soa);
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_NXDOMAIN);
    assert_true(chain.has_soa);
    assert_int_equal(chain.selection.items[0].record.ttl, 300); /* RFC 2308 5: the minimum */
    chain_free(&chain);
}

static void the_soa_of_another_zone_is_no_proof(void **state)
{
    (void)state;
    struct chain chain;
    ask("www.example.com.", TYPE_A);
    with(SECTION_AUTHORITY, "example.net.", 3600, "SOA", soa);
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_NODATA);
    assert_false(chain.has_soa);
    chain_free(&chain);
}

/* Asks for a name below a DNAME; the response has the CNAME that `cname` says, if any. */
static enum chain_end follow_a_dname(struct chain *chain, const char *cname)
{
    ask("x.old.example.com.", TYPE_A);
    with(SECTION_ANSWER, "old.example.com.", 100, "DNAME", "new.example.com.");
    if (cname)
        with(SECTION_ANSWER, "x.old.example.com.", 0, "CNAME", cname);
    with(SECTION_ANSWER, "x.new.example.com.", 100, "A", "192.0.2.1");
    with(SECTION_ANSWER, "evil.example.", 100, "A", "192.0.2.66");
    chain_start(chain, &response.question, false);
    return chain_follow(chain, done());
}

static void expect_implied(const struct chain *chain, uint32_t ttl)
{
    const struct selected *items = chain->selection.items;
    char owner[NAME_MAX_TEXT], target[NAME_MAX_TEXT];
    assert_int_equal(chain->selection.count, 3);
    assert_int_equal(items[0].record.type, TYPE_DNAME);
    assert_int_equal(items[1].record.type, TYPE_CNAME);
    assert_int_equal(items[1].record.ttl, ttl);
    assert_string_equal(name_to_text(items[1].record.owner, owner), "x.old.example.com.");
    assert_string_equal(name_to_text(items[1].record.rdata, target), "x.new.example.com.");
    assert_string_equal(name_to_text(items[2].record.owner, owner), "x.new.example.com.");
}

/* RFC 6672 3.1: whoever reads a DNAME can make the CNAME; what the server says in its place counts only if it is that. */
static void a_dname_implies_its_cname(void **state)
{
    (void)state;
    static const char *const said[] = {"x.new.example.com.", NULL, "evil.example."};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct chain chain;
        assert_int_equal(follow_a_dname(&chain, said[i]), CHAIN_DATA);
        expect_implied(&chain, i == 0 ? 0 : 100);
        assert_int_equal(chain_keep(&chain), ERR_OK);
        ask("other.example.", TYPE_A);
        (void)done();
        expect_implied(&chain, i == 0 ? 0 : 100);
        chain_free(&chain);
    }
}

/* RFC 6672 2.2: there is no such name. */
static void a_dname_that_makes_the_name_too_long_leads_nowhere(void **state)
{
    (void)state;
    struct chain chain;
    char label[64], name[NAME_MAX_TEXT], to[NAME_MAX_TEXT];
    memset(label, 'a', 63);
    label[63] = 0;
    snprintf(name, sizeof name, "%s.%s.d.example.", label, label);
    snprintf(to, sizeof to, "%s.%s.example.", label, label);
    ask(name, TYPE_A);
    with(SECTION_ANSWER, "d.example.", 100, "DNAME", to);
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_BROKEN);
    chain_free(&chain);
}

static void signatures_come_for_those_who_asked(void **state)
{
    static const char *const signature =
        "A 8 3 3600 20300101000000 20200101000000 1 example.com. AAAA";
    (void)state;
    for (int dnssec_ok = 0; dnssec_ok <= 1; dnssec_ok++) {
        struct chain chain;
        ask("www.example.com.", TYPE_A);
        with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
        with(SECTION_ANSWER, "www.example.com.", 100, "RRSIG", signature);
        chain_start(&chain, &response.question, dnssec_ok);
        assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
        assert_int_equal(chain.selection.count, 1 + dnssec_ok);
        chain_free(&chain);
    }
}

/* More than a selection has at hand, twice over; kept, they outlive the message. */
static void many_records_are_selected_and_kept(void **state)
{
    (void)state;
    enum { LINKS = 9, ADDRESSES = 70 };
    char owner[64], target[64], address[64];
    struct chain chain;
    ask("l0.example.com.", TYPE_A);
    for (int i = 0; i < LINKS; i++) {
        snprintf(owner, sizeof owner, "l%d.example.com.", i);
        snprintf(target, sizeof target, "l%d.example.com.", i + 1);
        with(SECTION_ANSWER, owner, 100, "CNAME", target);
    }
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_CONTINUES);
    assert_int_equal(chain_keep(&chain), ERR_OK);
    snprintf(owner, sizeof owner, "l%d.example.com.", LINKS);
    ask(owner, TYPE_A);
    for (int i = 0; i < ADDRESSES; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        with(SECTION_ANSWER, owner, 100, "A", address);
    }
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.selection.count, LINKS + ADDRESSES);
    for (int i = 0; i < LINKS; i++) {
        const struct record *link = &chain.selection.items[i].record;
        char text[NAME_MAX_TEXT];
        snprintf(target, sizeof target, "l%d.example.com.", i + 1);
        assert_string_equal(name_to_text(link->rdata, text), target);
    }
    for (int i = 0; i < ADDRESSES; i++)
        assert_int_equal(chain.selection.items[LINKS + i].record.rdata[3], i);
    chain_free(&chain);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_what_was_asked_for_is_taken),
        TEST(links_are_followed_in_any_order),
        TEST(half_a_chain_continues_and_keeps_its_links),
        TEST(a_loop_is_broken),
        TEST(negative_answers_bring_their_soa),
        TEST(the_soa_of_another_zone_is_no_proof),
        TEST(a_dname_implies_its_cname),
        TEST(a_dname_that_makes_the_name_too_long_leads_nowhere),
        TEST(signatures_come_for_those_who_asked),
        TEST(many_records_are_selected_and_kept),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
