/*
 * options.h - what the probe was told to do; see main.c for what it does.
 */
#ifndef FRESHET_PROPAGATION_OPTIONS_H
#define FRESHET_PROPAGATION_OPTIONS_H

#include "bench/common/options.h"

enum { TIERS_MAX = 8 };

struct tier_options {
    const char *name;
    struct sockaddr_in address;
    bool position; /* a freshet tier on the feed: it says how far it is (invalidation/position.h) */
};

struct options {
    const char *zone;
    uint32_t names, ttl;
    double changes; /* a second */
    double watched; /* of these, so many a second are looked for with probes */
    double sweep;   /* queries a second that go through all names, over all tiers together */
    double clients; /* queries a second to the first tier, names by Zipf's law */
    double zipf;
    int64_t settle_us; /* changes are made, not watched, for so long first */
    int64_t seconds, horizon_us;
    int64_t first_us, fine_us, fine_for_us, coarse_us; /* the probes' times; see flight.h */
    bool rotate; /* most watched changes are looked for at one tier, another each time */
    bool reader; /* a plain consumer beside the tiers */
    uint64_t seed;
    const char *brokers, *topic; /* NULL: not in Kafka */
    struct option_list properties;
    struct sockaddr_in
        primary; /* changes go there as dynamic updates, and what is in Kafka is for comparison; port 0: nowhere */
    struct sockaddr_in notify;   /* who is sent a NOTIFY once the primary has a change; or port 0 */
    uint16_t authority_port;     /* 0: the tiers have an authority of their own */
    struct option_list controls; /* of the freshetd that are asked; see inside.h */
    struct tier_options tiers[TIERS_MAX];
    unsigned tier_count;
};

/* Ends the program when they make no sense. */
void probe_options_read(struct options *ret_options, int argc, char **argv);

#endif
