#include "resolver/daemon/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "resolver/answer/attempt.h"
#include "resolver/net/clock.h"
#include "daemon/log.h"
#include "resolver/net/clockwork.h"
#include "resolver/net/ports.h"
#include "resolver/net/udp.h"
#include "resolver/daemon/query_log.h"

enum {
    DRAIN_LOOK_MS = 10,
    FLUSH_MS = 200,      /* for the last answers to leave by TCP */
    WARM_JITTER_MS = 20, /* caches that hear of the same change do not ask at the same moment */
    WARM_MAX = 4096,     /* questions that wait for that */
};

/* A question to be fetched again. */
struct warming {
    struct warming *next;
    size_t tier_index;
    struct answer_key key;
};

/* Sockets that were opened while it runs. */
struct opening {
    struct opening *next;
    struct worker_place place;
};

struct endpoint {
    struct endpoint *next;
    size_t place;
    int tcp_fd; /* the pool's */
    struct udp_listener *udp;
};

struct worker {
    struct worker_options options;
    pthread_t thread;
    bool running;
    struct event_base *base;
    struct clockwork *clockwork;
    struct entropy entropy;
    struct ports_budget ports;
    struct attempts *attempts;
    struct known_servers *known;
    struct zone_desk *desk;           /* for streamed zones */
    struct handouts *handouts;        /* likewise */
    struct event *sweep;              /* of servers that nobody asks any more */
    struct fetcher *fetcher;          /* for tiers that subscribe */
    struct fetcher *plain;            /* for those that do not */
    struct tier_worker *tier_workers; /* one per tier */
    struct endpoint *endpoints;
    struct tcp_pool *tcp;
    int wake_fd;
    struct event *wake;
    struct event *drain;
    struct event *warm;
    struct mono drain_until;
    bool given_up;                 /* all have their answer; only bytes may still be on their way */
    _Atomic unsigned pings, pongs; /* asked whether it is alive; and answered up to here */
    pthread_mutex_t lock;          /* guards what follows: the mailbox */
    struct worker_settings wanted;
    bool reload_wanted;
    bool stop_wanted;
    uint64_t grace_ms;
    struct opening *openings;
    struct warming *warmings;
    size_t warming_count;
};

/* The tier_worker of the tier that this one asks; NULL: it asks servers. */
static struct tier_worker *tier_worker_above(struct worker *worker, const struct tier *tier)
{
    for (size_t i = 0; tier->above && i < worker->options.tier_count; i++)
        if (strcmp(worker->options.tiers[i]->name, tier->above) == 0)
            return &worker->tier_workers[i];
    return NULL;
}

static struct routes *routes_of(struct worker *worker, size_t i)
{
    const struct tier_worker *tier_worker = &worker->tier_workers[i];
    struct tier *tier = worker->options.tiers[i];
    return tier_routes(tier, &(struct tier_ways){
                                 .base = worker->base,
                                 .wheel = clockwork_wheel(worker->clockwork),
                                 .attempts = worker->attempts,
                                 .known = worker->known,
                                 .desk = worker->desk,
                                 .above = tier_worker_above(worker, tier),
                                 .positions = tier_worker->positions,
                                 .ports = &worker->ports,
                             });
}

static bool tier_worker_open(struct worker *worker, size_t i)
{
    struct tier_worker *tier_worker = &worker->tier_workers[i];
    struct tier *tier = worker->options.tiers[i];
    const struct following *follows =
        tier->subscribed ? &worker->options.follows : &worker->options.follows_not;
    tier_worker->store = tier->store;
    tier_worker->per_client = tier->per_client;
    tier_worker->trust_ad = tier_trusts_ad(tier);
    tier_worker->validity = follows->validity;
    tier_worker->positions = follows->positions;
    tier_networks(tier, &tier_worker->position_for);
    tier_worker->told = query_log_listener();
    tier_worker->told_arg = tier->name;
    tier_worker->misfit = kin_misfit;
    tier_worker->misfit_arg = tier->kin;
    tier_worker->local = tier_local(tier);
    tier_worker->admission = tier_admission(tier);
    tier_worker->authority = tier_authority(tier);
    tier_worker->handouts = worker->handouts;
    tier_worker->resolve_timeout_ms = worker->options.settings.resolve_timeout_ms;
    struct routes *routes = routes_of(worker, i);
    if (!routes)
        return false;
    tier_worker->inflight = inflight_new(&(struct inflight_options){
        .fetcher = tier->subscribed ? worker->fetcher : worker->plain,
        .validity = tier_worker->validity,
        .store = tier_worker->store,
        .routes = routes,
        .second_hand = kin_second_hand,
        .second_hand_arg = tier->kin,
        .full = tier_is_full,
        .full_arg = tier,
    });
    return tier_worker->inflight != NULL;
}

static bool is_drained(const struct worker *worker)
{
    for (size_t i = 0; i < worker->options.tier_count; i++)
        if (inflight_waiters(worker->tier_workers[i].inflight) > 0)
            return false;
    struct endpoint *endpoint;
    LL_FOREACH (worker->endpoints, endpoint)
        if (udp_holds_back(endpoint->udp))
            return false;
    return !tcp_pool_busy(worker->tcp);
}

/* A tier that another asks has clients too: that one. */
static void answer_waiters(struct worker *worker)
{
    for (size_t i = 0; i < worker->options.tier_count; i++)
        inflight_give_up(worker->tier_workers[i].inflight, mono_now());
}

/* Takes nothing new, and answers whoever waits. Who is connected is answered on, but nobody waits any more. */
static void give_up(struct worker *worker)
{
    struct endpoint *endpoint;
    LL_FOREACH (worker->endpoints, endpoint)
        udp_stop_reading(endpoint->udp);
    tcp_pool_stop_accepting(worker->tcp);
    answer_waiters(worker);
    worker->given_up = true;
    worker->drain_until = mono_add(mono_now(), FLUSH_MS);
}

static void look_if_drained(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct worker *worker = arg;
    bool late = mono_reached(mono_now(), worker->drain_until);
    if (worker->given_up)
        answer_waiters(worker);
    if (!worker->given_up && (late || is_drained(worker)))
        give_up(worker);
    else if (worker->given_up && (late || !tcp_pool_busy(worker->tcp)))
        event_base_loopbreak(worker->base);
}

static void start_draining(struct worker *worker, uint64_t grace_ms)
{
    worker->drain_until = mono_add(mono_now(), grace_ms);
    event_add(worker->drain, &(struct timeval){.tv_usec = DRAIN_LOOK_MS * 1000});
}

static void take_settings(struct worker *worker, const struct worker_settings *settings)
{
    tcp_pool_configure(worker->tcp, &settings->tcp);
    worker->ports.most = settings->ports;
    for (size_t i = 0; i < worker->options.tier_count; i++) {
        struct tier_worker *tier_worker = &worker->tier_workers[i];
        struct tier *tier = worker->options.tiers[i];
        tier_worker->resolve_timeout_ms = settings->resolve_timeout_ms;
        tier_worker->told = query_log_listener();
        tier_worker->trust_ad = tier_trusts_ad(tier);
        tier_networks(tier, &tier_worker->position_for);
        local_unref(tier_worker->local);
        tier_worker->local = tier_local(tier);
        admission_unref(tier_worker->admission);
        tier_worker->admission = tier_admission(tier);
        authority_unref(tier_worker->authority);
        tier_worker->authority = tier_authority(tier);
        struct routes *routes = routes_of(worker, i);
        if (!routes) {
            log_line(LOG_LEVEL_ERROR, "msg=\"forwarders not reloaded: no memory\" tier=%s",
                     tier->name);
            continue;
        }
        inflight_set_routes(tier_worker->inflight, routes);
    }
}

/* The key as the question it was made of; its name is canonical. */
static void question_of(const struct answer_key *key, struct question *ret)
{
    const uint8_t *name = answer_key_name(key->bytes);
    ret->name_size = (uint8_t)name_size(name);
    memcpy(ret->name, name, ret->name_size);
    ret->type = wire_get_u16(key->bytes);
    ret->class = wire_get_u16(key->bytes + 2);
}

static void warm_up(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    struct warming *warmings = worker->warmings, *warming, *next;
    worker->warmings = NULL;
    worker->warming_count = 0;
    pthread_mutex_unlock(&worker->lock);
    LL_FOREACH_SAFE (warmings, warming, next) {
        struct tier_worker *tier_worker = &worker->tier_workers[warming->tier_index];
        struct question question;
        question_of(&warming->key, &question);
        inflight_prefetch(tier_worker->inflight, &warming->key, &question, micro_now(),
                          tier_worker->resolve_timeout_ms);
        free(warming);
    }
}

static void schedule_warming(struct worker *worker)
{
    if (event_pending(worker->warm, EV_TIMEOUT, NULL))
        return;
    long us = (long)arc4random_uniform(WARM_JITTER_MS * 1000);
    event_add(worker->warm, &(struct timeval){.tv_usec = us});
}

/* What was served at that place is not, from here on. */
static void leave_place(struct worker *worker, size_t place)
{
    struct endpoint *endpoint, *next;
    LL_FOREACH_SAFE (worker->endpoints, endpoint, next) {
        if (endpoint->place != place)
            continue;
        LL_DELETE(worker->endpoints, endpoint);
        tcp_pool_leave(worker->tcp, endpoint->tcp_fd);
        udp_retire(endpoint->udp);
        free(endpoint);
    }
}

static bool listen_here(struct worker *worker, const struct worker_place *place)
{
    struct tier_worker *tier_worker = &worker->tier_workers[place->tier_index];
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    leave_place(worker, place->place);
    if (!endpoint) {
        close(place->udp);
        close(place->tcp);
        return false;
    }
    endpoint->place = place->place;
    endpoint->tcp_fd = place->tcp;
    endpoint->udp = udp_new(worker->base, place->udp, tier_worker);
    if (!endpoint->udp) {
        free(endpoint);
        close(place->tcp);
        return false;
    }
    LL_PREPEND(worker->endpoints, endpoint);
    return tcp_pool_listen(worker->tcp, place->tcp, tier_worker);
}

static void listen_late(struct worker *worker, struct opening *openings)
{
    struct opening *opening, *next;
    LL_FOREACH_SAFE (openings, opening, next) {
        if (!listen_here(worker, &opening->place))
            log_line(LOG_LEVEL_ERROR, "msg=\"not listening: no memory\" tier=%s",
                     worker->options.tiers[opening->place.tier_index]->name);
        free(opening);
    }
}

static void woken(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct worker *worker = arg;
    eventfd_t count;
    (void)eventfd_read(fd, &count);
    worker->pongs = worker->pings;
    clockwork_look(worker->clockwork);
    pthread_mutex_lock(&worker->lock);
    struct worker_settings settings = worker->wanted;
    uint64_t grace_ms = worker->grace_ms;
    bool reload = worker->reload_wanted, stop = worker->stop_wanted;
    bool warm = worker->warmings != NULL;
    struct opening *openings = worker->openings;
    worker->openings = NULL;
    worker->reload_wanted = worker->stop_wanted = false;
    pthread_mutex_unlock(&worker->lock);
    listen_late(worker, openings);
    if (warm)
        schedule_warming(worker);
    if (reload)
        take_settings(worker, &settings);
    if (stop)
        start_draining(worker, grace_ms);
}

static void sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct worker *worker = arg;
    known_servers_sweep(worker->known);
}

/* c-ares may be on the stack below us: its channels can only go from the loop. */
static void sweep_soon(void *arg)
{
    struct worker *worker = arg;
    event_active(worker->sweep, EV_TIMEOUT, 0);
}

static uint64_t unix_now(void)
{
    return (uint64_t)time(NULL);
}

/* What all its questions to others share. */
static bool build_asking(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    worker->clockwork = clockwork_new(worker->base);
    worker->attempts = attempts_new(&worker->entropy);
    worker->sweep = event_new(worker->base, -1, 0, sweep, worker);
    worker->known = known_servers_new(&worker->entropy, sweep_soon, worker);
    if (!worker->clockwork || !worker->attempts || !worker->sweep || !worker->known)
        return false;
    struct wheel *wheel = clockwork_wheel(worker->clockwork);
    worker->desk = zone_desk_new(wheel);
    worker->handouts =
        handouts_new(&(struct handouts_options){.places = options->places, .unix_now = unix_now});
    worker->fetcher = fetcher_new(wheel, options->follows.validity);
    worker->plain = fetcher_new(wheel, options->follows_not.validity);
    return worker->fetcher && worker->plain && worker->desk && worker->handouts;
}

static bool build(struct worker *worker)
{
    size_t tiers = worker->options.tier_count;
    worker->tier_workers = calloc(tiers, sizeof *worker->tier_workers);
    worker->base = event_base_new();
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!worker->tier_workers || !worker->base || worker->wake_fd < 0 || !build_asking(worker))
        return false;
    worker->tcp = tcp_pool_new(worker->base, &worker->options.settings.tcp);
    worker->wake = event_new(worker->base, worker->wake_fd, EV_READ | EV_PERSIST, woken, worker);
    worker->drain = event_new(worker->base, -1, EV_PERSIST, look_if_drained, worker);
    worker->warm = event_new(worker->base, -1, 0, warm_up, worker);
    if (!worker->tcp || !worker->wake || !worker->drain || !worker->warm ||
        event_add(worker->wake, NULL) != 0)
        return false;
    for (size_t i = 0; i < tiers; i++)
        if (!tier_worker_open(worker, i))
            return false;
    return true;
}

struct worker *worker_new(const struct worker_options *options)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->options = *options;
    worker->ports.most = options->settings.ports;
    worker->wake_fd = -1;
    pthread_mutex_init(&worker->lock, NULL);
    if (!build(worker)) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

static void wake(struct worker *worker)
{
    (void)eventfd_write(worker->wake_fd, 1);
}

bool worker_listen(struct worker *worker, const struct worker_place *place)
{
    if (!worker->running)
        return listen_here(worker, place);
    struct opening *opening = malloc(sizeof *opening);
    if (!opening) {
        close(place->udp);
        close(place->tcp);
        return false;
    }
    *opening = (struct opening){.place = *place};
    pthread_mutex_lock(&worker->lock);
    LL_APPEND(worker->openings, opening);
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
    return true;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    zone_reader_register();
    event_base_dispatch(worker->base);
    zone_reader_unregister();
    return NULL;
}

int worker_start(struct worker *worker)
{
    /* Signals are the main thread's. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    worker->running = pthread_create(&worker->thread, NULL, run, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return worker->running ? ERR_OK : ERR_SYSTEM;
}

void worker_reload(struct worker *worker, const struct worker_settings *settings)
{
    pthread_mutex_lock(&worker->lock);
    worker->wanted = *settings;
    worker->reload_wanted = true;
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_warm(struct worker *worker, size_t tier_index, const struct answer_key *key)
{
    struct warming *warming = malloc(sizeof *warming);
    if (!warming)
        return;
    warming->tier_index = tier_index;
    warming->key = *key;
    pthread_mutex_lock(&worker->lock);
    bool room = worker->warming_count < WARM_MAX;
    if (room) {
        LL_PREPEND(worker->warmings, warming);
        worker->warming_count++;
    }
    pthread_mutex_unlock(&worker->lock);
    if (room)
        wake(worker);
    else
        free(warming);
}

void worker_look_at_clock(struct worker *worker)
{
    wake(worker);
}

bool worker_ping(struct worker *worker)
{
    bool alive = worker->pongs == worker->pings;
    if (alive)
        worker->pings++;
    wake(worker);
    return alive;
}

void worker_stop(struct worker *worker, uint64_t grace_ms)
{
    pthread_mutex_lock(&worker->lock);
    worker->grace_ms = grace_ms;
    worker->stop_wanted = true;
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_join(struct worker *worker)
{
    if (worker->running)
        pthread_join(worker->thread, NULL);
    worker->running = false;
}

static void clear_tier_workers(struct worker *worker)
{
    for (size_t i = 0; worker->tier_workers && i < worker->options.tier_count; i++) {
        inflight_free(worker->tier_workers[i].inflight);
        local_unref(worker->tier_workers[i].local);
        admission_unref(worker->tier_workers[i].admission);
        authority_unref(worker->tier_workers[i].authority);
    }
    known_servers_free(worker->known);
    zone_desk_free(worker->desk);
    handouts_free(worker->handouts);
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    tcp_pool_free(worker->tcp); /* transfers end with their connections */
    clear_tier_workers(worker);
    struct endpoint *endpoint, *next;
    LL_FOREACH_SAFE (worker->endpoints, endpoint, next) {
        udp_free(endpoint->udp);
        free(endpoint);
    }
    free(worker->tier_workers); /* the listeners count what they still sent */
    fetcher_free(worker->fetcher);
    fetcher_free(worker->plain);
    attempts_free(worker->attempts);
    clockwork_free(worker->clockwork);
    if (worker->sweep)
        event_free(worker->sweep);
    if (worker->wake)
        event_free(worker->wake);
    if (worker->drain)
        event_free(worker->drain);
    if (worker->warm)
        event_free(worker->warm);
    struct opening *opening, *next_opening;
    LL_FOREACH_SAFE (worker->openings, opening, next_opening) {
        close(opening->place.udp);
        close(opening->place.tcp);
        free(opening);
    }
    struct warming *warming, *next_warming;
    LL_FOREACH_SAFE (worker->warmings, warming, next_warming)
        free(warming);
    if (worker->base) {
        /* What libevent put off of streams that were closed keeps them until it has had its turn. */
        (void)event_base_loop(worker->base, EVLOOP_NONBLOCK);
        event_base_free(worker->base);
    }
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void worker_count(const struct worker *worker, size_t tier_index, struct tier_counters *ret)
{
    const struct tier_worker *tier_worker = &worker->tier_workers[tier_index];
    const struct inflight_counters *inflight = inflight_counters(tier_worker->inflight);
    *ret = (struct tier_counters){
        .queries = counter_get(&tier_worker->counters.queries),
        .malformed = counter_get(&tier_worker->counters.malformed),
        .refused = counter_get(&tier_worker->counters.refused),
        .dropped = counter_get(&tier_worker->counters.dropped),
        .truncated = counter_get(&tier_worker->counters.truncated),
        .local = counter_get(&tier_worker->counters.local),
        .authoritative = counter_get(&tier_worker->counters.authoritative),
        .clients_refused = counter_get(&tier_worker->counters.clients_refused),
        .clients_dropped = counter_get(&tier_worker->counters.clients_dropped),
        .limited = counter_get(&tier_worker->counters.limited),
        .slipped = counter_get(&tier_worker->counters.slipped),
        .bad_cookies = counter_get(&tier_worker->counters.bad_cookies),
        .axfr = counter_get(&tier_worker->counters.handouts.axfr),
        .ixfr = counter_get(&tier_worker->counters.handouts.ixfr),
        .ixfr_whole = counter_get(&tier_worker->counters.handouts.ixfr_whole),
        .transfers_refused = counter_get(&tier_worker->counters.handouts.refused),
        .transfers_malformed = counter_get(&tier_worker->counters.handouts.malformed),
        .transfers_not_ready = counter_get(&tier_worker->counters.handouts.not_ready),
        .transfers_busy = counter_get(&tier_worker->counters.handouts.busy),
        .transfers_cut = counter_get(&tier_worker->counters.handouts.cut),
        .bad_signatures = counter_get(&tier_worker->counters.handouts.bad_signatures),
        .jobs = counter_get(&inflight->jobs),
        .joined = counter_get(&inflight->joined),
        .superseded = counter_get(&inflight->superseded),
        .asked_again = counter_get(&inflight->asked_again),
        .overloaded = counter_get(&inflight->overloaded),
        .displaced = counter_get(&inflight->displaced),
        .displaced_clients = counter_get(&inflight->displaced_clients),
        .under_way = counter_get(&inflight->under_way),
        .waiting = inflight_waiters(tier_worker->inflight),
        .in_vain = counter_get(&inflight->in_vain),
        .failed = counter_get(&inflight->failed),
        .prefetched = counter_get(&inflight->prefetched),
        .at_once = counter_get(&inflight->at_once),
        .provisional = counter_get(&inflight->provisional),
        .position_asked = counter_get(&tier_worker->counters.position_asked),
        .position_ignored = counter_get(&tier_worker->counters.position_ignored),
        .parent_behind = counter_get(&inflight->fetch.behind),
        .parent_no_position = counter_get(&inflight->fetch.no_position),
        .parent_uncached = counter_get(&inflight->fetch.uncached),
        .without_edns = counter_get(&inflight->fetch.unheeded),
    };
}

void worker_times(const struct worker *worker, size_t tier_index, struct histogram_sum *at_once,
                  struct histogram_sum *waited)
{
    const struct tier_worker *tier_worker = &worker->tier_workers[tier_index];
    histogram_read(&tier_worker->at_once, at_once);
    histogram_read(&tier_worker->waited, waited);
}

uint64_t worker_ports_shared(const struct worker *worker)
{
    return counter_get(&worker->ports.shared);
}

const struct tcp_pool_counters *worker_tcp_counters(const struct worker *worker)
{
    return tcp_pool_counters(worker->tcp);
}
