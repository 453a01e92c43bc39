/*
 * renewal.h - when a client of Kafka is given up for a new one: it gets nowhere, and the brokers are not to blame.
 *
 * A client keeps what it knows of a topic, and which of several is right when the topic is made anew or its leader's
 * epoch goes back, librdkafka has decided otherwise in each release. One that decides wrongly asks, waits and times out
 * for ever, where a new one would have no trouble. So there are two of them, each the other's witness: the reader of
 * watermarks (watermarks.h), whose answers show that the brokers and the topic are there, and the feed's consumer.
 *
 *   it gets nowhere   since --- patience ---> a new client, with twice the patience, up to RENEWAL_LAST_MS
 *   it gets somewhere since = never
 *   all is well       the patience is the first again
 *
 * A pure machine: the caller knows what "nowhere" is, makes the client and says what time it is.
 */
#ifndef FRESHET_INVALIDATION_RENEWAL_H
#define FRESHET_INVALIDATION_RENEWAL_H

#include <stdbool.h>

#include "cache/stamp.h"

enum { RENEWAL_FIRST_MS = 5000, RENEWAL_LAST_MS = 300000 };

/* Zero-initialise. */
struct renewal {
    bool stalled;
    struct mono since;    /* while stalled */
    uint64_t patience_ms; /* 0: the first */
};

/* All is well with the client. */
void renewal_rest(struct renewal *renewal);

/*
 * Whether it is time for a new client, told each time one looks. `stalled`: this one gets nowhere now. True at most
 * once for each patience.
 */
bool renewal_due(struct renewal *renewal, bool stalled, struct mono now);

#endif
