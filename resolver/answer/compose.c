#include "resolver/answer/compose.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"

struct composer {
    const struct validity *validity;
    struct builder builder;
    struct answer answer;
    uint8_t canonical[NAME_MAX_SIZE]; /* the question's name: the answer's dependencies borrow it */
    uint16_t ttl_offsets[ANSWER_MAX_TTLS];
    size_t start; /* where the body begins in `wire` */
    uint8_t wire[DNS_MAX_MESSAGE];
};

static_assert((int)BUILD_MAX_RECORDS <= (int)ANSWER_MAX_TTLS,
              "every TTL of a built message has a place");

struct composer *composer_new(const struct validity *validity)
{
    struct composer *composer = calloc(1, sizeof *composer);
    if (composer)
        composer->validity = validity;
    return composer;
}

void composer_free(struct composer *composer)
{
    free(composer);
}

/* ---- what it depends on --------------------------------------------------------------------- */

static void depend_on_question(struct composer *composer, const struct question *question,
                               enum told_of told)
{
    name_lower(question->name, question->name_size, composer->canonical);
    validity_depend_on_question(composer->validity, composer->canonical, told,
                                &composer->answer.dependencies);
}

static int depend_on(struct composer *composer, const struct composition *composition,
                     const uint8_t *name, enum told_of told)
{
    struct answer *answer = &composer->answer;
    uint8_t canonical[NAME_MAX_SIZE];
    if (name_equal(name, composition->question->name))
        return ERR_OK;
    name_lower(name, name_size(name), canonical);
    answer->outside |= !validity_zone_of(composer->validity, canonical, NULL);
    return validity_depend(composer->validity, canonical, told, &answer->dependencies);
}

/* What is told of the name where the chain ends. */
static enum told_of told_of_end(const struct composition *composition)
{
    if (composition->end != CHAIN_DATA)
        return TOLD_ABSENCE;
    return composition->question->type == TYPE_SOA ? TOLD_SOA : TOLD_DATA;
}

/* Everything the answer says something about: the question, each link, the end. */
static int depend(struct composer *composer, const struct composition *composition)
{
    struct answer *answer = &composer->answer;
    const struct chain *chain = composition->chain;
    const struct selection *selection = &chain->selection;
    bool linked = !name_equal(chain->name, composition->question->name);
    depend_on_question(composer, composition->question,
                       linked ? TOLD_DATA : told_of_end(composition));
    answer->outside = answer->dependencies.own == OWN_NONE;
    int error = ERR_OK;
    for (size_t i = 0; i < selection->count && !error; i++) {
        if (selection->items[i].section != SECTION_ANSWER)
            break;
        error = depend_on(composer, composition, selection->items[i].record.owner, TOLD_DATA);
    }
    return error ? error : depend_on(composer, composition, chain->name, told_of_end(composition));
}

bool compose_shows_cut(const struct composer *composer, const struct message *message)
{
    const struct record *records = message_authorities(message);
    if (!message->authority_whole)
        return true; /* it may */
    for (size_t i = 0; i < message->authority_count; i++) {
        uint8_t owner[NAME_MAX_SIZE];
        if (records[i].type != TYPE_SOA && records[i].type != TYPE_NS)
            continue;
        name_lower(records[i].owner, name_size(records[i].owner), owner);
        const uint8_t *zone = validity_zone_of(composer->validity, owner, NULL);
        if (zone && !name_equal(zone, owner))
            return true;
    }
    return false;
}

/* ---- the bytes ------------------------------------------------------------------------------ */

/* The records of the RRset asked for: how many, and where they stand in the message. */
struct set {
    size_t count, from, to;
};

/* Returns the size of the message, or less than 0. With `movable`, the set is built to be rotated. */
static int build_body(struct composer *composer, const struct composition *composition,
                      bool movable, struct set *ret_set)
{
    struct builder *builder = &composer->builder;
    const struct chain *chain = composition->chain;
    *ret_set = (struct set){0};
    build_start(builder, composer->wire, sizeof composer->wire);
    build_question(builder, composition->question);
    composer->start = builder->out.at;
    for (size_t i = 0; i < chain->selection.count; i++) {
        const struct selected *item = &chain->selection.items[i];
        if (item->section != SECTION_ANSWER || item->record.type != chain->type) {
            build_record(builder, item->section, &item->record);
            continue;
        }
        if (ret_set->count++ == 0)
            ret_set->from = builder->out.at;
        if (movable)
            build_movable(builder, item->section, &item->record);
        else
            build_record(builder, item->section, &item->record);
        ret_set->to = builder->out.at;
    }
    return build_finish(builder, 0, 0);
}

/*
 * As build_body(). What would be too long for some client is built as short as can be, even if it stays as it is then.
 * `ret_rotates`: its set may be rotated.
 */
static int build(struct composer *composer, const struct composition *composition,
                 bool *ret_rotates)
{
    struct set set;
    int size = build_body(composer, composition, true, &set);
    if (set.count > 1 && (size < 0 || size > DNS_CLASSIC_UDP - DNS_OPT_SIZE))
        size = build_body(composer, composition, false, &set);
    *ret_rotates = set.count > 1 && build_stands_alone(&composer->builder, set.from, set.to);
    return size;
}

/* What the answer may live by; 0 where nothing tells. */
static uint32_t lowest_ttl(const struct chain *chain, bool negative)
{
    const struct selection *selection = &chain->selection;
    const bool known = selection->count > 0 || (negative && chain->has_soa);
    uint32_t ttl = negative && chain->has_soa ? chain->soa_ttl : UINT32_MAX;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].record.ttl < ttl)
            ttl = selection->items[i].record.ttl;
    return known ? ttl : 0;
}

/* What of it lives longest, and so is cached for that long by whoever is between us and its authority. */
static uint32_t highest_ttl(const struct chain *chain, bool negative)
{
    const struct selection *selection = &chain->selection;
    uint32_t ttl = negative && chain->has_soa ? chain->soa_ttl : 0;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].record.ttl > ttl)
            ttl = selection->items[i].record.ttl;
    return ttl;
}

/* What follows from its records. */
struct gist {
    uint16_t flags;
    bool negative, cacheable;
    uint32_t lowest_ttl, highest_ttl;
};

/* What a client and a cache are told of it; what it depends on is known. */
static void describe(struct answer *answer, const struct gist *gist, bool dnssec_ok,
                     const struct source_worth *worth)
{
    const bool of_feed = answer->dependencies.zone != ZONE_NONE;
    answer->flags = gist->flags;
    answer->negative = gist->negative;
    answer->ttl = gist->cacheable ? gist->lowest_ttl : 0;
    answer->uncacheable = !gist->cacheable;
    answer->behind = false;
    answer->provisional = of_feed && worth->provisional;
    answer->exact = worth->exact;
    /* Of names that a parent does not hear of its position says nothing. */
    answer->hand = !of_feed                             ? FIRST_HAND
                   : worth->outside && !answer->outside ? SECOND_HAND_ZONE
                                                        : worth->hand;
    /* Signatures expire by themselves: no change tells of it. */
    answer->covered = !answer->outside && !dnssec_ok && worth->vouched && !worth->provisional &&
                      answer->hand == FIRST_HAND;
    answer->unplaced = of_feed && worth->unplaced;
    answer->flags |= answer->hand != FIRST_HAND || answer->unplaced ? FLAG_SECOND_HAND : 0;
    answer->as_old_as = worth->as_old_as;
    answer->elsewhere = gist->highest_ttl;
}

static void describe_chain(struct composer *composer, const struct composition *composition)
{
    const struct chain *chain = composition->chain;
    const bool negative = composition->end != CHAIN_DATA;
    const bool dependable = depend(composer, composition) == ERR_OK;
    composer->answer.origin = composition->origin;
    composer->answer.ede = composition->ede;
    describe(&composer->answer,
             &(struct gist){
                 .flags = (uint16_t)((chain->authentic ? FLAG_AD : 0) | chain->rcode),
                 .negative = negative,
                 .cacheable = dependable && (!negative || chain->has_soa),
                 .lowest_ttl = lowest_ttl(chain, negative),
                 .highest_ttl = highest_ttl(chain, negative),
             },
             composition->dnssec_ok, composition->worth);
}

/* The answer's bytes: what a builder has behind its question, up to `end`. */
static void take_built(struct composer *composer, const struct builder *builder, size_t start,
                       size_t end)
{
    struct answer *answer = &composer->answer;
    for (size_t i = 0; i < builder->ttl_count; i++)
        composer->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    memcpy(answer->counts, builder->counts, sizeof answer->counts);
    answer->body = builder->out.base + start;
    answer->body_size = end - start;
    answer->ttl_offsets = composer->ttl_offsets;
    answer->ttl_count = builder->ttl_count;
}

struct answer *compose_answer(struct composer *composer, const struct composition *composition)
{
    const struct builder *builder = &composer->builder;
    struct answer *answer = &composer->answer;
    bool rotates;
    int size = build(composer, composition, &rotates);
    if (size < 0)
        return NULL;
    take_built(composer, builder, composer->start, (size_t)size);
    describe_chain(composer, composition);
    answer->flags |= rotates ? FLAG_ROTATES : 0;
    return answer;
}

struct answer *compose_told(struct composer *composer, const struct told_composition *composition)
{
    const struct question *question = composition->question;
    const struct source_told *told = composition->told;
    struct answer *answer = &composer->answer;
    const bool negative = told->builder->counts[SECTION_ANSWER] == 0;
    struct gist gist = {
        .flags = (uint16_t)(told->rcode | (told->rotates ? FLAG_ROTATES : 0)),
        .negative = negative,
        .cacheable = true,
        .lowest_ttl = UINT32_MAX,
    };
    take_built(composer, told->builder, DNS_HEADER_SIZE + question->name_size + 4u,
               told->builder->out.at);
    for (size_t i = 0; i < answer->ttl_count; i++) {
        const uint32_t ttl = wire_get_u32(answer->body + answer->ttl_offsets[i]);
        gist.lowest_ttl = ttl < gist.lowest_ttl ? ttl : gist.lowest_ttl;
        gist.highest_ttl = ttl > gist.highest_ttl ? ttl : gist.highest_ttl;
    }
    depend_on_question(composer, question,
                       negative                     ? TOLD_ABSENCE
                       : question->type == TYPE_SOA ? TOLD_SOA
                                                    : TOLD_DATA);
    answer->outside = answer->dependencies.own == OWN_NONE;
    answer->origin = told->origin;
    answer->ede = EDE_NONE;
    describe(
        answer, &gist, composition->dnssec_ok,
        &(struct source_worth){.as_old_as = composition->stamp, .vouched = true, .exact = true});
    return answer;
}

struct answer *compose_failure(struct composer *composer, const struct question *question, int ede)
{
    composer->answer = (struct answer){
        .flags = RCODE_SERVFAIL,
        .origin = ORIGIN_NONE,
        .ttl = TTL_FAILURE_SECONDS,
        .as_old_as = {UINT64_MAX},
        .ede = ede,
        .body = composer->wire,
    };
    depend_on_question(composer, question, TOLD_DATA);
    return &composer->answer;
}
