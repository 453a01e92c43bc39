/*
 * test_config_link.c - simulated distances in the configuration: what they say, and that only
 * experiments have them.
 */
#include "tests/unit/config_texts.h"

#include "config/options.h"
#include "config/units.h"

#define EXPERIMENT "experiment: true\n"
#define UP(text)                                                                                   \
    "tiers: [{name: os, listen: [127.0.0.1], upstream: {forward: [192.0.2.1], " text "}}]\n"

static void test_none_by_default(void **state)
{
    (void)state;
    struct config *config = parse(FEED(""));
    assert_false(config->experiment);
    assert_null(config->feed->link);
    assert_null(config->tiers[0].link);
    config_free(config);
}

static void test_written(void **state)
{
    (void)state;
    struct config *config = parse(
        EXPERIMENT "feed: {brokers: b, zones: [a], link: {delay: 1m, jitter: 1m, loss: 100%}}\n" UP(
            "link: {delay: 40ms, jitter: 5ms, loss: 0.1%}"));
    assert_true(config->experiment);
    assert_int_equal(config->tiers[0].link->delay_ms, 40);
    assert_int_equal(config->tiers[0].link->jitter_ms, 5);
    assert_int_equal(config->tiers[0].link->loss, 1000);
    assert_int_equal(config->feed->link->delay_ms, 60000);
    assert_int_equal(config->feed->link->jitter_ms, 60000);
    assert_int_equal(config->feed->link->loss, 1000000);
    config_free(config);
    config = parse(EXPERIMENT UP("link: {loss: 0.0001%}"));
    assert_int_equal(config->tiers[0].link->delay_ms, 0);
    assert_int_equal(config->tiers[0].link->jitter_ms, 0);
    assert_int_equal(config->tiers[0].link->loss, 1);
    config_free(config);
}

static void test_only_for_experiments(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {UP("link: {delay: 1ms}"), "tiers[0].upstream.link: is only for experiments; expected "
                                   "`experiment: true` at the top level"},
        {"experiment: false\n" UP("link: {delay: 0s}"),
         "tiers[0].upstream.link: is only for experiments; expected "
         "`experiment: true` at the top level"},
        {FEED("link: {loss: 0%}"), "feed.link: is only for experiments; expected "
                                   "`experiment: true` at the top level"},
        {NULL, NULL},
    };
    refused_all(bad);
    config_free(parse(EXPERIMENT TIER));
}

static void test_bad_link(void **state)
{
    (void)state;
#define LINK(text) EXPERIMENT UP("link: {" text "}")
    static const struct bad bad[] = {
        {LINK("delay: 61s"),
         "tiers[0].upstream.link.delay: \"61s\" is out of range; expected 0s to 1m"},
        {LINK("delay: 5"), "tiers[0].upstream.link.delay: \"5\" has no unit; expected a number "
                           "with ms, s, m, h, d or w"},
        {LINK("delay: 5ms, jitter: 6ms"),
         "tiers[0].upstream.link.jitter: 6ms is above delay, 5ms; expected at most that"},
        {EXPERIMENT FEED("link: {jitter: 1s}"),
         "feed.link.jitter: 1s is above delay, 0s; expected at most that"},
        {LINK("loss: 101%"),
         "tiers[0].upstream.link.loss: \"101%\" is out of range; expected 0% to 100%"},
        {LINK("loss: 100.0001%"),
         "tiers[0].upstream.link.loss: \"100.0001%\" is out of range; expected 0% to 100%"},
        {LINK("loss: 0.5"),
         "tiers[0].upstream.link.loss: \"0.5\" has no unit; expected a number with %"},
        {LINK("loss: 5 percent"), "tiers[0].upstream.link.loss: \"5 percent\" is not a percentage; "
                                  "expected a number with %"},
        {LINK("loss: .5%"),
         "tiers[0].upstream.link.loss: \".5%\" is not a percentage; expected a number with %"},
        {LINK("lag: 5ms"),
         "2: tiers[0].upstream.link.lag: unknown key; known here: delay, jitter, loss"},
        {EXPERIMENT UP("link: 5ms"), "2: tiers[0].upstream.link: is a value; expected a mapping"},
        {NULL, NULL},
    };
    refused_all(bad);
}

static void test_shares(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
        const char *shown; /* NULL: refused */
    } cases[] = {
        {"0%", 0, "0%"},
        {"5%", 50000, "5%"},
        {"5.0%", 50000, "5%"},
        {"0.1%", 1000, "0.1%"},
        {"12.34 %", 123400, "12.34%"},
        {"0.0001%", 1, "0.0001%"},
        {"0.05%", 500, "0.05%"},
        {"100%", 1000000, "100%"},
        {"1.%", 0, NULL},
        {"1.23456%", 0, NULL},
        {"0", 0, NULL},
        {"-1%", 0, NULL},
        {"1,5%", 0, NULL},
        {"1.2.3%", 0, NULL},
        {"1844674407370955.1616%", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[UNITS_MAX_TEXT];
        uint64_t value = 77, again = 78;
        if (!cases[i].shown) {
            assert_int_not_equal(units_parse(&units_shares, cases[i].text, &value), UNITS_OK);
            continue;
        }
        assert_int_equal(units_parse(&units_shares, cases[i].text, &value), UNITS_OK);
        assert_int_equal(value, cases[i].value);
        assert_string_equal(units_format(&units_shares, value, text), cases[i].shown);
        assert_int_equal(units_parse(&units_shares, text, &again), UNITS_OK);
        assert_int_equal(again, value);
    }
}

static void test_restart(void **state)
{
    (void)state;
    reloads(TIER, EXPERIMENT TIER, "experiment");
    reloads(EXPERIMENT TIER, EXPERIMENT UP("link: {delay: 0s}"), "tiers[os].upstream.link");
    reloads(LINK("delay: 1s"), LINK("delay: 1000ms, jitter: 0s, loss: 0%"), NULL);
    reloads(LINK("delay: 1s"), LINK("delay: 2s"), "tiers[os].upstream.link.delay");
    reloads(LINK("loss: 1%"), LINK("loss: 1.1%"), "tiers[os].upstream.link.loss");
    reloads(EXPERIMENT FEED("link: {delay: 2s}"), EXPERIMENT FEED("link: {delay: 2s, jitter: 1s}"),
            "feed.link.jitter");
    reloads(EXPERIMENT FEED("link: {delay: 2s}"), EXPERIMENT FEED(""), "feed.link");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_by_default),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_only_for_experiments),
        cmocka_unit_test(test_bad_link),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
