#include "resolver/answer/servers.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    RETRANSMIT_UNKNOWN_MS = 400, /* for a server never measured */
    RETRANSMIT_MIN_MS = 60,
    RETRANSMIT_MAX_MS = 1500,
    DOUBT_AFTER_TIMEOUTS = 4,
    DOWN_MIN_MS = 500,
    DOWN_MAX_MS = 30000,
    PROBE_MS = 400, /* at least, for an answer to something of our own */
    EXPLORE_ONE_IN = 64,
    UNKNOWN_SRTT_US = 10000,      /* a new server is tried before a slow one */
    WINDOW_MS = 5000,             /* the best round trip in it says how quick a server can be */
    REMEMBER_MS = 10 * 60 * 1000, /* what a server lacks; how quick it was */
    SILENCE_MS = 100,             /* without any answer: a silence for all */
    HOPE_MS = 60 * 1000,          /* since a server has answered: it may be back in a moment */
    CANARY_MS = 1000,             /* one is kept so long at least */
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

/* ---- what is believed ----------------------------------------------------------------------- */

uint64_t server_hash_name(const uint8_t *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t size = name_size(name);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ name_fold(name[i])) * UINT64_C(0x100000001b3);
    return hash;
}

void lack_note(struct lack *lack, uint64_t name, struct mono now)
{
    const bool recent =
        lack->since.ms > 0 && !mono_reached(now, mono_add(lack->since, REMEMBER_MS));
    if (recent && lack->name != name)
        lack->until = mono_add(now, REMEMBER_MS);
    if (!recent)
        *lack = (struct lack){.name = name, .since = now};
}

void server_worked(struct server *server, const struct question *question, struct mono now)
{
    struct question *canary = &server->canary;
    if (canary->name_size > 0 && !mono_reached(now, mono_add(server->canary_since, CANARY_MS)))
        return;
    canary->name_size = question->name_size;
    canary->type = question->type;
    canary->class = question->class;
    name_lower(question->name, question->name_size, canary->name);
    server->canary_since = now;
}

bool server_is_hopeful(const struct server *server, struct mono now)
{
    return server->answered.ms > 0 && !mono_reached(now, mono_add(server->answered, HOPE_MS));
}

/* ---- the choice ----------------------------------------------------------------------------- */

static uint32_t lowest_us(const struct server *server)
{
    const uint32_t *lowest = server->lowest_us;
    return lowest[0] && (!lowest[1] || lowest[0] < lowest[1]) ? lowest[0] : lowest[1];
}

uint32_t server_lowest_ms(const struct server *server)
{
    return lowest_us(server) / 1000;
}

/* Lower is better; a server that was tried or is down only when there is no other. */
static uint64_t score(const struct server *server, bool tried, struct mono now)
{
    enum { TRIED = 1 << 30 };
    uint64_t score = lowest_us(server);
    if (score == 0 || mono_reached(now, mono_add(server->answered, REMEMBER_MS)))
        score = UNKNOWN_SRTT_US;
    if (server->down)
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

size_t servers_pick(struct servers *servers, uint32_t tried, struct mono now)
{
    struct entropy *entropy = servers->known->entropy;
    if (servers->count == 1)
        return 0;
    if (tried == 0 && entropy_below(entropy, EXPLORE_ONE_IN) == 0) {
        size_t chosen = entropy_below(entropy, (uint32_t)servers->count);
        if (!servers->items[chosen].server->down)
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

/* ---- whether it is there -------------------------------------------------------------------- */

/* Not asked for anything of our own before the next interval is over. */
static void is_down(struct server *server, struct mono now)
{
    const uint32_t steps = server->probes_failed++;
    const uint64_t wait = (uint64_t)DOWN_MIN_MS << (steps < 8 ? steps : 8);
    server->down = true;
    server->probing = false;
    server->probe = mono_add(now, wait < DOWN_MAX_MS ? wait : DOWN_MAX_MS);
}

static bool is_doubtful(const struct server *server)
{
    return server->down ||
           (server->timeouts_in_row >= DOUBT_AFTER_TIMEOUTS && server->silent_names);
}

bool servers_to_probe(struct servers *servers, struct mono now, size_t *ret_index)
{
    if (servers->count == 1)
        return false;
    for (size_t i = 0; i < servers->count; i++) {
        struct server *server = servers->items[i].server;
        if (!mono_reached(now, server->probe))
            continue;
        if (server->probing)
            is_down(server, now);
        else if (is_doubtful(server)) {
            uint32_t wait = 2 * servers_retransmit_ms(servers, i);
            server->probing = true;
            server->probe = mono_add(now, wait > PROBE_MS ? wait : PROBE_MS);
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void estimate(struct server *server, uint32_t rtt_us)
{
    if (server->srtt_us == 0) {
        server->srtt_us = rtt_us;
        server->rttvar_us = rtt_us / 2;
        return;
    }
    uint32_t off = rtt_us > server->srtt_us ? rtt_us - server->srtt_us : server->srtt_us - rtt_us;
    server->rttvar_us = (uint32_t)((3 * (uint64_t)server->rttvar_us + off) / 4);
    server->srtt_us = (uint32_t)((7 * (uint64_t)server->srtt_us + rtt_us) / 8);
    if (server->srtt_us == 0)
        server->srtt_us = 1;
}

static void note_lowest(struct server *server, uint32_t rtt_us, struct mono now)
{
    if (mono_reached(now, mono_add(server->window, WINDOW_MS))) {
        const bool last = !mono_reached(now, mono_add(server->window, 2 * WINDOW_MS));
        server->lowest_us[1] = last ? server->lowest_us[0] : 0;
        server->lowest_us[0] = 0;
        server->window = now;
    }
    if (server->lowest_us[0] == 0 || rtt_us < server->lowest_us[0])
        server->lowest_us[0] = rtt_us;
}

bool server_answered(struct server *server, uint64_t elapsed_us, struct mono now)
{
    uint32_t rtt_us = elapsed_us < UINT32_MAX ? (uint32_t)elapsed_us : UINT32_MAX;
    const bool silent =
        server->timeouts_in_row > 0 && mono_reached(now, mono_add(server->answered, SILENCE_MS));
    estimate(server, rtt_us ? rtt_us : 1);
    note_lowest(server, rtt_us ? rtt_us : 1, now);
    if (server->probing) /* and not again at once */
        server->probe = mono_add(now, DOWN_MIN_MS);
    server->answered = now;
    server->timeouts_in_row = 0;
    server->probes_failed = 0;
    server->silent_name = 0;
    server->silent_names = server->probing = server->down = false;
    counter_add_shared(&server->stats->answered, 1);
    atomic_store_explicit(&server->stats->srtt_us.n, server->srtt_us, memory_order_relaxed);
    return silent;
}

void server_timed_out(struct server *server, uint64_t name)
{
    counter_add_shared(&server->stats->timeouts, 1);
    server->silent_names |= server->timeouts_in_row > 0 && name != server->silent_name;
    server->silent_name = name;
    server->timeouts_in_row++;
}

/* That is no name's fault. */
void server_refused(struct server *server, struct mono now)
{
    counter_add_shared(&server->stats->failures, 1);
    if (++server->timeouts_in_row >= DOUBT_AFTER_TIMEOUTS && !server->down)
        is_down(server, now);
}
