#include "cli/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"

__attribute__((format(printf, 2, 3))) static void warn(json_t *warnings, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0)
        json_array_append_new(warnings, json_string(text));
    va_end(args);
    free(text);
}

/* What a state that is not "live" is to whoever reads it. */
static const char *state_means(const char *state)
{
    static const char *const means[][2] = {
        {"cold", "no broker has answered yet; all zones live by their TTL alone"},
        {"catchup", "the log is being read to its end; all zones live by their TTL alone"},
        {"lost", "not heard of for lease; all zones live by their TTL alone"},
    };
    for (size_t k = 0; k < sizeof means / sizeof means[0]; k++)
        if (strcmp(state, means[k][0]) == 0)
            return means[k][1];
    return "all zones live by their TTL alone";
}

static void look_at_feed(json_t *warnings, const json_t *feed)
{
    const char *state = member_text(feed, "state"), *reason = member_text(feed, "reason");
    if (json_is_object(feed) && strcmp(state, "live") != 0)
        warn(warnings, "feed: %s (%s)%s%s", state, state_means(state), reason[0] ? ": " : "",
             reason);
}

static void look_at_tier(json_t *warnings, const json_t *tier)
{
    size_t k;
    json_t *one;
    const char *name = member_text(tier, "name"), *address;
    json_object_foreach((json_t *)json_object_get(tier, "refused_addresses"), address, one)
    {
        warn(warnings, "tier %s: %s is not to be had: %s", name, address,
             json_is_string(one) ? json_string_value(one) : "");
    }
    json_array_foreach(json_object_get(tier, "awaited"), k, one)
        warn(warnings, "tier %s: %s is no address of this machine yet", name,
             json_is_string(one) ? json_string_value(one) : "");
    json_array_foreach(json_object_get(tier, "amiss"), k, one)
        warn(warnings, "tier %s, amiss in the last minute: %s", name,
             json_is_string(one) ? json_string_value(one) : "");
}

/* A zone that freshet-origin captures, at the instance whose turn it is. */
static void look_at_captured(json_t *warnings, const json_t *zone)
{
    const char *name = member_text(zone, "name"), *why = member_text(zone, "why");
    if (member_true(zone, "expired"))
        warn(warnings, "zone %s: expired, no primary has answered for as long as its SOA says",
             name);
    if (member_number(zone, "failures") > 0)
        warn(warnings, "zone %s: its changes do not come: primary %s: %s", name,
             member_text(zone, "failed_primary"), why[0] ? why : "none was of use");
    if (strcmp(member_text(json_object_get(zone, "snapshot"), "verdict"), "gapped") == 0)
        warn(warnings, "zone %s: no snapshot that the log goes on from", name);
}

/* A zone whose primary is the log. */
static void look_at_zone_of_log(json_t *warnings, const json_t *zone)
{
    const char *reason = member_text(zone, "reason");
    if (!member_true(zone, "ready"))
        warn(warnings, "zone %s: not served%s%s", member_text(zone, "name"), reason[0] ? ": " : "",
             reason);
}

static void look_at_origin(json_t *warnings, const json_t *status)
{
    size_t k;
    json_t *one;
    const char *trouble = member_text(status, "trouble");
    if (trouble[0])
        warn(warnings, "kafka: versions are not acknowledged: %s", trouble);
    json_array_foreach(json_object_get(status, "zone_list"), k, one)
        look_at_captured(warnings, one);
    json_array_foreach(json_object_get(status, "primary_list"), k, one)
        look_at_zone_of_log(warnings, one);
}

json_t *health_warnings(const json_t *status)
{
    size_t k;
    json_t *one, *warnings = json_array();
    look_at_feed(warnings, json_object_get(status, "feed"));
    json_array_foreach(json_object_get(status, "streamed"), k, one)
    {
        const char *state = member_text(one, "state");
        if (strcmp(state, "live") != 0)
            warn(warnings, "streamed zone %s: %s", member_text(one, "zone"), state);
    }
    json_array_foreach(json_object_get(status, "catalogs"), k, one)
    {
        const char *wrong = member_text(one, "wrong");
        if (wrong[0])
            warn(warnings, "catalog %s, its members are those of before: %s",
                 member_text(one, "zone"), wrong);
    }
    json_array_foreach(json_object_get(status, "tiers"), k, one) look_at_tier(warnings, one);
    look_at_origin(warnings, status);
    return warnings;
}
