/*
 * options_origin.c - the table of what freshet-origin's configuration file can say (options.h).
 */
#include "config/config.h"
#include "config/options_table.h"

enum { MAX_PRIMARIES = 16, MAX_RULES = 1024 };

const struct option options_of_origin[] = {
    {.key = "listen",
     .scope = SCOPE_ORIGIN,
     .kind = OPTION_ADDRESSES,
     .reload = OPTION_RESTART,
     .required = true,
     .min = 1,
     .max = 64,
     LIST_FIELD(config, listen, listen_count),
     .text = "Where NOTIFY is taken, by UDP and TCP."},
    PROGRAM_ROWS(SCOPE_ORIGIN),
    {.key = "webhook",
     .scope = SCOPE_ORIGIN,
     .kind = OPTION_ADDRESS,
     .reload = OPTION_RESTART,
     FIELD(config, webhook),
     .text = "Address and port, of loopback, at which external-dns' webhook protocol is spoken: "
             "zones with `log: primary` "
             "whose `update` grants something to `webhook.`. Left out: nowhere."},
    USER_ROWS(SCOPE_ORIGIN,
              "Started as root, it becomes this user as soon as its sockets are open."),
    {.key = "publisher",
     .scope = SCOPE_ORIGIN,
     .kind = OPTION_TEXT,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 63,
     .preset = "freshet-origin",
     FIELD(config, publisher),
     .text = "Who the change sets say they are from. All instances that look after the same zones "
             "say the same."},
    KEYS_ROW(SCOPE_ORIGIN),
    {.key = "feed",
     .scope = SCOPE_ORIGIN,
     .inner = SCOPE_ORIGIN_FEED,
     .kind = OPTION_FEED,
     .reload = OPTION_RESTART,
     .required = true,
     FIELD(config, feed),
     .text = "The topics that changes are written to."},
    {.key = "zones",
     .scope = SCOPE_ORIGIN,
     .inner = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_ORIGIN_ZONES,
     .reload = OPTION_RELOAD,
     .required = true,
     .min = 1,
     .max = 65536,
     LIST_FIELD(config, origin_zones, origin_zone_count),
     .text = "The zones whose changes are made known."},

    TOPIC_ROWS(
        SCOPE_ORIGIN_FEED,
        "The topic of snapshots, compacted: each zone as a whole, written anew before the log "
        "forgets what comes after the one before. Where there is no such topic, that is said "
        "in the log, and versions that fit no message wait for it."),
    {.key = "group",
     .scope = SCOPE_ORIGIN_FEED,
     .kind = OPTION_TEXT,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 255,
     FIELD(config_feed, group),
     .text =
         "The consumer group of the instances that look after the same zones: one of them writes "
         "each zone, and the others stand by. Also how the names of their transactions begin. Left "
         "out: it "
         "is alone, and a second one must not run beside it."},
    {.key = "session",
     .scope = SCOPE_ORIGIN_FEED,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RESTART,
     .min = 1000,
     .max = SECONDS(300),
     .preset = "6s",
     NUMBER_FIELD(config_feed, session_ms),
     .text =
         "With `group`: an instance that Kafka has not heard of for so long has lost its zones to "
         "the others. The brokers may not allow less than 6 s "
         "(`group.min.session.timeout.ms`). One that is stopped hands over at once."},
    {.key = "rdkafka",
     .scope = SCOPE_ORIGIN_FEED,
     .kind = OPTION_PROPERTIES,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 256,
     LIST_FIELD(config_feed, rdkafka, rdkafka_count),
     .text = "Further properties of librdkafka, as in freshetd's file."},

    {.key = "name",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_ZONE_FILE,
     .reload = OPTION_RELOAD,
     FIELD(config_origin_zone, name),
     .text = "The zone, given once; or `file:PATH` of a file with the names of zones, a line each: "
             "what follows is for each of them. Either this or `catalog`."},
    {.key = "catalog",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_ZONE,
     .reload = OPTION_RELOAD,
     FIELD(config_origin_zone, catalog),
     .text =
         "A catalog zone (RFC 9432) that is on the log, captured here or by somebody else: what "
         "follows is for each of its members, but for those that have an entry of their own. "
         "The first entry that fits a member is its. Which catalogs there are takes a "
         "restart."},
    {.key = "group",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_TEXT,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 255,
     FIELD(config_origin_zone, group),
     .text = "Of the members of `catalog`, those that it puts into this group (RFC 9432 4.3.2). "
             "Left out: all."},
    {.key = "primary",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_TARGETS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_PRIMARIES,
     LIST_FIELD(config_origin_zone, primary, primary_count),
     .text =
         "Its primary servers: versions are fetched from them (IXFR, AXFR), and NOTIFY is taken "
         "from their addresses only. A zone has either these or `log`."},
    {.key = "log",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_TEXT,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 16,
     FIELD(config_origin_zone, log),
     .text = "`primary`: the log is the zone's primary. It is changed by UPDATE (RFC 2136), or by "
             "what is "
             "published otherwise, and handed out by AXFR and IXFR. What follows is for such "
             "zones; a change takes a "
             "restart."},
    {.key = "serial",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_TEXT,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 16,
     .preset = "increment",
     FIELD(config_origin_zone, serial),
     .text = "How an UPDATE makes the next serial: `increment`, `unixtime` or `date` (YYYYMMDD00 "
             "and on)."},
    {.key = "update",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_TEXTS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_RULES,
     LIST_FIELD(config_origin_zone, update, update_count),
     .text =
         "Who may change what, as BIND's update-policy: `grant KEY. RULE NAME. TYPES`, or `deny`; "
         "the first rule that fits decides. RULE is `name`, `subdomain`, `wildcard`, `zonesub`, "
         "`self`, `selfsub` or `selfwild`; without TYPES all but NS, SOA, RRSIG, NSEC and NSEC3, "
         "`ANY`: all."},
    {.key = "update_from",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_NETWORKS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 256,
     LIST_FIELD(config_origin_zone, update_from, update_from_count),
     .text = "Addresses that may change anything without a key. Such an address is easily forged "
             "over UDP: loopback at most."},
    SECONDARIES_ROWS(SCOPE_ORIGIN_ZONE, config_origin_zone),
    {.key = "key",
     .scope = SCOPE_ORIGIN_ZONE,
     .kind = OPTION_ZONE,
     .reload = OPTION_RELOAD,
     FIELD(config_origin_zone, key),
     .text =
         "Name of the key in `keys` that transfers from a `primary` and NOTIFYs to `notify` are "
         "signed with; NOTIFY of a `primary` has to be, too. Left out: nothing is signed."},
};

const size_t options_of_origin_count = sizeof options_of_origin / sizeof options_of_origin[0];
