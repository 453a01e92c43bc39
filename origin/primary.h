/*
 * primary.h - a zone whose primary is the log: UPDATEs (RFC 2136) in, change sets out, answers when the log has them.
 *
 *      UPDATE --> queue --> judged, all that wait as one version --> published --> acknowledged --> read back: answered
 *                              ^                                                                       |
 *                              +------------------ the state moves on by what is read back ------------+
 *
 * The zone's state is what was read from the log, and nothing else: what others publish (freshet set, freshet zone import)
 * is in it as well, in its place. One version is under way at a time; UPDATEs that come meanwhile wait and are the next one
 * together, so a hundred clients at once cost what one does, and each sees what those before it made.
 *
 * An answer is NOERROR when the log has the version, and the state, too, so that whoever asks next sees it; SERVFAIL when
 * it is not acknowledged in time. Then the version may be in the log all the same, or come to it yet: nothing is judged before
 * that is over, and the state as far as the log is.
 *
 * Of several instances one takes UPDATEs (turns.h). The others follow the log as well, and answer questions; UPDATEs they
 * refuse, as a secondary does that forwards none. A turn begins with all being read that the log has: nothing is judged before.
 *
 * Is told what time it is, and asks others to do what has an effect. One thread, which is the zone's writer.
 */
#ifndef FRESHET_ORIGIN_PRIMARY_H
#define FRESHET_ORIGIN_PRIMARY_H

#include "dns/update.h"
#include "invalidation/changeset.h"
#include "origin/policy.h"
#include "zone/history.h"
#include "zone/serial.h"
#include "zone/zone.h"

enum {
    PRIMARY_MAX_WAITING = 1000,        /* UPDATEs of one zone; more are answered SERVFAIL */
    PRIMARY_MAX_BATCH_BYTES = 65535,   /* of UPDATEs that become one version */
    PRIMARY_PATIENCE_US = 4 * 1000000, /* from an UPDATE to its answer; clients ask again then */
    PRIMARY_READ_BACK_US = 500 * 1000, /* an acknowledged version is waited for in the state */
};

struct primary;

struct primary_now {
    uint64_t us;     /* a clock that only goes on, microseconds */
    int64_t wall_us; /* since 1970 UTC */
};

/* Is told once; `why` is for people, NULL for NOERROR. The job's memory is the primary's. */
typedef void primary_answer_fn(void *arg, uint16_t rcode, const char *why);

struct primary_actions {
    /* Publishes a set, then calls primary_published(), never from inside of this call. 0; or ERR_TOO_LARGE, ERR_MEMORY. */
    int (*publish)(void *arg, struct primary *primary, const struct change_set *set);
    /*
     * What is under way is not to be sent any more. primary_published() is called all the same, once it is known what became
     * of it, or that nothing can come of it any more; never from inside of this call.
     */
    void (*give_up)(void *arg, struct primary *primary);
    /* primary_caught_up() is to be called once all is read that the log has now. */
    void (*catch_up)(void *arg, struct primary *primary);
    /* There is a version with another serial. */
    void (*version)(void *arg, struct primary *primary, uint32_t serial);
    void *arg;
};

struct primary_counts {
    uint64_t updates;   /* that came */
    uint64_t published; /* versions */
    uint64_t in_vain;   /* UPDATEs that changed nothing */
    uint64_t rcodes[16];
    uint64_t overflow; /* of those with SERVFAIL: too many were waiting */
    uint64_t late;     /* the log did not have it in time */
    uint64_t not_ready;
    uint64_t standby; /* REFUSED: it was another instance's turn */
    uint64_t beside;  /* versions in our name that are not ours: a second one writes beside us */
};

struct primary_options {
    struct zone *zone;            /* borrowed: nobody else edits it */
    struct zone_history *history; /* borrowed */
    enum serial_policy serials;
    const struct policy_rule *rules; /* borrowed */
    size_t rule_count;
    const char *publisher; /* borrowed */
    const struct primary_actions *actions;
    struct primary_counts *counts;
};

/* NULL: no memory. */
struct primary *primary_new(const struct primary_options *options);

/* Those that wait are answered SERVFAIL. NULL is fine. */
void primary_free(struct primary *primary);

/* It is our turn, or not any more; before the first it is not. What was sent already may not be in the log then. */
void primary_turn(struct primary *primary, bool ours);

/* ---- the log */

/*
 * A change set of the zone, at `offset` of its partition; each once, in order. Those before the first are in the state
 * already. ERR_MEMORY, ERR_TOO_LARGE, ERR_ZONE: the state is not the log's any more, call primary_lost().
 */
MUST_CHECK int primary_read(struct primary *primary, const struct change_set *set, int64_t offset,
                            struct primary_now now);

/* All was read that the log had when that was asked for; the first time the zone becomes ready by it. */
void primary_caught_up(struct primary *primary, struct primary_now now);

/* The state is not that of the log: SERVFAIL until primary_caught_up(). `why` is kept. */
void primary_lost(struct primary *primary, const char *why);

/* The set is acknowledged there; or an error. */
void primary_published(struct primary *primary, int result, int64_t offset, struct primary_now now);

/* ---- questions */

struct primary_update {
    const uint8_t *bytes; /* the message, that update_parse() took; copied */
    size_t size;
    const uint8_t *key; /* whose it is (canonical), copied; NULL: nobody's */
    bool anything;      /* the policy is not asked */
    primary_answer_fn *answer;
    void *arg;
};

/* Answers now or later. */
void primary_update(struct primary *primary, const struct primary_update *update,
                    struct primary_now now);

/* When primary_tick() is due, as `us`; UINT64_MAX: nothing is. */
uint64_t primary_due(const struct primary *primary);
void primary_tick(struct primary *primary, struct primary_now now);

/* Whether its state is the log's, so that questions may be answered from it. */
bool primary_is_ready(const struct primary *primary);

struct primary_status {
    bool ready;
    const char *why; /* not; NULL */
    bool has_serial;
    uint32_t serial;
    size_t waiting;
    bool under_way;
    int64_t offset; /* of the last set in the state; -1: none yet */
};
void primary_status(const struct primary *primary, struct primary_status *ret);

/* Whether the policy lets the holder of a key (canonical) change anything at all. */
bool primary_knows(const struct primary *primary, const uint8_t *key);

const struct zone *primary_zone(const struct primary *primary);
struct zone_history *primary_history(const struct primary *primary);

#endif
