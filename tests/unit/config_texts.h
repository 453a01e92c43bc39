/*
 * config_texts.h - configurations for tests, from snippets: load them, or have them refused.
 *
 * TIER is the smallest whole configuration; the macros with a `text` put it where their name says.
 */
#ifndef FRESHET_TESTS_CONFIG_TEXTS_H
#define FRESHET_TESTS_CONFIG_TEXTS_H

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"
#include "config/config.h"

#define UPSTREAM "upstream: {forward: [192.0.2.1]}"
#define TIER     "tiers: [{name: os, listen: [127.0.0.1], " UPSTREAM "}]\n"

/* A tier with a cache mapping, a feed with one more key, a tier with other listeners. */
#define CACHE(text)         "tiers: [{name: os, listen: [127.0.0.1], cache: {" text "}, " UPSTREAM "}]\n"
#define FEED(text)          TIER "feed: {brokers: b, zones: [a], " text "}\n"
#define ZONES(text)         TIER "feed: {brokers: b, zones: [" text "]}\n"
#define EXCEPT(zones, text) TIER "feed: {brokers: b, zones: [" zones "], except: [" text "]}\n"
#define LISTEN(text)        "tiers: [{name: os, listen: [" text "], " UPSTREAM "}]\n"
#define FORWARD(text)       "tiers: [{name: os, listen: [127.0.0.1], upstream: {forward: [" text "]}}]\n"
#define STREAM(text)                                                                               \
    "tiers: [{name: os, listen: [127.0.0.1], routes: [{name: a, stream: " text "}], " UPSTREAM     \
    "}]\nfeed: {brokers: b, zones: [a]}\n"

static inline struct config *parse(const char *text)
{
    char error[CONFIG_MAX_ERROR] = "";
    struct config *config = config_parse("t.yaml", text, strlen(text), error);
    if (!config)
        fail_msg("refused: %s\n%s", error, text);
    return config;
}

/* Takes the line's number out of "t.yaml:7: what is wrong"; most texts here have but one line. */
static inline void forget_line(char *error)
{
    char *colon = strchr(error, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (digits > 0)
        memmove(colon, colon + 1 + digits, strlen(colon + 1 + digits) + 1);
}

/*
 * Loads the first `size` bytes of `text`, which are to be refused with exactly `expected`; the line's number is compared
 * where it has one.
 */
static inline void refused_bytes(const char *text, size_t size, const char *expected)
{
    char error[CONFIG_MAX_ERROR] = "";
    struct config *config = config_parse("t.yaml", text, size, error);
    assert_null(config);
    if (strncmp(expected, "t.yaml: ", 8) == 0)
        forget_line(error);
    assert_string_equal(error, expected);
}

struct bad {
    const char *text;
    const char *expected; /* after "t.yaml: "; or "7: " and that, after "t.yaml:" */
};

static inline void refused_all(const struct bad *bad)
{
    for (; bad->text; bad++) {
        char expected[CONFIG_MAX_ERROR];
        bool line = bad->expected[strspn(bad->expected, "0123456789")] == ':';
        snprintf(expected, sizeof(expected), "t.yaml:%s%s", line ? "" : " ", bad->expected);
        refused_bytes(bad->text, strlen(bad->text), expected);
    }
}

/* `running` -> `wanted` takes a restart because of `key`, or none if `key` is NULL. */
static inline void reloads(const char *running_text, const char *wanted_text, const char *key)
{
    char ret_key[CONFIG_MAX_ERROR] = "";
    struct config *running = parse(running_text), *wanted = parse(wanted_text);
    bool restart = config_needs_restart(running, wanted, ret_key);
    config_free(running);
    config_free(wanted);
    assert_string_equal(ret_key, key ? key : "");
    assert_int_equal(restart, key != NULL);
}

#endif
