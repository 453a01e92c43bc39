/*
 * primaries.h - all zones whose primary is the log (primary.h), with their clock, their way to Kafka and back, and who is told.
 *
 *      UPDATE --serve.h--> primary.h --turns.h--> the log --follow.h--> primary.h --notices.h--> followers
 *
 * Threads: all on the main thread, but for the one that reads the log (follow.h).
 */
#ifndef FRESHET_ORIGIN_PRIMARIES_H
#define FRESHET_ORIGIN_PRIMARIES_H

#include <event2/event.h>

#include "config/config.h"
#include "invalidation/retention.h"
#include "origin/captures.h"
#include "origin/serve.h"
#include "origin/turns.h"

struct primaries;

struct primaries_options {
    struct event_base *base;
    const struct config
        *config;             /* borrowed: as it was at the start, for as long as this is there */
    char *const *properties; /* of librdkafka, with secrets; borrowed */
    const struct keyring *keyring;   /* borrowed, as `config` */
    struct turns *turns;             /* borrowed */
    const struct captures *captures; /* borrowed: snapshots are written by its thread */
};

/*
 * Whether what the configuration says of such zones holds: rules of UPDATE, names of keys. ERR_CONFIG with one line in
 * `ret_error`.
 */
MUST_CHECK int primaries_check(const struct config *config, const struct keyring *keyring,
                               char ret_error[CONFIG_MAX_ERROR]);

/* Reads the log and begins. NULL with one line in `ret_error`. A configuration without such zones is fine. */
struct primaries *primaries_start(const struct primaries_options *options,
                                  char ret_error[CONFIG_MAX_ERROR]);
void primaries_stop(
    struct primaries *primaries); /* NULL is fine. No call of listen.h may be left */

/* Whether a zone's primary is the log, as it is now: what a reload may not change. */
bool primaries_are_same(const struct config *one, const struct config *other);

struct serve *primaries_serve(struct primaries *primaries);

/* Of struct turns_user, with `primaries`. */
void primaries_turn(void *primaries);
bool primaries_has_zones(void *primaries, int32_t partition, size_t count);

struct primaries_numbers {
    struct primary_counts updates;
    struct serve_counts serve;
    size_t zones, active, ready;
    size_t gapped; /* without a snapshot that the log goes on from */
};
void primaries_numbers(const struct primaries *primaries, struct primaries_numbers *ret);

/* The k-th zone; false past the last one. */
bool primaries_status(const struct primaries *primaries, size_t k, const uint8_t **ret_apex,
                      struct primary_status *ret, struct turn_status *ret_turn,
                      struct zone_history_size *ret_history);

/* How often the k-th zone was handed out (AXFR, IXFR). */
uint64_t primaries_transfers(const struct primaries *all, size_t k);

/* The newest snapshot of the k-th zone, and how long it will do. False: nothing is known yet. */
bool primaries_snapshot(struct primaries *primaries, size_t k, struct retention_view *ret_view,
                        struct retention_margin *ret_margin);

#endif
