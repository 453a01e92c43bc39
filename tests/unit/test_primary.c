/* test_primary.c - UPDATEs, the log and what comes back from it, one step after the other (origin/primary.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/primary.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fake/updates.h"

static const char BASE[] = "example. 3600 SOA ns.example. root.example. 10 2 3 4 5\n"
                           "example. 3600 NS ns.example.\n"
                           "ns.example. 60 A 192.0.2.53\n";

enum { MAX_ANSWERS = 2000, PATIENCE = PRIMARY_PATIENCE_US, READ_BACK = PRIMARY_READ_BACK_US };

static struct world {
    struct zone *zone;
    struct zone_history *history;
    struct primary *primary;
    struct primary_counts counts;
    struct policy_rule rules[1];
    char *sent; /* JSON of the set under way */
    int publish_result;
    unsigned published, given_up, catch_ups, versions;
    uint32_t serial;
    int answers[MAX_ANSWERS]; /* by number; -1: none yet */
    size_t asked;
} w;

static int act_publish(void *arg, struct primary *primary, const struct change_set *set)
{
    (void)arg, (void)primary;
    if (w.publish_result < 0)
        return w.publish_result;
    free(w.sent);
    w.sent = changeset_format(set);
    w.published++;
    return 0;
}

static void act_give_up(void *arg, struct primary *primary)
{
    (void)arg, (void)primary;
    w.given_up++;
}

static void act_catch_up(void *arg, struct primary *primary)
{
    (void)arg, (void)primary;
    w.catch_ups++;
}

static void act_version(void *arg, struct primary *primary, uint32_t serial)
{
    (void)arg, (void)primary;
    w.versions++;
    w.serial = serial;
}

static const struct primary_actions actions = {
    .publish = act_publish,
    .give_up = act_give_up,
    .catch_up = act_catch_up,
    .version = act_version,
};

static struct primary_now at(uint64_t us)
{
    return (struct primary_now){.us = us, .wall_us = 1700000000000000};
}

static int start(void **state)
{
    char error[POLICY_MAX_ERROR];
    (void)state;
    memset(&w, 0, sizeof w);
    memset(w.answers, 0xff, sizeof w.answers);
    w.zone = fake_zone("example.", BASE);
    assert_int_equal(zone_history_new(1 << 20, &w.history), 0);
    assert_int_equal(policy_rule_from_text("grant k. zonesub", &w.rules[0], error), 0);
    w.primary = primary_new(&(struct primary_options){.zone = w.zone,
                                                      .history = w.history,
                                                      .rules = w.rules,
                                                      .rule_count = 1,
                                                      .publisher = "test",
                                                      .actions = &actions,
                                                      .counts = &w.counts});
    if (!w.primary)
        return -1;
    primary_turn(w.primary, true);
    w.catch_ups = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    primary_free(w.primary);
    zone_history_free(w.history);
    zone_free(w.zone);
    free(w.sent);
    return 0;
}

static void on_answer(void *arg, uint16_t rcode, const char *why)
{
    int *answer = arg;
    assert_int_equal(*answer, -1);
    assert_true((rcode == RCODE_NOERROR) == (why == NULL));
    *answer = rcode;
}

/* Returns the number of the answer to come. */
static size_t ask(const char *lines, const char *key, uint64_t us)
{
    static uint8_t wire[DNS_MAX_MESSAGE];
    const struct primary_update one = {
        .bytes = wire,
        .size = fake_update("example.", lines, wire, sizeof wire),
        .key = key ? fake_name(key) : NULL,
        .anything = !key,
        .answer = on_answer,
        .arg = &w.answers[w.asked],
    };
    primary_update(w.primary, &one, at(us));
    return w.asked++;
}

/* The set that was published last comes from the log. */
static void read_back(int64_t offset, uint64_t us)
{
    struct change_set *set;
    struct changeset_error error;
    assert_int_equal(changeset_parse(w.sent, strlen(w.sent), &set, &error), 0);
    assert_int_equal(primary_read(w.primary, set, offset, at(us)), 0);
    changeset_free(set);
}

static bool has(const char *line)
{
    char *text = fake_text(zone_state(w.zone));
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

static void an_answer_comes_when_the_log_has_it(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t one = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    assert_int_equal(w.published, 1);
    assert_non_null(strstr(w.sent, "\"serial\":11"));
    assert_int_equal(w.answers[one], -1);
    primary_published(w.primary, 0, 7, at(1000));
    assert_int_equal(w.answers[one], -1);
    assert_false(has("a.example."));
    read_back(7, 2000);
    assert_int_equal(w.answers[one], RCODE_NOERROR);
    assert_true(has("a.example. 60 A 192.0.2.1"));
    assert_int_equal(w.versions, 1);
    assert_int_equal(w.serial, 11);
    /* The reader may be faster than the acknowledgement. */
    size_t two = ask("add b.example. 60 A 192.0.2.1", "k.", 3000);
    read_back(8, 4000);
    assert_int_equal(w.answers[two], -1);
    primary_published(w.primary, 0, 8, at(5000));
    assert_int_equal(w.answers[two], RCODE_NOERROR);
}

static void those_that_wait_are_one_version(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t first = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    size_t good = ask("nxdomain b.example.\nadd b.example. 60 A 192.0.2.1", "k.", 0);
    size_t bad = ask("nxdomain b.example.\nadd b.example. 60 A 192.0.2.2", "k.", 0);
    size_t sees = ask("yxdomain a.example.\nadd c.example. 60 A 192.0.2.2", "k.", 0);
    assert_int_equal(w.published, 1);
    primary_published(w.primary, 0, 1, at(1000));
    read_back(1, 2000);
    assert_int_equal(w.answers[first], RCODE_NOERROR);
    assert_int_equal(w.published, 2);
    assert_int_equal(w.answers[bad], -1); /* what it was judged by is not in the log yet */
    primary_published(w.primary, 0, 2, at(3000));
    read_back(2, 4000);
    assert_int_equal(w.answers[good], RCODE_NOERROR);
    assert_int_equal(w.answers[bad], RCODE_YXDOMAIN);
    assert_int_equal(w.answers[sees], RCODE_NOERROR);
    assert_int_equal(w.serial, 12);
}

static void nothing_is_published_for_nothing(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    assert_int_equal(w.answers[ask("add ns.example. 60 A 192.0.2.53", "k.", 0)], RCODE_NOERROR);
    assert_int_equal(w.answers[ask("yxdomain none.example.", "k.", 0)], RCODE_NXDOMAIN);
    assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "l.", 0)], RCODE_REFUSED);
    assert_int_equal(w.answers[ask("add a.elsewhere. 60 A 192.0.2.1", "k.", 0)], RCODE_NOTZONE);
    assert_int_equal(w.published, 0);
    assert_int_equal(w.counts.in_vain, 1);
    ask("add example. 60 NS x.example.", NULL, 0); /* from an address that may do anything */
    assert_int_equal(w.published, 1);
}

static void kafka_is_away(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t one = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    size_t two = ask("add b.example. 60 A 192.0.2.1", "k.", 1000);
    assert_int_equal(primary_due(w.primary), PATIENCE);
    primary_tick(w.primary, at(PATIENCE - 1));
    assert_int_equal(w.answers[one], -1);
    primary_tick(w.primary, at(PATIENCE));
    assert_int_equal(w.answers[one], RCODE_SERVFAIL);
    assert_int_equal(w.given_up, 1);
    assert_int_equal(w.catch_ups, 0); /* it may come to the log yet */
    assert_int_equal(primary_due(w.primary), 1000 + PATIENCE);
    primary_tick(w.primary, at(PATIENCE + 1000));
    assert_int_equal(w.answers[two], RCODE_SERVFAIL);
    assert_true(primary_is_ready(w.primary)); /* questions are answered all the same */
    /* It was in the log: what comes next is judged by it. */
    size_t three = ask("yxdomain a.example.\nadd c.example. 60 A 192.0.2.1", "k.", 5000000);
    primary_caught_up(w.primary, at(5100000)); /* asked for by somebody else */
    assert_int_equal(w.published, 1);
    primary_published(w.primary, 0, 3, at(5400000));
    assert_int_equal(w.catch_ups, 1);
    primary_caught_up(w.primary, at(5450000)); /* without what was acknowledged */
    assert_int_equal(w.catch_ups, 2);
    assert_int_equal(w.published, 1);
    read_back(3, 5500000);
    primary_caught_up(w.primary, at(5600000));
    assert_int_equal(w.published, 2);
    assert_non_null(strstr(w.sent, "\"serial\":12"));
    primary_published(w.primary, 0, 4, at(5700000));
    read_back(4, 5700000);
    assert_int_equal(w.answers[three], RCODE_NOERROR);
}

static void a_reader_that_is_behind(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t one = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    primary_published(w.primary, 0, 1, at(1000));
    primary_tick(w.primary, at(1000 + READ_BACK));
    assert_int_equal(w.answers[one], RCODE_NOERROR); /* the log has it */
    assert_int_equal(w.catch_ups, 1);
    size_t two = ask("add b.example. 60 A 192.0.2.1", "k.", 2000 + READ_BACK);
    assert_int_equal(w.published, 1);
    read_back(1, 3000 + READ_BACK);
    primary_caught_up(w.primary, at(3000 + READ_BACK));
    assert_int_equal(w.published, 2);
    assert_int_equal(w.answers[two], -1);
}

static void before_the_log_is_read(void **state)
{
    (void)state;
    assert_false(primary_is_ready(w.primary));
    assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "k.", 0)], RCODE_SERVFAIL);
    primary_caught_up(w.primary, at(0));
    primary_lost(w.primary, "a gap");
    assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "k.", 0)], RCODE_SERVFAIL);
    assert_int_equal(w.counts.not_ready, 2);
    assert_int_equal(w.published, 0);
}

/* The log has nothing of it yet; then it is imported. */
static void a_zone_that_begins(void **state)
{
    (void)state;
    struct zone_edit *edit;
    assert_int_equal(zone_edit_begin(w.zone, true, &edit), 0);
    zone_edit_commit(edit);
    primary_caught_up(w.primary, at(0));
    assert_false(primary_is_ready(w.primary));
    w.sent = strdup(
        "{\"v\":1,\"zone\":\"example.\",\"time\":\"2026-11-22T03:00:00.123456Z\",\"changes\":["
        "{\"op\":\"SET\",\"name\":\"example.\",\"type\":\"SOA\",\"ttl\":60,\"rdata\":["
        "\"ns.example. root.example. 1 2 3 4 5\"]}]}");
    read_back(1, 0);
    assert_true(primary_is_ready(w.primary));
    assert_int_equal(w.versions, 1);
    ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    assert_int_equal(w.published, 1);
}

static void what_is_too_large(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    w.publish_result = ERR_TOO_LARGE;
    size_t one = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    assert_int_equal(w.answers[one], RCODE_SERVFAIL);
    w.publish_result = 0;
    size_t two = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    primary_published(w.primary, ERR_TOO_LARGE, -1, at(0));
    assert_int_equal(w.answers[two], RCODE_SERVFAIL);
    assert_int_equal(w.catch_ups, 0); /* it is not in the log */
}

/* Another instance writes: questions are answered, UPDATEs are not taken; a turn begins with all of the log being read. */
static void turns(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t sent = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    size_t waits = ask("add b.example. 60 A 192.0.2.1", "k.", 0);
    primary_turn(w.primary, false);
    assert_int_equal(w.answers[sent], RCODE_SERVFAIL);
    assert_int_equal(w.answers[waits], RCODE_SERVFAIL);
    assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "k.", 0)], RCODE_REFUSED);
    assert_int_equal(w.counts.standby, 1);
    assert_true(primary_is_ready(w.primary));
    primary_published(w.primary, 0, 1, at(1000)); /* of before: nobody waits for it */
    read_back(1, 2000);                           /* what the other one wrote */
    assert_true(has("a.example. 60 A"));
    assert_int_equal(w.published, 1);

    primary_turn(w.primary, true);
    assert_int_equal(w.catch_ups, 1);
    size_t later = ask("yxdomain c.example.\nadd d.example. 60 A 192.0.2.1", "k.", 3000);
    assert_int_equal(w.published, 1);
    free(w.sent);
    w.sent = strdup("{\"v\":1,\"zone\":\"example.\",\"time\":\"2026-11-22T03:00:00Z\",\"changes\":["
                    "{\"op\":\"SET\",\"name\":\"c.example.\",\"type\":\"A\",\"ttl\":60,\"rdata\":["
                    "\"192.0.2.9\"]}]}");
    read_back(2, 4000); /* its last one, which came late */
    assert_int_equal(w.published, 1);
    primary_caught_up(w.primary, at(5000));
    assert_int_equal(w.published, 2);
    assert_int_equal(w.answers[later], -1);
    primary_published(w.primary, 0, 3, at(6000));
    primary_turn(w.primary, false); /* the log has it */
    assert_int_equal(w.answers[later], RCODE_NOERROR);
}

/* Versions in our name that we did not make; what others publish in theirs is welcome. */
static void a_second_one_beside(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    size_t one = ask("add a.example. 60 A 192.0.2.1", "k.", 0);
    read_back(1, 0); /* before it is told as acknowledged */
    primary_published(w.primary, 0, 1, at(1000));
    assert_int_equal(w.answers[one], RCODE_NOERROR);
    assert_int_equal(w.counts.beside, 0);
    read_back(2, 2000);
    assert_int_equal(w.counts.beside, 1);
    char *publisher = strstr(w.sent, "\"test\"");
    assert_non_null(publisher);
    publisher[1] = 'b';
    read_back(3, 3000);
    assert_int_equal(w.counts.beside, 1);
}

static void a_queue_has_an_end(void **state)
{
    (void)state;
    primary_caught_up(w.primary, at(0));
    for (size_t i = 0; i < PRIMARY_MAX_WAITING; i++)
        assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "k.", 0)], -1);
    assert_int_equal(w.answers[ask("add a.example. 60 A 192.0.2.1", "k.", 0)], RCODE_SERVFAIL);
    assert_int_equal(w.counts.overflow, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_comes_when_the_log_has_it, start, stop),
        cmocka_unit_test_setup_teardown(those_that_wait_are_one_version, start, stop),
        cmocka_unit_test_setup_teardown(nothing_is_published_for_nothing, start, stop),
        cmocka_unit_test_setup_teardown(kafka_is_away, start, stop),
        cmocka_unit_test_setup_teardown(a_reader_that_is_behind, start, stop),
        cmocka_unit_test_setup_teardown(before_the_log_is_read, start, stop),
        cmocka_unit_test_setup_teardown(a_zone_that_begins, start, stop),
        cmocka_unit_test_setup_teardown(what_is_too_large, start, stop),
        cmocka_unit_test_setup_teardown(turns, start, stop),
        cmocka_unit_test_setup_teardown(a_second_one_beside, start, stop),
        cmocka_unit_test_setup_teardown(a_queue_has_an_end, start, stop),
    };
    return cmocka_run_group_tests_name("primary", tests, NULL, NULL);
}
