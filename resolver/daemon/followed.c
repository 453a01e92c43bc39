#include "resolver/daemon/followed.h"

#include <stdlib.h>
#include <time.h>

#include "daemon/log.h"
#include "resolver/net/clock.h"

static bool add_texts(struct zone_roll *roll, char *const *texts, size_t count,
                      enum zone_standing standing)
{
    uint8_t name[NAME_MAX_SIZE];
    for (size_t i = 0; i < count; i++) {
        int size = name_from_text(texts[i], name);
        if (size < 0)
            return false;
        name_lower(name, (size_t)size, name);
        if (zone_roll_add(roll, name, standing) != ERR_OK)
            return false;
    }
    return true;
}

struct zone_roll *followed_roll(const struct followed_wish *wish)
{
    const struct config_feed *feed = wish->feed;
    struct zone_roll *roll = zone_roll_new();
    if (roll && add_texts(roll, feed->zones, feed->zone_count, STANDING_ZONE) &&
        add_texts(roll, feed->except, feed->except_count, STANDING_EXCEPTED) &&
        catalogs_add(wish->catalogs, wish->changed, wish->instead, roll) == ERR_OK) {
        zone_roll_sort(roll);
        return roll;
    }
    zone_roll_free(roll);
    return NULL;
}

static struct apply_at moment_now(void)
{
    enum { US = 1000000 };
    struct timespec wall;
    const struct micro now = micro_now();
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct apply_at){.now = micro_ms(now),
                             .us = (unsigned)(now.us % 1000),
                             .wall_us = (int64_t)wall.tv_sec * US + wall.tv_nsec / 1000,
                             .partition = -1};
}

int followed_take(struct applier *applier, const struct followed_wish *wish,
                  struct zone_roll **roll)
{
    struct zone_change *changes = NULL;
    size_t count = 0;
    struct apply_result result = {0};
    struct zone_roll *wanted = followed_roll(wish);
    int error = wanted ? zone_roll_differ(*roll, wanted, &changes, &count) : ERR_MEMORY;
    if (!error)
        error = apply_regroup(applier, changes, count, moment_now(), &result);
    for (size_t i = 0; !error && wish->touched && i < count; i++)
        wish->touched(wish->arg, changes[i].name);
    free(changes);
    if (error) {
        zone_roll_free(wanted);
        return error;
    }
    zone_roll_free(*roll);
    *roll = wanted;
    if (count > 0)
        log_line(LOG_LEVEL_INFO, "msg=\"zones of the feed changed\" zones=%zu changed=%zu",
                 zone_roll_count(wanted), count);
    return ERR_OK;
}

const char *followed_error(int error)
{
    return error == ERR_SPACE ? "too many names have been zones; a restart forgets them"
                              : error_text(error);
}
