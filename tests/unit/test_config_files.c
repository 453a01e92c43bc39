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
        FEED("rdkafka: {sasl.password: hunter2}"),
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
    static const char *const names[] = {"fifo", "empty", "five", "secret", "blank"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    return rmdir(directory);
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
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
