/*
 * history.h - what was true when: every version of every name, and when it could be known.
 *
 *     change 17   name 4   SET     previous 4    next 203
 *     change 203  name 4   FLUSH   previous 17   next -        <- current of name 4
 *
 * A version is the number of the change that made it, counted over all names, so an answer's version
 * says by itself which name it belongs to. The first versions (1 to the number of names) are what
 * the authority has at the start; they are in no log.
 *
 * A change passes four moments: at the authority, published, readable (the earlier of: the broker
 * acknowledged it, the checker's own consumer has it), and applied by a tier (tier.h). The checker
 * is the authority, so the first is exact; the third can only be seen late, never early.
 *
 * One change set may change many names: all below a cut. Each of them gets a version, and the first
 * of these stands for the set: it alone has what is known of the message.
 *
 *     change 300  name 5   CUT     set 300       partition 7, offset 41, readable...
 *     change 301  name 8   CUT     set 300
 *
 * What is published in a transaction that is then aborted gets a version as well, so that it is known
 * by it; but it was never true of any name.
 *
 * Threads: all of it is the loop's, but for what is atomic, which the log's threads set.
 */
#ifndef FRESHET_COMMON_HISTORY_H
#define FRESHET_COMMON_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum change_kind {
    KIND_INITIAL,
    KIND_SET,     /* the whole RRset */
    KIND_FLUSH,   /* invalidates, carries no data */
    KIND_SWAP,    /* DEL of the old record and ADD of the new one, in one change set */
    KIND_DEL,     /* the name goes; its next change brings it back */
    KIND_CUT,     /* SET of the NS records at a cut: all below may be new */
    KIND_SUBTREE, /* FLUSH of the name at a cut and all below */
    KIND_UNCUT,   /* DEL of the name at a cut: all below is gone, until the next CUT */
    KIND_ABORTED, /* a SET in a transaction that is aborted */
    KIND_COUNT,
};
extern const char *const kind_texts[KIND_COUNT]; /* "initial", "set", ... */

enum { OFFSET_UNKNOWN = -1, OFFSET_NONE = -2, VERSION_MAX = 0xffffff };

struct change {
    uint32_t name;           /* its number */
    uint32_t previous, next; /* versions of the same name; 0: none */
    _Atomic uint32_t set;    /* the first version of the same change set */
    enum change_kind kind;
    uint8_t publisher; /* whoever counts them knows which */
    bool outer;        /* published as a change of the outermost zone */
    bool gone;         /* the name does not exist in this version */
    int64_t authority_us, published_us;
    int64_t served_us; /* when the authority last answered with this version; 0: never */
    /* Of the set, in its first version alone: */
    _Atomic int64_t logged_us;   /* acknowledged, if need be with its transaction; 0: not yet */
    _Atomic int64_t readable_us; /* 0: not yet */
    _Atomic int partition;       /* of any meaning once the offset is known */
    _Atomic int64_t offset;      /* in the log; OFFSET_UNKNOWN until acknowledged */
};

struct history {
    struct change *changes; /* by version; [0] is unused */
    uint32_t count;         /* the newest version */
    uint32_t capacity;
    uint32_t *current; /* by name */
    uint32_t names;
};

/* NULL: no memory. Room for `changes` beside the first versions. */
struct history *history_new(uint32_t names, uint32_t changes);
void history_free(struct history *history);

/* A new version of a name, current from `now_us` on, in a change set of its own. 0: the room is used up. */
uint32_t history_add(struct history *history, uint32_t name, enum change_kind kind, int64_t now_us);

/* The same, in the change set that began with version `set`. */
uint32_t history_join(struct history *history, uint32_t set, uint32_t name, int64_t now_us);

/* A version of a name that is published, but not true. 0: the room is used up. */
uint32_t history_abort(struct history *history, uint32_t name, int64_t now_us);

/* The version of a name that was current `lag_us` ago. */
uint32_t history_at(const struct history *history, uint32_t name, int64_t now_us, int64_t lag_us);

/* What stands for the change set of a version. */
static inline struct change *history_set(const struct history *history, uint32_t version)
{
    /* as an index, gcc 12 reads it as if it were not atomic */
    return &history->changes[atomic_load(&history->changes[version].set)];
}

/* Whether there is such a version, and it was true of this name. */
bool history_owns(const struct history *history, uint32_t version, uint32_t name);

/* Someone could read the change set by `now_us`; the earliest counts. From any thread. */
void history_readable(struct history *history, uint32_t version, int64_t now_us);

/* Where a change set lies in the log. From any thread. */
void history_place(struct history *history, uint32_t version, int partition, int64_t offset);

#endif
