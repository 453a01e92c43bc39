/*
 * network.h - address prefixes, and who lies in them. Pure.
 */
#ifndef FRESHET_RESOLVER_ANSWER_NETWORK_H
#define FRESHET_RESOLVER_ANSWER_NETWORK_H

#include "config/config.h"
#include "resolver/answer/client.h"

enum { NETWORK_LIST_MAX = 256 };

struct network {
    sa_family_t family;
    uint8_t bits;
    uint8_t bytes[16];
};

struct network_list {
    size_t count;
    struct network items[NETWORK_LIST_MAX];
};

/* Takes over networks of a config; with `count` 0, loopback of both families. */
void network_list_set(struct network_list *list, const struct config_network *networks,
                      size_t count);

/* Whether the address lies in one of them. IPv4-mapped IPv6 addresses count as IPv6. */
bool network_list_has(const struct network_list *list, const union address *address);

#endif
