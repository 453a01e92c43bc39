/*
 * updates.h - zones and UPDATEs (RFC 2136) from lines of text, for unit tests.
 */
#ifndef FRESHET_TESTS_FAKE_UPDATES_H
#define FRESHET_TESTS_FAKE_UPDATES_H

#include "zone/zone.h"

/* A name in canonical form; good until eight more were asked for. */
const uint8_t *fake_name(const char *text);

/* A zone of records, one on a line: "www.example. 300 A 192.0.2.1\n...". */
struct zone *fake_zone(const char *apex, const char *records);

/* Adds ("+ www.example. 300 A 192.0.2.1") and takes ("- ...") records, one on a line, in one edit, which is not committed. */
struct zone_edit *fake_edit(struct zone *zone, const char *lines);

/* All records as lines, each with its TTL, in the zone's order; to be freed. */
char *fake_text(const struct zone_state *state);

/*
 * An UPDATE as nsupdate would write it, lines:
 *
 *     nxdomain NAME   yxdomain NAME   nxrrset NAME TYPE   yxrrset NAME TYPE [RDATA]
 *     add NAME TTL TYPE RDATA         del NAME [TYPE [RDATA]]
 *     raw pre|upd NAME CLASS TYPE TTL RDATA-IN-HEX|-
 *
 * Returns its size.
 */
size_t fake_update(const char *apex, const char *lines, uint8_t *buffer, size_t room);

#endif
