/*
 * turns.h - which zones it is this program's turn to write, and its way to the log.
 *
 *      alone    all of them, always: one outlet
 *      a group  those in the partitions that the group gives it (group.h), each through an outlet of its own that nobody else
 *               writes beside (outlet.h, with a fence)
 *
 *      STANDBY --granted--> OPENING --the fence is up--> PROVING --still ours--> ACTIVE
 *         ^                    ^---- still ours ---- LOST <---- another one has it ----'
 *         '------------------------- revoked ------- any of these
 *
 * A turn begins once nothing of whoever had it before can come to the log any more: what the log has then is what the zone
 * is. It ends when the group gives it to another, when the group cannot be reached for a session, or when the brokers refuse
 * what is sent, as another has begun. Then, if the group says that it is ours all the same, it begins anew: two that open one
 * after the other for the same partition are told apart by the group, not by who was the last.
 *
 * Threads: those of group.h and outlet.h; all calls and callbacks are the loop's.
 */
#ifndef FRESHET_ORIGIN_TURNS_H
#define FRESHET_ORIGIN_TURNS_H

#include <event2/event.h>

#include "config/config.h"
#include "invalidation/outlet.h"

struct turns;

struct turns_options {
    struct event_base *base;
    const struct config_feed *feed; /* borrowed, as the next */
    char *const *properties;        /* of librdkafka, with secrets; feed->rdkafka_count of them */
};

/* NULL with one line in `ret_error`. Nothing happens before turns_start(). */
struct turns *turns_new(const struct turns_options *options, char ret_error[CONFIG_MAX_ERROR]);

struct turns_user {
    /* Some turns began or ended: turns_outlet() says which. What was gone before still may be taken back from its outlet. */
    void (*changed)(void *arg);
    /* Whether it has a zone in that partition of `count`. */
    bool (*has_zones)(void *arg, int32_t partition, size_t count);
    void *arg;
};
enum { TURNS_USERS = 2 };

/* ERR_SYSTEM with one line in `ret_error`. */
MUST_CHECK int turns_start(struct turns *turns, const struct turns_user users[TURNS_USERS],
                           char ret_error[CONFIG_MAX_ERROR]);

/* Others have the turns at once. No message may be under way that somebody wants to hear of. NULL is fine. */
void turns_stop(struct turns *turns);

/* There are other zones now. */
void turns_look(struct turns *turns);

/* The way to the log of a zone (canonical); NULL: it is not our turn. */
struct outlet *turns_outlet(const struct turns *turns, const uint8_t *apex);

enum turn_state { TURN_ALONE, TURN_ACTIVE, TURN_TAKING_OVER, TURN_STANDBY };
const char *turn_text(enum turn_state state);

struct turn_status {
    enum turn_state state;
    uint64_t since_us; /* of now() in turns.c, a clock that only goes on */
    int64_t epoch;     /* -1: none, or not known yet */
};
void turns_of_zone(const struct turns *turns, const uint8_t *apex, struct turn_status *ret);

struct turns_numbers {
    struct outlet_status outlet; /* of all of them */
    uint64_t begun, ended, fenced;
    uint64_t partitions; /* that it has */
};
void turns_numbers(const struct turns *turns, struct turns_numbers *ret);

#endif
