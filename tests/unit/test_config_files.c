/*
 * test_config_files.c - what a path in a configuration, or of it, may turn out to be; secrets in files of their own, and
 * secrets that are not shown.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/file.h"
#include "config/secrets.h"
#include "tests/unit/config_texts.h"

static char directory[] = "/tmp/freshet-test-XXXXXX";

static const char *at(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Whatever it is, that is said within a moment. */
static void refused_file(const char *path, const char *why)
{
    char error[CONFIG_MAX_ERROR], expected[CONFIG_MAX_ERROR];
    double began = seconds();
    assert_null(config_load(path, error));
    assert_true(seconds() - began < 5);
    snprintf(expected, sizeof expected, "%s: %s", path, why);
    assert_string_equal(error, expected);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    refused_file(at("fifo"), "is a pipe that does not come to its end");
    refused_file(directory, "is a directory");
    refused_file("/dev/zero", "is a device");
    refused_file("/dev/null", "is a device");
    refused_file(at("missing"), "No such file or directory");
    write_file("empty", "");
    refused_file(at("empty"), "is empty; expected a mapping");
}

/* As a shell's <(...) gives it: what a pipe has is read to its end, also where that comes in parts. */
static void test_a_pipe_with_an_end(void **state)
{
    (void)state;
    int ends[2];
    char path[32], error[CONFIG_MAX_ERROR] = "";
    assert_int_equal(pipe(ends), 0);
    assert_true(write(ends[1], TIER, strlen(TIER)) > 0);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct config *config = config_load(path, error);
    assert_non_null(config);
    config_free(config);
    close(ends[0]);
}

/* A pipe that is held open by somebody who says no more. */
static void test_a_pipe_without_an_end(void **state)
{
    (void)state;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    assert_true(write(ends[1], TIER, strlen(TIER)) > 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    refused_file(path, "is a pipe that does not come to its end");
    close(ends[0]);
    close(ends[1]);
}

static void test_limit(void **state)
{
    (void)state;
    char *text;
    size_t size;
    write_file("five", "12345");
    assert_int_equal(file_read(at("five"), 5, &text, &size), FILE_OK);
    assert_int_equal(size, 5);
    assert_string_equal(text, "12345");
    free(text);
    assert_int_equal(file_read(at("five"), 4, &text, &size), FILE_LARGE);
}

/* ---- secrets --------------------------------------------------------------------------------- */

static void takes(const char *value, const char *expected)
{
    char text[512];
    snprintf(text, sizeof text, FEED("rdkafka: [\"sasl.password=%s\"]"), value);
    struct config *config = parse(text);
    char error[CONFIG_MAX_ERROR] = "", **properties = secrets_read(config, error);
    if (!properties)
        fail_msg("%s", error);
    assert_string_equal(properties[0], expected);
    secrets_free(properties);
    config_free(config);
}

static void refuses(const char *value, const char *expected)
{
    char text[512], line[CONFIG_MAX_ERROR], error[CONFIG_MAX_ERROR];
    snprintf(text, sizeof text, FEED("rdkafka: [\"sasl.password=%s\"]"), value);
    snprintf(line, sizeof line, "t.yaml:2: feed.rdkafka[0]: %s", expected);
    struct config *config =
        parse(text); /* whoever does not need the value does not need the file */
    assert_null(secrets_read(config, error));
    assert_string_equal(error, line);
    config_free(config);
}

static void test_secret_in_a_file(void **state)
{
    (void)state;
    char value[300], expected[600];
    write_file("secret", "hunter2\n");
    snprintf(value, sizeof value, "file:%s", at("secret"));
    takes(value, "sasl.password=hunter2");
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    takes("file:secret", "sasl.password=hunter2");
    snprintf(expected, sizeof expected,
             "\"%s\" No such file or directory; expected a file with the value", at("no-secret"));
    refuses("file:no-secret", expected);
    unsetenv("CREDENTIALS_DIRECTORY");
    refuses("file:secret", "file:secret names a credential, and $CREDENTIALS_DIRECTORY is not set; "
                           "expected a path, or a service with LoadCredential=");
    write_file("blank", "\n\n");
    snprintf(value, sizeof value, "file:%s", at("blank"));
    snprintf(expected, sizeof expected, "\"%s\" is empty; expected a file with the value",
             at("blank"));
    refuses(value, expected);
    refuses("file:/dev/zero", "\"/dev/zero\" is a device; expected a file with the value");
    takes("hunter2", "sasl.password=hunter2");
    takes("a file:b", "sasl.password=a file:b");
}

/* However a line with a secret is miswritten, the secret is in no message. */
static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    static const char *const lines[] = {
        FEED("rdkafka: [sasl.password hunter2]"),
        FEED("rdkafka: [\"sasl.password: hunter2\"]"),
        FEED("rdkafka: [hunter2]"),
        FEED("rdkafka: [\"=hunter2\"]"),
        FEED("rdkafka: [{sasl.password: hunter2}]"),
        FEED("rdkafka: {sasl.password: [hunter2]}"),
        FEED("rdkafka: {group.id: hunter2}"),
        FEED("rdkafka: hunter2"),
        FEED("rdkafka: [[hunter2]]"),
        FEED("rdkafka: [group.id=hunter2]"),
        FEED("rdkafka: [sasl.password=hunter2"),
        FEED("rdkafka: [sasl.password=hunter2]]"),
        FEED("rdkafka: [\"sasl.password=hunter2\\q\"]"),
        FEED("rdkafka: [&hunter2 a=b]"),
        FEED("rdkafka: [*hunter2]"),
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char error[CONFIG_MAX_ERROR] = "";
        struct config *config = config_parse("t.yaml", lines[i], strlen(lines[i]), error);
        if (config || strstr(error, "hunter2") || strncmp(error, "t.yaml:", 7) != 0)
            fail_msg("%s%s", lines[i], error);
    }
}

/* ---- brokers --------------------------------------------------------------------------------- */

static void test_brokers(void **state)
{
    (void)state;
    static const char *const good[] = {
        "b",         "kafka.example.com:9092", "a:1,b:2", "a:1, b:2", "[::1]:9092",
        "192.0.2.1", "ssl://k.example:9093",   "a_b:1",
    };
    static const char *const wrong[] = {"",     "a:",  "a:0", "a:65536", "a:b", ":9092", "a,,b",
                                        "a:1,", "a b", "[:1", "[]:1",    ",a",  "a:1:2"};
    char text[512], error[CONFIG_MAX_ERROR];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, TIER "feed: {zones: [a], brokers: \"%s\"}\n", good[i]);
        config_free(parse(text));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, TIER "feed: {zones: [a], brokers: \"%s\"}\n", wrong[i]);
        struct config *config = config_parse("t.yaml", text, strlen(text), error);
        if (config)
            fail_msg("taken: %s", wrong[i]);
    }
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"fifo",  "empty", "five",   "secret",
                                        "blank", "zones", "except", "config"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    return rmdir(directory);
}

/* ---- zones of the feed ---- */

#define FEED_OF(zones, except)                                                                     \
    "feed: {brokers: b, zones: [" zones "]" except "}\n"                                           \
    "tiers: [{name: a, listen: [\"::1\"], upstream: {forward: [192.0.2.1]}}]\n"

static struct config *load_zones(char error[CONFIG_MAX_ERROR])
{
    return config_load(at("config"), error);
}

static void write_config(const char *text)
{
    char filled[4096], *out = filled;
    for (const char *c = text; *c; c++)
        out += *c == '@' ? sprintf(out, "%s", directory) : sprintf(out, "%c", *c);
    write_file("config", filled);
}

static void test_zones_in_files(void **state)
{
    (void)state;
    char error[CONFIG_MAX_ERROR];
    static const char *const zones[] = {"first.", "a.example.", "B.example", "last."};
    write_file("zones", "# a list\n\na.example. ; the first\r\n  B.example\t\n#\n");
    write_file("except", "x.a.example.");
    write_config(FEED_OF("first., \"file:@/zones\", last.", ", except: [\"file:@/except\"]"));
    struct config *config = load_zones(error);
    assert_non_null(config);
    assert_int_equal(config->feed->zone_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(config->feed->zones[i], zones[i]);
    assert_int_equal(config->feed->except_count, 1);
    assert_string_equal(config->feed->except[0], "x.a.example.");
    struct config *same = load_zones(error);
    assert_non_null(same);
    assert_false(config_needs_restart(config, same, error));
    config_free(same);
    write_file("zones", "a.example.\n");
    same = load_zones(error);
    assert_non_null(same);
    assert_int_equal(same->feed->zone_count, 3);
    assert_false(config_needs_restart(config, same, error));
    config_free(same);
    config_free(config);
}

static void refused_zones(const char *config, const char *zones, const char *why)
{
    char error[CONFIG_MAX_ERROR], expected[2 * CONFIG_MAX_ERROR];
    write_config(config);
    write_file("zones", zones);
    assert_null(load_zones(error));
    snprintf(expected, sizeof expected, "%s:1: %s", at("config"), why);
    for (char *place = expected; (place = strchr(place, '@')) != NULL;) {
        char rest[CONFIG_MAX_ERROR];
        snprintf(rest, sizeof rest, "%s", place + 1);
        sprintf(place, "%s%s", directory, rest);
    }
    assert_string_equal(error, expected);
}

/* With the line of the file. */
static void test_bad_zones_in_files(void **state)
{
    (void)state;
    static const char one[] = FEED_OF("\"file:@/zones\"", "");
    refused_zones(
        FEED_OF("\"file:@/no\"", ""), "",
        "feed.zones[0]: \"@/no\" No such file or directory; expected a file with names of "
        "zones");
    refused_zones(one, "# none\n",
                  "feed.zones[0]: \"@/zones\" names no zone; expected a name on each line");
    refused_zones(
        one, "a.\n\nb..c\n",
        "feed.zones[0]: @/zones:3: \"b..c\" is not a domain name; expected labels of 1 to "
        "63 ASCII characters, 253 in all, such as example.com.");
    refused_zones(
        one, "a.\n*.b.\n",
        "feed.zones[0]: @/zones:2: \"*.b.\" is a wildcard, and no zone; expected the zone "
        "itself, such as example.com.; what is below it is meant with it");
    refused_zones(
        one, "a. b.\n",
        "feed.zones[0]: @/zones:1: \"a. b.\" is not a domain name; expected labels of 1 to "
        "63 ASCII characters, 253 in all, such as example.com.");
    refused_zones(one, "a.\nb.\nA\n",
                  "feed.zones[0]: @/zones:3: \"A\" is @/zones:1 again; expected each zone once");
    refused_zones(
        FEED_OF("b., \"file:@/zones\"", ""), "a.\nb.\n",
        "feed.zones[1]: @/zones:2: \"b.\" is feed.zones[0] again; expected each zone once");
    refused_zones(
        FEED_OF("a.", ", except: [\"file:@/zones\"]"), "x.a.\nx.b.\n",
        "feed.except[0]: @/zones:2: \"x.b.\" lies below no zone of feed.zones; expected one "
        "that does");
    refused_zones(FEED_OF("\"file:@/zones\"", ", except: [b.]"), "a.\nb.\n",
                  "feed.except[0]: \"b.\" is @/zones:2 too; expected it in one of the two");
}

static void test_a_million_zones(void **state)
{
    (void)state;
    char error[CONFIG_MAX_ERROR];
    FILE *file = fopen(at("zones"), "w");
    assert_non_null(file);
    for (int i = 0; i < 1000000; i++)
        fprintf(file, "z%d.example.\n", i);
    fclose(file);
    write_config(FEED_OF("\"file:@/zones\"", ""));
    struct config *config = load_zones(error);
    assert_non_null(config);
    assert_int_equal(config->feed->zone_count, 1000000);
    config_free(config);
    file = fopen(at("zones"), "a");
    assert_non_null(file);
    fprintf(file, "more.example.\n");
    fclose(file);
    assert_null(load_zones(error));
    assert_non_null(strstr(error, "zones:1000001: \"more.example.\" is one too many; expected "
                                  "1000000 zones at most"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_a_pipe_with_an_end),
        cmocka_unit_test(test_a_pipe_without_an_end),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_secret_in_a_file),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_zones_in_files),
        cmocka_unit_test(test_bad_zones_in_files),
        cmocka_unit_test(test_a_million_zones),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
