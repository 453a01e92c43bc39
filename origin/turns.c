#include "origin/turns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "invalidation/group.h"

enum { MAX_ID = 768, LEAST_TRANSACTION_MS = 1000, AGAIN_MS = 250 };

enum step { STEP_STANDBY, STEP_OPENING, STEP_PROVING, STEP_ACTIVE, STEP_LOST };

/* A partition; that of a program alone is all of them. */
struct turn {
    struct turns *turns;
    int32_t partition;
    bool granted;
    enum step step;
    uint64_t since_us;
    struct outlet *outlet; /* in any other step than STANDBY and LOST */
    struct event *readable;
};

struct turns {
    struct turns_options options;
    struct turns_user users[TURNS_USERS];
    struct group *group; /* NULL: alone */
    int fd;              /* the group's news */
    struct event *news, *clock;
    size_t count; /* of partitions, as the turns are */
    struct turn turns[LOG_MAX_PARTITIONS];
    struct turns_numbers numbers; /* of outlets that are closed, and all else */
};

static uint64_t now(void)
{
    return mono_now().ms * 1000;
}

static void tell_users(struct turns *turns)
{
    for (size_t k = 0; k < TURNS_USERS; k++)
        if (turns->users[k].changed)
            turns->users[k].changed(turns->users[k].arg);
}

static bool has_zones(const struct turns *turns, int32_t partition)
{
    for (size_t k = 0; k < TURNS_USERS; k++)
        if (turns->users[k].has_zones &&
            turns->users[k].has_zones(turns->users[k].arg, partition, turns->count))
            return true;
    return false;
}

/* ---- one turn ---- */

static void set_step(struct turn *turn, enum step step)
{
    const bool was = turn->step == STEP_ACTIVE, is = step == STEP_ACTIVE;
    turn->step = step;
    turn->since_us = now();
    turn->turns->numbers.begun += is && !was;
    turn->turns->numbers.ended += was && !is;
    if (was != is)
        tell_users(turn->turns);
}

static void keep_numbers(struct turns *turns, const struct outlet *outlet)
{
    struct outlet_status status;
    outlet_status(outlet, &status);
    turns->numbers.outlet.acknowledged += status.acknowledged;
    turns->numbers.outlet.again += status.again;
    turns->numbers.outlet.bytes += status.bytes;
}

/* Its users have taken back what is under way. */
static void close_outlet(struct turn *turn)
{
    if (turn->readable)
        event_free(turn->readable);
    turn->readable = NULL;
    if (turn->outlet)
        keep_numbers(turn->turns, turn->outlet);
    outlet_close(turn->outlet);
    turn->outlet = NULL;
}

static void end(struct turn *turn, enum step step, const char *why)
{
    if (turn->step == STEP_ACTIVE)
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"on standby: another instance writes\" partition=%" PRId32 " why=\"%s\"",
                 turn->partition, why);
    set_step(turn, step);
    close_outlet(turn);
}

static void lose(struct turn *turn)
{
    struct outlet_status status;
    char quoted[LOG_MAX_QUOTED];
    turn->turns->numbers.fenced++;
    outlet_status(turn->outlet, &status);
    log_limited(LOG_LEVEL_WARNING, "msg=\"a turn was lost\" partition=%" PRId32 " why=%s",
                turn->partition, log_quote(status.trouble, quoted));
    end(turn, STEP_LOST, "Kafka does not let it write any more");
}

static void on_outlet(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct turn *turn = arg;
    outlet_poll(turn->outlet);
    const enum outlet_state state = outlet_state(turn->outlet);
    if (state == OUTLET_LOST) {
        lose(turn);
    } else if (state == OUTLET_OPEN && turn->step == STEP_OPENING) {
        set_step(turn, STEP_PROVING);
        group_ask(turn->turns->group, turn->partition);
    }
}

static bool watch_outlet(struct turn *turn)
{
    static const struct timeval pause = {.tv_usec = OUTLET_POLL_MS * 1000};
    turn->readable = event_new(turn->turns->options.base, outlet_fd(turn->outlet),
                               EV_READ | EV_PERSIST, on_outlet, turn);
    return turn->readable && event_add(turn->readable, &pause) == 0;
}

static struct publisher_options options_for(const struct turns *turns)
{
    const struct config_feed *feed = turns->options.feed;
    return (struct publisher_options){.brokers = feed->brokers,
                                      .topic = feed->updates,
                                      .properties = turns->options.properties,
                                      .property_count = feed->rdkafka_count};
}

static void open_turn(struct turn *turn)
{
    const struct config_feed *feed = turn->turns->options.feed;
    struct publisher_options options = options_for(turn->turns);
    char id[MAX_ID], error[PUBLISH_MAX_ERROR], quoted[LOG_MAX_QUOTED];
    snprintf(id, sizeof id, "%s/%s/%" PRId32, feed->group, feed->updates, turn->partition);
    options.timeout_ms =
        feed->session_ms < LEAST_TRANSACTION_MS ? LEAST_TRANSACTION_MS : (int)feed->session_ms;
    turn->outlet = outlet_open_fenced(&options, id, turn->partition, error);
    if (turn->outlet && watch_outlet(turn)) {
        set_step(turn, STEP_OPENING);
        return;
    }
    close_outlet(turn);
    log_limited(LOG_LEVEL_ERROR, "msg=\"a turn cannot begin\" partition=%" PRId32 " why=%s",
                turn->partition, log_quote(error, quoted));
}

static void begin(struct turn *turn)
{
    log_line(LOG_LEVEL_INFO, "msg=\"active: this instance writes\" partition=%" PRId32,
             turn->partition);
    set_step(turn, STEP_ACTIVE);
}

/* ---- what the group says ---- */

void turns_look(struct turns *turns)
{
    for (size_t p = 0; turns->group && p < turns->count; p++) {
        struct turn *turn = &turns->turns[p];
        if (turn->granted && turn->step == STEP_STANDBY && has_zones(turns, turn->partition))
            open_turn(turn);
    }
}

/* Zones lie elsewhere now: all begins anew. */
static void hear_count(struct turns *turns, size_t count)
{
    if (turns->count == count)
        return;
    for (size_t p = 0; p < turns->count; p++)
        if (turns->turns[p].step != STEP_STANDBY)
            end(&turns->turns[p], STEP_STANDBY, "the topic has other partitions");
    turns->count = count;
}

static void hear_ours(struct turn *turn)
{
    if (turn->step == STEP_PROVING)
        begin(turn);
    else if (turn->step == STEP_LOST)
        open_turn(turn);
}

static void hear(struct turns *turns, const struct group_news *news)
{
    struct turn *turn = &turns->turns[news->partition];
    switch (news->event) {
    case GROUP_GRANTED:
        turn->granted = true;
        break;
    case GROUP_REVOKED:
        turn->granted = false;
        end(turn, STEP_STANDBY, "the group gave its turn to another one, or cannot be reached");
        group_release(turns->group, news->partition);
        break;
    case GROUP_OURS:
        hear_ours(turn);
        break;
    }
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct turns *turns = arg;
    struct group_news news;
    uint64_t signals;
    (void)!read(fd, &signals, sizeof signals);
    hear_count(turns, group_partitions(turns->group));
    while (group_next(turns->group, &news))
        hear(turns, &news);
    turns_look(turns);
}

/* What was lost may be ours all the same, and what is ours and could not be opened is tried again. */
static void on_clock(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct turns *turns = arg;
    for (size_t p = 0; p < turns->count; p++) {
        struct turn *turn = &turns->turns[p];
        if (turn->step == STEP_LOST)
            group_ask(turns->group, turn->partition);
    }
    turns_look(turns);
}

/* ---- the whole of it ---- */

struct turns *turns_new(const struct turns_options *options, char ret_error[CONFIG_MAX_ERROR])
{
    struct turns *turns = calloc(1, sizeof *turns);
    snprintf(ret_error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!turns)
        return NULL;
    turns->options = *options;
    turns->fd = -1;
    for (int32_t p = 0; p < LOG_MAX_PARTITIONS; p++)
        turns->turns[p] = (struct turn){.turns = turns, .partition = p, .since_us = now()};
    return turns;
}

static int start_alone(struct turns *turns, char error[CONFIG_MAX_ERROR])
{
    const struct publisher_options options = options_for(turns);
    struct turn *turn = &turns->turns[0];
    turn->outlet = outlet_open(&options, error);
    if (!turn->outlet || !watch_outlet(turn))
        return ERR_SYSTEM;
    turn->step = STEP_ACTIVE;
    tell_users(turns);
    return 0;
}

static int join_group(struct turns *turns, char error[CONFIG_MAX_ERROR])
{
    static const struct timeval pause = {.tv_usec = AGAIN_MS * 1000};
    const struct config_feed *feed = turns->options.feed;
    turns->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    turns->news = event_new(turns->options.base, turns->fd, EV_READ | EV_PERSIST, on_news, turns);
    turns->clock = event_new(turns->options.base, -1, EV_PERSIST, on_clock, turns);
    if (turns->fd < 0 || !turns->news || event_add(turns->news, NULL) < 0 || !turns->clock ||
        event_add(turns->clock, &pause) < 0)
        return ERR_SYSTEM;
    turns->group = group_join(&(struct group_options){.brokers = feed->brokers,
                                                      .topic = feed->updates,
                                                      .name = feed->group,
                                                      .properties = turns->options.properties,
                                                      .property_count = feed->rdkafka_count,
                                                      .session_ms = feed->session_ms,
                                                      .fd = turns->fd},
                              error);
    return turns->group ? 0 : ERR_SYSTEM;
}

int turns_start(struct turns *turns, const struct turns_user users[TURNS_USERS],
                char ret_error[CONFIG_MAX_ERROR])
{
    memcpy(turns->users, users, sizeof turns->users);
    return turns->options.feed->group ? join_group(turns, ret_error)
                                      : start_alone(turns, ret_error);
}

void turns_stop(struct turns *turns)
{
    if (!turns)
        return;
    for (size_t p = 0; p < LOG_MAX_PARTITIONS; p++)
        close_outlet(&turns->turns[p]);
    group_leave(turns->group);
    if (turns->news)
        event_free(turns->news);
    if (turns->clock)
        event_free(turns->clock);
    if (turns->fd >= 0)
        close(turns->fd);
    free(turns);
}

/* ---- who asks ---- */

static const struct turn *turn_of(const struct turns *turns, const uint8_t *apex)
{
    if (!turns->group)
        return &turns->turns[0];
    return turns->count ? &turns->turns[publish_partition(apex, turns->count)] : NULL;
}

struct outlet *turns_outlet(const struct turns *turns, const uint8_t *apex)
{
    const struct turn *turn = turn_of(turns, apex);
    return turn && turn->step == STEP_ACTIVE ? turn->outlet : NULL;
}

const char *turn_text(enum turn_state state)
{
    static const char *const texts[] = {[TURN_ALONE] = "alone",
                                        [TURN_ACTIVE] = "active",
                                        [TURN_TAKING_OVER] = "taking over",
                                        [TURN_STANDBY] = "standby"};
    return texts[state];
}

void turns_of_zone(const struct turns *turns, const uint8_t *apex, struct turn_status *ret)
{
    static const enum turn_state states[] = {[STEP_STANDBY] = TURN_STANDBY,
                                             [STEP_OPENING] = TURN_TAKING_OVER,
                                             [STEP_PROVING] = TURN_TAKING_OVER,
                                             [STEP_ACTIVE] = TURN_ACTIVE,
                                             [STEP_LOST] = TURN_STANDBY};
    const struct turn *turn = turn_of(turns, apex);
    *ret = (struct turn_status){.state = TURN_STANDBY, .epoch = -1};
    if (!turn)
        return;
    ret->state = turns->group ? states[turn->step] : TURN_ALONE;
    ret->since_us = turn->since_us;
    if (turn->outlet)
        ret->epoch = outlet_epoch(turn->outlet);
}

void turns_numbers(const struct turns *turns, struct turns_numbers *ret)
{
    *ret = turns->numbers;
    ret->outlet.trouble = "";
    for (size_t p = 0; p < LOG_MAX_PARTITIONS; p++) {
        const struct turn *turn = &turns->turns[p];
        struct outlet_status status;
        if (!turn->outlet)
            continue;
        outlet_status(turn->outlet, &status);
        ret->partitions += turn->step == STEP_ACTIVE;
        ret->outlet.under_way += status.under_way;
        ret->outlet.acknowledged += status.acknowledged;
        ret->outlet.again += status.again;
        ret->outlet.bytes += status.bytes;
        if (status.trouble[0])
            ret->outlet.trouble = status.trouble;
    }
}
