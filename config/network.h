/*
 * network.h - address prefixes, from text and back.
 *
 *   "10.1.0.0/16"  ->  AF_INET, 10.1.0.0, 16 bits        "::1"  ->  AF_INET6, ::1, 128 bits
 *
 * A network's bits beyond its prefix are zero. "10.1.2.3/16" is refused rather than taken for
 * 10.1.0.0/16: whoever wrote it may have meant one host or another prefix, and these lists say who
 * is let in. Host names and zone ids ("fe80::1%eth0") are not taken.
 */
#ifndef FRESHET_CONFIG_NETWORK_H
#define FRESHET_CONFIG_NETWORK_H

#include <netinet/in.h>

#include "config/config.h"

enum { NETWORK_MAX_TEXT = INET6_ADDRSTRLEN + sizeof("/128") }; /* bytes with the NUL */

enum network_result {
    NETWORK_OK,
    NETWORK_WRONG,     /* not an address with a prefix length that fits it */
    NETWORK_HOST_BITS, /* bits are set beyond the prefix */
};

/*
 * Parses all of `text`; without a "/" it is one address. `ret_network` has no text, and stays as it
 * was when the result is NETWORK_WRONG; with NETWORK_HOST_BITS it is the network without the bits.
 */
enum network_result network_parse(const char *text, struct config_network *ret_network);

/* Writes the network with its prefix length. Returns `ret_text`. */
const char *network_format(const struct config_network *network, char ret_text[NETWORK_MAX_TEXT]);

#endif
