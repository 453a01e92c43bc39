/*
 * captures.h - all zones that are captured (capture.h), with their clocks, their ways to the primaries and to Kafka.
 *
 *      NOTIFY --service.h--> captures_notify() --> capture.h --> dial.h      the primary
 *                                                     |--------> turns.h     the log, while it is this program's turn
 *                                                     `--------> recall.h    the log, when a turn begins
 *
 * Threads: all on the main thread; what recall.h makes elsewhere is handed over when it is done.
 */
#ifndef FRESHET_ORIGIN_CAPTURES_H
#define FRESHET_ORIGIN_CAPTURES_H

#include <event2/event.h>

#include "config/config.h"
#include "origin/capture.h"
#include "dns/signature.h"
#include "origin/snapshots.h"
#include "origin/turns.h"

enum { CAPTURES_LATEST = 1024 };

struct captures;
struct captured;

/* How a version came, for those who measure. */
struct captured_version {
    uint32_t serial;
    uint64_t acknowledged_us; /* by a clock that only goes on: CLOCK_BOOTTIME */
    uint64_t own_us, transfer_us;
    uint64_t kafka_us; /* of own_us: from the hand-over to Kafka's client to the acknowledgement */
};

struct captures_options {
    struct event_base *base;
    const struct config *config;   /* the one it starts with; borrowed until captures_free() */
    char *const *properties;       /* of librdkafka, with secrets; borrowed until captures_free() */
    const struct keyring *keyring; /* borrowed */
    struct turns *turns;           /* borrowed */
};

/* NULL with one line in `ret_error`. Nothing happens before captures_start(), and a turn. */
struct captures *captures_new(const struct captures_options *options,
                              char ret_error[CONFIG_MAX_ERROR]);
void captures_free(struct captures *captures); /* NULL is fine */

/* ERR_MEMORY, ERR_SYSTEM. */
MUST_CHECK int captures_start(struct captures *captures, char ret_error[CONFIG_MAX_ERROR]);

/* Of struct turns_user, with `captures`: zones begin, with what the log says, and end. */
void captures_turn(void *captures);
bool captures_has_zones(void *captures, int32_t partition, size_t count);

/* Takes over the zones of another configuration: they come, go, or get other primaries and keys. The keyring is borrowed, the configuration is not kept. ERR_MEMORY. */
MUST_CHECK int captures_reload(struct captures *captures, const struct config *config,
                               const struct keyring *keyring);

/* The zone of a canonical name; NULL: it is none of ours. */
struct captured *captures_find(const struct captures *captures, const uint8_t *apex);

/* The key that its messages are signed with; NULL: none. */
const struct tsig_key *captured_key(const struct captured *captured);

/* A NOTIFY of this zone from an address. False: it is none of its primaries'. */
bool captured_notify(struct captured *captured, const struct sockaddr *peer, bool has_serial,
                     uint32_t serial);

/* The thread that writes snapshots, for other zones, too; NULL: it has not begun. */
struct snapshots *captures_snapshots(const struct captures *captures);

/* ---- for status and metrics */

struct captures_numbers {
    struct capture_counts counts;
    struct snapshots_status snapshots;
    size_t zones, active, ready; /* of those: whose turn it is, and that the log was read for */
    size_t gapped;               /* and of those, without a snapshot that the log goes on from */
};
void captures_numbers(const struct captures *captures, struct captures_numbers *ret);

/* A zone. */
struct captured_status {
    const uint8_t *apex;
    struct turn_status turn;
    struct capture_status capture;
    const char *primary,
        *why; /* the last that was of no use, and why; borrowed; "" after a success */
    struct zone_size size;
    bool has_margin;            /* the next is known */
    struct retention_view view; /* its newest snapshot */
    struct retention_margin margin;
};

/* The zone after one, NULL: the first one; NULL when there is none any more. */
struct captured *captures_next(const struct captures *captures, const struct captured *before);
void captured_status(struct captured *captured, struct captured_status *ret);

/* Versions in the order they were acknowledged, those after the `after`-th, of the latest CAPTURES_LATEST. */
size_t captures_latest(const struct captures *captures, uint64_t after,
                       struct captured_version ret[CAPTURES_LATEST], uint64_t *ret_first);

#endif
