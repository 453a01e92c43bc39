/*
 * config.h - the configuration file as one plain structure.
 *
 *   file (YAML) -> libcyaml -> units, ranges, combinations checked -> struct config
 *
 * One table in config/options.c names every option: key path, kind of value, unit, range, default,
 * what a reload does with it, and its sentence. The parser, the checks and config/OPTIONS.md all
 * come from that table. A config is parsed fresh, checked whole, and never changed afterwards; a
 * reload makes a second one and the daemon swaps. This folder knows no other: programs map it onto
 * the other folders' own option structs.
 */
#ifndef FRESHET_CONFIG_CONFIG_H
#define FRESHET_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { CONFIG_MAX_ERROR = 512 };

/* An address with its port, and the text it was written as. */
struct config_address {
    struct sockaddr_storage addr;
    socklen_t addr_size;
    char *text;
};

struct config_cache {
    uint64_t size;         /* bytes */
    uint32_t min_ttl;      /* seconds */
    uint32_t max_ttl;      /* seconds */
    uint32_t negative_ttl; /* seconds: upper bound for NXDOMAIN and NODATA */
    uint32_t client_ttl;   /* seconds: upper bound towards clients, for zones of the feed */
    uint32_t hold;         /* seconds an answer may live past its TTL while the feed is in sync */
    uint32_t serve_stale;  /* seconds past its TTL that it may stand in for a dead upstream */
    bool prefetch;         /* refresh answers in use before they expire */
    bool warm;             /* fetch answers in use again as soon as a change evicts them */
};

/* An address prefix: "127.0.0.0/8", "::1". */
struct config_network {
    sa_family_t family;
    uint8_t bytes[16]; /* in network order; 4 of them for IPv4 */
    uint8_t bits;
    char *text;
};

/* Who may ask, and how much. */
struct config_clients {
    struct config_network
        *allow; /* none written: loopback, private networks, those of the machine */
    size_t allow_count;
    struct config_network *refuse;
    size_t refuse_count;
    struct config_network *drop;
    size_t drop_count;
    uint32_t rate_limit; /* UDP replies a second to one network; 0: no limit */
    bool require_cookies;
    char **cookie_secrets; /* 32 hexadecimal digits each; none: one is made up at the start */
    size_t cookie_secret_count;
};

/* A simulated distance: what happens to a message on its way. */
struct config_link {
    uint64_t delay_ms;
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of a million are lost */
};

/* A zone that is asked elsewhere than the rest of its tier. */
struct config_zone {
    char *name;   /* presentation form, as written; NULL: it is for the members of `catalog` */
    char **names; /* those of the file that it names, "file:PATH"; NULL: it is one itself */
    size_t name_count;
    char *catalog; /* one of feed.catalogs; NULL: it has a name */
    char *group;   /* of those members, the ones of this group; NULL: all */
    struct config_address
        *forward; /* exactly one of forward and parent has entries, or none where it is streamed */
    size_t forward_count;
    struct config_address *parent;
    size_t parent_count;
    bool stream;          /* answered from the whole zone, as the log has it */
    char *fallback;       /* "upstream": asked when it has expired; NULL: nobody is */
    bool authoritative;   /* queries without RD get answers with AA. From here on for those */
    char **transfer_keys; /* names of keys */
    size_t transfer_key_count;
    struct config_network *transfer_from;
    size_t transfer_from_count;
    struct config_address *notify;
    size_t notify_count;
    uint64_t history; /* bytes */
    char *key;        /* name of one of `keys`; NULL: none */
};

struct config_tier {
    char *name;
    struct config_address *listen;
    size_t listen_count;
    struct config_cache cache;
    bool subscribe;  /* with a feed: changes evict and replace; false: TTLs alone */
    bool per_client; /* each client has answers of its own */
    bool trust_ad;   /* what the upstream says it has validated, clients are told */
    char *above;     /* name of a tier of this file to ask; NULL: one of the next two has entries */
    struct config_address *forward;
    size_t forward_count;
    struct config_address *parent; /* freshet tiers on the same feed, asked for their position */
    size_t parent_count;
    struct config_link *link; /* to those; NULL: none */
    struct config_clients clients;
    struct config_network *position_for; /* who is told our position; none written: loopback */
    size_t position_for_count;
    struct config_zone *zones;
    size_t zone_count;
    bool special_use; /* names without a place in the public DNS are answered here (RFC 6761) */
    char **hosts;     /* paths of files in the format of hosts(5) */
    size_t host_count;
    char **local; /* records in the text of zone files; whether they are is not checked here */
    size_t local_count;
};

struct config_feed {
    char *brokers;
    char *updates;   /* topic */
    char *snapshots; /* topic */
    char **zones;    /* presentation form, as written */
    size_t zone_count;
    char **catalogs; /* zones that tell of further ones (RFC 9432); without them, there are zones */
    size_t catalog_count;
    char **except; /* zones below those, of which the topic does not carry the changes */
    size_t except_count;
    uint64_t lease_ms;
    uint64_t settle_ms; /* how long a change may take to reach every authoritative server */
    uint64_t marks;     /* capacity of the marks table, in scopes */
    char **rdkafka; /* "property=value", checked for the '=' only; read them by config/secrets.h */
    size_t rdkafka_count;
    struct config_link *link; /* NULL: none */
    char *group;              /* freshet-origin: of instances, one of which writes; NULL: alone */
    uint64_t session_ms;
};

/* A zone of freshet-origin. */
struct config_origin_zone {
    char *name;   /* presentation form, as written; NULL: it is for the members of `catalog` */
    char **names; /* those of the file that it names, "file:PATH"; NULL: it is one itself */
    size_t name_count;
    char *catalog;                  /* a catalog that is on the log; NULL: it has a name */
    char *group;                    /* of those members, the ones of this group; NULL: all */
    struct config_address *primary; /* no entries where `log` is there */
    size_t primary_count;
    char *key; /* name of one of `keys`; NULL: none */
    char *
        log; /* "primary": the log is the zone's primary, and takes UPDATEs; NULL: it has others. From here on for those */
    char *serial;  /* increment | unixtime | date */
    char **update; /* rules; whether they are is not checked here */
    size_t update_count;
    struct config_network *update_from;
    size_t update_from_count;
    char **transfer_keys; /* names of keys */
    size_t transfer_key_count;
    struct config_network *transfer_from;
    size_t transfer_from_count;
    struct config_address *notify;
    size_t notify_count;
    uint64_t history; /* bytes */
};

/* The unix socket that the tool speaks to. */
struct config_control {
    char *path;  /* NULL for none */
    char *group; /* whose members may open it too; NULL: nobody else */
};

/* The file of freshetd, or of freshet-origin: what the other's table does not have is zero. */
struct config {
    bool is_origin;
    uint32_t workers;
    uint32_t tcp_clients;        /* connections at a time, per worker */
    uint64_t tcp_idle_ms;        /* a silent connection is closed after this */
    uint64_t resolve_timeout_ms; /* a query is answered within this, if with SERVFAIL */
    struct config_control control;
    struct config_address *metrics; /* NULL for none */
    char *query_log;                /* none | questions | clients */
    char *log;                      /* error | warning | info | debug */
    char *user, *group;       /* who it becomes once its sockets are open; NULL: nobody else */
    bool sandbox;             /* system calls are bounded */
    bool experiment;          /* only then there are links */
    struct config_feed *feed; /* NULL: a plain caching forwarder */
    struct config_tier *tiers;
    size_t tier_count;
    char **keys; /* "algorithm:name:base64" or "file:PATH"; whether they are is not checked here */
    size_t key_count;
    struct config_address *listen; /* from here to `origin_zones`: freshet-origin */
    size_t listen_count;
    struct config_address *webhook; /* NULL for none */
    char *publisher;
    struct config_origin_zone *origin_zones;
    size_t origin_zone_count;
    char note
        [CONFIG_MAX_ERROR]; /* one line, of an option under its former name; "": there is none */
    char *path; /* as it was named, and the text it had (spelling.h): for config_fault() */
    char *source;
    size_t source_size;
};

/*
 * Reads and checks `path`. Returns a config to be freed with config_free(), or NULL with one line
 * in `ret_error`: file, key path, what is wrong and what is expected.
 */
struct config *config_load(const char *path, char ret_error[CONFIG_MAX_ERROR]);

/* The same for a file of freshet-origin. */
struct config *config_load_origin(const char *path, char ret_error[CONFIG_MAX_ERROR]);

/* Of either: what has `zones` at its top is freshet-origin's. */
struct config *config_load_either(const char *path, char ret_error[CONFIG_MAX_ERROR]);

/* As config_load() from memory; `path` only names the text in errors. */
struct config *config_parse(const char *path, const char *text, size_t size,
                            char ret_error[CONFIG_MAX_ERROR]);
struct config *config_parse_origin(const char *path, const char *text, size_t size,
                                   char ret_error[CONFIG_MAX_ERROR]);

/*
 * Writes the line that refuses a config for what only its user can know: file, line, key path, what is wrong and what
 * is expected. `key` is a key path ("tiers[0].listen[1]"), or NULL when the whole is meant.
 */
void config_fault(const struct config *config, char ret_error[CONFIG_MAX_ERROR], const char *key,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Frees a config; NULL is fine. */
void config_free(struct config *config);

/*
 * Names the first option that differs between the two and takes a restart to change ("workers",
 * "tiers[os].listen"), or NULL when a reload can apply everything. A static or config-owned string
 * is not returned: the key path is written to `ret_key`.
 */
bool config_needs_restart(const struct config *running, const struct config *wanted,
                          char ret_key[CONFIG_MAX_ERROR]);

/*
 * Parses "127.0.0.1:5353", "[::1]:53", or an address alone (port `default_port`); a written port is
 * 1 to 65535. False when `text` is none of these, a host name included. A link-local address whose interface ("%eth0")
 * is not there now has scope 0.
 */
bool config_parse_address(const char *text, uint16_t default_port,
                          struct sockaddr_storage *ret_addr, socklen_t *ret_size);

/*
 * Parses "10.0.0.0/8", "2001:db8::/32", or one address alone. `ret_network` has no text and owns
 * nothing. False when `text` is neither, or has bits set beyond its prefix.
 */
bool config_parse_network(const char *text, struct config_network *ret_network);

#endif
