#include "cli/zone_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/log_reader.h"
#include "invalidation/snapshot_topic.h"

enum { ASK_MS = 10000, SLICE_MS = 5000 };

/* What is being read. */
struct reading {
    const struct options *options;
    const uint8_t *apex;
    char key[NAME_MAX_TEXT];
    struct log_reader *reader;
    int32_t partition;
    int64_t first, end; /* what the log has, the second is not there yet */
    char error[LOG_MAX_ERROR];
};

static bool failed(struct reading *r, const char *what)
{
    complain(r->options, "%s: %s", what, r->error);
    return false;
}

static struct log_reader *open_topic(struct reading *r, const char *topic)
{
    const struct options *o = r->options;
    return log_reader_open(&(struct log_reader_options){.brokers = o->brokers,
                                                        .topic = topic,
                                                        .properties = o->properties,
                                                        .property_count = o->property_count},
                           r->error);
}

static int timeout_of(const struct options *o)
{
    return o->timeout_ms > 0 ? (int)o->timeout_ms : ASK_MS;
}

/* The partition of the zone, and what there is of it. */
static bool open_log(struct reading *r)
{
    struct log_ends ends;
    name_to_text(r->apex, r->key);
    r->reader = open_topic(r, r->options->topic);
    if (!r->reader || log_reader_ends(r->reader, timeout_of(r->options), &ends, r->error) < 0)
        return failed(r, r->options->topic);
    r->partition = snapshot_topic_partition(r->apex, ends.count);
    if (log_reader_span(r->reader, r->partition, timeout_of(r->options), &r->first, &r->end,
                        r->error) < 0)
        return failed(r, r->options->topic);
    return true;
}

static void close_log(struct reading *r)
{
    log_reader_close(r->reader);
}

/* ---- messages ---- */

static bool is_of_zone(const struct reading *r, const struct log_message *message)
{
    return message->key && message->key_size == strlen(r->key) &&
           memcmp(message->key, r->key, message->key_size) == 0;
}

/* Parses a message and hands it on; what `each` returned. */
static bool hand_on(const struct log_message *message,
                    bool (*each)(void *arg, const struct zone_log_entry *entry), void *arg)
{
    struct changeset_error error = {.code = 0};
    struct change_set *set = NULL;
    const char *value = message->value ? (const char *)message->value : "";
    int code = changeset_parse(value, message->value_size, &set, &error);
    const struct zone_log_entry entry = {
        .offset = message->offset,
        .set = code == 0 ? set : NULL,
        .error = code == 0 ? NULL : &error,
    };
    bool more = each(arg, &entry);
    changeset_free(set);
    return more;
}

/* All messages of the zone from `begin` on. */
static bool read_on(struct reading *r, int64_t begin,
                    bool (*each)(void *arg, const struct zone_log_entry *entry), void *arg)
{
    const struct log_place place = {.partition = r->partition, .offset = begin};
    struct log_message message = {.offset = begin};
    if (begin >= r->end)
        return true;
    if (log_reader_from(r->reader, &place, 1, r->error) < 0)
        return failed(r, r->options->topic);
    while (message.offset < r->end) {
        int code = log_reader_next(r->reader, SLICE_MS, &message, r->error);
        if (code < 0)
            return failed(r, r->options->topic);
        if (message.end || message.offset >= r->end)
            return true;
        if (is_of_zone(r, &message) && !hand_on(&message, each, arg))
            return true;
        message.offset++;
    }
    return true;
}

bool zone_log_each(const struct options *options, const uint8_t *apex,
                   bool (*each)(void *arg, const struct zone_log_entry *entry), void *arg)
{
    struct reading r = {.options = options, .apex = apex};
    bool good = open_log(&r) && read_on(&r, r.first, each, arg);
    close_log(&r);
    return good;
}

/* ---- a state ---- */

struct loading {
    struct reading reading;
    const struct zone_options *until;
    bool may_lack;
    struct zone *zone;
    struct zone_log_stand stand;
    bool found; /* the serial that is wanted */
    int error;
};

/* The newest snapshot that does not go beyond what is wanted. */
static bool choose(const struct loading *l, const struct snapshot_slot *slots,
                   struct snapshot_place *ret)
{
    bool chosen = false;
    for (size_t i = 0; i < SNAPSHOT_SLOTS; i++) {
        const struct snapshot_head *head = &slots[i].place.head;
        if (!slots[i].whole || head->partition != l->reading.partition ||
            head->offset < l->reading.first || head->offset > l->reading.end)
            continue;
        if (l->until->has_offset && head->offset > (int64_t)l->until->offset + 1)
            continue;
        if (l->until->has_serial) /* where that was in the log, only the log knows */
            continue;
        if (!chosen || head->offset > ret->head.offset) {
            *ret = slots[i].place;
            chosen = true;
        }
    }
    return chosen;
}

/* Finds one in the topic. Whether there is one is said in `*ret_found`; no such topic: none. */
static bool find_snapshot(struct loading *l, struct log_reader *reader, bool *ret_found,
                          struct snapshot_place *ret)
{
    static const struct snapshot_watch nobody = {.arg = NULL};
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    struct log_ends ends;
    *ret_found = false;
    int code = log_reader_ends(reader, timeout_of(l->reading.options), &ends, l->reading.error);
    if (code == ERR_NOT_FOUND)
        return true;
    if (code < 0)
        return failed(&l->reading, l->reading.options->snapshots);
    struct snapshot_index *index = snapshot_index_new(false);
    const int32_t partition = snapshot_topic_partition(l->reading.apex, ends.count);
    if (!index || snapshot_index_want(index, l->reading.apex) < 0)
        code = ERR_MEMORY;
    else
        code = snapshot_topic_scan(reader, &partition, 1, index, &nobody, l->reading.error);
    if (code == 0 && snapshot_index_find(index, l->reading.apex, slots))
        *ret_found = choose(l, slots, ret);
    snapshot_index_free(index);
    return code < 0 ? failed(&l->reading, l->reading.options->snapshots) : true;
}

/* Begins with a snapshot if there is one. */
static bool take_snapshot(struct loading *l)
{
    static const struct snapshot_watch nobody = {.arg = NULL};
    struct snapshot_place place;
    struct zone_edit *edit = NULL;
    struct log_reader *reader = open_topic(&l->reading, l->reading.options->snapshots);
    bool found = false, good = reader != NULL;
    if (!reader)
        failed(&l->reading, l->reading.options->snapshots);
    good = good && find_snapshot(l, reader, &found, &place);
    if (good && found) {
        int code = zone_edit_begin(l->zone, true, &edit);
        if (code == 0)
            code = snapshot_topic_load(reader, &place, edit, &nobody, l->reading.error);
        good = code == 0 || failed(&l->reading, l->reading.options->snapshots);
    }
    if (good && found) {
        zone_edit_commit(edit);
        l->stand.snapshot = true;
        l->stand.begin = place.head.offset;
    } else {
        zone_edit_abort(edit);
    }
    log_reader_close(reader);
    return good;
}

/* Whether the edit is a state behind the one that is wanted. */
static bool is_behind(struct loading *l, const struct zone_edit *edit)
{
    uint32_t serial;
    bool has = zone_serial(zone_edit_state(edit), &serial) && l->until->has_serial;
    bool is_it = has && serial == l->until->serial;
    if (l->found && !is_it)
        return true;
    l->found |= is_it;
    return false;
}

static bool apply_set(struct loading *l, const struct change_set *set)
{
    struct zone_edit *edit;
    l->error = zone_edit_begin(l->zone, false, &edit);
    for (size_t i = 0; i < set->change_count && l->error == 0; i++)
        l->error = zone_edit_change(edit, &set->changes[i]);
    if (l->error < 0 || is_behind(l, edit)) {
        zone_edit_abort(edit);
        return false;
    }
    zone_edit_commit(edit);
    return true;
}

static bool take_entry(void *arg, const struct zone_log_entry *entry)
{
    struct loading *l = arg;
    if (l->until->has_offset && entry->offset > (int64_t)l->until->offset)
        return false;
    if (!entry->set) {
        if (l->stand.refused++ == 0)
            l->stand.refused_at = entry->offset;
        return true;
    }
    if (!apply_set(l, entry->set))
        return false;
    l->stand.sets++;
    l->stand.next = entry->offset + 1;
    l->stand.time_us = entry->set->time_us;
    strcpy(l->stand.publisher, entry->set->publisher);
    return true;
}

/* Whether what was read is the zone, and all of it. */
static bool is_whole(const struct loading *l)
{
    const struct options *o = l->reading.options;
    uint32_t serial;
    if (l->error < 0)
        complain(o, "%s: %s", l->reading.key, error_text(l->error));
    else if (l->until->has_serial && !l->found)
        complain(o, "the log has no state of %s with serial %" PRIu32, l->reading.key,
                 l->until->serial);
    else if (l->may_lack)
        return true;
    else if (!l->stand.snapshot && l->reading.first > 0)
        complain(o, "%s has no snapshot that fits, and the log begins at offset %" PRId64,
                 l->reading.key, l->reading.first);
    else if (l->stand.refused > 0)
        complain(o, "%s is not whole: the message at offset %" PRId64 " cannot be read",
                 l->reading.key, l->stand.refused_at);
    else if (!zone_serial(zone_state(l->zone), &serial))
        complain(o, "the log has no SOA of %s: it is no whole zone", l->reading.key);
    else
        return true;
    return false;
}

static bool check_offset(const struct loading *l)
{
    if (!l->until->has_offset || ((int64_t)l->until->offset < l->reading.end &&
                                  (int64_t)l->until->offset >= l->reading.first))
        return true;
    complain(l->reading.options,
             "--at-offset %" PRIu64 " is not in the log: it has %" PRId64 " to %" PRId64
             " in partition %" PRId32 ", where %s is",
             l->until->offset, l->reading.first, l->reading.end - 1, l->reading.partition,
             l->reading.key);
    return false;
}

bool zone_log_load(const struct options *options, const uint8_t *apex, bool may_lack,
                   struct zone **ret_zone, struct zone_log_stand *ret_stand)
{
    struct loading l = {.reading = {.options = options, .apex = apex},
                        .until = &options->of_zone,
                        .may_lack = may_lack};
    bool good = open_log(&l.reading) && check_offset(&l);
    if (good && zone_new(apex, &l.zone) < 0) {
        complain(options, "%s", error_text(ERR_MEMORY));
        good = false;
    }
    l.stand.begin = l.reading.first;
    good = good && take_snapshot(&l);
    l.stand.next = l.stand.begin;
    l.stand.partition = l.reading.partition;
    good = good && read_on(&l.reading, l.stand.begin, take_entry, &l);
    close_log(&l.reading);
    if (good && is_whole(&l)) {
        *ret_zone = l.zone;
        *ret_stand = l.stand;
        return true;
    }
    zone_free(l.zone);
    return false;
}
