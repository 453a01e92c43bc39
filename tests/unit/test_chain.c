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

static void expect_implied(const struct chain *chain)
{
    const struct selected *items = chain->selection.items;
    char owner[NAME_MAX_TEXT], target[NAME_MAX_TEXT];
    assert_int_equal(chain->selection.count, 3);
    assert_int_equal(items[0].record.type, TYPE_DNAME);
    assert_int_equal(items[1].record.type, TYPE_CNAME);
    assert_int_equal(items[1].record.ttl, 100);
    assert_string_equal(name_to_text(items[1].record.owner, owner), "x.old.example.com.");
    assert_string_equal(name_to_text(items[1].record.rdata, target), "x.new.example.com.");
    assert_string_equal(name_to_text(items[2].record.owner, owner), "x.new.example.com.");
}

/* RFC 6672 3.1: whoever reads a DNAME can make the CNAME; what the server says in its place does not matter. */
static void a_dname_implies_its_cname(void **state)
{
    (void)state;
    static const char *const said[] = {"x.new.example.com.", NULL, "evil.example."};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct chain chain;
        assert_int_equal(follow_a_dname(&chain, said[i]), CHAIN_DATA);
        expect_implied(&chain);
        assert_int_equal(chain_keep(&chain), ERR_OK);
        ask("other.example.", TYPE_A);
        (void)done();
        expect_implied(&chain);
        chain_free(&chain);
    }
}

/* RFC 6672 2.2: there is no such name, and YXDOMAIN says so, whatever the server has said. */
static void a_dname_that_makes_the_name_too_long_is_yxdomain(void **state)
{
    (void)state;
    struct chain chain;
    char label[64], name[NAME_MAX_TEXT], to[NAME_MAX_TEXT];
    memset(label, 'a', 63);
    label[63] = 0;
    snprintf(name, sizeof name, "%s.%s.d.example.", label, label);
    snprintf(to, sizeof to, "%s.%s.example.", label, label);
    for (int said = 0; said < 2; said++) {
        ask(name, TYPE_A);
        response.rcode = said ? RCODE_YXDOMAIN : RCODE_NOERROR;
        with(SECTION_ANSWER, "d.example.", 100, "DNAME", to);
        chain_start(&chain, &response.question, false);
        assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
        assert_int_equal(chain.rcode, RCODE_YXDOMAIN);
        assert_int_equal(chain.selection.count, 1);
        chain_free(&chain);
    }
}

static void yxdomain_without_a_dname_is_told(void **state)
{
    (void)state;
    struct chain chain;
    ask("www.example.com.", TYPE_A);
    response.rcode = RCODE_YXDOMAIN;
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.rcode, RCODE_YXDOMAIN);
    assert_int_equal(chain.selection.count, 0);
    chain_free(&chain);
}

/* What Unbound and Knot Resolver do: hand on both. */
static void nxdomain_with_data_is_handed_on(void **state)
{
    (void)state;
    struct chain chain;
    ask("www.example.com.", TYPE_A);
    response.rcode = RCODE_NXDOMAIN;
    with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
    chain_start(&chain, &response.question, false);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.rcode, RCODE_NXDOMAIN);
    assert_int_equal(chain.selection.count, 1);
    chain_free(&chain);
}

/* Asked for a CNAME below a DNAME, the one that it implies is the answer, whether the server has put it there or not. */
static void a_cname_below_a_dname_is_an_answer(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct chain chain;
        ask("x.old.example.com.", TYPE_CNAME);
        with(SECTION_ANSWER, "old.example.com.", 100, "DNAME", "new.example.com.");
        if (given)
            with(SECTION_ANSWER, "x.old.example.com.", 100, "CNAME", "x.new.example.com.");
        chain_start(&chain, &response.question, false);
        assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
        const struct selection *selection = &chain.selection;
        assert_int_equal(selection->items[selection->count - 1].record.type, TYPE_CNAME);
        chain_free(&chain);
    }
}

static bool is_above_example(const void *arg, const uint8_t *name)
{
    uint8_t zone[NAME_MAX_SIZE];
    (void)arg;
    return name_from_text("example.com.", zone) < 0 || !name_is_within(name, zone);
}

/* A server that is asked for a zone alone says nothing of those above it. */
static void a_zone_above_is_another_s(void **state)
{
    (void)state;
    struct chain chain;
    ask("x.example.com.", TYPE_A);
    with(SECTION_ANSWER, "com.", 100, "DNAME", "evil.example.");
    with(SECTION_AUTHORITY, "com.", 3600, "SOA", soa);
    chain_start(&chain, &response.question, false);
    chain.leaves = is_above_example;
    assert_int_equal(chain_follow(&chain, done()), CHAIN_NODATA);
    assert_int_equal(chain.selection.count, 0);
    assert_true(chain.has_soa); /* for how long tells it all the same */
    assert_int_equal(chain.soa_ttl, 300);
    chain_free(&chain);
}

static void chains_may_have_twenty_links(void **state)
{
    (void)state;
    char owner[64], target[64];
    for (int links = CHAIN_MAX_LINKS; links <= CHAIN_MAX_LINKS + 1; links++) {
        struct chain chain;
        ask("l0.example.com.", TYPE_A);
        for (int i = 0; i < links; i++) {
            snprintf(owner, sizeof owner, "l%d.example.com.", i);
            snprintf(target, sizeof target, "l%d.example.com.", i + 1);
            with(SECTION_ANSWER, owner, 100, "CNAME", target);
        }
        with(SECTION_ANSWER, target, 100, "A", "192.0.2.1");
        chain_start(&chain, &response.question, false);
        assert_int_equal(chain_follow(&chain, done()),
                         links == CHAIN_MAX_LINKS ? CHAIN_DATA : CHAIN_BROKEN);
        chain_free(&chain);
    }
}

/* What cannot be used is no sign that there is nothing. */
static void an_answer_to_something_else_is_no_answer(void **state)
{
    (void)state;
    for (int soas = 0; soas < 2; soas++) {
        struct chain chain;
        ask("www.example.com.", TYPE_A);
        with(SECTION_ANSWER, "other.example.com.", 100, "A", "192.0.2.66");
        if (soas)
            with(SECTION_AUTHORITY, "example.com.", 3600, "SOA", soa);
        chain_start(&chain, &response.question, false);
        assert_int_equal(chain_follow(&chain, done()), soas ? CHAIN_NODATA : CHAIN_BROKEN);
        chain_free(&chain);
    }
}

/* RFC 2308 2.2: no NODATA is made of what only says who else knows. */
static void a_referral_is_no_answer(void **state)
{
    static const struct {
        const char *owner;
        uint16_t flags;
        enum chain_end end;
    } cases[] = {
        {"sub.example.com.", 0, CHAIN_REFERRAL},
        {"www.sub.example.com.", 0, CHAIN_REFERRAL},
        {".", 0, CHAIN_REFERRAL},
        {"example.com.", 0, CHAIN_REFERRAL},
        {"example.net.", 0, CHAIN_REFERRAL},
        {"example.com.", FLAG_AA, CHAIN_NODATA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int soas = 0; soas < 2; soas++) {
            struct chain chain;
            ask("www.sub.example.com.", TYPE_A);
            with(SECTION_AUTHORITY, cases[i].owner, 100, "NS", "ns.example.");
            if (soas)
                with(SECTION_AUTHORITY, "example.com.", 3600, "SOA", soa);
            const struct message *message = done();
            ((struct message *)message)->flags |= cases[i].flags;
            chain_start(&chain, &response.question, false);
            assert_int_equal(chain_follow(&chain, message), soas ? CHAIN_NODATA : cases[i].end);
            chain_free(&chain);
        }
}

/* RFC 2181 5: a set has no duplicates; names have no case, text has. */
static void what_is_there_twice_is_taken_once(void **state)
{
    static const struct {
        const char *type, *one, *other;
        size_t kept;
    } cases[] = {
        {"A", "192.0.2.1", "192.0.2.1", 1},
        {"A", "192.0.2.1", "192.0.2.2", 2},
        {"MX", "10 mail.example.com.", "10 MAIL.example.com.", 1},
        {"MX", "65 mail.example.com.", "97 mail.example.com.", 2},
        {"TXT", "a", "A", 2},
        {"TXT", "a", "a", 1},
        {"SRV", "1 1 16705 a.example.", "1 1 24929 A.example.", 2}, /* AA and aa */
        {"SRV", "1 1 1 a.example.", "1 1 1 A.example.", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int more = 0; more < 2; more++) {
            struct chain chain;
            ask("www.example.com.", (uint16_t)type_from_text(cases[i].type));
            for (int k = 0; k < 1 + 5 * more; k++) {
                with(SECTION_ANSWER, "www.example.com.", 100, cases[i].type, cases[i].one);
                with(SECTION_ANSWER, "WWW.example.com.", 50, cases[i].type, cases[i].other);
            }
            chain_start(&chain, &response.question, false);
            assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
            assert_int_equal(chain.selection.count, cases[i].kept);
            assert_int_equal(chain.selection.items[0].record.ttl, 50);
            chain_free(&chain);
        }
}

static const char *const signature_of_a =
    "A 8 3 3600 20300101000000 20200101000000 1 example.com. AAAA";

/* Some servers put them into the additional section; they go where they belong, once. */
static void signatures_are_sorted_back(void **state)
{
    (void)state;
    struct chain chain;
    ask("www.example.com.", TYPE_A);
    with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
    with(SECTION_AUTHORITY, "example.com.", 100, "NS", "ns.example.com.");
    with(SECTION_ADDITIONAL, "www.example.com.", 100, "RRSIG", signature_of_a);
    with(SECTION_ADDITIONAL, "www.example.com.", 100, "RRSIG", signature_of_a);
    with(SECTION_ADDITIONAL, "ns.example.com.", 100, "RRSIG", signature_of_a);
    chain_start(&chain, &response.question, true);
    assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
    assert_int_equal(chain.selection.count, 2);
    assert_int_equal(chain.selection.items[1].section, SECTION_ANSWER);
    assert_int_equal(chain.selection.items[1].record.type, TYPE_RRSIG);
    chain_free(&chain);
}

/* Of NSEC records those are handed on whose signer has a say in the chain. */
static void proofs_are_of_zones_on_the_chain(void **state)
{
    static const char *const format = "NSEC 8 2 3600 20300101000000 20200101000000 1 %s AAAA";
    static const struct {
        const char *owner, *signer;
        bool taken;
    } cases[] = {
        {"ww.example.com.", "example.com.", true}, {"zz.example.net.", "example.net.", false},
        {"zz.example.net.", "com.", false},        {"a.com.", "com.", true},
        {"ww.example.com.", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        char signature[256];
        ask("www.example.com.", TYPE_A);
        with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
        with(SECTION_AUTHORITY, cases[i].owner, 100, "NSEC", "z.example.com. A");
        snprintf(signature, sizeof signature, format, cases[i].signer ? cases[i].signer : ".");
        if (cases[i].signer)
            with(SECTION_AUTHORITY, cases[i].owner, 100, "RRSIG", signature);
        chain_start(&chain, &response.question, true);
        assert_int_equal(chain_follow(&chain, done()), CHAIN_DATA);
        assert_int_equal(chain.selection.count, cases[i].taken ? 3 : 1);
        chain_free(&chain);
    }
}

static void signatures_come_for_those_who_asked(void **state)
{
    (void)state;
    for (int dnssec_ok = 0; dnssec_ok <= 1; dnssec_ok++) {
        struct chain chain;
        ask("www.example.com.", TYPE_A);
        with(SECTION_ANSWER, "www.example.com.", 100, "A", "192.0.2.1");
        with(SECTION_ANSWER, "www.example.com.", 100, "RRSIG", signature_of_a);
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
        TEST(a_dname_that_makes_the_name_too_long_is_yxdomain),
        TEST(yxdomain_without_a_dname_is_told),
        TEST(nxdomain_with_data_is_handed_on),
        TEST(a_cname_below_a_dname_is_an_answer),
        TEST(a_zone_above_is_another_s),
        TEST(chains_may_have_twenty_links),
        TEST(an_answer_to_something_else_is_no_answer),
        TEST(a_referral_is_no_answer),
        TEST(what_is_there_twice_is_taken_once),
        TEST(signatures_are_sorted_back),
        TEST(proofs_are_of_zones_on_the_chain),
        TEST(signatures_come_for_those_who_asked),
        TEST(many_records_are_selected_and_kept),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
