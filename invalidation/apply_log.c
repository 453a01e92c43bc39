#include "invalidation/apply_log.h"

static uint32_t bounded(int64_t us)
{
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void apply_log_add(struct apply_log *apply_log, int64_t age_us, int64_t took_us)
{
    apply_log->sets[apply_log->count++ % APPLY_LOG_MOST] =
        (struct applied_set){.age_us = bounded(age_us), .took_us = bounded(took_us)};
}

size_t apply_log_after(const struct apply_log *apply_log, uint64_t after,
                       struct applied_set ret_sets[APPLY_LOG_MOST], uint64_t *ret_first)
{
    if (after > apply_log->count)
        after = apply_log->count;
    if (apply_log->count - after > APPLY_LOG_MOST)
        after = apply_log->count - APPLY_LOG_MOST;
    *ret_first = after + 1;
    size_t count = 0;
    while (after + count < apply_log->count) {
        ret_sets[count] = apply_log->sets[(after + count) % APPLY_LOG_MOST];
        count++;
    }
    return count;
}
