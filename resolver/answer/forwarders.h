/*
 * forwarders.h - a source of answers: servers that are asked one after the other until one has a usable response.
 *
 *      question --> attempt at the best server --> usable: that is the reply
 *                    ^            |  |
 *       the next one |            |  +-- in another way: TCP, without EDNS
 *                    +------------+----- useless (SERVFAIL, bad RDATA, refused), or silent for too long
 *
 * A server is given as long as it usually takes, then another is asked while the first may still answer. Each is asked
 * a few times at most; when all have been, and the last has had its say, there is nothing to be had.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_FORWARDERS_H
#define FRESHET_RESOLVER_ANSWER_FORWARDERS_H

#include "resolver/answer/attempt.h"
#include "resolver/answer/wheel.h"

struct forwarders_options {
    struct attempts *attempts; /* borrowed, as is the wheel */
    struct wheel *wheel;
    struct servers *servers; /* a reference is taken over, also on failure */
};

/* With one reference held. NULL: no memory. */
struct source *forwarders_new(const struct forwarders_options *options);

#endif
