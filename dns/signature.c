#include "dns/signature.h"

#include <stdlib.h>
#include <string.h>

#include "dns/update.h"

void keyring_clear(struct keyring *keyring)
{
    if (keyring->keys)
        explicit_bzero(keyring->keys, keyring->count * sizeof *keyring->keys);
    free(keyring->keys);
    *keyring = (struct keyring){.keys = NULL};
}

const struct tsig_key *keyring_find(const struct keyring *keyring, const uint8_t *name,
                                    const struct tsig *tsig)
{
    for (size_t k = 0; k < keyring->count; k++) {
        const struct tsig_key *key = &keyring->keys[k];
        if (tsig ? tsig_is_of(tsig, key) : name_equal(key->name, name))
            return key;
    }
    return NULL;
}

void signature_check(const struct keyring *keyring, const uint8_t *bytes, size_t size, uint64_t now,
                     struct signature *ret)
{
    *ret = (struct signature){.message_size = size};
    int found = tsig_find(bytes, size, &ret->tsig);
    if (found == ERR_NOT_FOUND)
        return;
    if (found < 0) {
        ret->fault = ERR_FORMAT;
        return;
    }
    ret->is_there = true;
    ret->message_size = ret->tsig.at;
    const struct tsig_key *key = keyring_find(keyring, ret->tsig.key, &ret->tsig);
    if (!key) {
        ret->fault = TSIG_BADKEY;
        return;
    }
    ret->chain = tsig_chain_begin(key);
    ret->fault = tsig_verify(&ret->chain, bytes, size, &ret->tsig, now);
    if (ret->fault == TSIG_OK)
        ret->key = key;
}

size_t signature_room(const struct signature *signature)
{
    enum { FIXED = 10, TIME_TO_SIZE = 10, ID_TO_OTHER = 6 + 6 }; /* RFC 8945 4.2 */
    if (!signature->is_there)
        return 0;
    return name_size(signature->tsig.key) + FIXED + name_size(signature->tsig.algorithm) +
           TIME_TO_SIZE + TSIG_MAX_MAC + ID_TO_OTHER;
}

uint16_t signature_rcode(const struct signature *signature)
{
    return signature->fault == ERR_FORMAT ? RCODE_FORMERR
           : signature->fault < 0         ? RCODE_SERVFAIL
                                          : RCODE_NOTAUTH;
}

int signature_answer(struct signature *signature, uint8_t *answer, size_t size, size_t room,
                     uint64_t now)
{
    if (!signature->is_there || signature->fault < 0)
        return (int)size;
    if (signature->fault == TSIG_OK)
        return tsig_sign(&signature->chain, answer, size, room, now);
    return tsig_refuse(&signature->chain, &signature->tsig, signature->fault, answer, size, room,
                       now);
}

void signature_end(struct signature *signature)
{
    tsig_chain_end(&signature->chain);
}
