/*
 * forwarders.h - a source of answers: servers that are asked one after the other until one has a usable response.
 *
 *      question --> attempt at the best server --> usable: that is the reply
 *                    ^            |  |
 *       the next one |            |  +-- in another way: TCP, without EDNS (attempt.h)
 *                    +------------+----- useless (SERVFAIL, a referral, bad RDATA), or silent for too long
 *
 * A server is given as long as it usually takes, then another is asked while the first may still answer: what comes by the
 * deadline counts, whichever query it is to. When all have been asked it begins again, with pauses that grow: queries get
 * lost, and who restarts or roams is back in a moment. While only a few questions wait they are asked often; the more there
 * are, the less often each, so that nobody is flooded who cannot answer. When a server that was silent for all is heard of
 * again, all that wait are asked at once, or nearly.
 *
 * A server that has nothing useful to say is asked a few times. When that is so of all, or nobody can be reached who has
 * been there lately, there is nothing to be had, and nothing is waited for.
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
