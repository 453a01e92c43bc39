/*
 * special.h - names that have no place in the public DNS, and what the RFCs say of them.
 *
 *     localhost                        127.0.0.1 and ::1, at and below it        RFC 6761 6.3
 *     invalid, test, onion, alt        NXDOMAIN                                  RFC 6761, 7686, 9476
 *     home.arpa, service.arpa          empty zones                               RFC 8375, 9665
 *     resolver.arpa                    NODATA                                    RFC 9462 6.4
 *     10.in-addr.arpa, d.f.ip6.arpa... empty zones                               RFC 6303, 7793
 *
 * Answers are those of RFC 6303 3. A zone that is exempt at or below one of these is left to the DNS.
 */
#ifndef FRESHET_RESOLVER_ANSWER_SPECIAL_H
#define FRESHET_RESOLVER_ANSWER_SPECIAL_H

#include "dns/build.h"
#include "resolver/answer/local_table.h"

/* Adds all of them to the table. */
void special_add(struct local_table *table);

/* Adds an exempt zone, canonical or as text; only those within a special one matter: the feed may have a million. */
void special_add_exempt(struct local_table *table, const uint8_t *name);
void special_add_exempt_text(struct local_table *table, const char *text);

/* Loopback addresses are called localhost, unless something that is there already calls them. */
void special_add_loopback(struct local_table *table);

/* An answer that is being written. */
struct special_answer {
    struct builder builder;
    uint16_t type; /* asked for */
    uint16_t rcode;
};

/* Writes what a zone says of the name `owner` in it. False: it leaves the question to the DNS. */
bool special_answer(struct special_answer *answer, const struct local_zone *zone,
                    const uint8_t *owner);

#endif
