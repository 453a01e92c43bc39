/*
 * addresses.h - an RRset of addresses as people write it, in no order.
 *
 * Each is kept in its canonical text, so that two are the same when their texts are.
 */
#ifndef FRESHET_CLI_ADDRESSES_H
#define FRESHET_CLI_ADDRESSES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/message.h"

enum { ADDRESSES_MAX = 64, ADDRESSES_MAX_TEXT = ADDRESSES_MAX * (INET6_ADDRSTRLEN + 1) };

struct addresses {
    uint16_t type; /* TYPE_A or TYPE_AAAA */
    uint32_t ttl;  /* seconds */
    size_t count;
    char texts[ADDRESSES_MAX][INET6_ADDRSTRLEN];
};

/* The canonical text of an address of `type`, as written by people; false when it is none. */
bool address_read(uint16_t type, const char *text, char ret_text[INET6_ADDRSTRLEN]);

bool addresses_have(const struct addresses *addresses, const char *text);

/* Adds an address in canonical text, unless it is there; false when there are too many. */
bool addresses_add(struct addresses *addresses, const char *text);

/* Takes one out, if it is there. */
void addresses_remove(struct addresses *addresses, const char *text);

/* Whether both have the same addresses, whatever their TTLs. */
bool addresses_equal(const struct addresses *one, const struct addresses *two);

/* All of them with `between` in between; "nothing" for none. */
const char *addresses_text(const struct addresses *addresses, const char *between,
                           char text[ADDRESSES_MAX_TEXT]);

/*
 * Takes the addresses of `name` (canonical) out of a response's answer section; `ret->ttl` is the
 * lowest. Returns 0, also when there are none; ERR_FORMAT when the name is an alias (CNAME),
 * ERR_SPACE when there are too many.
 */
MUST_CHECK int addresses_from_message(const struct message *message, const uint8_t *name,
                                      uint16_t type, struct addresses *ret);

#endif
