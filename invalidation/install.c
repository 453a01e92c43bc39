#include "invalidation/install.h"

#include <stdlib.h>
#include <string.h>

#include "dns/build.h"

struct installer {
    struct validity *validity;
    struct store *const *stores;
    size_t store_count;
    struct ttl_policy *policies; /* of the stores, as they are during one set */
    struct builder builder;
    struct answer answer; /* being installed */
    uint16_t ttl_offsets[BUILD_MAX_RECORDS];
    uint8_t wire[DNS_MAX_MESSAGE];
    uint8_t body[DNS_MAX_MESSAGE]; /* one store's copy, with its own TTL bounds */
    const struct rdata_view *sorted[BUILD_MAX_RECORDS];
    bool again[BUILD_MAX_RECORDS]; /* by record of a change: the same as another */
};

struct installer *installer_new(struct validity *validity, struct store *const *stores,
                                size_t store_count)
{
    struct installer *installer = calloc(1, sizeof *installer);
    if (!installer)
        return NULL;
    installer->validity = validity;
    installer->stores = stores;
    installer->store_count = store_count;
    installer->policies = calloc(store_count + 1, sizeof *installer->policies);
    installer->answer = (struct answer){
        .origin = ORIGIN_FEED,
        .ede = EDE_NONE,
        .covered = true,
        .body = installer->body,
        .ttl_offsets = installer->ttl_offsets,
    };
    if (installer->policies)
        return installer;
    installer_free(installer);
    return NULL;
}

void installer_free(struct installer *installer)
{
    if (!installer)
        return;
    free(installer->policies);
    free(installer);
}

/* ---- where it is held ---- */

enum { VARIANTS = 2, MASKED_STORES = 32 / VARIANTS };

/*
 * The bits of the v-th key that a change may bring the answer to: CD set or not. What was asked for with DO set wants
 * signatures, which a change set does not carry: it stays evicted.
 */
static int variant_bits(size_t v)
{
    return v ? KEY_CHECKING_DISABLED : 0;
}

/* Where in a mask of (store, variant) an answer is noted; what has no place of its own shares the last one. */
static uint32_t mask_of(size_t store, size_t variant)
{
    const size_t place = store < MASKED_STORES ? store : MASKED_STORES - 1;
    return UINT32_C(1) << (place * VARIANTS + variant);
}

/* Where stores hold what no other change has touched up to now. */
static uint32_t look(const struct installer *installer, const struct touch *touch)
{
    uint32_t mask = 0;
    struct answer_key key;
    answer_key_of(&touch->name, touch->change->type, &key);
    for (size_t v = 0; v < VARIANTS; v++) {
        answer_key_set_bits(&key, variant_bits(v));
        for (size_t i = 0; i < installer->store_count; i++)
            if (store_renew(installer->stores[i], &key))
                mask |= mask_of(i, v);
    }
    return mask;
}

/* That is looked up a little later. */
static void expect(const struct installer *installer, const struct touch *touch)
{
    for (size_t v = 0; v < VARIANTS; v++) {
        const uint64_t hash =
            answer_key_hash_of(&touch->name, touch->change->type, variant_bits(v));
        for (size_t i = 0; i < installer->store_count; i++)
            store_expect(installer->stores[i], hash);
    }
}

bool install_look(struct installer *installer, struct touch *touches, size_t count)
{
    enum { AHEAD = 8 };
    uint32_t any = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count && touches[i + AHEAD].installs)
            expect(installer, &touches[i + AHEAD]);
        if (touches[i].installs)
            any |= touches[i].held = look(installer, &touches[i]);
    }
    return any != 0;
}

/* ---- the answer ---- */

static int compare_rdata(const void *a, const void *b, void *type)
{
    const struct rdata_view *one = *(const struct rdata_view *const *)a;
    const struct rdata_view *other = *(const struct rdata_view *const *)b;
    int order = rdata_compare(*(uint16_t *)type, one->bytes, one->size, other->bytes, other->size);
    return order != 0 ? order : (one > other) - (one < other);
}

/* Finds what a change says twice (RFC 2181 5); it has at most BUILD_MAX_RECORDS records. */
static void find_repeated(struct installer *installer, const struct change *change)
{
    uint16_t type = change->type;
    const struct rdata_view **sorted = installer->sorted;
    for (size_t i = 0; i < change->rdata_count; i++) {
        sorted[i] = &change->rdata[i];
        installer->again[i] = false;
    }
    if (change->rdata_count < 2)
        return;
    qsort_r(sorted, change->rdata_count, sizeof *sorted, compare_rdata, &type);
    for (size_t i = 1; i < change->rdata_count; i++)
        installer->again[sorted[i] - change->rdata] =
            rdata_compare(type, sorted[i - 1]->bytes, sorted[i - 1]->size, sorted[i]->bytes,
                          sorted[i]->size) == 0;
}

/* The question, and the records of a SET behind it. Returns the size, or less than 0. */
static int build_set(struct installer *installer, const struct touch *touch, bool movable,
                     size_t *ret_start)
{
    struct builder *builder = &installer->builder;
    const struct change *change = touch->change;
    struct question question;
    question.type = change->type;
    question.class = CLASS_IN;
    question.name_size = (uint8_t)touch->name.size;
    memcpy(question.name, change->name, touch->name.size);
    build_start(builder, installer->wire, sizeof installer->wire);
    build_question(builder, &question);
    *ret_start = builder->out.at;
    for (size_t i = 0; i < change->rdata_count; i++) {
        const struct record record = {
            .owner = change->name,
            .rdata = change->rdata[i].bytes,
            .rdata_size = change->rdata[i].size,
            .ttl = change->ttl,
            .type = change->type,
            .class = CLASS_IN,
        };
        if (installer->again[i])
            continue;
        if (movable)
            build_movable(builder, SECTION_ANSWER, &record);
        else
            build_record(builder, SECTION_ANSWER, &record);
    }
    return build_finish(builder, 0, 0);
}

/* The answer that a SET carries, but for its body, which is put into installer->wire: from `ret_start` on. */
static bool build_answer(struct installer *installer, size_t k, const struct touch *touch,
                         size_t *ret_start)
{
    const struct builder *builder = &installer->builder;
    const struct change *change = touch->change;
    struct answer *answer = &installer->answer;
    size_t start;
    if (change->rdata_count > BUILD_MAX_RECORDS)
        return false;
    find_repeated(installer, change);
    int size = build_set(installer, touch, true, &start);
    if (size < 0 || size > DNS_CLASSIC_UDP - DNS_OPT_SIZE) /* too long for some client */
        size = build_set(installer, touch, false, &start);
    if (size < 0)
        return false;
    for (size_t i = 0; i < builder->ttl_count; i++)
        installer->ttl_offsets[i] = (uint16_t)(builder->ttl_offsets[i] - start);
    answer->flags = builder->counts[0] > 1 && build_stands_alone(builder, start, (size_t)size)
                        ? FLAG_ROTATES
                        : 0;
    answer->counts[SECTION_ANSWER] = builder->counts[SECTION_ANSWER];
    answer->body_size = (size_t)size - start;
    answer->ttl_count = builder->ttl_count;
    validity_depend_in(installer->validity, k, change->name,
                       change->type == TYPE_SOA ? TOLD_SOA : TOLD_DATA, &answer->dependencies);
    *ret_start = start;
    return true;
}

/* ---- its place ---- */

/* The answer as a store keeps it, with its own bounds. */
static void bound_answer(struct installer *installer, const struct touch *touch, size_t start,
                         const struct ttl_policy *policy)
{
    struct answer *answer = &installer->answer;
    memcpy(answer->body, installer->wire + start, answer->body_size);
    answer->ttl = answer->elsewhere = touch->change->ttl;
    answer_bound_ttls(answer, policy);
}

/* Replaces the answers that stores hold for the question. */
static size_t replace(struct installer *installer, size_t k, const struct touch *touch,
                      const struct store_pushed *pushed)
{
    size_t installed = 0, start;
    struct answer_key key;
    if (!build_answer(installer, k, touch, &start))
        return 0;
    answer_key_of(&touch->name, touch->change->type, &key);
    for (size_t i = 0; i < installer->store_count; i++) {
        if (!(touch->held & (mask_of(i, 0) | mask_of(i, 1))))
            continue;
        bound_answer(installer, touch, start, &installer->policies[i]);
        for (size_t v = 0; v < VARIANTS; v++) {
            if (!(touch->held & mask_of(i, v)))
                continue;
            answer_key_set_bits(&key, variant_bits(v));
            installed += store_replace(installer->stores[i], &key, &installer->answer, pushed);
        }
    }
    return installed;
}

/*
 * What later changes of the same set have the last word on: an RRset, or a name as a whole (type 0). A hash
 * table of places in the set, by name and type; at most half full.
 */
struct superseded {
    const struct touch *touches;
    size_t size;     /* a power of two; 0: nothing is superseded */
    uint32_t *slots; /* a place in the set, counted from 1; 0: free */
};

/* False: no memory. */
static bool superseded_init(struct superseded *superseded, const struct touch *touches,
                            size_t count)
{
    *superseded = (struct superseded){.touches = touches};
    if (count < 2)
        return true;
    size_t size = 4;
    while (size < 2 * count)
        size *= 2;
    superseded->slots = calloc(size, sizeof *superseded->slots);
    superseded->size = superseded->slots ? size : 0;
    return superseded->slots != NULL;
}

/* The slot of (name, type), or the free one where it goes. */
static uint32_t *superseded_slot(const struct superseded *superseded,
                                 const struct hashed_name *name, uint16_t type)
{
    for (size_t at = name->hash + type * UINT64_C(0x9e3779b97f4a7c15);; at++) {
        uint32_t *slot = &superseded->slots[at & (superseded->size - 1)];
        if (*slot == 0)
            return slot;
        const struct touch *touch = &superseded->touches[*slot - 1];
        if (touch->change->type == type && touch->name.size == name->size &&
            memcmp(touch->name.name, name->name, name->size) == 0)
            return slot;
    }
}

/* Enters a change that comes before those that were entered. False: one of them has the last word. */
static bool supersede(const struct superseded *superseded, size_t place)
{
    const struct touch *touch = &superseded->touches[place];
    if (superseded->size == 0)
        return true;
    uint32_t *slot = superseded_slot(superseded, &touch->name, touch->change->type);
    const bool last = *slot == 0 && *superseded_slot(superseded, &touch->name, 0) == 0;
    *slot = (uint32_t)place + 1;
    return last;
}

/*
 * From the last change to the first, so that the last word on an RRset is the one installed. A change
 * to a whole subtree silences everything before it.
 */
size_t install_put(struct installer *installer, size_t k, const struct touch *touches, size_t count,
                   const struct store_pushed *pushed)
{
    struct superseded superseded;
    size_t installed = 0;
    if (!superseded_init(&superseded, touches, count))
        return 0; /* evicted is enough */
    for (size_t i = 0; i < installer->store_count; i++)
        installer->policies[i] = store_policy(installer->stores[i]);
    for (size_t i = count; i-- > 0 && !touches[i].subtree;)
        if (supersede(&superseded, i) && touches[i].held)
            installed += replace(installer, k, &touches[i], pushed);
    free(superseded.slots);
    return installed;
}
