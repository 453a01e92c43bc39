#include "resolver/daemon/metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net/clock.h"
#include "resolver/daemon/status.h"

struct metrics {
    struct daemon *daemon;
    struct evhttp *http;
};

static void head(struct evbuffer *out, const char *name, const char *kind, const char *help)
{
    evbuffer_add_printf(out, "# HELP freshet_%s %s\n# TYPE freshet_%s %s\n", name, help, name,
                        kind);
}

static void simple(struct evbuffer *out, const char *name, const char *kind, const char *help,
                   double value)
{
    head(out, name, kind, help);
    evbuffer_add_printf(out, "freshet_%s %.17g\n", name, value);
}

/* Everything counted for a tier, in one row. */
struct tier_numbers {
    struct tier_counters tier_worker;
    struct store_counters store;
};

/* A metric with one value per tier: where it stands in struct tier_numbers. */
struct tier_metric {
    const char *name, *kind, *help;
    size_t offset;
};

#define DESK(field)  offsetof(struct tier_numbers, tier_worker.field)
#define STORE(field) offsetof(struct tier_numbers, store.field)

static const struct tier_metric tier_metrics[] = {
    {"queries_total", "counter", "Messages received from clients.", DESK(queries)},
    {"malformed_total", "counter", "Queries answered FORMERR.", DESK(malformed)},
    {"refused_total", "counter", "Queries answered REFUSED, NOTIMP or BADVERS.", DESK(refused)},
    {"dropped_total", "counter", "Messages not answered, or not sendable.", DESK(dropped)},
    {"truncated_total", "counter", "Answers too long for their client.", DESK(truncated)},
    {"local_total", "counter", "Queries answered from hosts files, local records or special use.",
     DESK(local)},
    {"cache_hits_total", "counter", "Queries answered from the cache.", STORE(hits)},
    {"cache_misses_total", "counter", "Questions not held.", STORE(misses)},
    {"cache_expired_total", "counter", "Questions held past their TTL.", STORE(expired)},
    {"cache_invalid_total", "counter", "Questions held, but changed since.", STORE(invalid)},
    {"cache_late_total", "counter", "Fills refused: a change came first.", STORE(late)},
    {"cache_evicted_total", "counter", "Answers evicted for room.", STORE(evicted)},
    {"cache_contended_total", "counter", "Times a shard's lock was busy.", STORE(contended)},
    {"cache_answers", "gauge", "Answers held.", STORE(entries)},
    {"cache_bytes", "gauge", "Bytes of answers held.", STORE(bytes)},
    {"cache_size_bytes", "gauge", "Bytes that may be held.", STORE(size)},
    {"fetches_total", "counter", "Questions taken upstream.", DESK(jobs)},
    {"fetches_joined_total", "counter", "Queries that joined a fetch.", DESK(joined)},
    {"fetches_superseded_total", "counter", "Fetches a change made too old to join.",
     DESK(superseded)},
    {"fetches_asked_again_total", "counter", "Fetches asked again after a change.",
     DESK(asked_again)},
    {"fetches_failed_total", "counter", "Fetches that ended in SERVFAIL.", DESK(failed)},
    {"prefetched_total", "counter", "Fetches of answers near their end.", DESK(prefetched)},
    {"cache_revived_total", "counter", "Stale answers let live: no upstream.", STORE(revived)},
    {"position_asked_total", "counter", "Queries of child tiers.", DESK(position_asked)},
    {"position_ignored_total", "counter", "Position options not answered.", DESK(position_ignored)},
    {"parent_behind_total", "counter", "Responses of parents behind us.", DESK(parent_behind)},
    {"parent_unplaced_total", "counter", "Responses without a position.", DESK(parent_no_position)},
    {"parent_uncached_total", "counter", "Answers not kept for either.", DESK(parent_uncached)},
    {"overloaded_total", "counter", "Queries refused: too much under way.", DESK(overloaded)},
};

static void write_tiers(struct evbuffer *out, struct daemon *daemon)
{
    struct tier_numbers *numbers = calloc(daemon->tier_count, sizeof *numbers);
    if (!numbers)
        return;
    for (size_t i = 0; i < daemon->tier_count; i++) {
        status_count(daemon, i, &numbers[i].tier_worker);
        store_count(daemon->tiers[i]->store, &numbers[i].store);
    }
    for (size_t k = 0; k < sizeof tier_metrics / sizeof *tier_metrics; k++) {
        const struct tier_metric *metric = &tier_metrics[k];
        head(out, metric->name, metric->kind, metric->help);
        for (size_t i = 0; i < daemon->tier_count; i++) {
            uint64_t value = *(const uint64_t *)((const char *)&numbers[i] + metric->offset);
            evbuffer_add_printf(out, "freshet_%s{tier=\"%s\"} %llu\n", metric->name,
                                daemon->tiers[i]->name, (unsigned long long)value);
        }
    }
    free(numbers);
}

static void write_upstreams(struct evbuffer *out, struct daemon *daemon, const char *name,
                            const char *help, size_t offset)
{
    head(out, name, "counter", help);
    for (size_t i = 0; i < daemon->tier_count; i++) {
        struct tier *tier = daemon->tiers[i];
        pthread_mutex_lock(&tier->lock);
        for (size_t k = 0; k < tier->used_count; k++) {
            const struct upstream_stats *stats = tier->used[k];
            const struct counter *value = (const struct counter *)((const char *)stats + offset);
            evbuffer_add_printf(out, "freshet_%s{tier=\"%s\",address=\"%s\"} %llu\n", name,
                                tier->name, stats->address, (unsigned long long)counter_get(value));
        }
        pthread_mutex_unlock(&tier->lock);
    }
}

static void write_tcp(struct evbuffer *out, struct daemon *daemon)
{
    uint64_t accepted = 0, turned_away = 0;
    for (size_t i = 0; i < daemon->worker_count; i++) {
        const struct tcp_pool_counters *tcp = worker_tcp_counters(daemon->workers[i]);
        accepted += counter_get(&tcp->accepted);
        turned_away += counter_get(&tcp->turned_away);
    }
    simple(out, "tcp_accepted_total", "counter", "TCP connections taken.", (double)accepted);
    simple(out, "tcp_turned_away_total", "counter", "TCP connections refused: no place.",
           (double)turned_away);
}

static void write_feed(struct evbuffer *out, struct daemon *daemon)
{
    struct feed_status *feed = daemon->feed ? malloc(sizeof *feed) : NULL;
    if (!feed)
        return;
    feed_status(daemon->feed, feed);
    head(out, "feed_state", "gauge", "1 for the state the feed is in.");
    for (int state = FEED_COLD; state <= FEED_LOST; state++)
        evbuffer_add_printf(out, "freshet_feed_state{state=\"%s\"} %d\n",
                            feed_state_text((enum feed_state)state),
                            feed->state == (enum feed_state)state);
    simple(out, "feed_applied_total", "counter", "Change sets applied.", (double)feed->applied);
    simple(out, "feed_ignored_total", "counter", "Change sets of other zones.",
           (double)feed->ignored);
    simple(out, "feed_installed_total", "counter", "Answers replaced in place.",
           (double)feed->installed);
    simple(out, "feed_marked_total", "counter", "Scopes marked.", (double)feed->marked);
    simple(out, "feed_resets_total", "counter", "Times all zones were invalidated to start anew.",
           (double)feed->resets);
    head(out, "feed_refused_total", "counter", "Change sets that could not be applied.");
    for (int k = 0; k < FEED_ERROR_KINDS; k++)
        if (feed->refused[k])
            evbuffer_add_printf(out, "freshet_feed_refused_total{reason=\"%s\"} %llu\n",
                                error_text(-k), (unsigned long long)feed->refused[k]);
    head(out, "feed_offset", "gauge", "Next offset to be applied.");
    for (size_t k = 0; k < feed->partition_count; k++)
        evbuffer_add_printf(out, "freshet_feed_offset{partition=\"%d\"} %lld\n",
                            (int)feed->positions[k].partition,
                            (long long)feed->positions[k].offset);
    free(feed);
}

static void serve(struct evhttp_request *request, void *arg)
{
    struct metrics *metrics = arg;
    struct daemon *daemon = metrics->daemon;
    struct evbuffer *out = evbuffer_new();
    if (!out) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    simple(out, "uptime_seconds", "gauge", "Time since the start.",
           (double)(mono_now().ms - daemon->started.ms) / 1000);
    simple(out, "stamp", "gauge", "The change clock.", (double)validity_now(daemon->validity).n);
    write_tiers(out, daemon);
    write_upstreams(out, daemon, "upstream_sent_total", "Queries sent.",
                    offsetof(struct upstream_stats, sent));
    write_upstreams(out, daemon, "upstream_timeouts_total", "Queries not answered in time.",
                    offsetof(struct upstream_stats, timeouts));
    write_upstreams(out, daemon, "upstream_failures_total", "Queries refused by the network.",
                    offsetof(struct upstream_stats, failures));
    write_tcp(out, daemon);
    write_feed(out, daemon);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "text/plain; version=0.0.4");
    evhttp_send_reply(request, HTTP_OK, "OK", out);
    evbuffer_free(out);
}

/* Bound by hand: evhttp would share the port with another instance. */
static int listen_at(const struct config_address *address)
{
    enum { BACKLOG = 16 };
    int on = 1;
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&address->addr, address->addr_size) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

struct metrics *metrics_open(struct event_base *base, struct daemon *daemon,
                             const struct config_address *address,
                             char ret_error[METRICS_MAX_ERROR])
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    int fd = metrics ? listen_at(address) : -1;
    if (fd < 0) {
        snprintf(ret_error, METRICS_MAX_ERROR, "metrics: %s: %s", address->text, strerror(errno));
        free(metrics);
        return NULL;
    }
    metrics->daemon = daemon;
    metrics->http = evhttp_new(base);
    if (!metrics->http || evhttp_accept_socket(metrics->http, fd) != 0) {
        snprintf(ret_error, METRICS_MAX_ERROR, "metrics: out of memory");
        close(fd);
        metrics_close(metrics);
        return NULL;
    }
    evhttp_set_allowed_methods(metrics->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_cb(metrics->http, "/metrics", serve, metrics);
    return metrics;
}

void metrics_close(struct metrics *metrics)
{
    if (!metrics)
        return;
    if (metrics->http)
        evhttp_free(metrics->http);
    free(metrics);
}
