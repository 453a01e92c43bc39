#include "resolver/answer/forwarders.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/answer/pool.h"

enum {
    KEPT = 2048, /* inquiries whose memory waits for the next */
    ROUNDS = 3, /* each server is asked at most this often per question; twice that in other ways */
};

struct forwarders {
    struct source source;
    struct forwarders_options options;
    struct pool inquiries;
};

/* A question with them. */
struct asking {
    struct inquiry inquiry;
    struct wheel_timer timer;
    struct forwarders *forwarders;
    struct inquiry_options options;
    const struct question *question; /* borrowed */
    struct attempt *attempts;        /* under way */
    uint32_t tried;                  /* servers asked in this round, a bit each */
    uint32_t sent;                   /* queries, for this question */
    int ede;                         /* why nothing came of it so far */
};

/* ---- the end of a question ------------------------------------------------------------------ */

static void abandon_all(struct asking *asking)
{
    struct attempt *attempt, *next;
    DL_FOREACH_SAFE (asking->attempts, attempt, next)
        attempt_abandon(attempt);
    asking->attempts = NULL;
    wheel_stop(asking->forwarders->options.wheel, &asking->timer);
}

/* It may be gone afterwards. */
static void reply(struct asking *asking, const struct source_reply *reply)
{
    abandon_all(asking);
    asking->options.replied(asking->options.arg, reply);
}

static void give_up(struct asking *asking, struct micro now)
{
    reply(asking, &(struct source_reply){.ede = asking->ede, .now = now});
}

/* ---- attempts ------------------------------------------------------------------------------- */

/* Whichever comes first, the next attempt or the deadline. */
static void wait_at_most(struct asking *asking, uint32_t wait_ms, struct mono now)
{
    struct mono due = mono_add(now, wait_ms), deadline = asking->options.deadline;
    wheel_start(asking->forwarders->options.wheel, &asking->timer,
                due.ms < deadline.ms ? due : deadline, now);
}

static bool all_asked(const struct asking *asking)
{
    return asking->sent >= ROUNDS * asking->forwarders->options.servers->count;
}

static void attempted(void *arg, struct attempt *attempt, const struct attempt_result *result);

static void ask_server(struct asking *asking, size_t index, enum exchange_way way, struct micro now)
{
    const struct forwarders_options *options = &asking->forwarders->options;
    /* Before it is sent: what is asked within the process may come back for more at once. */
    wait_at_most(asking, servers_retransmit_ms(options->servers, index), micro_ms(now));
    asking->tried |= UINT32_C(1) << index;
    asking->sent++;
    struct attempt *attempt = attempt_send(options->attempts,
                                           &(struct attempt_order){
                                               .servers = options->servers,
                                               .index = index,
                                               .way = way,
                                               .question = asking->question,
                                               .shape = &asking->options,
                                               .ended = attempted,
                                               .arg = asking,
                                           },
                                           now);
    if (attempt)
        DL_APPEND(asking->attempts, attempt);
}

/* Asks the next server, or gives up when all were asked often enough. */
static void ask_next(struct asking *asking, struct micro now)
{
    struct servers *servers = asking->forwarders->options.servers;
    bool over = mono_reached(micro_ms(now), asking->options.deadline);
    if (over || (all_asked(asking) && !asking->attempts)) {
        give_up(asking, now);
        return;
    }
    if (all_asked(asking)) {
        wait_at_most(asking, UINT32_MAX, micro_ms(now));
        return;
    }
    uint32_t all = servers->count == SERVERS_MAX ? UINT32_MAX : (UINT32_C(1) << servers->count) - 1;
    if (asking->tried == all)
        asking->tried = 0;
    size_t index = servers_pick(servers, asking->tried, micro_ms(now));
    enum exchange_way way = attempt_first_way(servers->items[index].server, micro_ms(now));
    ask_server(asking, index, way, now);
}

/* The same server in another way; but some would have it go on like that for ever. */
static void ask_otherwise(struct asking *asking, size_t index, enum exchange_way way,
                          struct micro now)
{
    if (asking->sent < 2 * ROUNDS * asking->forwarders->options.servers->count) {
        ask_server(asking, index, way, now);
        return;
    }
    asking->ede = EDE_INVALID_DATA;
    ask_next(asking, now);
}

static void attempted(void *arg, struct attempt *attempt, const struct attempt_result *result)
{
    struct asking *asking = arg;
    DL_DELETE(asking->attempts, attempt);
    switch (result->end) {
    case ATTEMPT_USABLE:
        reply(asking, &(struct source_reply){
                          .message = result->message,
                          .origin = attempt->servers->items[attempt->index].server->stats->origin,
                          .now = result->now,
                      });
        break;
    case ATTEMPT_USELESS:
        asking->ede = result->ede;
        ask_next(asking, result->now);
        break;
    case ATTEMPT_AGAIN:
        ask_otherwise(asking, attempt->index, result->way, result->now);
        break;
    case ATTEMPT_SILENT: /* the timer sees to the others, while there are any to be asked */
        if (all_asked(asking) && !asking->attempts)
            give_up(asking, result->now);
        break;
    }
}

/* The server asked last has had its time: it is slow, and another one is asked as well. */
static void overdue(struct wheel_timer *timer, struct micro now)
{
    struct asking *asking = (struct asking *)((char *)timer - offsetof(struct asking, timer));
    struct attempt *attempt;
    DL_FOREACH (asking->attempts, attempt)
        attempt_overdue(attempt, micro_ms(now));
    ask_next(asking, now);
}

/* ---- the source ----------------------------------------------------------------------------- */

static struct inquiry *open_asking(struct source *source, const struct inquiry_options *options)
{
    struct forwarders *forwarders = (struct forwarders *)source;
    struct asking *asking = pool_get(&forwarders->inquiries);
    if (!asking)
        return NULL;
    asking->forwarders = forwarders;
    asking->timer = (struct wheel_timer){.ring = overdue};
    asking->options = *options;
    asking->attempts = NULL;
    return &asking->inquiry;
}

static void ask(struct inquiry *inquiry, const struct question *question, struct micro now)
{
    struct asking *asking = (struct asking *)inquiry;
    abandon_all(asking);
    asking->question = question;
    asking->tried = 0;
    asking->sent = 0;
    asking->ede = EDE_NO_REACHABLE_AUTHORITY;
    if (mono_reached(micro_ms(now), asking->options.deadline))
        wait_at_most(asking, 0, micro_ms(now));
    else
        ask_next(asking, now);
}

static void close_asking(struct inquiry *inquiry)
{
    struct asking *asking = (struct asking *)inquiry;
    abandon_all(asking);
    pool_put(&asking->forwarders->inquiries, asking);
}

/* AA: it is the authority. Without, the answer may have been in its cache since before any change. */
static void judge(const struct inquiry *inquiry, const struct source_reply *reply, struct stamp own,
                  struct source_worth *ret)
{
    (void)inquiry;
    const bool authority = reply->message->flags & FLAG_AA;
    *ret = (struct source_worth){.as_old_as = own, .vouched = authority, .second_hand = !authority};
}

static void free_forwarders(struct source *source)
{
    struct forwarders *forwarders = (struct forwarders *)source;
    servers_unref(forwarders->options.servers);
    pool_drain(&forwarders->inquiries);
    free(forwarders);
}

static const struct source_kind kind = {
    .open = open_asking,
    .ask = ask,
    .judge = judge,
    .close = close_asking,
    .free = free_forwarders,
};

struct source *forwarders_new(const struct forwarders_options *options)
{
    struct forwarders *forwarders = calloc(1, sizeof *forwarders);
    if (!forwarders) {
        servers_unref(options->servers);
        return NULL;
    }
    forwarders->source = (struct source){.kind = &kind, .references = 1};
    forwarders->options = *options;
    forwarders->inquiries = pool_of(sizeof(struct asking), KEPT);
    return &forwarders->source;
}
