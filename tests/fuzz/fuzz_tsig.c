/*
 * fuzz_tsig.c - any bytes as a signed message: a TSIG found lies in it, and nothing forged holds.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/message.h"
#include "dns/tsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A key of whatever name the message has, and a secret that it cannot know. */
static void verify(const uint8_t *bytes, size_t size, const struct tsig *tsig)
{
    struct tsig_key key = {.algorithm = TSIG_HMAC_SHA256, .secret = {7}, .secret_size = 32};
    memcpy(key.name, tsig->key, name_size(tsig->key));
    struct tsig_chain chain = tsig_chain_begin(&key);
    must(tsig_verify(&chain, bytes, size, tsig, tsig->time) != TSIG_OK);
    tsig_chain_end(&chain);
}

/* Signed, it is found and holds. */
static void sign(const uint8_t *bytes, size_t size)
{
    struct tsig_key key = {.name = "\1k", .algorithm = TSIG_HMAC_SHA512, .secret_size = 16};
    struct tsig_chain ours = tsig_chain_begin(&key), theirs = tsig_chain_begin(&key);
    uint8_t *message = malloc(size + TSIG_ROOM);
    struct tsig tsig;
    memcpy(message, bytes, size);
    int whole = tsig_sign(&ours, message, size, size + TSIG_ROOM, 1);
    must(whole > 0);
    if (tsig_find(message, (size_t)whole, &tsig) == 0 && tsig.at == size)
        must(tsig_verify(&theirs, message, (size_t)whole, &tsig, 1) == TSIG_OK);
    free(message);
    tsig_chain_end(&ours);
    tsig_chain_end(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tsig tsig;
    int found = tsig_find(bytes, size, &tsig);
    if (found == 0) {
        must(tsig.at < size && tsig.mac + tsig.mac_size <= bytes + size);
        must(tsig.other + tsig.other_size <= bytes + size);
        verify(bytes, size, &tsig);
    } else if (found == ERR_NOT_FOUND && size <= DNS_MAX_MESSAGE) {
        sign(bytes, size);
    }
    return 0;
}
