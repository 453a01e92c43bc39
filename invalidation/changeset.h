/*
 * changeset.h - one Kafka message: an atomic list of changes to one zone, version 1.
 *
 *   { "v": 1, "zone": "example.com.", "serial": 2026112201, "time": "2026-11-22T03:00:00.123456Z",
 *     "publisher": "ns1", "seq": 42,
 *     "changes": [
 *       {"op": "SET", "name": "www.example.com.", "type": "A", "ttl": 3600, "rdata": ["192.0.2.1"]},
 *       {"op": "ADD", "name": "mx.example.com.", "type": "A", "ttl": 3600, "rdata": ["192.0.2.9"]},
 *       {"op": "DEL", "name": "old.example.com.", "type": "A", "rdata": ["192.0.2.7"]},
 *       {"op": "DEL", "name": "gone.example.com."},
 *       {"op": "FLUSH", "name": "dyn.example.com.", "subtree": true} ] }
 *
 * SET replaces an RRset, ADD creates records, DEL removes a record, an RRset or a name (as much as
 * it names), FLUSH carries no data and only invalidates. Names are fully qualified, with the final
 * dot, those in "rdata" too, and ASCII: a U-label is written as its A-label (xn--), another byte as \DDD. "serial", "publisher" and "seq" may be missing; "time" is when the source committed the
 * change. Unknown fields are ignored, an unknown "v" is refused. No changes at all is a heartbeat,
 * and fine.
 *
 * A publisher that uses a field of a later version, and whose set means something else to whoever
 * ignores it, says so:
 *
 *     "must": ["variant"]     fields, of the set or of its changes, that an applier has to understand
 *
 * A set that names one it does not know is refused as a whole (ERR_MUST), which invalidates its
 * zone: what it would say of the zone without that field is not true, and that something changed
 * is. Known are the fields above and "must" itself; that one is there, empty, or named twice makes
 * no difference. Nobody knows "snapshot": a version that is too large for a message is a set of no changes that names it, and a
 * snapshot that stands behind it.
 */
#ifndef FRESHET_INVALIDATION_CHANGESET_H
#define FRESHET_INVALIDATION_CHANGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "zone/change.h"

enum {
    CHANGESET_VERSION = 1,
    CHANGESET_MAX_BYTES = 4 * 1024 * 1024, /* of JSON; larger is ERR_TOO_LARGE */
    CHANGESET_MAX_CHANGES = 100000,
    CHANGESET_MAX_WHERE = 160,
};

struct change_set {
    uint8_t zone[NAME_MAX_SIZE]; /* canonical */
    bool has_serial;
    uint32_t serial;
    bool has_seq;
    uint64_t seq;
    char publisher[64]; /* "" when missing; longer is ERR_SCHEMA */
    int64_t time_us;    /* microseconds since 1970 UTC */
    /*
     * To be written only: what it changes is too much for a message, and is in the snapshots from here on. It says
     * so by `must`, so that readers refuse it: a cache evicts the zone, a streamed zone waits for the snapshot.
     */
    bool in_snapshot;
    uint64_t digest; /* of the message's bytes (XXH3): the same one sent again has the same */
    struct change *changes;
    size_t change_count;
};

/* What is wrong with a refused change set. */
struct changeset_error {
    int code;                        /* enum error */
    bool has_zone;                   /* the zone could be read all the same */
    uint8_t zone[NAME_MAX_SIZE];     /* canonical */
    char where[CHANGESET_MAX_WHERE]; /* "changes[3].rdata[0]: \"192.0.2.300\"", for people */
};

/*
 * Parses and checks a whole change set: all of it is good, or none of it is handed out. `json` need
 * not end in NUL. Returns 0 with a set to be freed by changeset_free(); ERR_TOO_LARGE, ERR_JSON,
 * ERR_SCHEMA_VERSION, ERR_SCHEMA, ERR_OP, ERR_NAME, ERR_RELATIVE, ERR_NOT_ASCII, ERR_ZONE (a name outside the zone), ERR_TYPE
 * (unknown, or a meta type), ERR_TTL, ERR_RDATA, ERR_MUST (a field it has to understand is not
 * known), ERR_MEMORY, with the place in `ret_error`.
 */
MUST_CHECK int changeset_parse(const char *json, size_t size, struct change_set **ret_set,
                               struct changeset_error *ret_error);

/* Frees a set made by changeset_parse(); NULL is fine. */
void changeset_free(struct change_set *set);

/*
 * The JSON form, NUL-terminated, to be freed with free(); NULL: no memory. It parses back to the
 * same set.
 */
char *changeset_format(const struct change_set *set);

/*
 * One line for people: "SET www.example.com. 3600 A 192.0.2.1, 192.0.2.2", records with a comma between, so that they
 * are not taken for strings of one. Returns its length or ERR_SPACE.
 */
MUST_CHECK int change_to_text(const struct change *change, char *text, size_t size);

const char *change_op_text(enum change_op op);

/*
 * RFC 3339 in UTC with microseconds ("2026-11-22T03:00:00.123456Z") and back. ERR_SCHEMA when it is
 * none.
 */
enum { TIME_MAX_TEXT = 32 };
const char *time_to_text(int64_t time_us, char text[TIME_MAX_TEXT]);
MUST_CHECK int time_from_text(const char *text, int64_t *ret_time_us);

#endif
