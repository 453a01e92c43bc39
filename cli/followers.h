/*
 * followers.h - the freshetd processes that must have applied a change before one goes on.
 *
 *      followers_ready()      each is there, live, and on this topic; remembers its newest change
 *      ... publish ...
 *      followers_applied()    each has passed the message, and its newest change is another one
 *      drained_ms             then no client of theirs holds an older answer any more
 *
 * Passing the message alone proves little: a process on the same topic of another cluster may be
 * past that offset too. So a change of the name must have been applied as well. The time at which
 * clients are rid of what came before counts from when that was first seen: later changes do not
 * put it off.
 *
 * Nothing is printed while asking; why a process is not as it should be stands in its `trouble`.
 */
#ifndef FRESHET_CLI_FOLLOWERS_H
#define FRESHET_CLI_FOLLOWERS_H

#include <jansson.h>

#include "cli/options.h"
#include "invalidation/publish.h"

enum { FOLLOWER_MAX_TIERS = 200, FOLLOWER_MAX_LISTEN = 64 };

struct follower {
    const char *path;                 /* of its control socket; or http://HOST:PORT (remote.h) */
    char tiers[FOLLOWER_MAX_TIERS];   /* their names, as far as they fit */
    char listen[FOLLOWER_MAX_LISTEN]; /* of its first tier that subscribes and listens */
    long long pid, stamp;             /* of the newest change of the name, before ours */
    int64_t window_ms; /* for how long its clients may hold what is older than a change */
    bool applied;
    int64_t drained_ms; /* monotonic */
    char trouble[MAX_COMPLAINT];
};

struct followers {
    const struct options *options; /* borrowed, like all that follows */
    const char *name;              /* canonical text */
    const char *zone;              /* that its changes are published in */
    size_t count;
    struct follower list[MOVE_MAX_TIERS];
};

/* Those of --tier, or the one of --control or the configuration. */
void followers_init(const struct options *options, const char *name, const char *zone,
                    struct followers *ret);

/* Whether all are there and live; starts over for the next change. */
bool followers_ready(struct followers *followers);

/* Whether all have applied the message; those that have are not asked again. */
bool followers_applied(struct followers *followers, const struct publish_receipt *receipt);

/* Whether none holds a valid answer for the name with this record ("A", "192.0.2.1"). */
bool followers_without(struct followers *followers, const char *type, const char *rdata);

/* When the last client is rid of what came before; after followers_applied(). Monotonic. */
int64_t followers_drained_ms(const struct followers *followers);

/* The longest window. */
int64_t followers_window_ms(const struct followers *followers);

/* The names of all tiers: "os, regional"; those that do not subscribe are "(outside)". */
enum { FOLLOWERS_MAX_TEXT = 1000 };
const char *followers_text(const struct followers *followers, char text[FOLLOWERS_MAX_TEXT]);

/* Complains about each that is not as it should be. */
void followers_complain(const struct followers *followers);

/* The monotonic clock. */
int64_t followers_now_ms(void);

/*
 * One process's answer to "drained_by", judged: NULL when it is live on `topic` and follows `zone`;
 * else why not, in `trouble`.
 */
const char *followers_judge(const json_t *answer, const char *topic, const char *zone,
                            char trouble[MAX_COMPLAINT]);

/* Whether that answer shows the message applied, and a newer change of the name than `before`. */
bool followers_has_applied(const json_t *answer, const struct follower *before,
                           const struct publish_receipt *receipt, char trouble[MAX_COMPLAINT]);

#endif
