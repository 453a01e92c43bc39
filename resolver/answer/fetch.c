#include "resolver/answer/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "resolver/answer/chain.h"
#include "resolver/answer/compose.h"
#include "resolver/answer/pool.h"

enum {
    KEPT = 512,                /* fetches whose memory waits for the next */
    FAILED = 1024,             /* questions that nobody has answered, remembered */
    FAILED_MS = 1000,          /* for so long (RFC 9520 3.2) */
    BEHIND_FIRST_PAUSE_MS = 1, /* before a source that is behind is asked again; then doubled */
    BEHIND_LAST_PAUSE_MS = 16, /* past this, its answer is taken for what it is */
    BEHIND_WINDOW_MS = 32,     /* what we applied longer ago it will not have in a moment */
    LAG_MS = 250,        /* and who lacks what we applied so long ago lags: nothing is waited */
    LAG_LASTS_MS = 1000, /* for there until this has passed since it was seen */
};

struct fetch {
    struct wheel_timer rest; /* before a source that is behind, or was silent, is asked again */
    struct fetcher *fetcher;
    struct fetch_request request;
    struct question asked; /* where the chain stands */
    struct chain chain;
    struct source *source;     /* a reference: of the one that is asked now */
    struct inquiry *inquiry;   /* with it */
    struct source_worth worth; /* of the replies so far, all in all */
    int ede;                   /* what the replies say of themselves */
    bool unheeded;             /* some of them may lack the DNSSEC records that were wanted */
    uint32_t pause_ms;         /* the next rest */
};

/* A question that nobody has answered in time. */
struct failed {
    uint64_t hash;
    struct mono until; /* not asked again before */
};

struct fetcher {
    struct wheel *wheel;
    struct failed failed[FAILED]; /* by hash */
    const struct validity *validity;
    struct composer *composer;
    struct pool fetches;
};

struct fetcher *fetcher_new(struct wheel *wheel, const struct validity *validity)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return NULL;
    fetcher->wheel = wheel;
    fetcher->validity = validity;
    fetcher->fetches = pool_of(sizeof(struct fetch), KEPT);
    fetcher->composer = composer_new(validity);
    if (!fetcher->composer) {
        free(fetcher);
        return NULL;
    }
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    composer_free(fetcher->composer);
    pool_drain(&fetcher->fetches);
    free(fetcher);
}

struct wheel *fetcher_wheel(struct fetcher *fetcher)
{
    return fetcher->wheel;
}

/* ---- its end -------------------------------------------------------------------------------- */

void fetch_cancel(struct fetch *fetch)
{
    if (!fetch)
        return;
    inquiry_close(fetch->inquiry);
    chain_free(&fetch->chain);
    wheel_stop(fetch->fetcher->wheel, &fetch->rest);
    source_unref(fetch->source);
    pool_put(&fetch->fetcher->fetches, fetch);
}

/* Hands the answer over; the fetch is gone afterwards, its bytes are the composer's. */
static void finish(struct fetch *fetch, struct answer *answer, struct micro now)
{
    void (*done)(void *, struct answer *, struct micro) = fetch->request.done;
    void *arg = fetch->request.arg;
    fetch_cancel(fetch);
    done(arg, answer, now);
}

static void fail(struct fetch *fetch, int ede, struct micro now)
{
    finish(fetch, compose_failure(fetch->fetcher->composer, fetch->request.question, ede), now);
}

/* A failure that is not kept. */
static void fail_for_now(struct fetch *fetch, int ede, struct micro now)
{
    struct answer *failure =
        compose_failure(fetch->fetcher->composer, fetch->request.question, ede);
    failure->ttl = 0;
    finish(fetch, failure, now);
}

/* And whom it goes to. */
static uint64_t hash_question(const struct fetch *fetch)
{
    const struct question *question = fetch->request.question;
    return validity_hash(fetch->fetcher->validity, question->name, question->name_size) ^
           question->type ^ (uintptr_t)fetch->request.source;
}

/*
 * Nobody has answered in time. That is not kept, as what somebody says is: whoever asks next would be told of a silence that
 * may be over. His question leaves when a kept failure would have gone, and he waits for that. Those who are given more
 * time in `done` do not.
 */
static void run_out_of_time(struct fetch *fetch, int ede, struct micro now)
{
    struct fetcher *fetcher = fetch->fetcher;
    const struct failed failed = {hash_question(fetch), mono_add(micro_ms(now), FAILED_MS)};
    fail_for_now(fetch, ede, now);
    fetcher->failed[failed.hash % FAILED] = failed;
}

/* The moment before which the question should not be asked; in the past where nothing speaks against it. */
static struct mono first_time(const struct fetch *fetch)
{
    const uint64_t hash = hash_question(fetch);
    const struct failed *failed = &fetch->fetcher->failed[hash % FAILED];
    return failed->hash == hash ? failed->until : (struct mono){0};
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool leaves(const void *arg, const uint8_t *name)
{
    const struct fetch *fetch = arg;
    const struct fetch_request *request = &fetch->request;
    return request->choose(request->choose_arg, name, fetch->request.question->type) !=
           fetch->source;
}

static void start_chain(struct fetch *fetch)
{
    fetch->worth =
        (struct source_worth){.as_old_as = fetch->request.stamp, .vouched = true, .exact = true};
    fetch->ede = EDE_NONE;
    fetch->unheeded = false;
    chain_start(&fetch->chain, fetch->request.question, fetch->request.dnssec_ok);
    if (fetch->request.choose) {
        fetch->chain.leaves = leaves;
        fetch->chain.leaves_arg = fetch;
    }
}

static void replied(void *arg, const struct source_reply *reply);

/* Turns to a source, with a reference to it. */
static int turn_to(struct fetch *fetch, struct source *source, struct micro now)
{
    inquiry_close(fetch->inquiry);
    source_unref(fetch->source);
    fetch->source = source;
    fetch->inquiry = inquiry_open(source, &(struct inquiry_options){
                                              .dnssec_ok = fetch->request.dnssec_ok,
                                              .checking_disabled = fetch->request.checking_disabled,
                                              .now = micro_ms(now),
                                              .deadline = fetch->request.deadline,
                                              .replied = replied,
                                              .arg = fetch,
                                          });
    return fetch->inquiry ? ERR_OK : ERR_MEMORY;
}

/* Turns to whoever is asked for the name where the chain stands. */
static int turn_to_next(struct fetch *fetch, struct micro now)
{
    const struct fetch_request *request = &fetch->request;
    if (!request->choose || !leaves(fetch, fetch->chain.name))
        return ERR_OK;
    struct source *next =
        request->choose(request->choose_arg, fetch->chain.name, fetch->request.question->type);
    return turn_to(fetch, source_ref(next), now);
}

/* Asks for where the chain stands. */
static void ask(struct fetch *fetch, struct micro now)
{
    struct question *asked = &fetch->asked;
    asked->name_size = (uint8_t)name_size(fetch->chain.name);
    name_lower(fetch->chain.name, asked->name_size, asked->name);
    inquiry_ask(fetch->inquiry, asked, now);
}

/* From the question again, after a pause: the source will have applied more by then. */
static void ask_again_later(struct fetch *fetch, struct micro now)
{
    struct mono due = mono_add(micro_ms(now), fetch->pause_ms), deadline = fetch->request.deadline;
    chain_free(&fetch->chain);
    start_chain(fetch);
    if (turn_to_next(fetch, now) != ERR_OK) {
        fail(fetch, EDE_OTHER, now);
        return;
    }
    wheel_start(fetch->fetcher->wheel, &fetch->rest, due.ms < deadline.ms ? due : deadline,
                micro_ms(now));
    fetch->pause_ms *= 2;
}

/* The deadline in a rest is no silence: nothing was asked meanwhile. */
static void rested(struct wheel_timer *timer, struct micro now)
{
    struct fetch *fetch = (struct fetch *)timer;
    if (mono_reached(micro_ms(now), fetch->request.deadline))
        fail_for_now(fetch, EDE_NO_REACHABLE_AUTHORITY, now);
    else
        ask(fetch, now);
}

/* ---- replies -------------------------------------------------------------------------------- */

/* The whole is worth what its least part is. */
static void take_worth(struct fetch *fetch, const struct source_reply *reply)
{
    struct source_worth *all = &fetch->worth, one;
    inquiry_judge(fetch->inquiry, reply, fetch->request.stamp, &one);
    fetch->ede = fetch->ede == EDE_NONE ? reply->ede : fetch->ede;
    fetch->unheeded |= reply->unheeded;
    if (stamp_after(all->as_old_as, one.as_old_as))
        all->as_old_as = one.as_old_as;
    all->provisional |= one.provisional;
    all->exact &= one.exact;
    all->hand = one.hand > all->hand ? one.hand : all->hand;
    all->outside |= one.outside;
    all->unplaced |= one.unplaced;
    all->vouched =
        all->vouched && one.vouched && !compose_shows_cut(fetch->fetcher->composer, reply->message);
}

/* Whether something in the answer was touched by a change that we had applied and its source had not. */
static bool is_behind(const struct fetch *fetch, const struct answer *answer,
                      struct mono *ret_changed)
{
    const struct validity *validity = fetch->fetcher->validity;
    const struct dependent dependent = validity_dependent(validity, &answer->dependencies);
    if (answer->dependencies.zone == ZONE_NONE ||
        validity_holds(validity, &dependent, answer->as_old_as) ||
        !validity_holds(validity, &dependent, fetch->request.stamp))
        return false;
    validity_moment(validity, validity_newest_mark(validity, &dependent), ret_changed);
    return true;
}

/* Whether the source may have applied in a moment what we applied at `changed`. */
static bool may_catch_up(const struct fetch *fetch, struct mono changed, struct mono now)
{
    if (mono_reached(now, mono_add(changed, LAG_MS)))
        fetch->source->lags_until = mono_add(now, LAG_LASTS_MS);
    return fetch->pause_ms <= BEHIND_LAST_PAUSE_MS &&
           !mono_reached(now, mono_add(changed, BEHIND_WINDOW_MS)) &&
           mono_reached(now, fetch->source->lags_until);
}

static void succeed(struct fetch *fetch, enum chain_end end, const struct source_reply *reply)
{
    struct fetch_counters *counters = fetch->request.counters;
    struct mono changed;
    struct answer *answer =
        compose_answer(fetch->fetcher->composer, &(struct composition){
                                                     .question = fetch->request.question,
                                                     .chain = &fetch->chain,
                                                     .end = end,
                                                     .dnssec_ok = fetch->request.dnssec_ok,
                                                     .worth = &fetch->worth,
                                                     .origin = reply->origin,
                                                     .ede = fetch->ede,
                                                 });
    if (!answer) {
        fail(fetch, EDE_INVALID_DATA, reply->now);
        return;
    }
    counter_add(&counters->no_position, answer->hand >= SECOND_HAND_PARENT);
    if (is_behind(fetch, answer, &changed)) {
        counter_add(&counters->behind, 1);
        if (may_catch_up(fetch, changed, micro_ms(reply->now))) {
            ask_again_later(fetch, reply->now);
            return;
        }
        counter_add(&counters->uncached, 1);
        answer_disown(answer);
    } else if (fetch->unheeded) {
        /* What is kept for those who want DNSSEC records was asked for with them. */
        counter_add(&counters->unheeded, 1);
        answer_disown(answer);
    }
    finish(fetch, answer, reply->now);
}

static void go_on(struct fetch *fetch, struct micro now)
{
    if (chain_keep(&fetch->chain) == ERR_OK && turn_to_next(fetch, now) == ERR_OK)
        ask(fetch, now);
    else
        fail(fetch, EDE_OTHER, now);
}

static void replied(void *arg, const struct source_reply *reply)
{
    struct fetch *fetch = arg;
    if (!reply->message && mono_reached(micro_ms(reply->now), fetch->request.deadline)) {
        run_out_of_time(fetch, reply->ede, reply->now);
        return;
    }
    if (!reply->message) {
        fail(fetch, reply->ede, reply->now);
        return;
    }
    enum chain_end end = chain_follow(&fetch->chain, reply->message);
    take_worth(fetch, reply);
    if (end == CHAIN_CONTINUES)
        go_on(fetch, reply->now);
    else if (end == CHAIN_REFERRAL)
        fail(fetch, EDE_NO_REACHABLE_AUTHORITY, reply->now);
    else if (end == CHAIN_BROKEN)
        fail(fetch, EDE_INVALID_DATA, reply->now);
    else
        succeed(fetch, end, reply);
}

struct answer *fetch_at_once(struct fetcher *fetcher, struct source *source,
                             const struct question *question, bool dnssec_ok, struct stamp stamp)
{
    struct source_told told;
    if (!source->kind->tell || !source->kind->tell(source, question, dnssec_ok, &told))
        return NULL;
    return compose_told(fetcher->composer, &(struct told_composition){.question = question,
                                                                      .told = &told,
                                                                      .dnssec_ok = dnssec_ok,
                                                                      .stamp = stamp});
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                          struct micro now)
{
    struct fetch *fetch = pool_get(&fetcher->fetches);
    if (!fetch)
        return NULL;
    fetch->fetcher = fetcher;
    fetch->request = *request;
    fetch->asked.type = request->question->type;
    fetch->asked.class = request->question->class;
    fetch->rest = (struct wheel_timer){.ring = rested};
    fetch->source = NULL;
    fetch->inquiry = NULL;
    fetch->pause_ms = BEHIND_FIRST_PAUSE_MS;
    start_chain(fetch);
    if (turn_to(fetch, source_ref(request->source), now) != ERR_OK) {
        fetch_cancel(fetch);
        return NULL;
    }
    const struct mono first = first_time(fetch), deadline = request->deadline;
    if (mono_reached(micro_ms(now), first))
        ask(fetch, now);
    else
        wheel_start(fetcher->wheel, &fetch->rest, first.ms < deadline.ms ? first : deadline,
                    micro_ms(now));
    return fetch;
}
