#include "resolver/answer/parent.h"

#include <assert.h>
#include <stdlib.h>

#include "resolver/answer/chain.h"
#include "resolver/answer/exchange.h"
#include "resolver/answer/pool.h"

enum { KEPT = 512 }; /* inquiries whose memory waits for the next */

static_assert(DNS_HEADER_SIZE + NAME_MAX_SIZE + 4 + DNS_OPT_SIZE + (int)POSITION_QUERY_SIZE <=
                  (int)EXCHANGE_MAX_QUERY,
              "a query for any name has room for the option");

struct parent {
    struct source source;
    struct source *near;
    const struct validity *validity;
    struct positions *positions;
    struct pool inquiries;
};

struct consultation {
    struct inquiry inquiry;
    struct inquiry *near;
    struct position_set wanted; /* what the parent must have applied */
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
    positions_wanted_now(parent->positions, &consultation->wanted);
    consultation->option = (struct source_option){
        .bytes = consultation->option_bytes,
        .size = (uint16_t)position_write_query(&consultation->wanted, consultation->option_bytes),
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
    inquiry_ask(((struct consultation *)inquiry)->near, question, now);
}

static void close_consultation(struct inquiry *inquiry)
{
    struct consultation *consultation = (struct consultation *)inquiry;
    inquiry_close(consultation->near);
    pool_put(&parent_of(inquiry)->inquiries, consultation);
}

/* Whether a name lies in a zone of the feed for which the parent is not as far as we were. */
static bool is_behind_for(const struct consultation *consultation,
                          const struct position_set *theirs, const uint8_t *name)
{
    const struct parent *parent = parent_of(&consultation->inquiry);
    uint8_t canonical[NAME_MAX_SIZE];
    size_t zone;
    name_lower(name, name_size(name), canonical);
    return validity_zone_of(parent->validity, canonical, &zone) &&
           !positions_cover(parent->positions, theirs, &consultation->wanted, zone);
}

/* Every name that the responses have contributed to the answer so far. */
static enum source_trust judge(const struct inquiry *inquiry, const struct source_reply *reply,
                               const struct chain *chain)
{
    const struct consultation *consultation = (const struct consultation *)inquiry;
    const struct edns *edns = &reply->message->edns;
    const struct selection *selection = &chain->selection;
    struct position_set theirs = {.known = false};
    if (!consultation->wanted.known)
        return SOURCE_FINE;
    int found = position_read(edns->options, edns->options_size, &theirs);
    bool behind = is_behind_for(consultation, &theirs, chain->name);
    for (size_t i = 0; i < selection->count && !behind; i++)
        behind = is_behind_for(consultation, &theirs, selection->items[i].record.owner);
    if (!behind)
        return SOURCE_FINE;
    return found == 1 && theirs.feed_id == consultation->wanted.feed_id ? SOURCE_BEHIND
                                                                        : SOURCE_NO_POSITION;
}

static void free_parent(struct source *source)
{
    struct parent *parent = (struct parent *)source;
    source_unref(parent->near);
    pool_drain(&parent->inquiries);
    free(parent);
}

static const struct source_kind kind = {
    .second_hand = true,
    .open = open_consultation,
    .ask = ask,
    .judge = judge,
    .close = close_consultation,
    .free = free_parent,
};

struct source *parent_new(struct source *near, const struct validity *validity,
                          struct positions *positions)
{
    struct parent *parent = calloc(1, sizeof *parent);
    if (!parent) {
        source_unref(near);
        return NULL;
    }
    parent->source = (struct source){.kind = &kind, .references = 1};
    parent->near = near;
    parent->validity = validity;
    parent->positions = positions;
    parent->inquiries = pool_of(sizeof(struct consultation), KEPT);
    return &parent->source;
}
