#include "resolver/answer/zone_source.h"

#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "resolver/answer/pool.h"
#include "zone/lookup.h"

enum { KEPT = 512 }; /* inquiries whose memory waits for the next */

struct zone_desk {
    struct wheel *wheel;
    struct pool inquiries;
    struct message *message;
    struct builder builder;
    struct record records[BUILD_MAX_RECORDS]; /* of a message that is told in part */
    uint8_t wire[DNS_MAX_MESSAGE];
};

struct zone_source {
    struct source source;
    struct zone_source_options options;
};

/* An inquiry; the zone and `near` may each be asked in its course. */
struct visit {
    struct wheel_timer told; /* first: what the zone says is told from the loop */
    struct inquiry inquiry;
    struct inquiry_options options;
    const struct question *question; /* borrowed until the reply */
    struct inquiry *near;            /* NULL: not asked yet */
    bool by_near;                    /* the reply is */
};

struct zone_desk *zone_desk_new(struct wheel *wheel)
{
    struct zone_desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        return NULL;
    desk->wheel = wheel;
    desk->inquiries = pool_of(sizeof(struct visit), KEPT);
    desk->message = message_new();
    if (!desk->message) {
        free(desk);
        return NULL;
    }
    return desk;
}

void zone_desk_free(struct zone_desk *desk)
{
    if (!desk)
        return;
    message_free(desk->message);
    pool_drain(&desk->inquiries);
    free(desk);
}

static struct visit *visit_of(const struct inquiry *inquiry)
{
    return (struct visit *)((char *)inquiry - offsetof(struct visit, inquiry));
}

static struct zone_source *source_of(const struct visit *visit)
{
    return (struct zone_source *)visit->inquiry.source;
}

/* ---- the reply ------------------------------------------------------------------------------- */

static void tell(struct visit *visit, const struct message *message, int ede, struct micro now)
{
    visit->options.replied(visit->options.arg,
                           &(struct source_reply){.message = message,
                                                  .ede = ede,
                                                  .origin = source_of(visit)->options.origin,
                                                  .now = now});
}

/* What the zone says to a question, in the desk's builder. */
static enum zone_lookup_result build(struct zone_desk *desk, const struct streamed_zone *zone,
                                     const struct question *question, bool dnssec_ok)
{
    build_start(&desk->builder, desk->wire, sizeof desk->wire);
    build_question(&desk->builder, question);
    zone_read_begin();
    const enum zone_lookup_result result = zone_lookup(zone_state(streamed_data(zone)), question,
                                                       dnssec_ok ? ZONE_PROOFS : 0, &desk->builder);
    zone_read_end();
    return result;
}

/* The same as a message. */
static int look_up(struct zone_desk *desk, const struct streamed_zone *zone,
                   const struct question *question, bool dnssec_ok,
                   enum zone_lookup_result *ret_result)
{
    struct builder *builder = &desk->builder;
    *ret_result = build(desk, zone, question, dnssec_ok);
    int size =
        build_finish(builder, 0, FLAG_QR | FLAG_AA | zone_lookup_flags(*ret_result, builder));
    return size < 0 ? size : message_parse(desk->message, desk->wire, (size_t)size);
}

/* Whether a name (in any case) is the zone's own to answer for. */
static bool is_own(struct zone_desk *desk, const struct streamed_zone *zone, const uint8_t *name)
{
    struct question question = {
        .type = TYPE_A, .class = CLASS_IN, .name_size = (uint8_t)name_size(name)};
    enum zone_lookup_result result;
    if (!name_is_within(name, streamed_apex(zone)))
        return false;
    name_lower(name, question.name_size, question.name);
    if (look_up(desk, zone, &question, false, &result) < 0)
        return true;
    return result != ZONE_REFERRAL && result != ZONE_OUTSIDE;
}

/*
 * What somebody else says, but for what the zone itself knows: of a chain that leads back into it. `ret` borrows. False: there
 * is nothing of the kind in it.
 */
static bool leave_out_own(struct visit *visit, const struct message *message, struct message *ret)
{
    const struct zone_source *source = source_of(visit);
    struct zone_desk *desk = source->options.desk;
    const struct record *answers = message_answers(message);
    size_t kept = 0;
    *ret = *message;
    if (streamed_state(source->options.zone) != STREAMED_LIVE ||
        message->answer_count > BUILD_MAX_RECORDS)
        return false;
    for (size_t k = 0; k < message->answer_count; k++) {
        const uint8_t *owner = answers[k].owner;
        const bool again = k > 0 && name_equal(owner, answers[k - 1].owner) && kept > 0 &&
                           desk->records[kept - 1].owner == answers[k - 1].owner;
        if (again || name_equal(owner, visit->question->name) ||
            !is_own(desk, source->options.zone, owner))
            desk->records[kept++] = answers[k];
    }
    ret->records = desk->records;
    ret->answer_count = (uint16_t)kept;
    ret->authority_count = ret->additional_count = 0;
    return kept < message->answer_count;
}

static void near_replied(void *arg, const struct source_reply *reply)
{
    struct visit *visit = arg;
    struct source_reply told = *reply;
    struct message part;
    if (reply->message && reply->message->answer_count > 1 &&
        leave_out_own(visit, reply->message, &part))
        told.message = &part;
    visit->by_near = true;
    visit->options.replied(visit->options.arg, &told);
}

static void ask_near(struct visit *visit, struct micro now, int ede)
{
    struct zone_source *source = source_of(visit);
    struct inquiry_options options = visit->options;
    options.replied = near_replied;
    options.arg = visit;
    if (!visit->near && source->options.near)
        visit->near = inquiry_open(source->options.near, &options);
    if (visit->near)
        inquiry_ask(visit->near, visit->question, now);
    else
        tell(visit, NULL, ede, now);
}

/* A chain may lead below a cut, and is told as far as it is the zone's. */
static void tell_zone(struct visit *visit, struct micro now)
{
    const struct zone_source *source = source_of(visit);
    struct message *message = source->options.desk->message;
    enum zone_lookup_result result;
    if (look_up(source->options.desk, source->options.zone, visit->question,
                visit->options.dnssec_ok, &result) < 0) {
        tell(visit, NULL, EDE_OTHER, now);
        return;
    }
    if (result == ZONE_OUTSIDE || (result == ZONE_REFERRAL && message->answer_count == 0)) {
        ask_near(visit, now, EDE_NO_REACHABLE_AUTHORITY);
        return;
    }
    if (result == ZONE_UNPROVABLE) {
        streamed_count_unprovable(source->options.zone);
        tell(visit, NULL, EDE_NSEC3_ITERATIONS, now);
        return;
    }
    if (result == ZONE_REFERRAL || result == ZONE_ELSEWHERE)
        message->authority_count = message->additional_count = 0;
    visit->by_near = false;
    tell(visit, message, EDE_NONE, now);
}

/* From the loop: the zone may have changed its state meanwhile. */
static void answer(struct wheel_timer *timer, struct micro now)
{
    struct visit *visit = (struct visit *)timer;
    const struct zone_source *source = source_of(visit);
    switch (streamed_state(source->options.zone)) {
    case STREAMED_LIVE:
        tell_zone(visit, now);
        break;
    case STREAMED_EXPIRED:
        if (source->options.falls_back)
            ask_near(visit, now, EDE_NOT_READY);
        else
            tell(visit, NULL, EDE_NO_REACHABLE_AUTHORITY, now);
        break;
    default:
        ask_near(visit, now, EDE_NOT_READY);
    }
}

/* ---- at once --------------------------------------------------------------------------------- */

/* Whether all in the answer section is of a type, or signs it: no chain leads there. */
static bool is_all_of(const struct builder *builder, uint16_t type)
{
    for (size_t i = 0; i < builder->counts[SECTION_ANSWER]; i++) {
        const uint16_t found = wire_get_u16(builder->out.base + builder->ttl_offsets[i] - 4);
        if (found != type && found != TYPE_RRSIG)
            return false;
    }
    return true;
}

/*
 * Without proofs, which may be of names that others answer for. Several records that point to one another cannot change places, and are
 * built otherwise (compose.h).
 */
static bool tell_at_once(struct source *base, const struct question *question, bool dnssec_ok,
                         struct source_told *ret)
{
    const struct zone_source *source = (const struct zone_source *)base;
    struct zone_desk *desk = source->options.desk;
    const struct builder *builder = &desk->builder;
    if (streamed_state(source->options.zone) != STREAMED_LIVE || question->class != CLASS_IN)
        return false;
    const enum zone_lookup_result result = build(desk, source->options.zone, question, dnssec_ok);
    const bool negative = result == ZONE_NODATA || result == ZONE_NXDOMAIN;
    const uint16_t answers = builder->counts[SECTION_ANSWER];
    if (builder->out.failed || (result != ZONE_ANSWER && !negative) ||
        builder->counts[SECTION_AUTHORITY] != negative || (negative && answers > 0) ||
        !is_all_of(builder, question->type))
        return false;
    const size_t start = DNS_HEADER_SIZE + question->name_size + 4u;
    const bool movable = answers > 1 && build_stands_alone(builder, start, builder->out.at);
    if (answers > 1 && !movable)
        return false;
    *ret = (struct source_told){
        .builder = builder,
        .rcode = result == ZONE_NXDOMAIN ? RCODE_NXDOMAIN : RCODE_NOERROR,
        .rotates = movable,
        .origin = source->options.origin,
    };
    return true;
}

/* ---- the table ------------------------------------------------------------------------------- */

static struct inquiry *open_visit(struct source *source, const struct inquiry_options *options)
{
    struct zone_source *own = (struct zone_source *)source;
    struct visit *visit = pool_get(&own->options.desk->inquiries);
    if (!visit)
        return NULL;
    *visit = (struct visit){.told = {.ring = answer}, .options = *options};
    return &visit->inquiry;
}

static void ask(struct inquiry *inquiry, const struct question *question, struct micro now)
{
    struct visit *visit = visit_of(inquiry);
    inquiry_close(visit->near); /* what was asked is forgotten */
    visit->near = NULL;
    visit->question = question;
    wheel_start(source_of(visit)->options.desk->wheel, &visit->told, micro_ms(now), micro_ms(now));
}

static void judge(const struct inquiry *inquiry, const struct source_reply *reply, struct stamp own,
                  struct source_worth *ret)
{
    const struct visit *visit = visit_of(inquiry);
    if (visit->by_near)
        inquiry_judge(visit->near, reply, own, ret);
    else
        *ret = (struct source_worth){
            .as_old_as = own, .vouched = true, .exact = true, .hand = FIRST_HAND};
}

static void close_visit(struct inquiry *inquiry)
{
    struct visit *visit = visit_of(inquiry);
    struct zone_desk *desk = source_of(visit)->options.desk;
    inquiry_close(visit->near);
    wheel_stop(desk->wheel, &visit->told);
    pool_put(&desk->inquiries, visit);
}

static void free_source(struct source *source)
{
    struct zone_source *own = (struct zone_source *)source;
    source_unref(own->options.near);
    free(own);
}

static const struct source_kind kind = {
    .tell = tell_at_once,
    .open = open_visit,
    .ask = ask,
    .judge = judge,
    .close = close_visit,
    .free = free_source,
};

struct source *zone_source_new(const struct zone_source_options *options)
{
    struct zone_source *source = calloc(1, sizeof *source);
    if (!source) {
        source_unref(options->near);
        return NULL;
    }
    source->source = (struct source){.kind = &kind, .references = 1};
    source->options = *options;
    return &source->source;
}
