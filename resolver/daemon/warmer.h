/*
 * warmer.h - answers in use that a change has just evicted are fetched again before anybody asks (`warm`).
 *
 * A change that evicts a hot name would make every cache miss it at once. Instead each cache that has used
 * the answer asks for it by itself, a few random milliseconds later, once per question, and clients find the
 * new answer. Only the changed name's own answers of common types are looked at: a flush of a whole zone
 * must not become a flood of queries.
 *
 * Threads: warmer_evicted() on the feed's; it leaves the questions with the workers.
 */
#ifndef FRESHET_RESOLVER_DAEMON_WARMER_H
#define FRESHET_RESOLVER_DAEMON_WARMER_H

#include "resolver/daemon/worker.h"

struct warmer {
    struct tier *const *tiers; /* borrowed */
    size_t tier_count;
    struct worker *const *workers; /* borrowed */
    size_t worker_count;
};

/* For struct applier_options: `arg` is a struct warmer. */
void warmer_evicted(void *arg, const uint8_t *name, struct mono now);

#endif
