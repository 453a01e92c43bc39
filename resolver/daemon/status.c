#include "resolver/daemon/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/answer/counter.h"
#include "resolver/daemon/listeners.h"
#include "resolver/daemon/numbers.h"
#include "resolver/net/clock.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *zone_json(const struct apply_zone_status *zone)
{
    char text[NAME_MAX_TEXT], time[TIME_MAX_TEXT];
    json_t *serial = zone->has_serial ? number(zone->serial) : json_null();
    json_t *newest = zone->time_us ? json_string(time_to_text(zone->time_us, time)) : json_null();
    json_t *object = json_pack("{s:s, s:o, s:o}", "zone", name_to_text(zone->zone, text), "serial",
                               serial, "time", newest);
    numbers_to_json(&numbers_of_zone, zone, object);
    return object;
}

static json_t *zones_json(struct daemon *daemon)
{
    json_t *zones = json_array();
    struct apply_zone_status zone;
    for (size_t k = 0; k < applier_zones(daemon->applier); k++)
        if (applier_zone_status(daemon->applier, k, &zone))
            json_array_append_new(zones, zone_json(&zone));
    return zones;
}

static json_t *refused_json(const struct feed_status *feed)
{
    json_t *refused = json_object();
    for (int k = 0; k < FEED_ERROR_KINDS; k++)
        if (feed->refused[k])
            json_object_set_new(refused, error_text(-k), number(feed->refused[k]));
    return refused;
}

static json_t *positions_json(const struct feed_status *feed)
{
    json_t *positions = json_array();
    for (size_t k = 0; k < feed->partition_count; k++)
        json_array_append_new(positions, json_pack("{s:i, s:I, s:I}", "partition",
                                                   feed->positions[k].partition, "offset",
                                                   (json_int_t)feed->positions[k].offset, "lag",
                                                   (json_int_t)feed_lag(&feed->positions[k])));
    return positions;
}

/* What half and 99 of a hundred stayed within: ends of ranges, null where there is none. */
static json_t *times_json(const struct histogram_sum *sum)
{
    const unsigned shares[] = {50, 99};
    json_t *within[2];
    for (size_t k = 0; k < 2; k++) {
        const uint64_t us = histogram_within_us(sum, shares[k]);
        within[k] = us > 0 && us < UINT64_MAX ? number(us) : json_null();
    }
    return json_pack("{s:o, s:o, s:o}", "count", number(histogram_count(sum)), "p50_us", within[0],
                     "p99_us", within[1]);
}

static json_t *feed_json(struct daemon *daemon)
{
    if (!daemon->feed)
        return json_null();
    struct feed_status *feed = malloc(sizeof *feed);
    if (!feed)
        return NULL;
    feed_status(daemon->feed, feed);
    const struct config_feed *config = daemon->config->feed;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "state", feed_state_text(feed->state), "reason",
                  feed->reason, "brokers", config->brokers, "topic", config->updates);
    numbers_to_json(&numbers_of_feed, feed, object);
    json_object_set_new(object, "refused", refused_json(feed));
    json_object_set_new(object, "last_apply_us", json_integer(feed->last_apply_us));
    json_object_set_new(object, "last_delay_us", json_integer(feed->last_delay_us));
    json_object_set_new(object, "applying", times_json(&feed->applying));
    json_object_set_new(object, "ages", times_json(&feed->ages));
    json_object_set_new(object, "partitions", positions_json(feed));
    json_object_set_new(object, "zones", zones_json(daemon));
    free(feed);
    return object;
}

json_t *status_applied(struct daemon *daemon, uint64_t after)
{
    struct applied_set sets[APPLY_LOG_MOST];
    uint64_t first = 1;
    size_t count = daemon->feed ? feed_apply_log(daemon->feed, after, sets, &first) : 0;
    json_t *ages = json_array(), *times = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(ages, number(sets[i].age_us));
        json_array_append_new(times, number(sets[i].took_us));
    }
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", true, "first", number(first), "age_us", ages,
                     "took_us", times);
}

static json_t *upstream_json(const struct server_stats *stats)
{
    struct upstream_numbers numbers;
    numbers_take_upstream(stats, &numbers);
    json_t *object = json_pack("{s:s, s:f}", "address", stats->address, "srtt_ms",
                               (double)counter_get(&stats->srtt_us) / 1000);
    numbers_to_json(&numbers_of_upstream, &numbers, object);
    return object;
}

static json_t *upstreams_json(struct tier *tier)
{
    json_t *upstreams = json_array();
    pthread_mutex_lock(&tier->lock);
    for (size_t i = 0; i < tier->used_count; i++)
        json_array_append_new(upstreams, upstream_json(tier->used[i]));
    pthread_mutex_unlock(&tier->lock);
    return upstreams;
}

static json_t *listen_json(const struct config_tier *config)
{
    json_t *listen = json_array();
    for (size_t i = 0; i < config->listen_count; i++)
        json_array_append_new(listen, json_string(config->listen[i].text));
    return listen;
}

/* Of those, the ones at which nobody can reach us yet. */
static json_t *awaited_json(const struct config_tier *config)
{
    json_t *awaited = json_array();
    for (size_t i = 0; i < config->listen_count; i++)
        if (listeners_await(&config->listen[i]))
            json_array_append_new(awaited, json_string(config->listen[i].text));
    return awaited;
}

/* And the ones that are there and that somebody else has. */
static json_t *refused_addresses_json(const struct daemon *daemon, size_t tier)
{
    const struct config_tier *config = &daemon->config->tiers[tier];
    json_t *refused = json_object();
    for (size_t i = 0; i < config->listen_count; i++) {
        const char *text = config->listen[i].text;
        const char *why = listeners_refusal(daemon->listeners, tier, text);
        if (why && !listeners_await(&config->listen[i]))
            json_object_set_new(refused, text, json_string(why));
    }
    return refused;
}

static json_t *tier_json(struct daemon *daemon, size_t i)
{
    struct tier *tier = daemon->tiers[i];
    struct tier_numbers numbers;
    struct tier_times times;
    numbers_take_tier(daemon, i, &numbers);
    numbers_take_times(daemon, i, &times);
    json_t *object =
        json_pack("{s:s, s:o, s:o}", "name", tier->name, "listen",
                  listen_json(&daemon->config->tiers[i]), "upstreams", upstreams_json(tier));
    json_object_set_new(object, "awaited", awaited_json(&daemon->config->tiers[i]));
    json_object_set_new(object, "refused_addresses", refused_addresses_json(daemon, i));
    json_object_set_new(object, "amiss", kin_to_json(tier->kin));
    json_object_set_new(object, "at_once_times", times_json(&times.at_once));
    json_object_set_new(object, "waited_times", times_json(&times.waited));
    numbers_to_json(&numbers_of_tier, &numbers, object);
    return object;
}

/* A part of the snapshot, or what is left of the log, while it is loaded. */
static json_t *streamed_json(const struct streamed_status *zone)
{
    char name[NAME_MAX_TEXT], made[TIME_MAX_TEXT];
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:o, s:i, s:I, s:o}", "zone", name_to_text(zone->zone, name),
                  "state", streamed_state_text(zone->state), "reason", zone->reason, "serial",
                  zone->has_serial ? number(zone->serial) : json_null(), "partition",
                  (int)zone->partition, "offset", (json_int_t)zone->offset, "snapshot",
                  zone->made_us ? json_string(time_to_text(zone->made_us, made)) : json_null());
    json_object_set_new(object, "names", number(zone->size.names));
    json_object_set_new(object, "records", number(zone->size.records));
    json_object_set_new(object, "bytes", number(zone->size.bytes));
    json_object_set_new(object, "part", number(zone->part));
    json_object_set_new(object, "parts", number(zone->parts));
    json_object_set_new(object, "behind", json_integer(zone->behind));
    numbers_to_json(&numbers_of_streamed, zone, object);
    return object;
}

static json_t *all_streamed_json(struct daemon *daemon)
{
    json_t *zones = json_array();
    struct streamed_status zone;
    for (size_t k = 0; daemon->streamed && streamed_next(daemon->streamed, &k, &zone);)
        json_array_append_new(zones, streamed_json(&zone));
    return zones;
}

static json_t *catalogs_json(struct daemon *daemon)
{
    json_t *catalogs = json_array();
    struct catalog_status one;
    char name[NAME_MAX_TEXT];
    for (size_t k = 0; catalogs_status(daemon->catalogs, k, &one); k++) {
        json_t *object =
            json_pack("{s:s, s:o, s:s}", "zone", name_to_text(one.zone, name), "serial",
                      one.has_serial ? number(one.serial) : json_null(), "wrong", one.wrong);
        numbers_to_json(&numbers_of_catalog, &one, object);
        json_array_append_new(catalogs, object);
    }
    return catalogs;
}

json_t *status_report(struct daemon *daemon)
{
    json_t *tiers = json_array();
    for (size_t i = 0; i < daemon->tier_count; i++)
        json_array_append_new(tiers, tier_json(daemon, i));
    double uptime = (double)(mono_now().ms - daemon->started.ms) / 1000;
    return json_pack("{s:b, s:s, s:i, s:s, s:f, s:o, s:o, s:o, s:o, s:o}", "ok", true, "version",
                     FRESHET_VERSION, "pid", (int)getpid(), "sandbox", daemon->sandbox, "uptime_s",
                     uptime, "stamp", number(validity_now(daemon->validity).n), "feed",
                     feed_json(daemon), "streamed", all_streamed_json(daemon), "catalogs",
                     catalogs_json(daemon), "tiers", tiers);
}

/* ---- until when clients may hold what is not so any more ---- */

static bool has_parents(const struct tier *tier)
{
    bool found = tier->parents;
    for (size_t i = 0; i < tier->zone_count && !found; i++)
        found = tier->zones[i].parents;
    return found;
}

/*
 * For how long after a change was applied a client of the tier can still hold an older answer. Of what it was given
 * before, for client_ttl (P7). While the change settles, a server that lags may be believed for a second at a time
 * (P4), by a tier above and then by this one, and their clients keep that second's answer for another.
 */
static uint64_t window_ms(const struct daemon *daemon, const struct tier *tier)
{
    enum { SECOND_MS = 1000, SETTLING_MS = TTL_PROVISIONAL_SECONDS * SECOND_MS };
    const uint64_t client_ms = (uint64_t)store_policy(tier->store).client_ttl * SECOND_MS;
    const struct config_feed *feed = daemon->config->feed;
    if (!feed || feed->settle_ms == 0)
        return client_ms;
    const uint64_t lagging_ms = feed->settle_ms + SETTLING_MS * (has_parents(tier) ? 2 : 1) +
                                (client_ms < SECOND_MS ? client_ms : SECOND_MS);
    return client_ms > lagging_ms ? client_ms : lagging_ms;
}

/* The newest change that touched what is at a name of the feed. */
struct touched {
    bool known;         /* some change did, and its moment, or a later one, is remembered */
    bool exact;         /* `moment` is its own */
    struct stamp stamp; /* 0: none */
    struct mono moment; /* when it was applied */
};

static struct touched touched_last(const struct daemon *daemon, const uint8_t *name,
                                   struct mono now)
{
    const struct validity *validity = daemon->validity;
    struct dependencies dependencies;
    validity_depend_on_question(validity, name, false, &dependencies);
    const struct dependent dependent = validity_dependent(validity, &dependencies);
    struct touched touched = {.exact = true, .moment = now};
    touched.stamp = validity_newest_mark(validity, &dependent);
    if (touched.stamp.n == 0)
        return touched;
    /* A mark that the clock has not reached is being applied as we look. */
    if (!stamp_after(touched.stamp, validity_now(validity)))
        touched.exact = validity_moment(validity, touched.stamp, &touched.moment);
    /* The first time the feed took its position is no change. */
    touched.known = !validity_is_first(validity, touched.stamp);
    return touched;
}

/* What must be added to the monotonic clock for the time of day. */
static int64_t wall_offset_us(struct mono now)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - (int64_t)now.ms * 1000;
}

static json_t *time_json(uint64_t moment_ms, int64_t offset_us)
{
    char text[TIME_MAX_TEXT];
    return json_string(time_to_text((int64_t)moment_ms * 1000 + offset_us, text));
}

static json_t *drained_json(struct daemon *daemon, const struct tier *tier,
                            const struct touched *touched, struct mono now)
{
    const uint64_t window = window_ms(daemon, tier), until = touched->moment.ms + window;
    const int64_t offset = wall_offset_us(now);
    json_t *object =
        json_pack("{s:s, s:b, s:n, s:n, s:n, s:n}", "tier", tier->name, "subscribed",
                  tier->subscribed ? 1 : 0, "window_s", "applied", "drained_by", "seconds_left");
    if (!object || !tier->subscribed)
        return object;
    json_object_set_new(object, "window_s", json_real((double)window / 1000));
    if (!touched->known)
        return object;
    json_object_set_new(object, "applied", time_json(touched->moment.ms, offset));
    json_object_set_new(object, "exact", json_boolean(touched->exact));
    json_object_set_new(object, "drained_by", time_json(until, offset));
    json_object_set_new(object, "seconds_left",
                        json_real(until > now.ms ? (double)(until - now.ms) / 1000 : 0));
    return object;
}

static json_t *drained_tiers_json(struct daemon *daemon, const struct touched *touched,
                                  struct mono now)
{
    json_t *tiers = json_array();
    for (size_t i = 0; i < daemon->tier_count; i++) {
        json_t *object = drained_json(daemon, daemon->tiers[i], touched, now);
        json_object_set_new(object, "listen", listen_json(&daemon->config->tiers[i]));
        json_array_append_new(tiers, object);
    }
    return tiers;
}

/* How far the feed is, and no more: for those who ask often. */
static json_t *feed_place_json(struct daemon *daemon)
{
    if (!daemon->feed)
        return json_null();
    struct feed_status *feed = malloc(sizeof *feed);
    if (!feed)
        return NULL;
    feed_status(daemon->feed, feed);
    json_t *object = json_pack("{s:s, s:s, s:s, s:o}", "state", feed_state_text(feed->state),
                               "reason", feed->reason, "topic", daemon->config->feed->updates,
                               "partitions", positions_json(feed));
    free(feed);
    return object;
}

json_t *status_feed_state(struct daemon *daemon)
{
    json_t *place = feed_place_json(daemon);
    json_t *state = json_incref(json_object_get(place, "state"));
    json_decref(place);
    return state ? state : json_null();
}

json_t *status_drained(struct daemon *daemon, const uint8_t *name)
{
    char name_text[NAME_MAX_TEXT], zone_text[NAME_MAX_TEXT];
    /* The place in the log comes first: a change that it covers is among the marks read after it. */
    json_t *feed = feed_place_json(daemon);
    const struct mono now = mono_now();
    const uint8_t *zone = validity_zone_of(daemon->validity, name, NULL);
    const struct touched touched =
        zone ? touched_last(daemon, name, now) : (struct touched){.known = false};
    return json_pack("{s:b, s:s, s:o, s:i, s:o, s:o, s:o}", "ok", true, "name",
                     name_to_text(name, name_text), "zone",
                     zone ? json_string(name_to_text(zone, zone_text)) : json_null(), "pid",
                     (int)getpid(), "stamp", number(touched.stamp.n), "feed", feed, "tiers",
                     drained_tiers_json(daemon, &touched, now));
}
