#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/color.h"
#include "cli/nearest.h"
#include "cli/text.h"
#include "config/secrets.h"
#include "invalidation/changeset.h"
#include "invalidation/kafka.h"

#define DEFAULT_TOPIC     "dns.updates"
#define DEFAULT_SNAPSHOTS "dns.snapshots"
#define DEFAULT_CONTROL   "/run/freshet/control.sock"
#define DEFAULT_CONFIG    "/etc/freshet/freshet.yaml"

enum { DEFAULT_MARGIN_MS = 1000, DEFAULT_WAIT_MS = 60 * 1000 };
enum { MAX_REPLICAS = 32, MAX_PARTITIONS = 1024, HELP_COLUMN = 29 };

/* Codes of long options without a letter. */
enum {
    CODE_BROKERS = 256,
    CODE_TOPIC,
    CODE_ZONE,
    CODE_SERIAL,
    CODE_PUBLISHER,
    CODE_SEQ,
    CODE_TIMEOUT,
    CODE_JSON,
    CODE_SUBTREE,
    CODE_FROM_BEGINNING,
    CODE_COUNT,
    CODE_PARTITIONS,
    CODE_LISTEN,
    CODE_CONTROL,
    CODE_FROM,
    CODE_TO,
    CODE_TIER,
    CODE_AUTHORITY,
    CODE_TTL,
    CODE_OUTSIDE_TTL,
    CODE_MARGIN,
    CODE_WAIT_AT_MOST,
    CODE_BEFORE_BOTH,
    CODE_BEFORE_NEW,
    CODE_RESUME,
    CODE_DRY_RUN,
    CODE_SNAPSHOTS,
    CODE_FILE,
    CODE_UNTIL,
    CODE_AT_OFFSET,
    CODE_AT_SERIAL,
    CODE_ZONE_AUTHORITY,
    CODE_KEY_FILE,
    CODE_CHECK,
    CODE_LAST,
    CODE_SINCE,
    CODE_UNTIL_END,
    CODE_NAME,
    CODE_TIER_NAME,
    CODE_REPLICAS,
    CODE_RETENTION,
    CODE_COLOR,
};

struct option_row {
    unsigned group; /* 0: every command */
    const char *name;
    const char *value; /* its name in the help; NULL when it takes none */
    int code;
    const char *help;
};

static const struct option_row rows[] = {
    {OPT_ORIGIN, "config", "FILE", 'c',
     "take what is not said here from a configuration, freshetd's or freshet-origin's "
     "($FRESHET_CONFIG, " DEFAULT_CONFIG ")"},
    {OPT_CONFIG, "config", "FILE", 'c',
     "take what is not said here from freshetd's configuration ($FRESHET_CONFIG, " DEFAULT_CONFIG
     ")"},
    {OPT_KAFKA, "brokers", "LIST", CODE_BROKERS, "Kafka brokers, host:port,host:port"},
    {OPT_TOPIC, "topic", "TOPIC", CODE_TOPIC, "topic of change sets (" DEFAULT_TOPIC ")"},
    {OPT_KAFKA, "property", "NAME=VALUE", 'X', "a property of librdkafka; may be repeated"},
    {OPT_MOVE, "from", "ADDRESS", CODE_FROM, "the address that is to be withdrawn"},
    {OPT_MOVE, "to", "ADDRESS", CODE_TO, "the address that takes its place"},
    {OPT_MOVE, "tier", "PATH", CODE_TIER,
     "a freshetd to wait for: its control socket, or http://HOST:PORT of its metrics; may be "
     "repeated (the configuration's)"},
    {OPT_MOVE, "authority", "SERVER", CODE_AUTHORITY,
     "ADDRESS[:PORT] that must answer so before it is published; may be repeated"},
    {OPT_MOVE, "ttl", "TTL", CODE_TTL, "TTL of the RRset, where no --authority tells it"},
    {OPT_MOVE, "outside-ttl", "TTL", CODE_OUTSIDE_TTL,
     "how long clients past every tier may hold an answer (the RRset's TTL)"},
    {OPT_MOVE, "margin", "TIME", CODE_MARGIN, "and to wait once that is over (1s)"},
    {OPT_MOVE, "wait-at-most", "TIME", CODE_WAIT_AT_MOST,
     "for tiers and authorities, before it gives up (1m)"},
    {OPT_MOVE, "before-both", "COMMAND", CODE_BEFORE_BOTH,
     "puts both addresses into the authority"},
    {OPT_MOVE, "before-new", "COMMAND", CODE_BEFORE_NEW, "leaves the new one alone there"},
    {OPT_MOVE, "resume", "STEP", CODE_RESUME, "start with: both, new"},
    {OPT_SNAPSHOT | OPT_ZONE | OPT_TOPICS, "snapshots", "TOPIC", CODE_SNAPSHOTS,
     "topic of snapshots (" DEFAULT_SNAPSHOTS ")"},
    {OPT_SNAPSHOT, "file", "FILE", CODE_FILE,
     "the zone as it is at the end of the log: a zone file"},
    {OPT_SNAPSHOT, "until", "OFFSET", CODE_UNTIL,
     "the first change set that is not to be in it (the end of the log)"},
    {OPT_MOVE | OPT_SNAPSHOT | OPT_ZONE | OPT_SENDS | OPT_TOPICS, "dry-run", NULL, CODE_DRY_RUN,
     "say what would be done, and do nothing"},
    {OPT_ZONE, "at-offset", "N", CODE_AT_OFFSET,
     "the zone as it was after this message of the log"},
    {OPT_ZONE, "at-serial", "N", CODE_AT_SERIAL, "the zone as it was with this serial"},
    {OPT_ZONE, "authority", "SERVER", CODE_ZONE_AUTHORITY, "ADDRESS[:PORT] that verify asks"},
    {OPT_ZONE, "key-file", "FILE", CODE_KEY_FILE,
     "has the TSIG key for it, as hmac-sha256:NAME:SECRET"},
    {OPT_SENDS | OPT_MOVE | OPT_ZONE, "zone", "ZONE", CODE_ZONE,
     "zone that NAME lies in (the longest of the configuration's)"},
    {OPT_CHANGE, "serial", "N", CODE_SERIAL, "the zone's SOA serial after the change"},
    {OPT_SENDS | OPT_MOVE | OPT_ZONE, "publisher", "TEXT", CODE_PUBLISHER,
     "who publishes (freshet)"},
    {OPT_CHANGE, "seq", "N", CODE_SEQ, "the publisher's running number of the change set"},
    {OPT_SUBTREE, "subtree", NULL, CODE_SUBTREE, "the name and all below it"},
    {OPT_WATCH | OPT_SNAPSHOT, "from-beginning", NULL, CODE_FROM_BEGINNING,
     "start with the oldest in the log"},
    {OPT_WATCH, "last", "N", CODE_LAST, "start with the last N of each partition"},
    {OPT_WATCH, "since", "TIME", CODE_SINCE,
     "start with what came that long ago (10m), or at a time (2026-11-22T03:00:00Z)"},
    {OPT_WATCH, "until-end", NULL, CODE_UNTIL_END, "end with the last that is there now"},
    {OPT_DUMP, "name", "NAME", CODE_NAME, "answers of this name and of those below it alone"},
    {OPT_DUMP, "tier", "TIER", CODE_TIER_NAME, "answers of this tier alone"},
    {OPT_WATCH, "name", "NAME", CODE_NAME, "changes of this name alone"},
    {OPT_WATCH, "zone", "ZONE", CODE_ZONE,
     "change sets of this zone, and of those below it, alone"},
    {OPT_WATCH, "count", "N", CODE_COUNT, "end after N change sets"},
    {OPT_BROKER, "partitions", "N", CODE_PARTITIONS, "partitions of the topic (3)"},
    {OPT_TOPICS, "partitions", "N", CODE_PARTITIONS, "partitions of a topic that is made (6)"},
    {OPT_TOPICS, "replicas", "N", CODE_REPLICAS, "replicas of it (one on each broker, at most 3)"},
    {OPT_TOPICS, "retention", "TIME", CODE_RETENTION, "how long changes are kept in it (168h)"},
    {OPT_BROKER, "listen", "ADDRESS:PORT", CODE_LISTEN,
     "a loopback address where clients find it (any free port)"},
    {OPT_CONTROL, "control", "PATH", CODE_CONTROL, "control socket (" DEFAULT_CONTROL ")"},
    {OPT_TIMEOUT, "timeout", "TIME", CODE_TIMEOUT,
     "give up after this long: 5, 500ms, 2m (10s; watch goes on)"},
    {OPT_STATUS, "check", NULL, CODE_CHECK, "print warnings alone; exit with 5 if there are any"},
    {OPT_VERBOSE, "verbose", NULL, 'v', "print the change clock's stamps as well"},
    {OPT_COLOR, "color", "WHEN", CODE_COLOR,
     "auto, always or never: colours (auto: on a terminal, without NO_COLOR)"},
    {OPT_JSON, "json", NULL, CODE_JSON, "print JSON"},
    {0, "help", NULL, 'h', "print this help"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static bool accepted(const struct command *command, const struct option_row *row)
{
    return row->group == 0 || (command->accepts & row->group);
}

void complain(const struct options *options, const char *format, ...)
{
    char text[MAX_COMPLAINT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (options->heard) {
        strcpy(options->heard, text);
        return;
    }
    fprintf(stderr, "freshet %s: ", options->command->name);
    if (options->place) {
        text_print(stderr, options->place);
        fputs(": ", stderr);
    }
    text_print(stderr, text);
    fputc('\n', stderr);
}

static void print_row(const struct option_row *row)
{
    char left[64];
    int length = row->code < CODE_BROKERS ? snprintf(left, sizeof left, "  -%c, --", row->code)
                                          : snprintf(left, sizeof left, "      --");
    snprintf(left + length, sizeof left - (size_t)length, "%s%s%s", row->name,
             row->value ? "=" : "", row->value ? row->value : "");
    printf("%-*s %s\n", HELP_COLUMN, left, row->help);
}

bool options_nth(const struct command *command, size_t k, struct program_option *ret)
{
    for (size_t row = 0; row < ROWS; row++) {
        if (!accepted(command, &rows[row]) || k-- > 0)
            continue;
        *ret = (struct program_option){
            .letter = rows[row].code < CODE_BROKERS ? (char)rows[row].code : '\0',
            .name = rows[row].name,
            .value = rows[row].value,
            .help = rows[row].help,
        };
        return true;
    }
    return false;
}

void options_help(const struct command *command)
{
    printf("Usage: freshet %s [OPTION]...%s%s\n%s.\n", command->name,
           command->operands[0] ? " " : "", command->operands, command->summary);
    if (command->details)
        printf("\n%s", command->details);
    printf("\n");
    for (size_t k = 0; k < ROWS; k++)
        if (accepted(command, &rows[k]))
            print_row(&rows[k]);
}

/* ---- values ---- */

static bool bad_value(const struct options *o, const char *option, const char *value,
                      const char *expected)
{
    complain(o, "--%s \"%s\" is not %s", option, value, expected);
    return false;
}

static bool set_serial(struct options *o, const char *value)
{
    uint64_t number;
    if (!text_to_number(value, UINT32_MAX, &number))
        return bad_value(o, "serial", value, "a number up to 4294967295");
    o->has_serial = true;
    o->serial = (uint32_t)number;
    return true;
}

static bool set_seq(struct options *o, const char *value)
{
    if (!text_to_number(value, INT64_MAX, &o->seq)) /* JSON integers end there */
        return bad_value(o, "seq", value, "a number up to 9223372036854775807");
    o->has_seq = true;
    return true;
}

static bool set_count(struct options *o, const char *value)
{
    if (!text_to_number(value, INT64_MAX, &o->count) || o->count == 0)
        return bad_value(o, "count", value, "a number from 1");
    return true;
}

static bool set_last(struct options *o, const char *value)
{
    if (!text_to_number(value, INT64_MAX, &o->last) || o->last == 0)
        return bad_value(o, "last", value, "a number from 1");
    return true;
}

/* So long ago, or then. */
static bool set_since(struct options *o, const char *value)
{
    uint64_t ago_ms;
    int64_t time_us;
    if (text_to_duration(value, &ago_ms))
        o->since_ms = (int64_t)time(NULL) * 1000 - (int64_t)ago_ms;
    else if (time_from_text(value, &time_us) == 0)
        o->since_ms = time_us / 1000;
    if (o->since_ms <= 0)
        return bad_value(o, "since", value, "a time such as 10m, or 2026-11-22T03:00:00Z");
    return true;
}

static bool set_until(struct options *o, const char *value)
{
    if (!text_to_number(value, INT64_MAX, &o->until))
        return bad_value(o, "until", value, "a number");
    o->has_until = true;
    return true;
}

static bool set_partitions(struct options *o, const char *value)
{
    uint64_t number;
    if (!text_to_number(value, MAX_PARTITIONS, &number) || number == 0)
        return bad_value(o, "partitions", value, "a number from 1 to 1024");
    o->partitions = (int)number;
    return true;
}

static bool set_replicas(struct options *o, const char *value)
{
    uint64_t number;
    if (!text_to_number(value, MAX_REPLICAS, &number) || number == 0)
        return bad_value(o, "replicas", value, "a number from 1 to 32");
    o->replicas = (int)number;
    return true;
}

/* Nobody from elsewhere could follow where the broker sends its clients. */
static bool set_listen(struct options *o, const char *value)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!config_parse_address(value, 0, &address, &size) || address.ss_family != AF_INET)
        return bad_value(o, "listen", value, "an IPv4 address with port");
    memcpy(&o->listen, &address, sizeof o->listen);
    if (o->listen.sin_port == 0 || ntohl(o->listen.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return bad_value(o, "listen", value,
                         "a loopback address with port, such as 127.0.0.1:9092");
    o->listens = true;
    return true;
}

static bool set_timeout(struct options *o, const char *value)
{
    if (!text_to_duration(value, &o->timeout_ms) || o->timeout_ms == 0)
        return bad_value(o, "timeout", value, "a time such as 5, 500ms or 2m");
    return true;
}

static bool add_property(struct options *o, char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value) /* it may be a secret that lost its name */
        return bad_value(o, "property", "...", "NAME=VALUE");
    char **grown = realloc(o->properties, (o->property_count + 1) * sizeof *grown);
    if (!grown) {
        complain(o, "%s", strerror(ENOMEM));
        return false;
    }
    o->properties = grown;
    o->properties[o->property_count++] = value;
    return true;
}

/* ---- those of move ---- */

static bool set_ttl(struct options *o, const char *option, const char *value, bool *ret_said,
                    uint32_t *ret_ttl)
{
    *ret_said = true;
    if (!text_to_ttl(value, ret_ttl))
        return bad_value(o, option, value, "0..2147483647 seconds, or such as 5m or 1h30m");
    return true;
}

static bool set_duration(struct options *o, const char *option, const char *value, uint64_t *ret_ms)
{
    if (!text_to_duration(value, ret_ms))
        return bad_value(o, option, value, "a time such as 5, 500ms or 2m");
    return true;
}

static bool add_word(struct options *o, const char *option, const char *value, size_t most,
                     const char **words, size_t *count)
{
    if (*count == most) {
        complain(o, "--%s \"%s\" is one too many: %zu is the most", option, value, most);
        return false;
    }
    words[(*count)++] = value;
    return true;
}

static bool set_resume(struct options *o, const char *value)
{
    o->move.resume_new = strcmp(value, "new") == 0;
    if (!o->move.resume_new && strcmp(value, "both") != 0)
        return bad_value(o, "resume", value, "one of: both, new");
    return true;
}

/* Options with a value; false in `ret_mine` for those of other commands. */
static bool set_move_option(struct options *o, int code, const char *value, bool *ret_mine)
{
    struct move_options *move = &o->move;
    *ret_mine = true;
    switch (code) {
    case CODE_FROM:
        move->from = value;
        return true;
    case CODE_TO:
        move->to = value;
        return true;
    case CODE_TIER:
        return add_word(o, "tier", value, MOVE_MAX_TIERS, move->tiers, &move->tier_count);
    case CODE_AUTHORITY:
        return add_word(o, "authority", value, MOVE_MAX_AUTHORITIES, move->authorities,
                        &move->authority_count);
    case CODE_TTL:
        return set_ttl(o, "ttl", value, &move->has_ttl, &move->ttl);
    case CODE_OUTSIDE_TTL:
        return set_ttl(o, "outside-ttl", value, &move->has_outside_ttl, &move->outside_ttl);
    case CODE_MARGIN:
        return set_duration(o, "margin", value, &move->margin_ms);
    case CODE_WAIT_AT_MOST:
        return set_duration(o, "wait-at-most", value, &move->wait_ms);
    case CODE_BEFORE_BOTH:
        move->before_both = value;
        return true;
    case CODE_BEFORE_NEW:
        move->before_new = value;
        return true;
    case CODE_RESUME:
        return set_resume(o, value);
    default:
        *ret_mine = false;
        return true;
    }
}

/* ---- those of zone ---- */

static bool set_at(struct options *o, const char *option, const char *value, uint64_t most,
                   bool *ret_said, uint64_t *ret_number)
{
    *ret_said = true;
    if (!text_to_number(value, most, ret_number))
        return bad_value(o, option, value, "a number");
    return true;
}

static bool set_at_serial(struct options *o, const char *value)
{
    uint64_t serial = 0;
    bool good = set_at(o, "at-serial", value, UINT32_MAX, &o->of_zone.has_serial, &serial);
    o->of_zone.serial = (uint32_t)serial;
    return good;
}

/* As set_move_option(). */
static bool set_zone_option(struct options *o, int code, const char *value, bool *ret_mine)
{
    struct zone_options *zone = &o->of_zone;
    *ret_mine = true;
    switch (code) {
    case CODE_AT_OFFSET:
        return set_at(o, "at-offset", value, INT64_MAX, &zone->has_offset, &zone->offset);
    case CODE_AT_SERIAL:
        return set_at_serial(o, value);
    case CODE_ZONE_AUTHORITY:
        zone->authority = value;
        return true;
    case CODE_KEY_FILE:
        zone->key_file = value;
        return true;
    default:
        *ret_mine = false;
        return true;
    }
}

/* The long option that was meant by one that the command does not have. */
static void suggest(const struct command *command, const char *word)
{
    char name[32];
    if (!word || strncmp(word, "--", 2) != 0)
        return;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    struct nearest nearest = nearest_to(name);
    for (size_t k = 0; k < ROWS; k++)
        if (accepted(command, &rows[k]))
            nearest_try(&nearest, rows[k].name);
    if (nearest.found && nearest.distance > 0)
        fprintf(stderr, "Did you mean --%s? ", nearest.found);
}

static bool set_flag(struct options *o, int code)
{
    switch (code) {
    case CODE_JSON:
        o->json = true;
        break;
    case CODE_SUBTREE:
        o->subtree = true;
        break;
    case CODE_FROM_BEGINNING:
        o->from_beginning = true;
        break;
    case CODE_DRY_RUN:
        o->dry_run = true;
        break;
    case CODE_UNTIL_END:
        o->until_end = true;
        break;
    case CODE_CHECK:
        o->check = true;
        break;
    case 'v':
        o->verbose = true;
        break;
    case 'h':
        o->help = true;
        break;
    default: /* unknown or incomplete: getopt_long() has said so */
        fprintf(stderr, "Try 'freshet %s --help'.\n", o->command->name);
        return false;
    }
    return true;
}

static bool set_option(struct options *o, int code, char *value)
{
    bool mine;
    bool good = set_move_option(o, code, value, &mine);
    if (!mine)
        good = set_zone_option(o, code, value, &mine);
    if (mine)
        return good;
    switch (code) {
    case 'c':
        o->config_path = value;
        return true;
    case 'X':
        return add_property(o, value);
    case CODE_BROKERS:
        o->brokers = value;
        return true;
    case CODE_TOPIC:
        o->topic = value;
        return true;
    case CODE_ZONE:
        o->zone = value;
        return true;
    case CODE_SERIAL:
        return set_serial(o, value);
    case CODE_PUBLISHER:
        o->publisher = value;
        return true;
    case CODE_SEQ:
        return set_seq(o, value);
    case CODE_TIMEOUT:
        return set_timeout(o, value);
    case CODE_COUNT:
        return set_count(o, value);
    case CODE_PARTITIONS:
        return set_partitions(o, value);
    case CODE_LAST:
        return set_last(o, value);
    case CODE_SINCE:
        return set_since(o, value);
    case CODE_TIER_NAME:
        o->tier = value;
        return true;
    case CODE_NAME:
        o->name = value;
        return true;
    case CODE_REPLICAS:
        return set_replicas(o, value);
    case CODE_RETENTION:
        return set_duration(o, "retention", value, &o->retention_ms);
    case CODE_LISTEN:
        return set_listen(o, value);
    case CODE_CONTROL:
        o->control = value;
        return true;
    case CODE_COLOR:
        return color_choose(value) || bad_value(o, "color", value, "one of: auto, always, never");
    case CODE_SNAPSHOTS:
        o->snapshots = value;
        return true;
    case CODE_FILE:
        o->file = value;
        return true;
    case CODE_UNTIL:
        return set_until(o, value);
    default:
        return set_flag(o, code);
    }
}

/* ---- the whole line ---- */

/* Fills what getopt_long() wants; options the command does not accept are unknown to it. */
static void make_getopt(const struct command *command, struct option longs[ROWS + 1],
                        char letters[2 * ROWS + 1])
{
    size_t count = 0, at = 0;
    for (size_t k = 0; k < ROWS; k++) {
        if (!accepted(command, &rows[k]))
            continue;
        longs[count++] = (struct option){.name = rows[k].name,
                                         .has_arg = rows[k].value ? required_argument : no_argument,
                                         .val = rows[k].code};
        if (rows[k].code >= CODE_BROKERS)
            continue;
        letters[at++] = (char)rows[k].code;
        if (rows[k].value)
            letters[at++] = ':';
    }
    longs[count] = (struct option){.name = NULL};
    letters[at] = '\0';
}

static bool parse_options(struct options *o, int argc, char **argv)
{
    struct option longs[ROWS + 1];
    char letters[2 * ROWS + 1], called[64];
    make_getopt(o->command, longs, letters);
    snprintf(called, sizeof called, "freshet %s",
             o->command->name); /* how getopt_long() complains */
    char *const before = argv[0];
    argv[0] = called;
    optind = 0;
    int code;
    bool good = true;
    while (good && !o->help && (code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == '?')
            suggest(o->command, argv[optind - 1]);
        good = set_option(o, code, optarg);
    }
    argv[0] = before;
    o->operands = argv + optind;
    o->operand_count = (size_t)(argc - optind);
    return good;
}

static bool count_operands(const struct options *o)
{
    const struct command *command = o->command;
    if (o->operand_count < command->least)
        complain(o, "missing operand: freshet %s %s", command->name, command->operands);
    else if (o->operand_count > command->most)
        complain(o, "\"%s\" is one operand too many", o->operands[command->most]);
    else
        return true;
    fprintf(stderr, "Try 'freshet %s --help'.\n", command->name);
    return false;
}

/* Properties of the file come first, so that -X has the last word. */
static bool merge_properties(struct options *o, const struct config_feed *feed)
{
    const size_t said = o->property_count;
    char error[CONFIG_MAX_ERROR];
    if (feed->rdkafka_count == 0 || !(o->command->accepts & OPT_KAFKA))
        return true;
    o->secrets = secrets_read(o->config, error);
    if (!o->secrets) {
        complain(o, "%s", error);
        return false;
    }
    char **merged = calloc(feed->rdkafka_count + said, sizeof *merged);
    if (!merged) {
        complain(o, "%s", strerror(ENOMEM));
        return false;
    }
    memcpy(merged, o->secrets, feed->rdkafka_count * sizeof *merged);
    if (said > 0)
        memcpy(merged + feed->rdkafka_count, o->properties, said * sizeof *merged);
    free(o->properties);
    o->properties = merged;
    o->property_count = feed->rdkafka_count + said;
    return true;
}

static bool load_config(struct options *o)
{
    char error[CONFIG_MAX_ERROR];
    o->config = config_load_either(o->config_path, error);
    if (!o->config) {
        complain(o, "%s", error);
        return false;
    }
    if (o->config->is_origin && !(o->command->accepts & OPT_ORIGIN)) {
        complain(o, "%s is freshet-origin's; expected a configuration of freshetd", o->config_path);
        return false;
    }
    if (!o->control)
        o->control = o->config->control.path;
    if (!o->control && o->command->accepts & OPT_CONTROL) {
        complain(o, "%s has no control; add one, such as control: %s, or say --control",
                 o->config_path, DEFAULT_CONTROL);
        return false;
    }
    const struct config_feed *feed = o->config->feed;
    if (!feed)
        return true;
    if (!o->brokers)
        o->brokers = feed->brokers;
    if (!o->topic)
        o->topic = feed->updates;
    if (!o->snapshots)
        o->snapshots = feed->snapshots;
    return merge_properties(o, feed);
}

/* By their place, as what is refused may be a secret that stands in the wrong one. */
static bool check_properties(const struct options *o)
{
    char error[KAFKA_MAX_ERROR];
    const struct kafka_settings settings = {.properties = o->properties,
                                            .property_count = o->property_count};
    const size_t of_file = o->secrets ? o->config->feed->rdkafka_count : 0;
    const size_t wrong = kafka_find_refused(&settings, error);
    if (wrong < of_file)
        complain(o, "%s: feed.rdkafka[%zu]: %s", o->config_path, wrong, error);
    else if (wrong < o->property_count)
        complain(o, "--property number %zu: %s", wrong - of_file + 1, error);
    return wrong == o->property_count;
}

/* Whether something is still to be said that a configuration may say. */
static bool wants_config(const struct options *o)
{
    const unsigned accepts = o->command->accepts;
    return (accepts & (OPT_CONFIG | OPT_ORIGIN)) &&
           (((accepts & OPT_KAFKA) && !o->brokers) || ((accepts & OPT_SENDS) && !o->zone) ||
            ((accepts & OPT_CONTROL) && !o->control));
}

/* $FRESHET_CONFIG, or the one of the machine if there is one; NULL: neither. */
static const char *default_config(void)
{
    const char *path = getenv("FRESHET_CONFIG");
    if (path && path[0])
        return path;
    return access(DEFAULT_CONFIG, F_OK) == 0 ? DEFAULT_CONFIG : NULL;
}

static bool check_options(struct options *o)
{
    if (!o->config_path && wants_config(o))
        o->config_path = default_config();
    if (o->config_path && !load_config(o))
        return false;
    if (!o->topic)
        o->topic = DEFAULT_TOPIC;
    if (!o->snapshots)
        o->snapshots = DEFAULT_SNAPSHOTS;
    if (!o->control)
        o->control = DEFAULT_CONTROL;
    if (o->from_beginning + (o->last > 0) + (o->since_ms > 0) > 1) {
        complain(o, "--from-beginning, --last or --since: one of them");
        return false;
    }
    if (o->of_zone.has_offset && o->of_zone.has_serial) {
        complain(o, "--at-offset or --at-serial, not both");
        return false;
    }
    if ((o->command->accepts & OPT_KAFKA) && !o->brokers) {
        complain(o, "which brokers? Say --brokers, or -c with a file that has a feed, or set "
                    "FRESHET_CONFIG to one");
        return false;
    }
    return check_properties(o);
}

bool options_parse(const struct command *command, int argc, char **argv, struct options *ret)
{
    *ret = (struct options){
        .command = command,
        .move = {.margin_ms = DEFAULT_MARGIN_MS, .wait_ms = DEFAULT_WAIT_MS},
    };
    (void)color_choose(NULL);
    if (!parse_options(ret, argc, argv))
        return false;
    return ret->help || (count_operands(ret) && check_options(ret));
}

void options_free(struct options *options)
{
    config_free(options->config);
    secrets_free(options->secrets);
    free(options->properties);
}
