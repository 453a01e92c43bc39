/*
 * names.h - the made-up zone that the caches are filled from: names by number, and what each must answer.
 *
 *     kind       question                            answer
 *     a          h0000042.example.com A              10.0.0.42
 *     aaaa       h0000042.example.com AAAA, EDNS     2001:db8::2a
 *     nxdomain   x0000042.example.com A              NXDOMAIN, SOA of the zone
 *     cname      c0000042.example.com A              CNAME d..., CNAME e..., 10.0.0.42
 *
 * Each name has 20 characters. Every TTL is a day, so nothing expires in a run. The address tells the number:
 * no two answers are the same, and whoever asked can tell that he got the right one.
 */
#ifndef FRESHET_MEMORY_NAMES_H
#define FRESHET_MEMORY_NAMES_H

#include "dns/build.h"

enum kind { KIND_A, KIND_AAAA, KIND_NXDOMAIN, KIND_CNAME, KINDS };

enum {
    NAMES_MAX = 10000000, /* seven digits */
    NAMES_QUERY_MAX = 64,
    NAMES_TTL = 86400,
    /* A type of private use (RFC 6895 3.1): asks the authority how many other queries it has had. */
    NAMES_TYPE_COUNT = 65280,
};

extern const char *const names_kinds[KINDS + 1]; /* by kind; ends with NULL */

/* Writes the query for the number-th name of a kind. Its size. */
size_t names_query(enum kind kind, uint32_t number, uint16_t id, uint8_t bytes[NAMES_QUERY_MAX]);

/* Whether `message` is the right answer to that query: the question, the RCODE, each record that belongs. */
bool names_is_right(enum kind kind, uint32_t number, const struct message *message);

/*
 * The authority's reply; `count` is what it has counted. Writes to `bytes` (`room` of them) and returns the
 * size, or 0 for what is no query. What is not in the zone has an empty answer that nobody keeps.
 */
size_t names_reply(const struct query *query, uint64_t count, uint8_t *bytes, size_t room);

#endif
