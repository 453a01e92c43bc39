/*
 * test_fetch.c - a question taken along a chain from one source to the next, under a made-up clock.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/answer/fetch.h"
#include "tests/unit/fake/source.h"

enum { DEADLINE_MS = 5000 };

static struct fixture {
    struct world world;
    struct question question; /* of the fetch */
    struct validity *validity;
    struct fetcher *fetcher;
    struct fake_source here, there; /* `there` is asked for names below example.net. */
    struct fetch_counters counters;
    struct fetch *fetch;
    bool one_source;
    uint64_t deadline_ms;
    struct mono deadline; /* of the newest */
    bool starting;
    size_t done;
    struct mono at;
    struct answer answer; /* its body is gone */
    uint8_t body[DNS_MAX_MESSAGE];
} f;

static int setup(void **state)
{
    (void)state;
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    memset(&f, 0, sizeof f);
    f.deadline_ms = DEADLINE_MS;
    world_open(&f.world);
    assert_true(name_from_text("example.com.", zone) > 0);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 64, .key = 1});
    f.fetcher = fetcher_new(f.world.wheel, f.validity);
    fake_source_open(&f.here, &f.world);
    fake_source_open(&f.there, &f.world);
    f.there.origin = 2;
    return f.validity && f.fetcher ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fake_source_close(&f.here);
    fake_source_close(&f.there);
    fetcher_free(f.fetcher);
    validity_free(f.validity);
    world_close(&f.world);
    return 0;
}

static struct source *choose(void *arg, const uint8_t *name, uint16_t type)
{
    (void)arg, (void)type;
    uint8_t zone[NAME_MAX_SIZE];
    assert_true(name_from_text("example.net.", zone) > 0);
    return name_is_within(name, zone) ? &f.there.source : &f.here.source;
}

static void done(void *arg, struct answer *answer, struct micro now)
{
    assert_ptr_equal(arg, &f);
    assert_false(f.starting);
    assert_int_equal(now.us, f.world.now.us);
    f.done++;
    f.fetch = NULL;
    f.at = micro_ms(now);
    f.answer = *answer;
    memcpy(f.body, answer->body, answer->body_size);
}

static void start_of_type(const char *name, uint16_t type, bool dnssec_ok)
{
    f.question = fake_question(name, type);
    f.starting = true;
    f.done = 0;
    f.deadline = mono_add(world_ms(&f.world), f.deadline_ms);
    f.fetch = fetch_start(f.fetcher,
                          &(struct fetch_request){
                              .question = &f.question,
                              .stamp = validity_now(f.validity),
                              .dnssec_ok = dnssec_ok,
                              .source = choose(NULL, f.question.name, f.question.type),
                              .choose = f.one_source ? NULL : choose,
                              .counters = &f.counters,
                              .deadline = f.deadline,
                              .done = done,
                              .arg = &f,
                          },
                          f.world.now);
    f.starting = false;
}

static void start(const char *name)
{
    start_of_type(name, TYPE_A, false);
}

static void expect_servfail(int ede)
{
    assert_int_equal(f.done, 1);
    assert_int_equal(f.answer.flags & FLAG_RCODE, RCODE_SERVFAIL);
    assert_int_equal(f.answer.ede, ede);
    assert_int_equal(f.answer.ttl, mono_reached(f.at, f.deadline) ? 0 : TTL_FAILURE_SECONDS);
    assert_int_equal(f.answer.body_size, 0);
}

static void expect_answers(uint16_t count, uint32_t ttl)
{
    assert_int_equal(f.done, 1);
    assert_int_equal(f.answer.flags & FLAG_RCODE, RCODE_NOERROR);
    assert_int_equal(f.answer.counts[SECTION_ANSWER], count);
    assert_int_equal(f.answer.ttl, ttl);
    assert_int_equal(f.answer.ttl_count, count);
}

static void an_answer_is_what_was_asked_for(void **state)
{
    (void)state;
    start("www.example.com.");
    assert_string_equal(f.here.last, "www.example.com.");
    assert_int_equal(f.here.last_at.us, f.world.now.us);
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1",
                                                               "www.example.com. 50 A 192.0.2.2",
                                                               "evil.example.com. 9 A 192.0.2.6"}});
    expect_answers(2, 50);
    assert_int_equal(f.answer.origin, 1);
    assert_true(f.answer.covered && !f.answer.uncacheable && !f.answer.negative);
    assert_int_equal(f.answer.ede, EDE_NONE);
    assert_memory_equal(f.body + 12, ((uint8_t[]){192, 0, 2, 1}), 4);
    assert_int_equal(f.here.asked, 1);
}

/* Every name in it, and what is above them. */
static void an_answer_depends_on_its_names(void **state)
{
    (void)state;
    static const struct {
        const char *marked;
        bool subtree, holds;
    } cases[] = {
        {"www.example.com.", false, false}, {"x.example.com.", false, false},
        {"example.com.", true, false},      {"x.example.com.", true, false},
        {"other.example.com.", true, true}, {"example.com.", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct question marked = fake_question(cases[i].marked, TYPE_A);
        struct question question = fake_question("www.example.com.", TYPE_A);
        struct stamp stamp = validity_now(f.validity);
        start("www.example.com.");
        fake_source_reply(
            &f.here, &(struct fake_reply){.answer = {"www.example.com. 60 CNAME x.example.com.",
                                                     "x.example.com. 60 A 192.0.2.1"}});
        if (cases[i].subtree)
            validity_mark_subtree(f.validity, marked.name);
        else
            validity_mark_name(f.validity, marked.name);
        validity_commit(f.validity, world_ms(&f.world));
        f.answer.dependencies.question = question.name;
        struct dependent dependent = validity_dependent(f.validity, &f.answer.dependencies);
        assert_int_equal(validity_holds(f.validity, &dependent, stamp), cases[i].holds);
    }
}

static void the_rest_of_a_chain_is_asked_for(void **state)
{
    (void)state;
    f.one_source = true;
    start("www.example.com.");
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"www.example.com. 60 CNAME a.example.org."}});
    assert_int_equal(f.done, 0);
    assert_string_equal(f.here.last, "a.example.org.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"a.example.org. 20 A 192.0.2.1"}});
    expect_answers(2, 20);
    assert_false(f.answer.covered); /* nobody tells of changes in example.org. */
    assert_true(f.here.opened == 1 && f.here.asked == 2);
}

/* Each source is believed for its own names only. */
static void a_chain_leads_from_one_source_to_another_and_back(void **state)
{
    (void)state;
    start("www.example.com.");
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"www.example.com. 60 CNAME a.example.net.",
                                                      "a.example.net. 60 A 192.0.2.66"}});
    assert_int_equal(fake_source_waiting(&f.here), 0);
    assert_string_equal(f.there.last, "a.example.net.");
    fake_source_reply(&f.there,
                      &(struct fake_reply){.answer = {"a.example.net. 60 CNAME b.example.com.",
                                                      "b.example.com. 60 A 192.0.2.66"}});
    assert_string_equal(f.here.last, "b.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"b.example.com. 60 A 192.0.2.1"}});
    expect_answers(3, 60);
    assert_int_equal(f.body[f.answer.body_size - 1], 1);
    assert_true(f.here.opened == 2 && f.there.opened == 1);
}

static void a_chain_without_end_is_given_up(void **state)
{
    (void)state;
    static const struct fake_reply loop[] = {
        {.answer = {"a.example.com. 60 CNAME b.example.com."}},
        {.answer = {"b.example.com. 60 CNAME a.example.com."}},
    };
    start("a.example.com.");
    for (size_t i = 0; f.done == 0 && i < 40; i++)
        fake_source_reply(&f.here, &loop[i % 2]);
    expect_servfail(EDE_INVALID_DATA);
    assert_int_equal(f.here.asked, 2); /* that it is back where it was is seen at once */
}

static void an_absence_needs_its_soa_to_be_kept(void **state)
{
    (void)state;
    for (int soa = 0; soa <= 1; soa++) {
        struct fake_reply reply = {.rcode = RCODE_NXDOMAIN};
        reply.authority[0] = soa ? "example.com. 3600 SOA ns. h. 1 2 3 4 300" : NULL;
        start("gone.example.com.");
        fake_source_reply(&f.here, &reply);
        assert_int_equal(f.done, 1);
        assert_int_equal(f.answer.flags & FLAG_RCODE, RCODE_NXDOMAIN);
        assert_true(f.answer.negative);
        assert_int_equal(f.answer.uncacheable, !soa);
        assert_int_equal(f.answer.ttl, soa ? 300 : 0);
    }
}

static void when_nothing_can_be_had_it_says_why(void **state)
{
    (void)state;
    start("www.example.com.");
    fake_source_fail(&f.here, EDE_NETWORK_ERROR);
    expect_servfail(EDE_NETWORK_ERROR);
    /* It depends on the question: a change ends it as well. */
    assert_int_not_equal(f.answer.dependencies.zone, ZONE_NONE);
}

static void validated_means_all_of_it(void **state)
{
    (void)state;
    for (int second = 0; second <= 1; second++) {
        start("www.example.com.");
        fake_source_reply(
            &f.here, &(struct fake_reply){.flags = FLAG_AD,
                                          .answer = {"www.example.com. 60 CNAME a.example.net."}});
        fake_source_reply(&f.there,
                          &(struct fake_reply){.flags = second ? FLAG_AD : 0,
                                               .answer = {"a.example.net. 60 A 192.0.2.1"}});
        expect_answers(2, 60);
        assert_int_equal(f.answer.flags & FLAG_AD, second ? FLAG_AD : 0);
    }
}

/* Signatures expire, whatever the feed says. */
static void signed_answers_are_not_held(void **state)
{
    (void)state;
    start_of_type("www.example.com.", TYPE_A, true);
    assert_true(f.here.inquiries->options.dnssec_ok);
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_false(f.answer.covered);
}

static void change(const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(text, name) > 0);
    validity_mark_name(f.validity, name);
    validity_commit(f.validity, world_ms(&f.world));
}

/* We have applied a change of www.example.com., and the source has not. */
static void lag(struct fake_source *source)
{
    change("www.example.com.");
    source->behind = true;
}

/* What no change has touched is kept, as old as it is. */
static void of_a_source_that_is_behind_untouched_names_are_kept(void **state)
{
    (void)state;
    lag(&f.here);
    start("mail.example.com.");
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"mail.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_false(f.answer.behind);
    assert_int_equal(f.answer.as_old_as.n, 0);
    assert_int_equal(f.here.asked, 1);
    assert_int_equal(counter_get(&f.counters.behind), 0);
}

/* A source that lags for seconds will not have caught up in a moment: it is not asked again and again. */
static void a_change_of_some_time_ago_is_not_waited_for(void **state)
{
    (void)state;
    lag(&f.here);
    world_pass(&f.world, 100);
    start("www.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 0);
    assert_true(f.answer.behind);
    assert_int_equal(f.here.asked, 1);
    assert_int_equal(counter_get(&f.counters.behind), 1);
    assert_int_equal(counter_get(&f.counters.uncached), 1);
}

/* One that was seen to lag is not asked again for what has changed just now either; for a second. */
static void of_one_that_lags_nothing_is_waited_for(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
    lag(&f.here);
    world_pass(&f.world, 250);
    start("www.example.com.");
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 0);
    change("www.example.com.");
    start("www.example.com.");
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 0);
    assert_int_equal(f.here.asked, 2);
    world_pass(&f.world, 1000);
    change("www.example.com.");
    start("www.example.com.");
    fake_source_reply(&f.here, &reply);
    assert_int_equal(f.done, 0);
    world_pass(&f.world, 1);
    assert_int_equal(f.here.asked, 4);
    fetch_cancel(f.fetch);
}

/* Of names outside the feed nothing is known anyhow. */
static void names_outside_the_feed_are_of_no_age(void **state)
{
    (void)state;
    f.here.worth = (struct source_worth){.hand = SECOND_HAND_PARENT, .provisional = true};
    start("www.example.org.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.org. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_false(f.answer.behind || f.answer.provisional || f.answer.hand != FIRST_HAND);
    assert_true(f.answer.outside);
}

/* A parent that does not hear of a zone that we hear of has no say of how old its names are. */
static void what_a_parent_does_not_hear_of_is_of_any_age(void **state)
{
    (void)state;
    f.here.worth.outside = true;
    start("www.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_true(f.answer.hand == SECOND_HAND_ZONE && !f.answer.covered && !f.answer.behind);
    /* Where a chain leads outside for us as well, that is what it means. */
    start("www.example.com.");
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"www.example.com. 60 CNAME a.example.org.",
                                                      "a.example.org. 60 A 192.0.2.1"}});
    expect_answers(2, 60);
    assert_false(f.answer.behind || f.answer.covered || f.answer.hand != FIRST_HAND);
}

/* Held past its TTL is what the authority says of names that the feed carries, and nothing else. */
static void who_vouches_for_what_is_held(void **state)
{
    (void)state;
    static const struct fake_reply plain = {.answer = {"www.a.example.com. 60 A 192.0.2.1"}};
    static const struct fake_reply cuts[] = {
        {.answer = {"www.a.example.com. 60 A 192.0.2.1"},
         .authority = {"a.example.com. 60 NS ns.example.org."}},
        {.authority = {"a.example.com. 60 SOA ns. host. 1 2 3 4 60"}},
    };
    start("www.a.example.com.");
    fake_source_reply(&f.here, &plain);
    assert_true(f.done == 1 && f.answer.covered);
    for (size_t i = 0; i < 2; i++) {
        start("www.a.example.com.");
        fake_source_reply(&f.here, &cuts[i]);
        assert_true(f.done == 1 && !f.answer.covered);
    }
    f.here.worth = (struct source_worth){.vouched = true, .provisional = true};
    start("www.a.example.com.");
    fake_source_reply(&f.here, &plain);
    assert_true(f.done == 1 && !f.answer.covered && f.answer.provisional);
    f.here.worth = (struct source_worth){.hand = SECOND_HAND};
    start("www.a.example.com.");
    fake_source_reply(&f.here, &plain);
    assert_true(f.done == 1 && !f.answer.covered && f.answer.hand == SECOND_HAND);
}

/* Asked again from the question, after 1, 2, 4, 8 and 16 ms; then taken for what it is, for nobody to keep. */
static void a_source_that_is_behind_is_asked_again(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
    lag(&f.here);
    start("www.example.com.");
    for (uint64_t pause = 1; pause <= 16; pause *= 2) {
        fake_source_reply(&f.here, &reply);
        assert_int_equal(f.done, 0);
        size_t asked = f.here.asked;
        world_pass(&f.world, pause - 1);
        assert_int_equal(f.here.asked, asked);
        world_pass(&f.world, 1);
        assert_int_equal(f.here.asked, asked + 1);
    }
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 0);
    assert_true(f.answer.behind && f.answer.uncacheable);
    assert_int_equal(counter_get(&f.counters.behind), 6);
    assert_int_equal(counter_get(&f.counters.uncached), 1);
    assert_int_equal(f.here.opened,
                     1); /* what it must have applied is not more than at the start */
}

static void a_source_that_catches_up_is_believed(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
    lag(&f.here);
    start("www.example.com.");
    fake_source_reply(&f.here, &reply);
    world_pass(&f.world, 1);
    f.here.behind = false;
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 60);
    assert_false(f.answer.behind);
    assert_int_equal(counter_get(&f.counters.uncached), 0);
}

/* What a chain had found before is asked for again as well: it may be what is old. */
static void behind_in_the_middle_of_a_chain_it_starts_over(void **state)
{
    (void)state;
    static const struct fake_reply first = {.answer = {"www.example.com. 60 CNAME a.example.net."}},
                                   second = {.answer = {"a.example.net. 60 A 192.0.2.1"}};
    lag(&f.there);
    start("www.example.com.");
    fake_source_reply(&f.here, &first);
    fake_source_reply(&f.there, &second);
    world_pass(&f.world, 1);
    assert_string_equal(f.here.last, "www.example.com.");
    assert_int_equal(f.here.asked, 2);
    fake_source_reply(&f.here, &first);
    f.there.behind = false;
    fake_source_reply(&f.there, &second);
    expect_answers(2, 60);
}

static void one_that_does_not_say_how_far_it_is_is_not_asked_again(void **state)
{
    (void)state;
    f.here.worth.hand = SECOND_HAND_PARENT;
    start("www.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_true(f.answer.hand == SECOND_HAND_PARENT && !f.answer.covered && !f.answer.behind);
    assert_int_equal(counter_get(&f.counters.no_position), 1);
    assert_int_equal(counter_get(&f.counters.uncached), 0);
}

/* Ours is as good as any while we have no position; who asks us may have one, and know better. */
static void test_p3_what_was_compared_with_nothing_is_told(void **state)
{
    (void)state;
    f.here.worth = (struct source_worth){.vouched = true, .unplaced = true};
    start("www.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
    assert_true(f.answer.hand == FIRST_HAND && f.answer.unplaced);
    assert_true(f.answer.flags & FLAG_SECOND_HAND);
}

static void a_pause_ends_at_the_deadline(void **state)
{
    (void)state;
    enum { SOON_MS = 20 };
    static const struct fake_reply reply = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
    lag(&f.here);
    f.deadline_ms = SOON_MS;
    start("www.example.com.");
    const struct mono began = world_ms(&f.world);
    for (uint64_t pause = 1; pause <= 8; pause *= 2) {
        fake_source_reply(&f.here, &reply);
        world_pass(&f.world, pause);
    }
    fake_source_reply(&f.here, &reply); /* after 15 ms: the next pause is of 16 */
    world_pass(&f.world, 100);
    expect_servfail(EDE_NO_REACHABLE_AUTHORITY);
    assert_int_equal(f.at.ms - began.ms, SOON_MS);
}

/* What nobody has answered is not kept, and not asked for a second: who asks for it waits, and is not told of the past. */
static void after_a_silence_there_is_a_pause(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.answer = {"www.example.com. 60 A 192.0.2.1"}};
    start("www.example.com.");
    world_pass(&f.world, f.deadline_ms);
    fake_source_fail(&f.here, EDE_NO_REACHABLE_AUTHORITY);
    expect_servfail(EDE_NO_REACHABLE_AUTHORITY);
    world_pass(&f.world, 300);
    start("other.example.com.");
    assert_int_equal(fake_source_waiting(&f.here), 1);
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"other.example.com. 60 A 192.0.2.1"}});
    start("www.example.com.");
    assert_int_equal(fake_source_waiting(&f.here), 0);
    world_pass(&f.world, 699);
    assert_int_equal(fake_source_waiting(&f.here), 0);
    world_pass(&f.world, 1);
    assert_int_equal(fake_source_waiting(&f.here), 1);
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 60);
    start("www.example.com.");
    fake_source_reply(&f.here, &reply);
    expect_answers(1, 60);
}

/* Who has not the time to wait for that second has not asked, and starts none anew. */
static void a_rest_to_the_end_is_no_silence(void **state)
{
    (void)state;
    f.deadline_ms = 500;
    start("www.example.com.");
    world_pass(&f.world, 500);
    fake_source_fail(&f.here, EDE_NO_REACHABLE_AUTHORITY);
    expect_servfail(EDE_NO_REACHABLE_AUTHORITY);
    world_pass(&f.world, 100);
    start("www.example.com.");
    world_pass(&f.world, 500);
    expect_servfail(EDE_NO_REACHABLE_AUTHORITY);
    assert_int_equal(f.here.asked, 1);
    start("www.example.com.");
    world_pass(&f.world, 400);
    assert_int_equal(f.here.asked, 2);
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    expect_answers(1, 60);
}

static void cancelled_it_is_silent(void **state)
{
    (void)state;
    start("www.example.com.");
    fetch_cancel(f.fetch);
    assert_int_equal(fake_source_waiting(&f.here), 0);
    lag(&f.here);
    start("www.example.com.");
    fake_source_reply(&f.here, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}});
    fetch_cancel(f.fetch); /* in a pause */
    world_pass(&f.world, 2 * DEADLINE_MS);
    assert_int_equal(f.done, 0);
}

static void without_memory_there_is_no_fetch_or_no_answer(void **state)
{
    (void)state;
    f.here.refuses = true;
    start("www.example.com.");
    assert_null(f.fetch);
    assert_int_equal(f.done, 0);
    f.here.refuses = false;
    f.there.refuses = true;
    start("www.example.com.");
    fake_source_reply(&f.here,
                      &(struct fake_reply){.answer = {"www.example.com. 60 CNAME a.example.net."}});
    expect_servfail(EDE_OTHER);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_what_was_asked_for),
        TEST(an_answer_depends_on_its_names),
        TEST(the_rest_of_a_chain_is_asked_for),
        TEST(a_chain_leads_from_one_source_to_another_and_back),
        TEST(a_chain_without_end_is_given_up),
        TEST(an_absence_needs_its_soa_to_be_kept),
        TEST(when_nothing_can_be_had_it_says_why),
        TEST(validated_means_all_of_it),
        TEST(signed_answers_are_not_held),
        TEST(a_source_that_is_behind_is_asked_again),
        TEST(of_a_source_that_is_behind_untouched_names_are_kept),
        TEST(of_one_that_lags_nothing_is_waited_for),
        TEST(a_change_of_some_time_ago_is_not_waited_for),
        TEST(names_outside_the_feed_are_of_no_age),
        TEST(what_a_parent_does_not_hear_of_is_of_any_age),
        TEST(who_vouches_for_what_is_held),
        TEST(a_source_that_catches_up_is_believed),
        TEST(behind_in_the_middle_of_a_chain_it_starts_over),
        TEST(one_that_does_not_say_how_far_it_is_is_not_asked_again),
        TEST(test_p3_what_was_compared_with_nothing_is_told),
        TEST(a_pause_ends_at_the_deadline),
        TEST(after_a_silence_there_is_a_pause),
        TEST(a_rest_to_the_end_is_no_silence),
        TEST(cancelled_it_is_silent),
        TEST(without_memory_there_is_no_fetch_or_no_answer),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
