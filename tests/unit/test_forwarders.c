/*
 * test_forwarders.c - a question with one server after the other: what is sent when, what is believed, when it is given up.
 *
 * The servers are made up, and so is the clock.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "resolver/answer/forwarders.h"
#include "tests/unit/fake/world.h"

enum { SERVERS = 2, DEADLINE_MS = 5000 };

static const char *name = "www.example.com.";
static const struct fake_reply good = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
static const struct fake_reply servfail = {.rcode = RCODE_SERVFAIL};

static struct fixture {
    struct world world;
    struct fake_server fakes[SERVERS];
    struct source *source;
    struct inquiry *inquiry;
    struct question question;
    struct mono asked;
    size_t replies;
    bool asking; /* nothing may come now */
    bool usable;
    int ede;
    bool unheeded;
    uint8_t origin;
    struct mono at; /* when the reply came */
} f;

static void replied(void *arg, const struct source_reply *reply)
{
    (void)arg;
    assert_false(f.asking);
    f.replies++;
    f.usable = reply->message != NULL;
    f.ede = reply->ede;
    f.unheeded = reply->unheeded;
    f.origin = reply->origin;
    f.at = micro_ms(reply->now);
}

static void open_with(size_t servers)
{
    struct server_address addresses[SERVERS];
    for (size_t i = 0; i < servers; i++) {
        fake_server_open(&f.fakes[i], &f.world, (uint8_t)(i + 1));
        addresses[i] = fake_server_address(&f.fakes[i]);
    }
    f.source = forwarders_new(&(struct forwarders_options){
        .attempts = f.world.attempts,
        .wheel = f.world.wheel,
        .servers = servers_new(f.world.known, addresses, servers),
    });
    assert_non_null(f.source);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    world_open(&f.world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inquiry_close(f.inquiry);
    source_unref(f.source);
    world_close(&f.world);
    return 0;
}

static void ask_until(uint64_t deadline_ms)
{
    if (!f.inquiry)
        f.inquiry =
            inquiry_open(f.source, &(struct inquiry_options){
                                       .deadline = mono_add(world_ms(&f.world), deadline_ms),
                                       .replied = replied,
                                   });
    f.question = fake_question(name, TYPE_A);
    f.asked = world_ms(&f.world);
    f.asking = true;
    inquiry_ask(f.inquiry, &f.question, f.world.now);
    f.asking = false;
}

static void ask(void)
{
    ask_until(DEADLINE_MS);
}

/* A new inquiry: its deadline is its own. */
static void ask_anew(void);

/* A reply as it would be for the name that is asked for now. */
static const struct fake_reply *as_asked(const struct fake_reply *reply)
{
    static struct fake_reply copy;
    static char text[NAME_MAX_TEXT + 64];
    char asked[NAME_MAX_TEXT];
    copy = *reply;
    if (!copy.answer[0])
        return &copy;
    snprintf(text, sizeof text, "%s%s", name_to_text(f.question.name, asked),
             strchr(copy.answer[0], ' '));
    copy.answer[0] = text;
    return &copy;
}

/* For another name, and it is answered. */
static void ask_for_another(const struct fake_reply *reply)
{
    static const char *others[] = {"a.example.com.", "b.example.com.", "c.example.com."};
    static size_t next;
    name = others[next++ % 3];
    ask_anew();
    name = "www.example.com.";
    fake_server_respond(&f.fakes[0], as_asked(reply));
}

static void ask_anew(void)
{
    inquiry_close(f.inquiry);
    f.inquiry = NULL;
    f.replies = 0;
    ask();
}

static void expect_failure(int ede, uint64_t after_ms)
{
    assert_int_equal(f.replies, 1);
    assert_false(f.usable);
    assert_int_equal(f.ede, ede);
    assert_int_equal(f.at.ms - f.asked.ms, after_ms);
}

/* The server that was asked first, and the other. */
static struct fake_server *first(void)
{
    return f.fakes[0].count >= f.fakes[1].count ? &f.fakes[0] : &f.fakes[1];
}

static void a_usable_response_is_the_reply(void **state)
{
    (void)state;
    open_with(1);
    ask();
    assert_int_equal(f.fakes[0].count, 1);
    assert_true(f.fakes[0].last.edns && !f.fakes[0].last.dnssec_ok && !f.fakes[0].last.position);
    assert_int_equal(f.fakes[0].last.edns, true);
    world_pass(&f.world, 30);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
    assert_int_equal(f.origin, 1);
    world_pass(&f.world, DEADLINE_MS * 2);
    assert_true(f.replies == 1 && f.fakes[0].count == 1);
    assert_int_equal(counter_get(&f.fakes[0].stats.srtt_us), 30000);
}

static void what_is_wanted_is_asked_for(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0xfd, 0xe9, 0, 2, 7, 8};
    struct source_option option = {.bytes = bytes, .size = sizeof bytes};
    open_with(1);
    f.inquiry = inquiry_open(
        f.source, &(struct inquiry_options){.dnssec_ok = true,
                                            .checking_disabled = true,
                                            .option = &option,
                                            .deadline = mono_add(world_ms(&f.world), DEADLINE_MS),
                                            .replied = replied});
    ask();
    const struct exchange_request *request = f.fakes[0].waiting->request;
    assert_true(f.fakes[0].last.dnssec_ok && f.fakes[0].last.checking_disabled);
    assert_memory_equal(request->bytes + request->size - sizeof bytes, bytes, sizeof bytes);
    /* "Tell me whether you validated" (RFC 6840 5.7). */
    assert_true(wire_get_u16(request->bytes + 2) & FLAG_AD);
}

/* Each time its letters are in other cases: whoever answers without having seen the query must guess them. */
static void spelling_is_random(void **state)
{
    (void)state;
    struct question plain = fake_question(name, TYPE_A);
    size_t changed = 0, same = 0;
    uint8_t before[NAME_MAX_SIZE] = {0};
    open_with(1);
    for (size_t i = 0; i < 20; i++) {
        ask();
        const struct question *sent = &f.fakes[0].last.question;
        assert_true(name_equal(sent->name, plain.name));
        changed += memcmp(sent->name, plain.name, plain.name_size) != 0;
        same += memcmp(sent->name, before, plain.name_size) == 0;
        memcpy(before, sent->name, plain.name_size);
        fake_server_respond(&f.fakes[0], &good);
    }
    assert_true(changed >= 19 && same <= 1);
}

static void expect_lower_case(bool lower)
{
    const struct question plain = fake_question(name, TYPE_A), *sent = &f.fakes[0].last.question;
    assert_int_equal(memcmp(sent->name, plain.name, plain.name_size) == 0, lower);
}

static void another_spelling_is_asked_for_over_tcp(void **state)
{
    (void)state;
    struct fake_reply reply = good;
    reply.misspelled = true;
    open_with(1);
    for (size_t i = 0; i < 2; i++) {
        if (i == 0)
            ask();
        else
            ask_for_another(&reply);
        if (i == 0)
            fake_server_respond(&f.fakes[0], as_asked(&reply));
        assert_int_equal(f.replies, 0);
        assert_int_equal(f.fakes[0].last.way, EXCHANGE_TCP);
        assert_true(f.fakes[0].last.edns);
        fake_server_respond(&f.fakes[0], as_asked(&reply));
        assert_true(f.replies == 1 && f.usable);
        /* One name proves nothing. Two do: it folds case, and nobody lied. */
        ask_anew();
        expect_lower_case(i == 1);
        fake_server_respond(&f.fakes[0], &good);
        assert_true(f.usable);
    }
    world_pass(&f.world, 10 * 60 * 1000);
    ask_anew();
    expect_lower_case(false);
}

/* Nobody can be asked but by UDP: another query, in which only port and ID must be guessed. */
static void another_spelling_without_tcp_is_asked_for_in_lower_case(void **state)
{
    (void)state;
    struct fake_reply reply = good;
    reply.misspelled = true;
    open_with(1);
    for (size_t i = 0; i < 3; i++) {
        ask_anew();
        fake_server_respond(&f.fakes[0], &reply);
        assert_int_equal(f.fakes[0].last.way, EXCHANGE_TCP);
        if (i == 1) { /* no RST either: the others are not waited for */
            world_pass(&f.world, 400);
            assert_true(f.fakes[0].last.way == EXCHANGE_UDP);
            fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
        } else {
            fake_server_fail(&f.fakes[0], ERR_SYSTEM);
        }
        assert_int_equal(f.replies, 0);
        assert_int_equal(f.fakes[0].last.way, EXCHANGE_UDP);
        expect_lower_case(true);
        fake_server_respond(&f.fakes[0], &reply); /* in capitals: that tells nothing now */
        assert_true(f.replies == 1 && f.usable);
        while (fake_server_waiting(&f.fakes[0]) > 0)
            fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
    }
    assert_int_equal(counter_get(&f.fakes[0].stats.failures), 0);
}

/* Somebody who spoofs is told from a server that folds case: over TCP that one keeps the spelling. */
static void a_spoofed_spelling_is_not_remembered(void **state)
{
    (void)state;
    struct fake_reply spoofed = good;
    spoofed.misspelled = true;
    open_with(1);
    ask();
    fake_server_respond(&f.fakes[0], &spoofed);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
    struct question plain = fake_question(name, TYPE_A);
    ask_anew();
    assert_memory_not_equal(f.fakes[0].last.question.name, plain.name, plain.name_size);
}

static void a_server_without_edns_is_asked_without(void **state)
{
    (void)state;
    static const uint16_t codes[] = {RCODE_FORMERR, RCODE_NOTIMP};
    for (size_t i = 0; i < 2; i++) {
        const struct fake_reply refusal = {.rcode = codes[i], .without_edns = true};
        if (f.source)
            assert_int_equal(teardown(NULL) + setup(NULL), 0);
        open_with(1);
        ask();
        fake_server_respond(&f.fakes[0], &refusal);
        assert_false(f.fakes[0].last.edns);
        fake_server_respond(&f.fakes[0], &good);
        assert_true(f.replies == 1 && f.usable);
        /* For one name: that may have been its fault. */
        ask_for_another(&refusal);
        assert_false(f.fakes[0].last.edns);
        fake_server_respond(&f.fakes[0], &good);
        ask_anew();
        assert_false(f.fakes[0].last.edns);
        fake_server_respond(&f.fakes[0], &good);
        world_pass(&f.world, 10 * 60 * 1000);
        ask_anew();
        assert_true(f.fakes[0].last.edns);
    }
}

/* Whatever else is wrong without OPT, or cannot be read, may be because of EDNS: as long as nobody has seen that it is known. */
static void any_error_may_be_because_of_edns(void **state)
{
    (void)state;
    static const struct fake_reply odd = {.rcode = RCODE_SERVFAIL, .without_edns = true};
    uint8_t garbage[14] = {[2] = 0x80, [5] = 1};
    open_with(1);
    ask();
    fake_server_respond(&f.fakes[0], &odd);
    assert_false(f.fakes[0].last.edns);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.usable);
    ask_anew();
    fake_server_respond_bytes(&f.fakes[0], garbage, sizeof garbage);
    assert_false(f.fakes[0].last.edns);
    fake_server_respond(&f.fakes[0], &good);
    ask_for_another(&good);
    ask_anew();
    fake_server_respond(&f.fakes[0], &odd);
    assert_true(f.fakes[0].count == 7 && f.fakes[0].last.edns); /* asked again, and not otherwise */
}

/* With OPT in it, a FORMERR is about the question (RFC 6891 7): once without, and nothing is concluded. */
static void a_formerr_with_edns_says_nothing_of_edns(void **state)
{
    (void)state;
    open_with(1);
    ask();
    fake_server_respond(&f.fakes[0], &(struct fake_reply){.rcode = RCODE_FORMERR});
    assert_int_equal(f.fakes[0].last.edns, false);
    fake_server_respond(&f.fakes[0], &good);
    ask_for_another(&(struct fake_reply){.rcode = RCODE_FORMERR});
    fake_server_respond(&f.fakes[0], &good);
    ask_anew();
    assert_true(f.fakes[0].last.edns);
}

/* That costs nothing, and signatures may be had for other names. */
static void a_response_without_edns_is_used_and_no_reason_to_ask_without(void **state)
{
    (void)state;
    struct fake_reply plain = good;
    plain.without_edns = true;
    open_with(1);
    for (size_t i = 0; i < 5; i++) {
        ask_for_another(&plain);
        assert_true(f.usable && !f.unheeded && f.fakes[0].last.edns);
    }
}

/* Others have shown that it knows EDNS: whoever makes it refuse it cannot turn it off for all. */
static void what_others_show_counts_for_more(void **state)
{
    (void)state;
    const struct fake_reply refusal = {.rcode = RCODE_FORMERR, .without_edns = true};
    open_with(1);
    for (size_t i = 0; i < 20; i++) {
        ask_for_another(i % 7 == 0 ? &good : &refusal);
        if (i % 7 != 0)
            fake_server_respond(&f.fakes[0], &good);
        world_pass(&f.world, 1000);
    }
    ask_anew();
    assert_true(f.fakes[0].last.edns);
}

/* Something keeps queries with EDNS from getting there, or responses from coming back. */
static void silence_is_a_reason_to_ask_for_less(void **state)
{
    (void)state;
    open_with(1);
    for (size_t i = 0; i < 2; i++) {
        bool small = false;
        name = i == 0 ? "www.example.com." : "a.example.com.";
        ask_anew();
        for (size_t ms = 0; f.fakes[0].last.edns; ms++) {
            world_pass(&f.world, 1);
            assert_true(ms < 2000);
            small |= f.fakes[0].last.payload == 512;
        }
        assert_true(small && f.replies == 0);
        while (fake_server_waiting(&f.fakes[0]) > 1)
            fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
        fake_server_respond(&f.fakes[0], &good);
        assert_true(f.usable);
    }
    name = "www.example.com.";
    ask_anew();
    assert_false(f.fakes[0].last.edns);
}

/* Without UDP it works as well. */
static void the_last_way_is_tcp(void **state)
{
    (void)state;
    open_with(1);
    ask();
    for (size_t ms = 0; f.fakes[0].last.way != EXCHANGE_TCP; ms++) {
        world_pass(&f.world, 1);
        assert_true(ms < 2500);
    }
    while (fake_server_waiting(&f.fakes[0]) > 1)
        fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.usable);
}

static void a_part_is_no_answer(void **state)
{
    (void)state;
    struct fake_reply part = good;
    part.flags = FLAG_TC;
    open_with(1);
    ask();
    fake_server_respond(&f.fakes[0], &part);
    assert_int_equal(f.fakes[0].last.way, EXCHANGE_TCP);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
    /* TCP has all of it: else nobody has. */
    ask_anew();
    for (size_t i = 0; i < 20 && f.replies == 0; i++)
        fake_server_respond(&f.fakes[0], &part);
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 0);
    /* Without TCP, a larger message. */
    ask_anew();
    fake_server_respond(&f.fakes[0], &part);
    fake_server_fail(&f.fakes[0], ERR_SYSTEM);
    assert_int_equal(f.fakes[0].last.way, EXCHANGE_UDP);
    assert_int_equal(f.fakes[0].last.payload, 4096);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
}

/* Who wanted DNSSEC records is told when they were not asked for: then nobody keeps the answer. */
static void what_was_not_asked_for_is_told(void **state)
{
    (void)state;
    struct fake_reply plain = good;
    plain.without_edns = true;
    open_with(1);
    for (size_t i = 0; i < 3; i++) {
        inquiry_close(f.inquiry);
        f.inquiry = inquiry_open(
            f.source,
            &(struct inquiry_options){.dnssec_ok = true,
                                      .deadline = mono_add(world_ms(&f.world), DEADLINE_MS),
                                      .replied = replied});
        ask();
        if (i == 2)
            fake_server_respond(&f.fakes[0], &(struct fake_reply){.rcode = RCODE_FORMERR});
        fake_server_respond(&f.fakes[0], i == 0 ? &good : &plain);
        assert_true(f.usable);
        assert_int_equal(f.unheeded, i > 0);
    }
}

static void what_is_said_of_an_answer_is_passed_on(void **state)
{
    (void)state;
    static const uint8_t blocked[] = {0, 15, 0, 4, 0, 15, 'n', 'o'};
    struct fake_reply reply = {.rcode = RCODE_SERVFAIL, .option = blocked, .option_size = 8};
    open_with(1);
    ask();
    for (size_t i = 0; i < 3; i++)
        fake_server_respond(&f.fakes[0], &reply);
    expect_failure(15, 0);
    ask_anew();
    reply.rcode = RCODE_NXDOMAIN;
    fake_server_respond(&f.fakes[0], &reply);
    assert_true(f.usable);
    assert_int_equal(f.ede, 15);
    ask_anew();
    fake_server_respond(&f.fakes[0], &good);
    assert_int_equal(f.ede, EDE_NONE);
}

/* Misspelled without EDNS, upset by EDNS over TCP: it must not go round for ever. */
static void one_who_is_never_content_is_given_up(void **state)
{
    (void)state;
    open_with(1);
    ask();
    for (size_t i = 0; i < 20 && fake_server_waiting(&f.fakes[0]) > 0; i++)
        fake_server_respond(&f.fakes[0],
                            &(struct fake_reply){.rcode = RCODE_FORMERR, .misspelled = true});
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 0);
    assert_in_range(f.fakes[0].count, 3, 7);
}

static void the_other_server_may_do_better(void **state)
{
    (void)state;
    open_with(2);
    ask();
    struct fake_server *asked = first();
    struct fake_server *other = asked == &f.fakes[0] ? &f.fakes[1] : &f.fakes[0];
    fake_server_respond(asked, &servfail);
    assert_int_equal(other->count, 1);
    fake_server_respond(other, &good);
    assert_true(f.replies == 1 && f.usable);
    assert_int_equal(f.origin, other->stats.origin);
}

static void when_all_have_failed_it_fails(void **state)
{
    (void)state;
    open_with(2);
    ask();
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(f.replies, 0);
        fake_server_respond(fake_server_waiting(&f.fakes[0]) ? &f.fakes[0] : &f.fakes[1],
                            &servfail);
    }
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 0);
    assert_true(f.fakes[0].count == 3 && f.fakes[1].count == 3);
}

static void the_reason_says_what_went_wrong(void **state)
{
    (void)state;
    uint8_t garbage[40] = {0};
    open_with(1);
    ask();
    for (size_t i = 0; i < 3; i++)
        fake_server_fail(&f.fakes[0], ERR_SYSTEM);
    expect_failure(EDE_NETWORK_ERROR, 0);
    ask_anew();
    for (size_t i = 0; i < 3; i++)
        fake_server_respond_bytes(&f.fakes[0], garbage, sizeof garbage);
    expect_failure(EDE_INVALID_DATA, 0);
}

static void the_query_itself_is_no_response(void **state)
{
    (void)state;
    uint8_t query[EXCHANGE_MAX_QUERY];
    open_with(1);
    ask();
    const struct exchange_request *request = f.fakes[0].waiting->request;
    memcpy(query, request->bytes, request->size);
    fake_server_respond_bytes(&f.fakes[0], query, request->size);
    assert_int_equal(f.replies, 0);
    assert_int_equal(f.fakes[0].count, 2);
}

/* RFC 2308 2.2. */
static void a_referral_is_no_answer(void **state)
{
    (void)state;
    static const struct fake_reply referrals[] = {
        {.authority = {"example.com. 3600 NS ns.example.com."}},
        {.authority = {". 3600 NS a.root-servers.net."}},
        {.answer = {"other.example.net. 60 A 192.0.2.1"},
         .authority = {"example.com. 3600 NS ns.example.com."}},
    };
    static const struct fake_reply answers[] = {
        {.answer = {"www.example.com. 60 A 192.0.2.1"},
         .authority = {"example.com. 3600 NS ns.example.com."}},
        {.answer = {"www.example.com. 60 CNAME x.example.net."},
         .authority = {"example.net. 3600 NS ns.example.com."}},
        {.answer = {"example.com. 60 DNAME example.net."},
         .authority = {"example.net. 3600 NS ns.example.com."}},
        {.authority = {"example.com. 3600 NS ns.example.com.",
                       "example.com. 3600 SOA ns. h. 1 2 3 4 5"}},
        {.flags = FLAG_AA, .authority = {"example.com. 3600 NS ns.example.com."}},
        {.rcode = RCODE_NXDOMAIN, .authority = {"com. 3600 NS ns.example.com."}},
        {.flags = 0},
    };
    open_with(1);
    for (size_t i = 0; i < sizeof referrals / sizeof *referrals; i++) {
        ask_anew();
        for (size_t k = 0; k < 3; k++)
            fake_server_respond(&f.fakes[0], &referrals[i]);
        expect_failure(EDE_NO_REACHABLE_AUTHORITY, 0);
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ask_anew();
        fake_server_respond(&f.fakes[0], &answers[i]);
        assert_true(f.replies == 1 && f.usable);
    }
}

static void begin_anew(size_t servers)
{
    (void)teardown(NULL);
    (void)setup(NULL);
    open_with(servers);
}

/* It is no answer; another server may have one. */
static void an_answer_beside_the_point_is_no_answer(void **state)
{
    (void)state;
    static const struct fake_reply beside[] = {
        {.answer = {"other.example.com. 60 A 192.0.2.1"}},
        {.flags = FLAG_AA, .answer = {"www.example.com. 60 AAAA 2001:db8::1"}},
        {.answer = {"www.example.net. 60 DNAME example.org."}},
        {.answer = {"x.www.example.com. 60 CNAME example.org."}},
    };
    open_with(2);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        begin_anew(2);
        ask();
        struct fake_server *lame = first();
        struct fake_server *other = lame == &f.fakes[0] ? &f.fakes[1] : &f.fakes[0];
        fake_server_respond(lame, &beside[i]);
        assert_int_equal(f.replies, 0);
        fake_server_respond(other, &good);
        assert_true(f.replies == 1 && f.usable);
    }
    begin_anew(1);
    ask();
    for (size_t k = 0; k < 3; k++)
        fake_server_respond(&f.fakes[0], &beside[0]);
    expect_failure(EDE_INVALID_DATA, 0);
}

/* Neither the authority nor a resolver, and it says nothing: believed only where nobody says more. */
static void a_lame_server_is_not_believed_at_once(void **state)
{
    (void)state;
    static const struct fake_reply empty = {.lame = true},
                                   none = {.rcode = RCODE_NXDOMAIN, .lame = true},
                                   refused = {.rcode = RCODE_REFUSED};
    static const struct fake_reply *const others[] = {&good, &empty, &none, &refused};
    open_with(2);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        begin_anew(2);
        ask();
        struct fake_server *lame = first();
        struct fake_server *other = lame == &f.fakes[0] ? &f.fakes[1] : &f.fakes[0];
        fake_server_respond(lame, i % 2 ? &none : &empty);
        assert_int_equal(f.replies, 0);
        assert_int_equal(other->count, 1);
        fake_server_respond(other, others[i]);
        if (others[i] == &refused)
            fake_server_respond(lame, &none);
        assert_true(f.replies == 1 && f.usable);
    }
    begin_anew(2);
    ask();
    struct fake_server *lame = first();
    fake_server_respond(lame, &empty);
    world_pass(&f.world, 400); /* the other one is silent */
    fake_server_respond(lame, &empty);
    assert_true(f.replies == 1 && f.usable);
}

/* An empty answer of a resolver, or of the authority, is one. */
static void an_empty_answer_is_an_answer(void **state)
{
    (void)state;
    static const struct fake_reply empty[] = {{.flags = 0}, {.flags = FLAG_AA, .lame = true}};
    open_with(2);
    for (size_t i = 0; i < 2; i++) {
        begin_anew(2);
        ask();
        fake_server_respond(first(), &empty[i]);
        assert_true(f.replies == 1 && f.usable);
    }
}

/* Silence: the server has as long as is usual, then the other is asked too, and the first to answer counts. */
static void the_slow_one_may_still_answer(void **state)
{
    (void)state;
    open_with(2);
    ask();
    struct fake_server *slow = first();
    struct fake_server *other = slow == &f.fakes[0] ? &f.fakes[1] : &f.fakes[0];
    world_pass(&f.world, 399);
    assert_int_equal(other->count, 0);
    world_pass(&f.world, 1);
    assert_int_equal(other->count, 1);
    world_pass(&f.world, 200);
    fake_server_respond(slow, &good);
    assert_true(f.replies == 1 && f.usable);
    assert_int_equal(f.origin, slow->stats.origin);
    assert_int_equal(counter_get(&slow->stats.timeouts), 1);
    /* What comes later says something of the server all the same. */
    fake_server_respond(other, &good);
    assert_int_equal(f.replies, 1);
    assert_int_equal(counter_get(&other->stats.srtt_us), 200000);
    assert_int_equal(counter_get(&other->stats.answered), 1);
}

/* They are spread over all the time there is, with pauses that grow, and any answer counts. */
static void lost_queries_are_sent_again(void **state)
{
    (void)state;
    open_with(1);
    ask();
    for (size_t ms = 0, last = 0, count = 1; ms < DEADLINE_MS - 1; ms++) {
        world_pass(&f.world, 1);
        if (f.fakes[0].count == count)
            continue;
        assert_in_range(ms - last, 0, 650);
        last = ms;
        count = f.fakes[0].count;
    }
    assert_in_range(f.fakes[0].count, 8, 14);
    assert_int_equal(fake_server_waiting(&f.fakes[0]), f.fakes[0].count);
    fake_server_respond(&f.fakes[0], &good); /* the first of them */
    assert_true(f.replies == 1 && f.usable);
    while (fake_server_waiting(&f.fakes[0]) > 0)
        fake_server_respond(&f.fakes[0], &good);
    assert_int_equal(f.replies, 1);
}

/* The first query gets its answer after eight seconds, when the time is 20. */
static void a_slow_answer_is_an_answer(void **state)
{
    (void)state;
    open_with(1);
    ask_until(20000);
    world_pass(&f.world, 8000);
    assert_in_range(f.fakes[0].count, 10, 20);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
}

static void fill_with_silent_questions(struct inquiry **inquiries, const struct question *questions,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        inquiries[i] = inquiry_open(
            f.source,
            &(struct inquiry_options){.deadline = mono_add(world_ms(&f.world), DEADLINE_MS),
                                      .replied = replied});
        inquiry_ask(inquiries[i], &questions[i], f.world.now);
    }
}

/* The more wait, the less often each asks; and when there is an answer at last, all ask at once. */
static void all_are_asked_again_when_a_server_is_back(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct question questions[MANY];
    static struct inquiry *inquiries[MANY];
    open_with(1);
    ask();
    fake_server_respond(&f.fakes[0], &good);
    for (size_t i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "n%zu.example.com.", i);
        questions[i] = fake_question(text, TYPE_A);
    }
    fill_with_silent_questions(inquiries, questions, MANY);
    world_pass(&f.world, 3900);
    assert_in_range(f.fakes[0].count, 5 * MANY, 8 * MANY);
    while (fake_server_waiting(&f.fakes[0]) > 0)
        fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
    f.replies = 0;
    ask_anew();
    const size_t before = f.fakes[0].count;
    fake_server_respond(&f.fakes[0], &good);
    world_pass(&f.world, 10);
    assert_in_range(f.fakes[0].count - before, 60, 120);
    world_pass(&f.world, 290);
    assert_in_range(f.fakes[0].count - before, MANY, MANY + MANY / 2);
    for (size_t i = 0; i < MANY; i++)
        inquiry_close(inquiries[i]);
}

static void nothing_lasts_beyond_the_deadline(void **state)
{
    (void)state;
    open_with(2);
    ask_until(700);
    world_pass(&f.world, 699);
    assert_int_equal(f.replies, 0);
    world_pass(&f.world, 1);
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 700);
}

static void a_deadline_that_has_passed_is_told_from_the_loop(void **state)
{
    (void)state;
    open_with(1);
    ask_until(0);
    assert_int_equal(f.fakes[0].count, 0);
    world_pass(&f.world, 1);
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 1);
}

/* Whoever was there a moment ago may be starting anew. */
static void a_refusal_is_the_end_only_of_who_was_never_there(void **state)
{
    (void)state;
    open_with(1);
    ask();
    for (size_t i = 0; i < 3; i++)
        fake_server_fail(&f.fakes[0], ERR_SYSTEM);
    expect_failure(EDE_NETWORK_ERROR, 0);
    ask_anew();
    fake_server_respond(&f.fakes[0], &good);
    ask_anew();
    for (size_t ms = 0; ms < 3000; ms++) {
        while (fake_server_waiting(&f.fakes[0]) > 0)
            fake_server_fail(&f.fakes[0], ERR_SYSTEM);
        world_pass(&f.world, 1);
    }
    assert_int_equal(f.replies, 0);
    world_pass(&f.world, 600);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.replies == 1 && f.usable);
}

/* One has nothing to say, and the other is known to be down: there is nothing to wait for. */
static void who_is_down_is_not_waited_for(void **state)
{
    (void)state;
    open_with(2);
    ask();
    struct fake_server *asked = first();
    struct fake_server *other = asked == &f.fakes[0] ? &f.fakes[1] : &f.fakes[0];
    fake_server_respond(asked, &servfail);
    fake_server_fail(other, ERR_SYSTEM);
    for (size_t i = 0; i < 20 && f.replies == 0; i++)
        if (fake_server_waiting(other) > 0)
            fake_server_fail(other, ERR_SYSTEM);
        else
            fake_server_respond(asked, &servfail);
    expect_failure(f.ede, 0);
}

static bool is_root(const struct fake_query *query)
{
    return query->question.type == TYPE_NS && query->question.name_size == 1;
}

/* A name that nobody has asked for yet; the second server answers it, the first does not. */
static void ask_for_a_new_one(void)
{
    static size_t next;
    static char text[32];
    snprintf(text, sizeof text, "new%zu.example.com.", next++);
    name = text;
    ask_anew();
    for (size_t ms = 0; fake_server_waiting(&f.fakes[1]) == 0; ms++) {
        world_pass(&f.world, 1);
        assert_true(ms < 2000);
    }
    world_pass(&f.world, 20);
    while (fake_server_waiting(&f.fakes[1]) > 0)
        fake_server_respond(&f.fakes[1], as_asked(&good));
    assert_true(f.usable);
    world_pass(&f.world, 50);
    name = "www.example.com.";
}

/* What it has answered before and what is nobody's: clients' names neither put a server down nor bring it back. */
static void a_doubtful_server_is_asked_something_of_our_own(void **state)
{
    (void)state;
    open_with(2);
    for (size_t i = 0; i < 20; i++) {
        ask_anew();
        world_pass(&f.world, 1);
        fake_server_respond(fake_server_waiting(&f.fakes[0]) > 0 ? &f.fakes[0] : &f.fakes[1],
                            &good);
    }
    size_t rounds = 0;
    for (; !is_root(&f.fakes[0].last); rounds++) {
        ask_for_a_new_one();
        assert_true(rounds < 400);
    }
    assert_true(rounds >= 4);
    /* It does not answer that: from now on it is asked nothing else. */
    for (size_t i = 0; i < 20; i++)
        ask_for_a_new_one();
    const size_t count = f.fakes[0].count;
    for (size_t i = 0; i < 100; i++) {
        ask_for_a_new_one();
        assert_true(is_root(&f.fakes[0].last));
    }
    assert_in_range(f.fakes[0].count - count, 1, 6);
    /* Until it does. */
    for (size_t before = f.fakes[0].count; f.fakes[0].count == before;) {
        world_pass(&f.world, 100);
        ask_anew();
    }
    while (fake_server_waiting(&f.fakes[0]) > 1)
        fake_server_fail(&f.fakes[0], ERR_TIMEOUT);
    fake_server_respond(&f.fakes[0], &good);
    rounds = 0;
    for (; is_root(&f.fakes[0].last); rounds++) {
        ask_for_a_new_one();
        assert_true(rounds < 400);
    }
}

/* One silence is not the end while others may be asked. */
static void after_a_silence_others_are_asked(void **state)
{
    (void)state;
    open_with(2);
    ask();
    fake_server_fail(first(), ERR_TIMEOUT);
    assert_int_equal(f.replies, 0);
    world_pass(&f.world, 400);
    assert_int_equal(f.fakes[0].count + f.fakes[1].count, 2);
}

static void the_next_question_is_a_new_start(void **state)
{
    (void)state;
    open_with(2);
    ask();
    world_pass(&f.world, 1500);
    size_t sent = f.fakes[0].count + f.fakes[1].count;
    name = "next.example.com.";
    ask();
    name = "www.example.com.";
    assert_int_equal(f.fakes[0].count + f.fakes[1].count, sent + 1);
    /* Whatever comes of the one before is not for this one, and its silence is not waited for. */
    for (size_t i = 0; i < SERVERS; i++)
        while (fake_server_waiting(&f.fakes[i]) > 1)
            fake_server_respond(&f.fakes[i], &servfail);
    assert_int_equal(f.replies, 0);
    for (size_t round = 0; round < 12 && f.replies == 0; round++)
        for (size_t i = 0; i < SERVERS; i++)
            while (fake_server_waiting(&f.fakes[i]) > 0)
                fake_server_respond(&f.fakes[i], &servfail);
    expect_failure(EDE_NO_REACHABLE_AUTHORITY, 0);
}

static void closed_it_hears_no_more(void **state)
{
    (void)state;
    open_with(2);
    ask();
    struct fake_server *asked = first();
    inquiry_close(f.inquiry);
    f.inquiry = NULL;
    source_unref(f.source);
    f.source = NULL;
    assert_int_equal(wheel_count(f.world.wheel), 0);
    world_pass(&f.world, 20);
    assert_true(asked->open); /* the query has it still */
    fake_server_respond(asked, &good);
    assert_int_equal(f.replies, 0);
    assert_int_equal(counter_get(&asked->stats.answered), 1);
    world_pass(&f.world, 1);
    assert_false(asked->open);
}

/* A tier of this process answers in any case: it is waited for, whatever it takes. */
static void who_is_sure_to_answer_is_asked_once(void **state)
{
    (void)state;
    open_with(1);
    f.fakes[0].exchange.sure = true;
    ask();
    world_pass(&f.world, DEADLINE_MS - 1);
    assert_int_equal(f.fakes[0].count, 1);
    fake_server_respond(&f.fakes[0], &good);
    assert_true(f.usable);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_usable_response_is_the_reply),
        TEST(what_is_wanted_is_asked_for),
        TEST(spelling_is_random),
        TEST(another_spelling_is_asked_for_over_tcp),
        TEST(another_spelling_without_tcp_is_asked_for_in_lower_case),
        TEST(a_spoofed_spelling_is_not_remembered),
        TEST(a_server_without_edns_is_asked_without),
        TEST(any_error_may_be_because_of_edns),
        TEST(a_formerr_with_edns_says_nothing_of_edns),
        TEST(a_response_without_edns_is_used_and_no_reason_to_ask_without),
        TEST(what_others_show_counts_for_more),
        TEST(silence_is_a_reason_to_ask_for_less),
        TEST(the_last_way_is_tcp),
        TEST(a_part_is_no_answer),
        TEST(what_was_not_asked_for_is_told),
        TEST(what_is_said_of_an_answer_is_passed_on),
        TEST(one_who_is_never_content_is_given_up),
        TEST(the_other_server_may_do_better),
        TEST(when_all_have_failed_it_fails),
        TEST(the_reason_says_what_went_wrong),
        TEST(the_query_itself_is_no_response),
        TEST(a_referral_is_no_answer),
        TEST(an_answer_beside_the_point_is_no_answer),
        TEST(a_lame_server_is_not_believed_at_once),
        TEST(an_empty_answer_is_an_answer),
        TEST(the_slow_one_may_still_answer),
        TEST(lost_queries_are_sent_again),
        TEST(a_slow_answer_is_an_answer),
        TEST(all_are_asked_again_when_a_server_is_back),
        TEST(nothing_lasts_beyond_the_deadline),
        TEST(a_deadline_that_has_passed_is_told_from_the_loop),
        TEST(a_refusal_is_the_end_only_of_who_was_never_there),
        TEST(who_is_down_is_not_waited_for),
        TEST(a_doubtful_server_is_asked_something_of_our_own),
        TEST(after_a_silence_others_are_asked),
        TEST(the_next_question_is_a_new_start),
        TEST(closed_it_hears_no_more),
        TEST(who_is_sure_to_answer_is_asked_once),
    };
    return cmocka_run_group_tests_name("forwarders", tests, NULL, NULL);
}
