/*
 * watch.c - "freshet watch": change sets as they come.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/color.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"
#include "cli/text.h"
#include "invalidation/changeset.h"
#include "invalidation/tail.h"

enum { SLICE_MS = 100, MAX_LINE = 70000, MAX_SHOWN_KEY = 300 };

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- what is wanted ---- */

struct filter {
    bool has_zone, has_name;
    uint8_t zone[NAME_MAX_SIZE], name[NAME_MAX_SIZE]; /* canonical */
};

/* False after a complaint. */
static bool make_filter(const struct options *o, struct filter *ret)
{
    *ret = (struct filter){.has_zone = o->zone, .has_name = o->name};
    return (!o->zone || name_word(o, "--zone", o->zone, ret->zone)) &&
           (!o->name || name_word(o, "--name", o->name, ret->name));
}

/* Whether a set, or one that was refused, is of a zone that is wanted. */
static bool wants_zone(const struct filter *filter, const uint8_t *zone)
{
    return (!filter->has_zone || name_is_within(zone, filter->zone)) &&
           (!filter->has_name || name_is_within(filter->name, zone));
}

static bool wants_change(const struct filter *filter, const struct change *change)
{
    if (!filter->has_name || name_equal(change->name, filter->name))
        return true;
    return change->subtree && name_is_within(filter->name, change->name);
}

static bool wants_set(const struct filter *filter, const struct change_set *set)
{
    if (!wants_zone(filter, set->zone))
        return false;
    for (size_t k = 0; k < set->change_count; k++)
        if (wants_change(filter, &set->changes[k]))
            return true;
    return !filter->has_name;
}

/* ---- for people ---- */

static void print_place(const struct log_message *message, int64_t time_us)
{
    char text[TIME_MAX_TEXT];
    printf("%s %" PRId32 ":%" PRId64 " ", time_us < 0 ? "-" : time_to_text(time_us, text),
           message->partition, message->offset);
}

static void print_zone(const struct change_set *set)
{
    char zone[NAME_MAX_TEXT];
    text_print(stdout, name_to_text(set->zone, zone));
    if (set->has_serial)
        printf(" %" PRIu32 " ", set->serial);
    else
        printf(" - ");
}

static void print_set(const struct log_message *message, const struct change_set *set,
                      const struct filter *filter)
{
    for (size_t k = 0; k < set->change_count; k++) {
        if (!wants_change(filter, &set->changes[k]))
            continue;
        print_place(message, set->time_us);
        print_zone(set);
        color_print_change(&set->changes[k]);
        printf("\n");
    }
    if (set->change_count == 0) {
        print_place(message, set->time_us);
        print_zone(set);
        printf("no changes\n");
    }
}

/* Bytes that may be anything, as far as they go before the first NUL. */
static void print_bytes(const char *bytes, size_t size, size_t most)
{
    char *text = strndup(bytes ? bytes : "", size < most ? size : most);
    text_print(stdout, text ? text : "");
    free(text);
}

static void print_refused(const struct log_message *message, const struct changeset_error *error)
{
    print_place(message, message->timestamp_ms < 0 ? -1 : message->timestamp_ms * 1000);
    if (message->key_size > 0)
        print_bytes(message->key, message->key_size, MAX_SHOWN_KEY);
    else
        printf("-");
    printf(" - refused: %s: ", error_text(error->code));
    text_print(stdout, error->where);
    printf("\n");
}

/* ---- JSON ---- */

/* The bytes as a string; what is not UTF-8 is left out. */
static json_t *json_bytes(const char *bytes, size_t size)
{
    json_t *text = bytes ? json_stringn(bytes, size) : NULL;
    return text ? text : json_null();
}

static const char *text_of(const struct log_message *message)
{
    return message->value ? (const char *)message->value : "";
}

static void print_json(const struct log_message *message, const struct changeset_error *error)
{
    json_t *object =
        json_pack("{s:i, s:I, s:I, s:o}", "partition", (int)message->partition, "offset",
                  (json_int_t)message->offset, "timestamp_ms", (json_int_t)message->timestamp_ms,
                  "key", json_bytes(message->key, message->key_size));
    json_t *set = json_loadb(text_of(message), message->value_size, JSON_REJECT_DUPLICATES, NULL);
    if (error->code < 0) {
        json_object_set_new(object, "error", json_string(error_text(error->code)));
        json_object_set_new(object, "where", json_string(error->where));
    }
    if (set)
        json_object_set_new(object, "set", set);
    else
        json_object_set_new(object, "value",
                            json_bytes((const char *)message->value, message->value_size));
    print_json_line(object);
    json_decref(object);
}

/* ---- */

/* Whether it was one of those that are wanted. */
static bool show(const struct options *o, const struct filter *filter,
                 const struct log_message *message)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    const int code = changeset_parse(text_of(message), message->value_size, &set, &error);
    const bool wanted = code == 0        ? wants_set(filter, set)
                        : error.has_zone ? wants_zone(filter, error.zone)
                                         : !filter->has_zone && !filter->has_name;
    if (wanted && o->json)
        print_json(message, &error);
    else if (wanted && code == 0)
        print_set(message, set, filter);
    else if (wanted)
        print_refused(message, &error);
    fflush(stdout);
    changeset_free(set);
    return wanted;
}

/* Until a signal, the count, the time, or nobody reads any more. */
static int follow(const struct options *o, const struct filter *filter, struct tail *tail)
{
    const int64_t until = now_ms() + (int64_t)o->timeout_ms;
    uint64_t shown = 0;
    char error[TAIL_MAX_ERROR];
    while (!ended && !ferror(stdout)) {
        struct log_message message;
        int code = tail_next(tail, SLICE_MS, &message, error);
        if (code != 0 && code != ERR_TIMEOUT) {
            complain(o, "%s", error);
            return EXIT_FAILED;
        }
        if (code == 0 && show(o, filter, &message) && ++shown == o->count)
            return EXIT_DONE;
        if (code == ERR_TIMEOUT && o->until_end && tail_at_end(tail))
            break;
        if (o->timeout_ms > 0 && now_ms() >= until)
            break;
    }
    if (ended || o->count == 0)
        return EXIT_DONE;
    complain(o, "%" PRIu64 " of %" PRIu64 " change sets came in time", shown, o->count);
    return EXIT_FAILED;
}

static int run_watch(const struct options *o)
{
    struct filter filter;
    if (!make_filter(o, &filter))
        return EXIT_USAGE;
    const struct tail_options options = {.brokers = o->brokers,
                                         .topic = o->topic,
                                         .properties = o->properties,
                                         .property_count = o->property_count,
                                         .from_beginning = o->from_beginning,
                                         .last = o->last,
                                         .since_ms = o->since_ms,
                                         .timeout_ms = (int)o->timeout_ms};
    char error[TAIL_MAX_ERROR];
    struct tail *tail = tail_open(&options, error);
    if (!tail) {
        complain(o, "%s", error);
        return EXIT_FAILED;
    }
    catch_signals();
    fprintf(stderr, "watching ");
    text_print(stderr, o->topic);
    fprintf(stderr, " (%zu partitions)\n", tail_partitions(tail));
    int code = follow(o, &filter, tail);
    tail_close(tail);
    return code;
}

const struct command watch_command = {
    .name = "watch",
    .operands = "",
    .summary = "Print change sets as they come",
    .details =
        "One line per change: time of the commit, partition:offset, zone, serial, change. "
        "Starts at the\n"
        "end of the log. Ends with SIGINT or SIGTERM, after --count, after --timeout, or with "
        "--until-end.\n",
    .accepts = OPT_ORIGIN | OPT_KAFKA | OPT_TOPIC | OPT_WATCH | OPT_COLOR | OPT_TIMEOUT | OPT_JSON,
    .run = run_watch,
};
