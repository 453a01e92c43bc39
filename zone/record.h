/*
 * record.h - records of a state, one by one, as a message or a file writes them.
 */
#ifndef FRESHET_ZONE_RECORD_H
#define FRESHET_ZONE_RECORD_H

#include "dns/message.h"
#include "zone/zone.h"

/* The k-th record of an RRset, borrowed. */
struct record zone_record(const struct zone_rrset *rrset, size_t k);

/* The SOA. False: there is none, and the zone is none yet. */
bool zone_soa(const struct zone_state *state, struct zone_rrset *ret_soa);

#endif
