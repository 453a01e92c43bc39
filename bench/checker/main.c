/*
 * main.c - the checker: an observer that knows, for each answer of a DNS cache, how old it may be.
 *
 *                 +---------------- checker ----------------+
 *    authority <--- history: what is current, since when    |
 *      ^   |      |    |                         ^          |
 *      |   |      |  publish     judge <--- answers, applied positions
 *      |   |      +----|-----------------------------^------+
 *      |   v           v                             |
 *      +- tier ... <- Kafka                     tier, tier, ...
 *
 * It makes changes: first at the authority, which it is itself, then in the topic. It asks every
 * tier as any client would, open loop: a slow answer delays no later query. It shares no code with
 * freshet and sees of it only DNS answers and the "status" of the control socket. What is judged
 * how is in judge.h, what is known when in history.h and tier.h.
 *
 *    WARM    each name once at each tier, the farthest first    no changes
 *    RUN     steady queries, changes, probes
 *    DRAIN   the same without changes, until the last probes are out
 *    SWEEP   each name once at each tier: all must be at their newest version
 *
 * One thread runs the loop. The log has two more, each watched tier one; librdkafka its own.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <fcntl.h>

#include "bench/checker/asker.h"
#include "bench/common/clock.h"
#include "bench/checker/report.h"
#include "bench/checker/watch.h"

enum {
    SLEEP_US = 300, /* the longest: probes are due between the steady queries */
    SWEEP_RATE = 2000,
    LIVE_WITHIN_S = 30,
    REST_US = US_PER_S, /* from warm to run */
    CATCH_UP = 500,     /* queries that may be sent late at once */
    EVENTS = 64,
    COMMAND_MAX = 256,
    PRIORITY = -10, /* that what is late is the tiers, not the checker; needs root */
};

enum phase { WARM, REST, RUN, DRAIN, SWEEP, WAIT, DONE };

struct checker {
    struct options options;
    struct zone zone;
    struct history *history;
    struct authority authority;
    struct log *log;
    struct judge judge;
    struct report report;
    struct asker askers[TIERS_MAX];
    struct watch watches[TIERS_MAX];
    struct lottery asked;
    struct chance chance;
    struct changer changer;
    int poll_fd;
    enum phase phase;
    int64_t phase_us, run_us;
    double next_query_us, next_change_us;
    uint64_t turn;         /* of the steady queries */
    uint32_t probed[AGES]; /* versions up to this have been asked for */
    uint64_t walked;       /* WARM, SWEEP: names and tiers asked so far */
    unsigned seconds;
};

/* ---- what is sent ---- */

/* Changes come as they please: exponential gaps. */
static void pace_changes(struct checker *c, int64_t now_us)
{
    if (c->phase != RUN || c->options.changes <= 0 || c->changer.full)
        return;
    while (c->next_change_us <= (double)now_us && !c->changer.full) {
        histogram_add(&c->report.late, now_us - (int64_t)c->next_change_us);
        changer_step(&c->changer, now_us);
        c->next_change_us += -log1p(-chance_draw(&c->chance)) * US_PER_S / c->options.changes;
    }
}

/* Evenly, to the tiers in turn. */
static void pace_queries(struct checker *c, int64_t now_us)
{
    if ((c->phase != RUN && c->phase != DRAIN) || c->options.queries <= 0)
        return;
    for (int k = 0; k < CATCH_UP && c->next_query_us <= (double)now_us; k++) {
        histogram_add(&c->report.late, now_us - (int64_t)c->next_query_us);
        const uint32_t name = lottery_draw(&c->asked, &c->chance);
        asker_ask(&c->askers[c->turn++ % c->options.tier_count],
                  (struct question){.name = name,
                                    .purpose = FOR_STREAM,
                                    .still = changer_is_still(&c->options.changer, name)});
        c->next_query_us += US_PER_S / c->options.queries;
    }
}

static void probe(struct checker *c, int age, uint32_t version, int64_t late_us)
{
    const int64_t tolerance_us = ages_us[age] / 10 > 500 ? ages_us[age] / 10 : 500;
    for (unsigned k = 0; k < c->options.tier_count; k++) {
        if (late_us > tolerance_us)
            c->report.tiers[k].probes[age].skipped++;
        else
            asker_ask(&c->askers[k], (struct question){.name = c->history->changes[version].name,
                                                       .purpose = FOR_PROBE,
                                                       .probe = age,
                                                       .probed = version});
    }
}

/* Of a change set the first name; nothing that waits for a transaction, as all others would wait too. */
static bool is_probed(const struct checker *c, uint32_t version)
{
    const struct change *change = &c->history->changes[version];
    return change->set == version &&
           !publisher_manner(log_publisher(c->log, change->publisher))->transactions;
}

/* Changes become readable in their order, more or less, so each age has one place where it is. */
static void pace_probes(struct checker *c, int age)
{
    while (c->probed[age] < c->history->count) {
        const uint32_t version = c->probed[age] + 1;
        if (!is_probed(c, version)) {
            c->probed[age] = version;
            continue;
        }
        const int64_t readable_us = atomic_load(&c->history->changes[version].readable_us);
        const int64_t late_us = clock_us() - readable_us - ages_us[age];
        if (readable_us == 0 || late_us < 0)
            return;
        probe(c, age, version, late_us);
        c->probed[age] = version;
    }
}

/* Each name once at each tier; the last tier is the farthest from the authority. */
static bool walk(struct checker *c, enum purpose purpose, int64_t now_us)
{
    const uint64_t total = (uint64_t)c->options.names * c->options.tier_count;
    const uint64_t due = (uint64_t)(now_us - c->phase_us) * SWEEP_RATE / US_PER_S;
    for (; c->walked < total && c->walked < due; c->walked++) {
        const unsigned tier = c->options.tier_count - 1 - (unsigned)(c->walked / c->options.names);
        asker_ask(&c->askers[tier],
                  (struct question){.name = (uint32_t)(c->walked % c->options.names),
                                    .purpose = purpose});
    }
    return c->walked == total;
}

static bool is_quiet(const struct checker *c)
{
    for (unsigned k = 0; k < c->options.tier_count; k++)
        if (asker_waiting(&c->askers[k]))
            return false;
    return true;
}

/* ---- phases ---- */

static void enter(struct checker *c, enum phase phase, int64_t now_us)
{
    c->phase = phase;
    c->phase_us = now_us;
    c->walked = 0;
}

static void begin_run(struct checker *c, int64_t now_us)
{
    enter(c, RUN, now_us);
    c->run_us = c->report.began_us = now_us;
    c->next_query_us = c->next_change_us = (double)now_us;
    c->authority.queries = c->authority.answered = 0;
    for (int k = 0; k < AGES; k++)
        c->probed[k] = c->history->count;
    report_ready(&c->report);
}

/* The authority's troubles that were ordered on the command line. */
static void pace_authority(struct checker *c, int64_t now_us)
{
    struct options *options = &c->options;
    if (c->phase != RUN)
        return;
    if (options->authority_down_at_us && now_us >= c->run_us + options->authority_down_at_us) {
        options->authority_down_at_us = 0;
        c->authority.down = true;
        report_mark(&c->report, "authority down");
    }
    if (options->authority_up_at_us && now_us >= c->run_us + options->authority_up_at_us) {
        options->authority_up_at_us = 0;
        c->authority.down = false;
        report_mark(&c->report, "authority up");
    }
}

static void end_measuring(struct checker *c, int64_t now_us)
{
    c->report.measured_us = now_us - c->run_us;
    c->report.authority_queries = c->authority.queries;
    enter(c, SWEEP, now_us);
}

static void step(struct checker *c, int64_t now_us)
{
    const int64_t passed_us = now_us - c->phase_us;
    if (c->phase == WARM && walk(c, FOR_WARMTH, now_us) && is_quiet(c))
        enter(c, REST, now_us);
    else if (c->phase == REST && passed_us > REST_US)
        begin_run(c, now_us);
    else if (c->phase == RUN && c->options.seconds && passed_us >= c->options.seconds * US_PER_S)
        enter(c, DRAIN, now_us);
    else if (c->phase == DRAIN && passed_us >= c->options.drain_us)
        end_measuring(c, now_us);
    else if (c->phase == SWEEP && walk(c, FOR_SWEEP, now_us))
        enter(c, WAIT, now_us);
    else if (c->phase == WAIT && is_quiet(c))
        enter(c, DONE, now_us);
}

static void tick(struct checker *c)
{
    const int64_t now_us = clock_us();
    step(c, now_us);
    pace_authority(c, now_us);
    authority_send(&c->authority, now_us);
    judge_settle(&c->judge, now_us);
    pace_changes(c, now_us);
    pace_queries(c, now_us);
    if (c->options.probes && (c->phase == RUN || c->phase == DRAIN))
        for (int age = 0; age < AGES; age++)
            pace_probes(c, age);
    for (unsigned k = 0; k < c->options.tier_count; k++)
        asker_expire(&c->askers[k], now_us);
    if ((c->phase == RUN || c->phase == DRAIN) &&
        now_us - c->run_us >= (int64_t)(c->seconds + 1) * US_PER_S)
        report_second(&c->report, ++c->seconds);
}

/* ---- orders on stdin ---- */

static void obey(struct checker *c, char *line)
{
    char *space = strchr(line, ' ');
    const char *word = space ? space + 1 : "";
    const size_t size = space ? (size_t)(space - line) : strlen(line);
    const double value = strtod(word, NULL);
    if (strncmp(line, "stop", size) == 0 && c->phase == RUN)
        enter(c, DRAIN, clock_us());
    else if (strncmp(line, "lag", size) == 0)
        c->authority.lag_us = (int64_t)(value * US_PER_MS);
    else if (strncmp(line, "delay", size) == 0)
        c->authority.delay_us = (int64_t)(value * US_PER_MS);
    else if (strncmp(line, "down", size) == 0)
        c->authority.down = true;
    else if (strncmp(line, "up", size) == 0)
        c->authority.down = false;
    else if (strncmp(line, "hang", size) == 0)
        changer_hang(&c->changer, (int64_t)(value * US_PER_MS), false);
    else if (strncmp(line, "hang-abort", size) == 0)
        changer_hang(&c->changer, (int64_t)(value * US_PER_MS), true);
    else if (strncmp(line, "garbage", size) == 0)
        publisher_send_garbage(log_publisher(c->log, 0));
    else if (strncmp(line, "queries", size) == 0)
        c->options.queries = value;
    else if (strncmp(line, "changes", size) == 0)
        c->options.changes = value;
    c->next_query_us = fmax(c->next_query_us, (double)clock_us());
    c->next_change_us = fmax(c->next_change_us, (double)clock_us());
    report_mark(&c->report, strncmp(line, "mark", size) == 0 ? word : line);
}

/* Orders are short and come alone; half a line does not happen on a pipe. */
static void read_orders(struct checker *c)
{
    char text[COMMAND_MAX], *state = NULL;
    const ssize_t size = read(STDIN_FILENO, text, sizeof text - 1);
    if (size <= 0) {
        epoll_ctl(c->poll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }
    text[size] = '\0';
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
        obey(c, line);
}

/* ---- the loop ---- */

static bool attend(struct checker *c, int fd, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)what << 32 | (uint32_t)fd};
    return epoll_ctl(c->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* `what` of attend(): a tier's number, or one of these. */
enum { WHAT_AUTHORITY = TIERS_MAX, WHAT_STDIN };

static void serve(struct checker *c, uint64_t data)
{
    const uint32_t what = (uint32_t)(data >> 32);
    if (what == WHAT_AUTHORITY)
        authority_serve(&c->authority);
    else if (what == WHAT_STDIN)
        read_orders(c);
    else
        asker_receive(&c->askers[what], (int)(uint32_t)data);
}

static void loop(struct checker *c)
{
    struct epoll_event events[EVENTS];
    const struct timespec sleep = {.tv_nsec = SLEEP_US * 1000};
    enter(c, WARM, clock_us());
    while (c->phase != DONE) {
        const int count = epoll_pwait2(c->poll_fd, events, EVENTS, &sleep, NULL);
        for (int k = 0; k < count; k++)
            serve(c, events[k].data.u64);
        tick(c);
    }
}

/* ---- setting up ---- */

static bool set_up_tier(struct checker *c, unsigned k)
{
    struct tier *tier = &c->report.tiers[k];
    const size_t names = c->options.names;
    tier->seen = calloc(names, sizeof *tier->seen);
    tier->seen_us = calloc(names, sizeof *tier->seen_us);
    tier_init(tier);
    c->askers[k] = (struct asker){.zone = &c->zone, .judge = &c->judge, .tier = tier};
    if (!tier->seen || !tier->seen_us || asker_open(&c->askers[k]) < 0)
        return false;
    for (int i = 0; i < ASKER_SOCKETS; i++)
        if (!attend(c, c->askers[k].fds[i], k))
            return false;
    c->watches[k] = (struct watch){.tier = tier, .pause_us = c->options.poll_us};
    return !tier->control[0] || watch_start(&c->watches[k]);
}

static bool all_live(const struct checker *c)
{
    for (unsigned k = 0; k < c->options.tier_count; k++)
        if (c->report.tiers[k].control[0] && atomic_load(&c->report.tiers[k].state) != TIER_LIVE)
            return false;
    return true;
}

static const char *wait_live(const struct checker *c)
{
    const int64_t give_up_us = clock_us() + LIVE_WITHIN_S * (int64_t)US_PER_S;
    while (!all_live(c)) {
        if (clock_us() > give_up_us)
            return "not all tiers are live";
        usleep(10 * US_PER_MS);
    }
    return NULL;
}

/* Room for the versions of the run, with the excess that chance may bring. */
static uint32_t room(const struct options *options)
{
    const double seconds = options->seconds ? (double)options->seconds : 3600;
    const double *mix = options->changer.mix;
    double sum = 0;
    for (int k = KIND_SET; k < KIND_COUNT; k++)
        sum += mix[k];
    const double cuts = (mix[KIND_CUT] + mix[KIND_SUBTREE] + mix[KIND_UNCUT]) / (sum > 0 ? sum : 1);
    const double each = 1 + cuts * options->names / (options->inner + 1);
    const double wanted = options->changes * seconds * each * 1.2 + 10000;
    return wanted > VERSION_MAX / 2 ? VERSION_MAX / 2 : (uint32_t)wanted;
}

static const char *set_up_core(struct checker *c)
{
    struct options *options = &c->options;
    if (!zone_init(&c->zone, options->zone, options->ttl))
        return "--zone is no domain name with a final dot";
    c->zone.inner = options->inner;
    c->history = history_new(options->names, room(options));
    if (!c->history || !lottery_init(&c->asked, options->names, options->zipf))
        return "no memory";
    c->authority = (struct authority){.zone = &c->zone,
                                      .history = c->history,
                                      .lag_us = options->authority_lag_us,
                                      .delay_us = options->authority_delay_us};
    c->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (authority_open(&c->authority, options->authority_port) < 0)
        return strerror(errno);
    c->chance = chance_of(options->seed);
    c->judge = (struct judge){.history = c->history,
                              .ttl = options->ttl,
                              .lease_us = options->lease_us,
                              .forwarder_us = options->forwarder_us,
                              .report = report_violation,
                              .report_arg = &c->report};
    options->log.zone = &c->zone;
    options->log.history = c->history;
    return NULL;
}

static const char *set_up(struct checker *c)
{
    static char error[KAFKA_ERROR];
    const char *wrong = set_up_core(c);
    if (wrong)
        return wrong;
    c->log = log_open(&c->options.log, error);
    if (!c->log)
        return error;
    c->changer = (struct changer){.options = &c->options.changer,
                                  .zone = &c->zone,
                                  .history = c->history,
                                  .log = c->log,
                                  .chance = &c->chance,
                                  .publishers = c->options.log.publisher_count};
    if (!changer_init(&c->changer))
        return "no memory";
    c->report.options = &c->options;
    c->report.history = c->history;
    c->report.zone = &c->zone;
    c->report.authority = &c->authority;
    c->report.log = c->log;
    c->report.tiers = c->options.tiers;
    c->report.began_us = clock_us();
    for (unsigned k = 0; k < c->options.tier_count; k++)
        if (!set_up_tier(c, k))
            return strerror(errno);
    attend(c, c->authority.fd, WHAT_AUTHORITY);
    attend(c, STDIN_FILENO, WHAT_STDIN); /* a plain file cannot be waited for, nor gives orders */
    return wait_live(c);
}

static void tear_down(struct checker *c)
{
    for (unsigned k = 0; k < c->options.tier_count; k++) {
        struct tier *tier = &c->report.tiers[k];
        if (tier->control[0])
            watch_stop(&c->watches[k]);
        tier_free(tier);
        free(c->askers[k].questions);
    }
    log_close(c->log);
    authority_close(&c->authority);
    history_free(c->history);
    lottery_free(&c->asked);
    changer_free(&c->changer);
}

int main(int argc, char **argv)
{
    static struct checker c;
    checker_options_read(&c.options, argc, argv);
    setpriority(PRIO_PROCESS, 0, PRIORITY); /* without the right to it, it goes on as it is */
    const char *wrong = set_up(&c);
    if (wrong) {
        fprintf(stderr, "checker: %s\n", wrong);
        return EXIT_FAILURE; /* the threads end with the process */
    }
    loop(&c);
    judge_settle(&c.judge, INT64_MAX);
    report_result(&c.report);
    tear_down(&c);
    return EXIT_SUCCESS;
}
