/*
 * check.h - what would keep freshet-origin's configuration from being served, known before anything is opened.
 */
#ifndef FRESHET_ORIGIN_CHECK_H
#define FRESHET_ORIGIN_CHECK_H

#include "config/config.h"
#include "dns/error.h"
#include "daemon/keys.h"

/*
 * What only a start opens: addresses, the control socket, the ports of metrics and of the webhook. ERR_CONFIG with one line in `ret_error`; left
 * out is what is so for the moment only, such as an address in use.
 */
MUST_CHECK int check_origin_sockets(const struct config *config, char ret_error[CONFIG_MAX_ERROR]);

/*
 * Keys, and what zones say of them; librdkafka's properties; the user. ERR_CONFIG with one line in `ret_error`: file, line, key
 * path, what is wrong. On success `ret_keyring` has the keys, for keyring_clear().
 */
MUST_CHECK int check_origin_machine(const struct config *config, struct keyring *ret_keyring,
                                    char ret_error[CONFIG_MAX_ERROR]);

#endif
