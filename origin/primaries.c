/* primaries.c - see primaries.h. */
#include "origin/primaries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cache/stamp.h"
#include "daemon/log.h"
#include "origin/follow.h"

enum { MAX_KEY = 96 };

/* One zone. */
struct held {
    struct primaries *all;
    const struct config_origin_zone *config;
    struct zone *zone;
    struct zone_history *history;
    struct policy_rule *rules;
    struct primary *primary;
    struct outlet *outlet;          /* while it is our turn; or NULL */
    struct outlet_message *message; /* under way; NULL: none */
    bool told_ready;
    int32_t partition;                /* -1: not known yet */
    struct retention_view view;       /* its newest snapshot */
    bool writing;                     /* one */
    struct outlet_message *heartbeat; /* under way; NULL: none */
};

struct primaries {
    struct primaries_options options;
    struct held *held;
    size_t count;
    struct zone **zones; /* as follow.h wants them */
    struct event *timer;
    struct event *guard; /* every second */
    struct follow *follow;
    struct serve *serve;
    struct primary_actions actions;
    struct primary_counts counts;
    struct serve_counts serve_counts;
};

static struct primary_now now(void)
{
    struct timespec mono, wall;
    clock_gettime(MONO_CLOCK, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct primary_now){
        .us = (uint64_t)mono.tv_sec * 1000000 + (uint64_t)mono.tv_nsec / 1000,
        .wall_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000,
    };
}

static bool is_ours(const struct config_origin_zone *zone)
{
    return zone->log != NULL;
}

/* ---- the configuration ---- */

static int read_rules(const struct config *config, size_t k, struct policy_rule *rules,
                      char error[CONFIG_MAX_ERROR])
{
    const struct config_origin_zone *zone = &config->origin_zones[k];
    char path[MAX_KEY], why[POLICY_MAX_ERROR];
    for (size_t i = 0; i < zone->update_count; i++) {
        if (policy_rule_from_text(zone->update[i], &rules[i], why) == 0)
            continue;
        snprintf(path, sizeof path, "zones[%zu].update[%zu]", k, i);
        config_fault(config, error, path, "%s; expected such as: grant KEY. subdomain NAME. A AAAA",
                     why);
        return ERR_CONFIG;
    }
    return 0;
}

/* Whether there can be a holder of its key. */
static bool is_held(const struct policy_rule *rule, const struct config *config,
                    const struct keyring *keyring)
{
    return rule->any_identity || name_is_wildcard(rule->identity) ||
           keyring_find(keyring, rule->identity, NULL) ||
           (config->webhook && name_equal(rule->identity, policy_webhook));
}

/* Whether it can ever fit: a misspelt key or name would refuse its holder without a word. */
static const char *why_in_vain(const struct policy_rule *rule, const uint8_t *apex, bool held)
{
    if (!held)
        return "its key is none of `keys`";
    if (rule->kind > POLICY_WILDCARD || name_is_within(rule->name, apex) ||
        (rule->kind != POLICY_NAME && name_is_within(apex, rule->name)))
        return NULL;
    return "its name is not in the zone";
}

static int check_rules(const struct config *config, size_t k, const struct policy_rule *rules,
                       const struct keyring *keyring, char error[CONFIG_MAX_ERROR])
{
    const struct config_origin_zone *zone = &config->origin_zones[k];
    char path[MAX_KEY];
    uint8_t apex[NAME_MAX_SIZE];
    const int size = name_from_text(zone->name, apex);
    if (size > 0)
        name_lower(apex, (size_t)size, apex);
    for (size_t i = 0; i < zone->update_count; i++) {
        const char *why = why_in_vain(&rules[i], apex, is_held(&rules[i], config, keyring));
        if (!why)
            continue;
        snprintf(path, sizeof path, "zones[%zu].update[%zu]", k, i);
        config_fault(config, error, path, "%s; expected a rule that can fit", why);
        return ERR_CONFIG;
    }
    return 0;
}

static int check_keys(const struct config *config, size_t k, const struct keyring *keyring,
                      char error[CONFIG_MAX_ERROR])
{
    const struct config_origin_zone *zone = &config->origin_zones[k];
    char path[MAX_KEY];
    uint8_t name[NAME_MAX_SIZE];
    for (size_t i = 0; i < zone->transfer_key_count; i++) {
        if (name_from_text(zone->transfer_keys[i], name) > 0 && keyring_find(keyring, name, NULL))
            continue;
        snprintf(path, sizeof path, "zones[%zu].transfer_keys[%zu]", k, i);
        config_fault(config, error, path, "%s is none of `keys`; expected the name of one",
                     zone->transfer_keys[i]);
        return ERR_CONFIG;
    }
    return 0;
}

int primaries_check(const struct config *config, const struct keyring *keyring,
                    char ret_error[CONFIG_MAX_ERROR])
{
    int error = 0;
    for (size_t k = 0; k < config->origin_zone_count && error == 0; k++) {
        const struct config_origin_zone *zone = &config->origin_zones[k];
        if (!is_ours(zone))
            continue;
        struct policy_rule *rules = calloc(zone->update_count + 1, sizeof *rules);
        error = rules ? read_rules(config, k, rules, ret_error) : ERR_MEMORY;
        if (error == 0)
            error = check_rules(config, k, rules, keyring, ret_error);
        free(rules);
        if (error == 0)
            error = check_keys(config, k, keyring, ret_error);
    }
    return error;
}

static bool same_texts(char *const *one, size_t one_count, char *const *other, size_t other_count)
{
    if (one_count != other_count)
        return false;
    for (size_t i = 0; i < one_count; i++) {
        if (strcmp(one[i], other[i]) != 0)
            return false;
    }
    return true;
}

static bool same_networks(const struct config_network *one, size_t one_count,
                          const struct config_network *other, size_t other_count)
{
    if (one_count != other_count)
        return false;
    for (size_t i = 0; i < one_count; i++) {
        if (strcmp(one[i].text, other[i].text) != 0)
            return false;
    }
    return true;
}

static bool same_followers(const struct config_origin_zone *one,
                           const struct config_origin_zone *other)
{
    if (one->notify_count != other->notify_count)
        return false;
    for (size_t i = 0; i < one->notify_count; i++) {
        if (strcmp(one->notify[i].text, other->notify[i].text) != 0)
            return false;
    }
    return (!one->key && !other->key) ||
           (one->key && other->key && strcmp(one->key, other->key) == 0);
}

static bool same_zone(const struct config_origin_zone *one, const struct config_origin_zone *other)
{
    return strcasecmp(one->name, other->name) == 0 && strcmp(one->serial, other->serial) == 0 &&
           one->history == other->history && same_followers(one, other) &&
           same_texts(one->update, one->update_count, other->update, other->update_count) &&
           same_texts(one->transfer_keys, one->transfer_key_count, other->transfer_keys,
                      other->transfer_key_count) &&
           same_networks(one->update_from, one->update_from_count, other->update_from,
                         other->update_from_count) &&
           same_networks(one->transfer_from, one->transfer_from_count, other->transfer_from,
                         other->transfer_from_count);
}

/* The next of ours from *k on, which moves behind it; NULL: there is none. */
static const struct config_origin_zone *next_of(const struct config *config, size_t *k)
{
    while (*k < config->origin_zone_count) {
        const struct config_origin_zone *zone = &config->origin_zones[(*k)++];
        if (is_ours(zone))
            return zone;
    }
    return NULL;
}

bool primaries_are_same(const struct config *one, const struct config *other)
{
    size_t i = 0, j = 0;
    for (;;) {
        const struct config_origin_zone *a = next_of(one, &i), *b = next_of(other, &j);
        if (!a || !b)
            return a == b;
        if (!same_zone(a, b))
            return false;
    }
}

static enum serial_policy serials_of(const char *text)
{
    return strcmp(text, "unixtime") == 0 ? SERIAL_UNIXTIME
           : strcmp(text, "date") == 0   ? SERIAL_DATE
                                         : SERIAL_INCREMENT;
}

/* ---- what primaries ask for ---- */

static void settle(struct primaries *all)
{
    uint64_t due = UINT64_MAX, us = now().us;
    for (size_t k = 0; k < all->count; k++) {
        uint64_t one = primary_due(all->held[k].primary);
        due = one < due ? one : due;
    }
    if (due == UINT64_MAX) {
        evtimer_del(all->timer);
        return;
    }
    uint64_t wait = due > us ? due - us : 0;
    const struct timeval time = {.tv_sec = (time_t)(wait / 1000000),
                                 .tv_usec = (suseconds_t)(wait % 1000000)};
    evtimer_add(all->timer, &time);
}

static void settle_any(void *arg)
{
    settle(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct primaries *all = arg;
    for (size_t k = 0; k < all->count; k++)
        primary_tick(all->held[k].primary, now());
    settle(all);
}

static struct held *held_of(struct primaries *all, const struct primary *primary)
{
    for (size_t k = 0; k < all->count; k++) {
        if (all->held[k].primary == primary)
            return &all->held[k];
    }
    return NULL;
}

static void on_published(void *arg, int result, const struct publish_receipt *receipt)
{
    struct held *held = arg;
    held->message = NULL;
    primary_published(held->primary, result, receipt ? receipt->offset : -1, now());
    settle(held->all);
}

static int act_publish(void *arg, struct primary *primary, const struct change_set *set)
{
    struct primaries *all = arg;
    struct held *held = held_of(all, primary);
    const struct outlet_send send = {.set = set, .done = on_published, .arg = held};
    return outlet_send(held->outlet, &send, &held->message);
}

static void act_give_up(void *arg, struct primary *primary)
{
    struct primaries *all = arg;
    struct held *held = held_of(all, primary);
    char zone[NAME_MAX_TEXT];
    if (held->message)
        outlet_give_up(held->outlet, held->message);
    log_limited(LOG_LEVEL_ERROR, "msg=\"an UPDATE is not acknowledged by Kafka in time\" zone=%s",
                name_to_text(zone_apex(held->zone), zone));
}

static void act_catch_up(void *arg, struct primary *primary)
{
    struct primaries *all = arg;
    follow_catch_up(all->follow, (size_t)(held_of(all, primary) - all->held));
}

static void act_version(void *arg, struct primary *primary, uint32_t serial)
{
    struct primaries *all = arg;
    char zone[NAME_MAX_TEXT];
    log_limited(LOG_LEVEL_DEBUG, "msg=\"a version\" zone=%s serial=%" PRIu32,
                name_to_text(zone_apex(primary_zone(primary)), zone), serial);
    serve_notify(all->serve, primary);
}

/* ---- what the log says ---- */

/* Once: the log had it at the start, or somebody has imported it since. */
static bool tell_there(struct held *held)
{
    struct primary_status status;
    char zone[NAME_MAX_TEXT];
    primary_status(held->primary, &status);
    if (!primary_is_ready(held->primary) || held->told_ready)
        return false;
    held->told_ready = true;
    log_line(LOG_LEVEL_INFO, "msg=\"a zone is served\" zone=%s serial=%" PRIu32,
             name_to_text(zone_apex(held->zone), zone), status.serial);
    return true;
}

static bool on_read(void *arg, size_t k, const struct change_set *set, int64_t offset)
{
    struct primaries *all = arg;
    int error = primary_read(all->held[k].primary, set, offset, now());
    tell_there(&all->held[k]);
    settle(all);
    return error == 0;
}

/* What it was read from. What was written since is known better. */
static void note_stand(struct held *held, const struct follow_stand *stand)
{
    held->partition = stand->partition;
    if (!stand->has_snapshot || held->view.has_snapshot)
        return;
    held->view.has_snapshot = true;
    held->view.offset = stand->snapshot_offset;
    held->view.made_us = stand->snapshot_made_us;
}

static void on_caught_up(void *arg, size_t k, const struct follow_stand *stand)
{
    struct primaries *all = arg;
    struct held *held = &all->held[k];
    note_stand(held, stand);
    struct primary_status status;
    char zone[NAME_MAX_TEXT];
    primary_caught_up(held->primary, now());
    primary_status(held->primary, &status);
    const bool there = primary_is_ready(held->primary);
    if (tell_there(held))
        serve_notify(all->serve, held->primary);
    if (!there)
        log_line(LOG_LEVEL_WARNING, "msg=\"a zone is not served\" zone=%s why=\"%s\"",
                 name_to_text(zone_apex(held->zone), zone), status.why);
    held->told_ready = there;
    settle(all);
}

static void on_lost(void *arg, size_t k, const char *why)
{
    struct primaries *all = arg;
    struct held *held = &all->held[k];
    char zone[NAME_MAX_TEXT], quoted[LOG_MAX_QUOTED];
    held->told_ready = false;
    primary_lost(held->primary, "the log cannot be read from a snapshot or its head on");
    log_limited(LOG_LEVEL_ERROR, "msg=\"a zone is not served\" zone=%s why=%s",
                name_to_text(zone_apex(held->zone), zone), log_quote(why, quoted));
    settle(all);
}

/* ---- the guard: a snapshot in good time before the log is gone that comes after the last ---- */

static bool judge(struct held *held, struct retention_margin *ret)
{
    return primary_is_ready(held->primary) &&
           snapshots_judge(captures_snapshots(held->all->options.captures), held->partition,
                           held->zone, now().wall_us, &held->view, ret);
}

static void on_written(void *arg, int64_t offset, int64_t made_us)
{
    struct held *held = arg;
    held->writing = false;
    held->view.has_snapshot = true;
    held->view.offset = offset;
    held->view.made_us = made_us;
}

static void on_heartbeat(void *arg, int result, const struct publish_receipt *receipt)
{
    (void)result, (void)receipt;
    ((struct held *)arg)->heartbeat = NULL;
}

/* A set without changes: once it is read back, the zone stands where it lies. */
static void send_heartbeat(struct held *held, uint32_t serial)
{
    struct change_set set = {.has_serial = true, .time_us = now().wall_us, .serial = serial};
    memcpy(set.zone, zone_apex(held->zone), name_size(zone_apex(held->zone)));
    strncpy(set.publisher, held->all->options.config->publisher, sizeof set.publisher - 1);
    if (outlet_send(held->outlet,
                    &(struct outlet_send){.set = &set, .done = on_heartbeat, .arg = held},
                    &held->heartbeat) < 0)
        held->heartbeat = NULL;
}

/* The state stands behind the last set that was read: whatever else lies in the partition is another zone's. */
static void guard(struct held *held)
{
    struct retention_margin margin;
    struct primary_status status;
    primary_status(held->primary, &status);
    if (!held->outlet || held->writing || held->heartbeat || status.under_way ||
        !judge(held, &margin) || margin.verdict == RETENTION_FINE)
        return;
    if (status.offset < 0 || (held->view.has_snapshot && status.offset < held->view.offset)) {
        send_heartbeat(held, status.serial);
        return;
    }
    const struct snapshots_job job = {.zone = held->zone,
                                      .partition = held->partition,
                                      .offset = status.offset + 1,
                                      .outlet = held->outlet,
                                      .done = on_written,
                                      .arg = held};
    held->writing = snapshots_write(captures_snapshots(held->all->options.captures), &job) == 0;
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct primaries *all = arg;
    for (size_t k = 0; k < all->count; k++)
        guard(&all->held[k]);
}

static bool start_guard(struct primaries *all, char error[CONFIG_MAX_ERROR])
{
    static const struct timeval second = {.tv_sec = 1};
    all->guard = event_new(all->options.base, -1, EV_PERSIST, on_guard, all);
    snprintf(error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    return all->guard && event_add(all->guard, &second) == 0;
}

/* What is under way by an outlet that is not ours any more. */
static void take_back(struct held *held)
{
    if (held->message)
        outlet_take_back(held->outlet, held->message);
    if (held->heartbeat)
        outlet_take_back(held->outlet, held->heartbeat);
    if (held->writing)
        snapshots_forget(captures_snapshots(held->all->options.captures), held);
    held->message = held->heartbeat = NULL;
    held->writing = false;
}

/* ---- turns ---- */

void primaries_turn(void *arg)
{
    struct primaries *all = arg;
    for (size_t k = 0; k < all->count; k++) {
        struct held *held = &all->held[k];
        struct outlet *outlet = turns_outlet(all->options.turns, zone_apex(held->zone));
        if (outlet == held->outlet)
            continue;
        take_back(held);
        held->outlet = outlet;
        primary_turn(held->primary, outlet != NULL);
    }
    settle(all);
}

bool primaries_has_zones(void *arg, int32_t partition, size_t count)
{
    const struct primaries *all = arg;
    for (size_t k = 0; k < all->count; k++)
        if (publish_partition(zone_apex(all->held[k].zone), count) == partition)
            return true;
    return false;
}

/* ---- start and end ---- */

static bool make_zone(struct primaries *all, size_t k, size_t number, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = all->options.config;
    const struct config_origin_zone *zone = &config->origin_zones[k];
    struct held *held = &all->held[number];
    uint8_t apex[NAME_MAX_SIZE];
    int size = name_from_text(zone->name, apex);
    held->all = all;
    held->config = zone;
    held->partition = -1;
    snprintf(error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (size < 0)
        return false;
    name_lower(apex, (size_t)size, apex);
    held->rules = calloc(zone->update_count + 1, sizeof *held->rules);
    if (!held->rules || zone_new(apex, &held->zone) < 0 ||
        zone_history_new(zone->history, &held->history) < 0 ||
        read_rules(config, k, held->rules, error) < 0)
        return false;
    all->zones[number] = held->zone;
    held->primary = primary_new(&(struct primary_options){
        .zone = held->zone,
        .history = held->history,
        .serials = serials_of(zone->serial),
        .rules = held->rules,
        .rule_count = zone->update_count,
        .publisher = config->publisher,
        .actions = &all->actions,
        .counts = &all->counts,
    });
    return held->primary != NULL;
}

static bool serve_zone(struct primaries *all, const struct held *held)
{
    const struct config_origin_zone *zone = held->config;
    uint8_t key[NAME_MAX_SIZE];
    const struct serve_zone_options options = {
        .primary = held->primary,
        .update_from = zone->update_from,
        .update_from_count = zone->update_from_count,
        .transfer_keys = (const char *const *)zone->transfer_keys,
        .transfer_key_count = zone->transfer_key_count,
        .transfer_from = zone->transfer_from,
        .transfer_from_count = zone->transfer_from_count,
        .notify = zone->notify,
        .notify_count = zone->notify_count,
        .notify_key = zone->key && name_from_text(zone->key, key) > 0
                          ? keyring_find(all->options.keyring, key, NULL)
                          : NULL,
    };
    return serve_add(all->serve, &options) == 0;
}

static bool make_zones(struct primaries *all, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = all->options.config;
    all->held = calloc(config->origin_zone_count + 1, sizeof *all->held);
    all->zones = calloc(config->origin_zone_count + 1, sizeof *all->zones);
    all->serve = serve_new(&(struct serve_options){.base = all->options.base,
                                                   .keyring = all->options.keyring,
                                                   .settle_arg = all,
                                                   .settle = settle_any,
                                                   .counts = &all->serve_counts});
    all->timer = evtimer_new(all->options.base, on_timer, all);
    snprintf(error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!all->held || !all->zones || !all->serve || !all->timer)
        return false;
    for (size_t k = 0; k < config->origin_zone_count; k++) {
        if (!is_ours(&config->origin_zones[k]))
            continue;
        if (!make_zone(all, k, all->count++, error) || !serve_zone(all, &all->held[all->count - 1]))
            return false;
    }
    return true;
}

static bool open_log(struct primaries *all, char error[CONFIG_MAX_ERROR])
{
    const struct config_feed *feed = all->options.config->feed;
    all->follow = follow_start(&(struct follow_options){.base = all->options.base,
                                                        .brokers = feed->brokers,
                                                        .updates = feed->updates,
                                                        .snapshots = feed->snapshots,
                                                        .properties = all->options.properties,
                                                        .property_count = feed->rdkafka_count,
                                                        .zones = all->zones,
                                                        .zone_count = all->count,
                                                        .read = on_read,
                                                        .caught_up = on_caught_up,
                                                        .lost = on_lost,
                                                        .arg = all},
                               error);
    return all->follow != NULL;
}

struct primaries *primaries_start(const struct primaries_options *options,
                                  char ret_error[CONFIG_MAX_ERROR])
{
    struct primaries *all = calloc(1, sizeof *all);
    if (!all) {
        snprintf(ret_error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    all->options = *options;
    all->actions = (struct primary_actions){.publish = act_publish,
                                            .give_up = act_give_up,
                                            .catch_up = act_catch_up,
                                            .version = act_version,
                                            .arg = all};
    if (make_zones(all, ret_error) &&
        (all->count == 0 || (open_log(all, ret_error) && start_guard(all, ret_error))))
        return all;
    primaries_stop(all);
    return NULL;
}

void primaries_stop(struct primaries *all)
{
    if (!all)
        return;
    follow_stop(all->follow);
    for (size_t k = 0; k < all->count; k++) {
        struct held *held = &all->held[k];
        take_back(held);
        primary_free(held->primary);
    }
    serve_free(all->serve);
    for (size_t k = 0; k < all->count; k++) {
        struct held *held = &all->held[k];
        zone_history_free(held->history);
        zone_free(held->zone);
        free(held->rules);
    }
    if (all->timer)
        event_free(all->timer);
    if (all->guard)
        event_free(all->guard);
    free(all->held);
    free(all->zones);
    free(all);
}

struct serve *primaries_serve(struct primaries *all)
{
    return all->serve;
}

void primaries_numbers(const struct primaries *all, struct primaries_numbers *ret)
{
    *ret = (struct primaries_numbers){
        .updates = all->counts, .serve = all->serve_counts, .zones = all->count};
    for (size_t k = 0; k < all->count; k++) {
        ret->ready += primary_is_ready(all->held[k].primary);
        ret->active += all->held[k].outlet != NULL;
        struct retention_margin margin;
        ret->gapped += judge(&all->held[k], &margin) && margin.verdict == RETENTION_GAPPED;
    }
}

bool primaries_status(const struct primaries *all, size_t k, const uint8_t **ret_apex,
                      struct primary_status *ret, struct turn_status *ret_turn,
                      struct zone_history_size *ret_history)
{
    if (k >= all->count)
        return false;
    *ret_apex = zone_apex(all->held[k].zone);
    primary_status(all->held[k].primary, ret);
    turns_of_zone(all->options.turns, *ret_apex, ret_turn);
    zone_history_size(all->held[k].history, ret_history);
    return true;
}

uint64_t primaries_transfers(const struct primaries *all, size_t k)
{
    return serve_transfers(all->serve, zone_apex(all->held[k].zone));
}

bool primaries_snapshot(struct primaries *all, size_t k, struct retention_view *ret_view,
                        struct retention_margin *ret_margin)
{
    if (!judge(&all->held[k], ret_margin))
        return false;
    *ret_view = all->held[k].view;
    return true;
}
