#include "invalidation/recent.h"

static uint32_t bounded(int64_t us)
{
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void recent_add(struct recent *recent, int64_t age_us, int64_t took_us)
{
    recent->sets[recent->count++ % RECENT_MOST] =
        (struct recent_set){.age_us = bounded(age_us), .took_us = bounded(took_us)};
}

size_t recent_after(const struct recent *recent, uint64_t after,
                    struct recent_set ret_sets[RECENT_MOST], uint64_t *ret_first)
{
    if (after > recent->count)
        after = recent->count;
    if (recent->count - after > RECENT_MOST)
        after = recent->count - RECENT_MOST;
    *ret_first = after + 1;
    size_t count = 0;
    while (after + count < recent->count) {
        ret_sets[count] = recent->sets[(after + count) % RECENT_MOST];
        count++;
    }
    return count;
}
