#include "invalidation/retention.h"

enum {
    BEHIND_LEAST = 1000, /* messages after a snapshot that are read in no time */
    BEHIND_SHARE = 4,    /* and more, a quarter as many as the zone has records */
};

const char *retention_verdict_text(enum retention_verdict verdict)
{
    static const char *const texts[] = {"fine", "due", "gapped"};
    return texts[verdict];
}

/* For how long the message right after the snapshot is sure to stay. */
static int64_t sure_ms(const struct retention_view *view)
{
    if (view->offset >= view->end || view->retention_ms == -1)
        return RETENTION_UNBOUNDED;
    if (view->retention_ms == RETENTION_UNKNOWN)
        return 0;
    return view->made_us / 1000 + view->retention_ms - view->now_us / 1000;
}

/* Half of the time is over; or, where time is not all that counts, it stands in the older half of the log. */
static bool is_late(const struct retention_view *view, const struct retention_margin *margin)
{
    const bool timed = view->retention_ms > 0;
    if (timed && margin->ms != RETENTION_UNBOUNDED && margin->ms < view->retention_ms / 2)
        return true;
    return view->retention_bytes != -1 && view->first > 0 && margin->behind > margin->messages;
}

struct retention_margin retention_judge(const struct retention_view *view)
{
    struct retention_margin margin = {.verdict = RETENTION_GAPPED, .messages = -1};
    if (!view->has_snapshot)
        return margin;
    margin.messages = view->offset - view->first;
    margin.behind = view->end > view->offset ? view->end - view->offset : 0;
    margin.ms = sure_ms(view);
    if (margin.messages < 0)
        return margin;
    const uint64_t many = BEHIND_LEAST + view->records / BEHIND_SHARE;
    const bool due = is_late(view, &margin) || (uint64_t)margin.behind > many;
    margin.verdict = due ? RETENTION_DUE : RETENTION_FINE;
    return margin;
}
