/*
 * options.h - the checker's command line.
 */
#ifndef FRESHET_CHECKER_OPTIONS_H
#define FRESHET_CHECKER_OPTIONS_H

#include "bench/checker/changer.h"
#include "bench/checker/log.h"
#include "bench/checker/tier.h"

struct options {
    struct log_options log; /* brokers, topic, properties */
    const char *zone;
    uint16_t authority_port;
    uint32_t names;
    uint32_t ttl; /* seconds, of all records */
    struct tier tiers[TIERS_MAX];
    unsigned tier_count;
    double queries, changes; /* a second; queries over all tiers together */
    double zipf;             /* exponent; 0: all names alike */
    uint32_t inner;          /* zones in the zone */
    struct changer_options changer;
    bool probes;
    int64_t seconds;  /* 0: until "stop" on stdin */
    int64_t drain_us; /* after the last change */
    int64_t lease_us, poll_us, forwarder_us;
    int64_t authority_lag_us, authority_delay_us, authority_down_at_us,
        authority_up_at_us; /* 0: never */
    uint64_t seed;
};

/* Reads the command line; on a mistake (one line on stderr), and for --help, ends the program. */
void checker_options_read(struct options *ret_options, int argc, char **argv);

#endif
