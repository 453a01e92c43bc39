/*
 * main.c - the probe: changes records, asks every tier for them, and notes when which answer came.
 *
 *                 +----------------- probe ------------------+
 *    authority <--- history: what is current                 |
 *      ^   |      |    |                             ^       |
 *      |   |      |  publish                      answers    |
 *      |   |      +----|-----------------------------^-------+
 *      |   v           v                             |
 *      +- tier ... <- Kafka, or NOTIFY and IXFR   tier, tier, ...
 *
 * Changes, probes and the steady queries leave at times fixed beforehand: a slow answer delays no
 * later query, and what is late of the probe's own is counted ("late"). Measured is what flight.h
 * says. One process and one clock see all of it.
 *
 *    WARM    each name once at each tier, the last tier first
 *    REST    a second of steady queries
 *    RUN     changes and steady queries; probes, after the first seconds in which all warm up
 *    DRAIN   the same without changes, until the last change is `horizon` old
 *
 * On stdout: {"type":"ready"} when what is counted begins, {"type":"second",...} each second,
 * {"type":"over"} at the end of that; then {"type":"change",...} for each change that was watched,
 * and {"type":"result",...} last.
 *
 * Threads: this loop; those of bench/common/topic.h and inside.h. All have the short time slices that freshetd's
 * have, so that the plain consumer waits for the processor no longer than a tier does; the loop has
 * a higher priority besides, where that is permitted, so that what is late is the tiers. (At a
 * real-time priority it keeps a broker on its core from the change it waits for.)
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/common/authority.h"
#include "bench/common/chance.h"
#include "bench/common/clock.h"
#include "bench/propagation/client.h"
#include "bench/propagation/inside.h"
#include "bench/propagation/primary.h"
#include "bench/propagation/changes.h"
#include "daemon/sched.h"

enum {
    EVENTS = 64,
    WHOLE_EVERY = 64, /* of the changes that one tier is asked for, so many go to all */
    PRIORITY = -10,
    TIMER_SLACK_NS = 1000,
    SLEEP_MAX_US = 20000,
    WARM_SPACING_US = 250,
    REST_US = US_PER_S,
    LATE_US = 200,
    CHANGES_SPARE = 1000,
    WHAT_AUTHORITY = 1000,
    WHAT_PRIMARY,
};

enum phase { WARM, REST, RUN, DRAIN, DONE };

/* What is counted of one tier, and of the authority. */
struct counts {
    struct client_counts tiers[TIERS_MAX];
    uint64_t authority, changes;
};

struct probe {
    struct options options;
    struct zone zone;
    struct history *history;
    struct flights flights;
    struct dues dues;
    struct authority authority;
    struct topic *topic;
    struct primary primary;
    struct client clients[TIERS_MAX];
    struct inside insides[TIERS_MAX];
    int poll_fd;
    struct chance chance;
    struct lottery names;
    enum phase phase;
    int64_t phase_us, run_us;
    int64_t window_us; /* what is counted, and watched, begins here */
    bool in_window;
    struct counts before, after; /* at its begin and its end */
    double next_change_us, next_sweep_us, next_client_us;
    uint64_t walked, swept; /* names and tiers asked in WARM, and by the sweep */
    uint64_t changes, probes, late, turns;
    uint32_t plain; /* a version to be sent past all tiers, at plain_us; 0: none */
    int64_t plain_us;
    int64_t latest_us; /* the most a probe was late */
    unsigned seconds;
};

/* ---- what is sent ---- */

/* All tiers as bits; with `rotate` mostly one, in turn, as the probes of all are a load. */
static uint32_t choose_tiers(struct probe *p)
{
    const uint64_t turn = p->turns++;
    const unsigned count = p->options.tier_count;
    if (p->options.rotate && turn % WHOLE_EVERY != 0)
        return UINT32_C(1) << (turn + turn / WHOLE_EVERY) % count;
    return (UINT32_C(1) << count) - 1;
}

static void ask_about(struct probe *p, struct flight *flight, uint32_t version)
{
    const struct options *o = &p->options;
    flight->asked = choose_tiers(p);
    /* The tiers are not asked in the same instant, but evenly spread over a `fine`. */
    for (unsigned k = 0; k < o->tier_count; k++)
        if (flight->asked >> k & 1)
            dues_add(&p->dues, (struct due){.at_us = flight->published_us + o->first_us +
                                                     o->fine_us * k / o->tier_count,
                                            .version = version,
                                            .tier = k});
}

/* All changes at a fixed rate, each at a random moment of its slot. */
static void change_one(struct probe *p)
{
    const struct options *o = &p->options;
    const uint32_t name = (uint32_t)(chance_draw(&p->chance) * o->names);
    const bool watched =
        chance_draw(&p->chance) * o->changes < o->watched && clock_us() >= p->window_us;
    const uint32_t version = history_add(p->history, name, KIND_SET, clock_us());
    if (!version)
        return;
    p->changes++;
    struct flight *flight = flights_begin(&p->flights, version, watched, clock_us());
    if (p->primary.zone)
        primary_publish(&p->primary, version);
    else if (p->topic)
        changes_publish(p->topic, &p->flights, &p->zone, version);
    p->plain = p->primary.zone && p->topic ? version : 0;
    p->plain_us = flight->published_us + (int64_t)(US_PER_S / o->changes / 2);
    if (watched)
        ask_about(p, flight, version);
}

/* What Kafka takes by itself, at a moment when it has no other change. */
static void send_plain(struct probe *p, int64_t now_us)
{
    if (!p->plain || now_us < p->plain_us)
        return;
    p->flights.all[p->plain].plain_us = clock_us();
    changes_publish(p->topic, &p->flights, &p->zone, p->plain);
    p->plain = 0;
}

static void probe_one(struct probe *p, int64_t now_us)
{
    struct due due = dues_take(&p->dues);
    const int64_t late_us = now_us - due.at_us;
    p->probes++;
    p->late += late_us > LATE_US;
    if (late_us > p->latest_us)
        p->latest_us = late_us;
    client_ask(&p->clients[due.tier], p->history->changes[due.version].name, true);
    due.at_us = flights_next(&p->flights, &due);
    if (due.at_us)
        dues_add(&p->dues, due);
}

static void sweep_one(struct probe *p)
{
    const uint32_t tiers = p->options.tier_count;
    client_ask(&p->clients[p->swept % tiers], (uint32_t)(p->swept / tiers % p->options.names),
               false);
    p->swept++;
}

static void send_steady(struct probe *p, int64_t now_us)
{
    const struct options *o = &p->options;
    for (; o->sweep > 0 && p->next_sweep_us <= (double)now_us;
         p->next_sweep_us += US_PER_S / o->sweep)
        sweep_one(p);
    for (; o->clients > 0 && p->next_client_us <= (double)now_us;
         p->next_client_us -= log(1 - chance_draw(&p->chance)) * US_PER_S / o->clients)
        client_ask(&p->clients[0], lottery_draw(&p->names, &p->chance), false);
}

static void send_changes(struct probe *p, int64_t now_us)
{
    const double slot_us = US_PER_S / p->options.changes;
    while (p->phase == RUN && p->options.changes > 0 && p->next_change_us <= (double)now_us) {
        change_one(p);
        const double slot = floor((p->next_change_us - (double)p->run_us) / slot_us) + 1;
        p->next_change_us = (double)p->run_us + (slot + chance_draw(&p->chance)) * slot_us;
    }
}

/* A probe's time may come while those before it are sent: the clock is read for each. */
static void send_probes(struct probe *p)
{
    for (int64_t now_us = clock_us(); p->dues.count && p->dues.all[0].at_us <= now_us;
         now_us = clock_us())
        probe_one(p, now_us);
}

static void warm_one(struct probe *p)
{
    const uint32_t tier = p->options.tier_count - 1 - (uint32_t)(p->walked / p->options.names);
    client_ask(&p->clients[tier], (uint32_t)(p->walked % p->options.names), false);
    p->walked++;
}

/* ---- phases ---- */

static void enter(struct probe *p, enum phase phase, int64_t now_us)
{
    p->phase = phase;
    p->phase_us = now_us;
}

static void begin_run(struct probe *p, int64_t now_us)
{
    p->run_us = now_us;
    p->next_change_us = (double)now_us;
    p->window_us = now_us + p->options.settle_us;
    for (unsigned k = 0; k < p->options.controls.count; k++)
        inside_begin(&p->insides[k]);
    enter(p, RUN, now_us);
}

static struct counts count(const struct probe *p)
{
    struct counts counts = {.authority = p->authority.queries, .changes = p->changes};
    for (unsigned k = 0; k < p->options.tier_count; k++)
        counts.tiers[k] = p->clients[k].counts;
    return counts;
}

static void begin_window(struct probe *p)
{
    p->in_window = true;
    for (unsigned k = 0; k < p->options.tier_count; k++)
        p->clients[k].timed = true;
    p->before = count(p);
    printf("{\"type\":\"ready\"}\n");
    fflush(stdout);
}

static void move_on(struct probe *p, int64_t now_us)
{
    const struct options *o = &p->options;
    const uint64_t warm = (uint64_t)o->names * o->tier_count;
    if (p->phase == WARM && p->walked >= warm) {
        p->next_sweep_us = p->next_client_us = (double)now_us;
        enter(p, REST, now_us);
    } else if (p->phase == REST && now_us - p->phase_us > REST_US) {
        begin_run(p, now_us);
    } else if (p->phase == RUN && !p->in_window && now_us >= p->window_us) {
        begin_window(p);
    } else if (p->phase == RUN && now_us >= p->window_us + o->seconds * US_PER_S) {
        p->after = count(p);
        printf("{\"type\":\"over\"}\n");
        fflush(stdout);
        enter(p, DRAIN, now_us);
    } else if (p->phase == DRAIN &&
               (p->dues.count == 0 || now_us - p->phase_us > o->horizon_us + 2 * US_PER_S)) {
        enter(p, DONE, now_us);
    }
}

static void tell_second(struct probe *p, int64_t now_us)
{
    if (!p->in_window || now_us - p->window_us < (int64_t)(p->seconds + 1) * US_PER_S)
        return;
    p->seconds++;
    printf("{\"type\":\"second\",\"second\":%u,\"changes\":%" PRIu64 ",\"probes\":%" PRIu64 "}\n",
           p->seconds, p->changes, p->probes);
    fflush(stdout);
}

/*
 * Caches that were filled at one moment would all expire at one moment. While they are filled, the
 * authority gives random TTLs, so the ages of what they hold are spread as after a long time.
 */
static void choose_ttl(struct probe *p)
{
    const uint32_t ttl = p->options.ttl;
    p->zone.ttl = p->phase == WARM && ttl > 0 ? 1 + (uint32_t)(chance_draw(&p->chance) * ttl) : ttl;
}

static void step(struct probe *p)
{
    int64_t now_us = clock_us();
    choose_ttl(p);
    if (p->phase == WARM)
        for (; p->walked < (uint64_t)p->options.names * p->options.tier_count &&
               now_us >= p->phase_us + (int64_t)p->walked * WARM_SPACING_US;)
            warm_one(p);
    else
        send_steady(p, now_us);
    send_changes(p, now_us);
    send_plain(p, now_us);
    send_probes(p);
    if (p->options.authority_port)
        authority_send(&p->authority, now_us);
    tell_second(p, now_us);
    move_on(p, now_us);
}

/* ---- the loop ---- */

/* When something is to be sent next. */
static int64_t next_due_us(const struct probe *p, int64_t now_us)
{
    int64_t due_us = now_us + SLEEP_MAX_US;
    const struct options *o = &p->options;
    const double steady_us[] = {p->phase == RUN && o->changes > 0 ? p->next_change_us : INFINITY,
                                p->phase != WARM && o->sweep > 0 ? p->next_sweep_us : INFINITY,
                                p->phase != WARM && o->clients > 0 ? p->next_client_us : INFINITY};
    for (size_t k = 0; k < sizeof steady_us / sizeof *steady_us; k++)
        if (steady_us[k] < (double)due_us)
            due_us = (int64_t)ceil(steady_us[k]);
    if (p->plain && p->plain_us < due_us)
        due_us = p->plain_us;
    if (p->dues.count && p->dues.all[0].at_us < due_us)
        due_us = p->dues.all[0].at_us;
    if (p->phase == WARM)
        due_us = p->phase_us + (int64_t)p->walked * WARM_SPACING_US;
    return due_us;
}

static void attend_one(struct probe *p, const struct epoll_event *event)
{
    const unsigned what = event->data.u64 >> 32;
    if (what == WHAT_AUTHORITY)
        authority_serve(&p->authority);
    else if (what == WHAT_PRIMARY)
        primary_receive(&p->primary);
    else
        client_receive(&p->clients[what], (int)(uint32_t)event->data.u64);
}

static void loop(struct probe *p)
{
    struct epoll_event events[EVENTS];
    while (p->phase != DONE) {
        const int64_t now_us = clock_us(), due_us = next_due_us(p, now_us);
        const int64_t wait_us = due_us > now_us ? due_us - now_us : 0;
        const struct timespec wait = {.tv_nsec = wait_us * 1000};
        const int count = epoll_pwait2(p->poll_fd, events, EVENTS, &wait, NULL);
        for (int k = 0; k < count; k++)
            attend_one(p, &events[k]);
        step(p);
    }
}

/* ---- the result ---- */

static void print_time(const char *name, int64_t at_us, int64_t began_us)
{
    if (at_us)
        printf(",\"%s\":%" PRId64, name, at_us - began_us);
    else
        printf(",\"%s\":null", name);
}

static void print_inside(const struct inside *inside, uint32_t number, unsigned k)
{
    if (inside->applied[number].age_us)
        printf("%s{\"applied\":%" PRId64 ",\"took\":%" PRId64 "}", k ? "," : "",
               inside->applied[number].age_us, inside->applied[number].took_us);
    else
        printf("%snull", k ? "," : "");
}

static void print_change(struct probe *p, uint32_t version)
{
    const struct flight *flight = &p->flights.all[version];
    const int64_t began_us = flight->published_us;
    printf("{\"type\":\"change\",\"version\":%" PRIu32 ",\"at\":%" PRId64, version,
           began_us - p->window_us);
    print_time("acked", atomic_load(&flight->acked_us), began_us);
    const int64_t read_us = atomic_load(&flight->read_us);
    print_time("read", flight->plain_us ? 0 : read_us, began_us);
    print_time("plain", flight->plain_us ? read_us : 0, flight->plain_us);
    printf(",\"tiers\":[");
    for (unsigned k = 0; k < p->options.tier_count; k++) {
        const struct seen *seen = &flight->seen[k];
        printf("%s{\"tier\":%u,\"asked\":%s", k ? "," : "", k,
               flight->asked >> k & 1 ? "true" : "false");
        print_time("applied", flights_applied_us(&p->flights, k, version), began_us);
        print_time("new", seen->new_us, began_us);
        print_time("arrived", seen->arrived_us, began_us);
        print_time("old", seen->old_us, began_us);
        printf("}");
    }
    printf("],\"inside\":[");
    for (unsigned k = 0; k < p->options.controls.count; k++)
        print_inside(&p->insides[k], version - p->options.names - 1, k);
    printf("]}\n");
}

static void print_tier(const struct probe *p, unsigned k)
{
    const struct client_counts *from = &p->before.tiers[k], *to = &p->after.tiers[k];
    const struct histogram *latency = &p->clients[k].latency;
    printf("%s{\"name\":\"%s\",\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"bytes\":%" PRIu64,
           k ? "," : "", p->options.tiers[k].name, to->sent - from->sent,
           to->answered - from->answered, to->failed - from->failed, to->bytes - from->bytes);
    printf(",\"latency\":{\"p50\":%" PRId64 ",\"p90\":%" PRId64 ",\"p99\":%" PRId64 "}}",
           histogram_quantile(latency, 0.5), histogram_quantile(latency, 0.9),
           histogram_quantile(latency, 0.99));
}

static void print_result(struct probe *p)
{
    for (uint32_t version = p->options.names + 1; version <= p->history->count; version++)
        if (p->flights.all[version].watched)
            print_change(p, version);
    printf("{\"type\":\"result\",\"changes\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"probes\":%" PRIu64
           ",\"late\":%" PRIu64 ",\"latest_us\":%" PRId64 ",\"authority_queries\":%" PRIu64
           ",\"tiers\":[",
           p->after.changes - p->before.changes,
           p->primary.zone || !p->topic ? p->primary.refused : topic_count(p->topic).failed,
           p->probes, p->late, p->latest_us, p->after.authority - p->before.authority);
    for (unsigned k = 0; k < p->options.tier_count; k++)
        print_tier(p, k);
    printf("]}\n");
}

/* ---- setting up ---- */

static bool attend(struct probe *p, int fd, unsigned what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)what << 32 | (uint32_t)fd};
    return epoll_ctl(p->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool set_up_client(struct probe *p, unsigned k)
{
    struct client *client = &p->clients[k];
    *client = (struct client){.zone = &p->zone, .flights = &p->flights, .tier = k};
    if (p->topic && p->options.tiers[k].position) {
        client->feed_id = topic_feed_id(p->topic);
        client->partition = topic_partition(p->topic);
    }
    if (client_open(client) < 0)
        return false;
    for (int i = 0; i < CLIENT_SOCKETS; i++)
        if (!attend(p, client->fds[i], k))
            return false;
    return true;
}

static const char *set_up_core(struct probe *p)
{
    const struct options *o = &p->options;
    if (!zone_init(&p->zone, o->zone, o->ttl))
        return "--zone is no domain name with a final dot";
    const double seconds = (double)o->seconds + (double)o->settle_us / US_PER_S;
    p->history = history_new(o->names, (uint32_t)(o->changes * seconds) + CHANGES_SPARE);
    if (!p->history || !flights_init(&p->flights, o, p->history) ||
        !lottery_init(&p->names, o->names, o->zipf))
        return "no memory";
    p->chance = chance_of(o->seed);
    p->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->authority = (struct authority){.zone = &p->zone, .history = p->history};
    if (o->authority_port && (authority_open(&p->authority, o->authority_port) < 0 ||
                              !attend(p, p->authority.fd, WHAT_AUTHORITY)))
        return strerror(errno);
    return NULL;
}

static const char *set_up(struct probe *p)
{
    static char error[KAFKA_ERROR];
    const struct options *o = &p->options;
    const char *wrong = set_up_core(p);
    if (wrong)
        return wrong;
    if (o->topic) {
        p->topic = changes_open(&p->flights, &p->zone, error);
        if (!p->topic)
            return error;
    }
    if (o->primary.sin_port) {
        p->primary = (struct primary){.zone = &p->zone, .flights = &p->flights};
        if (primary_open(&p->primary, o) < 0 || !attend(p, p->primary.fd, WHAT_PRIMARY))
            return strerror(errno);
    }
    for (unsigned k = 0; k < o->tier_count; k++)
        if (!set_up_client(p, k))
            return strerror(errno);
    for (unsigned k = 0; k < o->controls.count; k++) {
        p->insides[k] =
            (struct inside){.path = o->controls.at[k], .capacity = p->history->capacity};
        if (!inside_start(&p->insides[k]))
            return "no memory, or no thread";
    }
    return NULL;
}

static void tear_down(struct probe *p)
{
    for (unsigned k = 0; k < p->options.controls.count; k++)
        inside_free(&p->insides[k]);
    for (unsigned k = 0; k < p->options.tier_count; k++)
        client_close(&p->clients[k]);
    if (p->topic)
        topic_close(p->topic);
    if (p->primary.zone)
        primary_close(&p->primary);
    if (p->options.authority_port)
        authority_close(&p->authority);
    flights_free(&p->flights);
    history_free(p->history);
    free(p->dues.all);
    lottery_free(&p->names);
}

int main(int argc, char **argv)
{
    static struct probe p;
    probe_options_read(&p.options, argc, argv);
    sched_shorten();
    const char *wrong = set_up(&p);
    if (wrong) {
        fprintf(stderr, "probe: %s\n", wrong);
        return EXIT_FAILURE; /* the threads end with the process */
    }
    setpriority(PRIO_PROCESS, 0, PRIORITY); /* of this thread; without the right to it, as it is */
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    enter(&p, WARM, clock_us());
    loop(&p);
    for (unsigned k = 0; k < p.options.controls.count; k++)
        inside_stop(&p.insides[k]);
    print_result(&p);
    tear_down(&p);
    return EXIT_SUCCESS;
}
