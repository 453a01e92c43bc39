#include "resolver/daemon/metrics.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http_query.h"
#include "resolver/daemon/commands.h"
#include "resolver/net/clock.h"
#include "resolver/daemon/listeners.h"
#include "resolver/daemon/numbers.h"

static void write_tiers(struct evbuffer *out, struct daemon *daemon)
{
    struct tier_numbers *rows = calloc(daemon->tier_count, sizeof *rows);
    if (!rows)
        return;
    for (size_t i = 0; i < daemon->tier_count; i++)
        numbers_take_tier(daemon, i, &rows[i]);
    for (size_t k = 0; k < numbers_of_tier.count; k++) {
        const struct number *number = &numbers_of_tier.list[k];
        if (!number->metric)
            continue;
        page_head(out, number->metric, number->help);
        for (size_t i = 0; i < daemon->tier_count; i++)
            evbuffer_add_printf(out, "freshet_%s{tier=\"%s\"} %llu\n", number->metric,
                                daemon->tiers[i]->name,
                                (unsigned long long)number_in(number, &rows[i]));
    }
    free(rows);
}

static void write_time(struct evbuffer *out, const struct tier *tier, const char *way,
                       const struct histogram_sum *sum)
{
    char labels[128];
    snprintf(labels, sizeof labels, "tier=\"%s\",way=\"%s\",", tier->name, way);
    page_histogram(out, "answer_seconds", labels, sum);
}

static void write_times(struct evbuffer *out, struct daemon *daemon)
{
    page_histogram_head(out, "answer_seconds",
                        "From reading a query to sending its answer: at_once, or waited for.");
    for (size_t i = 0; i < daemon->tier_count; i++) {
        struct tier_times times;
        numbers_take_times(daemon, i, &times);
        write_time(out, daemon->tiers[i], "at_once", &times.at_once);
        write_time(out, daemon->tiers[i], "waited", &times.waited);
    }
}

static void write_upstreams_of(struct evbuffer *out, struct tier *tier, const struct number *number)
{
    pthread_mutex_lock(&tier->lock);
    for (size_t k = 0; k < tier->used_count; k++) {
        struct upstream_numbers row;
        numbers_take_upstream(tier->used[k], &row);
        evbuffer_add_printf(out, "freshet_%s{tier=\"%s\",address=\"%s\"} %llu\n", number->metric,
                            tier->name, tier->used[k]->address,
                            (unsigned long long)number_in(number, &row));
    }
    pthread_mutex_unlock(&tier->lock);
}

static void write_upstreams(struct evbuffer *out, struct daemon *daemon)
{
    for (size_t k = 0; k < numbers_of_upstream.count; k++) {
        const struct number *number = &numbers_of_upstream.list[k];
        if (!number->metric)
            continue;
        page_head(out, number->metric, number->help);
        for (size_t i = 0; i < daemon->tier_count; i++)
            write_upstreams_of(out, daemon->tiers[i], number);
    }
}

static void write_pace(struct evbuffer *out, const struct feed_status *feed)
{
    page_head(out, "feed_lag", "Messages of the log that are not applied yet.");
    for (size_t k = 0; k < feed->partition_count; k++)
        evbuffer_add_printf(out, "freshet_feed_lag{partition=\"%d\"} %lld\n",
                            (int)feed->positions[k].partition,
                            (long long)feed_lag(&feed->positions[k]));
    page_histogram_head(out, "feed_apply_seconds", "How long a change set took to apply.");
    page_histogram(out, "feed_apply_seconds", "", &feed->applying);
    page_histogram_head(out, "feed_age_seconds",
                        "From a change set's own time until it was applied, by the two clocks.");
    page_histogram(out, "feed_age_seconds", "", &feed->ages);
}

static void write_feed(struct evbuffer *out, struct daemon *daemon)
{
    struct feed_status *feed = daemon->feed ? malloc(sizeof *feed) : NULL;
    if (!feed)
        return;
    feed_status(daemon->feed, feed);
    page_head(out, "feed_state", "1 for the state the feed is in.");
    for (int state = FEED_COLD; state <= FEED_LOST; state++)
        evbuffer_add_printf(out, "freshet_feed_state{state=\"%s\"} %d\n",
                            feed_state_text((enum feed_state)state),
                            feed->state == (enum feed_state)state);
    page_row(out, &numbers_of_feed, feed);
    page_head(out, "feed_refused_total", "Change sets that could not be applied.");
    for (int k = 0; k < FEED_ERROR_KINDS; k++)
        if (feed->refused[k])
            evbuffer_add_printf(out, "freshet_feed_refused_total{reason=\"%s\"} %llu\n",
                                error_text(-k), (unsigned long long)feed->refused[k]);
    page_head(out, "feed_offset", "Next offset to be applied.");
    for (size_t k = 0; k < feed->partition_count; k++)
        evbuffer_add_printf(out, "freshet_feed_offset{partition=\"%d\"} %lld\n",
                            (int)feed->positions[k].partition,
                            (long long)feed->positions[k].offset);
    write_pace(out, feed);
    free(feed);
}

/* The gauges of a streamed zone. */
static const struct gauge {
    const char *name, *help;
} gauges[] = {
    {"streamed_records", "Records of a streamed zone."},
    {"streamed_bytes", "Bytes of memory that it takes."},
    {"streamed_offset", "The first change set that is not in it."},
    {"streamed_serial", "Its serial."},
};

static double gauge_of(const struct streamed_status *zone, size_t k)
{
    const double values[] = {(double)zone->size.records, (double)zone->size.bytes,
                             (double)zone->offset, (double)zone->serial};
    return values[k];
}

static void write_streamed(struct evbuffer *out, struct daemon *daemon)
{
    struct streamed_status zone;
    char name[NAME_MAX_TEXT];
    if (!daemon->streamed)
        return;
    page_head(out, "streamed_state", "1 for the state a streamed zone is in.");
    for (size_t i = 0; streamed_next(daemon->streamed, &i, &zone);)
        for (int state = STREAMED_LOADING; state <= STREAMED_GAPPED; state++)
            evbuffer_add_printf(out, "freshet_streamed_state{zone=\"%s\",state=\"%s\"} %d\n",
                                name_to_text(zone.zone, name),
                                streamed_state_text((enum streamed_state)state),
                                zone.state == (enum streamed_state)state);
    for (size_t k = 0; k < sizeof gauges / sizeof *gauges; k++) {
        page_head(out, gauges[k].name, gauges[k].help);
        for (size_t i = 0; streamed_next(daemon->streamed, &i, &zone);)
            evbuffer_add_printf(out, "freshet_%s{zone=\"%s\"} %.17g\n", gauges[k].name,
                                name_to_text(zone.zone, name), gauge_of(&zone, k));
    }
    for (size_t k = 0; k < numbers_of_streamed.count; k++) {
        const struct number *number = &numbers_of_streamed.list[k];
        page_head(out, number->metric, number->help);
        for (size_t i = 0; streamed_next(daemon->streamed, &i, &zone);)
            evbuffer_add_printf(out, "freshet_%s{zone=\"%s\"} %llu\n", number->metric,
                                name_to_text(zone.zone, name),
                                (unsigned long long)number_in(number, &zone));
    }
}

static void write_catalogs(struct evbuffer *out, struct daemon *daemon)
{
    struct catalog_status catalog;
    char name[NAME_MAX_TEXT];
    if (!daemon->catalogs)
        return;
    page_head(out, "catalog_wrong", "1 if the newest version of a catalog is of no use.");
    for (size_t i = 0; catalogs_status(daemon->catalogs, i, &catalog); i++)
        evbuffer_add_printf(out, "freshet_catalog_wrong{zone=\"%s\"} %d\n",
                            name_to_text(catalog.zone, name), catalog.wrong[0] != '\0');
    for (size_t k = 0; k < numbers_of_catalog.count; k++) {
        const struct number *number = &numbers_of_catalog.list[k];
        page_head(out, number->metric, number->help);
        for (size_t i = 0; catalogs_status(daemon->catalogs, i, &catalog); i++)
            evbuffer_add_printf(out, "freshet_%s{zone=\"%s\"} %llu\n", number->metric,
                                name_to_text(catalog.zone, name),
                                (unsigned long long)number_in(number, &catalog));
    }
}

static void write_page(void *arg, struct evbuffer *out)
{
    struct daemon *daemon = arg;
    struct tcp_numbers tcp;
    page_number(out, "uptime_seconds", "Time since the start.",
                (double)(mono_now().ms - daemon->started.ms) / 1000);
    page_number(out, "stamp", "The change clock.", (double)validity_now(daemon->validity).n);
    write_tiers(out, daemon);
    write_times(out, daemon);
    write_upstreams(out, daemon);
    numbers_take_tcp(daemon, &tcp);
    page_row(out, &numbers_of_tcp, &tcp);
    write_feed(out, daemon);
    write_streamed(out, daemon);
    write_catalogs(out, daemon);
}

/* An address that nobody has is reason enough to wait; one that somebody else has, too. */
static bool addresses_ready(struct daemon *daemon, size_t tier, struct evbuffer *out)
{
    bool ready = true;
    const struct config_tier *config = &daemon->config->tiers[tier];
    for (size_t i = 0; i < config->listen_count; i++) {
        const struct config_address *address = &config->listen[i];
        const char *why = listeners_refusal(daemon->listeners, tier, address->text);
        if (listeners_await(address))
            why = "no address of this machine yet";
        if (why)
            evbuffer_add_printf(out, "tier %s: %s: %s\n", config->name, address->text, why);
        ready = ready && !why;
    }
    return ready;
}

/*
 * Whether each address answers with data. A feed that is not live keeps nobody from answering, by TTLs; a streamed zone
 * that is still loaded does.
 */
static bool write_ready(void *arg, struct evbuffer *out)
{
    struct daemon *daemon = arg;
    struct streamed_status zone;
    char name[NAME_MAX_TEXT];
    bool ready = true;
    for (size_t i = 0; i < daemon->tier_count; i++)
        ready = addresses_ready(daemon, i, out) && ready;
    for (size_t k = 0; daemon->streamed && streamed_next(daemon->streamed, &k, &zone);) {
        if (zone.state != STREAMED_LOADING)
            continue;
        evbuffer_add_printf(out, "zone %s is being loaded\n", name_to_text(zone.zone, name));
        ready = false;
    }
    return ready;
}

/* Adds what a field of the query says, whatever its bytes. Of one that cannot be read the half that can is not taken for it. */
static void add_field(json_t *request, const char *query, const char *name)
{
    char value[NAME_MAX_TEXT];
    if (http_query_find(query, name, value, sizeof value))
        json_object_set_new_nocheck(request, name, json_string_nocheck(value));
}

/* Those commands of the control socket that change nothing and are for whoever looks from elsewhere. */
static bool write_answer(void *arg, const char *path, const char *query, struct evbuffer *out)
{
    const bool drained = strcmp(path, "/drained-by") == 0;
    struct control_work none;
    if (!drained && strcmp(path, "/lookup") != 0)
        return false;
    json_t *request = json_pack("{s:s}", "cmd", drained ? "drained_by" : "lookup");
    add_field(request, query, "name");
    add_field(request, query, "type");
    control_write_line(out, request ? commands_answer(arg, request, &none) : NULL);
    json_decref(request);
    return true;
}

struct http *metrics_open(struct event_base *base, struct daemon *daemon,
                          const struct config_address *address, char ret_error[PAGE_MAX_ERROR])
{
    return page_open(
        base, address,
        &(struct page_content){
            .write = write_page, .ready = write_ready, .answer = write_answer, .arg = daemon},
        ret_error);
}
