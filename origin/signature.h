/*
 * signature.h - the TSIG of a message that came, and that of its answer (dns/tsig.h).
 */
#ifndef FRESHET_ORIGIN_SIGNATURE_H
#define FRESHET_ORIGIN_SIGNATURE_H

#include "config/config.h"
#include "dns/tsig.h"

/* The keys of a configuration. Zero-initialise. */
struct keyring {
    struct tsig_key *keys;
    size_t count;
};

/* Reads them, from their files too. ERR_CONFIG, ERR_MEMORY with one line in `ret_error`; the ring is as it was then. */
MUST_CHECK int keyring_read(const struct config *config, struct keyring *ret,
                            char ret_error[CONFIG_MAX_ERROR]);
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

/*
 * Signs an answer of `size` bytes in a buffer of `room` as the question was: not at all, with its key, or with what was wrong
 * with it. Returns the size; ERR_SPACE, ERR_MEMORY.
 */
MUST_CHECK int signature_answer(struct signature *signature, uint8_t *answer, size_t size,
                                size_t room, uint64_t now);

void signature_end(struct signature *signature);

#endif
