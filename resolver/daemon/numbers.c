#include "resolver/daemon/numbers.h"

#include "resolver/answer/counter.h"
#include "daemon/net.h"

#define LIST(rows)                                                                                 \
    {                                                                                              \
        .list = (rows), .count = sizeof(rows) / sizeof *(rows)                                     \
    }

#define WORKER(field) .offset = offsetof(struct tier_numbers, worker.field)
#define STORE(field)  .offset = offsetof(struct tier_numbers, store.field)

static const struct number tier_list[] = {
    {"queries", "queries_total", "Messages received from clients.", WORKER(queries)},
    {"hits", "cache_hits_total", "Queries answered from the cache.", STORE(hits)},
    {"misses", "cache_misses_total", "Questions not held.", STORE(misses)},
    {"expired", "cache_expired_total", "Questions held past their TTL.", STORE(expired)},
    {"invalid", "cache_invalid_total", "Questions held, but changed since.", STORE(invalid)},
    {"evicted", "cache_evicted_total", "Answers evicted for room.", STORE(evicted)},
    {"late", "cache_late_total", "Fills refused: a change came first.", STORE(late)},
    {NULL, "cache_contended_total", "Times a shard's lock was busy.", STORE(contended)},
    {"answers", "cache_answers", "Answers held.", STORE(entries)},
    {"bytes", "cache_bytes", "Bytes of answers held.", STORE(bytes)},
    {"size", "cache_size_bytes", "Bytes that may be held.", STORE(size)},
    {"fetches", "fetches_total", "Questions taken upstream.", WORKER(jobs)},
    {"under_way", "questions_under_way", "Questions being fetched.", WORKER(under_way)},
    {"waiting", "clients_waiting", "Clients whose answer is being fetched.", WORKER(waiting)},
    {"joined", "fetches_joined_total", "Queries that joined a fetch.", WORKER(joined)},
    {"superseded", "fetches_superseded_total", "Fetches a change made too old to join.",
     WORKER(superseded)},
    {"asked_again", "fetches_asked_again_total", "Fetches asked again after a change.",
     WORKER(asked_again)},
    {"overloaded", "overloaded_total", "Queries refused: too much under way.", WORKER(overloaded),
     "queries are refused: too much is under way"},
    {"displaced", "displaced_total", "Questions under way that made room for others.",
     WORKER(displaced), "questions under way make room for others"},
    {"displaced_clients", "displaced_clients_total", "Waiting clients that made room for others.",
     WORKER(displaced_clients), "waiting clients make room for others"},
    {"in_vain", "in_vain_total", "Queries refused: nobody answers for their zone or upstream.",
     WORKER(in_vain), "queries are refused: nobody answers what is under way"},
    {"failed", "fetches_failed_total", "Fetches that ended in SERVFAIL.", WORKER(failed),
     "no upstream had a usable answer", .trifle = true},
    {"malformed", "malformed_total", "Queries answered FORMERR.", WORKER(malformed),
     "queries are malformed", .trifle = true},
    {"refused", "refused_total", "Queries answered REFUSED, NOTIMP or BADVERS.", WORKER(refused),
     "queries are refused: not for a resolver", .trifle = true},
    {"clients_refused", "clients_refused_total", "Queries refused by the access list.",
     WORKER(clients_refused), "queries are refused: the client is in no network of clients.allow"},
    {"clients_dropped", "clients_dropped_total", "Queries dropped by the access list.",
     WORKER(clients_dropped), "queries are dropped: the client is in a network of clients.drop",
     .trifle = true},
    {"limited", "limited_total", "Queries past clients.rate_limit.", WORKER(limited),
     "queries are past clients.rate_limit"},
    {"slipped", "slipped_total", "Of those, answered with TC set.", WORKER(slipped),
     "queries past clients.rate_limit are cut short", .trifle = true},
    {"bad_cookies", "bad_cookies_total", "Queries without the DNS cookie that is required.",
     WORKER(bad_cookies), "queries lack the DNS cookie that is required", .trifle = true},
    {"dropped", "dropped_total", "Messages not answered, or not sendable.", WORKER(dropped),
     "messages are dropped: no queries, or replies that could not be sent", .trifle = true},
    {"truncated", "truncated_total", "Answers too long for their client.", WORKER(truncated),
     "answers are cut short: more than the client takes by UDP", .trifle = true},
    {"local", "local_total", "Queries answered from hosts files, local records or special use.",
     WORKER(local)},
    {"authoritative", "authoritative_total", "Queries answered with AA, from a streamed zone.",
     WORKER(authoritative)},
    {"at_once", "streamed_answers_total", "Answers of a streamed zone made without a fetch.",
     WORKER(at_once)},
    {"axfr", "axfr_total", "Whole zones handed on (AXFR).", WORKER(axfr)},
    {"ixfr", "ixfr_total", "Differences handed on (IXFR).", WORKER(ixfr)},
    {"ixfr_whole", "ixfr_whole_total", "Of those, the whole zone: differences go not so far back.",
     WORKER(ixfr_whole)},
    {"transfers_refused", "transfers_refused_total", "Transfers refused: no right to the zone.",
     WORKER(transfers_refused), "transfers are refused: no right to the zone"},
    {"transfers_malformed", "transfers_malformed_total",
     "Questions for transfers answered FORMERR.", WORKER(transfers_malformed),
     "questions for transfers are malformed", .trifle = true},
    {"transfers_not_ready", "transfers_not_ready_total", "Transfers of zones that are not whole.",
     WORKER(transfers_not_ready), "transfers fail: their zone is not whole"},
    {"transfers_busy", "transfers_busy_total", "Transfers refused: too many went on.",
     WORKER(transfers_busy), "transfers fail: too many go on"},
    {"transfers_cut", "transfers_cut_total",
     "Transfers whose client went, or that could not go on.", WORKER(transfers_cut),
     "transfers to secondaries end early"},
    {"bad_signatures", "bad_signatures_total", "Queries with a TSIG that is none of ours.",
     WORKER(bad_signatures), "queries are signed with no key of ours, or wrongly"},
    {"prefetched", "prefetched_total", "Fetches of answers near their end.", WORKER(prefetched)},
    {"provisional", "provisional_total",
     "Answers that may be from before a change, kept for a second at most.", WORKER(provisional)},
    {"revived", "cache_revived_total", "Stale answers let live: no upstream.", STORE(revived)},
    {"position_asked", "position_asked_total", "Queries of child tiers.", WORKER(position_asked)},
    {"position_ignored", "position_ignored_total", "Position options not answered.",
     WORKER(position_ignored), "position options are ignored: clients that are not in position_for",
     .trifle = true},
    {"parent_behind", "parent_behind_total", "Responses of parents behind us.",
     WORKER(parent_behind)},
    {"parent_no_position", "parent_no_position_total",
     "Answers of a parent whose position says nothing of them.", WORKER(parent_no_position)},
    {"parent_uncached", "parent_uncached_total", "Answers not kept for either.",
     WORKER(parent_uncached)},
    {"without_edns", "without_edns_total",
     "Answers not kept: DNSSEC records were wanted, and the upstream answered without EDNS.",
     WORKER(without_edns),
     "answers are not kept: DNSSEC records were wanted, and the upstream answers without EDNS"},
};
const struct numbers numbers_of_tier = LIST(tier_list);

#define UPSTREAM(field) .offset = offsetof(struct upstream_numbers, field)

static const struct number upstream_list[] = {
    {"sent", "upstream_sent_total", "Queries sent.", UPSTREAM(sent)},
    {"answered", NULL, "Responses that were taken.", UPSTREAM(answered)},
    {"timeouts", "upstream_timeouts_total", "Queries not answered in time.", UPSTREAM(timeouts)},
    {"failed", "upstream_failures_total", "Queries refused by the network.", UPSTREAM(failures)},
};
const struct numbers numbers_of_upstream = LIST(upstream_list);

#define FEED(field) .offset = offsetof(struct feed_status, field)

static const struct number feed_list[] = {
    {"applied", "feed_applied_total", "Change sets applied.", FEED(applied)},
    {"ignored", "feed_ignored_total", "Change sets of other zones.", FEED(ignored)},
    {"installed", "feed_installed_total", "Answers replaced in place.", FEED(installed)},
    {"marked", "feed_marked_total", "Scopes marked.", FEED(marked)},
    {"resets", "feed_resets_total", "Times all zones were invalidated to start anew.",
     FEED(resets)},
    {"renewed", "feed_renewed_total", "Clients of Kafka given up for new ones.", FEED(renewed)},
};
const struct numbers numbers_of_feed = LIST(feed_list);

#define ZONE(field) .offset = offsetof(struct apply_zone_status, field)

static const struct number zone_list[] = {
    {"sets", NULL, "Change sets applied.", ZONE(sets)},
    {"invalidated", NULL, "Times the whole zone was invalidated.", ZONE(invalidated)},
    {"duplicates", NULL, "Sets that had been applied before.", ZONE(duplicates)},
    {"jumps_back", NULL, "Sets whose seq or serial went back.", ZONE(jumps_back)},
    {"future", NULL, "Sets from ahead of our clock.", ZONE(future)},
    {"elsewhere", NULL, "Sets while they came from several partitions.", ZONE(elsewhere)},
    {"stale", NULL, "Sets that only evicted, for one of these reasons or as they came late.",
     ZONE(stale)},
};
const struct numbers numbers_of_zone = LIST(zone_list);

#define STREAMED(field) .offset = offsetof(struct streamed_status, field)

static const struct number streamed_list[] = {
    {"sets", "streamed_sets_total", "Change sets that changed the zone.", STREAMED(sets)},
    {"loads", "streamed_loads_total", "Times it became whole.", STREAMED(loads)},
    {"elsewhere", "streamed_elsewhere_total", "Change sets in another partition than its own.",
     STREAMED(elsewhere)},
    {"refused", "streamed_refused_total", "Messages of the log that could not be read.",
     STREAMED(refused)},
    {"damaged", "streamed_damaged_total", "Messages of snapshots that were not used.",
     STREAMED(damaged)},
    {"unprovable", "streamed_unprovable_total",
     "Answers refused: a proof takes too many iterations of NSEC3.", STREAMED(unprovable)},
};
const struct numbers numbers_of_streamed = LIST(streamed_list);

#define CATALOG(field) .offset = offsetof(struct catalog_status, field)

static const struct number catalog_list[] = {
    {"members", "catalog_members", "Zones that a catalog has.", CATALOG(members)},
    {"taken", "catalog_taken_total", "Times that its members were taken over.", CATALOG(taken)},
    {"refused", "catalog_refused_total",
     "Times that it was broken, or had more members than there is room for.", CATALOG(refused)},
};
const struct numbers numbers_of_catalog = LIST(catalog_list);

#define TCP(field) .offset = offsetof(struct tcp_numbers, field)

static const struct number tcp_list[] = {
    {NULL, "tcp_accepted_total", "TCP connections taken.", TCP(accepted)},
    {NULL, "tcp_connections", "TCP connections at the moment.", TCP(connections)},
    {NULL, "tcp_queries_total", "Messages received by TCP.", TCP(queries)},
    {NULL, "tcp_turned_away_total", "TCP connections refused: no memory.", TCP(turned_away),
     "TCP clients are turned away: no memory"},
    {NULL, "tcp_idle_for_room_total", "Idle TCP connections closed for others.", TCP(idle_for_room),
     "idle TCP connections are closed for others: all places are taken"},
    {NULL, "tcp_busy_for_room_total", "TCP connections with queries closed for others.",
     TCP(busy_for_room), "TCP connections are closed for others: one client holds too many"},
    {NULL, "tcp_for_bytes_total", "TCP connections closed: too much waited for their client.",
     TCP(for_bytes), "TCP connections are closed: too much waits for their client"},
    {NULL, "tcp_kept_out_total", "TCP connections refused: their client takes no answers.",
     TCP(kept_out), "TCP clients are kept out for a second: they take no answers"},
    {NULL, "tcp_slow_total", "TCP connections closed within a message.", TCP(slow),
     "TCP connections are closed: half a message for too long, or no answer taken"},
    {NULL, "tcp_rests_total", "Times TCP clients could not be accepted.", TCP(rests),
     "TCP clients cannot be accepted: no descriptor or memory, or forbidden; that rests for 100 "
     "ms"},
    {NULL, "notices_total", "NOTIFYs sent to secondaries.", TCP(notices)},
    {NULL, "notices_answered_total", "Those that were answered.", TCP(notices_answered)},
    {NULL, "notices_given_up_total", "Those that nobody answered within a minute.",
     TCP(notices_given_up), "secondaries do not answer NOTIFY"},
    {NULL, "notices_unsent_total", "Those that could not be sent.", TCP(notices_unsent),
     "NOTIFYs could not be sent"},
    {NULL, "upstream_no_socket_total", "Times there was no socket for a query upstream.",
     TCP(no_socket), "no socket for queries upstream: out of descriptors or memory"},
    {NULL, "ports_shared_total", "Queries to upstreams by a port that was used enough.",
     TCP(ports_shared), "ports towards upstreams are used longer: too many wait for answers"},
};
const struct numbers numbers_of_tcp = LIST(tcp_list);

/* Adds a row of nothing but uint64_t to another. */
static void add_row(uint64_t *sum, const uint64_t *row, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *sum; i++)
        sum[i] += row[i];
}

void numbers_take_tier(const struct daemon *daemon, size_t tier_index, struct tier_numbers *ret)
{
    *ret = (struct tier_numbers){.worker = {0}};
    for (size_t i = 0; i < daemon->worker_count; i++) {
        struct tier_counters one;
        worker_count(daemon->workers[i], tier_index, &one);
        add_row((uint64_t *)&ret->worker, (const uint64_t *)&one, sizeof one);
    }
    store_count(daemon->tiers[tier_index]->store, &ret->store);
}

void numbers_take_times(const struct daemon *daemon, size_t tier_index, struct tier_times *ret)
{
    *ret = (struct tier_times){.at_once = {.sum_us = 0}};
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_times(daemon->workers[i], tier_index, &ret->at_once, &ret->waited);
}

void numbers_take_upstream(const struct server_stats *stats, struct upstream_numbers *ret)
{
    *ret = (struct upstream_numbers){
        .sent = counter_get(&stats->sent),
        .answered = counter_get(&stats->answered),
        .timeouts = counter_get(&stats->timeouts),
        .failures = counter_get(&stats->failures),
    };
}

void numbers_take_tcp(const struct daemon *daemon, struct tcp_numbers *ret)
{
    *ret = (struct tcp_numbers){
        .no_socket = net_sockets_missed(),
        .notices = daemon->notices.sent,
        .notices_answered = daemon->notices.answered,
        .notices_given_up = daemon->notices.given_up,
        .notices_unsent = daemon->notices.unsent,
    };
    for (size_t i = 0; i < daemon->worker_count; i++) {
        const struct tcp_pool_counters *tcp = worker_tcp_counters(daemon->workers[i]);
        ret->accepted += counter_get(&tcp->accepted);
        ret->connections += counter_get(&tcp->accepted) - counter_get(&tcp->closed);
        ret->queries += counter_get(&tcp->queries);
        ret->turned_away += counter_get(&tcp->turned_away);
        ret->idle_for_room += counter_get(&tcp->idle_for_room);
        ret->busy_for_room += counter_get(&tcp->busy_for_room);
        ret->for_bytes += counter_get(&tcp->for_bytes);
        ret->kept_out += counter_get(&tcp->kept_out);
        ret->slow += counter_get(&tcp->slow);
        ret->rests += counter_get(&tcp->rests);
        ret->ports_shared += worker_ports_shared(daemon->workers[i]);
    }
}
