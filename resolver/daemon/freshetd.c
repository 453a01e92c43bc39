/*
 * freshetd.c - the program: options, config, signals.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "config/streams.h"
#include "resolver/daemon/check.h"
#include "daemon/arguments.h"
#include "daemon/control.h"
#include "resolver/daemon/commands.h"
#include "resolver/daemon/daemon.h"
#include "resolver/daemon/limits.h"
#include "resolver/daemon/slack.h"
#include "daemon/log.h"
#include "resolver/daemon/metrics.h"
#include "resolver/daemon/notifier.h"
#include "daemon/privileges.h"
#include "daemon/sandbox.h"
#include "daemon/sched.h"

struct program {
    struct event_base *base;
    struct systemd *systemd;
    struct daemon *daemon;
    struct control *control;
    struct http *metrics;
    struct limits *limits;
    struct notifier *notifier;
    struct slack *slack;      /* gives memory back */
    struct identity identity; /* who it becomes */
    struct event *signals[3];
    struct event *clock;    /* looks whether the machine has slept */
    struct event *brokers;  /* looks past the cache for them */
    struct event *hosts;    /* looks whether hosts files have changed */
    struct event *watchdog; /* tells the service manager that we are alive; NULL: it does not ask */
};

enum {
    CLOCK_LOOK_SECONDS = 1, /* and for addresses that are waited for */
    BROKERS_LOOK_SECONDS = 2,
    HOSTS_LOOK_SECONDS = 5,
    STATUS_SIZE = 256
};

static void tell_ready(const struct program *program)
{
    char status[STATUS_SIZE];
    const struct config *config = program->daemon->config;
    snprintf(status, sizeof status, "answering on %s%s", config->tiers[0].listen[0].text,
             config->tier_count > 1 || config->tiers[0].listen_count > 1 ? " and others" : "");
    systemd_ready(program->systemd, status);
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
    (void)what;
    struct program *program = arg;
    log_line(LOG_LEVEL_INFO, "msg=stopping signal=%d", (int)signal);
    systemd_stopping(program->systemd);
    event_base_loopbreak(program->base);
}

static void on_reload(evutil_socket_t signal, short what, void *arg)
{
    (void)signal, (void)what;
    struct program *program = arg;
    systemd_reloading(program->systemd);
    daemon_reload(program->daemon);
    notifier_reload(program->notifier);
    tell_ready(program);
}

static void on_brokers(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct program *program = arg;
    daemon_look_past_brokers(program->daemon);
}

static void on_hosts(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct program *program = arg;
    daemon_look_at_hosts(program->daemon);
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct program *program = arg;
    daemon_look_at_clock(program->daemon);
    listeners_retry(program->daemon->listeners);
}

/* Calls `look` every so many seconds. NULL: no memory. */
static struct event *every(struct program *program, time_t seconds, event_callback_fn look)
{
    const struct timeval pause = {.tv_sec = seconds};
    struct event *event = event_new(program->base, -1, EV_PERSIST, look, program);
    if (event)
        (void)event_add(event, &pause); /* a timer needs no memory once it is made */
    return event;
}

static bool watch_time(struct program *program)
{
    program->clock = every(program, CLOCK_LOOK_SECONDS, on_clock);
    program->hosts = every(program, HOSTS_LOOK_SECONDS, on_hosts);
    program->brokers = every(program, BROKERS_LOOK_SECONDS, on_brokers);
    return program->clock && program->hosts && program->brokers;
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct program *program = arg;
    if (daemon_is_alive(program->daemon))
        systemd_alive(program->systemd);
}

/* Three looks in the time the manager waits: a worker has to be stuck for two of them. */
static bool watch_workers(struct program *program)
{
    uint64_t us = systemd_watchdog_us(program->systemd) / 3;
    const struct timeval pause = {.tv_sec = (time_t)(us / 1000000),
                                  .tv_usec = (suseconds_t)(us % 1000000)};
    if (us == 0)
        return true;
    program->watchdog = event_new(program->base, -1, EV_PERSIST, on_watchdog, program);
    return program->watchdog && event_add(program->watchdog, &pause) == 0;
}

static bool watch_signals(struct program *program)
{
    program->signals[0] = evsignal_new(program->base, SIGTERM, on_stop, program);
    program->signals[1] = evsignal_new(program->base, SIGINT, on_stop, program);
    program->signals[2] = evsignal_new(program->base, SIGHUP, on_reload, program);
    for (size_t i = 0; i < 3; i++)
        if (!program->signals[i] || event_add(program->signals[i], NULL) != 0)
            return false;
    return true;
}

static bool open_control(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = program->daemon->config;
    char why[CONTROL_MAX_ERROR];
    if (!config->control.path)
        return true;
    const struct control_commands commands = {commands_answer, program->daemon};
    program->control =
        control_open(program->base, &config->control, &commands, &program->identity, why);
    if (!program->control)
        config_fault(config, error, "control", "%s", why);
    return program->control != NULL;
}

static bool open_metrics(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = program->daemon->config;
    char why[PAGE_MAX_ERROR];
    if (!config->metrics)
        return true;
    program->metrics = metrics_open(program->base, program->daemon, config->metrics, why);
    if (!program->metrics)
        config_fault(config, error, "metrics", "%s", why);
    return program->metrics != NULL;
}

/* The last value of librdkafka's property, by a name that its aliases start with too; NULL: it has its default. */
static const char *property(const struct config_feed *feed, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < feed->rdkafka_count; i++)
        if (strncmp(feed->rdkafka[i], name, strlen(name)) == 0)
            value = strchr(feed->rdkafka[i], '=') + 1;
    return value;
}

/* What runs programs cannot be sandboxed: for GSSAPI, the default of SASL, librdkafka has kinit renew its ticket. */
static bool runs_programs(const struct config *config)
{
    if (!config->feed)
        return false;
    const char *protocol = property(config->feed, "security.protocol");
    const char *mechanism = property(config->feed, "sasl.mechanism");
    return protocol && strcasestr(protocol, "sasl") &&
           (!mechanism || strcasestr(mechanism, "GSSAPI"));
}

/* `ret_state` is for `freshet status`. */
static void enter_sandbox(const struct config *config, char ret_state[DAEMON_SANDBOX_TEXT])
{
    char why[SANDBOX_MAX_ERROR];
    snprintf(ret_state, DAEMON_SANDBOX_TEXT, "off");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* a sanitizer looks at other processes, and is one at the end */
#endif
    if (!config->sandbox)
        return;
    if (runs_programs(config)) {
        snprintf(ret_state, DAEMON_SANDBOX_TEXT, "none: GSSAPI starts programs");
        log_line(LOG_LEVEL_WARNING, "msg=\"no sandbox: GSSAPI starts programs\"");
    } else if (sandbox_enter(why) != ERR_OK) {
        snprintf(ret_state, DAEMON_SANDBOX_TEXT, "none: %s", why);
        log_line(LOG_LEVEL_WARNING, "msg=\"no sandbox\" why=\"%s\"", why);
    } else {
        snprintf(ret_state, DAEMON_SANDBOX_TEXT, "on");
        log_line(LOG_LEVEL_INFO, "msg=\"system calls are bounded\"");
    }
}

/*
 * Gives up what only a start needs. librdkafka reads its keys and certificates when the feed starts: before that, where
 * they may be for root's eyes only; its threads become somebody else with us. Who stays root by name gives his powers
 * up first, since each thread has powers of its own.
 */
static bool settle_down(struct program *program, char error[CONFIG_MAX_ERROR])
{
    struct daemon *daemon = program->daemon;
    char why[PRIVILEGES_MAX_ERROR];
    bool early = program->identity.wanted;
    int failed = privileges_gain_none(why);
    if (!failed && early && daemon_start_feed(daemon, error) != ERR_OK)
        return false;
    if (!failed)
        failed =
            privileges_drop(&program->identity, listeners_want_low_port(daemon->listeners), why);
    if (failed) {
        config_fault(daemon->config, error, NULL, "%s", why);
        return false;
    }
    if (!early && daemon_start_feed(daemon, error) != ERR_OK)
        return false;
    enter_sandbox(daemon->config, daemon->sandbox);
    return true;
}

static bool watch_versions(struct program *program)
{
    program->notifier = notifier_new(program->base, program->daemon);
    return program->notifier != NULL;
}

static bool watch_limits(struct program *program)
{
    program->limits = limits_new(program->base, program->daemon);
    program->slack = slack_new(program->base, program->daemon);
    return program->limits && program->slack;
}

/* The control socket comes first: a running instance is noticed by it. */
static bool start(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = program->daemon->config;
    char why[PRIVILEGES_MAX_ERROR];
    if (privileges_find(config->user, config->group, &program->identity, why) != ERR_OK) {
        config_fault(config, error, "user", "%s", why);
        return false;
    }
    if (!privileges_may_read(&program->identity, config->path))
        log_line(LOG_LEVEL_WARNING, "msg=\"no reload: `user` may not read the configuration\"");
    return open_control(program, error) && open_metrics(program, error) && watch_signals(program) &&
           watch_time(program) && watch_workers(program) && watch_versions(program) &&
           settle_down(program, error) && daemon_start_workers(program->daemon, error) == ERR_OK &&
           watch_limits(program);
}

static void close_program(struct program *program)
{
    control_close(program->control);
    http_free(program->metrics);
    limits_free(program->limits);
    slack_free(program->slack);
    daemon_stop(program->daemon);
    notifier_free(program->notifier);
    for (size_t i = 0; i < 3; i++)
        if (program->signals[i])
            event_free(program->signals[i]);
    signal(SIGTERM, SIG_IGN); /* whoever says it twice gets the same end */
    signal(SIGINT, SIG_IGN);
    if (program->clock)
        event_free(program->clock);
    if (program->brokers)
        event_free(program->brokers);
    if (program->hosts)
        event_free(program->hosts);
    if (program->watchdog)
        event_free(program->watchdog);
    if (program->base)
        event_base_free(program->base);
    systemd_close(program->systemd);
}

static void announce(const struct daemon *daemon)
{
    const struct config *config = daemon->config;
    if (check_secret_is_shown(config))
        log_line(LOG_LEVEL_WARNING, "msg=\"a secret stands in the configuration, which others may "
                                    "read: file: in its place takes it from a file\"");
    log_note(config->note);
    if (config->experiment)
        log_line(LOG_LEVEL_WARNING, "msg=\"an experiment: distances may be simulated\"");
    listeners_announce(daemon->listeners, config);
    log_line(LOG_LEVEL_INFO,
             "msg=ready version=" FRESHET_VERSION " pid=%d workers=%zu tiers=%zu "
             "feed=%s",
             (int)getpid(), daemon->worker_count, daemon->tier_count,
             config->feed ? config->feed->updates : "none");
}

static int run(const char *config_path, struct config *config)
{
    char error[CONFIG_MAX_ERROR] = "out of memory";
    int status = EXIT_FAILED;
    struct program program = {.base = event_base_new(), .systemd = systemd_open()};
    signal(SIGPIPE, SIG_IGN);
    sched_shorten(); /* for the threads that are started here */
    program.daemon = daemon_open(config_path, config, program.systemd, error);
    bool up = program.daemon && program.base && start(&program, error);
    sched_usual(); /* the others go first */
    if (up) {
        announce(program.daemon);
        tell_ready(&program);
        event_base_dispatch(program.base);
        status = EXIT_DONE;
    } else {
        fprintf(stderr, "freshetd: %s\n", error);
    }
    close_program(&program);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    signal(SIGHUP, SIG_IGN); /* until it can be served: what there is to read is being read */
    streams_hold();
    int status = arguments_parse(&program_freshetd, argc, argv, &arguments);
    if (status >= 0)
        return status;
    char error[CONFIG_MAX_ERROR];
    struct config *config = config_load(arguments.config_path, error);
    if (!config || check_machine(config, error) != ERR_OK) {
        fprintf(stderr, "freshetd: %s\n", error);
        status = config ? EXIT_FAILED : EXIT_USAGE; /* this machine is at fault, or the text */
        config_free(config);
        return status;
    }
    if (arguments.check_only) {
        log_note(config->note);
        config_free(config);
        return EXIT_DONE;
    }
    return run(arguments.config_path, config);
}
