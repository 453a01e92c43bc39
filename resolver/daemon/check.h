/*
 * check.h - what would keep a configuration from being served, known before anything is opened.
 *
 * config_load() knows the file; this knows the machine and the libraries: records, librdkafka's properties and the files
 * they name, memory, users, paths, addresses. `freshetd -n`, the start and a reload ask the same questions, so they have
 * the same answers. Left out is what is so for the moment only: whether an address or the control socket is in use.
 */
#ifndef FRESHET_RESOLVER_DAEMON_CHECK_H
#define FRESHET_RESOLVER_DAEMON_CHECK_H

#include "config/config.h"
#include "dns/error.h"
#include "invalidation/feed.h"

/* ERR_OK, or ERR_CONFIG with one line in `ret_error`: file, line, key path, what is wrong. Opens nothing that stays. */
MUST_CHECK int check_machine(const struct config *config, char ret_error[CONFIG_MAX_ERROR]);

/* The part of it that a reload asks: what only a start opens is open then, or takes privileges that are gone. */
MUST_CHECK int check_reload(const struct config *config, char ret_error[CONFIG_MAX_ERROR]);

/* Whether a password or key stands in the configuration itself, and others than its owner and group may read that. */
bool check_secret_is_shown(const struct config *config);

/* The feed's own options of a config that has one, with properties of secrets_read(): without what is the daemon's. */
struct feed_options check_feed_options(const struct config_feed *feed, char *const *properties);

#endif
