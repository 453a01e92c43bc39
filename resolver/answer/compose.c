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

/* What a client and a cache are told of it. */
static void describe(struct composer *composer, const struct composition *composition)
{
    struct answer *answer = &composer->answer;
    const struct chain *chain = composition->chain;
    bool negative = composition->end != CHAIN_DATA;
    bool dependable = depend(composer, composition) == ERR_OK;
    const struct source_worth *worth = composition->worth;
    bool of_feed = answer->dependencies.zone != ZONE_NONE;
    bool cacheable = dependable && (!negative || chain->has_soa);
    uint32_t ttl = lowest_ttl(chain, negative);
    answer->flags = (uint16_t)((chain->authentic ? FLAG_AD : 0) | chain->rcode);
    answer->negative = negative;
    answer->origin = composition->origin;
    answer->ttl = cacheable ? ttl : 0;
    answer->uncacheable = !cacheable;
    answer->behind = false;
    answer->provisional = of_feed && worth->provisional;
    answer->exact = worth->exact;
    /* Of names that a parent does not hear of its position says nothing. */
    answer->hand = !of_feed                             ? FIRST_HAND
                   : worth->outside && !answer->outside ? SECOND_HAND_ZONE
                                                        : worth->hand;
    /* Signatures expire by themselves: no change tells of it. */
    answer->covered = !answer->outside && !composition->dnssec_ok && worth->vouched &&
                      !worth->provisional && answer->hand == FIRST_HAND;
    answer->unplaced = of_feed && worth->unplaced;
    answer->flags |= answer->hand != FIRST_HAND || answer->unplaced ? FLAG_SECOND_HAND : 0;
    answer->as_old_as = worth->as_old_as;
    answer->elsewhere = highest_ttl(chain, negative);
    answer->ede = composition->ede;
}

struct answer *compose_answer(struct composer *composer, const struct composition *composition)
{
    const struct builder *builder = &composer->builder;
    struct answer *answer = &composer->answer;
    bool rotates;
    int size = build(composer, composition, &rotates);
    const size_t start = composer->start;
    if (size < 0)
        return NULL;
    for (size_t i = 0; i < builder->ttl_count; i++)
        composer->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    describe(composer, composition);
    answer->flags |= rotates ? FLAG_ROTATES : 0;
    memcpy(answer->counts, builder->counts, sizeof answer->counts);
    answer->body = composer->wire + start;
    answer->body_size = (size_t)size - start;
    answer->ttl_offsets = composer->ttl_offsets;
    answer->ttl_count = builder->ttl_count;
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
