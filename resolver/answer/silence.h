/*
 * silence.h - those for whom nobody answers: zones, and upstreams, under which nothing that was asked for came to anything.
 *
 *     question sets out --silence_asked()--> who | asked first, since the last answer | asked last | heard last
 *     answer comes ------silence_heard()-->
 *
 *     heard --- no answer for SILENCE_MS to so many that others will have no room, --> silent
 *       ^       or to SILENCE_FEW that had all of their time, and as many more          |
 *       +------------------ an answer, to whatever question of it ----------------------+
 *
 * What is asked of the silent costs memory and packets, until its time is over, and then is a failure. So it is refused at
 * once, but for a question every SILENCE_PROBE_MS: with the first that is answered the silence is over. It takes so much
 * since a server that takes seconds, or comes back in seconds, shall not be given up by those who have the time; and whoever
 * has been heard in the last minute may be back in a moment: for him, all of the room must be taken.
 *
 * What is remembered is bounded: who was asked least lately makes place for others, and is heard again.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_SILENCE_H
#define FRESHET_RESOLVER_ANSWER_SILENCE_H

#include <stddef.h>
#include <stdint.h>

#include "cache/stamp.h"

enum {
    SILENCE_FEW = 1024, /* questions: fewer of them may have bad luck */
    SILENCE_MS = 1000,
    SILENCE_PROBE_MS = 50,
    SILENCE_HOPE_MS = 60 * 1000,   /* since it was heard */
    SILENCE_FORGET_MS = 10 * 1000, /* without a question: nothing is known */
};

struct silences;

/* `room`: for so many questions, of whomever. NULL: no memory. */
struct silences *silences_new(size_t room);
/* NULL is fine. */
void silences_free(struct silences *silences);

/*
 * A question of `who` has set out, a number that tells it from all others; it has `count` under way with that. `full`:
 * there is no room for more, of anybody.
 */
void silence_asked(struct silences *silences, uint64_t who, size_t count, bool full,
                   struct mono now);

/* One of its questions has come to its end without an answer. */
void silence_failed(struct silences *silences, uint64_t who, struct mono now);

/* One of its questions was answered. */
void silence_heard(struct silences *silences, uint64_t who, struct mono now);

enum silence {
    SILENCE_UNKNOWN, /* nothing speaks against it, nor for it */
    SILENCE_HEARD,   /* it answers */
    SILENCE_TOTAL,
};

/* What is known of it before one more question is asked. */
enum silence silence_of(struct silences *silences, uint64_t who, struct mono now);

/* Whether somebody is silent at all. */
bool silences_any(const struct silences *silences);

/* Whether it is time to see if the silence is over, by asking the question that is at hand; then not again for a while. */
bool silence_probes(struct silences *silences, uint64_t who, struct mono now);

#endif
