/*
 * freshet_origin.c - the program: options, config, signals.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "config/secrets.h"
#include "config/streams.h"
#include "daemon/arguments.h"
#include "daemon/control.h"
#include "daemon/log.h"
#include "daemon/page.h"
#include "origin/webhook.h"
#include "daemon/privileges.h"
#include "daemon/systemd.h"
#include "origin/check.h"
#include "origin/primaries.h"
#include "origin/roster.h"
#include "origin/status.h"

struct program {
    const char *config_path;
    struct event_base *base;
    struct systemd *systemd;
    struct config *config; /* as running */
    struct config *first;  /* what takes a restart to change is borrowed from here */
    struct keyring keyring;
    char **properties;
    struct turns *turns;
    struct roster *roster;
    struct captures *captures;
    struct keyring first_keyring; /* of `first`: zones whose primary is the log go by both */
    struct primaries *primaries;
    struct service service;
    struct listen *listen;
    struct status status;
    struct control *control;
    struct http *metrics;
    struct webhook *webhook;
    struct event *signals[3];
    struct event *clock; /* looks what was refused */
    struct origin_numbers told;
    struct identity identity;
};

/* ---- signals and clocks ---- */

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
    (void)what;
    struct program *program = arg;
    log_line(LOG_LEVEL_INFO, "msg=stopping signal=%d", (int)signal);
    systemd_stopping(program->systemd);
    event_base_loopbreak(program->base);
}

/* Zones of a configuration and of catalogs are captured from here on, and no others. False: more than there may be, or no memory. */
static bool take_zones(struct program *program, const struct config *config)
{
    struct config all;
    int error = roster_zones(program->roster, config, &all);
    if (error) {
        roster_refuse(program->roster, error == ERR_TOO_LARGE
                                           ? "there would be more than 65536 zones"
                                           : error_text(error));
        return false;
    }
    roster_refuse(program->roster, NULL);
    if (captures_reload(program->captures, &all, &program->keyring) < 0)
        log_line(LOG_LEVEL_ERROR, "msg=\"not all zones could be taken over\"");
    roster_clear(&all);
    turns_look(program->turns);
    return true;
}

static void on_members(void *arg)
{
    struct program *program = arg;
    (void)take_zones(program, program->config);
}

/* Takes over what can change in a running process. False, with what is wrong: all stays as it was. */
static bool reload(struct program *program, char error[CONFIG_MAX_ERROR])
{
    struct keyring keyring;
    char key[CONFIG_MAX_ERROR];
    struct config *config = config_load_origin(program->config_path, error);
    if (!config)
        return false;
    if (config_needs_restart(program->config, config, key)) {
        snprintf(error, CONFIG_MAX_ERROR, "%.400s takes a restart to change", key);
        config_free(config);
        return false;
    }
    if (check_origin_machine(config, &keyring, error) < 0) {
        config_free(config);
        return false;
    }
    if (!primaries_are_same(program->first, config)) {
        snprintf(error, CONFIG_MAX_ERROR, "zones with log: primary take a restart to change");
        keyring_clear(&keyring);
        config_free(config);
        return false;
    }
    if (!roster_is_same(program->first, config)) {
        snprintf(error, CONFIG_MAX_ERROR, "zones[].catalog takes a restart to change");
        keyring_clear(&keyring);
        config_free(config);
        return false;
    }
    struct config *old = program->config;
    struct keyring old_keyring = program->keyring;
    program->config = config;
    program->keyring = keyring;
    program->status.config = config;
    (void)take_zones(program, config);
    if (old != program->first)
        config_free(old);
    keyring_clear(&old_keyring);
    log_set_level(log_level_from_text(config->log));
    return true;
}

static void on_reload(evutil_socket_t signal, short what, void *arg)
{
    (void)signal, (void)what;
    struct program *program = arg;
    char error[CONFIG_MAX_ERROR], quoted[LOG_MAX_QUOTED];
    systemd_reloading(program->systemd);
    if (reload(program, error))
        log_line(LOG_LEVEL_INFO, "msg=reloaded zones=%zu", program->config->origin_zone_count);
    else
        log_line(LOG_LEVEL_ERROR, "msg=\"reload refused\" error=%s", log_quote(error, quoted));
    systemd_ready(program->systemd, "capturing");
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct program *program = arg;
    struct origin_numbers numbers;
    status_numbers(&program->status, &numbers);
    numbers_tell(&numbers_of_origin, (struct number_owner){.name = NULL}, &numbers, &program->told,
                 sizeof numbers);
    systemd_alive(program->systemd);
}

static bool watch(struct program *program)
{
    static const struct timeval second = {.tv_sec = 1};
    program->signals[0] = evsignal_new(program->base, SIGTERM, on_stop, program);
    program->signals[1] = evsignal_new(program->base, SIGINT, on_stop, program);
    program->signals[2] = evsignal_new(program->base, SIGHUP, on_reload, program);
    for (size_t k = 0; k < 3; k++)
        if (!program->signals[k] || event_add(program->signals[k], NULL) != 0)
            return false;
    program->clock = event_new(program->base, -1, EV_PERSIST, on_clock, program);
    return program->clock && event_add(program->clock, &second) == 0;
}

/* ---- start and end ---- */

static bool open_sockets(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = program->config;
    const struct control_commands commands = {status_answer, &program->status};
    char why[CONFIG_MAX_ERROR];
    program->listen = listen_open(program->base, config->listen, config->listen_count, service_take,
                                  &program->service, why);
    if (!program->listen) {
        config_fault(config, error, "listen", "%s", why);
        return false;
    }
    if (config->control.path &&
        !(program->control =
              control_open(program->base, &config->control, &commands, &program->identity, why))) {
        config_fault(config, error, "control", "%s", why);
        return false;
    }
    if (config->metrics &&
        !(program->metrics = page_open(
              program->base, config->metrics,
              &(struct page_content){.write = status_page, .arg = &program->status}, why))) {
        config_fault(config, error, "metrics", "%s", why);
        return false;
    }
    if (config->webhook &&
        !(program->webhook = webhook_open(program->base, config->webhook,
                                          primaries_serve(program->primaries), why))) {
        config_fault(config, error, "webhook", "%s", why);
        return false;
    }
    return true;
}

static bool settle_down(struct program *program, char error[CONFIG_MAX_ERROR])
{
    char why[PRIVILEGES_MAX_ERROR];
    if (privileges_gain_none(why) == 0 && privileges_drop(&program->identity, false, why) == 0)
        return true;
    config_fault(program->config, error, NULL, "%s", why);
    return false;
}

/* They go by the configuration of the start: a reload changes nothing of it. */
static bool start_primaries(struct program *program, char error[CONFIG_MAX_ERROR])
{
    if (keyring_read(program->first, &program->first_keyring, error) < 0)
        return false;
    program->primaries =
        primaries_start(&(struct primaries_options){.base = program->base,
                                                    .captures = program->captures,
                                                    .config = program->first,
                                                    .properties = program->properties,
                                                    .keyring = &program->first_keyring,
                                                    .turns = program->turns},
                        error);
    return program->primaries != NULL;
}

static bool has_files(const struct config *config)
{
    for (size_t k = 0; k < config->origin_zone_count; k++)
        if (config->origin_zones[k].names)
            return true;
    return false;
}

static bool start_roster(struct program *program, char error[CONFIG_MAX_ERROR])
{
    program->roster = roster_start(&(struct roster_options){.base = program->base,
                                                            .config = program->first,
                                                            .properties = program->properties,
                                                            .changed = on_members,
                                                            .arg = program},
                                   error);
    program->status.roster = program->roster;
    return program->roster && (!has_files(program->config) || take_zones(program, program->config));
}

static bool start_turns(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct turns_user users[TURNS_USERS] = {
        {captures_turn, captures_has_zones, program->captures},
        {primaries_turn, primaries_has_zones, program->primaries}};
    return turns_start(program->turns, users, error) == 0;
}

static bool start(struct program *program, char error[CONFIG_MAX_ERROR])
{
    const struct config *config = program->config;
    char why[PRIVILEGES_MAX_ERROR];
    if (privileges_find(config->user, config->group, &program->identity, why) != 0) {
        config_fault(config, error, "user", "%s", why);
        return false;
    }
    program->properties = secrets_read(config, error);
    if (!program->properties)
        return false;
    program->turns = turns_new(&(struct turns_options){.base = program->base,
                                                       .feed = program->first->feed,
                                                       .properties = program->properties},
                               error);
    if (!program->turns)
        return false;
    program->captures = captures_new(&(struct captures_options){.base = program->base,
                                                                .config = program->config,
                                                                .properties = program->properties,
                                                                .keyring = &program->keyring,
                                                                .turns = program->turns},
                                     error);
    if (!program->captures)
        return false;
    if (!start_primaries(program, error))
        return false;
    program->service = (struct service){.captures = program->captures,
                                        .keyring = &program->keyring,
                                        .serve = primaries_serve(program->primaries)};
    program->status = (struct status){.captures = program->captures,
                                      .turns = program->turns,
                                      .primaries = program->primaries,
                                      .service = &program->service,
                                      .config = config,
                                      .started = mono_now()};
    if (!open_sockets(program, error))
        return false;
    program->status.listen = program->listen;
    return settle_down(program, error) && watch(program) &&
           captures_start(program->captures, error) == 0 && start_turns(program, error) &&
           start_roster(program, error);
}

static void close_program(struct program *program)
{
    control_close(program->control);
    http_free(program->metrics);
    roster_stop(program->roster);
    primaries_stop(program->primaries);
    webhook_close(program->webhook);
    listen_close(program->listen);
    captures_free(program->captures);
    turns_stop(program->turns);
    for (size_t k = 0; k < 3; k++)
        if (program->signals[k])
            event_free(program->signals[k]);
    if (program->clock)
        event_free(program->clock);
    if (program->base)
        event_base_free(program->base);
    secrets_free(program->properties);
    keyring_clear(&program->keyring);
    keyring_clear(&program->first_keyring);
    if (program->config != program->first)
        config_free(program->config);
    config_free(program->first);
    systemd_close(program->systemd);
}

static int run(const char *config_path, struct config *config, struct keyring keyring)
{
    char error[CONFIG_MAX_ERROR] = "out of memory";
    int status = EXIT_FAILED;
    struct program program = {.config_path = config_path,
                              .base = event_base_new(),
                              .systemd = systemd_open(),
                              .config = config,
                              .first = config,
                              .keyring = keyring};
    signal(SIGPIPE, SIG_IGN);
    log_libevent();
    log_set_level(log_level_from_text(config->log));
    if (program.base && start(&program, error)) {
        log_note(config->note);
        log_line(LOG_LEVEL_INFO,
                 "msg=ready program=freshet-origin version=" FRESHET_VERSION
                 " pid=%d zones=%zu topic=%s",
                 (int)getpid(), config->origin_zone_count, config->feed->updates);
        systemd_ready(program.systemd, "capturing");
        event_base_dispatch(program.base);
        status = EXIT_DONE;
    } else {
        fprintf(stderr, "freshet-origin: %s\n", error);
    }
    close_program(&program);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct keyring keyring;
    char error[CONFIG_MAX_ERROR];
    signal(SIGHUP, SIG_IGN); /* until it can be served: what there is to read is being read */
    streams_hold();
    int status = arguments_parse(&program_origin, argc, argv, &arguments);
    if (status >= 0)
        return status;
    struct config *config = config_load_origin(arguments.config_path, error);
    if (!config || check_origin_sockets(config, error) < 0 ||
        check_origin_machine(config, &keyring, error) < 0) {
        fprintf(stderr, "freshet-origin: %s\n", error);
        status = config ? EXIT_FAILED : EXIT_USAGE; /* this machine is at fault, or the text */
        config_free(config);
        return status;
    }
    if (!arguments.check_only)
        return run(arguments.config_path, config, keyring);
    log_note(config->note);
    keyring_clear(&keyring);
    config_free(config);
    return EXIT_DONE;
}
