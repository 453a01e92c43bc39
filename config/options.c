#include "config/options.h"

#include <string.h>

#include "config/config.h"
#include "config/options_table.h"

enum {
    DAY = 86400,         /* seconds */
    YEAR = 52 * 7 * DAY, /* seconds: "52w" */
    MAX_SERVERS = 32,    /* of one upstream */
};

static const char *const query_log_words[] = {"none", "questions", "clients", NULL};

static const struct option options[] = {
    {.key = "workers",
     .scope = SCOPE_TOP,
     .kind = OPTION_NUMBER,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 256,
     .preset = "1",
     NUMBER_FIELD(config, workers),
     .text = "Threads that answer queries, each with its own sockets. One per core is plenty."},
    PROGRAM_ROWS(SCOPE_TOP),
    {.key = "tcp_clients",
     .scope = SCOPE_TOP,
     .kind = OPTION_NUMBER,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 1000000,
     .preset = "1000",
     NUMBER_FIELD(config, tcp_clients),
     .text = "TCP connections at a time, for each worker, as far as the limit of open files "
             "allows. When all are taken, "
             "the client that holds most makes room."},
    {.key = "tcp_idle",
     .scope = SCOPE_TOP,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RELOAD,
     .min = 100,
     .max = SECONDS(3600),
     .preset = "10s",
     NUMBER_FIELD(config, tcp_idle_ms),
     .text = "A TCP connection that stays silent for this long is closed (RFC 7766 6.2.3); sooner "
             "while more "
             "than half of the places are taken."},
    {.key = "resolve_timeout",
     .scope = SCOPE_TOP,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RELOAD,
     .min = 10,
     .max = SECONDS(60),
     .preset = "5s",
     NUMBER_FIELD(config, resolve_timeout_ms),
     .text = "A query is answered within this time, with SERVFAIL if the upstream gives nothing."},
    {.key = "query_log",
     .scope = SCOPE_TOP,
     .kind = OPTION_WORD,
     .reload = OPTION_RELOAD,
     .words = query_log_words,
     .preset = "none",
     FIELD(config, query_log),
     .text = "Whether the log has a line for each answer, at level info: what was asked, and where "
             "the answer came from; with `clients` who asked, too. A hundred lines a second at "
             "most, and how many were left out."},
    USER_ROWS(SCOPE_TOP,
              "Started as root, it becomes this user as soon as its sockets and the control socket "
              "are open. The configuration and hosts files are read again as this user. Left out: "
              "it stays root by name, without root's capabilities."),
    {.key = "sandbox",
     .scope = SCOPE_TOP,
     .kind = OPTION_BOOL,
     .reload = OPTION_RESTART,
     .preset = "true",
     NUMBER_FIELD(config, sandbox),
     .text = "Whether the process may from then on make only the system calls that a resolver "
             "needs (seccomp): it starts no program, for one, so `sasl.mechanisms=GSSAPI`, which "
             "runs `kinit`, turns it off. Where the kernel has none, that is said and it goes "
             "on."},
    {.key = "experiment",
     .scope = SCOPE_TOP,
     .kind = OPTION_BOOL,
     .reload = OPTION_RESTART,
     .preset = "false",
     NUMBER_FIELD(config, experiment),
     .text = "Whether this process is part of an experiment: only then a `link` is taken."},
    KEYS_ROW(SCOPE_TOP),
    {.key = "feed",
     .scope = SCOPE_TOP,
     .inner = SCOPE_FEED,
     .kind = OPTION_FEED,
     .reload = OPTION_RESTART,
     FIELD(config, feed),
     .text = "The subscription to the topic of change sets. Left out: a plain caching forwarder."},
    {.key = "tiers",
     .scope = SCOPE_TOP,
     .inner = SCOPE_TIER,
     .kind = OPTION_TIERS,
     .reload = OPTION_RESTART,
     .required = true,
     .min = 1,
     .max = 64,
     LIST_FIELD(config, tiers, tier_count),
     .text = "The caches of this process. Their number, names and order take a restart."},

    TOPIC_ROWS(SCOPE_FEED, "The topic of whole zones, for those that a tier streams."),
    {.key = "zones",
     .scope = SCOPE_FEED,
     .kind = OPTION_ZONE_LIST,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 65536,
     LIST_FIELD(config_feed, zones, zone_count),
     .text = "The zones whose changes the topic carries, with all that is below them. Answers from "
             "other zones live by their TTL alone. `file:PATH` stands for a file with a name on "
             "each line, `#` or `;` before a comment; 1,000,000 in all. These, `catalogs` or both "
             "are given."},
    {.key = "catalogs",
     .scope = SCOPE_FEED,
     .kind = OPTION_ZONES,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 64,
     LIST_FIELD(config_feed, catalogs, catalog_count),
     .text = "Catalog zones (RFC 9432) whose members are zones of the feed, too, as long as they "
             "are members. The topic carries the catalogs' changes, and `snapshots` has them as "
             "a whole."},
    {.key = "except",
     .scope = SCOPE_FEED,
     .kind = OPTION_ZONE_LIST,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 65536,
     LIST_FIELD(config_feed, except, except_count),
     .text = "Zones below those whose changes the topic does not carry, such as one that is "
             "delegated to somebody else: names in them live by their TTL alone, as if no zone of "
             "`zones` were around them. A zone of `zones` may lie below one of these again. "
             "`file:PATH` as there."},
    {.key = "lease",
     .scope = SCOPE_FEED,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RESTART,
     .min = 100,
     .max = SECONDS(3600),
     .preset = "3s",
     NUMBER_FIELD(config_feed, lease_ms),
     .text = "For how long, after the last proof that the feed is live and drained, its zones "
             "count as in sync. Loss of the feed is noticed within this time."},
    {.key = "settle",
     .scope = SCOPE_FEED,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RESTART,
     .max = SECONDS(60),
     .preset = "2s",
     NUMBER_FIELD(config_feed, settle_ms),
     .text = "An answer fetched this soon after a change of a name in it lives at most 1 s, since "
             "the server that gave it may not have had the change yet."},
    {.key = "marks",
     .scope = SCOPE_FEED,
     .kind = OPTION_NUMBER,
     .reload = OPTION_RESTART,
     .min = 16,
     .max = UINT64_C(1) << 28,
     .preset = "1048576",
     NUMBER_FIELD(config_feed, marks),
     .text = "Changed names that are remembered. When the table is full it forgets some, and "
             "answers that depend on those are fetched anew."},
    {.key = "rdkafka",
     .scope = SCOPE_FEED,
     .kind = OPTION_PROPERTIES,
     .reload = OPTION_RESTART,
     .max = 256,
     LIST_FIELD(config_feed, rdkafka, rdkafka_count),
     .text = "Properties of librdkafka, passed through: TLS, SASL, timeouts. `{security.protocol: "
             "ssl}`, or `[\"security.protocol=ssl\"]`. A secret does not belong in this file: "
             "`sasl.password: file:PATH` takes the "
             "value from a file, `file:NAME` from a credential of the service manager "
             "(systemd's `LoadCredential=`). `isolation.level` is `read_committed`, whatever is "
             "said here. Messages "
             "inflate in the client before their size is known: with zstd to "
             "`receive.message.max.bytes` (here 64 MiB), and else it is a gap; gzip may grow a "
             "thousandfold, lz4 255-fold. Keep `max.message.bytes` of the topic low, "
             "and write to it only those who may."},
    {.key = "link",
     .scope = SCOPE_FEED,
     .inner = SCOPE_LINK,
     .kind = OPTION_LINK,
     .reload = OPTION_RESTART,
     FIELD(config_feed, link),
     .text = "A simulated distance to the brokers: messages are applied that much later, in their "
             "order. With a `lease` that is not longer, changes keep the feed from being in sync. "
             "Needs `experiment`."},

    {.key = "name",
     .scope = SCOPE_TIER,
     .kind = OPTION_TIER_NAME,
     .reload = OPTION_RESTART,
     .required = true,
     .min = 1,
     .max = 63,
     FIELD(config_tier, name),
     .text = "The tier's name in metrics, the log and the tool; unique. `a-z`, `0-9`, `_` and "
             "`-`."},
    {.key = "listen",
     .scope = SCOPE_TIER,
     .kind = OPTION_ADDRESSES,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 64,
     LIST_FIELD(config_tier, listen, listen_count),
     .text = "Addresses to answer on, UDP and TCP. No two tiers share one. May be left out where "
             "another tier has this one as its `upstream.tier`."},
    {.key = "subscribe",
     .scope = SCOPE_TIER,
     .kind = OPTION_BOOL,
     .reload = OPTION_RESTART,
     .preset = "true",
     NUMBER_FIELD(config_tier, subscribe),
     .text = "Whether changes from the feed evict and replace what the tier holds. `false`: it "
             "is a cache by TTL alone, such as those that freshet is compared with."},
    {.key = "per_client",
     .scope = SCOPE_TIER,
     .kind = OPTION_BOOL,
     .reload = OPTION_RESTART,
     .preset = "false",
     NUMBER_FIELD(config_tier, per_client),
     .text = "Whether each client has a cache of its own, as browsers do. Clients are told apart "
             "by their DNS cookie (RFC 7873), or by their address; they share `cache.size`."},
    {.key = "trust_ad",
     .scope = SCOPE_TIER,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "true",
     NUMBER_FIELD(config_tier, trust_ad),
     .text =
         "Whether clients that ask for it (AD or DO in the query) are told that the upstream has "
         "validated an answer (AD, RFC 6840 5.8). It is as good as the upstream and the way to it: "
         "`false` "
         "where either is not to be trusted. Answers that came with a change are never said to "
         "be."},
    {.key = "clients",
     .scope = SCOPE_TIER,
     .inner = SCOPE_CLIENTS,
     .kind = OPTION_MAPPING,
     .reload = OPTION_INSIDE,
     FIELD(config_tier, clients),
     .text = "Who may ask, and how much."},
    {.key = "cache",
     .scope = SCOPE_TIER,
     .inner = SCOPE_CACHE,
     .kind = OPTION_MAPPING,
     .reload = OPTION_INSIDE,
     FIELD(config_tier, cache),
     .text = "The tier's cache and its policy."},
    {.key = "upstream",
     .scope = SCOPE_TIER,
     .inner = SCOPE_UPSTREAM,
     .kind = OPTION_MAPPING,
     .reload = OPTION_INSIDE,
     .required = true,
     .field = 0, /* its fields are the tier's */
     .text = "Where the tier fetches what it lacks."},
    {.key = "position_for",
     .scope = SCOPE_TIER,
     .kind = OPTION_NETWORKS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 256,
     LIST_FIELD(config_tier, position_for, position_for_count),
     .text = "Clients in these networks that are freshet tiers on the same feed are told how far "
             "this one has applied the log (and are not bound by `client_ttl`). Left out: loopback "
             "only."},
    {.key = "routes",
     .former = "zones",
     .scope = SCOPE_TIER,
     .inner = SCOPE_ZONE,
     .kind = OPTION_TIER_ZONES,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 1024,
     LIST_FIELD(config_tier, zones, zone_count),
     .text = "Zones that are not asked of `upstream` but elsewhere, or held here as a whole, each "
             "with all below it; of several that have a name, the longest."},
    {.key = "special_use",
     .scope = SCOPE_TIER,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "true",
     NUMBER_FIELD(config_tier, special_use),
     .text = "Whether names without a place in the public DNS are answered here and never asked "
             "for: `localhost`, `invalid`, `test`, `onion`, `alt`, `home.arpa`, the reverse zones "
             "of private addresses (RFC 6761, RFC 6303). A zone of `routes` or of the feed at or "
             "below one of them is asked for all the same."},
    {.key = "hosts",
     .scope = SCOPE_TIER,
     .kind = OPTION_TEXTS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 64,
     LIST_FIELD(config_tier, hosts, host_count),
     .text = "Files in the format of hosts(5), such as `/etc/hosts`: their names have A, AAAA and "
             "PTR records, and no others. Read again on a reload, and within seconds of a change."},
    {.key = "local",
     .scope = SCOPE_TIER,
     .kind = OPTION_TEXTS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 65536,
     LIST_FIELD(config_tier, local, local_count),
     .text =
         "Records, as a zone file has them: `printer.lan. 3600 IN A 192.0.2.9`. They are all "
         "there is of their name, whatever the DNS has; names below it are not touched. A CNAME "
         "leads to another name of this list."},

    {.key = "allow",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_NETWORKS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 4096,
     LIST_FIELD(config_clients, allow, allow_count),
     .text =
         "Networks whose queries are answered. Of several networks in the three lists that have a "
         "client, the smallest decides; whoever is in none is refused. Left out: loopback, private "
         "networks (RFC 1918, RFC 4193, link-local), those that the machine's own interfaces are "
         "in, and `position_for`. `[0.0.0.0/0, \"::/0\"]` makes an open resolver: then set "
         "`rate_limit`."},
    {.key = "refuse",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_NETWORKS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 4096,
     LIST_FIELD(config_clients, refuse, refuse_count),
     .text = "Networks whose queries are answered REFUSED, with EDE 18 (RFC 8914 4.19)."},
    {.key = "drop",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_NETWORKS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 4096,
     LIST_FIELD(config_clients, drop, drop_count),
     .text = "Networks whose queries are not answered at all."},
    {.key = "rate_limit",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_NUMBER,
     .reload = OPTION_RELOAD,
     .max = 1000000,
     .preset = "0",
     NUMBER_FIELD(config_clients, rate_limit),
     .text =
         "UDP replies a second to one network (IPv4 /24, IPv6 /56). Past it every other query gets "
         "a "
         "truncated reply, so that who is really there asks by TCP, and the rest none; clients "
         "that "
         "send a DNS cookie of their own get one of ours (BADCOOKIE). Not for loopback and private "
         "networks, nor for clients with a valid DNS cookie. `0`: no limit."},
    {.key = "require_cookies",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "false",
     NUMBER_FIELD(config_clients, require_cookies),
     .text = "Whether UDP queries without a valid DNS cookie (RFC 7873) are answered BADCOOKIE, or "
             "truncated where the client sends no cookie at all. Not for loopback and private "
             "networks."},
    {.key = "cookie_secrets",
     .scope = SCOPE_CLIENTS,
     .kind = OPTION_TEXTS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 4,
     LIST_FIELD(config_clients, cookie_secrets, cookie_secret_count),
     .text = "Secrets of DNS cookies, 32 hexadecimal digits each: for servers behind one address, "
             "which have to "
             "take each other's cookies (RFC 9018). Cookies are made with the first, and taken "
             "with all: a "
             "new one is added behind first, then comes first, then the old one goes. Left out: "
             "one is made up at "
             "the start."},

    {.key = "size",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SIZE,
     .reload = OPTION_RELOAD,
     .min = KIB(64),
     .max = GIB(1024),
     .preset = "64MiB",
     NUMBER_FIELD(config_cache, size),
     .text = "Memory for answers. When it is full, answers make room for new ones."},
    {.key = "min_ttl",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(YEAR),
     .preset = "0s",
     NUMBER_FIELD(config_cache, min_ttl),
     .text = "A record with a lower TTL is kept this long. At most `max_ttl`."},
    {.key = "max_ttl",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(YEAR),
     .preset = "1d",
     NUMBER_FIELD(config_cache, max_ttl),
     .text = "A record with a higher TTL is kept this long."},
    {.key = "negative_ttl",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(YEAR),
     .preset = "15m",
     NUMBER_FIELD(config_cache, negative_ttl),
     .text = "The same bound for \"no such name\" and \"no such type\" (RFC 2308)."},
    {.key = "client_ttl",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(YEAR),
     .preset = "5s",
     NUMBER_FIELD(config_cache, client_ttl),
     .text = "Towards clients, answers from zones of the feed carry at most this TTL, so that a "
             "browser or libc cannot hold what freshet already dropped. Freshet tiers in "
             "`position_for` are not bound by it."},
    {.key = "hold",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(YEAR),
     .preset = "0s",
     NUMBER_FIELD(config_cache, hold),
     .text = "How long an answer from a zone of the feed may outlive its TTL while the feed is in "
             "sync. Needs a `feed`."},
    {.key = "serve_stale",
     .scope = SCOPE_CACHE,
     .kind = OPTION_SECONDS,
     .reload = OPTION_RELOAD,
     .max = SECONDS(7 * DAY),
     .preset = "0s",
     NUMBER_FIELD(config_cache, serve_stale),
     .text = "How long an answer past its TTL may be given when no upstream answers (RFC 8767); "
             "one that a change evicted never is. `0s`: not at all."},
    {.key = "prefetch",
     .scope = SCOPE_CACHE,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "false",
     NUMBER_FIELD(config_cache, prefetch),
     .text = "Whether an answer in use is fetched again shortly before it expires."},
    {.key = "warm",
     .scope = SCOPE_CACHE,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "false",
     NUMBER_FIELD(config_cache, warm),
     .text = "Whether an answer in use is fetched again as soon as a change evicts it. Needs a "
             "`feed`."},

    {.key = "tier",
     .scope = SCOPE_UPSTREAM,
     .kind = OPTION_TIER_NAME,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 63,
     FIELD(config_tier, above),
     .text = "Name of another tier of this file to ask: by a call, without a packet. Either this, "
             "`forward` or `parent` is given."},
    {.key = "forward",
     .scope = SCOPE_UPSTREAM,
     .kind = OPTION_TARGETS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_SERVERS,
     LIST_FIELD(config_tier, forward, forward_count),
     .text = "Resolvers to ask. None of them is an address that the tier itself listens on."},
    {.key = "parent",
     .scope = SCOPE_UPSTREAM,
     .kind = OPTION_TARGETS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_SERVERS,
     LIST_FIELD(config_tier, parent, parent_count),
     .text = "Freshet tiers on the same feed to ask, instead of `forward`. Each says with its "
             "answer how far it has applied the log; an answer of one that is behind is not "
             "cached. They name this machine in their `position_for`; what comes from one that "
             "does not is "
             "kept as from any other cache. Needs a `feed`."},
    {.key = "link",
     .scope = SCOPE_UPSTREAM,
     .inner = SCOPE_LINK,
     .kind = OPTION_LINK,
     .reload = OPTION_RESTART,
     FIELD(config_tier, link),
     .text = "A simulated distance to those servers, or to the tier above; those of `routes` stay "
             "where they are. Needs `experiment`."},

    {.key = "name",
     .scope = SCOPE_ZONE,
     .kind = OPTION_ZONE_FILE,
     .reload = OPTION_RELOAD,
     FIELD(config_zone, name),
     .text = "The zone, given once in a tier; or `file:PATH` of a file with the names of zones, a "
             "line each: what follows is for each of them. Either this or `catalog`."},
    {.key = "catalog",
     .scope = SCOPE_ZONE,
     .kind = OPTION_ZONE,
     .reload = OPTION_RELOAD,
     FIELD(config_zone, catalog),
     .text = "One of `feed.catalogs`: what follows is for each of its members, but for those that "
             "have an entry of their own. The first entry that fits a member is its."},
    {.key = "group",
     .scope = SCOPE_ZONE,
     .kind = OPTION_TEXT,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 255,
     FIELD(config_zone, group),
     .text = "Of the members of `catalog`, those that it puts into this group (RFC 9432 4.3.2). "
             "Left out: all."},
    {.key = "forward",
     .scope = SCOPE_ZONE,
     .kind = OPTION_TARGETS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_SERVERS,
     LIST_FIELD(config_zone, forward, forward_count),
     .text = "Resolvers to ask for it, or the zone's own servers. Either `forward` or `parent` is "
             "given."},
    {.key = "parent",
     .scope = SCOPE_ZONE,
     .kind = OPTION_TARGETS,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = MAX_SERVERS,
     LIST_FIELD(config_zone, parent, parent_count),
     .text = "Freshet tiers on the same feed to ask for it, as in `upstream`. Needs a `feed`."},

    {.key = "stream",
     .scope = SCOPE_ZONE,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "false",
     NUMBER_FIELD(config_zone, stream),
     .text =
         "Whether the tier holds the whole zone, from its snapshot and the log, and answers from "
         "that. `forward` or `parent`, or without them `upstream`, are asked before it is there, "
         "and for "
         "zones below it. It is one of `feed.zones`. A change takes a restart."},
    {.key = "fallback",
     .scope = SCOPE_ZONE,
     .kind = OPTION_TEXT,
     .reload = OPTION_RELOAD,
     .min = 1,
     .max = 64,
     FIELD(config_zone, fallback),
     .text =
         "`upstream`: who is asked before a streamed zone is there is asked as well when the feed "
         "is lost for "
         "longer than the zone's SOA allows (its expire). Left out: then the answer is SERVFAIL."},
    {.key = "authoritative",
     .scope = SCOPE_ZONE,
     .kind = OPTION_BOOL,
     .reload = OPTION_RELOAD,
     .preset = "false",
     NUMBER_FIELD(config_zone, authoritative),
     .text = "Whether queries without RD for a streamed zone are answered as a secondary does, "
             "with AA, and those who may are handed all of it by AXFR and IXFR. What follows is "
             "for such zones."},
    SECONDARIES_ROWS(SCOPE_ZONE, config_zone),
    {.key = "key",
     .scope = SCOPE_ZONE,
     .kind = OPTION_ZONE,
     .reload = OPTION_RELOAD,
     FIELD(config_zone, key),
     .text = "Name of the key in `keys` that NOTIFYs to `notify` are signed with. Left out: none "
             "is."},

    {.key = "path",
     .scope = SCOPE_CONTROL,
     .kind = OPTION_TEXT,
     .reload = OPTION_RESTART,
     .required = true,
     .min = 1,
     .max = 107,
     .limit = "a unix socket's path",
     FIELD(config_control, path),
     .text = "Where the socket is made. Whoever may open it may do all that `freshet` does there."},
    {.key = "group",
     .scope = SCOPE_CONTROL,
     .kind = OPTION_TEXT,
     .reload = OPTION_RESTART,
     .min = 1,
     .max = 256,
     FIELD(config_control, group),
     .text = "A group whose members may open it too: the socket is its, with mode 0660. Left out: "
             "0600, for the user of the process and root."},

    {.key = "delay",
     .scope = SCOPE_LINK,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RESTART,
     .max = SECONDS(60),
     .preset = "0s",
     NUMBER_FIELD(config_link, delay_ms),
     .text = "How long a message is under way, one way."},
    {.key = "jitter",
     .scope = SCOPE_LINK,
     .kind = OPTION_MILLISECONDS,
     .reload = OPTION_RESTART,
     .max = SECONDS(60),
     .preset = "0s",
     NUMBER_FIELD(config_link, jitter_ms),
     .text = "A message takes up to this much less or more than `delay`, evenly spread. At most "
             "`delay`."},
    {.key = "loss",
     .scope = SCOPE_LINK,
     .kind = OPTION_SHARE,
     .reload = OPTION_RESTART,
     .max = 1000000,
     .preset = "0%",
     NUMBER_FIELD(config_link, loss),
     .text = "How many messages are lost, each way. By UDP they never arrive; by TCP, between "
             "tiers of this process and in the feed they arrive 200 ms later."},
};

enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

const char *const option_log_levels[] = {"error", "warning", "info", "debug", NULL};

/*
 * freshet's promises rest on these: it assigns partitions itself, reads to the end of the log, and
 * treats a lost offset as a gap. The second of a pair is librdkafka's alias of the first.
 */
const char *const option_own_properties[] = {
    "bootstrap.servers",    "metadata.broker.list",     "group.id",
    "auto.offset.reset",    "enable.auto.commit",       "auto.commit.enable",
    "enable.partition.eof", "enable.auto.offset.store", NULL};

/* The rows of a scope stand together, in one of the tables. */
static const struct option *rows_of(const struct option *table, size_t size,
                                    enum option_scope scope, size_t *ret_count)
{
    size_t first = 0;
    while (first < size && table[first].scope != scope)
        first++;
    size_t end = first;
    while (end < size && table[end].scope == scope)
        end++;
    *ret_count = end - first;
    return table + first;
}

const struct option *options_of(enum option_scope scope, size_t *ret_count)
{
    return scope < SCOPE_ORIGIN
               ? rows_of(options, OPTION_COUNT, scope, ret_count)
               : rows_of(options_of_origin, options_of_origin_count, scope, ret_count);
}

size_t options_count(void)
{
    return OPTION_COUNT + options_of_origin_count;
}

const struct option *options_find(enum option_scope scope, const char *key, size_t length)
{
    size_t count;
    const struct option *rows = options_of(scope, &count);
    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].key) == length && memcmp(rows[i].key, key, length) == 0)
            return &rows[i];
    return NULL;
}

const struct option *options_find_former(enum option_scope scope, const char *key)
{
    size_t count;
    const struct option *rows = options_of(scope, &count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].former && strcmp(rows[i].former, key) == 0)
            return &rows[i];
    return NULL;
}

void options_list_keys(enum option_scope scope, char *ret_text, size_t room)
{
    size_t count, used = 0;
    const struct option *rows = options_of(scope, &count);
    ret_text[0] = '\0';
    for (size_t i = 0; i < count && used < room; i++)
        used += (size_t)snprintf(ret_text + used, room - used, "%s%s", i ? ", " : "", rows[i].key);
}

enum option_shape option_shape(enum option_kind kind)
{
    switch (kind) {
    case OPTION_ADDRESSES:
    case OPTION_TARGETS:
    case OPTION_NETWORKS:
    case OPTION_ZONES:
    case OPTION_ZONE_LIST:
    case OPTION_TEXTS:
    case OPTION_PROPERTIES:
        return SHAPE_LIST;
    case OPTION_MAPPING:
    case OPTION_FEED:
    case OPTION_LINK:
        return SHAPE_MAPPING;
    case OPTION_TIERS:
    case OPTION_TIER_ZONES:
    case OPTION_ORIGIN_ZONES:
        return SHAPE_MAPPINGS;
    default:
        return SHAPE_VALUE;
    }
}

const struct units *option_units(enum option_kind kind)
{
    switch (kind) {
    case OPTION_NUMBER:
        return &units_none;
    case OPTION_MILLISECONDS:
    case OPTION_SECONDS:
        return &units_durations;
    case OPTION_SIZE:
        return &units_sizes;
    case OPTION_SHARE:
        return &units_shares;
    default:
        return NULL;
    }
}

/* A range without units counts something: say what. */
static const char *range_noun(enum option_kind kind)
{
    if (option_units(kind))
        return "";
    return option_shape(kind) == SHAPE_VALUE ? " bytes" : " entries";
}

const char *option_range(const struct option *option, char *ret_text, size_t room)
{
    char low[UNITS_MAX_TEXT], high[UNITS_MAX_TEXT];
    const struct units *units = option_units(option->kind);
    const char *noun = range_noun(option->kind);
    ret_text[0] = '\0';
    if (!units && option->max == 0)
        return ret_text;
    units_format(units ? units : &units_none, option->min, low);
    units_format(units ? units : &units_none, option->max, high);
    if (option->min == option->max)
        snprintf(ret_text, room, "%s%s", low, noun);
    else
        snprintf(ret_text, room, "%s to %s%s", low, high, noun);
    return ret_text;
}

/* ---- the reference ------------------------------------------------------------------------- */

static const struct option_section sections[SCOPE_COUNT] = {
    [SCOPE_TOP] = {"Top level", "", "The process as a whole."},
    [SCOPE_FEED] = {"`feed`", "feed.", "Where changes come from, and for which zones."},
    [SCOPE_TIER] = {"`tiers`", "tiers[].", "A list; each entry is one cache with its listeners."},
    [SCOPE_CLIENTS] = {"`tiers[].clients`", "tiers[].clients.", "Who may ask, and how much."},
    [SCOPE_CACHE] = {"`tiers[].cache`", "tiers[].cache.", "What a tier keeps, and for how long."},
    [SCOPE_UPSTREAM] = {"`tiers[].upstream`", "tiers[].upstream.", "What a tier asks."},
    [SCOPE_ZONE] =
        {"`tiers[].routes`", "tiers[].routes[].",
         "A list; each entry is one zone and whom to ask for it. (Called `zones` before; "
         "that is still read.)"},
    [SCOPE_CONTROL] = {"`control`", "control.",
                       "The same in the files of freshetd and freshet-origin."},
    [SCOPE_LINK] = {"`feed.link` and `tiers[].upstream.link`", "link.",
                    "A distance that is simulated within this process, for experiments: a laptop "
                    "stands for continents."},
    [SCOPE_ORIGIN] = {"freshet-origin: top level", "",
                      "The file of `freshet-origin`, which has keys of its own."},
    [SCOPE_ORIGIN_FEED] = {"freshet-origin: `feed`", "feed.", "Where changes go to."},
    [SCOPE_ORIGIN_ZONE] = {"freshet-origin: `zones`", "zones[].",
                           "A list; each entry is one zone, and where its changes come from."},
};

static const char *const kind_names[] = {
    [OPTION_NUMBER] = "number",
    [OPTION_MILLISECONDS] = "duration",
    [OPTION_SECONDS] = "duration, whole seconds",
    [OPTION_SIZE] = "size",
    [OPTION_SHARE] = "percentage",
    [OPTION_BOOL] = "true or false",
    [OPTION_TEXT] = "text",
    [OPTION_BROKERS] = "`host:port`, or a list of them",
    [OPTION_TIER_NAME] = "name",
    [OPTION_TOPIC] = "Kafka topic",
    [OPTION_LOG_LEVEL] = "level",
    [OPTION_WORD] = "word",
    [OPTION_ADDRESS] = "address with port",
    [OPTION_ADDRESSES] = "list of addresses, port 53 unless written",
    [OPTION_TARGETS] = "list of addresses, port 53 unless written",
    [OPTION_NETWORKS] = "list of networks",
    [OPTION_ZONE] = "domain name",
    [OPTION_ZONE_FILE] = "domain name, or `file:PATH`",
    [OPTION_ZONES] = "list of domain names",
    [OPTION_ZONE_LIST] = "list of domain names, or `file:PATH`",
    [OPTION_TEXTS] = "list of texts",
    [OPTION_PROPERTIES] = "mapping of properties, or list of `property=value`",
    [OPTION_MAPPING] = "mapping",
    [OPTION_FEED] = "mapping",
    [OPTION_LINK] = "mapping",
    [OPTION_TIERS] = "list of mappings",
    [OPTION_TIER_ZONES] = "list of mappings",
    [OPTION_ORIGIN_ZONES] = "list of mappings",
};

static const char *const reload_names[] = {
    [OPTION_RELOAD] = "reload",
    [OPTION_RESTART] = "restart",
    [OPTION_INSIDE] = "see its keys",
};

const struct option_section *option_section(enum option_scope scope)
{
    return &sections[scope];
}

const char *option_kind_text(enum option_kind kind)
{
    return kind_names[kind];
}

const char *option_reload_text(enum option_reload reload)
{
    return reload_names[reload];
}

static void list_words(const char *const *words, char *ret_text, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; words[i] && used < room; i++)
        used += (size_t)snprintf(ret_text + used, room - used, "%s`%s`", i ? ", " : "", words[i]);
}

void option_range_text(const struct option *option, char *ret_text, size_t room)
{
    if (option->kind == OPTION_LOG_LEVEL || option->kind == OPTION_WORD)
        list_words(option->kind == OPTION_WORD ? option->words : option_log_levels, ret_text, room);
    else
        option_range(option, ret_text, room);
    const size_t used = strlen(ret_text);
    if (option->limit)
        snprintf(ret_text + used, room - used, " (%s)", option->limit);
}

static void write_row(FILE *out, const struct option *option)
{
    fprintf(out, "| `%s%s` | %s | ", sections[option->scope].prefix, option->key,
            kind_names[option->kind]);
    if (option->preset)
        fprintf(out, "`%s`", option->preset);
    else
        fputs(option->required ? "required" : "", out);
    char range[256];
    option_range_text(option, range, sizeof range);
    fprintf(out, " | %s | %s | %s |\n", range, reload_names[option->reload], option->text);
}

static void write_section(FILE *out, enum option_scope scope)
{
    size_t count;
    const struct option *rows = options_of(scope, &count);
    fprintf(out, "\n## %s\n\n%s\n\n", sections[scope].heading, sections[scope].text);
    fputs("| key | value | default | range | changed by | meaning |\n", out);
    fputs("|---|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < count; i++)
        write_row(out, &rows[i]);
}

void options_write_markdown(FILE *out)
{
    fputs("# Options\n\n"
          "Every key of the configuration files of freshetd and, at the end, freshet-origin. This "
          "page is\n"
          "printed from the tables in `config/`: change a sentence there, not here.\n\n"
          "The file is YAML in UTF-8, one document of at most 1 MiB, without anchors, aliases or\n"
          "keys given twice. All of it is checked before any of it is used.\n\n",
          out);
    fprintf(out, "- duration: %s, such as `500ms` or `1d`.\n", units_durations.expected);
    fprintf(out, "- size: %s, such as `64MiB`; KB, MB and GB are powers of ten.\n",
            units_sizes.expected);
    fprintf(out, "- percentage: %s, such as `5%%` or `0.1%%`.\n", units_shares.expected);
    fputs("- address: `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; an\n"
          "  IPv6 address needs its brackets when a port follows, and in YAML its quotes. Host "
          "names are\n"
          "  not taken.\n"
          "- network: `10.0.0.0/8`, `2001:db8::/32`, or one address alone; no bit is set beyond "
          "the prefix.\n"
          "- changed by: whether a reload applies a new value, or it takes a restart.\n"
          "- these properties of librdkafka are freshet's own and not taken in `feed.rdkafka`:\n  ",
          out);
    for (size_t i = 0; option_own_properties[i]; i++)
        fprintf(out, "%s`%s`", i == 0 ? "" : i == 4 ? ",\n  " : ", ", option_own_properties[i]);
    fputs(".\n", out);
    for (enum option_scope scope = 0; scope < SCOPE_COUNT; scope++)
        write_section(out, scope);
}
