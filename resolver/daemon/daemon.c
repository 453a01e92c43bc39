#include "resolver/daemon/query_log.h"
#include "resolver/daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/secrets.h"
#include "dns/name.h"
#include "resolver/daemon/brokers.h"
#include "resolver/daemon/check.h"
#include "resolver/daemon/clients.h"
#include "resolver/daemon/descriptors.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "resolver/net/clock.h"

enum {
    GRACE_MS = 2000,             /* for queries under way when the daemon stops */
    TCP_HELD = 16 * 1024 * 1024, /* bytes that wait for TCP clients, per worker */
};

static void report_feed(void *arg, enum feed_severity severity, const char *text)
{
    static const enum log_level levels[] = {
        [FEED_ERROR] = LOG_LEVEL_ERROR,
        [FEED_WARNING] = LOG_LEVEL_WARNING,
        [FEED_INFO] = LOG_LEVEL_INFO,
        [FEED_DEBUG] = LOG_LEVEL_DEBUG,
    };
    (void)arg;
    log_line(levels[severity], "%s", text);
}

static struct descriptors_need descriptors_of(const struct config *config)
{
    struct descriptors_need need = {
        .limit = descriptors_raise(),
        .workers = config->workers,
        .clients = config->tcp_clients,
    };
    for (size_t i = 0; i < config->tier_count; i++)
        need.listeners += config->tiers[i].listen_count;
    return need;
}

/* As many as are wanted, or as there can be descriptors for. */
static size_t tcp_clients(const struct config *config)
{
    const struct descriptors_need need = descriptors_of(config);
    size_t clients = descriptors_clients(&need);
    if (clients < config->tcp_clients)
        log_limited(LOG_LEVEL_WARNING,
                    "msg=\"tcp_clients does not fit the limit of open files\" tcp_clients=%u "
                    "workers=%zu limit=%zu wanted=%zu clients=%zu",
                    (unsigned)config->tcp_clients, need.workers, need.limit,
                    descriptors_wanted(&need), clients);
    return clients;
}

static struct worker_settings settings_of(const struct config *config)
{
    const struct descriptors_need need = descriptors_of(config);
    descriptors_make_room(descriptors_wanted(&need));
    return (struct worker_settings){
        .tcp = {.clients = tcp_clients(config), .idle_ms = config->tcp_idle_ms, .held = TCP_HELD},
        .ports = descriptors_ports(&need),
        .resolve_timeout_ms = config->resolve_timeout_ms,
    };
}

/* ---- zones that are followed ----------------------------------------------------------------- */

static struct followed_wish wish_of(const struct daemon *daemon, const struct config *config)
{
    return (struct followed_wish){.feed = config->feed, .catalogs = daemon->catalogs};
}

static struct validity *make_validity(const struct config_feed *feed, const struct zone_roll *roll)
{
    struct validity_options options = {.marks = 1};
    arc4random_buf(&options.key, sizeof options.key);
    if (!feed)
        return validity_new(&options);
    options.changes = zone_roll_items(roll);
    options.change_count = zone_roll_count(roll);
    options.room = VALIDITY_MAX_ZONES;
    options.marks = feed->marks;
    options.settle_ms = feed->settle_ms;
    return validity_new(&options);
}

/* ---- local names ---------------------------------------------------------------------------- */

/* Zones with upstreams of their own, which special-use names must not hide, as they must not those of the feed. */
static char **exempt_zones(const struct config_tier *tier)
{
    char **zones = calloc(tier->zone_count + 1, sizeof *zones);
    for (size_t i = 0; zones && i < tier->zone_count; i++)
        zones[i] = tier->zones[i].name;
    return zones;
}

static void log_hosts(void *arg, const struct hosts_complaint *complaint)
{
    const char *tier = arg;
    char path[LOG_MAX_QUOTED];
    log_quote(complaint->path, path);
    if (complaint->more > 0)
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"more lines of a hosts file are left out\" tier=%s file=%s count=%u", tier,
                 path, complaint->more);
    else if (complaint->line > 0)
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"a line of a hosts file is left out\" tier=%s file=%s line=%u why=\"%s\"",
                 tier, path, complaint->line, complaint->why);
    else
        log_line(LOG_LEVEL_WARNING, "msg=\"a hosts file is left out\" tier=%s file=%s why=\"%s\"",
                 tier, path, complaint->why);
}

/* Reads the hosts files of a tier anew. False: no memory; it keeps what it has. */
static bool make_local(struct daemon *daemon, const struct config *config, size_t i)
{
    const struct config_tier *tier = &config->tiers[i];
    struct local_options options = {
        .special_use = tier->special_use,
        .hosts = {tier->hosts, tier->host_count, log_hosts, tier->name},
        .records = tier->local,
        .record_count = tier->local_count,
    };
    char **exempt = exempt_zones(&daemon->plans->each[i].tier);
    options.exempt = exempt;
    options.exempt_count = daemon->plans->each[i].tier.zone_count;
    if (daemon->zones) {
        options.followed = zone_roll_items(daemon->zones);
        options.followed_count = zone_roll_count(daemon->zones);
    }
    struct local *local = exempt ? local_new(&options) : NULL;
    free(exempt);
    if (local)
        tier_set_local(daemon->tiers[i], local);
    return local != NULL;
}

/* False: no memory; the tier keeps what it has. */
static bool make_admission(struct daemon *daemon, const struct config *config, size_t i)
{
    struct admission *admission = clients_admission(&config->tiers[i]);
    if (admission)
        tier_set_admission(daemon->tiers[i], admission);
    return admission != NULL;
}

/* ---- streamed zones -------------------------------------------------------------------------- */

struct streamed_zone *daemon_streamed(const struct daemon *daemon, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (!daemon->streamed || size < 0)
        return NULL;
    name_lower(name, (size_t)size, name);
    return streamed_find(daemon->streamed, name);
}

/* The catalogs; and with them what is followed, streamed and routed at first: members come when they are known. */
static bool make_zones(struct daemon *daemon)
{
    const struct config_feed *feed = daemon->config->feed;
    if (plans_may_stream(daemon->config) && !(daemon->streamed = streamed_new()))
        return false;
    if (feed && feed->catalog_count > 0 &&
        !(daemon->catalogs = catalogs_new(feed, daemon->streamed)))
        return false;
    const struct followed_wish wish = wish_of(daemon, daemon->config);
    if (feed && !(daemon->zones = followed_roll(&wish)))
        return false;
    if (plans_make(daemon->config, &wish, &daemon->plans) < 0)
        return false;
    return !daemon->streamed || plans_stream(daemon->plans, daemon->catalogs, daemon->streamed,
                                             &daemon->streams) == ERR_OK;
}

/*
 * What a tier answers for, and hands on. False: no memory, or a file of a key is gone; the tier keeps what it has. The
 * files were looked at when the configuration was checked.
 */
static bool make_authority(struct daemon *daemon, const struct config *config, size_t i)
{
    char why[CONFIG_MAX_ERROR];
    const struct config_tier *tier = &daemon->plans->each[i].tier;
    struct keyring keyring = {.count = 0};
    struct authority *authority =
        keyring_read(config, &keyring, why) == ERR_OK ? authority_new(&keyring) : NULL;
    bool good = authority != NULL;
    for (size_t k = 0; good && k < tier->zone_count; k++) {
        const struct config_zone *zone = &tier->zones[k];
        struct streamed_zone *streamed =
            zone->authoritative ? daemon_streamed(daemon, zone->name) : NULL;
        if (streamed)
            good = streamed_keep(daemon->streamed, streamed, zone->history) == ERR_OK &&
                   authority_add(authority, streamed, zone) == ERR_OK;
    }
    if (good && !authority_is_empty(authority))
        tier_set_authority(daemon->tiers[i], authority_ref(authority));
    else if (good)
        tier_set_authority(daemon->tiers[i], NULL);
    authority_unref(authority);
    return good;
}

static bool start_loader(struct daemon *daemon, const struct feed_options *feed,
                         char why[FEED_MAX_ERROR])
{
    if (!daemon->streamed)
        return true;
    daemon->loader = streamed_load_start(
        &(struct streamed_load_options){.brokers = feed->brokers,
                                        .updates = feed->topic,
                                        .snapshots = daemon->config->feed->snapshots,
                                        .properties = feed->properties,
                                        .property_count = feed->property_count,
                                        .streamed = daemon->streamed,
                                        .report = report_feed},
        why);
    return daemon->loader != NULL;
}

/* ---- assembly ------------------------------------------------------------------------------- */

static bool make_tiers(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    daemon->tiers = calloc(config->tier_count, sizeof(struct tier *));
    daemon->stores = calloc(config->tier_count, sizeof(struct store *));
    if (!daemon->tiers || !daemon->stores)
        return false;
    for (size_t i = 0; i < config->tier_count; i++) {
        const struct config_tier *tier = &daemon->plans->each[i].tier;
        daemon->tiers[i] = tier_new(
            tier, config->feed && tier->subscribe ? daemon->validity : daemon->plain_validity,
            daemon->streamed);
        if (!daemon->tiers[i])
            return false;
        if (daemon->tiers[i]->subscribed)
            daemon->stores[daemon->store_count++] = daemon->tiers[i]->store;
        daemon->tier_count++;
        if (!make_local(daemon, config, i) || !make_admission(daemon, config, i) ||
            !make_authority(daemon, config, i))
            return false;
    }
    return true;
}

static bool make_workers(struct daemon *daemon)
{
    daemon->workers = calloc(daemon->config->workers, sizeof(struct worker *));
    if (!daemon->workers)
        return false;
    for (size_t i = 0; i < daemon->config->workers; i++) {
        daemon->workers[i] = worker_new(&(struct worker_options){
            .tiers = daemon->tiers,
            .tier_count = daemon->tier_count,
            .follows = {daemon->validity, daemon->positions},
            .follows_not = {daemon->plain_validity, daemon->plain_positions},
            .places = &daemon->places,
            .settings = settings_of(daemon->config),
        });
        if (!daemon->workers[i])
            return false;
        daemon->worker_count++;
    }
    return true;
}

int daemon_start_feed(struct daemon *daemon, char ret_error[CONFIG_MAX_ERROR])
{
    const struct config_feed *feed = daemon->config->feed;
    if (!feed)
        return ERR_OK;
    char why[FEED_MAX_ERROR];
    char **properties = secrets_read(daemon->config, ret_error);
    if (!properties)
        return ERR_CONFIG;
    struct feed_options options = check_feed_options(feed, properties);
    options.applier = daemon->applier;
    options.positions = daemon->positions;
    options.delay_ms = feed->link ? feed->link->delay_ms : 0;
    options.jitter_ms = feed->link ? feed->link->jitter_ms : 0;
    options.loss = feed->link ? feed->link->loss : 0;
    options.report = report_feed;
    options.streamed = daemon->streamed;
    if (start_loader(daemon, &options, why))
        daemon->feed = feed_start(&options, why);
    secrets_free(properties);
    if (daemon->feed)
        return ERR_OK;
    config_fault(daemon->config, ret_error, "feed", "%s", why);
    return ERR_KAFKA;
}

int daemon_start_workers(struct daemon *daemon, char ret_error[CONFIG_MAX_ERROR])
{
    for (size_t i = 0; i < daemon->worker_count; i++) {
        if (worker_start(daemon->workers[i]) != ERR_OK) {
            config_fault(daemon->config, ret_error, "workers", "cannot start worker %zu", i);
            return ERR_SYSTEM;
        }
    }
    return ERR_OK;
}

/* A parent's proof is a third of a lease old, and what it takes to get it; parents have our lease, as a rule. */
static uint64_t horizon_ms(const struct config *config)
{
    enum { MORE_MS = 1000 };
    return (config->feed ? config->feed->lease_ms : 0) + MORE_MS;
}

/* Before which nothing that is given here was asked for, and no authority that was asked can have been late. */
static struct mono asked_since(const struct config *config)
{
    const uint64_t now_ms = mono_now().ms;
    if (!config->feed)
        return (struct mono){0};
    return (struct mono){now_ms > config->feed->settle_ms ? now_ms - config->feed->settle_ms : 1};
}

static int assemble(struct daemon *daemon, char ret_error[CONFIG_MAX_ERROR])
{
    config_fault(daemon->config, ret_error, NULL, "out of memory");
    if (!make_zones(daemon))
        return ERR_MEMORY;
    daemon->validity = make_validity(daemon->config->feed, daemon->zones);
    daemon->plain_validity = make_validity(NULL, NULL);
    if (!daemon->validity || !daemon->plain_validity || !make_tiers(daemon))
        return ERR_MEMORY;
    daemon->positions =
        positions_new(daemon->validity, horizon_ms(daemon->config), asked_since(daemon->config));
    daemon->plain_positions = positions_new(daemon->plain_validity, 0, (struct mono){0});
    if (!daemon->positions || !daemon->plain_positions)
        return ERR_MEMORY;
    daemon->applier = applier_new(&(struct applier_options){
        .validity = daemon->validity,
        .stores = daemon->stores,
        .store_count = daemon->store_count,
        .positions = daemon->positions,
        .evicted = warmer_evicted,
        .evicted_arg = &daemon->warmer,
    });
    if (daemon->streamed)
        streamed_set_applier(daemon->streamed, daemon->applier);
    if (!daemon->applier || !make_workers(daemon))
        return ERR_MEMORY;
    daemon->warmer = (struct warmer){
        .tiers = daemon->tiers,
        .tier_count = daemon->tier_count,
        .workers = daemon->workers,
        .worker_count = daemon->worker_count,
    };
    daemon->listeners =
        listeners_open(&(struct listeners_options){.config = daemon->config,
                                                   .workers = daemon->workers,
                                                   .worker_count = daemon->worker_count,
                                                   .systemd = daemon->systemd},
                       ret_error);
    return daemon->listeners ? ERR_OK : ERR_SYSTEM;
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What one clock is ahead of the other. */
static uint64_t slept_ms(void)
{
    return clock_ms(MONO_CLOCK) - clock_ms(CLOCK_MONOTONIC);
}

struct daemon *daemon_open(const char *config_path, struct config *config, struct systemd *systemd,
                           char ret_error[CONFIG_MAX_ERROR])
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        config_fault(config, ret_error, NULL, "out of memory");
        config_free(config);
        return NULL;
    }
    log_libevent();
    log_set_level(log_level_from_text(config->log));
    query_log_set(config->query_log);
    daemon->config = config;
    daemon->systemd = systemd;
    daemon->config_path = strdup(config_path);
    daemon->started = mono_now();
    daemon->slept_ms = slept_ms();
    daemon->places.most = HANDOUT_PLACES;
    if (assemble(daemon, ret_error) != ERR_OK) {
        daemon_stop(daemon);
        return NULL;
    }
    return daemon;
}

static struct config *load_checked(const char *path, char ret_error[CONFIG_MAX_ERROR])
{
    struct config *config = config_load(path, ret_error);
    if (!config || check_reload(config, ret_error) == ERR_OK)
        return config;
    config_free(config);
    return NULL;
}

static void reload_workers(struct daemon *daemon, const struct config *config)
{
    struct worker_settings settings = settings_of(config);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_reload(daemon->workers[i], &settings);
}

/* Some zone that came or went lies where special use hides what is in no zone of ours. */
struct hidden {
    const struct daemon *daemon;
    bool found;
};

static void look_whether_hidden(void *arg, const uint8_t *zone)
{
    struct hidden *hidden = arg;
    for (size_t i = 0; i < hidden->daemon->tier_count && !hidden->found; i++)
        hidden->found = local_is_special(hidden->daemon->tiers[i]->local, zone);
}

static void make_all_local(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->tier_count; i++)
        if (!make_local(daemon, daemon->config, i))
            log_line(LOG_LEVEL_ERROR, "msg=\"local names not made anew: no memory\" tier=%s",
                     daemon->tiers[i]->name);
    reload_workers(daemon, daemon->config);
}

/* Other plans, which are taken over. Tiers are not what they plan until they are configured. Logs. */
static void take_plans(struct daemon *daemon, struct plans *plans)
{
    if (daemon->streamed &&
        plans_stream(plans, daemon->catalogs, daemon->streamed, &daemon->streams) < 0)
        log_line(LOG_LEVEL_ERROR, "msg=\"some zones are not streamed: no memory\"");
    plans_free(daemon->plans);
    daemon->plans = plans;
}

static void configure_tier(struct daemon *daemon, const struct config *config, size_t i)
{
    tier_configure(daemon->tiers[i], &daemon->plans->each[i].tier);
    if (!make_authority(daemon, config, i))
        log_line(LOG_LEVEL_ERROR, "msg=\"keys and secondaries not reloaded: no memory\" tier=%s",
                 daemon->tiers[i]->name);
}

/* Tiers that have entries for members. */
static bool configure_members(struct daemon *daemon)
{
    bool any = false;
    for (size_t i = 0; i < daemon->tier_count; i++)
        if (plan_has_members(&daemon->config->tiers[i])) {
            configure_tier(daemon, daemon->config, i);
            any = true;
        }
    if (any)
        reload_workers(daemon, daemon->config);
    return any;
}

/* A catalog says something else: that is followed and routed, or said to be of no use. */
static bool take_catalog(struct daemon *daemon, size_t k, struct catalog *read)
{
    struct hidden hidden = {.daemon = daemon};
    struct plans *plans = NULL;
    struct followed_wish wish = wish_of(daemon, daemon->config);
    wish.changed = k;
    wish.instead = read;
    wish.touched = look_whether_hidden;
    wish.arg = &hidden;
    int error = plans_make(daemon->config, &wish, &plans);
    const char *why = plans_error(error);
    if (!error) {
        error = followed_take(daemon->applier, &wish, &daemon->zones);
        why = followed_error(error);
    }
    if (error) {
        plans_free(plans);
        catalogs_refuse(daemon->catalogs, k, read, why);
        return false;
    }
    catalogs_keep(daemon->catalogs, k, read);
    take_plans(daemon, plans);
    if (hidden.found)
        make_all_local(daemon);
    return configure_members(daemon);
}

static bool look_at_catalog(struct daemon *daemon, size_t k)
{
    struct catalog *read = catalogs_read(daemon->catalogs, k);
    return read && take_catalog(daemon, k, read);
}

/* Those that could not be had before others changed. */
static bool look_at_waiting(struct daemon *daemon)
{
    bool changed = false;
    for (size_t k = 0; k < catalogs_count(daemon->catalogs); k++)
        if (catalogs_waits(daemon->catalogs, k))
            changed = look_at_catalog(daemon, k) || changed;
    return changed;
}

bool daemon_look_at_zone(struct daemon *daemon, const struct streamed_zone *zone)
{
    size_t k;
    if (!catalogs_find(daemon->catalogs, zone, &k))
        return false;
    const bool changed = look_at_catalog(daemon, k);
    return (!catalogs_waits(daemon->catalogs, k) && look_at_waiting(daemon)) || changed;
}

void daemon_look_at_hosts(struct daemon *daemon)
{
    bool changed = false;
    for (size_t i = 0; i < daemon->tier_count; i++) {
        const struct tier *tier = daemon->tiers[i];
        if (!local_is_outdated(tier->local) || !make_local(daemon, daemon->config, i))
            continue;
        log_line(LOG_LEVEL_INFO, "msg=\"hosts files read again\" tier=%s names=%zu", tier->name,
                 local_count(tier->local));
        changed = true;
    }
    if (changed)
        reload_workers(daemon, daemon->config);
}

void daemon_look_at_clock(struct daemon *daemon)
{
    enum { SLEPT_MS = 500 };
    uint64_t now_ms = slept_ms(), more_ms = now_ms - daemon->slept_ms;
    if ((int64_t)more_ms < SLEPT_MS)
        return;
    daemon->slept_ms = now_ms;
    log_line(LOG_LEVEL_INFO, "msg=\"the machine has slept\" seconds=%" PRIu64, more_ms / 1000);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_look_at_clock(daemon->workers[i]);
}

void daemon_look_past_brokers(struct daemon *daemon)
{
    struct feed_status status;
    if (!daemon->feed)
        return;
    feed_status(daemon->feed, &status);
    if (status.state == FEED_LIVE || status.state == FEED_CATCHUP)
        return;
    const struct brokers_caches caches = {daemon->tiers, daemon->tier_count, daemon->workers,
                                          daemon->worker_count};
    size_t count = brokers_look_past(&caches, daemon->config->feed->brokers) +
                   brokers_look_past(&caches, status.hosts);
    if (count > 0)
        log_line(LOG_LEVEL_DEBUG,
                 "msg=\"no feed: what is held of its brokers is fetched again\" answers=%zu",
                 count);
}

bool daemon_is_alive(const struct daemon *daemon)
{
    bool alive = true;
    for (size_t i = 0; i < daemon->worker_count; i++)
        if (!worker_ping(daemon->workers[i])) {
            log_line(LOG_LEVEL_ERROR, "msg=\"a worker is stuck\" worker=%zu", i);
            alive = false;
        }
    return alive;
}

/* False: it cannot be, and all stays as it is. Logs. */
static bool reload_zones(struct daemon *daemon, const struct config *wanted)
{
    struct plans *plans = NULL;
    const struct followed_wish wish = wish_of(daemon, wanted);
    int error = plans_make(wanted, &wish, &plans);
    const char *key = "tiers", *why = plans_error(error);
    if (!error && wanted->feed) {
        error = followed_take(daemon->applier, &wish, &daemon->zones);
        key = "feed.zones";
        why = followed_error(error);
    }
    if (error) {
        log_line(LOG_LEVEL_ERROR, "msg=\"reload refused, running on\" error=\"%s: %s\"", key, why);
        plans_free(plans);
        return false;
    }
    take_plans(daemon, plans);
    return true;
}

void daemon_reload(struct daemon *daemon)
{
    char why[CONFIG_MAX_ERROR], quoted[LOG_MAX_QUOTED];
    struct config *wanted = load_checked(daemon->config_path, why);
    if (!wanted) {
        log_line(LOG_LEVEL_ERROR, "msg=\"reload refused, running on\" error=%s",
                 log_quote(why, quoted));
        return;
    }
    if (config_needs_restart(daemon->config, wanted, why)) {
        log_line(LOG_LEVEL_ERROR, "msg=\"reload refused, takes a restart\" error=%s",
                 log_quote(why, quoted));
        config_free(wanted);
        return;
    }
    if (!reload_zones(daemon, wanted)) {
        config_free(wanted);
        return;
    }
    log_set_level(log_level_from_text(wanted->log));
    log_note(wanted->note);
    query_log_set(wanted->query_log);
    for (size_t i = 0; i < daemon->tier_count; i++) {
        configure_tier(daemon, wanted, i);
        if (!make_local(daemon, wanted, i) || !make_admission(daemon, wanted, i))
            log_line(LOG_LEVEL_ERROR,
                     "msg=\"local names or clients not reloaded: no memory\" tier=%s",
                     daemon->tiers[i]->name);
    }
    reload_workers(daemon, wanted);
    config_free(daemon->config);
    daemon->config = wanted;
    (void)look_at_waiting(daemon);
    log_line(LOG_LEVEL_INFO, "msg=reloaded config=%s", log_quote(daemon->config_path, quoted));
}

void daemon_stop(struct daemon *daemon)
{
    if (!daemon)
        return;
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_stop(daemon->workers[i], GRACE_MS);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_join(daemon->workers[i]);
    streamed_load_stop(daemon->loader);
    feed_stop(daemon->feed);
    listeners_free(daemon->listeners);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_free(daemon->workers[i]);
    catalogs_free(daemon->catalogs);
    streamed_free(daemon->streamed);
    applier_free(daemon->applier);
    positions_free(daemon->positions);
    positions_free(daemon->plain_positions);
    for (size_t i = 0; i < daemon->tier_count; i++)
        tier_free(daemon->tiers[i]);
    validity_free(daemon->validity);
    zone_roll_free(daemon->zones);
    zone_roll_free(daemon->streams);
    plans_free(daemon->plans);
    validity_free(daemon->plain_validity);
    free(daemon->workers);
    free(daemon->stores);
    free(daemon->tiers);
    config_free(daemon->config);
    free(daemon->config_path);
    free(daemon);
}
