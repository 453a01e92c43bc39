#include "bench/checker/tier.h"

#include <stdlib.h>

void tier_init(struct tier *tier)
{
    pthread_mutex_init(&tier->lock, NULL);
}

void tier_free(struct tier *tier)
{
    for (size_t k = 0; k < PARTITIONS_MAX; k++)
        free(tier->progress[k].advances);
    free(tier->seen);
    free(tier->seen_us);
    pthread_mutex_destroy(&tier->lock);
}

static bool make_room(struct progress *progress)
{
    if (progress->count < progress->room)
        return true;
    const size_t room = progress->room ? 2 * progress->room : 64;
    struct advance *larger = realloc(progress->advances, room * sizeof *larger);
    if (!larger)
        return false;
    progress->advances = larger;
    progress->room = room;
    return true;
}

void tier_advance(struct tier *tier, int partition, int64_t offset, struct window window)
{
    if (partition < 0 || partition >= PARTITIONS_MAX)
        return;
    struct progress *progress = &tier->progress[partition];
    if (offset <= atomic_load(&progress->applied))
        return;
    pthread_mutex_lock(&tier->lock);
    if (make_room(progress))
        progress->advances[progress->count++] = (struct advance){offset, window};
    pthread_mutex_unlock(&tier->lock);
    atomic_store(&progress->applied, offset);
}

bool tier_has_applied(const struct tier *tier, const struct change *set)
{
    const int64_t offset = atomic_load(&set->offset);
    if (offset < 0)
        return offset == OFFSET_NONE;
    const int partition = atomic_load(&set->partition);
    return partition < PARTITIONS_MAX && atomic_load(&tier->progress[partition].applied) > offset;
}

/* The first advance beyond an offset. */
static struct window find(const struct progress *progress, int64_t offset)
{
    size_t low = 0, high = progress->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (progress->advances[middle].offset > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low < progress->count ? progress->advances[low].window : (struct window){0};
}

struct window tier_window(struct tier *tier, const struct change *set)
{
    const int64_t offset = atomic_load(&set->offset);
    const int partition = atomic_load(&set->partition);
    if (offset < 0 || partition >= PARTITIONS_MAX)
        return (struct window){0};
    pthread_mutex_lock(&tier->lock);
    const struct window window = find(&tier->progress[partition], offset);
    pthread_mutex_unlock(&tier->lock);
    return window;
}

int64_t tier_applied(struct tier *tier)
{
    int64_t sum = 0;
    pthread_mutex_lock(&tier->lock);
    for (size_t k = 0; k < PARTITIONS_MAX; k++)
        if (tier->progress[k].count)
            sum += atomic_load(&tier->progress[k].applied) - tier->progress[k].advances[0].offset;
    pthread_mutex_unlock(&tier->lock);
    return sum;
}
