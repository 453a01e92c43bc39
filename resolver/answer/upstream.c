#include "resolver/answer/upstream.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    RETRANSMIT_UNKNOWN_MS = 400, /* for a server never measured */
    RETRANSMIT_MIN_MS = 60,
    RETRANSMIT_MAX_MS = 1500,
    DOWN_AFTER_TIMEOUTS = 4,
    DOWN_MIN_MS = 500,
    DOWN_MAX_MS = 30000,
    EXPLORE_ONE_IN = 64,
    UNKNOWN_SRTT_US = 10000, /* a new server is tried before a slow one */
};

static void release(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    upstream_destroy(arg);
}

static struct forward *open_forward(struct event_base *base, const struct upstream_address *address)
{
    struct forward *forward = address->tier_worker
                                  ? forward_new_inside(base, address->tier_worker)
                                  : forward_new(base, (const struct sockaddr *)&address->address);
    return forward && address->link ? forward_new_far(base, forward, address->link) : forward;
}

struct upstream *upstream_new(struct event_base *base, const struct upstream_address *addresses,
                              size_t count)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream)
        return NULL;
    upstream->references = 1;
    upstream->release = event_new(base, -1, 0, release, upstream);
    for (size_t i = 0; i < count && i < UPSTREAM_MAX_SERVERS; i++) {
        struct upstream_server *server = &upstream->servers[upstream->count];
        server->stats = addresses[i].stats;
        server->inside = addresses[i].tier_worker != NULL;
        server->forward = open_forward(base, &addresses[i]);
        if (server->forward)
            upstream->count++;
    }
    if (upstream->count < count || !upstream->release) {
        upstream_destroy(upstream);
        return NULL;
    }
    return upstream;
}

void upstream_enlist(struct upstream *upstream, struct upstream **list)
{
    upstream->list = list;
    DL_APPEND(*list, upstream);
}

struct upstream *upstream_ref(struct upstream *upstream)
{
    upstream->references++;
    return upstream;
}

void upstream_unref(struct upstream *upstream)
{
    /* c-ares may be on the stack below us: its channels can only go from the loop. */
    if (upstream && --upstream->references == 0)
        event_active(upstream->release, EV_TIMEOUT, 0);
}

void upstream_destroy(struct upstream *upstream)
{
    if (!upstream)
        return;
    for (size_t i = 0; i < upstream->count; i++)
        forward_free(upstream->servers[i].forward);
    if (upstream->release)
        event_free(upstream->release);
    if (upstream->list)
        DL_DELETE(*upstream->list, upstream);
    free(upstream);
}

static bool is_down(const struct upstream_server *server)
{
    return server->timeouts_in_row >= DOWN_AFTER_TIMEOUTS;
}

/* Lower is better; a server that was tried or is down only when there is no other. */
static uint64_t score(const struct upstream_server *server, bool tried, struct mono now)
{
    enum { TRIED = 1 << 30 };
    uint64_t score = server->srtt_us ? server->srtt_us : UNKNOWN_SRTT_US;
    if (is_down(server) && !mono_reached(now, server->retry_at))
        score += TRIED;
    return tried ? score + 2 * (uint64_t)TRIED : score;
}

static size_t best(const struct upstream *upstream, uint32_t tried, struct mono now)
{
    size_t chosen = 0;
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < upstream->count; i++) {
        uint64_t s = score(&upstream->servers[i], tried >> i & 1, now);
        if (s < lowest) {
            lowest = s;
            chosen = i;
        }
    }
    return chosen;
}

/* A down server whose time has come gets one query, by whoever asks next for the first time. */
static bool due_for_probe(const struct upstream *upstream, struct mono now, size_t *ret)
{
    for (size_t i = 0; i < upstream->count; i++)
        if (is_down(&upstream->servers[i]) && mono_reached(now, upstream->servers[i].retry_at)) {
            *ret = i;
            return true;
        }
    return false;
}

size_t upstream_pick(struct upstream *upstream, uint32_t tried, struct mono now)
{
    size_t chosen;
    if (upstream->count == 1)
        return 0;
    if (tried == 0 && due_for_probe(upstream, now, &chosen)) {
        upstream->servers[chosen].retry_at = mono_add(now, DOWN_MAX_MS);
        return chosen;
    }
    if (tried == 0 && entropy_below(&upstream->entropy, EXPLORE_ONE_IN) == 0) {
        chosen = entropy_below(&upstream->entropy, (uint32_t)upstream->count);
        if (!is_down(&upstream->servers[chosen]))
            return chosen;
    }
    return best(upstream, tried, now);
}

uint32_t upstream_retransmit_ms(const struct upstream_server *server)
{
    if (server->inside)
        return UINT32_MAX;
    if (server->srtt_us == 0)
        return RETRANSMIT_UNKNOWN_MS;
    uint32_t ms = (server->srtt_us + 4 * server->rttvar_us) / 1000 * 2;
    return ms < RETRANSMIT_MIN_MS   ? RETRANSMIT_MIN_MS
           : ms > RETRANSMIT_MAX_MS ? RETRANSMIT_MAX_MS
                                    : ms;
}

void upstream_answered(struct upstream_server *server, uint32_t rtt_us)
{
    server->timeouts_in_row = 0;
    if (server->srtt_us == 0) {
        server->srtt_us = rtt_us ? rtt_us : 1;
        server->rttvar_us = rtt_us / 2;
    } else {
        uint32_t off =
            rtt_us > server->srtt_us ? rtt_us - server->srtt_us : server->srtt_us - rtt_us;
        server->rttvar_us = (uint32_t)((3 * (uint64_t)server->rttvar_us + off) / 4);
        server->srtt_us = (uint32_t)((7 * (uint64_t)server->srtt_us + rtt_us) / 8);
        if (server->srtt_us == 0)
            server->srtt_us = 1;
    }
    counter_add_shared(&server->stats->answered, 1);
    atomic_store_explicit(&server->stats->srtt_us.n, server->srtt_us, memory_order_relaxed);
}

static void count_against(struct upstream_server *server, struct mono now)
{
    server->timeouts_in_row++;
    if (!is_down(server))
        return;
    uint32_t steps = server->timeouts_in_row - DOWN_AFTER_TIMEOUTS;
    uint64_t wait = (uint64_t)DOWN_MIN_MS << (steps < 8 ? steps : 8);
    server->retry_at = mono_add(now, wait < DOWN_MAX_MS ? wait : DOWN_MAX_MS);
}

void upstream_timed_out(struct upstream_server *server, struct mono now)
{
    counter_add_shared(&server->stats->timeouts, 1);
    count_against(server, now);
}

void upstream_refused(struct upstream_server *server, struct mono now)
{
    counter_add_shared(&server->stats->failures, 1);
    count_against(server, now);
}
