/*
 * capture.h - one zone that somebody else is the primary of: hears of its versions, fetches them, and has each published.
 *
 *            NOTIFY, refresh                 newer                     all of it, proven
 *     IDLE ------------------> ASKING (SOA) -------> TAKING (IXFR, AXFR) --------------> PUBLISHING
 *      ^        NOTIFY with a newer serial ----------^                                       |
 *      +------------- each version acknowledged by Kafka, one after the other ---------------+
 *
 * The zone's state (zone/zone.h) is what the log says it is: it is made from the log before capture_start(), and moves on with
 * each version that is handed to be published. A version is published once the one before it is acknowledged, or, where whoever
 * publishes keeps the order (outlet.h, with a fence), some versions of a transfer at once. While one is not acknowledged, nothing
 * new is fetched: the primary keeps it, and what is newer comes with the next transfer. So whatever is killed
 * when, the log has a beginning of the versions, in order, and whoever starts again goes on from there (P12).
 *
 * Nothing of a transfer is believed before its end (xfrin.h). Differences are kept aside until then; a whole zone is built
 * beside the one that is there. Differences that do not fit what is held (the log was written to by somebody else, the primary
 * was made anew) are answered by fetching the whole zone, whose difference to what is held is one version.
 *
 * A NOTIFY may come before whoever answers at the primary has the version it tells of (several processes, several servers
 * behind an address): then it is asked again, soon and some times.
 *
 * Serials go round (RFC 1982). A primary whose serial is behind is passed over for one that is not; when all of them
 * have answered and none has what is held, then the zone was made anew, and is fetched whole.
 *
 * Everything is told what time it is, and asks others to do what has an effect: all of it runs in a test.
 */
#ifndef FRESHET_ORIGIN_CAPTURE_H
#define FRESHET_ORIGIN_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/tsig.h"
#include "invalidation/changeset.h"
#include "origin/ahead.h"
#include "zone/xfrin.h"
#include "zone/zone.h"

enum {
    CAPTURE_MAX_PRIMARIES = 16,
    CAPTURE_SOA_TRIES = 2,
    CAPTURE_SOA_MS = 1000,         /* for an answer by UDP, */
    CAPTURE_MESSAGE_MS = 10000,    /* and for the next message by TCP */
    CAPTURE_FIRST_RETRY_MS = 1000, /* after a failure; then twice that, up to the SOA's retry */
    CAPTURE_LAST_RETRY_MS = 60000, /* as long as there is no SOA, */
    CAPTURE_PROMISE_MS =
        100, /* until a primary is asked again that said more than it handed out, */
    CAPTURE_PROMISE_TRIES = 7,   /* doubled each time */
    CAPTURE_LEAST_REFRESH_S = 1, /* whatever the SOA says */
    CAPTURE_MOST_REFRESH_S = 86400,
    CAPTURE_MAX_AHEAD =
        AHEAD_MOST, /* versions that are not acknowledged, where there may be more: */
    CAPTURE_AHEAD_BYTES =
        128 << 10, /* none behind so much, so that one that no message takes is the last */
};

/* What is counted, over all zones. Each has its meaning in numbers.c. */
struct capture_counts {
    uint64_t notifies, notifies_known, notifies_joined;
    uint64_t soa_queries, soa_timeouts, ixfr, axfr, up_to_date, fallbacks;
    uint64_t timeouts, closed, behind, went_back, outside, expired;
    uint64_t bad_sig, bad_key, bad_time, bad_trunc;
    uint64_t versions, changes, too_large, empty;
    uint64_t faults[XFRIN_RESULTS];
};

struct capture_now {
    uint64_t us;     /* a clock that only goes on, microseconds */
    int64_t wall_us; /* since 1970 UTC */
};

struct capture;

/* What there is to be said of a zone; for the log. */
enum capture_note {
    CAPTURE_NOTE_VERSION, /* published and acknowledged */
    CAPTURE_NOTE_FAILED,  /* a primary was of no use: `detail` says why */
    CAPTURE_NOTE_FALLBACK, /* differences were of no use: `detail` says why; the whole zone is fetched */
    CAPTURE_NOTE_BACK,    /* the serial went back; the whole zone is fetched */
    CAPTURE_NOTE_BEHIND,  /* a primary has an older version than the log; others are asked */
    CAPTURE_NOTE_OUTSIDE, /* records outside the zone were left out */
    CAPTURE_NOTE_LARGE,   /* a version is too large for a message: it goes into a snapshot */
    CAPTURE_NOTE_EXPIRED, /* no primary has answered for the time the SOA gives */
};

struct capture_actions {
    /* Sends a datagram to a primary; answers come to capture_datagram(). */
    void (*send)(void *arg, struct capture *capture, size_t primary, const uint8_t *bytes,
                 size_t size);
    /*
     * Sends a message over TCP to a primary, over the connection that is open to it or a new one; answers come to
     * capture_message(), or its end to capture_closed(), never from inside of this call.
     */
    void (*ask)(void *arg, struct capture *capture, size_t primary, const uint8_t *bytes,
                size_t size);
    /* Nothing more is wanted from that connection: a transfer was left in the middle. */
    void (*hang_up)(void *arg, struct capture *capture);
    /*
     * Publishes a set until it is acknowledged, then calls capture_published(), never from inside of this call. Returns
     * 0; ERR_TOO_LARGE: it fits no message, nothing was published. ERR_MEMORY.
     */
    int (*publish)(void *arg, struct capture *capture, const struct change_set *set);
    /* Writes a snapshot of the zone's state, which stands at `offset`; then calls capture_published() again. */
    void (*snapshot)(void *arg, struct capture *capture, int32_t partition, int64_t offset);
    uint16_t (*id)(void *arg); /* of a query: unforeseeable */
    void (*note)(void *arg, struct capture *capture, enum capture_note note, const char *detail);
    void *arg;
};

struct capture_options {
    struct zone *zone; /* borrowed: nobody else edits it */
    size_t primary_count;
    const struct tsig_key *key; /* borrowed; NULL: none */
    const char *publisher;      /* borrowed */
    struct capture_counts *counts;
    size_t ahead; /* how many sets may be under way at once, up to CAPTURE_MAX_AHEAD; 0: one */
    const struct capture_actions *actions; /* borrowed */
};

/* NULL: no memory. */
struct capture *capture_new(const struct capture_options *options);
void capture_free(struct capture *capture); /* NULL is fine */

/*
 * How well the zone's state is known to be that of the log.
 *
 *   KNOWN      it is
 *   DOUBTFUL   others wrote to the log too: all of the zone is fetched first, and what is different published
 *   UNKNOWN    the log does not go back to where the zone began: the zone is fetched, and published as a snapshot, since a
 *              difference to what is not known cannot be told
 */
enum capture_base { CAPTURE_KNOWN, CAPTURE_DOUBTFUL, CAPTURE_UNKNOWN };

/* The zone is as the log stands now. Before that, nothing is done; what NOTIFYs say until then is remembered. */
void capture_start(struct capture *capture, enum capture_base base, struct capture_now now);

/* Is told to do nothing more: another instance does. What was not acknowledged is forgotten with the zone's state. */
void capture_stop(struct capture *capture);

/* A NOTIFY of a primary, with the serial in it if there was one. */
void capture_notified(struct capture *capture, size_t primary, bool has_serial, uint32_t serial,
                      struct capture_now now);

/* What came back. A datagram that is no answer to what was asked makes no difference. */
void capture_datagram(struct capture *capture, size_t primary, const uint8_t *bytes, size_t size,
                      struct capture_now now);
void capture_message(struct capture *capture, const uint8_t *bytes, size_t size,
                     struct capture_now now);
void capture_closed(struct capture *capture, const char *why, struct capture_now now);

/*
 * The first of the sets under way is acknowledged, at that place of the log. ERR_TOO_LARGE: the broker does not take it; of it and
 * those behind it nothing was published, nor will be. 0 after a snapshot: it is written.
 */
void capture_published(struct capture *capture, int result, int32_t partition, int64_t offset,
                       struct capture_now now);

/* When capture_tick() is due. */
uint64_t capture_due(const struct capture *capture);
void capture_tick(struct capture *capture, struct capture_now now);

enum capture_state {
    CAPTURE_OFF,
    CAPTURE_IDLE,
    CAPTURE_ASKING,
    CAPTURE_TAKING,
    CAPTURE_PUBLISHING
};
const char *capture_state_text(enum capture_state state);

struct capture_status {
    enum capture_state state;
    bool has_serial;
    uint32_t serial;
    uint64_t versions, transfers; /* published; taken from primaries */
    uint32_t acknowledged;        /* the serial of the version published last */
    uint64_t refreshed_us; /* when a primary last said what its version is, or the start; 0: off */
    bool expired;
    uint32_t failures; /* rounds without success since then */
    size_t primary;    /* the one asked last */
    /* Of the version published last: from NOTIFY to query and from the end of the transfer to the acknowledgement; the
     * transfer. 0 when no NOTIFY was the reason. */
    uint64_t own_us, transfer_us;
};
void capture_status(const struct capture *capture, struct capture_status *ret);

const uint8_t *capture_apex(const struct capture *capture);
struct zone *capture_zone(const struct capture *capture);

#endif
