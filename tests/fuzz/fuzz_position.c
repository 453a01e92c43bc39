/*
 * fuzz_position.c - any bytes as EDNS options with a position in them, as a child's query and as a parent's claim; what
 * is read can be judged by, and what is written again reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "invalidation/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct positions *positions(void)
{
    static struct positions *made;
    static const int64_t offsets[POSITION_MAX_PARTITIONS];
    if (made)
        return made;
    struct validity *validity = validity_new(&(struct validity_options){.marks = 1});
    made = positions_new(validity, 4000, (struct mono){1});
    must(positions_take(made, 1, offsets, POSITION_MAX_PARTITIONS, (struct mono){1},
                        (struct mono){1}) == 0);
    positions_claim(made, (struct mono){1});
    return made;
}

static void use_query(const struct position_query *query)
{
    uint8_t option[POSITION_MAX_SIZE];
    struct position_query again;
    struct position_claim claim;
    must(query->size <= sizeof query->bits);
    must(position_read_query(option, position_write_query(query, option), &again) == 1);
    must(again.first == query->first && again.size == query->size &&
         memcmp(again.bits, query->bits, query->size) == 0);
    positions_claim_for(positions(), query, (struct mono){5}, &claim);
    must(position_write_claim(&claim, option) <= sizeof option);
}

static void use_claim(const struct position_claim *claim)
{
    uint8_t option[POSITION_MAX_SIZE];
    struct position_claim again;
    struct position_query query;
    struct stamp bound = {0};
    must(position_read_claim(option, position_write_claim(claim, option), &again) == 1);
    must(again.count == claim->count && again.provisional == claim->provisional &&
         memcmp(again.offsets, claim->offsets, claim->count * sizeof *claim->offsets) == 0);
    positions_ask(positions(), (struct mono){10}, &query);
    query.feed_id = claim->feed_id;
    if (positions_bound(positions(), &query, claim, (struct mono){10}, (struct stamp){3}, &bound) ==
        0)
        must(bound.n <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct position_query query;
    struct position_claim claim;
    if (position_read_query(bytes, size, &query) == 1)
        use_query(&query);
    if (position_read_claim(bytes, size, &claim) == 1)
        use_claim(&claim);
    return 0;
}
