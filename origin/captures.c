#include "origin/captures.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uthash.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "origin/dial.h"
#include "origin/recall.h"
#include "origin/snapshots.h"

enum { WHY_MAX_TEXT = 160 };

/* One zone. */
struct captured {
    struct captures *all;
    struct config_address *primaries; /* its own; their texts too */
    size_t primary_count;
    bool has_key;
    struct tsig_key key;
    struct zone *zone;
    struct capture *capture;
    struct dial *dial;
    struct event *timer;
    struct outlet *outlet;                          /* while it is our turn; or NULL */
    struct outlet_message *sets[CAPTURE_MAX_AHEAD]; /* under way, in order */
    size_t set_count;
    size_t recalled;            /* its place in the recall under way */
    bool ready;                 /* the log was read for it */
    bool told;                  /* that it is followed */
    char why[WHY_MAX_TEXT];     /* a primary was of no use the last time */
    size_t why_primary;         /* and which */
    int32_t partition;          /* in the log; the next two are of there */
    int64_t offset;             /* the first change set that is not in it */
    struct retention_view view; /* its newest snapshot */
    bool writing;               /* a snapshot */
    uint64_t kafka_us;          /* how long the set acknowledged last was on its way */
    bool stays;                 /* as it is, while another configuration is taken over */
    UT_hash_handle hh;          /* by the apex, where the zone keeps it */
};

/* Zones that the log is read for, together. */
struct captures {
    struct captures_options options;
    struct captured *zones; /* a uthash table */
    struct recall *recall;  /* NULL: none is under way */
    struct recall_zone *recalled;
    struct snapshots *snapshots;
    struct event *guard;
    size_t recalled_count;
    struct capture_actions actions;
    struct capture_counts counts;
    uint64_t version_count;
    struct captured_version latest[CAPTURES_LATEST]; /* a ring */
};

static struct capture_now now(void)
{
    struct timespec mono, wall;
    clock_gettime(MONO_CLOCK, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct capture_now){.us =
                                    (uint64_t)mono.tv_sec * 1000000 + (uint64_t)mono.tv_nsec / 1000,
                                .wall_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000};
}

/* Once: from here on the log has what the primary has. */
static void tell_followed(struct captured *captured, const struct capture_status *status)
{
    struct zone_size size;
    char zone[NAME_MAX_TEXT];
    if (captured->told || status->state != CAPTURE_IDLE || !status->has_serial ||
        status->failures > 0)
        return;
    captured->told = true;
    zone_size(zone_state(captured->zone), &size);
    log_line(LOG_LEVEL_INFO,
             "msg=\"a zone is followed\" zone=%s serial=%" PRIu32 " records=%zu published=%" PRIu64,
             name_to_text(zone_apex(captured->zone), zone), status->serial, size.records,
             status->versions);
}

/* After anything happened to a capture: when its time comes, and whether its primary is still wanted. */
static void settle(struct captured *captured)
{
    struct capture_status status;
    capture_status(captured->capture, &status);
    if (status.state != CAPTURE_TAKING && status.state != CAPTURE_ASKING)
        dial_rest(captured->dial);
    tell_followed(captured, &status);
    const uint64_t due = capture_due(captured->capture), from = now().us;
    if (due == UINT64_MAX) {
        event_del(captured->timer);
        return;
    }
    const uint64_t wait = due > from ? due - from : 0;
    const struct timeval pause = {.tv_sec = (time_t)(wait / 1000000),
                                  .tv_usec = (suseconds_t)(wait % 1000000)};
    event_add(captured->timer, &pause);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct captured *captured = arg;
    capture_tick(captured->capture, now());
    settle(captured);
}

/* ---- what capture.h asks for ---- */

static struct captured *captured_of(struct captures *all, const struct capture *capture)
{
    const uint8_t *apex = capture_apex(capture);
    struct captured *found;
    HASH_FIND(hh, all->zones, apex, name_size(apex), found);
    return found;
}

static void act_send(void *arg, struct capture *capture, size_t primary, const uint8_t *bytes,
                     size_t size)
{
    dial_send(captured_of(arg, capture)->dial, primary, bytes, size);
}

static void act_ask(void *arg, struct capture *capture, size_t primary, const uint8_t *bytes,
                    size_t size)
{
    dial_ask(captured_of(arg, capture)->dial, primary, bytes, size);
}

static void act_hang_up(void *arg, struct capture *capture)
{
    dial_hang_up(captured_of(arg, capture)->dial);
}

static void remember(struct captures *all, const struct capture_status *status, uint64_t kafka_us)
{
    all->latest[all->version_count++ % CAPTURES_LATEST] =
        (struct captured_version){.serial = status->acknowledged,
                                  .acknowledged_us = now().us,
                                  .own_us = status->own_us,
                                  .kafka_us = kafka_us,
                                  .transfer_us = status->transfer_us};
}

/* Those behind a set that the broker does not take, or all of them. */
static void take_sets_back(struct captured *captured)
{
    for (size_t k = 0; k < captured->set_count; k++)
        outlet_take_back(captured->outlet, captured->sets[k]);
    captured->set_count = 0;
}

static void on_published(void *arg, int result, const struct publish_receipt *receipt)
{
    struct captured *captured = arg;
    if (captured->set_count > 0)
        memmove(&captured->sets[0], &captured->sets[1],
                --captured->set_count * sizeof captured->sets[0]);
    if (result == ERR_TOO_LARGE)
        take_sets_back(captured);
    if (receipt) {
        captured->partition = receipt->partition;
        captured->offset = receipt->offset + 1;
    }
    captured->kafka_us = receipt ? (uint64_t)receipt->acked_us : 0;
    capture_published(captured->capture, result, receipt ? receipt->partition : -1,
                      receipt ? receipt->offset : -1, now());
    settle(captured);
}

static int act_publish(void *arg, struct capture *capture, const struct change_set *set)
{
    struct captures *all = arg;
    struct captured *captured = captured_of(all, capture);
    const struct outlet_send send = {.set = set, .done = on_published, .arg = captured};
    int error = outlet_send(captured->outlet, &send, &captured->sets[captured->set_count]);
    captured->set_count += error == 0;
    return error;
}

static void on_written(void *arg, int64_t offset, int64_t made_us)
{
    struct captured *captured = arg;
    struct capture_status status;
    captured->writing = false;
    captured->view.has_snapshot = true;
    captured->view.offset = offset;
    captured->view.made_us = made_us;
    capture_status(captured->capture, &status);
    /* the one that a version waits for, not an older one that was under way */
    if (status.state == CAPTURE_PUBLISHING && captured->set_count == 0 &&
        offset >= captured->offset)
        on_published(captured, 0, NULL);
}

static void write_snapshot(struct captured *captured, int64_t offset)
{
    const struct snapshots_job job = {.zone = captured->zone,
                                      .partition = captured->partition,
                                      .offset = offset,
                                      .outlet = captured->outlet,
                                      .done = on_written,
                                      .arg = captured};
    captured->writing = snapshots_write(captured->all->snapshots, &job) == 0;
}

static void act_snapshot(void *arg, struct capture *capture, int32_t partition, int64_t offset)
{
    (void)partition; /* noted in on_published() */
    write_snapshot(captured_of(arg, capture), offset);
}

static uint16_t act_id(void *arg)
{
    uint16_t id = 0;
    (void)arg;
    (void)!getrandom(&id, sizeof id, 0);
    return id;
}

static const struct {
    enum log_level level;
    const char *text;
} notes[] = {
    [CAPTURE_NOTE_VERSION] = {LOG_LEVEL_DEBUG, "msg=\"a version is published\""},
    [CAPTURE_NOTE_FAILED] = {LOG_LEVEL_WARNING, "msg=\"a primary is of no use\""},
    [CAPTURE_NOTE_FALLBACK] = {LOG_LEVEL_INFO, "msg=\"the whole zone is fetched\""},
    [CAPTURE_NOTE_BACK] = {LOG_LEVEL_WARNING,
                           "msg=\"the serial went back: the whole zone is fetched\""},
    [CAPTURE_NOTE_BEHIND] = {LOG_LEVEL_INFO, "msg=\"a primary is behind the log\""},
    [CAPTURE_NOTE_OUTSIDE] = {LOG_LEVEL_WARNING, "msg=\"records outside the zone are left out\""},
    [CAPTURE_NOTE_LARGE] = {LOG_LEVEL_INFO, "msg=\"a version is published as a snapshot\""},
    [CAPTURE_NOTE_EXPIRED] = {LOG_LEVEL_ERROR, "msg=\"a zone is expired: no primary answers\""},
};

static void act_note(void *arg, struct capture *capture, enum capture_note what, const char *detail)
{
    static struct log_place places[sizeof notes / sizeof notes[0]];
    struct captures *all = arg;
    struct captured *captured = captured_of(all, capture);
    struct capture_status status;
    char zone[NAME_MAX_TEXT], quoted[LOG_MAX_QUOTED];
    capture_status(capture, &status);
    if (what == CAPTURE_NOTE_VERSION)
        remember(all, &status, captured->kafka_us);
    if (what == CAPTURE_NOTE_FAILED) {
        snprintf(captured->why, sizeof captured->why, "%s", detail);
        captured->why_primary = status.primary;
    }
    if (what == CAPTURE_NOTE_FAILED || what == CAPTURE_NOTE_FALLBACK)
        log_at(&places[what], notes[what].level, "%s zone=%s primary=%s why=%s", notes[what].text,
               name_to_text(capture_apex(capture), zone), captured->primaries[status.primary].text,
               log_quote(detail, quoted));
    else
        log_at(&places[what], notes[what].level, "%s zone=%s serial=%" PRIu32, notes[what].text,
               name_to_text(capture_apex(capture), zone),
               what == CAPTURE_NOTE_VERSION ? status.acknowledged : status.serial);
}

/* ---- what comes back ---- */

static void on_datagram(void *arg, size_t primary, const uint8_t *bytes, size_t size)
{
    struct captured *captured = arg;
    capture_datagram(captured->capture, primary, bytes, size, now());
    settle(captured);
}

static void on_message(void *arg, const uint8_t *bytes, size_t size)
{
    struct captured *captured = arg;
    capture_message(captured->capture, bytes, size, now());
    settle(captured);
}

static void on_closed(void *arg, const char *why)
{
    struct captured *captured = arg;
    capture_closed(captured->capture, why, now());
    settle(captured);
}

/* ---- zones ---- */

static bool copy_primaries(struct captured *captured, const struct config_origin_zone *config)
{
    captured->primaries = calloc(config->primary_count, sizeof *captured->primaries);
    if (!captured->primaries)
        return false;
    for (; captured->primary_count < config->primary_count; captured->primary_count++) {
        struct config_address *copy = &captured->primaries[captured->primary_count];
        *copy = config->primary[captured->primary_count];
        copy->text = strdup(copy->text);
        if (!copy->text)
            return false;
    }
    return true;
}

/* It is somebody else's turn, or nobody's: what is not in the log is forgotten. */
static void captured_stop(struct captured *captured)
{
    take_sets_back(captured);
    if (captured->all->snapshots)
        snapshots_forget(captured->all->snapshots, captured);
    if (captured->capture)
        capture_stop(captured->capture);
    captured->outlet = NULL;
    captured->ready = captured->writing = false;
}

/* What it stops is found by its apex: it leaves the table after that. */
static void captured_free(struct captured *captured)
{
    captured_stop(captured);
    if (captured->hh.tbl)
        HASH_DEL(captured->all->zones, captured);
    capture_free(captured->capture);
    dial_free(captured->dial);
    if (captured->timer)
        event_free(captured->timer);
    zone_free(captured->zone);
    for (size_t k = 0; k < captured->primary_count; k++)
        free(captured->primaries[k].text);
    free(captured->primaries);
    explicit_bzero(&captured->key, sizeof captured->key);
    free(captured);
}

static void read_apex(const char *text, uint8_t apex[NAME_MAX_SIZE])
{
    int size = name_from_text(text, apex); /* checked by check.h */
    name_lower(apex, size > 0 ? (size_t)size : 0, apex);
}

static void choose_key(struct captured *captured, const struct config_origin_zone *config)
{
    uint8_t name[NAME_MAX_SIZE];
    if (!config->key)
        return;
    read_apex(config->key, name);
    const struct tsig_key *key = keyring_find(captured->all->options.keyring, name, NULL);
    captured->has_key = key != NULL; /* checked by check.h */
    if (key)
        captured->key = *key;
}

static bool make_capture(struct captured *captured)
{
    struct captures *all = captured->all;
    captured->capture = capture_new(&(struct capture_options){
        .zone = captured->zone,
        .primary_count = captured->primary_count,
        .key = captured->has_key ? &captured->key : NULL,
        .publisher = all->options.config->publisher,
        .counts = &all->counts,
        .ahead = all->options.config->feed->group ? CAPTURE_MAX_AHEAD : 1, /* outlet.h: order */
        .actions = &all->actions,
    });
    captured->dial =
        dial_new(all->options.base, captured->primaries,
                 &(struct dial_callbacks){on_datagram, on_message, on_closed, captured});
    captured->timer = evtimer_new(all->options.base, on_timer, captured);
    return captured->capture && captured->dial && captured->timer;
}

static int add_zone(struct captures *all, const struct config_origin_zone *config)
{
    uint8_t apex[NAME_MAX_SIZE];
    if (config->log || !config->name ||
        config->names) /* primaries.h has it, or roster.h makes it */
        return 0;
    struct captured *captured = calloc(1, sizeof *captured);
    if (!captured)
        return ERR_MEMORY;
    captured->all = all;
    read_apex(config->name, apex);
    choose_key(captured, config);
    if (zone_new(apex, &captured->zone) < 0 || !copy_primaries(captured, config) ||
        !make_capture(captured)) {
        captured_free(captured);
        return ERR_MEMORY;
    }
    captured->recalled = SIZE_MAX;
    const uint8_t *key = zone_apex(captured->zone);
    HASH_ADD_KEYPTR(hh, all->zones, key, name_size(key), captured);
    return 0;
}

struct captured *captures_find(const struct captures *captures, const uint8_t *apex)
{
    struct captured *found;
    HASH_FIND(hh, captures->zones, apex, name_size(apex), found);
    return found;
}

const struct tsig_key *captured_key(const struct captured *captured)
{
    return captured->has_key ? &captured->key : NULL;
}

/* ---- the guard: snapshots that will not do much longer ---- */

/*
 * What is known of the snapshot of a zone, against the log as it is. A zone that has not changed for long stands at the end of its
 * partition as well: what lies there was read, or is ours and acknowledged. Where another one has written there, as it is not our turn
 * any more, nobody takes what is said of it (snapshots.h).
 */
static bool judge(struct captured *captured, struct retention_margin *ret)
{
    return captured->ready && snapshots_judge(captured->all->snapshots, captured->partition,
                                              captured->zone, now().wall_us, &captured->view, ret);
}

/* Whether the zone is what it is said to be, with nothing under way. */
static bool is_at_rest(const struct captured *captured)
{
    struct capture_status status;
    capture_status(captured->capture, &status);
    return !captured->writing && captured->set_count == 0 && status.state != CAPTURE_PUBLISHING &&
           status.has_serial;
}

static void guard(struct captured *captured)
{
    struct retention_margin margin;
    if (!is_at_rest(captured) || !judge(captured, &margin) || margin.verdict == RETENTION_FINE)
        return;
    const int64_t end = captured->view.end;
    write_snapshot(captured, end > captured->offset ? end : captured->offset);
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct captures *all = arg;
    for (struct captured *one = all->zones; one; one = one->hh.next)
        if (one->ready)
            guard(one);
}

static void on_snapshot_trouble(void *arg, const char *why)
{
    char quoted[LOG_MAX_QUOTED];
    (void)arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"snapshots cannot be written\" why=%s",
                log_quote(why, quoted));
}

static bool start_guard(struct captures *all, char error[CONFIG_MAX_ERROR])
{
    static const struct timeval second = {.tv_sec = 1};
    const struct config *config = all->options.config;
    all->snapshots =
        snapshots_start(&(struct snapshots_options){.base = all->options.base,
                                                    .brokers = config->feed->brokers,
                                                    .updates = config->feed->updates,
                                                    .topic = config->feed->snapshots,
                                                    .properties = all->options.properties,
                                                    .property_count = config->feed->rdkafka_count,
                                                    .trouble = on_snapshot_trouble},
                        error);
    all->guard = event_new(all->options.base, -1, EV_PERSIST, on_guard, all);
    return all->snapshots && all->guard && event_add(all->guard, &second) == 0;
}

/* ---- NOTIFY ---- */

static bool same_host(const struct sockaddr *one, const struct sockaddr *other)
{
    if (one->sa_family != other->sa_family)
        return false;
    if (one->sa_family == AF_INET)
        return ((const struct sockaddr_in *)one)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)other)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)one)->sin6_addr,
                  &((const struct sockaddr_in6 *)other)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

bool captured_notify(struct captured *captured, const struct sockaddr *peer, bool has_serial,
                     uint32_t serial)
{
    for (size_t k = 0; k < captured->primary_count; k++) {
        if (!same_host(peer, (const struct sockaddr *)&captured->primaries[k].addr))
            continue;
        capture_notified(captured->capture, k, has_serial, serial, now());
        settle(captured);
        return true;
    }
    return false;
}

/* ---- the log ---- */

static void end_recall(struct captures *all)
{
    recall_stop(all->recall);
    all->recall = NULL;
    free(all->recalled);
    all->recalled = NULL;
    all->recalled_count = 0;
}

static int recall_unready(struct captures *all, char error[CONFIG_MAX_ERROR]);

static void on_recall_trouble(void *arg, const char *why)
{
    char quoted[LOG_MAX_QUOTED];
    (void)arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"the log cannot be read: zones wait\" why=%s",
                log_quote(why, quoted));
}

/* All that was read for is ready; what has come meanwhile is read for next. */
static void on_recalled(void *arg)
{
    struct captures *all = arg;
    char zone[NAME_MAX_TEXT], error[CONFIG_MAX_ERROR];
    static const char *const bases[] = {"known", "doubtful", "unknown"};
    struct captured *captured, *next;
    HASH_ITER (hh, all->zones, captured, next) {
        if (captured->ready || captured->recalled >= all->recalled_count)
            continue;
        const struct recall_zone *from = &all->recalled[captured->recalled];
        captured->ready = true;
        captured->partition = from->partition;
        captured->offset = from->offset;
        captured->view = (struct retention_view){.has_snapshot = from->has_snapshot,
                                                 .offset = from->snapshot_offset,
                                                 .made_us = from->snapshot_made_us};
        log_line(LOG_LEVEL_INFO,
                 "msg=\"a zone was read from the log\" zone=%s sets=%" PRIu64 " is=%s",
                 name_to_text(zone_apex(captured->zone), zone), from->sets, bases[from->base]);
        capture_start(captured->capture, from->base, now());
        settle(captured);
    }
    end_recall(all);
    if (recall_unready(all, error) < 0)
        log_line(LOG_LEVEL_ERROR, "msg=\"zones wait: no thread to read the log\" why=\"%s\"",
                 error);
}

/* Reads the log for those that it was not read for yet, unless that is under way. */
static int recall_unready(struct captures *all, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = all->options.config;
    struct captured *captured, *next;
    size_t count = 0;
    if (all->recall)
        return 0;
    all->recalled = calloc(HASH_COUNT(all->zones) + 1, sizeof *all->recalled);
    if (!all->recalled)
        return ERR_MEMORY;
    HASH_ITER (hh, all->zones, captured, next) {
        captured->recalled = SIZE_MAX;
        if (captured->ready || !captured->outlet)
            continue;
        captured->recalled = count;
        all->recalled[count++].zone = captured->zone;
    }
    all->recalled_count = count;
    if (count > 0)
        all->recall =
            recall_start(&(struct recall_options){.base = all->options.base,
                                                  .brokers = config->feed->brokers,
                                                  .updates = config->feed->updates,
                                                  .snapshots = config->feed->snapshots,
                                                  .properties = all->options.properties,
                                                  .property_count = config->feed->rdkafka_count,
                                                  .publisher = config->publisher,
                                                  .zones = all->recalled,
                                                  .zone_count = count,
                                                  .done = on_recalled,
                                                  .trouble = on_recall_trouble,
                                                  .arg = all},
                         error);
    if (all->recall)
        return 0;
    end_recall(all);
    return count == 0 ? 0 : ERR_SYSTEM;
}

/* ---- turns ---- */

/* A turn began or ended. Whoever has two right after one another begins anew: in between the zone may have been another's. */
static bool take_turn(struct captured *captured)
{
    struct outlet *outlet = turns_outlet(captured->all->options.turns, zone_apex(captured->zone));
    if (outlet == captured->outlet)
        return false;
    const bool is_recalled = captured->outlet && !captured->ready;
    captured_stop(captured);
    captured->outlet = outlet;
    event_del(captured->timer);
    return is_recalled;
}

void captures_turn(void *arg)
{
    struct captures *all = arg;
    struct captured *captured, *next;
    char error[CONFIG_MAX_ERROR];
    bool spoilt = false; /* the log is being read for a zone that is not ours any more */
    HASH_ITER (hh, all->zones, captured, next)
        spoilt = take_turn(captured) || spoilt;
    if (all->snapshots)
        snapshots_look_again(all->snapshots);
    if (spoilt)
        end_recall(all);
    if (recall_unready(all, error) < 0)
        log_line(LOG_LEVEL_ERROR, "msg=\"zones wait: no thread to read the log\" why=\"%s\"",
                 error);
}

bool captures_has_zones(void *arg, int32_t partition, size_t count)
{
    const struct captures *all = arg;
    for (const struct captured *one = all->zones; one; one = one->hh.next)
        if (publish_partition(zone_apex(one->zone), count) == partition)
            return true;
    return false;
}

/* ---- the whole of it ---- */

struct captures *captures_new(const struct captures_options *options,
                              char ret_error[CONFIG_MAX_ERROR])
{
    struct captures *all = calloc(1, sizeof *all);
    snprintf(ret_error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!all)
        return NULL;
    all->options = *options;
    all->actions = (struct capture_actions){.send = act_send,
                                            .ask = act_ask,
                                            .hang_up = act_hang_up,
                                            .publish = act_publish,
                                            .snapshot = act_snapshot,
                                            .id = act_id,
                                            .note = act_note,
                                            .arg = all};
    bool good = true;
    for (size_t k = 0; good && k < options->config->origin_zone_count; k++)
        good = add_zone(all, &options->config->origin_zones[k]) == 0;
    if (good)
        return all;
    captures_free(all);
    return NULL;
}

int captures_start(struct captures *captures, char ret_error[CONFIG_MAX_ERROR])
{
    return start_guard(captures, ret_error) ? 0 : ERR_SYSTEM;
}

void captures_free(struct captures *captures)
{
    if (!captures)
        return;
    struct captured *captured, *next;
    end_recall(captures);
    HASH_ITER (hh, captures->zones, captured, next)
        captured_free(captured);
    snapshots_stop(captures->snapshots);
    if (captures->guard)
        event_free(captures->guard);
    free(captures);
}

/* ---- reload ---- */

static bool is_same(const struct captured *captured, const struct config_origin_zone *config)
{
    struct captured wanted = {.all = captured->all};
    bool same = captured->primary_count == config->primary_count;
    for (size_t k = 0; same && k < config->primary_count; k++)
        same = strcmp(captured->primaries[k].text, config->primary[k].text) == 0;
    choose_key(&wanted, config);
    same = same && wanted.has_key == captured->has_key &&
           memcmp(&wanted.key, &captured->key, sizeof wanted.key) == 0;
    explicit_bzero(&wanted.key, sizeof wanted.key);
    return same;
}

static struct captured *find_by_text(const struct captures *captures, const char *name)
{
    uint8_t apex[NAME_MAX_SIZE];
    read_apex(name, apex);
    return captures_find(captures, apex);
}

/*
 * Those that are not in a configuration as they are. What the log is being read for goes on where none of them is among it: members
 * of a catalog may come more often than all zones can be read.
 */
static void leave_out(struct captures *captures, const struct config *config)
{
    struct captured *captured, *next;
    bool spoilt = false;
    for (size_t k = 0; k < config->origin_zone_count; k++)
        if ((captured = find_by_text(captures, config->origin_zones[k].name)))
            captured->stays = is_same(captured, &config->origin_zones[k]);
    HASH_ITER (hh, captures->zones, captured, next)
        spoilt = spoilt || (!captured->stays && captured->recalled < captures->recalled_count);
    if (spoilt)
        end_recall(captures); /* begun again for the others */
    HASH_ITER (hh, captures->zones, captured, next) {
        if (!captured->stays)
            captured_free(captured);
        else
            captured->stays = false;
    }
}

int captures_reload(struct captures *captures, const struct config *config,
                    const struct keyring *keyring)
{
    struct captured *captured, *next;
    char error[CONFIG_MAX_ERROR];
    captures->options.keyring = keyring;
    leave_out(captures, config);
    for (size_t k = 0; k < config->origin_zone_count; k++)
        if (!find_by_text(captures, config->origin_zones[k].name) &&
            add_zone(captures, &config->origin_zones[k]) < 0)
            return ERR_MEMORY;
    HASH_ITER (hh, captures->zones, captured, next)
        captured->outlet = turns_outlet(captures->options.turns, zone_apex(captured->zone));
    return recall_unready(captures, error);
}

/* ---- for status and metrics ---- */

void captures_numbers(const struct captures *captures, struct captures_numbers *ret)
{
    *ret =
        (struct captures_numbers){.counts = captures->counts, .zones = HASH_COUNT(captures->zones)};
    if (captures->snapshots)
        snapshots_status(captures->snapshots, &ret->snapshots);
    for (struct captured *one = captures->zones; one; one = one->hh.next) {
        struct retention_margin margin;
        ret->ready += one->ready;
        ret->active += one->outlet != NULL;
        ret->gapped += judge(one, &margin) && margin.verdict == RETENTION_GAPPED;
    }
}

struct captured *captures_next(const struct captures *captures, const struct captured *before)
{
    return before ? before->hh.next : captures->zones;
}

void captured_status(struct captured *captured, struct captured_status *ret)
{
    *ret = (struct captured_status){.apex = zone_apex(captured->zone), .primary = "", .why = ""};
    turns_of_zone(captured->all->options.turns, ret->apex, &ret->turn);
    if (!captured->ready)
        return; /* somebody else writes it */
    capture_status(captured->capture, &ret->capture);
    if (ret->capture.failures > 0 && captured->why_primary < captured->primary_count) {
        ret->primary = captured->primaries[captured->why_primary].text;
        ret->why = captured->why;
    }
    zone_size(zone_state(captured->zone), &ret->size);
    ret->has_margin = judge(captured, &ret->margin);
    ret->view = captured->view;
}

struct snapshots *captures_snapshots(const struct captures *captures)
{
    return captures->snapshots;
}

size_t captures_latest(const struct captures *captures, uint64_t after,
                       struct captured_version ret[CAPTURES_LATEST], uint64_t *ret_first)
{
    const uint64_t all = captures->version_count;
    if (after + CAPTURES_LATEST < all)
        after = all - CAPTURES_LATEST;
    *ret_first = after + 1;
    size_t count = 0;
    for (; after < all; after++)
        ret[count++] = captures->latest[after % CAPTURES_LATEST];
    return count;
}
