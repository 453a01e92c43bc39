/*
 * update.h - UPDATE (RFC 2136): a message that changes a zone, taken apart.
 *
 *     header | zone (the question's place) | prerequisites (answer) | updates (authority) | additional
 *
 * What a record asks for is in its class: that of the zone, ANY, or NONE (2.4, 2.5). Those of class ANY, and NONE where
 * only a name or a type is meant, carry no RDATA, so none of them is checked against its type here; all that could get
 * into a zone is. Owners come in lower case. Whether an update may be made, and what it makes of the zone, is
 * zone/update.h's.
 */
#ifndef FRESHET_DNS_UPDATE_H
#define FRESHET_DNS_UPDATE_H

#include "dns/message.h"

enum { OPCODE_UPDATE = 5 };

enum {
    RCODE_YXRRSET = 7,
    RCODE_NXRRSET = 8,
    RCODE_NOTAUTH = 9,
    RCODE_NOTZONE = 10,
};

struct update {
    uint16_t id;
    uint16_t flags;
    struct question zone;   /* as spelled; name_size 0: it could not be read */
    size_t zone_end;        /* offset behind the zone section, what a response copies */
    bool edns;              /* has an OPT */
    struct record *records; /* prerequisites, then updates */
    uint16_t prerequisite_count, update_count;
    uint8_t *arena; /* owned: owners and RDATA, uncompressed */
    size_t arena_size;
    size_t record_capacity;
};

/* A reusable scratch message. NULL: no memory. */
struct update *update_new(void);
void update_free(struct update *update);

/*
 * Parses one, from anyone. Returns 0, or
 *   ERR_SHORT      under 12 bytes: nothing to answer
 *   ERR_NOT_QUERY  QR is set: never answered
 *   ERR_OPCODE     another opcode
 *   ERR_FORMAT     answer FORMERR: not one zone, or it is not asked for as SOA (RFC 2136 3.1.1), records that are fewer
 *                  than counted or cannot be read, RDATA that do not fit their type
 *   ERR_SPACE      it decompresses to more than the arena: answer REFUSED
 * `update` is filled as far as it came: a response needs id, flags and zone.
 */
MUST_CHECK int update_parse(struct update *update, const uint8_t *bytes, size_t size);

static inline const struct record *update_prerequisites(const struct update *update)
{
    return update->records;
}

static inline const struct record *update_changes(const struct update *update)
{
    return update->records + update->prerequisite_count;
}

#endif
