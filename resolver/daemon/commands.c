#include "resolver/daemon/commands.h"

#include <string.h>

#include "daemon/clock.h"
#include "resolver/daemon/contents.h"
#include "resolver/daemon/status.h"

/* Reads "name" into canonical form; NULL, or what is wrong with it. */
static const char *read_name(json_t *request, uint8_t name[NAME_MAX_SIZE])
{
    const char *text = json_string_value(json_object_get(request, "name"));
    if (!text)
        return "\"name\" is missing";
    int size = name_from_text(text, name);
    if (size < 0)
        return "\"name\" is not a domain name";
    name_lower(name, (size_t)size, name);
    return NULL;
}

/* The zone of the feed that the name lies in, or none: it lives by its TTL alone. */
static json_t *zone_json(struct daemon *daemon, const uint8_t *name)
{
    char text[NAME_MAX_TEXT];
    const uint8_t *zone = validity_zone_of(daemon->validity, name, NULL);
    return zone ? json_string(name_to_text(zone, text)) : json_null();
}

static json_t *answer_lookup(struct daemon *daemon, json_t *request)
{
    uint8_t name[NAME_MAX_SIZE];
    const char *wrong = read_name(request, name);
    if (wrong)
        return control_refuse(wrong);
    const char *type_name = json_string_value(json_object_get(request, "type"));
    int type = type_name ? type_from_text(type_name) : TYPE_A;
    if (type < 0)
        return control_refuse("\"type\" is not a record type");
    json_t *answer = contents_lookup(daemon, name, (uint16_t)type);
    json_object_set_new(answer, "feed", status_feed_state(daemon));
    json_object_set_new(answer, "zone", zone_json(daemon, name));
    return answer;
}

static json_t *answer_drained(struct daemon *daemon, json_t *request)
{
    uint8_t name[NAME_MAX_SIZE];
    const char *wrong = read_name(request, name);
    return wrong ? control_refuse(wrong) : status_drained(daemon, name);
}

static json_t *answer_applied(struct daemon *daemon, json_t *request)
{
    json_t *after = json_object_get(request, "after");
    if (after && (!json_is_integer(after) || json_integer_value(after) < 0))
        return control_refuse("\"after\" is not a count of change sets");
    return status_applied(daemon, (uint64_t)json_integer_value(after));
}

/*
 * The clocks move first, so that no fetch that is under way brings back what is dropped then. Inside the feed's zones a
 * mark has done it by that; what lies elsewhere is searched for.
 */
static json_t *answer_evict(struct daemon *daemon, json_t *request)
{
    uint8_t name[NAME_MAX_SIZE];
    const char *wrong = read_name(request, name);
    if (wrong)
        return control_refuse(wrong);
    bool subtree = json_is_true(json_object_get(request, "subtree"));
    struct apply_result result = {0};
    apply_evict(daemon->applier, name, subtree, mono_now(), &result);
    validity_evict_outside(daemon->plain_validity, name, subtree, mono_now());
    json_t *tiers = json_array();
    size_t dropped = 0;
    for (size_t i = 0; i < daemon->tier_count; i++) {
        size_t here = store_drop(daemon->tiers[i]->store, name, subtree);
        json_array_append_new(tiers, json_pack("{s:s, s:I}", "tier", daemon->tiers[i]->name,
                                               "evicted", (json_int_t)here));
        dropped += here;
    }
    return json_pack("{s:b, s:I, s:I, s:o}", "ok", true, "stamp", (json_int_t)result.stamp.n,
                     "evicted", (json_int_t)dropped, "tiers", tiers);
}

static bool dump_next(void *state, struct evbuffer *out)
{
    return contents_dump_next(state, out);
}

static void dump_free(void *state)
{
    contents_dump_free(state);
}

/* Starts a dump; it is written as its client takes it. */
static json_t *answer_dump(struct daemon *daemon, struct control_work *ret_work)
{
    struct contents_dump *dump = contents_dump_new(daemon);
    if (!dump)
        return control_refuse("out of memory");
    *ret_work = (struct control_work){dump_next, dump_free, dump};
    return NULL;
}

typedef json_t *answer_fn(struct daemon *daemon, json_t *request);

static json_t *answer_status(struct daemon *daemon, json_t *request)
{
    (void)request;
    return status_report(daemon);
}

static const struct {
    const char *cmd;
    answer_fn *answer;
} answers[] = {
    {"status", answer_status},   {"lookup", answer_lookup}, {"drained_by", answer_drained},
    {"applied", answer_applied}, {"evict", answer_evict},
};

json_t *commands_answer(void *arg, json_t *request, struct control_work *ret_work)
{
    struct daemon *daemon = arg;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    for (size_t i = 0; cmd && i < sizeof answers / sizeof *answers; i++)
        if (strcmp(cmd, answers[i].cmd) == 0)
            return answers[i].answer(daemon, request);
    if (cmd && strcmp(cmd, "dump") == 0)
        return answer_dump(daemon, ret_work);
    return control_refuse("\"cmd\" is none of status, lookup, drained_by, applied, evict, dump");
}
