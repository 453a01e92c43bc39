#include "bench/checker/changer.h"

#include "bench/common/clock.h"

bool changer_init(struct changer *changer)
{
    return lottery_init(&changer->names, changer->history->names, changer->options->exponent);
}

void changer_free(struct changer *changer)
{
    lottery_free(&changer->names);
}

bool changer_is_still(const struct changer_options *options, uint32_t name)
{
    return options->still > 0 && name % options->still == 0;
}

/* ---- what ---- */

static enum change_kind draw_kind(struct changer *c)
{
    double sum = 0;
    for (int k = KIND_SET; k < KIND_COUNT; k++)
        sum += c->options->mix[k];
    double wanted = chance_draw(c->chance) * sum;
    for (int k = KIND_SET; k < KIND_COUNT; k++) {
        wanted -= c->options->mix[k];
        if (wanted < 0)
            return (enum change_kind)k;
    }
    return KIND_SET;
}

static uint32_t draw_name(struct changer *c)
{
    uint32_t name;
    do
        name = lottery_draw(&c->names, c->chance);
    while (changer_is_still(c->options, name) || c->undelegated[zone_of(c->zone, name)]);
    return name;
}

/* ---- who ---- */

/* One that is free; the first if none is. */
static unsigned draw_publisher(struct changer *c, int64_t now_us)
{
    for (unsigned tries = 4 * c->publishers; tries > 0; tries--) {
        const unsigned k = (unsigned)chance_below(c->chance, c->publishers);
        if (publisher_is_free(log_publisher(c->log, k), now_us))
            return k;
    }
    return 0;
}

static enum transaction_kind transactions_of(const struct changer *c, unsigned publisher)
{
    return publisher_manner(log_publisher(c->log, publisher))->transactions;
}

/* Whether the transaction that the next change of a publisher is in will be aborted. */
static bool draw_abort(struct changer *c, unsigned publisher)
{
    switch (transactions_of(c, publisher)) {
    case TRANSACTIONS_SHORT:
        return chance_draw(c->chance) < c->options->abort;
    case TRANSACTIONS_HANG:
        c->abort_next = !c->abort_next;
        return !c->abort_next;
    default:
        return false;
    }
}

/* ---- making it ---- */

static void publish(struct changer *c, uint32_t version, unsigned publisher)
{
    c->full = version == 0;
    if (c->full)
        return;
    c->history->changes[version].publisher = (uint8_t)publisher;
    log_publish(c->log, version);
}

static void change_name(struct changer *c, enum change_kind kind, unsigned publisher)
{
    const uint32_t name = draw_name(c);
    if (kind == KIND_DEL && c->history->changes[c->history->current[name]].gone)
        kind = KIND_SET;
    const uint32_t version = history_add(c->history, name, kind, clock_us());
    c->history->changes[version].outer =
        zone_of(c->zone, name) > 0 && chance_draw(c->chance) < c->options->outer;
    publish(c, version, publisher);
}

static void change_cut(struct changer *c, enum change_kind kind, unsigned publisher)
{
    const uint32_t number = 1 + (uint32_t)chance_below(c->chance, c->zone->inner);
    const int64_t now_us = clock_us();
    uint32_t set = 0;
    if (c->undelegated[number])
        kind = KIND_CUT;
    c->undelegated[number] = kind == KIND_UNCUT;
    for (uint32_t name = number; name < c->history->names; name += c->zone->inner + 1) {
        const uint32_t version = set ? history_join(c->history, set, name, now_us)
                                     : history_add(c->history, name, kind, now_us);
        if (version == 0)
            break;
        set = set ? set : version;
    }
    publish(c, set, publisher);
}

static void change(struct changer *c, unsigned publisher, bool abort)
{
    const enum change_kind kind = draw_kind(c);
    if (abort)
        publish(c, history_abort(c->history, draw_name(c), clock_us()), publisher);
    else if (c->zone->inner > 0 && kind >= KIND_CUT && kind <= KIND_UNCUT)
        change_cut(c, kind, publisher);
    else
        change_name(c, kind, publisher);
}

static void send_garbage(struct changer *c, int64_t now_us)
{
    if (c->options->garbage_s <= 0)
        return;
    if (c->garbage_at_us && now_us >= c->garbage_at_us)
        publisher_send_garbage(log_publisher(c->log, 0));
    if (now_us >= c->garbage_at_us)
        c->garbage_at_us = now_us + (int64_t)(c->options->garbage_s * US_PER_S);
}

void changer_step(struct changer *c, int64_t now_us)
{
    const unsigned publisher = draw_publisher(c, now_us);
    send_garbage(c, now_us);
    change(c, publisher, draw_abort(c, publisher));
}

bool changer_hang(struct changer *c, int64_t hang_us, bool abort)
{
    for (unsigned k = 0; k < c->publishers; k++) {
        if (transactions_of(c, k) != TRANSACTIONS_HANG)
            continue;
        publisher_hang_next(log_publisher(c->log, k), hang_us);
        change(c, k, abort);
        return true;
    }
    return false;
}
