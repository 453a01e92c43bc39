/* zones.h - zones of unit tests, written as lines of text. */
#ifndef FRESHET_TESTS_FAKE_ZONES_H
#define FRESHET_TESTS_FAKE_ZONES_H

#include "zone/zone.h"

/* "SET NAME TTL TYPE RDATA", ADD alike, "DEL NAME [0 TYPE [RDATA]]", a record a line; each line one change, all one edit. */
void zones_change(struct zone *zone, const char *text);

/* The same into an edit. */
void zones_edit(struct zone_edit *edit, const char *text);

/* That a state has exactly these records, "NAME TTL TYPE RDATA" each, in this order. */
void zones_expect(const struct zone_state *state, const char *text);

/* A number of a sequence that `seed` decides. */
uint64_t zones_random(uint64_t *seed);

#endif
