/*
 * clients.h - what of `tiers[].clients` the table of options cannot say: no network in two lists, secrets that are some.
 */
#ifndef FRESHET_CONFIG_CLIENTS_H
#define FRESHET_CONFIG_CLIENTS_H

#include "config/config.h"
#include "config/fault.h"

enum { COOKIE_SECRET_SIZE = 16 };

/* Whether the tier's clients hang together; false with the fault set. */
bool clients_check(const struct config *config, size_t tier, struct fault *fault);

/* Reads a secret of DNS cookies, 32 hexadecimal digits. False: it is none. */
bool clients_parse_secret(const char *text, uint8_t ret_secret[COOKIE_SECRET_SIZE]);

#endif
