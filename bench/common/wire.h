/*
 * wire.h - the little DNS that measuring from outside takes, written for it alone: A queries for the
 * names of one zone, answers that carry a version, and reading them back.
 *
 *     n00042.check.example.   A      10.V.V.V               the version, 24 bits
 *                             (gone) NXDOMAIN, SOA serial   the version
 *
 * The zone may have zones in it, numbered from 1; number 0 is the outermost. The names go round over
 * all of them:
 *
 *     n00042.i02.check.example.      its SOA is that of i02.check.example., while that is delegated
 */
#ifndef FRESHET_COMMON_WIRE_H
#define FRESHET_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_MAX = 1232, /* of a message */
    WIRE_MAX_ZONE = 200,
    WIRE_MAX_TEXT = 256,
    NAMES_MAX = 100000, /* five digits */
    LABEL_SIZE = 7,     /* its length, 'n', five digits */
    INNER_MAX = 99,     /* two digits */
    INNER_SIZE = 4,     /* its length, 'i', two digits */
    RCODE_NOERROR = 0,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
};

struct zone {
    char text[WIRE_MAX_ZONE]; /* "check.example.", lower case */
    uint8_t wire[WIRE_MAX_ZONE];
    size_t size;
    uint32_t ttl;   /* of all records */
    uint32_t inner; /* zones in it */
};

/* False when the text is no domain name with a final dot. */
bool zone_init(struct zone *zone, const char *text, uint32_t ttl);

/* The number of the zone that a name is in. */
static inline uint32_t zone_of(const struct zone *zone, uint32_t name)
{
    return name % (zone->inner + 1);
}

/* "check.example.", "i02.check.example." */
void zone_text(const struct zone *zone, uint32_t number, char text[WIRE_MAX_TEXT]);

/* "n00042.check.example." */
void zone_name_text(const struct zone *zone, uint32_t name, char text[WIRE_MAX_TEXT]);

/* Writes the query; its size. */
size_t wire_query(const struct zone *zone, uint16_t id, uint32_t name, uint8_t bytes[WIRE_MAX]);

/* What an answer said. */
struct wire_answer {
    uint8_t rcode;
    bool readable; /* it is an answer to a query for `name`, and whole */
    bool mixed;    /* several addresses where each version has one */
    uint32_t name;
    uint32_t version; /* 0: carries none */
    bool gone;
    uint32_t ttl;
};

uint16_t wire_id(const uint8_t *bytes);

/* Reads a response; what is not understood leaves `readable` false. */
struct wire_answer wire_read(const struct zone *zone, const uint8_t *bytes, size_t size);

enum wire_asked { ASKED_NAME, ASKED_NAME_OTHER_TYPE, ASKED_APEX, ASKED_UNKNOWN, ASKED_GARBAGE };

/* What a query that came to the authority asks for; `ret_name` is set for the first two. */
enum wire_asked wire_read_query(const struct zone *zone, const uint8_t *bytes, size_t size,
                                uint32_t *ret_name);

struct wire_reply {
    enum wire_asked asked;
    uint32_t version;
    bool gone;
    bool undelegated; /* gone, as its whole zone is: the SOA is the outermost zone's */
    uint32_t serial;  /* of the SOA, where the name is not gone */
};

/* Writes the authority's reply to a query that wire_read_query() has read; its size. */
size_t wire_reply(const struct zone *zone, const struct wire_reply *reply, const uint8_t *query,
                  size_t query_size, uint8_t bytes[WIRE_MAX]);

#endif
