#include "origin/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/page.h"
#include "origin/roster.h"

#ifndef FRESHET_VERSION
#define FRESHET_VERSION "0.1.0"
#endif

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

void status_numbers(const struct status *status, struct origin_numbers *ret)
{
    captures_numbers(status->captures, &ret->captures);
    listen_numbers(status->listen, &ret->listen);
    ret->service = status->service->numbers;
    ret->zones = ret->captures.zones;
    ret->ready = ret->captures.ready;
    turns_numbers(status->turns, &ret->turns);
    ret->under_way = ret->turns.outlet.under_way;
    primaries_numbers(status->primaries, &ret->primaries);
    ret->gapped = ret->captures.gapped + ret->primaries.gapped;
    ret->primary_zones = ret->primaries.zones;
    ret->primary_ready = ret->primaries.ready;
    ret->active = ret->captures.active + ret->primaries.active;
}

static double seconds_since(uint64_t us)
{
    const uint64_t now = mono_now().ms * 1000;
    return now > us ? (double)(now - us) / 1e6 : 0;
}

/* Whose turn it is to write a zone: "alone", "active", "taking over", "standby"; since when, and what Kafka knows it by. */
static void add_turn(json_t *zone, const struct turn_status *turn)
{
    json_object_set_new(zone, "turn", json_string(turn_text(turn->state)));
    json_object_set_new(zone, "turn_s", json_real(seconds_since(turn->since_us)));
    json_object_set_new(zone, "epoch", turn->epoch >= 0 ? json_integer(turn->epoch) : json_null());
}

static json_t *primary_json(const struct primary_status *zone, const uint8_t *apex,
                            const struct zone_history_size *history)
{
    char name[NAME_MAX_TEXT];
    return json_pack("{s:s, s:b, s:s?, s:o, s:i, s:I, s:i, s:I}", "name", name_to_text(apex, name),
                     "ready", zone->ready, "reason", zone->why, "serial",
                     zone->has_serial ? json_integer(zone->serial) : json_null(), "waiting",
                     (int)zone->waiting, "offset", (json_int_t)zone->offset, "versions",
                     (int)history->versions, "history_bytes", (json_int_t)history->bytes);
}

/* The newest snapshot, and how long it will do. */
static json_t *snapshot_json(const struct retention_view *view,
                             const struct retention_margin *margin)
{
    char made[TIME_MAX_TEXT];
    json_t *object =
        json_pack("{s:s, s:n, s:n}", "verdict", retention_verdict_text(margin->verdict), "margin_s",
                  "margin_messages");
    if (!view->has_snapshot)
        return object;
    json_object_set_new(object, "offset", json_integer(view->offset));
    json_object_set_new(object, "made", json_string(time_to_text(view->made_us, made)));
    if (margin->ms != RETENTION_UNBOUNDED)
        json_object_set_new(object, "margin_s", json_real((double)margin->ms / 1000));
    json_object_set_new(object, "margin_messages", json_integer(margin->messages));
    return object;
}

/* The zones whose primary is the log. */
static json_t *primaries_json(const struct status *status)
{
    struct retention_view view;
    struct retention_margin margin;
    json_t *list = json_array();
    const uint8_t *apex;
    struct primary_status zone;
    struct zone_history_size history;
    struct turn_status turn;
    for (size_t k = 0; primaries_status(status->primaries, k, &apex, &zone, &turn, &history); k++) {
        json_t *object = primary_json(&zone, apex, &history);
        add_turn(object, &turn);
        json_object_set_new(object, "transfers", number(primaries_transfers(status->primaries, k)));
        json_object_set_new(object, "snapshot",
                            primaries_snapshot(status->primaries, k, &view, &margin)
                                ? snapshot_json(&view, &margin)
                                : json_null());
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *zone_json(const struct captured_status *captured)
{
    char name[NAME_MAX_TEXT];
    const struct capture_status *zone = &captured->capture;
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:I, s:I}", "name", name_to_text(captured->apex, name), "state",
                  capture_state_text(zone->state), "expired", (int)zone->expired, "versions",
                  (json_int_t)zone->versions, "failures", (json_int_t)zone->failures);
    json_object_set_new(object, "transfers", number(zone->transfers));
    json_object_set_new(object, "serial", zone->has_serial ? number(zone->serial) : json_null());
    json_object_set_new(object, "refreshed_s",
                        zone->refreshed_us ? json_real(seconds_since(zone->refreshed_us))
                                           : json_null());
    json_object_set_new(object, "records", number(captured->size.records));
    json_object_set_new(object, "bytes", number(captured->size.bytes));
    json_object_set_new(object, "snapshot",
                        captured->has_margin ? snapshot_json(&captured->view, &captured->margin)
                                             : json_null());
    json_object_set_new(object, "failed_primary", json_string(captured->primary));
    json_object_set_new(object, "why", json_string(captured->why));
    add_turn(object, &captured->turn);
    return object;
}

static json_t *zones_json(const struct status *status)
{
    json_t *zones = json_array();
    struct captured_status zone;
    struct captured *one = NULL;
    while ((one = captures_next(status->captures, one))) {
        captured_status(one, &zone);
        json_array_append_new(zones, zone_json(&zone));
    }
    return zones;
}

static json_t *faults_json(const struct capture_counts *counts)
{
    json_t *faults = json_object();
    for (int k = 0; k < XFRIN_RESULTS; k++)
        if (counts->faults[k])
            json_object_set_new(faults, xfrin_fault_word(k), number(counts->faults[k]));
    return faults;
}

static json_t *catalogs_json(const struct status *status)
{
    json_t *catalogs = json_array();
    struct roster_status one;
    char name[NAME_MAX_TEXT];
    for (size_t k = 0; roster_status(status->roster, k, &one); k++)
        json_array_append_new(
            catalogs, json_pack("{s:s, s:o, s:s, s:o}", "zone", name_to_text(one.zone, name),
                                "serial", one.has_serial ? number(one.serial) : json_null(),
                                "wrong", one.wrong, "members", number(one.members)));
    return catalogs;
}

static json_t *report(const struct status *status)
{
    struct origin_numbers numbers;
    status_numbers(status, &numbers);
    const struct config_feed *feed = status->config->feed;
    json_t *object =
        json_pack("{s:b, s:s, s:s, s:i, s:f, s:s, s:s, s:s}", "ok", 1, "program", "freshet-origin",
                  "version", FRESHET_VERSION, "pid", (int)getpid(), "uptime_s",
                  (double)(mono_now().ms - status->started.ms) / 1000, "brokers", feed->brokers,
                  "topic", feed->updates, "trouble", numbers.turns.outlet.trouble);
    numbers_to_json(&numbers_of_origin, &numbers, object);
    json_object_set_new(object, "faults", faults_json(&numbers.captures.counts));
    json_object_set_new(object, "zone_list", zones_json(status));
    json_object_set_new(object, "primary_list", primaries_json(status));
    json_object_set_new(object, "catalogs", catalogs_json(status));
    return object;
}

static json_t *captured_json(const struct status *status, json_t *request)
{
    json_t *after = json_object_get(request, "after");
    if (after && (!json_is_integer(after) || json_integer_value(after) < 0))
        return control_refuse("\"after\" is not a count of versions");
    struct captured_version *latest = calloc(CAPTURES_LATEST, sizeof *latest);
    if (!latest)
        return NULL;
    uint64_t first = 1;
    size_t count =
        captures_latest(status->captures, (uint64_t)json_integer_value(after), latest, &first);
    json_t *serials = json_array(), *times = json_array();
    json_t *own = json_array(), *kafka = json_array(), *transfers = json_array();
    for (size_t k = 0; k < count; k++) {
        json_array_append_new(serials, number(latest[k].serial));
        json_array_append_new(times, number(latest[k].acknowledged_us));
        json_array_append_new(own, number(latest[k].own_us));
        json_array_append_new(kafka, number(latest[k].kafka_us));
        json_array_append_new(transfers, number(latest[k].transfer_us));
    }
    free(latest);
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "ok", 1, "first", number(first),
                     "serial", serials, "acknowledged_us", times, "own_us", own, "kafka_us", kafka,
                     "transfer_us", transfers);
}

json_t *status_answer(void *arg, json_t *request, struct control_work *ret_work)
{
    const struct status *status = arg;
    (void)ret_work;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    if (cmd && strcmp(cmd, "status") == 0)
        return report(status);
    if (cmd && strcmp(cmd, "captured") == 0)
        return captured_json(status, request);
    return control_refuse("this is freshet-origin: \"cmd\" is none of status, captured");
}

void status_page(void *arg, struct evbuffer *out)
{
    const struct status *status = arg;
    struct origin_numbers numbers;
    status_numbers(status, &numbers);
    page_number(out, "uptime_seconds", "Time since the start.",
                (double)(mono_now().ms - status->started.ms) / 1000);
    page_row(out, &numbers_of_origin, &numbers);
    page_head(out, "origin_catalog_wrong", "1 if the newest version of a catalog is of no use.");
    struct roster_status one;
    char name[NAME_MAX_TEXT];
    for (size_t k = 0; roster_status(status->roster, k, &one); k++)
        evbuffer_add_printf(out, "freshet_origin_catalog_wrong{zone=\"%s\"} %d\n",
                            name_to_text(one.zone, name), one.wrong[0] != '\0');
    page_head(out, "origin_catalog_members", "Zones that a catalog has.");
    for (size_t k = 0; roster_status(status->roster, k, &one); k++)
        evbuffer_add_printf(out, "freshet_origin_catalog_members{zone=\"%s\"} %llu\n",
                            name_to_text(one.zone, name), (unsigned long long)one.members);
    page_head(out, "origin_faults_total", "Transfers and SOA answers that were of no use.");
    for (int k = XFRIN_DONE + 1; k < XFRIN_RESULTS; k++)
        evbuffer_add_printf(out, "freshet_origin_faults_total{reason=\"%s\"} %llu\n",
                            xfrin_fault_word(k),
                            (unsigned long long)numbers.captures.counts.faults[k]);
}
