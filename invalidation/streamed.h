/*
 * streamed.h - the streamed zones of a process: whole from a snapshot, kept by the log, and what is known of each.
 *
 *      snapshot --> rest of the log --> join             the loader's thread (streamed_load.h)
 *      -------------------------------------->  LIVE     the feed's thread: each change set, before it is marked
 *                                                |
 *                              workers: streamed_state(), then the zone (zone/lookup.h)
 *
 *   LOADING   not whole: being read, or waited for
 *   LIVE      the zone is that of the log at an offset, at least as far as the feed has marked
 *   EXPIRED   as LIVE, but the feed is lost for longer than the SOA's expire: nobody knows what is true by now
 *   GAPPED    not whole, and it cannot be made whole at the moment: no snapshot, one that the log does not go on from, or a
 *             change set that nobody could read
 *
 * A change set is in the state before its marks are set and the clock moves, so whatever was built from the state before is
 * older than the mark. In the same order a zone changes its state: first it is LIVE, or is not any more, then all of it is
 * invalidated. The loader takes the log up to where the feed stands, to a message; from there on it is the feed's: both look
 * at that place under one lock, so none is missed, and one that comes twice makes no difference (zone.h).
 *
 * A set counts for the zone that it names, and in the partition that this zone has by its name: that one is the zone's log. Elsewhere
 * nobody knows in which order it came, and whoever begins at a snapshot does not read it: taken in, the zone were another one
 * for each reader. So it evicts only, is counted, and said. So is one for a zone around or below.
 *
 * Zones come and go at any time; one that is dropped keeps its place, empty, for the next time.
 *
 * Threads: any; one lock. Edits are the feed's while LIVE or EXPIRED, and the loader's otherwise.
 */
#ifndef FRESHET_INVALIDATION_STREAMED_H
#define FRESHET_INVALIDATION_STREAMED_H

#include "invalidation/apply.h"
#include "invalidation/log_ends.h"
#include "invalidation/snapshot.h"
#include "zone/history.h"
#include "zone/zone.h"

enum streamed_state { STREAMED_LOADING, STREAMED_LIVE, STREAMED_EXPIRED, STREAMED_GAPPED };
const char *streamed_state_text(enum streamed_state state); /* "loading", "live", ... */

enum { STREAMED_MAX_REASON = 256 };

struct streamed;
struct streamed_zone;

/* NULL: no memory. */
struct streamed *streamed_new(void);
/* NULL is fine. No reader may be left. */
void streamed_free(struct streamed *streamed);

/* Adds a zone (canonical); once more makes no difference. One that was dropped is loaded anew. ERR_MEMORY. */
MUST_CHECK int streamed_add(struct streamed *streamed, const uint8_t *apex);

/*
 * Nobody wants it any more: it is GAPPED from here on, and its data is let go of. It stays where it is, for whoever still looks. The
 * caller invalidates.
 */
void streamed_drop(struct streamed *streamed, struct streamed_zone *zone);

/* How many there are, those that were dropped included. */
size_t streamed_count(const struct streamed *streamed);

/* Borrowed: invalidates each zone that changes its state. Before any thread runs. */
void streamed_set_applier(struct streamed *streamed, struct applier *applier);

/* ---- whoever answers from them; any thread */

/* The zone of this name; NULL: none, or it was dropped. Good as long as `streamed`. */
struct streamed_zone *streamed_find(const struct streamed *streamed, const uint8_t *apex);
enum streamed_state streamed_state(const struct streamed_zone *zone);
/* Its data: to be looked into while LIVE, by a registered reader (zone.h). */
const struct zone *streamed_data(const struct streamed_zone *zone);

/* ---- whoever hands them on; any thread */

/*
 * Keeps the versions of a zone from here on, in so many bytes of memory, and notes when there is another; once more with
 * another size is fine. ERR_MEMORY.
 */
MUST_CHECK int streamed_keep(struct streamed *streamed, struct streamed_zone *zone,
                             size_t max_bytes);
/* NULL: none are kept. */
struct zone_history *streamed_history(const struct streamed_zone *zone);

/* Notes each change of a zone from here on, whether its serial is another or not, and whether versions are kept or not. */
void streamed_watch(struct streamed *streamed, struct streamed_zone *zone);

/* `moved` is called, by any thread and with a lock held, when there is something for streamed_moved(). Before any thread runs. */
void streamed_set_moved(struct streamed *streamed, void (*moved)(void *arg), void *arg);
/* The next of the zones whose versions are kept, or that are watched, that has another one since it was here last; NULL: there is none. */
const struct streamed_zone *streamed_moved(struct streamed *streamed);

/* ---- the feed's thread */

/* A position was taken: `offsets` are those of the next message, by partition. */
void streamed_position(struct streamed *streamed, uint64_t log_id, const int64_t *offsets,
                       size_t count);

/*
 * The message before `next` in at.partition is about to be applied. What it is to the streamed zones; but for STREAMED_NONE nothing of
 * it need be installed.
 */
enum streamed_taken {
    STREAMED_NONE,      /* none of them is its zone */
    STREAMED_TAKEN,     /* or had it already, or is not whole at the moment */
    STREAMED_ELSEWHERE, /* it lies in another partition than its zone's, which stays as it was */
};
enum streamed_taken streamed_change(struct streamed *streamed, const struct change_set *set,
                                    int64_t next, struct apply_at at);

/* It cannot be read; `zone` (canonical) is what it is of, or NULL. `next` as above. */
void streamed_refused(struct streamed *streamed, const uint8_t *zone, int64_t next, int error,
                      struct apply_at at);

/* What lies before `next` in a partition is no message, or not ours. */
void streamed_reached(struct streamed *streamed, int32_t partition, int64_t next);

/* The position is lost: whatever was whole is not any more. The caller invalidates. */
void streamed_gap(struct streamed *streamed, const char *reason);

/* Now and then: whether the feed is live. */
void streamed_tick(struct streamed *streamed, bool live, struct apply_at at);

/* ---- the loader's thread */

/* Where the feed stands. */
struct streamed_feed {
    bool known;
    uint64_t log_id;
    size_t partitions;
    uint64_t epoch; /* changes with each position */
    uint64_t zones; /* goes up with each zone that is added */
};

/*
 * Waits until there is a zone to be loaded and a position to load it for, or somebody wakes it. Returns how many zones are to
 * be loaded. The other does not wait.
 */
size_t streamed_wait(struct streamed *streamed, struct streamed_feed *ret);
size_t streamed_look(struct streamed *streamed, struct streamed_feed *ret);
void streamed_wake(struct streamed *streamed);

/* A zone that is not whole, as the loader works on it. */
struct streamed_job {
    struct streamed_zone *zone;
    uint64_t epoch;
    int64_t least; /* a snapshot has to stand there at least: it was not readable further up */
};

/* The k-th zone, if it is not whole. False: it is. */
bool streamed_job(struct streamed *streamed, size_t k, struct streamed_job *ret);
const uint8_t *streamed_apex(const struct streamed_zone *zone);
size_t streamed_number(const struct streamed_zone *zone); /* its k */

/* An edit for what is loaded; what there was is forgotten. ERR_MEMORY. */
MUST_CHECK int streamed_begin(struct streamed *streamed, const struct streamed_job *job,
                              struct zone_edit **ret_edit);

/* How far it is: part of parts; or so many messages of the log are left. */
void streamed_progress(struct streamed *streamed, const struct streamed_job *job, uint32_t part,
                       uint32_t parts, int64_t behind);

/* A snapshot was loaded: takes the edit over. False: it is not wanted any more. */
bool streamed_loaded(struct streamed *streamed, const struct streamed_job *job,
                     struct zone_edit *edit, const struct snapshot_head *head);

/* The next message of the log for the zone. ERR_MEMORY: it is gapped. */
MUST_CHECK int streamed_catch_up(struct streamed *streamed, const struct streamed_job *job,
                                 const struct change_set *set, int64_t next);

/*
 * All before `next` in the zone's partition is in it. True: that is as far as the feed, and the zone is LIVE; or it is not
 * wanted any more. False: there is more to read, up to `ret_until`.
 */
bool streamed_join(struct streamed *streamed, const struct streamed_job *job, int64_t next,
                   struct apply_at at, int64_t *ret_until);

/* It cannot be made whole at the moment. */
void streamed_fail(struct streamed *streamed, const struct streamed_job *job, const char *reason);

/* The same: the message of the log before `next` cannot be read, so only a snapshot from there on is of use. */
void streamed_unreadable(struct streamed *streamed, const struct streamed_job *job, int64_t next,
                         const char *reason);

/* A message of the snapshots' topic was not used. */
void streamed_count_damaged(struct streamed *streamed, const uint8_t *apex, int error);

/* An answer of the zone would have taken a proof that is not made (zone/lookup.h, ZONE_UNPROVABLE). From any thread. */
void streamed_count_unprovable(const struct streamed_zone *zone);

/* ---- whoever wants to know */

struct streamed_status {
    uint8_t zone[NAME_MAX_SIZE];
    enum streamed_state state;
    char reason[STREAMED_MAX_REASON]; /* why it is not LIVE */
    bool gone;                        /* it was dropped */
    bool has_serial;
    uint32_t serial;
    struct zone_size size;
    int32_t partition;    /* -1: not known yet */
    int64_t offset;       /* the first change set that is not in it */
    uint32_t part, parts; /* of the snapshot, while it is read */
    int64_t behind;       /* messages of the log that are left then; -1: not known */
    int64_t made_us;      /* when the snapshot it began with was made; 0: none yet */
    uint64_t sets;        /* change sets that changed it */
    uint64_t elsewhere;   /* those in other partitions */
    uint64_t refused;     /* messages that could not be read */
    uint64_t damaged;     /* messages of snapshots that were not used */
    uint64_t unprovable;  /* answers refused: too many iterations of NSEC3 */
    uint64_t loads;       /* times it became whole */
};

/* Of the k-th zone; false past the last one. */
bool streamed_status(struct streamed *streamed, size_t k, struct streamed_status *ret);

/* Of the first from the k-th on that was not dropped; `k` is behind it then. */
bool streamed_next(struct streamed *streamed, size_t *k, struct streamed_status *ret);

#endif
