/*
 * daemon.h - everything one freshetd process is made of, put together from a config.
 *
 *     validity <- applier <- feed thread
 *        ^           |
 *        |           v
 *      tiers (stores) <- workers (threads)      main thread: signals, control socket, metrics
 *
 * Built in this order and taken down in the reverse.
 */
#ifndef FRESHET_RESOLVER_DAEMON_DAEMON_H
#define FRESHET_RESOLVER_DAEMON_DAEMON_H

#include "config/config.h"
#include "invalidation/apply.h"
#include "invalidation/feed.h"
#include "invalidation/streamed_load.h"
#include "resolver/daemon/plans.h"
#include "resolver/daemon/listeners.h"
#include "daemon/notices.h"
#include "daemon/systemd.h"
#include "resolver/daemon/tier.h"
#include "resolver/daemon/warmer.h"
#include "resolver/daemon/worker.h"

#ifndef FRESHET_VERSION
#define FRESHET_VERSION "0.1.0"
#endif

enum { DAEMON_SANDBOX_TEXT = 160 };

struct daemon {
    char *config_path;
    struct config *config; /* as running */
    struct validity *validity;
    struct zone_roll *zones; /* those that it follows; NULL: there is no feed */
    struct applier *applier;
    struct positions *positions;
    struct validity *plain_validity; /* for tiers that do not subscribe: without zones */
    struct positions *plain_positions;
    struct feed *feed;            /* NULL: none */
    struct streamed *streamed;    /* NULL: no zone is streamed */
    struct streamed_load *loader; /* likewise */
    struct zone_roll *streams;    /* their names; likewise */
    struct catalogs *catalogs;    /* some of those; NULL: none is one */
    struct plans *plans;          /* what tiers are made of */
    struct handout_places places;
    struct notices_counts notices; /* of versions, to secondaries */
    struct tier **tiers;
    struct store **stores; /* of the tiers that subscribe, for the applier */
    size_t store_count;
    size_t tier_count;
    struct listeners *listeners;
    struct worker **workers;
    size_t worker_count;
    struct warmer warmer;
    struct mono started;
    char sandbox[DAEMON_SANDBOX_TEXT]; /* for people: "on", "off", or why there is none */
    uint64_t slept_ms;       /* of all the time the machine has been up, for so long it slept */
    struct systemd *systemd; /* borrowed; NULL: none */
};

/*
 * Opens the sockets, or takes those that `systemd` was handed over. Takes over `config`, also on failure. NULL with one
 * line in `ret_error`.
 */
struct daemon *daemon_open(const char *config_path, struct config *config, struct systemd *systemd,
                           char ret_error[CONFIG_MAX_ERROR]);

/* Starts the feed, if there is one; and then the workers. ERR_OK, or another with one line in `ret_error`. */
MUST_CHECK int daemon_start_feed(struct daemon *daemon, char ret_error[CONFIG_MAX_ERROR]);
MUST_CHECK int daemon_start_workers(struct daemon *daemon, char ret_error[CONFIG_MAX_ERROR]);

/* Whether each worker has been through its loop since this was asked last. Logs those that have not. */
bool daemon_is_alive(const struct daemon *daemon);

/* Looks whether the machine has slept; then what was due meanwhile is done now. About once a second. Logs. */
void daemon_look_at_clock(struct daemon *daemon);

/* While the feed is not there, what is held of its brokers' names is fetched again. Every few seconds. */
void daemon_look_past_brokers(struct daemon *daemon);

/* Reads the config file again and takes over what can change in a running process; caches stay. Logs. */
void daemon_reload(struct daemon *daemon);

/* Reads hosts files again that have changed since they were read. Logs. */
void daemon_look_at_hosts(struct daemon *daemon);

/*
 * A streamed zone is whole, or has changed: what it is a catalog of is followed, and routed. Whether tiers have other zones
 * (daemon->plans). Logs.
 */
bool daemon_look_at_zone(struct daemon *daemon, const struct streamed_zone *zone);

/* The streamed zone of this name, as it is written; NULL: none. */
struct streamed_zone *daemon_streamed(const struct daemon *daemon, const char *text);

/* Answers what is under way, stops the threads and frees everything. NULL is fine. */
void daemon_stop(struct daemon *daemon);

#endif
