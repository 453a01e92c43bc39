/*
 * options.h - the command line of every subcommand, from one table.
 *
 * A subcommand is a struct command in a file of its own: its words, which options it accepts, how
 * many operands, and what it does. Parsing, help and complaints are the same for all of them:
 *
 *   stdout   what was asked for; with --json nothing but JSON
 *   stderr   "freshet SUB: what is wrong"
 *   exit     an exit_code; exit_codes says what each means
 */
#ifndef FRESHET_CLI_OPTIONS_H
#define FRESHET_CLI_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/programs.h"

/* Groups of options a command accepts; --help always is. */
enum {
    OPT_CONFIG = 1 << 0,  /* -c */
    OPT_KAFKA = 1 << 1,   /* --brokers, -X */
    OPT_TOPIC = 1 << 2,   /* --topic */
    OPT_CHANGE = 1 << 3,  /* --serial, --seq */
    OPT_TIMEOUT = 1 << 4, /* --timeout */
    OPT_JSON = 1 << 5,    /* --json */
    OPT_SUBTREE = 1 << 6, /* --subtree */
    OPT_WATCH =
        1 << 7, /* --from-beginning, --last, --since, --until-end, --count, --zone, --name */
    OPT_BROKER = 1 << 8,    /* --partitions, --listen */
    OPT_CONTROL = 1 << 9,   /* --control */
    OPT_MOVE = 1 << 10,     /* those of struct move_options, --zone, --publisher */
    OPT_SNAPSHOT = 1 << 11, /* --snapshots, --file, --from-beginning, --until, --dry-run */
    OPT_ZONE =
        1 << 12, /* those of struct zone_options, --zone, --publisher, --snapshots, --dry-run */
    OPT_ORIGIN = 1 << 13,  /* -c takes a configuration of freshet-origin, too */
    OPT_SENDS = 1 << 14,   /* --zone, --publisher, --dry-run */
    OPT_DUMP = 1 << 18,    /* --name, --tier */
    OPT_STATUS = 1 << 15,  /* --check */
    OPT_TOPICS = 1 << 17,  /* --snapshots, --partitions, --replicas, --retention, --dry-run */
    OPT_VERBOSE = 1 << 16, /* --verbose */
    OPT_COLOR = 1 << 19,   /* --color */
    /* Those of whoever publishes one change set. */
    OPT_PUBLISHING =
        OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CHANGE | OPT_SENDS | OPT_TIMEOUT | OPT_JSON,
};

enum { MOVE_MAX_TIERS = 64, MOVE_MAX_AUTHORITIES = 16 };

/* What only "move" has. */
struct move_options {
    const char *from, *to;
    size_t tier_count;
    const char *tiers[MOVE_MAX_TIERS]; /* paths of control sockets, or http:// (remote.h) */
    size_t authority_count;
    const char *authorities[MOVE_MAX_AUTHORITIES];
    bool has_ttl;
    uint32_t ttl; /* seconds, as the next one */
    bool has_outside_ttl;
    uint32_t outside_ttl;
    uint64_t margin_ms;
    uint64_t wait_ms; /* --wait-at-most */
    const char *before_both, *before_new;
    bool resume_new;
};

/* What only "zone" has. */
struct zone_options {
    bool has_offset, has_serial; /* up to where the log counts; neither: to its end as it is now */
    uint64_t offset;             /* of the last message that does */
    uint32_t serial;             /* of the last state that does */
    const char *authority;       /* ADDRESS[:PORT] */
    const char *key_file;        /* has a TSIG key */
};

enum { MAX_COMPLAINT = 1400 };

/* What was said; strings point into argv or into `config`. */
struct options {
    const struct command *command;
    const char *config_path;
    const char *brokers;
    const char *topic;
    const char *snapshots; /* topic */
    const char *file;      /* NULL: not said */
    bool has_until;
    uint64_t until;
    char **secrets;    /* those of the config, with their values; NULL: not needed */
    char **properties; /* "name=value", of the config first, then of -X */
    size_t property_count;
    const char *zone;
    bool has_serial;
    uint32_t serial;
    const char *publisher;
    bool has_seq;
    uint64_t seq;
    uint64_t timeout_ms; /* 0: not said */
    bool json;
    bool subtree;
    bool dry_run;
    bool check;
    bool verbose;
    bool from_beginning;
    uint64_t count; /* 0: not said, as the next two */
    uint64_t last;
    int64_t since_ms; /* 1970 */
    bool until_end;
    const char *name;
    const char *tier;
    int partitions; /* 0: not said, as the next two */
    int replicas;
    uint64_t retention_ms;
    bool listens; /* --listen was said */
    struct sockaddr_in listen;
    const char *control;
    struct move_options move;
    struct zone_options of_zone;
    const char *place; /* "FILE:3", what a complaint is about; NULL: the command line */
    char
        *heard; /* takes what complain() has to say, MAX_COMPLAINT bytes of it; NULL: stderr does */
    char **operands;
    size_t operand_count;
    struct config *config; /* NULL without -c, and without a default one */
    bool help;             /* help was asked for, and nothing else is filled in */
};

struct command {
    const char *name;
    const char *operands;                      /* as in its usage line, "" for none */
    const char *summary;                       /* one line */
    const char *details;                       /* more lines for its own --help; may be NULL */
    unsigned accepts;                          /* OPT_*, or-ed */
    size_t least, most;                        /* operands */
    int (*run)(const struct options *options); /* returns an exit_code */
};

/*
 * Parses `argv`, whose first word is the subcommand's, and loads the file of -c. Returns true, or
 * false after a complaint on stderr. Free `ret` with options_free() either way.
 */
bool options_parse(const struct command *command, int argc, char **argv, struct options *ret);
void options_free(struct options *options);

/* The k-th option that a command accepts; false: there is none. */
bool options_nth(const struct command *command, size_t k, struct program_option *ret);

/* The command's --help, on stdout. */
void options_help(const struct command *command);

/* "freshet SUB: [PLACE: ]..." on stderr, control characters escaped; or into `heard`. */
__attribute__((format(printf, 2, 3))) void complain(const struct options *options,
                                                    const char *format, ...);

#endif
