/*
 * keys.h - the TSIG keys of a configuration, read from it or from their files.
 */
#ifndef FRESHET_DAEMON_KEYS_H
#define FRESHET_DAEMON_KEYS_H

#include "config/config.h"
#include "dns/signature.h"

/* Reads them. ERR_CONFIG, ERR_MEMORY with one line in `ret_error`; the ring is as it was then. */
MUST_CHECK int keyring_read(const struct config *config, struct keyring *ret,
                            char ret_error[CONFIG_MAX_ERROR]);

#endif
