/*
 * check.h - what would keep freshet-origin's configuration from being served, known before anything is opened.
 */
#ifndef FRESHET_ORIGIN_CHECK_H
#define FRESHET_ORIGIN_CHECK_H

#include "config/config.h"
#include "dns/error.h"
#include "origin/signature.h"

/*
 * Keys, and what zones say of them; librdkafka's properties; the user. ERR_CONFIG with one line in `ret_error`: file, line, key
 * path, what is wrong. On success `ret_keyring` has the keys, for keyring_clear().
 */
MUST_CHECK int check_origin_machine(const struct config *config, struct keyring *ret_keyring,
                                    char ret_error[CONFIG_MAX_ERROR]);

#endif
