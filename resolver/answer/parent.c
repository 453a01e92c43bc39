#include "resolver/answer/parent.h"

#include <assert.h>
#include <stdlib.h>

#include "resolver/answer/exchange.h"
#include "resolver/answer/pool.h"

enum { KEPT = 512 }; /* inquiries whose memory waits for the next */

static_assert(DNS_HEADER_SIZE + NAME_MAX_SIZE + 4 + DNS_OPT_SIZE + (int)POSITION_QUERY_SIZE <=
                  (int)EXCHANGE_MAX_QUERY,
              "a query for any name has room for the option");

struct parent {
    struct source source;
    struct source *near;
    struct positions *positions;
    struct pool inquiries;
    bool is_tier; /* it has told its position, or that it has none just now */
};

struct consultation {
    struct inquiry inquiry;
    struct inquiry *near;
    struct position_query query; /* what the parent is asked about its position */
    struct mono sent;            /* no query left earlier */
    struct source_option option;
    uint8_t option_bytes[POSITION_QUERY_SIZE];
};

static struct parent *parent_of(const struct inquiry *inquiry)
{
    return (struct parent *)inquiry->source;
}

static struct inquiry *open_consultation(struct source *source,
                                         const struct inquiry_options *options)
{
    struct parent *parent = (struct parent *)source;
    struct consultation *consultation = pool_get(&parent->inquiries);
    if (!consultation)
        return NULL;
    consultation->sent = options->now;
    positions_ask(parent->positions, consultation->sent, &consultation->query);
    consultation->option = (struct source_option){
        .bytes = consultation->option_bytes,
        .size = (uint16_t)position_write_query(&consultation->query, consultation->option_bytes),
    };
    struct inquiry_options near = *options;
    near.option = &consultation->option;
    consultation->near = inquiry_open(parent->near, &near);
    if (!consultation->near) {
        pool_put(&parent->inquiries, consultation);
        return NULL;
    }
    return &consultation->inquiry;
}

static void ask(struct inquiry *inquiry, const struct question *question, struct micro now)
{
    struct consultation *consultation = (struct consultation *)inquiry;
    if (consultation->option.size > 0)
        position_note_query(consultation->option_bytes,
                            positions_cover(parent_of(inquiry)->positions, question->name));
    inquiry_ask(consultation->near, question, now);
}

static void close_consultation(struct inquiry *inquiry)
{
    struct consultation *consultation = (struct consultation *)inquiry;
    inquiry_close(consultation->near);
    pool_put(&parent_of(inquiry)->inquiries, consultation);
}

static void judge(const struct inquiry *inquiry, const struct source_reply *reply, struct stamp own,
                  struct source_worth *ret)
{
    const struct consultation *consultation = (const struct consultation *)inquiry;
    const struct edns *edns = &reply->message->edns;
    struct parent *parent = parent_of(inquiry);
    struct position_claim claim = {.known = false};
    *ret = (struct source_worth){.as_old_as = own};
    int found = position_read_claim(edns->options, edns->options_size, &claim);
    int error = positions_bound(parent->positions, &consultation->query, &claim, consultation->sent,
                                own, &ret->as_old_as);
    const bool compared = consultation->query.known && found == 1 && error == ERR_OK;
    parent->is_tier |= compared;
    /* Where we have no position ourselves, a child of ours may know better. */
    ret->unplaced =
        compared ? claim.feed_id == POSITION_NO_LOG : parent->is_tier || !consultation->query.known;
    ret->hand = found < 0 || error < 0 ? SECOND_HAND_PARENT
                : claim.second_hand    ? SECOND_HAND_ABOVE
                                       : FIRST_HAND;
    ret->provisional = claim.provisional;
    ret->vouched = claim.vouched;
    ret->outside = claim.outside;
}

static void free_parent(struct source *source)
{
    struct parent *parent = (struct parent *)source;
    source_unref(parent->near);
    pool_drain(&parent->inquiries);
    free(parent);
}

static const struct source_kind kind = {
    .open = open_consultation,
    .ask = ask,
    .judge = judge,
    .close = close_consultation,
    .free = free_parent,
};

struct source *parent_new(struct source *near, struct positions *positions)
{
    struct parent *parent = calloc(1, sizeof *parent);
    if (!parent) {
        source_unref(near);
        return NULL;
    }
    parent->source = (struct source){.kind = &kind, .references = 1};
    parent->near = near;
    parent->positions = positions;
    parent->inquiries = pool_of(sizeof(struct consultation), KEPT);
    return &parent->source;
}
