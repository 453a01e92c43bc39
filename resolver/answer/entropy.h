/*
 * entropy.h - random bits from the kernel, taken in bulk: a query needs some forty of them, and a system call
 * for each would cost as much as sending it.
 *
 * What is handed out is wiped first. Threads: each has its own.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ENTROPY_H
#define FRESHET_RESOLVER_ANSWER_ENTROPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ENTROPY_BULK = 1024 };

/* Zero-initialise. */
struct entropy {
    void (*fill)(void *bytes, size_t size); /* where they come from; NULL: the kernel. For tests */
    size_t left;
    uint8_t bytes[ENTROPY_BULK];
};

/* `size` is at most ENTROPY_BULK. */
static inline void entropy_take(struct entropy *entropy, void *ret, size_t size)
{
    if (entropy->left < size) {
        (entropy->fill ? entropy->fill : arc4random_buf)(entropy->bytes, sizeof entropy->bytes);
        entropy->left = sizeof entropy->bytes;
    }
    entropy->left -= size;
    memcpy(ret, entropy->bytes + entropy->left, size);
    memset(entropy->bytes + entropy->left, 0, size);
}

/* A number below `bound`, which is small: 32 bits spread over it, as even as makes no difference. */
static inline uint32_t entropy_below(struct entropy *entropy, uint32_t bound)
{
    uint32_t bits;
    entropy_take(entropy, &bits, sizeof bits);
    return (uint32_t)((uint64_t)bits * bound >> 32);
}

#endif
