#include "resolver/answer/servers.h"

#include <stdlib.h>
#include <string.h>
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

struct known_servers {
    struct entropy *entropy;
    void (*sweep)(void *arg);
    void *arg;
    struct server *used, *idle; /* the idle ones in the order in which they were left */
    size_t idle_count;
    struct servers *living, *dead;
    bool closing;
};

/* ---- one address ---------------------------------------------------------------------------- */

static bool same_address(const union address *one, const union address *two)
{
    if (one->family != two->family)
        return false;
    switch (one->family) {
    case AF_INET:
        return one->in.sin_port == two->in.sin_port &&
               one->in.sin_addr.s_addr == two->in.sin_addr.s_addr;
    case AF_INET6:
        return one->in6.sin6_port == two->in6.sin6_port &&
               one->in6.sin6_scope_id == two->in6.sin6_scope_id &&
               memcmp(&one->in6.sin6_addr, &two->in6.sin6_addr, sizeof one->in6.sin6_addr) == 0;
    default:
        return true;
    }
}

static struct server *find(struct server *list, const struct server_address *address)
{
    struct server *server;
    DL_FOREACH (list, server)
        if (server->stats == address->stats && same_address(&server->address, &address->address))
            return server;
    return NULL;
}

/* What is known of an address, with a reference. NULL: no memory. */
static struct server *server_ref(struct known_servers *known, const struct server_address *address)
{
    struct server *server = find(known->used, address);
    if (!server && (server = find(known->idle, address))) {
        DL_DELETE(known->idle, server);
        known->idle_count--;
        DL_APPEND(known->used, server);
    }
    if (!server && (server = calloc(1, sizeof *server))) {
        server->address = address->address;
        server->stats = address->stats;
        DL_APPEND(known->used, server);
    }
    if (server)
        server->references++;
    return server;
}

/* It is remembered for the time being. */
static void server_unref(struct known_servers *known, struct server *server)
{
    if (--server->references > 0)
        return;
    DL_DELETE(known->used, server);
    DL_APPEND(known->idle, server);
    if (++known->idle_count <= SERVERS_KEPT)
        return;
    server = known->idle;
    DL_DELETE(known->idle, server);
    known->idle_count--;
    free(server);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static void set_free(struct servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        exchange_free(servers->items[i].exchange);
        server_unref(servers->known, servers->items[i].server);
    }
    free(servers);
}

/* Whatever its queries under way still have of it, they give back meanwhile. */
static void free_all(struct servers **list)
{
    struct servers *servers;
    while ((servers = *list)) {
        DL_DELETE(*list, servers);
        set_free(servers);
    }
}

struct known_servers *known_servers_new(struct entropy *entropy, void (*sweep)(void *arg),
                                        void *arg)
{
    struct known_servers *known = calloc(1, sizeof *known);
    if (!known)
        return NULL;
    known->entropy = entropy;
    known->sweep = sweep;
    known->arg = arg;
    return known;
}

void known_servers_sweep(struct known_servers *known)
{
    free_all(&known->dead);
}

void known_servers_free(struct known_servers *known)
{
    struct server *server;
    if (!known)
        return;
    known->closing = true;
    free_all(&known->dead);
    free_all(&known->living);
    while ((server = known->idle)) {
        DL_DELETE(known->idle, server);
        free(server);
    }
    free(known);
}

struct servers *servers_new(struct known_servers *known, const struct server_address *addresses,
                            size_t count)
{
    struct servers *servers = calloc(1, sizeof *servers);
    size_t wanted = count < SERVERS_MAX ? count : SERVERS_MAX, i;
    for (i = 0; servers && i < wanted; i++) {
        struct server *server = addresses[i].exchange ? server_ref(known, &addresses[i]) : NULL;
        if (!server)
            break;
        servers->items[i].server = server;
        servers->items[i].exchange = addresses[i].exchange;
        servers->count++;
    }
    for (; i < count; i++)
        exchange_free(addresses[i].exchange);
    if (!servers)
        return NULL;
    servers->known = known;
    if (servers->count < wanted) {
        set_free(servers);
        return NULL;
    }
    servers->references = 1;
    DL_APPEND(known->living, servers);
    return servers;
}

struct servers *servers_ref(struct servers *servers)
{
    servers->references++;
    return servers;
}

void servers_unref(struct servers *servers)
{
    if (!servers || --servers->references > 0)
        return;
    struct known_servers *known = servers->known;
    if (known->closing)
        return; /* all of them go */
    DL_DELETE(known->living, servers);
    DL_APPEND(known->dead, servers);
    known->sweep(known->arg);
}

/* ---- the choice ----------------------------------------------------------------------------- */

static bool is_down(const struct server *server)
{
    return server->timeouts_in_row >= DOWN_AFTER_TIMEOUTS;
}

/* Lower is better; a server that was tried or is down only when there is no other. */
static uint64_t score(const struct server *server, bool tried, struct mono now)
{
    enum { TRIED = 1 << 30 };
    uint64_t score = server->srtt_us ? server->srtt_us : UNKNOWN_SRTT_US;
    if (is_down(server) && !mono_reached(now, server->retry_at))
        score += TRIED;
    return tried ? score + 2 * (uint64_t)TRIED : score;
}

static size_t best(const struct servers *servers, uint32_t tried, struct mono now)
{
    size_t chosen = 0;
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < servers->count; i++) {
        uint64_t s = score(servers->items[i].server, tried >> i & 1, now);
        if (s < lowest) {
            lowest = s;
            chosen = i;
        }
    }
    return chosen;
}

/* A down server whose time has come gets one query, by whoever asks next for the first time. */
static bool due_for_probe(const struct servers *servers, struct mono now, size_t *ret)
{
    for (size_t i = 0; i < servers->count; i++)
        if (is_down(servers->items[i].server) &&
            mono_reached(now, servers->items[i].server->retry_at)) {
            *ret = i;
            return true;
        }
    return false;
}

size_t servers_pick(struct servers *servers, uint32_t tried, struct mono now)
{
    struct entropy *entropy = servers->known->entropy;
    size_t chosen;
    if (servers->count == 1)
        return 0;
    if (tried == 0 && due_for_probe(servers, now, &chosen)) {
        servers->items[chosen].server->retry_at = mono_add(now, DOWN_MAX_MS);
        return chosen;
    }
    if (tried == 0 && entropy_below(entropy, EXPLORE_ONE_IN) == 0) {
        chosen = entropy_below(entropy, (uint32_t)servers->count);
        if (!is_down(servers->items[chosen].server))
            return chosen;
    }
    return best(servers, tried, now);
}

uint32_t servers_retransmit_ms(const struct servers *servers, size_t index)
{
    const struct server *server = servers->items[index].server;
    if (servers->items[index].exchange->sure)
        return UINT32_MAX;
    if (server->srtt_us == 0)
        return RETRANSMIT_UNKNOWN_MS;
    uint32_t ms = (server->srtt_us + 4 * server->rttvar_us) / 1000 * 2;
    return ms < RETRANSMIT_MIN_MS   ? RETRANSMIT_MIN_MS
           : ms > RETRANSMIT_MAX_MS ? RETRANSMIT_MAX_MS
                                    : ms;
}

void server_answered(struct server *server, uint64_t elapsed_us)
{
    uint32_t rtt_us = elapsed_us < UINT32_MAX ? (uint32_t)elapsed_us : UINT32_MAX;
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

static void count_against(struct server *server, struct mono now)
{
    server->timeouts_in_row++;
    if (!is_down(server))
        return;
    uint32_t steps = server->timeouts_in_row - DOWN_AFTER_TIMEOUTS;
    uint64_t wait = (uint64_t)DOWN_MIN_MS << (steps < 8 ? steps : 8);
    server->retry_at = mono_add(now, wait < DOWN_MAX_MS ? wait : DOWN_MAX_MS);
}

void server_timed_out(struct server *server, struct mono now)
{
    counter_add_shared(&server->stats->timeouts, 1);
    count_against(server, now);
}

void server_refused(struct server *server, struct mono now)
{
    counter_add_shared(&server->stats->failures, 1);
    count_against(server, now);
}
