/*
 * load.c - asks a server as fast as it answers, or at a rate that does not wait for it.
 *
 *     load --server=127.0.0.1:5353 --seconds=4                 a window of queries under way
 *     load --server=127.0.0.1:5353 --seconds=4 --rate=100000   open loop
 *
 * With a rate, queries are due at times drawn beforehand (exponential gaps, as from many clients),
 * and latency counts from the time a query was due, not from when the generator got round to it: a
 * server that stalls is charged for all that should have been asked meanwhile. How late queries
 * left is reported too ("late_us"): where that is not small, the machine was the limit.
 *
 * Latencies are given over the whole run ("latency_us"), and as the median of what they are in each
 * tenth of a second ("slice_us").
 *
 * Where the core is shared with others that have work to do, --stamps counts from when a query was
 * sent (still at its own time, whatever the server does) to when the kernel got the reply, so that
 * latency is not the generator's; then nobody waits for replies, and --burst saves most wake-ups.
 *
 * One thread, a few sockets, batches of 64. It polls without a pause on a core of its own (--spin),
 * or sleeps when there is nothing to do, where the core is shared. "idle" is the share of its time
 * in which there was nothing to do; near 0 the generator was the limit.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "bench/common/chance.h"
#include "bench/common/options.h"
#include "bench/throughput/flow.h"

enum { FLOWS_MAX = 64, GAPS = 4096, US = 1000, MS = 1000000 };

static const int64_t SECOND = 1000000000;
static const int64_t SLICE = 100 * MS; /* at least; a run has FLOW_SLICES at most */
static const int64_t SWEEP = 50 * MS;
static const int64_t REST = 20 * MS; /* the longest sleep */

struct load {
    struct run run;
    struct tally tally;
    struct question_options questions;
    struct flow *flows[FLOWS_MAX];
    struct pollfd polls[FLOWS_MAX];
    unsigned flow_count;
    unsigned turn; /* the flow to ask next, modulo flow_count */
    unsigned burst;
    unsigned window; /* queries under way, over all flows */
    bool spin;
    uint64_t limit; /* queries; 0: none */
    double seconds, rate;
    int64_t timeout, swept, idle;
    int64_t next_due;
    unsigned in_burst; /* of the queries due then, those that were asked */
    struct chance chance;
    int64_t gaps[GAPS];
};

static void read_options(struct load *load, int argc, char **argv)
{
    static const char *const orders[] = {[ORDER_UNIFORM] = "uniform",
                                         [ORDER_ZIPF] = "zipf",
                                         [ORDER_EACH] = "each",
                                         [ORDER_SHUFFLED] = "shuffled",
                                         NULL};
    struct question_options *q = &load->questions;
    struct run *run = &load->run;
    const struct option_row rows[] = {
        {"server", "IPV4:PORT", "a DNS server", PLACE(&run->server), .needed = true},
        {"source", "IPV4:PORT", "the address to ask from; port 0", PLACE(&run->source)},
        {"seconds", "S", "2", NUMBER(&load->seconds, 0.01, 3600)},
        {"rate", "Q", "a second, open loop; left out: as many as are answered",
         NUMBER(&load->rate, 1, 1e7)},
        {"burst", "N", "with a rate: so many are due at a time (1)",
         NUMBER(&load->burst, 1, FLOW_BATCH)},
        {"stamps", NULL, "with a rate, UDP: latency from sending to when the kernel got the reply",
         FLAG(&run->stamped, true)},
        {"window", "N", "without a rate: queries under way (128)",
         NUMBER(&load->window, 1, FLOWS_MAX * FLOW_SLOTS)},
        {"limit", "N", "at most N queries", NUMBER(&load->limit, 1, 1e12)},
        {"flows", "N", "sockets (8)", NUMBER(&load->flow_count, 1, FLOWS_MAX)},
        {"tcp", NULL, "connections with pipelined queries", FLAG(&run->stream, true)},
        {"known", "N", "names asked for again and again (10000)", NUMBER(&q->known, 1, 1e7)},
        {"order", "uniform|zipf|each|shuffled", "of these (uniform)", CHOICE(&q->order, orders)},
        {"unique", "SHARE", "of the queries ask for a name that is never asked for again (0)",
         NUMBER(&q->unique_share, 0, 1)},
        {"first-unique", "N", "the number of the first of these",
         NUMBER(&q->first_unique, 0, 1e15)},
        {"suffix", "NAME", "bench.example.com.", PLACE(&q->suffix)},
        {"edns", NULL, "queries carry an OPT record", FLAG(&q->edns, true)},
        {"iterative", NULL, "queries do not ask for recursion", FLAG(&q->iterative, true)},
        {"echo", NULL, "a reply need not have an answer", FLAG(&run->accept_any, true)},
        {"timeout", "MS", "a reply that takes longer is lost (1000)",
         SCALED(&load->timeout, 1, 60000, MS)},
        {"spin", NULL, "never sleep", FLAG(&load->spin, true)},
        {"seed", "N", "1", NUMBER(&q->seed, 0, 1e15)},
    };
    const struct option_table table = OPTION_TABLE(
        rows, .about =
                  "--server=IPV4:PORT [OPTION]...\n"
                  "Asks as fast as the server answers, or at a rate; one JSON object on stdout.");
    options_read(&table, argc, argv);
    if (load->window < load->flow_count)
        load->window = load->flow_count;
}

/* --- the run */

/* The middle of each of GAPS equally likely parts of the exponential distribution. */
static void prepare_gaps(struct load *load)
{
    double sum = 0;
    for (int i = 0; i < GAPS; i++)
        sum -= log((i + 0.5) / GAPS);
    for (int i = 0; i < GAPS; i++)
        load->gaps[i] =
            (int64_t)(-log((i + 0.5) / GAPS) * GAPS / sum * (double)SECOND / load->rate);
}

static int64_t draw_gap(struct load *load)
{
    return load->gaps[chance_below(&load->chance, GAPS)];
}

static void prepare(struct load *load)
{
    load->run.tally = &load->tally;
    load->run.paced = load->rate > 0;
    load->run.questions = questions_new(&load->questions);
    if (!load->run.questions)
        options_fail("no such questions", load->questions.suffix);
    load->tally.slices = calloc(FLOW_SLICES, sizeof *load->tally.slices);
    if (!load->tally.slices)
        options_fail("slices", "no memory");
    load->run.slice = (int64_t)(load->seconds * (double)SECOND / FLOW_SLICES);
    if (load->run.slice < SLICE)
        load->run.slice = SLICE;
    for (unsigned i = 0; i < load->flow_count; i++) {
        load->flows[i] = flow_new(&load->run);
        if (!load->flows[i])
            options_fail("cannot connect", strerror(errno));
    }
    if (load->run.paced)
        prepare_gaps(load);
    load->chance = chance_of(load->questions.seed);
    prctl(PR_SET_TIMERSLACK, 1UL); /* sleeps end when they should */
}

static void release(struct load *load)
{
    for (unsigned i = 0; i < load->flow_count; i++)
        flow_free(load->flows[i]);
    questions_free(load->run.questions);
    free(load->tally.slices);
}

static uint64_t waiting(const struct load *load)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < load->flow_count; i++)
        sum += flow_waiting(load->flows[i]);
    return sum;
}

static size_t hear_all(struct load *load)
{
    size_t heard = 0;
    for (unsigned i = 0; i < load->flow_count; i++)
        if (flow_waiting(load->flows[i]) > 0)
            heard += flow_hear(load->flows[i]);
    return heard;
}

static void sweep(struct load *load, int64_t now)
{
    if (now - load->swept < SWEEP)
        return;
    load->swept = now;
    for (unsigned i = 0; i < load->flow_count; i++)
        flow_expire(load->flows[i], now - load->timeout);
}

/* Nothing to do since `since`: sleeps, unless told not to, until a reply comes or `until`. */
static void rest(struct load *load, int64_t since, int64_t until)
{
    if (!load->spin) {
        const int64_t wait = until - clock_ns();
        const int64_t capped = wait < 0 ? 0 : wait > REST ? REST : wait;
        const nfds_t count = load->run.stamped ? 0 : load->flow_count;
        for (unsigned i = 0; i < load->flow_count; i++) /* a stream may have a new one */
            load->polls[i] = (struct pollfd){.fd = flow_fd(load->flows[i]), .events = POLLIN};
        ppoll(load->polls, count, &(struct timespec){.tv_nsec = capped}, NULL);
    }
    load->idle += clock_ns() - since;
}

static uint64_t left(const struct load *load)
{
    return load->limit ? load->limit - load->tally.asked : UINT64_MAX;
}

/* Refills one flow's part of the window; how many it asked. */
static size_t refill(struct load *load, struct flow *flow, int64_t now)
{
    const uint32_t part = load->window / load->flow_count;
    int64_t due[FLOW_BATCH];
    if (flow_waiting(flow) >= part)
        return 0;
    size_t count = part - flow_waiting(flow);
    if (count > FLOW_BATCH)
        count = FLOW_BATCH;
    if (count > left(load))
        count = (size_t)left(load);
    for (size_t i = 0; i < count; i++)
        due[i] = now;
    return count > 0 ? flow_ask(flow, due, count) : 0;
}

static void saturate(struct load *load)
{
    int64_t now = clock_ns();
    while (now < load->run.ends && left(load) > 0) {
        size_t done = 0;
        const int64_t since = now;
        for (unsigned i = 0; i < load->flow_count; i++) {
            if (flow_waiting(load->flows[i]) > 0)
                done += flow_hear(load->flows[i]);
            done += refill(load, load->flows[i], clock_ns());
        }
        if (done == 0)
            rest(load, since, load->run.ends);
        now = clock_ns();
        sweep(load, now);
    }
}

/* Takes what is due by `now` off the schedule; how many. */
static size_t collect(struct load *load, int64_t now, int64_t due[FLOW_BATCH])
{
    size_t count = 0;
    while (count < FLOW_BATCH && load->next_due <= now && load->next_due < load->run.ends) {
        due[count++] = load->next_due;
        if (++load->in_burst < load->burst)
            continue;
        load->in_burst = 0;
        load->next_due += load->burst * draw_gap(load);
    }
    return count;
}

/* Sends what is due, from one flow after the other. */
static void ask_due(struct load *load, const int64_t *due, size_t count)
{
    for (size_t asked = 0; asked < count;) {
        struct flow *flow = load->flows[load->turn++ % load->flow_count];
        const size_t took = flow_ask(flow, due + asked, count - asked);
        asked += took;
        if (took > 0)
            continue;
        /* A stream is congested: its replies have to go first. */
        hear_all(load);
        if (clock_ns() > load->run.ends) {
            load->tally.asked += count - asked;
            load->tally.unsent += count - asked;
            return;
        }
    }
}

static void pace(struct load *load)
{
    int64_t due[FLOW_BATCH];
    load->next_due = load->run.begins;
    while (load->next_due < load->run.ends) {
        const int64_t now = clock_ns();
        const size_t count = collect(load, now, due);
        ask_due(load, due, count);
        if (count + hear_all(load) == 0)
            rest(load, now, load->next_due);
        sweep(load, now);
    }
}

/* What is still under way comes, or is lost. */
static void drain(struct load *load)
{
    while (waiting(load) > 0) {
        const int64_t now = clock_ns();
        if (hear_all(load) == 0)
            rest(load, now, now + MS);
        sweep(load, now);
    }
}

/* --- the result */

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

static void print_histogram(const char *name, const struct histogram *histogram)
{
    printf("\"%s\": {", name);
    for (size_t i = 0; i < QUANTILES; i++)
        printf("\"%s\": %.1f, ", quantiles[i].name,
               (double)histogram_quantile(histogram, quantiles[i].share) / US);
    printf("\"max\": %.1f}", (double)histogram->max_us / US);
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of the slices that have a reply, each for itself: the middle one's quantile. */
static int64_t middle(const struct histogram *slices, double share)
{
    int64_t values[FLOW_SLICES];
    size_t count = 0;
    for (int i = 0; i < FLOW_SLICES; i++)
        if (slices[i].count > 0)
            values[count++] = histogram_quantile(&slices[i], share);
    qsort(values, count, sizeof *values, compare);
    return count > 0 ? values[count / 2] : 0;
}

/* Over the whole run; and slice by slice, which a machine that stops now and then spoils less. */
static void print_latency(const struct histogram *slices)
{
    static struct histogram all;
    for (int i = 0; i < FLOW_SLICES; i++)
        histogram_merge(&all, &slices[i]);
    print_histogram("latency_us", &all);
    printf(", \"slice_us\": {");
    for (size_t i = 0; i < QUANTILES; i++)
        printf("%s\"%s\": %.1f", i ? ", " : "", quantiles[i].name,
               (double)middle(slices, quantiles[i].share) / US);
    printf("}, ");
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void print_counts(const struct load *load)
{
    const struct tally *tally = &load->tally;
    printf("\"asked\": %" PRIu64 ", \"good\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"unsent\": %" PRIu64 ", \"stray\": %" PRIu64 ", \"reconnects\": %" PRIu64
           ", \"bad_rcodes\": {",
           tally->asked, tally->good, tally->bad, tally->lost, tally->unsent, tally->stray,
           tally->reconnects);
    const char *comma = "";
    for (int i = 0; i < FLOW_RCODES; i++) {
        if (tally->rcodes[i] == 0)
            continue;
        printf("%s\"%d\": %" PRIu64, comma, i, tally->rcodes[i]);
        comma = ", ";
    }
    printf("}, ");
}

static void print_result(const struct load *load, double took)
{
    struct rusage usage_of;
    getrusage(RUSAGE_SELF, &usage_of);
    printf("{\"seconds\": %.3f, \"rate\": %.0f, ", took, load->rate);
    print_counts(load);
    printf("\"qps\": %.0f, \"idle\": %.4f, \"user_s\": %.3f, \"system_s\": %.3f, ",
           (double)load->tally.good_in_time / took, (double)load->idle / 1e9 / took,
           seconds_of(&usage_of.ru_utime), seconds_of(&usage_of.ru_stime));
    print_latency(load->tally.slices);
    print_histogram("late_us", &load->tally.lateness);
    printf("}\n");
}

static void run(struct load *load)
{
    load->run.begins = load->swept = clock_ns();
    load->run.offset = clock_ns() - clock_ns_of(CLOCK_REALTIME);
    load->run.ends = load->run.begins + (int64_t)(load->seconds * (double)SECOND);
    if (load->run.paced)
        pace(load);
    else
        saturate(load);
    const int64_t now = clock_ns();
    const double took =
        (double)((now < load->run.ends ? now : load->run.ends) - load->run.begins) / 1e9;
    const int64_t idle = load->idle; /* that of the drain does not count */
    drain(load);
    load->idle = idle;
    print_result(load, took);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .questions = {.suffix = "bench.example.com.", .known = 10000, .seed = 1},
        .flow_count = 8,
        .burst = 1,
        .window = 128,
        .seconds = 2,
        .timeout = 1000 * MS,
    };
    read_options(&load, argc, argv);
    prepare(&load);
    run(&load);
    release(&load);
    return 0;
}
