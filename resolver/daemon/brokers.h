/*
 * brokers.h - a resolver that its own feed resolves its brokers by.
 *
 *     feed --> librdkafka --> libc --> this freshetd --> cache: kafka1.example.com. A 192.0.2.9, for a day
 *
 * If that address is wrong by now, the feed cannot come up, so no change can say that it is; the answer would stand in
 * its own way until its TTL has run out. So while the feed is not there, what the cache holds of its brokers' names is
 * fetched again every few seconds, as if it were about to expire. A new answer takes the old one's place; where nobody
 * answers, the old one stays, and may well be right.
 *
 * The names are those of the configuration, and what the brokers last said they are called (their advertised listeners).
 *
 * Threads: the main thread's.
 */
#ifndef FRESHET_RESOLVER_DAEMON_BROKERS_H
#define FRESHET_RESOLVER_DAEMON_BROKERS_H

#include <stdbool.h>

#include "dns/name.h"

/* Calls `found` for each host of "ssl://host:port, host" that is a name, not an address: canonical. */
void brokers_names(const char *list, void (*found)(void *arg, const uint8_t *name), void *arg);

struct tier;
struct worker;

struct brokers_caches {
    struct tier *const *tiers;
    size_t tier_count;
    struct worker *const *workers;
    size_t worker_count;
};

/* Has what is held of these brokers fetched again. Returns how many answers. */
size_t brokers_look_past(const struct brokers_caches *caches, const char *list);

#endif
