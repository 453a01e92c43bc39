#include "invalidation/witness.h"

enum { OUTGROWN = 4 }; /* so many times as long as then: a witness further on says more */

bool witness_question(struct witness *witness, const struct log_ends *ends,
                      struct witness_question *ret)
{
    if (witness->known && (witness->count != ends->count || witness->log_id != ends->log_id))
        witness->known = false;
    *ret = witness->question;
    return witness->known;
}

bool witness_answer(struct witness *witness, int64_t first)
{
    const bool same = first == WITNESS_NONE || first >= witness->below;
    witness->known = same;
    return same;
}

/* A witness from the future, by a clock that was set back since, would see nothing until then. */
static bool is_worn(const struct witness *witness, const struct log_ends *ends, int64_t wall_ms)
{
    return witness->question.time_ms > wall_ms ||
           ends->offset[witness->question.partition] / OUTGROWN >= witness->below;
}

bool witness_wish(const struct witness *witness, const struct log_ends *ends, int64_t wall_ms,
                  struct witness_question *ret)
{
    if (witness->known && !is_worn(witness, ends, wall_ms))
        return false;
    for (size_t k = 0; k < ends->count; k++) {
        const size_t partition = (witness->turn + k) % ends->count;
        if (ends->offset[partition] == 0)
            continue;
        *ret = (struct witness_question){.partition = (int32_t)partition, .time_ms = wall_ms};
        return true;
    }
    return false; /* nothing is in it: nothing can have been missed */
}

void witness_learn(struct witness *witness, const struct log_ends *ends,
                   const struct witness_question *question, int64_t first)
{
    const int64_t end = ends->offset[question->partition];
    const int64_t below = first == WITNESS_NONE || first > end ? end : first;
    witness->turn = (size_t)question->partition + 1;
    if (below == 0)
        return;
    *witness = (struct witness){
        .known = true,
        .question = *question,
        .below = below,
        .count = ends->count,
        .log_id = ends->log_id,
        .turn = witness->turn,
    };
}
