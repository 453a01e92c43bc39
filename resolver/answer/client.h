/*
 * client.h - who asked, how to answer them, and what of their query a reply needs.
 */
#ifndef FRESHET_RESOLVER_ANSWER_CLIENT_H
#define FRESHET_RESOLVER_ANSWER_CLIENT_H

#include <netinet/in.h>

#include "dns/message.h"
#include "resolver/answer/micro.h"

/* One who waits until a client has room for more answers, or is gone. */
struct client_wait {
    struct client_wait *prev, *next;
    void (*ring)(struct client_wait *wait);
};

enum client_room { CLIENT_ROOM, CLIENT_FULL, CLIENT_GONE };

/* How replies travel: UDP, TCP, and to another tier of this process. All on the worker's thread. */
struct client;
struct transport {
    /* Sends one message, now or from a buffer; a client that is gone is no error. */
    void (*send)(const struct client *client, const uint8_t *bytes, size_t size);
    /* The endpoint may be freed once every hold is released. */
    void (*hold)(void *endpoint);
    void (*release)(void *endpoint);
    /* Over TCP; else NULL. Where the client is full, `wait` is rung from the loop once it is worth asking again. */
    enum client_room (*room)(void *endpoint, struct client_wait *wait);
    bool inside; /* the client is a tier of this process */
};

union address {
    sa_family_t family;
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* The address a query came to, when the socket listens on any (IP_PKTINFO, RFC 3542 6). */
struct local_address {
    sa_family_t family; /* AF_UNSPEC: the socket knows */
    union {
        struct in_pktinfo in;
        struct in6_pktinfo in6;
    };
};

struct client {
    const struct transport *transport;
    void *endpoint; /* udp listener or tcp connection */
    union address peer;
    struct local_address local;
    struct micro asked; /* when its query was read; 0: how long the answer takes is not told */
};

/* What a reply copies or obeys. */
struct reply_shape {
    uint16_t id;
    uint16_t flags; /* of the query: RD, CD and AD are answered */
    uint16_t limit; /* bytes the client can take */
    uint16_t
        option_size; /* of an EDNS option to send along: our position, for a child tier; or 0 */
    const uint8_t *option; /* as it goes into OPT; taken before the lookup */
    const uint8_t
        *cookie; /* the option that answers the client's, COOKIE_OPTION_SIZE bytes; or NULL */
    uint16_t
        keepalive; /* by TCP, to who asked: how long it may be idle, in 100 ms (RFC 7828); or 0 */
    bool edns;
    bool dnssec_ok;
    bool trust_ad; /* AD may be told to whom it means something (RFC 6840 5.8) */
    bool options;  /* there is one of the three to send along */
    /* ANY was asked: what the body is about is whether there is a CNAME, and more need not be said (RFC 8482 4). */
    bool any;
};

#endif
