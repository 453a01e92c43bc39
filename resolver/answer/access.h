/*
 * access.h - who may ask: of all networks that have a client's address, the smallest decides.
 *
 *     prefixes --access_new()--> ranges   | refuse | allow | refuse | drop | ...       one table for each family
 *                                         0        10.0.0.0 11.0.0.0
 *
 * The networks are laid out as ranges that do not overlap, in order, each with its verdict: a few steps find the right
 * one, of ten networks or of ten thousand. For most IPv4 addresses it takes one, by their first half.
 *
 * Constant once it is made: any thread may look.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ACCESS_H
#define FRESHET_RESOLVER_ANSWER_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/answer/client.h"

/* What a client is. ACCESS_ALLOW becomes ACCESS_PUBLIC for whoever is in no rule with ACCESS_NEAR. */
enum access {
    ACCESS_ALLOW,  /* and near: without further conditions */
    ACCESS_PUBLIC, /* allowed, from anywhere */
    ACCESS_REFUSE,
    ACCESS_DROP,
    ACCESS_NEAR, /* in rules only: where nobody else's packets come from; decides nothing by itself */
};

struct access_rule {
    sa_family_t family;
    uint8_t bits;
    uint8_t bytes[16]; /* in network order; 4 of them for IPv4; zero beyond `bits` */
    enum access access;
};

enum { ACCESS_LOOK = 0xff, ACCESS_HALVES = 1 << 16 };

/* By the first half of an IPv4 address: an enum access, or ACCESS_LOOK where that does not decide. */
struct access_list {
    uint8_t v4[ACCESS_HALVES];
    struct access_ranges *v4_ranges, *v6_ranges;
};

/* Whoever is in no rule gets `rest`. Of two equal rules the later counts. NULL: no memory. */
struct access_list *access_new(const struct access_rule *rules, size_t count, enum access rest);
/* NULL is fine. */
void access_free(struct access_list *list);

/* Where it takes a closer look. */
enum access access_look(const struct access_list *list, const union address *address);

static inline enum access access_of(const struct access_list *list, const union address *address)
{
    if (address->family == AF_INET) {
        uint8_t access = list->v4[ntohl(address->in.sin_addr.s_addr) >> 16];
        if (access != ACCESS_LOOK)
            return (enum access)access;
    }
    return access_look(list, address);
}

#endif
