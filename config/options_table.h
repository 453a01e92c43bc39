/*
 * options_table.h - how the rows of the tables (options.c, options_origin.c) are written. Private to those.
 */
#ifndef FRESHET_CONFIG_OPTIONS_TABLE_H
#define FRESHET_CONFIG_OPTIONS_TABLE_H

#include "config/options.h"

#define FIELD(type, member) .field = offsetof(struct type, member)
#define NUMBER_FIELD(type, member)                                                                 \
    FIELD(type, member), .width = sizeof(((struct type *)NULL)->member)
#define LIST_FIELD(type, member, counter)                                                          \
    FIELD(type, member), .count = offsetof(struct type, counter)

/* Rows that both programs have: what it is spoken to by, and what it says. */
#define PROGRAM_ROWS(scope_)                                                                       \
    {.key = "control",                                                                             \
     .scope = (scope_),                                                                            \
     .inner = SCOPE_CONTROL,                                                                       \
     .kind = OPTION_MAPPING,                                                                       \
     .reload = OPTION_INSIDE,                                                                      \
     .brief = "path",                                                                              \
     FIELD(config, control),                                                                       \
     .text = "The unix socket that the tool `freshet` speaks to; its path alone will do. Left "    \
             "out: no socket."},                                                                   \
        {.key = "metrics",                                                                         \
         .scope = (scope_),                                                                        \
         .kind = OPTION_ADDRESS,                                                                   \
         .reload = OPTION_RESTART,                                                                 \
         FIELD(config, metrics),                                                                   \
         .text = "Address and port of the HTTP server that has Prometheus text at `/metrics`, "    \
                 "`/healthz` and `/readyz`; that of freshetd answers `freshet move` of another "   \
                 "machine, too. Left out: none."},                                                 \
    {                                                                                              \
        .key = "log", .scope = (scope_), .kind = OPTION_LOG_LEVEL, .reload = OPTION_RELOAD,        \
        .preset = "info", FIELD(config, log), .text = "How much is logged."                        \
    }

/* Who it is; `text_`: when it becomes that. */
#define USER_ROWS(scope_, text_)                                                                   \
    {.key = "user",                                                                                \
     .scope = (scope_),                                                                            \
     .kind = OPTION_TEXT,                                                                          \
     .reload = OPTION_RESTART,                                                                     \
     .min = 1,                                                                                     \
     .max = 256,                                                                                   \
     FIELD(config, user),                                                                          \
     .text = (text_)},                                                                             \
    {                                                                                              \
        .key = "group", .scope = (scope_), .kind = OPTION_TEXT, .reload = OPTION_RESTART,          \
        .min = 1, .max = 256, FIELD(config, group),                                                \
        .text = "Likewise the group. Left out: that of `user`."                                    \
    }

/* Where changes are; `text_`: what the topic of snapshots is for. */
#define TOPIC_ROWS(scope_, text_)                                                                  \
    {.key = "brokers",                                                                             \
     .scope = (scope_),                                                                            \
     .kind = OPTION_BROKERS,                                                                       \
     .reload = OPTION_RESTART,                                                                     \
     .required = true,                                                                             \
     .min = 1,                                                                                     \
     .max = 4096,                                                                                  \
     FIELD(config_feed, brokers),                                                                  \
     .text = "Kafka brokers to start from, `host:port`: a list, or separated by commas."},         \
        {.key = "updates",                                                                         \
         .scope = (scope_),                                                                        \
         .kind = OPTION_TOPIC,                                                                     \
         .reload = OPTION_RESTART,                                                                 \
         .min = 1,                                                                                 \
         .max = 249,                                                                               \
         .preset = "dns.updates",                                                                  \
         FIELD(config_feed, updates),                                                              \
         .text = "The topic of change sets."},                                                     \
    {                                                                                              \
        .key = "snapshots", .scope = (scope_), .kind = OPTION_TOPIC, .reload = OPTION_RESTART,     \
        .min = 1, .max = 249, .preset = "dns.snapshots", FIELD(config_feed, snapshots),            \
        .text = (text_)                                                                            \
    }

/* Keys, and of a zone who may transfer it and is told of each version. */
#define KEYS_ROW(scope_)                                                                           \
    {                                                                                              \
        .key = "keys", .scope = (scope_), .kind = OPTION_TEXTS, .reload = OPTION_RELOAD, .min = 1, \
        .max = 1024, LIST_FIELD(config, keys, key_count),                                          \
        .text = "TSIG keys (RFC 8945), each `hmac-sha256:NAME:BASE64` or "                         \
                "`hmac-sha512:NAME:BASE64`, as `dig -y` takes them, or `file:PATH` of a file "     \
                "with such a line, or `file:NAME` of a credential of the service.",                \
    }
#define SECONDARIES_ROWS(scope_, type)                                                             \
    {.key = "transfer_keys",                                                                       \
     .scope = (scope_),                                                                            \
     .kind = OPTION_ZONES,                                                                         \
     .reload = OPTION_RELOAD,                                                                      \
     .min = 1,                                                                                     \
     .max = 256,                                                                                   \
     LIST_FIELD(type, transfer_keys, transfer_key_count),                                          \
     .text = "Names of those of `keys` that may transfer the zone."},                              \
        {.key = "transfer_from",                                                                   \
         .scope = (scope_),                                                                        \
         .kind = OPTION_NETWORKS,                                                                  \
         .reload = OPTION_RELOAD,                                                                  \
         .min = 1,                                                                                 \
         .max = 256,                                                                               \
         LIST_FIELD(type, transfer_from, transfer_from_count),                                     \
         .text = "Addresses that may transfer the zone without a key."},                           \
        {.key = "notify",                                                                          \
         .scope = (scope_),                                                                        \
         .kind = OPTION_TARGETS,                                                                   \
         .reload = OPTION_RELOAD,                                                                  \
         .min = 1,                                                                                 \
         .max = 64,                                                                                \
         LIST_FIELD(type, notify, notify_count),                                                   \
         .text = "Secondaries that are told of each new version (NOTIFY), signed with `key` if "   \
                 "there is one."},                                                                 \
    {                                                                                              \
        .key = "history", .scope = (scope_), .kind = OPTION_SIZE, .reload = OPTION_RELOAD,         \
        .min = 4096, .max = UINT64_C(1) << 40, .preset = "16MiB", NUMBER_FIELD(type, history),     \
        .text = "Memory for the versions that IXFR can hand out; who is further behind gets the "  \
                "whole zone.",                                                                     \
    }

#define SECONDS(n) ((n)*UINT64_C(1000)) /* in milliseconds, as durations are parsed */
#define KIB(n)     ((n)*UINT64_C(1024))
#define GIB(n)     ((n) * (UINT64_C(1) << 30))

#endif
