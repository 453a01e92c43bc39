#include "resolver/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dns/name.h"
#include "resolver/clock.h"
#include "resolver/log.h"
#include "resolver/net.h"

enum { GRACE_MS = 2000 }; /* for queries under way when the daemon stops */

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

static struct worker_settings settings_of(const struct config *config)
{
    return (struct worker_settings){
        .tcp = {.clients = config->tcp_clients, .idle_ms = config->tcp_idle_ms},
        .resolve_timeout_ms = config->resolve_timeout_ms,
    };
}

/* Canonical names of the feed's zones, one block; NULL: no memory, or a name the config let through. */
static uint8_t (*zone_names(const struct config_feed *feed))[NAME_MAX_SIZE]
{
    uint8_t(*names)[NAME_MAX_SIZE] = calloc(feed->zone_count + 1, sizeof *names);
    for (size_t i = 0; names && i < feed->zone_count; i++) {
        int size = name_from_text(feed->zones[i], names[i]);
        if (size < 0) {
            free(names);
            return NULL;
        }
        name_lower(names[i], (size_t)size, names[i]);
    }
    return names;
}

static struct validity *make_validity(const struct config_feed *feed)
{
    struct validity_options options = {.marks = 1};
    uint8_t(*names)[NAME_MAX_SIZE] = NULL;
    const uint8_t **zones = NULL;
    struct validity *validity = NULL;
    arc4random_buf(&options.key, sizeof options.key);
    if (feed) {
        names = zone_names(feed);
        zones = calloc(feed->zone_count + 1, sizeof *zones);
        if (!names || !zones)
            goto done;
        for (size_t i = 0; i < feed->zone_count; i++)
            zones[i] = names[i];
        options.zones = zones;
        options.zone_count = feed->zone_count;
        options.marks = feed->marks;
        options.settle_ms = feed->settle_ms;
    }
    validity = validity_new(&options);
done:
    free(zones);
    free(names);
    return validity;
}

static bool make_tiers(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    uint64_t key;
    arc4random_buf(&key, sizeof key);
    daemon->tiers = calloc(config->tier_count, sizeof(struct tier *));
    daemon->stores = calloc(config->tier_count, sizeof(struct store *));
    if (!daemon->tiers || !daemon->stores)
        return false;
    for (size_t i = 0; i < config->tier_count; i++) {
        daemon->tiers[i] = tier_new(&config->tiers[i], daemon->validity, key);
        if (!daemon->tiers[i])
            return false;
        daemon->stores[i] = daemon->tiers[i]->store;
        daemon->tier_count++;
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
            .validity = daemon->validity,
            .positions = daemon->positions,
            .settings = settings_of(daemon->config),
        });
        if (!daemon->workers[i])
            return false;
        daemon->worker_count++;
    }
    return true;
}

/* One UDP and one TCP socket per worker at one address of one tier. */
static int listen_at(struct daemon *daemon, size_t tier_index, const struct config_address *address,
                     char ret_error[DAEMON_MAX_ERROR])
{
    char why[NET_MAX_ERROR] = "out of memory";
    const struct sockaddr *sa = (const struct sockaddr *)&address->addr;
    int error = net_check_free(sa, address->addr_size, why);
    for (size_t i = 0; i < daemon->worker_count && !error; i++) {
        int udp = net_open(sa, address->addr_size, SOCK_DGRAM, why);
        int tcp = udp < 0 ? udp : net_open(sa, address->addr_size, SOCK_STREAM, why);
        if (tcp < 0) {
            error = tcp;
            if (udp >= 0)
                close(udp);
        } else if (!worker_listen(daemon->workers[i], tier_index, udp, tcp)) {
            error = ERR_MEMORY;
        }
    }
    if (error)
        snprintf(ret_error, DAEMON_MAX_ERROR, "tiers[%zu].listen: %s: %s", tier_index,
                 address->text, why);
    return error;
}

static int listen_everywhere(struct daemon *daemon, char ret_error[DAEMON_MAX_ERROR])
{
    for (size_t i = 0; i < daemon->tier_count; i++) {
        const struct config_tier *tier = &daemon->config->tiers[i];
        for (size_t k = 0; k < tier->listen_count; k++) {
            int error = listen_at(daemon, i, &tier->listen[k], ret_error);
            if (error)
                return error;
        }
    }
    return ERR_OK;
}

static int start_feed(struct daemon *daemon, char ret_error[DAEMON_MAX_ERROR])
{
    const struct config_feed *feed = daemon->config->feed;
    if (!feed)
        return ERR_OK;
    char why[FEED_MAX_ERROR];
    daemon->feed = feed_start(
        &(struct feed_options){
            .brokers = feed->brokers,
            .topic = feed->updates,
            .properties = feed->rdkafka,
            .property_count = feed->rdkafka_count,
            .lease_ms = feed->lease_ms,
            .applier = daemon->applier,
            .positions = daemon->positions,
            .report = report_feed,
        },
        why);
    if (daemon->feed)
        return ERR_OK;
    snprintf(ret_error, DAEMON_MAX_ERROR, "feed: %.480s", why);
    return ERR_KAFKA;
}

static int start_workers(struct daemon *daemon, char ret_error[DAEMON_MAX_ERROR])
{
    for (size_t i = 0; i < daemon->worker_count; i++) {
        if (worker_start(daemon->workers[i]) != ERR_OK) {
            snprintf(ret_error, DAEMON_MAX_ERROR, "cannot start worker %zu", i);
            return ERR_SYSTEM;
        }
    }
    return ERR_OK;
}

/* Every TCP client and every upstream port is a descriptor: as many as we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int assemble(struct daemon *daemon, char ret_error[DAEMON_MAX_ERROR])
{
    snprintf(ret_error, DAEMON_MAX_ERROR, "out of memory");
    daemon->validity = make_validity(daemon->config->feed);
    if (!daemon->validity || !make_tiers(daemon))
        return ERR_MEMORY;
    daemon->positions = positions_new(daemon->validity);
    if (!daemon->positions)
        return ERR_MEMORY;
    daemon->applier = applier_new(&(struct applier_options){
        .validity = daemon->validity,
        .stores = daemon->stores,
        .store_count = daemon->tier_count,
        .evicted = warmer_evicted,
        .evicted_arg = &daemon->warmer,
    });
    if (!daemon->applier || !make_workers(daemon))
        return ERR_MEMORY;
    int error = listen_everywhere(daemon, ret_error);
    daemon->warmer = (struct warmer){
        .tiers = daemon->tiers,
        .tier_count = daemon->tier_count,
        .workers = daemon->workers,
        .worker_count = daemon->worker_count,
    };
    if (!error)
        error = start_feed(daemon, ret_error);
    return error ? error : start_workers(daemon, ret_error);
}

struct daemon *daemon_start(const char *config_path, struct config *config,
                            char ret_error[DAEMON_MAX_ERROR])
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        config_free(config);
        snprintf(ret_error, DAEMON_MAX_ERROR, "out of memory");
        return NULL;
    }
    raise_descriptor_limit();
    log_set_level(log_level_from_text(config->log));
    daemon->config = config;
    daemon->config_path = strdup(config_path);
    daemon->started = mono_now();
    if (assemble(daemon, ret_error) != ERR_OK) {
        daemon_stop(daemon);
        return NULL;
    }
    return daemon;
}

void daemon_reload(struct daemon *daemon)
{
    char why[CONFIG_MAX_ERROR], quoted[LOG_MAX_QUOTED];
    struct config *wanted = config_load(daemon->config_path, why);
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
    log_set_level(log_level_from_text(wanted->log));
    for (size_t i = 0; i < daemon->tier_count; i++)
        tier_configure(daemon->tiers[i], &wanted->tiers[i]);
    struct worker_settings settings = settings_of(wanted);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_reload(daemon->workers[i], &settings);
    config_free(daemon->config);
    daemon->config = wanted;
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
    feed_stop(daemon->feed);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_free(daemon->workers[i]);
    applier_free(daemon->applier);
    positions_free(daemon->positions);
    for (size_t i = 0; i < daemon->tier_count; i++)
        tier_free(daemon->tiers[i]);
    validity_free(daemon->validity);
    free(daemon->workers);
    free(daemon->stores);
    free(daemon->tiers);
    config_free(daemon->config);
    free(daemon->config_path);
    free(daemon);
}
