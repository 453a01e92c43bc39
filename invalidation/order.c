#include "invalidation/order.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Which sets of a publisher were applied, up to the highest seq. */
struct order_publisher {
    char name[sizeof((struct change_set *)0)->publisher];
    uint64_t used; /* the zone's count of sets when it was last heard of; 0: never */
    uint64_t highest;
    int64_t time_us; /* its newest */
    uint64_t
        digests[ORDER_WINDOW]; /* of the sets' bytes, by seq modulo ORDER_WINDOW; 0: not seen */
};

/* A set as it stands to those before it. */
struct candidate {
    const struct change_set *set;
    int64_t time_us; /* the set's, as far as it can be believed */
    uint64_t by;     /* a hash of the publisher's name */
};

static bool serial_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0; /* RFC 1982 3.2 */
}

int64_t order_time_us(const struct change_set *set, int64_t wall_us)
{
    return set->time_us > wall_us + ORDER_TOLERANCE_US ? wall_us : set->time_us;
}

/* The record of a publisher; a new one takes the place of the one not heard of for longest. NULL: no memory. */
static struct order_publisher *publisher_of(struct order *order, const char *name)
{
    struct order_publisher *oldest = NULL;
    for (size_t i = 0; i < order->publisher_count; i++) {
        struct order_publisher *publisher = &order->publishers[i];
        if (strcmp(publisher->name, name) == 0)
            return publisher;
        if (!oldest || publisher->used < oldest->used)
            oldest = publisher;
    }
    if (order->publisher_count < ORDER_PUBLISHERS) {
        size_t count = order->publisher_count + 1;
        struct order_publisher *grown = realloc(order->publishers, count * sizeof *grown);
        if (!grown)
            return NULL;
        order->publishers = grown;
        oldest = &grown[order->publisher_count++];
    }
    *oldest = (struct order_publisher){0};
    memcpy(oldest->name, name, sizeof oldest->name);
    return oldest;
}

static uint64_t *digest_at(struct order_publisher *publisher, uint64_t seq)
{
    return &publisher->digests[seq % ORDER_WINDOW];
}

static uint64_t digest_of(const struct change_set *set)
{
    return set->digest ? set->digest : 1;
}

/* The window ends at `seq` from here on; what comes into it is not seen yet. */
static void move_to(struct order_publisher *publisher, uint64_t seq)
{
    if (seq < publisher->highest || seq - publisher->highest >= ORDER_WINDOW)
        memset(publisher->digests, 0, sizeof publisher->digests);
    for (uint64_t s = publisher->highest + 1; s <= seq && seq - publisher->highest < ORDER_WINDOW;
         s++)
        *digest_at(publisher, s) = 0;
    publisher->highest = seq;
}

/* A set that is not above the highest seq: a repetition, or somebody who lost count. */
static enum order_verdict enter_back(struct order_publisher *publisher,
                                     const struct candidate *candidate)
{
    const struct change_set *set = candidate->set;
    const bool remembered = publisher->highest - set->seq < ORDER_WINDOW;
    uint64_t *digest = digest_at(publisher, set->seq);
    if (remembered && *digest == digest_of(set))
        return ORDER_REPEATED;
    if (candidate->time_us > publisher->time_us)
        move_to(publisher, set->seq);
    if (remembered || publisher->highest == set->seq)
        *digest_at(publisher, set->seq) = digest_of(set);
    return ORDER_EVICTS;
}

static enum order_verdict enter_seq(struct order *order, const struct candidate *candidate)
{
    const struct change_set *set = candidate->set;
    if (!set->has_seq || set->publisher[0] == '\0')
        return ORDER_PLACED;
    struct order_publisher *publisher = publisher_of(order, set->publisher);
    if (!publisher)
        return ORDER_EVICTS; /* no memory: it may be a repetition */
    enum order_verdict verdict = ORDER_PLACED;
    if (publisher->used == 0 || set->seq > publisher->highest) {
        move_to(publisher, set->seq);
        *digest_at(publisher, set->seq) = digest_of(set);
    } else {
        verdict = enter_back(publisher, candidate);
    }
    publisher->used = order->sets + 1;
    if (candidate->time_us > publisher->time_us)
        publisher->time_us = candidate->time_us;
    return verdict;
}

/* By serial; one that went back is where the zone starts over if it is newer by time. */
static enum order_verdict enter_serial(struct order *order, const struct candidate *candidate)
{
    const struct change_set *set = candidate->set;
    if (!set->has_serial)
        return ORDER_PLACED;
    const bool back = order->has_serial && serial_before(set->serial, order->serial);
    if (!back || candidate->time_us > order->time_us) {
        order->has_serial = true;
        order->serial = set->serial;
    }
    return back ? ORDER_EVICTS : ORDER_PLACED;
}

static bool serial_is_newer(const struct order *order, const struct change_set *set)
{
    return set->has_serial && order->has_serial && serial_before(order->serial, set->serial);
}

/* Whether a set is from before what was applied, or may be, by its time. */
static bool is_late(const struct order *order, const struct candidate *candidate)
{
    const int64_t time_us = candidate->time_us;
    const bool own = order->by == candidate->by;
    const int64_t others_us = own ? order->other_us : order->time_us;
    if (order->missed_until_us > 0 && time_us < order->missed_until_us + ORDER_TOLERANCE_US)
        return true;
    if (order->sets > 0 && own && time_us < order->time_us)
        return true;
    if (order->sets == 0 || (own && others_us == 0))
        return false;
    /* Of another clock: only a serial tells what comes after what within the tolerance. */
    return serial_is_newer(order, candidate->set) ? time_us + ORDER_TOLERANCE_US < others_us
                                                  : time_us < others_us + ORDER_TOLERANCE_US;
}

/* Whether something says that it comes after what was applied. */
static bool is_newer(const struct order *order, const struct candidate *candidate)
{
    const struct change_set *set = candidate->set;
    const bool by_seq = set->has_seq && set->publisher[0] && order->by == candidate->by;
    return order->sets == 0 || candidate->time_us > order->time_us || by_seq ||
           serial_is_newer(order, set);
}

static void enter_time(struct order *order, const struct candidate *candidate)
{
    const int64_t time_us = candidate->time_us;
    if (order->sets > 0 && time_us < order->time_us) {
        if (candidate->by != order->by && time_us > order->other_us)
            order->other_us = time_us;
        return;
    }
    if (order->sets > 0 && candidate->by != order->by)
        order->other_us = order->time_us;
    order->time_us = time_us;
    order->by = candidate->by;
}

/* Whether the zone's sets have come from another partition of late. */
static bool enter_partition(struct order *order, const struct order_read *read)
{
    if (order->has_partition && order->partition != read->partition)
        order->elsewhere_until = mono_add(read->now, ORDER_ELSEWHERE_MS);
    order->has_partition = true;
    order->partition = read->partition;
    return !mono_reached(read->now, order->elsewhere_until);
}

enum order_verdict order_enter(struct order *order, const struct change_set *set,
                               const struct order_read *read)
{
    const struct candidate candidate = {
        .set = set,
        .time_us = order_time_us(set, read->wall_us),
        .by = XXH3_64bits(set->publisher, strlen(set->publisher)),
    };
    const bool elsewhere = enter_partition(order, read);
    const bool future = candidate.time_us != set->time_us;
    const bool late = is_late(order, &candidate) || !is_newer(order, &candidate);
    const enum order_verdict by_seq = enter_seq(order, &candidate);
    if (by_seq == ORDER_REPEATED) {
        order->duplicates++;
        return ORDER_REPEATED;
    }
    const enum order_verdict by_serial = enter_serial(order, &candidate);
    const bool back = by_seq == ORDER_EVICTS || by_serial == ORDER_EVICTS;
    enter_time(order, &candidate);
    order->sets++;
    order->jumps_back += back;
    order->future += future;
    order->elsewhere += elsewhere;
    if (!back && !late && !future && !elsewhere)
        return ORDER_PLACED;
    order->stale++;
    return ORDER_EVICTS;
}

void order_missed(struct order *order, int64_t until_us)
{
    if (order->missed_until_us < until_us)
        order->missed_until_us = until_us;
}

void order_forget_publishers(struct order *order)
{
    order->publisher_count = 0;
    order->has_partition = false;
    order->elsewhere_until = (struct mono){0};
}

void order_clear(struct order *order)
{
    free(order->publishers);
    *order = (struct order){0};
}
