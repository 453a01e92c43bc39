#include "resolver/answer/forwarders.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/answer/pool.h"

enum {
    KEPT = 512,        /* inquiries whose memory waits for the next */
    USELESS = 3,       /* responses of no use from one server: then it is not asked any more */
    OFTEN_MS = 400,    /* pauses grow up to this, */
    SHARE = 8,         /* to this part of the time that has passed, */
    SELDOM_MS = 1600,  /* or, when many wait, up to this: a millisecond for each */
    SHORT_MS = 60,     /* after a query by TCP where others by UDP do as well */
    ROUSED = 2,        /* how often a question is asked at once because a server is back */
    ROUSED_PER_MS = 8, /* questions that are */
    JUST_NOW_MS = 50,  /* a query as new as that may be answered without */
    SENT_MOST = 64,    /* queries for one question, whatever its time */
};

struct asking;

struct forwarders {
    struct source source;
    struct forwarders_options options;
    struct pool inquiries;
    struct asking *askings; /* under way, in the order in which they were asked */
    size_t count;
};

/* A question with them. */
struct asking {
    struct inquiry inquiry;
    struct wheel_timer timer;
    struct asking *prev, *next;
    struct forwarders *forwarders;
    struct inquiry_options options;
    const struct question *question; /* borrowed; NULL: nothing is under way */
    struct attempt *attempts;        /* under way */
    struct mono asked, sent_last;
    uint32_t tried;    /* servers asked in this round, a bit each */
    uint32_t hopeless; /* those with nothing useful to say */
    uint32_t hollow;   /* those that said nothing at all */
    uint16_t round;
    uint16_t sent; /* queries, for this question */
    uint16_t roused;
    int16_t
        back; /* the timer rings for this server, which answers again; -1: for whoever is next */
    int ede;  /* why nothing came of it so far */
    struct standing standings[]; /* of each server */
};

/* ---- the end of a question ------------------------------------------------------------------ */

static void abandon_all(struct asking *asking)
{
    struct attempt *attempt, *next;
    DL_FOREACH_SAFE (asking->attempts, attempt, next)
        attempt_abandon(attempt);
    asking->attempts = NULL;
    wheel_stop(asking->forwarders->options.wheel, &asking->timer);
    if (asking->question) {
        DL_DELETE(asking->forwarders->askings, asking);
        asking->forwarders->count--;
    }
    asking->question = NULL;
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

/*
 * How long a server is given before another is asked, or the same again: as long as it usually takes at first, then longer,
 * but not so long that an answer comes much later than the server does.
 */
static uint32_t patience_ms(const struct asking *asking, size_t index, struct mono now)
{
    enum { DOUBLINGS = 8 };
    const struct servers *servers = asking->forwarders->options.servers;
    const size_t waiting = asking->forwarders->count;
    const uint64_t share = (now.ms - asking->asked.ms) / SHARE;
    const uint32_t lowest = 2 * server_lowest_ms(servers->items[index].server);
    uint32_t ms = servers_retransmit_ms(servers, index), most = OFTEN_MS;
    if (ms == UINT32_MAX)
        return ms;
    ms <<= asking->round < DOUBLINGS ? asking->round : DOUBLINGS;
    if (most < lowest)
        most = lowest;
    if (most < share)
        most = (uint32_t)share;
    if (most < waiting)
        most = waiting < SELDOM_MS ? (uint32_t)waiting : SELDOM_MS;
    return ms < most ? ms : most;
}

static void attempted(void *arg, struct attempt *attempt, const struct attempt_result *result);

static void ask_server(struct asking *asking, size_t index, struct micro now)
{
    const struct forwarders_options *options = &asking->forwarders->options;
    const bool sent = asking->sent < SENT_MOST;
    /* Before it is sent: what is asked within the process may come back for more at once. */
    wait_at_most(asking, sent ? patience_ms(asking, index, micro_ms(now)) : UINT32_MAX,
                 micro_ms(now));
    asking->tried |= UINT32_C(1) << index;
    if (!sent)
        return;
    asking->sent++;
    asking->sent_last = micro_ms(now);
    struct attempt *attempt = attempt_send(options->attempts,
                                           &(struct attempt_order){
                                               .servers = options->servers,
                                               .index = index,
                                               .question = asking->question,
                                               .shape = &asking->options,
                                               .standing = &asking->standings[index],
                                               .ended = attempted,
                                               .arg = asking,
                                           },
                                           now);
    if (attempt)
        DL_APPEND(asking->attempts, attempt);
    if (attempt &&
        attempt->way == EXCHANGE_TCP) /* where it is one way of many it delays no other */
        wait_at_most(asking, attempt_needs_tcp(attempt) ? OFTEN_MS : SHORT_MS, micro_ms(now));
}

static uint32_t all_of(const struct servers *servers)
{
    return servers->count == SERVERS_MAX ? UINT32_MAX : (UINT32_C(1) << servers->count) - 1;
}

/* Somebody has answered, with nothing useful; and all others are known to be down. */
static bool is_hopeless(const struct asking *asking)
{
    const struct servers *servers = asking->forwarders->options.servers;
    for (size_t i = 0; i < servers->count; i++)
        if (!(asking->hopeless >> i & 1) &&
            (asking->hopeless == 0 || !servers->items[i].server->down))
            return false;
    return true;
}

/* Asks the next server, or the first again; or gives up when there is none. */
static void ask_next(struct asking *asking, struct micro now)
{
    struct servers *servers = asking->forwarders->options.servers;
    const uint32_t all = all_of(servers);
    if (mono_reached(micro_ms(now), asking->options.deadline) || is_hopeless(asking)) {
        give_up(asking, now);
        return;
    }
    if ((asking->tried | asking->hopeless) == all) {
        asking->tried = 0;
        asking->round++;
    }
    ask_server(asking, servers_pick(servers, asking->tried | asking->hopeless, micro_ms(now)), now);
}

/* There is nothing to wait for from this server: the next one now, unless all were asked and one may still answer. */
static void ask_another(struct asking *asking, bool waits, struct micro now)
{
    const uint32_t all = all_of(asking->forwarders->options.servers);
    const bool others = (asking->tried | asking->hopeless) != all;
    if (others || is_hopeless(asking) || (!waits && !asking->attempts))
        ask_next(asking, now);
}

/* It has nothing useful to say; after a few times of that it is left alone. */
static void is_useless(struct asking *asking, size_t index)
{
    struct attempt *attempt, *next;
    if (++asking->standings[index].useless < USELESS)
        return;
    asking->hopeless |= UINT32_C(1) << index;
    DL_FOREACH_SAFE (asking->attempts, attempt, next)
        if (attempt->index == index) {
            DL_DELETE(asking->attempts, attempt);
            attempt_abandon(attempt);
        }
}

/* Whether a server that says nothing is to be believed: it says so again, or nobody else is there who could say more. */
static bool is_believed(const struct asking *asking, size_t index)
{
    const struct servers *servers = asking->forwarders->options.servers;
    const uint32_t weighed = asking->hopeless | asking->hollow;
    if (asking->hollow >> index & 1)
        return true;
    for (size_t i = 0; i < servers->count; i++)
        if (i != index && !(weighed >> i & 1) && !servers->items[i].server->down)
            return false;
    return true;
}

static void attempted(void *arg, struct attempt *attempt, const struct attempt_result *result)
{
    struct asking *asking = arg;
    const size_t index = attempt->index;
    const struct server *server = attempt->servers->items[index].server;
    const bool hopeful = server_is_hopeful(server, micro_ms(result->now));
    DL_DELETE(asking->attempts, attempt);
    const bool doubted = result->end == ATTEMPT_HOLLOW && !is_believed(asking, index);
    switch (result->end) {
    case ATTEMPT_HOLLOW:
    case ATTEMPT_USABLE:
        if (doubted) {
            asking->hollow |= UINT32_C(1) << index;
            ask_another(asking, false, result->now);
            break;
        }
        reply(asking, &(struct source_reply){.message = result->message,
                                             .ede = result->ede,
                                             .unheeded = result->unheeded,
                                             .origin = server->stats->origin,
                                             .now = result->now});
        break;
    case ATTEMPT_USELESS:
        asking->ede = result->ede;
        is_useless(asking, index);
        ask_another(asking, false, result->now);
        break;
    case ATTEMPT_REFUSED: /* one that was there a moment ago may be back in another */
        asking->ede = EDE_NETWORK_ERROR;
        if (!hopeful)
            is_useless(asking, index);
        ask_another(asking, hopeful, result->now);
        break;
    case ATTEMPT_AGAIN:
        ask_server(asking, index, result->now);
        break;
    case ATTEMPT_SILENT: /* the timer sees to the others */
        break;
    }
}

/* The server asked last has had its time: it is slow, and another one is asked as well. Or one is back. */
static void overdue(struct wheel_timer *timer, struct micro now)
{
    struct asking *asking = (struct asking *)((char *)timer - offsetof(struct asking, timer));
    const int back = asking->back;
    struct attempt *attempt;
    asking->back = -1;
    if (back >= 0 && !(asking->hopeless >> back & 1) &&
        !mono_reached(micro_ms(now), asking->options.deadline)) {
        ask_server(asking, (size_t)back, now);
        return;
    }
    DL_FOREACH (asking->attempts, attempt)
        attempt_overdue(attempt);
    ask_next(asking, now);
}

/* A server is back: whoever waits asks it, one after the other, in a moment in which it can answer all. */
static void returned(void *arg, size_t index, struct micro now)
{
    struct forwarders *forwarders = arg;
    const struct mono ms = micro_ms(now);
    struct asking *asking;
    uint64_t place = 0;
    DL_FOREACH (forwarders->askings, asking) {
        const bool just_now = !mono_reached(ms, mono_add(asking->sent_last, JUST_NOW_MS));
        if (asking->roused == ROUSED || asking->hopeless >> index & 1)
            continue;
        asking->roused++;
        asking->back = (int16_t)index;
        wait_at_most(asking, (uint32_t)(place++ / ROUSED_PER_MS) + (just_now ? JUST_NOW_MS : 0),
                     ms);
    }
}

/* Servers that look as if they were not there are asked something of our own, beside whatever else is asked. */
static void look_after(struct forwarders *forwarders, struct micro now)
{
    const struct forwarders_options *options = &forwarders->options;
    size_t index;
    while (servers_to_probe(options->servers, micro_ms(now), &index))
        attempt_probe(options->attempts, options->servers, index, now);
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
    asking->question = NULL;
    asking->attempts = NULL;
    return &asking->inquiry;
}

static void ask(struct inquiry *inquiry, const struct question *question, struct micro now)
{
    struct asking *asking = (struct asking *)inquiry;
    struct forwarders *forwarders = asking->forwarders;
    abandon_all(asking);
    asking->question = question;
    asking->asked = micro_ms(now);
    asking->tried = asking->hopeless = asking->hollow = 0;
    asking->round = asking->sent = asking->roused = 0;
    asking->back = -1;
    asking->ede = EDE_NO_REACHABLE_AUTHORITY;
    memset(asking->standings, 0, forwarders->options.servers->count * sizeof *asking->standings);
    DL_APPEND(forwarders->askings, asking);
    forwarders->count++;
    look_after(forwarders, now);
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
    *ret = (struct source_worth){
        .as_old_as = own, .vouched = authority, .hand = authority ? FIRST_HAND : SECOND_HAND};
}

static void free_forwarders(struct source *source)
{
    struct forwarders *forwarders = (struct forwarders *)source;
    forwarders->options.servers->returned = NULL; /* queries under way may keep it */
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
    forwarders->inquiries =
        pool_of(sizeof(struct asking) + options->servers->count * sizeof(struct standing), KEPT);
    options->servers->returned = returned;
    options->servers->returned_arg = forwarders;
    return &forwarders->source;
}
