#include "resolver/daemon/contents.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/view.h"
#include "daemon/control.h"
#include "dns/build.h"
#include "resolver/net/clock.h"

static json_t *json_number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

enum { COUNTS_OFFSET = 6, RDATA_MAX_TEXT = 4096 };

/* The held answer as a whole message again, so that it can be parsed. Returns its size, or 0. */
static size_t rebuild(const struct view *view, uint8_t **ret_wire)
{
    const uint8_t *name = answer_key_name(view->key);
    size_t question_end = DNS_HEADER_SIZE + name_size(name) + 4;
    uint8_t *wire = calloc(1, question_end + view->body_size);
    if (!wire)
        return 0;
    wire_put_u16(wire + 2, FLAG_QR);
    wire_put_u16(wire + 4, 1);
    for (size_t i = 0; i < 3; i++)
        wire_put_u16(wire + COUNTS_OFFSET + 2 * i, view->counts[i]);
    memcpy(wire + DNS_HEADER_SIZE, name, name_size(name));
    memcpy(wire + question_end - 4, view->key, 4);
    memcpy(wire + question_end, view->body, view->body_size);
    *ret_wire = wire;
    return question_end + view->body_size;
}

static json_t *record_json(const struct record *record, uint32_t age)
{
    char owner[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], rdata[RDATA_MAX_TEXT];
    if (rdata_to_text(record->type, record->rdata, record->rdata_size, rdata, sizeof rdata) < 0)
        snprintf(rdata, sizeof rdata, "(%u bytes)", (unsigned)record->rdata_size);
    return json_sprintf("%s %u IN %s %s", name_to_text(record->owner, owner),
                        record->ttl > age ? record->ttl - age : 0, type_to_text(record->type, type),
                        rdata);
}

/* The records of a held answer, with TTLs as they are now. */
static json_t *records_json(const struct view *view)
{
    json_t *records = json_array();
    uint8_t *wire = NULL;
    struct message *message = message_new();
    size_t size = rebuild(view, &wire);
    if (message && size > 0 && message_parse(message, wire, size) == ERR_OK)
        for (size_t i = 0; i < (size_t)message->answer_count + message->authority_count; i++)
            json_array_append_new(records, record_json(&message->records[i], view->age));
    message_free(message);
    free(wire);
    return records;
}

static json_t *why_json(const struct view *view)
{
    if (!view->valid)
        return json_sprintf("a change at stamp %llu came after this answer's stamp %llu",
                            (unsigned long long)view->mark.n, (unsigned long long)view->stamp.n);
    if (view->ttl == 0)
        return json_string("its TTL is over");
    if (view->provisional)
        return json_string(
            "its TTL lasts; it is provisional, where it comes from may not have had a change yet");
    if (!view->subscribed)
        return json_string("its TTL lasts; no zone of the feed is concerned");
    return json_sprintf("its TTL lasts, and nothing it depends on was touched since stamp %llu",
                        (unsigned long long)view->stamp.n);
}

static json_t *view_json(struct tier *tier, const struct view *view)
{
    char rcode[TYPE_MAX_TEXT];
    return json_pack("{s:b, s:b, s:b, s:s, s:o, s:o, s:b, s:b, s:s}", "cached", true, "dnssec_ok",
                     view->key[ANSWER_KEY_BITS] & KEY_DNSSEC_OK ? 1 : 0, "checking_disabled",
                     view->key[ANSWER_KEY_BITS] & KEY_CHECKING_DISABLED ? 1 : 0, "rcode",
                     rcode_to_text(view->flags & FLAG_RCODE, rcode), "ttl", json_number(view->ttl),
                     "stamp", json_number(view->stamp.n), "valid", view->valid && view->ttl > 0,
                     "provisional", view->provisional ? 1 : 0, "from",
                     tier_origin_text(tier, view->origin));
}

struct lookup {
    struct tier *tier;
    json_t *variants;
};

static void add_variant(void *arg, const struct view *view)
{
    struct lookup *lookup = arg;
    json_t *object = view_json(lookup->tier, view);
    json_object_set_new(object, "why", why_json(view));
    json_object_set_new(object, "records", records_json(view));
    json_array_append_new(lookup->variants, object);
}

static json_t *lookup_tier(struct tier *tier, const uint8_t *name, uint16_t type)
{
    struct lookup lookup = {.tier = tier, .variants = json_array()};
    for (int bits = 0; bits < KEY_VARIANTS; bits++) {
        struct answer_key key;
        store_key_variant(tier->store, name, type, bits, &key);
        view_entry(tier->store, &key, mono_now(), add_variant, &lookup);
    }
    struct local *local = tier_local(tier);
    const bool is_local = local && local_has(local, name);
    local_unref(local);
    return json_pack("{s:s, s:b, s:o}", "tier", tier->name, "local", (int)is_local, "variants",
                     lookup.variants);
}

json_t *contents_lookup(struct daemon *daemon, const uint8_t *name, uint16_t type)
{
    char name_text[NAME_MAX_TEXT], type_text[TYPE_MAX_TEXT];
    json_t *tiers = json_array();
    for (size_t i = 0; i < daemon->tier_count; i++)
        json_array_append_new(tiers, lookup_tier(daemon->tiers[i], name, type));
    return json_pack("{s:b, s:s, s:s, s:o}", "ok", true, "name", name_to_text(name, name_text),
                     "type", type_to_text(type, type_text), "tiers", tiers);
}

/* ---- all ---- */

struct contents_dump {
    const struct daemon *daemon;
    size_t tier;
    struct view_walk *walk;
    uint64_t count;
    struct evbuffer *out; /* while lines are written */
};

struct contents_dump *contents_dump_new(const struct daemon *daemon)
{
    struct contents_dump *dump = calloc(1, sizeof *dump);
    if (!dump)
        return NULL;
    dump->daemon = daemon;
    dump->walk = view_walk_new(daemon->tiers[0]->store);
    if (!dump->walk) {
        free(dump);
        return NULL;
    }
    return dump;
}

void contents_dump_free(struct contents_dump *dump)
{
    if (!dump)
        return;
    view_walk_free(dump->walk);
    free(dump);
}

/* A name as JSON has it: of what it is made of, only these two need an escape. */
static const char *escaped(const char *text, char ret[2 * NAME_MAX_TEXT])
{
    char *to = ret;
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '\0';
    return ret;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* A name that does not exist has no type (absent.h). */
static uint16_t shown_type(const struct view *view)
{
    return answer_key_is_of_name(view->key) ? TYPE_ANY : wire_get_u16(view->key);
}

/* By hand: a library's objects would cost four times as much, and there may be millions. Tiers and addresses need no escapes. */
static void dump_one(void *arg, const struct view *view)
{
    enum { ROOM = 2 * NAME_MAX_TEXT + 512 };
    struct contents_dump *dump = arg;
    struct tier *tier = dump->daemon->tiers[dump->tier];
    char name[NAME_MAX_TEXT], quoted[2 * NAME_MAX_TEXT], type[TYPE_MAX_TEXT], rcode[TYPE_MAX_TEXT];
    char row[ROOM];
    const uint8_t bits = view->key[ANSWER_KEY_BITS];
    int size = snprintf(row, sizeof row,
                        "{\"tier\":\"%s\",\"name\":\"%s\",\"type\":\"%s\",\"dnssec_ok\":%s,"
                        "\"checking_disabled\":%s,"
                        "\"rcode\":\"%s\",\"ttl\":%u,\"stamp\":%llu,\"valid\":%s,\"provisional\":%"
                        "s,\"from\":\"%s\"}\n",
                        tier->name, escaped(name_to_text(answer_key_name(view->key), name), quoted),
                        type_to_text(shown_type(view), type), truth(bits & KEY_DNSSEC_OK),
                        truth(bits & KEY_CHECKING_DISABLED),
                        rcode_to_text(view->flags & FLAG_RCODE, rcode), view->ttl,
                        (unsigned long long)view->stamp.n, truth(view->valid && view->ttl > 0),
                        truth(view->provisional), tier_origin_text(tier, view->origin));
    assert(size > 0 && size < ROOM);
    evbuffer_add(dump->out, row, (size_t)size);
    dump->count++;
}

/* Goes on with the next tier. False: there is none. */
static bool next_tier(struct contents_dump *dump)
{
    if (++dump->tier == dump->daemon->tier_count)
        return false;
    view_walk_start(dump->walk, dump->daemon->tiers[dump->tier]->store);
    return true;
}

bool contents_dump_next(struct contents_dump *dump, struct evbuffer *out)
{
    dump->out = out;
    bool more = view_walk_next(dump->walk, mono_now(), dump_one, dump) || next_tier(dump);
    if (!more)
        control_write_line(out,
                           json_pack("{s:b, s:I}", "ok", true, "count", (json_int_t)dump->count));
    return more;
}
