/*
 * build.h - writes messages: names compressed, TTL places remembered.
 *
 * A builder lays a message out as  header | question | answer | authority | additional  and is fed in
 * that order. Owner names, and RDATA names of the RFC 1035 types (RFC 3597 4), are compressed against
 * everything written before. The question's name starts at offset 12, so an answer that compresses to
 * it works for every spelling a client may use (0x20) as long as the question is replaced in place.
 */
#ifndef FRESHET_DNS_BUILD_H
#define FRESHET_DNS_BUILD_H

#include "dns/message.h"

enum {
    BUILD_MAX_SUFFIXES = 256, /* compression targets kept; past that, names are written in full */
    BUILD_MAX_RECORDS = 4096, /* TTL places kept; more records is ERR_SPACE */
};

struct builder {
    struct wire_writer out;
    uint16_t counts[3]; /* by enum section */
    uint16_t suffix_count;
    uint16_t suffixes[BUILD_MAX_SUFFIXES];    /* offsets of names a pointer may name */
    uint16_t suffix_tags[BUILD_MAX_SUFFIXES]; /* their hashes: most mismatches end here */
    bool suffix_used[BUILD_MAX_SUFFIXES];     /* a pointer leads there */
    bool closed;                              /* names written are not pointed to */
    bool
        lone_question; /* only the question's name is written, and its suffixes are not listed yet */
    uint16_t ttl_count;
    uint16_t ttl_offsets[BUILD_MAX_RECORDS]; /* from the message's first byte, ascending */
};

/* Starts a message in `buffer` of `size` bytes (at most 65535 are used) with room left for the header. */
void build_start(struct builder *builder, uint8_t *buffer, size_t size);

/* Writes the question section; call at most once, before any record. */
void build_question(struct builder *builder, const struct question *question);

/*
 * Appends one record. A section may not come after a later one. When it does not fit, the writer is
 * failed and build_finish() says so.
 */
void build_record(struct builder *builder, enum section section, const struct record *record);

/*
 * As build_record(), for a record that will change places with others: no later name is compressed to one in its RDATA.
 * Afterwards build_stands_alone() tells of such records whether nothing has been compressed to any name from offset
 * `from` to `to` of the message.
 */
void build_movable(struct builder *builder, enum section section, const struct record *record);
bool build_stands_alone(const struct builder *builder, size_t from, size_t to);

/*
 * Where a message stands, and back to it: what was appended since is as if it had not been, a record that did not fit as
 * well. Not for movable ones.
 */
struct build_mark {
    size_t at;
    uint16_t counts[3];
    uint16_t suffix_count, ttl_count;
    bool lone_question;
};
struct build_mark build_mark(const struct builder *builder);
void build_back(struct builder *builder, const struct build_mark *mark);

/*
 * Appends an OPT record (counts as additional). `rcode_high` are the upper 8 bits of the RCODE.
 * `ede` is an Extended DNS Error code (RFC 8914) or EDE_NONE.
 */
void build_opt(struct builder *builder, uint16_t udp_size, uint8_t rcode_high, bool dnssec_ok,
               int ede);

/* Fills in the header. Returns the size of the message, or ERR_SPACE when something did not fit. */
MUST_CHECK int build_finish(struct builder *builder, uint16_t id, uint16_t flags);

/*
 * Writes a query for `question` with RD set: the one shape every upstream gets. `edns` adds an OPT
 * with DNS_EDNS_UDP and the DO bit as given. Returns the size, or ERR_SPACE.
 */
struct query_shape {
    uint16_t id;
    bool edns;
    bool dnssec_ok;
    bool checking_disabled;
};
MUST_CHECK int build_query(uint8_t *buffer, size_t size, const struct question *question,
                           const struct query_shape *shape);

#endif
