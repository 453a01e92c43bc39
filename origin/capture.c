#include "origin/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/ahead.h"
#include "zone/change_list.h"
#include "zone/differ.h"
#include "zone/inquiry.h"

enum { MS = 1000, SECOND = 1000 * MS, DETAIL = 200, NO_IXFR_S = 3600 };

/* What a primary said in this round. */
struct primary {
    bool is_behind; /* it has an older version than we */
    uint32_t serial;
    uint64_t whole_until; /* it does not know IXFR */
};

/* A NOTIFY that is not served yet. */
struct notified {
    bool is_there, has_serial;
    size_t primary;
    uint32_t serial;
    uint64_t us; /* when the first of them came */
};

/* What the last NOTIFY said there is. */
struct promise {
    bool is_there;
    uint32_t serial;
    unsigned tries;
};

/* When the steps towards the version under way were made; 0: not at all. */
struct steps {
    uint64_t notified, asked, taken;
};

struct capture {
    struct capture_options options;
    enum capture_state state;
    struct primary primaries[CAPTURE_MAX_PRIMARIES];
    size_t current, left; /* the primary that is asked, and how many are after it in this round */
    unsigned tries;
    uint64_t deadline, due; /* of the step; of the next round */
    bool whole_wanted;      /* what is held may not be what the log says */
    bool snapshot_due;      /* the version acknowledged last is in no message */
    bool is_unknown;        /* nor can it be said what is different */
    bool large_due;         /* that this is so could not be said yet */
    struct notified notified;
    struct promise promise;
    struct steps steps;
    struct inquiry inquiry;
    struct ahead ahead; /* versions that are not acknowledged, by their serials */
    int failure;        /* of the differences, to be seen to once nothing is under way; 0: none */
    struct capture_status status;
};

static const struct capture_actions *acts(const struct capture *capture)
{
    return capture->options.actions;
}

static void note(struct capture *capture, enum capture_note what, const char *detail)
{
    acts(capture)->note(acts(capture)->arg, capture, what, detail);
}

const uint8_t *capture_apex(const struct capture *capture)
{
    return zone_apex(capture->options.zone);
}

struct zone *capture_zone(const struct capture *capture)
{
    return capture->options.zone;
}

const char *capture_state_text(enum capture_state state)
{
    static const char *const texts[] = {[CAPTURE_OFF] = "off",
                                        [CAPTURE_IDLE] = "idle",
                                        [CAPTURE_ASKING] = "asking",
                                        [CAPTURE_TAKING] = "taking",
                                        [CAPTURE_PUBLISHING] = "publishing"};
    return texts[state];
}

/* ---- what is held ---- */

static bool held_times(const struct capture *capture, struct soa_times *ret)
{
    return inquiry_held(&capture->inquiry, ret);
}

/* ---- rounds ---- */

static void ask_for_soa(struct capture *capture, struct capture_now now);
static void begin_round(struct capture *capture, size_t primary, struct capture_now now);

static void drop_transfer(struct capture *capture)
{
    inquiry_drop(&capture->inquiry);
    capture->failure = 0;
}

static uint64_t seconds_between(uint32_t seconds, uint32_t least, uint32_t most)
{
    return seconds < least ? least : seconds > most ? most : seconds;
}

static void rest_until(struct capture *capture, uint64_t due)
{
    capture->state = CAPTURE_IDLE;
    capture->steps = (struct steps){.notified = 0};
    capture->due = due;
}

/* Whether the NOTIFY says something that is not known yet. */
static bool is_news(const struct capture *capture, const struct notified *notified)
{
    struct soa_times held;
    return !notified->has_serial || !held_times(capture, &held) || notified->serial != held.serial;
}

static void serve_notified(struct capture *capture, struct capture_now now)
{
    const struct notified notified = capture->notified;
    if (!notified.is_there || capture->state != CAPTURE_IDLE)
        return;
    capture->notified = (struct notified){.is_there = false};
    if (!is_news(capture, &notified) && !capture->whole_wanted) {
        capture->options.counts->notifies_known++;
        return;
    }
    capture->promise = (struct promise){.is_there = notified.has_serial, .serial = notified.serial};
    capture->steps = (struct steps){.notified = notified.us};
    begin_round(capture, notified.primary, now);
}

/* Until when to wait for what a NOTIFY told of and no primary has handed out yet; 0: there is no such thing. */
static uint64_t next_try(struct capture *capture, const struct soa_times *held)
{
    struct promise *promise = &capture->promise;
    if (promise->is_there && promise->tries < CAPTURE_PROMISE_TRIES &&
        xfrin_compare(promise->serial, held->serial) > 0)
        return (uint64_t)(CAPTURE_PROMISE_MS * MS) << promise->tries++;
    promise->is_there = false;
    return 0;
}

static void end_round(struct capture *capture, struct capture_now now)
{
    struct soa_times held = {0};
    (void)held_times(capture, &held);
    uint64_t pause = next_try(capture, &held);
    if (pause == 0)
        pause =
            SECOND * seconds_between(held.refresh, CAPTURE_LEAST_REFRESH_S, CAPTURE_MOST_REFRESH_S);
    capture->status.failures = 0;
    capture->status.refreshed_us = now.us;
    capture->status.expired = false;
    rest_until(capture, now.us + pause);
    serve_notified(capture, now);
}

/* Twice as long after each failure, up to what the SOA says. */
static uint64_t retry_us(const struct capture *capture)
{
    struct soa_times held;
    const uint64_t most = held_times(capture, &held)
                              ? seconds_between(held.retry, 1, CAPTURE_MOST_REFRESH_S) * SECOND
                              : CAPTURE_LAST_RETRY_MS * MS;
    const uint32_t times = capture->status.failures < 16 ? capture->status.failures : 16;
    const uint64_t pause = (uint64_t)(CAPTURE_FIRST_RETRY_MS * MS) << times;
    return pause < most ? pause : most;
}

static void fail_round(struct capture *capture, struct capture_now now)
{
    rest_until(capture, now.us + retry_us(capture));
    capture->status.failures++;
    serve_notified(capture, now);
}

/* ---- what is asked ---- */

/* Less than 0: no memory, as if nothing came back. */
static int write_query(struct capture *capture, uint16_t type, struct capture_now now,
                       uint8_t query[INQUIRY_MAX_QUERY])
{
    return inquiry_ask(&capture->inquiry, type, acts(capture)->id(acts(capture)->arg),
                       (uint64_t)(now.wall_us / SECOND), query);
}

static void ask_for_soa(struct capture *capture, struct capture_now now)
{
    uint8_t query[INQUIRY_MAX_QUERY];
    int size = write_query(capture, TYPE_SOA, now, query);
    capture->state = CAPTURE_ASKING;
    capture->deadline = now.us + CAPTURE_SOA_MS * MS;
    if (size < 0)
        return;
    capture->options.counts->soa_queries++;
    acts(capture)->send(acts(capture)->arg, capture, capture->current, query, (size_t)size);
}

static void take(struct capture *capture, uint16_t type, struct capture_now now)
{
    uint8_t query[INQUIRY_MAX_QUERY];
    drop_transfer(capture);
    if (capture->primaries[capture->current].whole_until > now.us)
        type = TYPE_AXFR;
    int size = write_query(capture, type, now, query);
    capture->state = CAPTURE_TAKING;
    capture->deadline = now.us + CAPTURE_MESSAGE_MS * MS;
    if (size < 0)
        return;
    if (capture->inquiry.type == TYPE_IXFR)
        capture->options.counts->ixfr++;
    else
        capture->options.counts->axfr++;
    capture->steps.asked = now.us;
    acts(capture)->ask(acts(capture)->arg, capture, capture->current, query, (size_t)size);
}

/* ---- from one primary to the next ---- */

/* All have answered, and none has what is held: the newest of what they have. */
static bool find_restart(const struct capture *capture, size_t *ret_primary)
{
    size_t best = 0;
    for (size_t k = 0; k < capture->options.primary_count; k++) {
        const struct primary *one = &capture->primaries[k];
        if (!one->is_behind)
            return false;
        if (xfrin_compare(one->serial, capture->primaries[best].serial) > 0)
            best = k;
    }
    *ret_primary = best;
    return true;
}

static void next_primary(struct capture *capture, struct capture_now now)
{
    size_t restart;
    drop_transfer(capture);
    if (capture->left > 0) {
        capture->left--;
        capture->current = (capture->current + 1) % capture->options.primary_count;
        capture->tries = 0;
        ask_for_soa(capture, now);
    } else if (find_restart(capture, &restart)) {
        for (size_t k = 0; k < capture->options.primary_count; k++)
            capture->primaries[k].is_behind = false;
        capture->options.counts->went_back++;
        note(capture, CAPTURE_NOTE_BACK, "");
        capture->whole_wanted = true;
        capture->current = restart;
        take(capture, TYPE_AXFR, now);
    } else {
        fail_round(capture, now);
    }
}

/* The primary was of no use. */
static void fail_primary(struct capture *capture, const char *why, struct capture_now now)
{
    if (capture->state == CAPTURE_TAKING)
        acts(capture)->hang_up(acts(capture)->arg, capture);
    note(capture, CAPTURE_NOTE_FAILED, why);
    next_primary(capture, now);
}

/* A primary has an older version than we. */
static void pass_over(struct capture *capture, uint32_t serial, struct capture_now now)
{
    struct primary *primary = &capture->primaries[capture->current];
    primary->is_behind = true;
    primary->serial = serial;
    capture->options.counts->behind++;
    if (capture->options.primary_count > 1)
        note(capture, CAPTURE_NOTE_BEHIND, "");
    next_primary(capture, now);
}

/* What the current primary has, against what we have. */
static void hear_serial(struct capture *capture, uint32_t serial, struct capture_now now)
{
    struct soa_times held;
    capture->status.primary = capture->current;
    if (!held_times(capture, &held) || capture->whole_wanted) {
        take(capture, TYPE_AXFR, now);
        return;
    }
    const int order = xfrin_compare(serial, held.serial);
    if (order > 0) {
        take(capture, TYPE_IXFR, now);
    } else if (order < 0) {
        pass_over(capture, serial, now);
    } else {
        capture->options.counts->up_to_date++;
        drop_transfer(capture);
        end_round(capture, now);
    }
}

/* Begins at one primary. What a NOTIFY said is believed as far as the question goes: the SOA need not be asked for. */
static void begin_round(struct capture *capture, size_t primary, struct capture_now now)
{
    for (size_t k = 0; k < capture->options.primary_count; k++)
        capture->primaries[k].is_behind = false;
    capture->current = primary;
    capture->left = capture->options.primary_count - 1;
    capture->tries = 0;
    if (capture->whole_wanted)
        take(capture, TYPE_AXFR, now);
    else if (capture->steps.notified)
        take(capture, TYPE_IXFR, now);
    else
        ask_for_soa(capture, now);
}

/* ---- versions, one after the other ---- */

/* Whether another version may be published. */
static bool may_go_on(const struct capture *capture)
{
    const struct ahead *ahead = &capture->ahead;
    return ahead->count == 0 || (!capture->snapshot_due && ahead->count < capture->options.ahead &&
                                 ahead->bytes < CAPTURE_AHEAD_BYTES);
}

/* What takes this much in memory takes more as JSON. */
static int collect(void *arg, const struct change *change)
{
    struct change_list *list = arg;
    if (list->bytes > CHANGESET_MAX_BYTES || list->count >= CHANGESET_MAX_CHANGES)
        return ERR_TOO_LARGE;
    return change_list_add(list, change);
}

static struct change_set head_of_set(const struct capture *capture, uint32_t serial,
                                     struct capture_now now)
{
    struct change_set set = {.has_serial = true, .serial = serial, .time_us = now.wall_us};
    memcpy(set.zone, capture_apex(capture), name_size(capture_apex(capture)));
    snprintf(set.publisher, sizeof set.publisher, "%s", capture->options.publisher);
    return set;
}

/* A version that fits no message: readers are told that a snapshot has it. */
static int publish_large(struct capture *capture, const struct zone_state *after,
                         struct capture_now now)
{
    uint32_t serial = 0;
    (void)zone_serial(after, &serial);
    struct change_set set = head_of_set(capture, serial, now);
    set.in_snapshot = true;
    int result = acts(capture)->publish(acts(capture)->arg, capture, &set);
    if (result < 0)
        return result;
    ahead_add(&capture->ahead, serial, 0);
    capture->snapshot_due = true;
    capture->is_unknown = false;
    capture->options.counts->too_large++;
    note(capture, CAPTURE_NOTE_LARGE, "");
    return 1;
}

/* Publishes what makes `after` of `before`. Returns 1: it is under way; 0: they are the same. */
static int publish_difference(struct capture *capture, const struct zone_state *after,
                              struct capture_now now)
{
    struct change_list list = {0};
    uint32_t serial = 0;
    if (capture->is_unknown)
        return ERR_TOO_LARGE;
    int result = zone_differ(zone_state(capture->options.zone), after, collect, &list);
    (void)zone_serial(after, &serial);
    if (result == 0 && list.count > 0) {
        struct change_set set = head_of_set(capture, serial, now);
        set.changes = list.changes;
        set.change_count = list.count;
        result = acts(capture)->publish(acts(capture)->arg, capture, &set);
        if (result == 0) {
            capture->options.counts->changes += list.count;
            ahead_add(&capture->ahead, serial, list.bytes);
            result = 1;
        }
    }
    change_list_clear(&list);
    return result;
}

/* What is in the edit is a version: published, and from now on what is held. Takes the edit over. */
static int publish_edit(struct capture *capture, struct zone_edit *edit, struct capture_now now)
{
    int result = publish_difference(capture, zone_edit_state(edit), now);
    if (result == ERR_TOO_LARGE)
        result = publish_large(capture, zone_edit_state(edit), now);
    if (result < 0)
        zone_edit_abort(edit);
    else
        zone_edit_commit(edit);
    return result;
}

/* The next version of the differences; as publish_edit(). */
static int publish_next(struct capture *capture, struct capture_now now)
{
    struct zone_edit *edit;
    int result = zone_edit_begin(capture->options.zone, false, &edit);
    if (result < 0)
        return result;
    result = differences_make(&capture->inquiry.differences, edit);
    if (result > 0)
        return publish_edit(capture, edit, now);
    zone_edit_abort(edit);
    return result;
}

/* What is held and what the primary says do not fit together. */
static void fall_back(struct capture *capture, const char *why, struct capture_now now)
{
    capture->options.counts->fallbacks++;
    note(capture, CAPTURE_NOTE_FALLBACK, why);
    take(capture, TYPE_AXFR, now);
}

static void publish_on(struct capture *capture, struct capture_now now)
{
    int result = capture->failure;
    capture->state = CAPTURE_PUBLISHING;
    while (result >= 0 && differences_left(&capture->inquiry.differences) && may_go_on(capture)) {
        result = publish_next(capture, now);
        if (result == 0)
            capture->options.counts->empty++;
    }
    capture->failure = result < 0 ? result : 0;
    if (capture->ahead.count > 0)
        return;
    if (result >= 0) {
        drop_transfer(capture);
        end_round(capture, now);
        return;
    }
    capture->options.counts->faults[XFRIN_SINK]++;
    fall_back(capture, result == ERR_NOT_FOUND ? xfrin_fault_text(XFRIN_SINK) : error_text(result),
              now);
}

static void publish_whole(struct capture *capture, struct capture_now now)
{
    struct zone_edit *edit = capture->inquiry.edit;
    capture->inquiry.edit = NULL;
    capture->state = CAPTURE_PUBLISHING;
    int result = publish_edit(capture, edit, now);
    if (result < 0) {
        capture->state = CAPTURE_TAKING; /* for the sake of the connection, which is hung up */
        fail_primary(capture, error_text(result), now);
        return;
    }
    capture->whole_wanted = false;
    if (result == 0) {
        capture->options.counts->empty++;
        drop_transfer(capture);
        end_round(capture, now);
    }
}

static void measure(struct capture *capture, struct capture_now now)
{
    const struct steps *steps = &capture->steps;
    capture->status.own_us =
        steps->notified ? steps->asked - steps->notified + (now.us - steps->taken) : 0;
    capture->status.transfer_us = steps->notified ? steps->taken - steps->asked : 0;
    capture->status.versions++;
    capture->status.acknowledged = ahead_take(&capture->ahead);
    capture->options.counts->versions++;
    note(capture, CAPTURE_NOTE_VERSION, "");
    /* the next versions of the same transfer: from when they could be published */
    capture->steps = (struct steps){.notified = 0};
}

/* What is held already was too large for the broker. */
static void say_large(struct capture *capture, struct capture_now now)
{
    capture->large_due = publish_large(capture, zone_state(capture->options.zone), now) < 0;
    capture->deadline = now.us + CAPTURE_FIRST_RETRY_MS * MS;
}

void capture_published(struct capture *capture, int result, int32_t partition, int64_t offset,
                       struct capture_now now)
{
    if (capture->state != CAPTURE_PUBLISHING)
        return;
    if (result == ERR_TOO_LARGE) {
        capture->ahead = (struct ahead){.count = 0};
        say_large(capture, now);
        return;
    }
    if (capture->snapshot_due &&
        capture->ahead.count == 1) { /* it stays the one until that is written */
        capture->snapshot_due = false;
        acts(capture)->snapshot(acts(capture)->arg, capture, partition, offset + 1);
        return;
    }
    measure(capture, now);
    publish_on(capture, now);
}

/* ---- what comes back ---- */

/* All of it is here. */
static void end_transfer(struct capture *capture, struct capture_now now)
{
    uint32_t serial = 0;
    capture->steps.taken = now.us;
    const struct xfrin *xfrin = capture->inquiry.xfrin;
    (void)xfrin_serial(xfrin, &serial);
    const bool has_data = xfrin_has_data(xfrin);
    if (xfrin_outside(xfrin) > 0) {
        capture->options.counts->outside += xfrin_outside(xfrin);
        note(capture, CAPTURE_NOTE_OUTSIDE, "");
    }
    if (!has_data) {
        hear_serial(capture, serial, now);
        return;
    }
    capture->status.transfers++;
    capture->status.primary = capture->current;
    inquiry_finish(&capture->inquiry);
    if (capture->inquiry.edit)
        publish_whole(capture, now);
    else
        publish_on(capture, now);
}

/* What may be different when the whole zone is asked for. */
static bool may_fall_back(const struct capture *capture, enum xfrin_result fault)
{
    return capture->state == CAPTURE_TAKING && capture->inquiry.type == TYPE_IXFR &&
           fault != XFRIN_NOTAUTH && fault != XFRIN_OTHER;
}

static void fail_transfer(struct capture *capture, enum xfrin_result fault, struct capture_now now)
{
    char detail[DETAIL], rcode[TYPE_MAX_TEXT] = "";
    capture->options.counts->faults[fault]++;
    const uint16_t code = xfrin_rcode(capture->inquiry.xfrin);
    if (code != 0)
        rcode_to_text(code, rcode);
    snprintf(detail, sizeof detail, "%s%s%s", xfrin_fault_text(fault), rcode[0] ? ": " : "", rcode);
    if (!may_fall_back(capture, fault)) {
        fail_primary(capture, detail, now);
        return;
    }
    if (fault == XFRIN_NOT_THERE)
        capture->primaries[capture->current].whole_until = now.us + (uint64_t)NO_IXFR_S * SECOND;
    else if (code == 0)
        acts(capture)->hang_up(acts(capture)->arg, capture); /* the rest of it is not wanted */
    fall_back(capture, detail, now);
}

static void count_signature(struct capture *capture, int fault)
{
    struct capture_counts *counts = capture->options.counts;
    switch (fault) {
    case TSIG_BADKEY:
        counts->bad_key++;
        break;
    case TSIG_BADTIME:
        counts->bad_time++;
        break;
    case TSIG_BADTRUNC:
        counts->bad_trunc++;
        break;
    default:
        counts->bad_sig++;
    }
}

static void fail_signature(struct capture *capture, const struct inquiry_heard *heard,
                           struct capture_now now)
{
    char detail[DETAIL];
    count_signature(capture, heard->fault);
    if (heard->said != 0)
        snprintf(detail, sizeof detail, "the primary does not take our signature: %s",
                 tsig_fault_text(heard->said));
    else
        snprintf(detail, sizeof detail, "signature: %s", tsig_fault_text(heard->fault));
    fail_primary(capture, detail, now);
}

/* Takes a message that may be signed. Returns false when it was of no use, and that was dealt with. */
static bool take_message(struct capture *capture, const uint8_t *bytes, size_t size,
                         struct capture_now now, enum xfrin_result *ret)
{
    const struct inquiry_heard heard =
        inquiry_take(&capture->inquiry, bytes, size, (uint64_t)(now.wall_us / SECOND));
    *ret = heard.result;
    if (heard.fault == TSIG_OK)
        return true;
    fail_signature(capture, &heard, now);
    return false;
}

void capture_datagram(struct capture *capture, size_t primary, const uint8_t *bytes, size_t size,
                      struct capture_now now)
{
    enum xfrin_result result;
    uint32_t serial;
    if (capture->state != CAPTURE_ASKING || primary != capture->current ||
        !capture->inquiry.xfrin || size < DNS_HEADER_SIZE ||
        wire_get_u16(bytes) != capture->inquiry.id)
        return;
    const uint16_t flags = wire_get_u16(bytes + 2);
    /* Over TCP it is the same to ask for all there is. Knot refuses a catalog's SOA by UDP, and answers it over TCP. */
    if ((flags & FLAG_TC) || (flags & FLAG_RCODE) == RCODE_REFUSED) {
        take(capture, capture->whole_wanted ? TYPE_AXFR : TYPE_IXFR, now);
        return;
    }
    if (!take_message(capture, bytes, size, now, &result))
        return;
    if (result == XFRIN_DONE && xfrin_serial(capture->inquiry.xfrin, &serial))
        hear_serial(capture, serial, now);
    else
        fail_transfer(capture, result == XFRIN_MORE ? XFRIN_ORDER : result, now);
}

void capture_message(struct capture *capture, const uint8_t *bytes, size_t size,
                     struct capture_now now)
{
    enum xfrin_result result;
    if (capture->state != CAPTURE_TAKING || !capture->inquiry.xfrin)
        return;
    capture->deadline = now.us + CAPTURE_MESSAGE_MS * MS;
    if (!take_message(capture, bytes, size, now, &result))
        return;
    if (result == XFRIN_DONE)
        end_transfer(capture, now);
    else if (result != XFRIN_MORE)
        fail_transfer(capture, result, now);
}

void capture_closed(struct capture *capture, const char *why, struct capture_now now)
{
    if (capture->state != CAPTURE_TAKING)
        return;
    capture->options.counts->closed++;
    fail_primary(capture, why, now);
}

/* ---- NOTIFY and time ---- */

void capture_notified(struct capture *capture, size_t primary, bool has_serial, uint32_t serial,
                      struct capture_now now)
{
    struct notified *notified = &capture->notified;
    capture->options.counts->notifies++;
    if (notified->is_there)
        capture->options.counts->notifies_joined++;
    *notified = (struct notified){.is_there = true,
                                  .has_serial = has_serial,
                                  .primary = primary,
                                  .serial = serial,
                                  .us = notified->is_there ? notified->us : now.us};
    serve_notified(capture, now);
}

uint64_t capture_due(const struct capture *capture)
{
    switch (capture->state) {
    case CAPTURE_IDLE:
        return capture->due;
    case CAPTURE_ASKING:
    case CAPTURE_TAKING:
        return capture->deadline;
    case CAPTURE_PUBLISHING:
        return capture->large_due ? capture->deadline : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

/* Nobody has said for as long as the SOA allows that what is held is still so. */
static void look_for_expiry(struct capture *capture, struct capture_now now)
{
    struct soa_times held;
    if (capture->status.expired || !held_times(capture, &held) ||
        now.us - capture->status.refreshed_us < (uint64_t)held.expire * SECOND)
        return;
    capture->status.expired = true;
    capture->options.counts->expired++;
    note(capture, CAPTURE_NOTE_EXPIRED, "");
}

void capture_tick(struct capture *capture, struct capture_now now)
{
    if (capture->state == CAPTURE_OFF || now.us < capture_due(capture))
        return;
    look_for_expiry(capture, now);
    if (capture->state == CAPTURE_IDLE) {
        begin_round(capture, capture->status.primary, now);
    } else if (capture->state == CAPTURE_PUBLISHING) {
        say_large(capture, now);
    } else if (capture->state == CAPTURE_TAKING) {
        capture->options.counts->timeouts++;
        fail_primary(capture, "no message came in time", now);
    } else {
        capture->options.counts->soa_timeouts++;
        if (++capture->tries < CAPTURE_SOA_TRIES)
            ask_for_soa(capture, now);
        else /* where UDP does not get through TCP may */
            take(capture, capture->whole_wanted ? TYPE_AXFR : TYPE_IXFR, now);
    }
}

/* ---- the whole of it ---- */

struct capture *capture_new(const struct capture_options *options)
{
    struct capture *capture = calloc(1, sizeof *capture);
    if (!capture)
        return NULL;
    capture->options = *options;
    capture->inquiry = (struct inquiry){.zone = options->zone, .key = options->key};
    return capture;
}

void capture_free(struct capture *capture)
{
    if (!capture)
        return;
    drop_transfer(capture);
    free(capture);
}

void capture_start(struct capture *capture, enum capture_base base, struct capture_now now)
{
    capture->whole_wanted = base != CAPTURE_KNOWN;
    capture->is_unknown = base == CAPTURE_UNKNOWN;
    capture->status.refreshed_us = now.us;
    rest_until(capture, now.us);
    capture_tick(capture, now);
}

void capture_stop(struct capture *capture)
{
    if (capture->state == CAPTURE_TAKING)
        acts(capture)->hang_up(acts(capture)->arg, capture);
    drop_transfer(capture);
    capture->ahead = (struct ahead){.count = 0};
    capture->snapshot_due = capture->large_due = false;
    capture->state = CAPTURE_OFF;
}

void capture_status(const struct capture *capture, struct capture_status *ret)
{
    struct soa_times held;
    *ret = capture->status;
    ret->state = capture->state;
    ret->has_serial = held_times(capture, &held);
    ret->serial = ret->has_serial ? held.serial : 0;
}
