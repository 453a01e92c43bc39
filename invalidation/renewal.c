#include "invalidation/renewal.h"

void renewal_rest(struct renewal *renewal)
{
    *renewal = (struct renewal){.stalled = false};
}

static uint64_t patience(const struct renewal *renewal)
{
    return renewal->patience_ms > 0 ? renewal->patience_ms : RENEWAL_FIRST_MS;
}

bool renewal_due(struct renewal *renewal, bool stalled, struct mono now)
{
    if (stalled && !renewal->stalled)
        renewal->since = now;
    renewal->stalled = stalled;
    if (!stalled || !mono_reached(now, mono_add(renewal->since, patience(renewal))))
        return false;
    const uint64_t next_ms = patience(renewal) * 2;
    renewal->patience_ms = next_ms < RENEWAL_LAST_MS ? next_ms : RENEWAL_LAST_MS;
    renewal->since = now;
    return true;
}
