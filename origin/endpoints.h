/*
 * endpoints.h - RRsets as external-dns speaks of them (its webhook protocol, version 1), and UPDATEs (RFC 2136) made of its wishes.
 *
 *     {"dnsName":"www.example.com", "recordType":"A", "recordTTL":60, "targets":["192.0.2.1"]}
 *
 * An endpoint is an RRset: its name has no final dot, nor have names among its targets; a TTL that is left out or 0 is
 * ENDPOINT_TTL. A `setIdentifier` is for several RRsets of a name and a type, between which some server chooses, and
 * `providerSpecific` for that, too: there is no such server here. Who asks for it is told so before (endpoints_adjust()); who wants it
 * all the same is refused.
 *
 * Pure: from JSON to bytes, and from a zone to JSON.
 */
#ifndef FRESHET_ORIGIN_ENDPOINTS_H
#define FRESHET_ORIGIN_ENDPOINTS_H

#include <jansson.h>

#include "dns/error.h"
#include "dns/wire.h"
#include "zone/zone.h"

enum { ENDPOINT_TTL = 300, ENDPOINT_MAX_ERROR = 256 };

/* Appends the RRsets that external-dns knows the types of. ERR_MEMORY. */
MUST_CHECK int endpoints_list(const struct zone_state *state, json_t *array);

/* Takes out of endpoints what cannot be had. What is no endpoint stays as it is. */
void endpoints_adjust(json_t *endpoints);

/* The name, canonical. ERR_FORMAT with one line in `ret_error`, as of the next two. */
MUST_CHECK int endpoint_name(const json_t *endpoint, uint8_t ret_name[NAME_MAX_SIZE],
                             char ret_error[ENDPOINT_MAX_ERROR]);

/* Writes the records of an UPDATE that take the RRset away, and count as many. ERR_SPACE: it fits no message. */
MUST_CHECK int endpoint_remove(const json_t *endpoint, struct wire_writer *out, uint16_t *count,
                               char ret_error[ENDPOINT_MAX_ERROR]);

/* Those that add all its targets. */
MUST_CHECK int endpoint_add(const json_t *endpoint, struct wire_writer *out, uint16_t *count,
                            char ret_error[ENDPOINT_MAX_ERROR]);

#endif
