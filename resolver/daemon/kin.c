#include "resolver/daemon/kin.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "resolver/net/clock.h"

enum { GOES_ON_MS = 60 * 1000, MAX_SENTENCE = 2600 };

/* Of a zone, by enum hand. */
struct above {
    _Atomic uint64_t last_ms[HANDS]; /* 0: never */
};

struct below {
    struct mono said; /* {0}: never */
    struct mono last;
    char child[INET6_ADDRSTRLEN];
    char name[NAME_MAX_TEXT];
};

struct kin {
    const char *tier;
    const struct validity *validity;
    struct above *above; /* by zone */
    pthread_mutex_t lock;
    struct below below[MISFITS];
};

struct kin *kin_new(const char *tier, const struct validity *validity)
{
    struct kin *kin = calloc(1, sizeof *kin);
    if (!kin)
        return NULL;
    kin->above = calloc(validity_zone_room(validity) + 1, sizeof *kin->above);
    if (!kin->above) {
        free(kin);
        return NULL;
    }
    kin->tier = tier;
    kin->validity = validity;
    pthread_mutex_init(&kin->lock, NULL);
    return kin;
}

void kin_free(struct kin *kin)
{
    if (!kin)
        return;
    pthread_mutex_destroy(&kin->lock);
    free(kin->above);
    free(kin);
}

/* ---- above ---- */

static const char *const above_texts[HANDS] = {
    [SECOND_HAND] = "the upstream is a cache that hears of no changes: after a change it may give "
                    "the old answer back, "
                    "which then lives for a second at a time; send the zone to its own servers by "
                    "routes:, or use a "
                    "parent",
    [SECOND_HAND_PARENT] = "the parent does not say how far it has applied the log: what it gives "
                           "is kept as from any other cache, after "
                           "a change for a second at a time; write the address of this machine "
                           "into position_for of the parent's tier, "
                           "where feed: must name the same brokers and topic as here; if the "
                           "parent is no freshet, say forward instead "
                           "of parent, and send the zone to its own servers by routes:",
    [SECOND_HAND_ZONE] = "the parent's feed does not have the zone: what it gives is kept as from "
                         "any other cache, after a change for a "
                         "second at a time; write the zone into feed.zones of the parent, or send "
                         "it to its own servers by routes: here",
};

void kin_second_hand(void *arg, const uint8_t *name, enum hand hand)
{
    struct kin *kin = arg;
    size_t index;
    const uint8_t *zone = validity_zone_of(kin->validity, name, &index);
    if (!zone || !above_texts[hand])
        return;
    const uint64_t before = atomic_exchange_explicit(&kin->above[index].last_ms[hand],
                                                     mono_now().ms, memory_order_relaxed);
    char text[NAME_MAX_TEXT], quoted[LOG_MAX_QUOTED];
    if (before == 0)
        log_line(LOG_LEVEL_WARNING, "msg=\"%s\" tier=%s zone=%s", above_texts[hand], kin->tier,
                 log_quote(name_to_text(zone, text), quoted));
}

/* ---- below ---- */

static const char *const below_texts[MISFITS] = {
    [MISFIT_STRANGER] = "a freshet asks how far the log is applied here and is not told: it keeps "
                        "what it gets as from any other cache; "
                        "if it is yours, write its address into position_for of this tier",
    [MISFIT_LOG] = "a child tier follows another log than this one: it keeps what it gets as from "
                   "any other cache; feed: must name "
                   "the same brokers and topic in both, a mirrored topic counts anew",
    [MISFIT_ZONE] = "a child tier follows a zone that the feed here does not have: it keeps what "
                    "it gets as from any other cache; "
                    "write the zone of the name into feed.zones",
};

static void write_address(const union address *address, char text[INET6_ADDRSTRLEN])
{
    if (address->family == AF_INET)
        inet_ntop(AF_INET, &address->in.sin_addr, text, INET6_ADDRSTRLEN);
    else if (address->family == AF_INET6)
        inet_ntop(AF_INET6, &address->in6.sin6_addr, text, INET6_ADDRSTRLEN);
    else
        strcpy(text, "this process");
}

void kin_misfit(void *arg, enum misfit misfit, const union address *child, const uint8_t *name)
{
    struct kin *kin = arg;
    struct below *below = &kin->below[misfit];
    const struct mono now = mono_now();
    char text[INET6_ADDRSTRLEN], quoted[LOG_MAX_QUOTED], name_text[NAME_MAX_TEXT];
    write_address(child, text);
    name_to_text(name, name_text);
    pthread_mutex_lock(&kin->lock);
    const bool say = below->said.ms == 0 || mono_reached(now, mono_add(below->said, GOES_ON_MS));
    if (say)
        below->said = now;
    below->last = now;
    strcpy(below->child, text);
    strcpy(below->name, name_text);
    pthread_mutex_unlock(&kin->lock);
    if (say)
        log_line(LOG_LEVEL_WARNING, "msg=\"%s\" tier=%s child=%s name=%s", below_texts[misfit],
                 kin->tier, text, log_quote(name_text, quoted));
}

/* ---- for people ---- */

static bool goes_on(uint64_t last_ms, struct mono now)
{
    return last_ms > 0 && !mono_reached(now, mono_add((struct mono){last_ms}, GOES_ON_MS));
}

static void add_above(const struct kin *kin, struct mono now, json_t *list)
{
    char sentence[MAX_SENTENCE], name[NAME_MAX_TEXT];
    const uint8_t *zone;
    for (size_t i = 0; i < validity_zones(kin->validity); i++)
        for (int hand = SECOND_HAND; hand < HANDS; hand++) {
            if (!goes_on(atomic_load_explicit(&kin->above[i].last_ms[hand], memory_order_relaxed),
                         now) ||
                !(zone = validity_zone(kin->validity, i)))
                continue;
            snprintf(sentence, sizeof sentence, "zone %s: %s", name_to_text(zone, name),
                     above_texts[hand]);
            json_array_append_new(list, json_string(sentence));
        }
}

json_t *kin_to_json(struct kin *kin)
{
    char sentence[MAX_SENTENCE];
    const struct mono now = mono_now();
    json_t *list = json_array();
    add_above(kin, now, list);
    pthread_mutex_lock(&kin->lock);
    for (int misfit = 0; misfit < MISFITS; misfit++) {
        const struct below *below = &kin->below[misfit];
        if (!goes_on(below->last.ms, now))
            continue;
        snprintf(sentence, sizeof sentence, "child %s, name %s: %s", below->child, below->name,
                 below_texts[misfit]);
        json_array_append_new(list, json_string(sentence));
    }
    pthread_mutex_unlock(&kin->lock);
    return list;
}
