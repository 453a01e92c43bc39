/*
 * numbers.h - what the origin counts (daemon/number.h).
 */
#ifndef FRESHET_ORIGIN_NUMBERS_H
#define FRESHET_ORIGIN_NUMBERS_H

#include "origin/captures.h"
#include "origin/listen.h"
#include "origin/primaries.h"
#include "origin/service.h"

struct origin_numbers {
    struct captures_numbers captures;
    struct turns_numbers turns;
    struct listen_numbers listen;
    struct service_numbers service;
    struct primaries_numbers primaries;
    uint64_t zones, ready, active, under_way, gapped; /* of captures, as wide as numbers are */
    uint64_t primary_zones, primary_ready;            /* of primaries */
};
extern const struct numbers numbers_of_origin;

#endif
