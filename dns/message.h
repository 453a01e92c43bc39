/*
 * message.h - DNS messages: a client's query parsed in place, an upstream's response taken apart.
 *
 *   query_parse()     the hit path: header, one question, EDNS; allocates nothing, copies nothing
 *   message_parse()   the miss path: every record checked and decompressed into a scratch arena
 *
 * Header (RFC 1035 4.1.1), 12 bytes:
 *
 *     0  ID
 *     2  QR Opcode AA TC RD | RA Z AD CD RCODE
 *     4  QDCOUNT   6  ANCOUNT   8  NSCOUNT   10  ARCOUNT
 */
#ifndef FRESHET_DNS_MESSAGE_H
#define FRESHET_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "dns/wire.h"

enum {
    DNS_HEADER_SIZE = 12,
    DNS_MAX_MESSAGE = 65535,
    DNS_CLASSIC_UDP = 512, /* what a client without EDNS can take (RFC 1035 4.2.1) */
    DNS_EDNS_UDP = 1232,   /* what we advertise: fits any path without fragments */
    DNS_OPT_SIZE = 11,     /* an OPT record without options (RFC 6891 6.1.2) */
};

/* Bits of the 16-bit flags word at offset 2. */
enum {
    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_AA = 0x0400,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    FLAG_Z = 0x0040,
    FLAG_AD = 0x0020,
    FLAG_CD = 0x0010,
    FLAG_RCODE = 0x000f,
};

enum {
    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    RCODE_YXDOMAIN = 6, /* a DNAME makes the name too long (RFC 6672 2.2) */
    RCODE_BADVERS = 16, /* extended: upper bits travel in OPT (RFC 6891 6.1.3) */
    RCODE_BADCOOKIE = 23,
};

/* EDNS options (RFC 6891 6.1.2) and Extended DNS Error codes (RFC 8914 4) in use. */
enum { EDNS_OPTION_COOKIE = 10, EDNS_OPTION_TCP_KEEPALIVE = 11, EDNS_OPTION_EDE = 15 };
enum {
    EDE_NONE = -1,
    EDE_OTHER = 0,
    EDE_STALE_ANSWER = 3,
    EDE_STALE_NXDOMAIN = 19,
    EDE_CACHED_ERROR = 13,
    EDE_NOT_READY = 14,
    EDE_PROHIBITED = 18,
    EDE_NOT_AUTHORITATIVE = 20,
    EDE_NOT_SUPPORTED = 21,
    EDE_NO_REACHABLE_AUTHORITY = 22,
    EDE_NETWORK_ERROR = 23,
    EDE_INVALID_DATA = 24,
    EDE_NSEC3_ITERATIONS = 27,
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

struct question {
    uint8_t name[NAME_MAX_SIZE]; /* as spelled by whoever asked */
    uint8_t name_size;
    uint16_t type;
    uint16_t class;
};

struct edns {
    bool present;
    uint8_t version;
    uint8_t extended_rcode; /* upper 8 bits of a 12-bit RCODE */
    bool dnssec_ok;
    uint16_t udp_size;      /* as sent; values under 512 count as 512 (RFC 6891 6.2.3) */
    const uint8_t *options; /* inside the message; NULL when there are none */
    uint16_t options_size;  /* checked: whole options fill it exactly */
};

struct edns_option {
    uint16_t code, size;
    const uint8_t *bytes; /* `size` of them, where they lie in the message */
};

/* Steps through options (RFC 6891 6.1.2). False: that was the last, or the reader has failed as the next is not whole. */
static inline bool edns_next(struct wire_reader *options, struct edns_option *ret)
{
    if (wire_left(options) == 0)
        return false;
    ret->code = wire_read_u16(options);
    ret->size = wire_read_u16(options);
    ret->bytes = wire_read(options, ret->size);
    return ret->bytes != NULL;
}

/* A question where it lies in the message. */
struct question_view {
    const uint8_t *name; /* as spelled, uncompressed */
    uint8_t name_size;
    uint16_t type;
    uint16_t class;
};

struct query {
    uint16_t id;
    uint16_t flags;
    struct question_view question; /* name_size 0 when the question could not be read */
    size_t question_end;           /* offset of the first byte behind the question section */
    struct edns edns;
};

/*
 * Parses a query. `bytes` may be anything from the network.
 * Returns 0, or
 *   ERR_SHORT      under 12 bytes: nothing to answer
 *   ERR_NOT_QUERY  QR is set: never answered, or two servers could answer each other for ever
 *   ERR_OPCODE     answer NOTIMP (id and flags are set; the question is not read)
 *   ERR_FORMAT     answer FORMERR (id and flags are set, the question if it was readable): QDCOUNT is not 1,
 *                  records in answer or authority, two OPTs, OPT not at the root, fewer records than counted, ...
 *   ERR_VERSION    answer BADVERS (all is set)
 * `ret` is filled as far as said above, also on failure: a reply needs it.
 */
MUST_CHECK int query_parse(const uint8_t *bytes, size_t size, struct query *ret);

/* A copy that outlives the message. */
void question_copy(const struct question_view *view, struct question *ret);

/* One record of a parsed response; pointers live in the message's arena until it is parsed into again. */
struct record {
    const uint8_t *owner; /* uncompressed, case kept */
    const uint8_t *rdata; /* uncompressed, checked against its type */
    uint32_t ttl;         /* seconds; the top bit set was read as 0 (RFC 2181 8) */
    uint16_t rdata_size;
    uint16_t type;
    uint16_t class;
};

struct message {
    uint16_t id;
    uint16_t flags;
    uint16_t rcode; /* with the upper bits of EDNS */
    struct question question;
    struct edns edns;
    struct record *records; /* in order of sections, OPT left out */
    uint16_t answer_count, authority_count, additional_count;
    bool authority_whole; /* nothing of it was left out for being broken */
    uint8_t *arena;       /* owned: uncompressed names and RDATA */
    size_t arena_size;    /* capacity, bytes */
    size_t record_capacity;
};

/* A reusable scratch message, big enough for what 64 KiB of wire can hold in practice. NULL: no memory. */
struct message *message_new(void);
void message_free(struct message *message);

/*
 * Parses a response (or any message with at most one question). Meant to be called over and over
 * with the same scratch. TSIG and other signatures are not verified.
 *
 * What an answer is made of has to be whole; what nobody needs need not be. Records of the answer section beside the way
 * from the question are left out when they are broken; the authority section where there is an answer, or an SOA, or an
 * RCODE, and the additional section always, end where they cannot be read; bytes behind the message are ignored. So
 * the counts are of what is there, and may be lower than those of the header.
 *
 * Returns 0; ERR_SHORT, ERR_FORMAT, ERR_NAME, ERR_POINTER, ERR_RDATA (some record breaks its type's format), ERR_SPACE
 * (decompresses to more than the arena).
 */
MUST_CHECK int message_parse(struct message *message, const uint8_t *bytes, size_t size);

static inline const struct record *message_answers(const struct message *m)
{
    return m->records;
}

static inline const struct record *message_authorities(const struct message *m)
{
    return m->records + m->answer_count;
}

#endif
