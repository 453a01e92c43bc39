/*
 * listeners.h - the addresses that tiers listen on: those that are had, and those that come later.
 *
 *     handed over by the service manager   taken as it is
 *     of this machine                      a UDP and a TCP socket for each worker
 *     of this machine, but not yet         bound all the same (IP_FREEBIND); it is answered on once it is there
 *     nothing to be had yet                IPv6 is off, or an interface is not there: tried again every second
 *     in use, or not permitted             the start fails
 *     link-local, and its interface is     had anew, within a second
 *     made anew
 *
 * A laptop's interface, a VPN's address or IPv6 may come after us; a resolver that is gone by then helps nobody. What is
 * waited for is said once, and so is when it is had.
 *
 * Threads: the main thread's.
 */
#ifndef FRESHET_RESOLVER_DAEMON_LISTENERS_H
#define FRESHET_RESOLVER_DAEMON_LISTENERS_H

#include "config/config.h"
#include "daemon/systemd.h"
#include "resolver/daemon/worker.h"

struct listeners;

struct listeners_options {
    const struct config *config; /* borrowed until listeners_open() has returned */
    struct worker *const *workers;
    size_t worker_count;
    struct systemd *systemd; /* NULL: none */
};

/* Opens what can be had. NULL, with the line that refuses the config in `ret_error`, when one is in use or not permitted. */
struct listeners *listeners_open(const struct listeners_options *options,
                                 char ret_error[CONFIG_MAX_ERROR]);

/* Logs a line for each address that is had. */
void listeners_announce(const struct listeners *listeners, const struct config *config);

/* Tries again what is waited for, and what has lost its interface; while the workers run. About once a second. Logs. */
void listeners_retry(struct listeners *listeners);

/* Whether an address of the config is waited for: it is none of this machine's now, or nothing can be had there. */
bool listeners_await(const struct config_address *address);

/* Why an address of that tier that is there is not to be had, by what somebody else has taken; NULL: it is, or is not there. */
const char *listeners_refusal(const struct listeners *listeners, size_t tier, const char *text);

/* Whether something is waited for, or may have to be had anew, that takes the right to ports below 1024. */
bool listeners_want_low_port(const struct listeners *listeners);

/* What is open stays with the workers. NULL is fine. */
void listeners_free(struct listeners *listeners);

/* Whether listeners_open() would fail, whoever listens now; opens nothing. ERR_OK, or ERR_CONFIG with the line. */
MUST_CHECK int listeners_check(const struct config *config, char ret_error[CONFIG_MAX_ERROR]);

#endif
