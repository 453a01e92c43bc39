/*
 * signature.h - the TSIG of a message that came, and that of its answer (dns/tsig.h).
 */
#ifndef FRESHET_DNS_SIGNATURE_H
#define FRESHET_DNS_SIGNATURE_H

#include "dns/tsig.h"

/* The keys that are known here. Zero-initialise. */
struct keyring {
    struct tsig_key *keys;
    size_t count;
};

/* Nothing of the secrets stays in memory. */
void keyring_clear(struct keyring *keyring);

/* The key of a canonical name; NULL: none. Of two with a name, that with this algorithm, where `tsig` says one. */
const struct tsig_key *keyring_find(const struct keyring *keyring, const uint8_t *name,
                                    const struct tsig *tsig);

struct signature {
    bool is_there;
    int fault; /* TSIG_OK, enum tsig_fault, or ERR_FORMAT: to be answered FORMERR */
    const struct tsig_key *key; /* the one that it holds for; NULL: none */
    size_t message_size;        /* of the message without it */
    struct tsig tsig;
    struct tsig_chain chain;
};

/* Checks what came. `now`: seconds since 1970. To be ended with signature_end(). */
void signature_check(const struct keyring *keyring, const uint8_t *bytes, size_t size, uint64_t now,
                     struct signature *ret);

/* Bytes to leave free in an answer for its signature; 0: it has none. */
size_t signature_room(const struct signature *signature);

/* What to answer where it has a fault: FORMERR, SERVFAIL, or NOTAUTH (RFC 8945 5.2). */
uint16_t signature_rcode(const struct signature *signature);

/*
 * Signs an answer of `size` bytes in a buffer of `room` as the question was: not at all, with its key, or with what was wrong
 * with it. Returns the size; ERR_SPACE, ERR_MEMORY.
 */
MUST_CHECK int signature_answer(struct signature *signature, uint8_t *answer, size_t size,
                                size_t room, uint64_t now);

void signature_end(struct signature *signature);

#endif
