/*
 * cookie.h - DNS cookies (RFC 7873): a client shows that it has had an answer of ours at its address.
 *
 *     option:   client cookie 8 | version 1 | reserved 3 | time 4 | hash 8        the last four: the server cookie
 *     hash:     SipHash-2-4 over all before it and the client's address, under the secret (RFC 9018 4)
 *
 * Servers with the same secret take each other's cookies, whoever made them (RFC 9018).
 */
#ifndef FRESHET_RESOLVER_ANSWER_COOKIE_H
#define FRESHET_RESOLVER_ANSWER_COOKIE_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/answer/client.h"

enum {
    COOKIE_CLIENT_SIZE = 8,
    COOKIE_SERVER_SIZE = 16,
    COOKIE_SERVER_MIN = 8, /* RFC 7873 4: of any maker */
    COOKIE_SERVER_MAX = 32,
    COOKIE_KEY_SIZE = 16,
    COOKIE_SECRETS_MAX = 4,
    COOKIE_OPTION_SIZE = 4 + COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE,
};

/* Cookies are made with the first, and taken with all. */
struct cookie_secrets {
    size_t count;
    uint8_t keys[COOKIE_SECRETS_MAX][COOKIE_KEY_SIZE];
};

/* The option as a client sent it, inside the message. */
struct cookie_view {
    const uint8_t *bytes; /* NULL: there is none */
    uint16_t size;        /* COOKIE_CLIENT_SIZE, or more with a server cookie */
};

/* Finds it in checked EDNS options. ERR_FORMAT: of a size it cannot have (RFC 7873 5.2.2). */
MUST_CHECK int cookie_find(const struct edns *edns, struct cookie_view *ret);

/* Whether it has a server cookie of one of the secrets for this client, not too old at `unix_now`. */
bool cookie_is_valid(const struct cookie_secrets *secrets, const struct cookie_view *cookie,
                     const union address *peer, uint32_t unix_now);

/* Writes the option that answers it, COOKIE_OPTION_SIZE bytes. */
void cookie_write(const struct cookie_secrets *secrets, const struct cookie_view *cookie,
                  const union address *peer, uint32_t unix_now,
                  uint8_t ret_option[COOKIE_OPTION_SIZE]);

/* SipHash-2-4, eight bytes as they go into a message. */
void cookie_siphash(const uint8_t key[COOKIE_KEY_SIZE], const uint8_t *bytes, size_t size,
                    uint8_t ret_hash[8]);

#endif
