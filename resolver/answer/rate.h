/*
 * rate.h - how many replies a second a network may have by UDP.
 *
 *     network --hash--> two places of a table: tag | when its allowance is used up (GCRA)
 *
 * Addresses of UDP can be made up: who sends queries in another's name has our replies sent there, larger than what he
 * sent. So replies are counted by network (waiters_who()), and past the rate, with RATE_BURST_MS of it at once, they are
 * cut short or left out. The table does not grow; who finds both places taken by others is let through.
 *
 * Any thread, without locks.
 */
#ifndef FRESHET_RESOLVER_ANSWER_RATE_H
#define FRESHET_RESOLVER_ANSWER_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/answer/micro.h"

enum { RATE_BURST_MS = 1000 };

struct rate;

/* `per_second` from 1 to 1,000,000. NULL: no memory. */
struct rate *rate_new(uint32_t per_second, uint64_t key);
/* NULL is fine. */
void rate_free(struct rate *rate);

/* Counts a reply to `who`. False: it is one too many. */
bool rate_take(struct rate *rate, uint64_t who, struct micro now);

#endif
