#include "bench/common/wire.h"

#include <stdio.h>
#include <string.h>

#include "bench/common/cursor.h"

enum {
    SOA_FIXED = 20,
    FLAG_QR = 0x80,
    FLAG_AA = 0x04,
    FLAG_TC = 0x02,
};

/* ---- names ---- */

bool zone_init(struct zone *zone, const char *text, uint32_t ttl)
{
    const size_t length = strlen(text);
    *zone = (struct zone){.ttl = ttl};
    if (length < 2 || length + 1 > WIRE_MAX_ZONE || text[length - 1] != '.')
        return false;
    for (size_t k = 0; k < length; k++)
        zone->text[k] = (char)(text[k] >= 'A' && text[k] <= 'Z' ? text[k] + 32 : text[k]);
    const char *label = zone->text;
    while (*label) {
        const size_t size = strcspn(label, ".");
        if (size == 0 || size > 63)
            return false;
        zone->wire[zone->size++] = (uint8_t)size;
        memcpy(zone->wire + zone->size, label, size);
        zone->size += size;
        label += size + 1;
    }
    zone->wire[zone->size++] = 0;
    return true;
}

void zone_text(const struct zone *zone, uint32_t number, char text[WIRE_MAX_TEXT])
{
    if (number == 0)
        snprintf(text, WIRE_MAX_TEXT, "%s", zone->text);
    else
        snprintf(text, WIRE_MAX_TEXT, "i%02u.%s", (unsigned)number, zone->text);
}

void zone_name_text(const struct zone *zone, uint32_t name, char text[WIRE_MAX_TEXT])
{
    const uint32_t number = zone_of(zone, name);
    if (number == 0)
        snprintf(text, WIRE_MAX_TEXT, "n%05u.%s", (unsigned)name, zone->text);
    else
        snprintf(text, WIRE_MAX_TEXT, "n%05u.i%02u.%s", (unsigned)name, (unsigned)number,
                 zone->text);
}

/* A letter and digits. */
static uint8_t *put_label(char letter, uint32_t number, size_t size, uint8_t *at)
{
    at[0] = (uint8_t)(size - 1);
    at[1] = (uint8_t)letter;
    for (size_t k = size - 1; k > 1; k--, number /= 10)
        at[k] = (uint8_t)('0' + number % 10);
    return at + size;
}

static uint8_t *put_name(const struct zone *zone, uint32_t name, uint8_t *at)
{
    const uint32_t number = zone_of(zone, name);
    at = put_label('n', name, LABEL_SIZE, at);
    if (number > 0)
        at = put_label('i', number, INNER_SIZE, at);
    memcpy(at, zone->wire, zone->size);
    return at + zone->size;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Letters in any case: some resolvers mix them. A label's length is below 'A'. */
static bool is_zone(const struct zone *zone, const uint8_t *wire, size_t size)
{
    if (size < zone->size)
        return false;
    for (size_t k = 0; k < zone->size; k++)
        if (lower(wire[k]) != zone->wire[k])
            return false;
    return true;
}

/* The number in "n00042"; a label of `wanted` bytes with its length. */
static bool read_label(char letter, size_t wanted, const uint8_t *wire, size_t size,
                       uint32_t *ret_number)
{
    uint32_t number = 0;
    if (size < wanted || wire[0] != wanted - 1 || lower(wire[1]) != letter)
        return false;
    for (size_t k = 2; k < wanted; k++) {
        if (wire[k] < '0' || wire[k] > '9')
            return false;
        number = number * 10 + (uint32_t)(wire[k] - '0');
    }
    *ret_number = number;
    return true;
}

/* The apex of a zone at the start of `wire`: its size, and the zone's number. 0: none is there. */
static size_t read_apex(const struct zone *zone, const uint8_t *wire, size_t size,
                        uint32_t *ret_number)
{
    uint32_t number = 0;
    const size_t at =
        read_label('i', INNER_SIZE, wire, size, &number) && number > 0 && number <= zone->inner
            ? INNER_SIZE
            : 0;
    *ret_number = at ? number : 0;
    return is_zone(zone, wire + at, size - at) ? at + zone->size : 0;
}

/* One of our names at the start of `wire`: its size. 0: none is there. */
static size_t read_name(const struct zone *zone, const uint8_t *wire, size_t size,
                        uint32_t *ret_name)
{
    uint32_t name = 0, number = 0;
    if (!read_label('n', LABEL_SIZE, wire, size, &name))
        return 0;
    const size_t apex = read_apex(zone, wire + LABEL_SIZE, size - LABEL_SIZE, &number);
    if (apex == 0 || number != zone_of(zone, name))
        return 0;
    *ret_name = name;
    return LABEL_SIZE + apex;
}

/* The deepest zone that a name of `size` bytes, its root label included, lies in: the size of its
 * apex, at the name's end. */
static size_t apex_above(const struct zone *zone, const uint8_t *wire, size_t size)
{
    uint32_t number;
    for (size_t at = 0; at < size && wire[at]; at += 1 + (size_t)wire[at])
        if (read_apex(zone, wire + at, size - at, &number) == size - at)
            return size - at;
    return 0;
}

/* ---- the client's side ---- */

static uint8_t *put_header(uint8_t *at, const uint16_t header[6])
{
    for (size_t k = 0; k < 6; k++)
        at = put(at, header[k], 2);
    return at;
}

size_t wire_query(const struct zone *zone, uint16_t id, uint32_t name, uint8_t bytes[WIRE_MAX])
{
    const uint16_t header[6] = {id, 0x0100, 1, 0, 0, 0}; /* RD */
    uint8_t *at = put_name(zone, name, put_header(bytes, header));
    at = put(put(at, TYPE_A, 2), CLASS_IN, 2);
    return (size_t)(at - bytes);
}

uint16_t wire_id(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void read_address(struct wire_answer *answer, const struct record *record)
{
    if (record->type != TYPE_A)
        return;
    answer->mixed |= answer->version != 0 || record->size != 4 || record->rdata[0] != 10;
    answer->version = 0;
    for (size_t k = 1; k < record->size; k++)
        answer->version = answer->version << 8 | record->rdata[k];
    answer->ttl = record->ttl;
}

/* The serial follows two names, and four numbers follow it. */
static void read_soa(struct wire_answer *answer, const struct record *record)
{
    if (record->type != TYPE_SOA || record->size < SOA_FIXED)
        return;
    struct cursor tail = {.bytes = record->rdata, .size = record->size};
    tail.at = record->size - SOA_FIXED;
    answer->version = (uint32_t)take(&tail, 4);
    answer->ttl = record->ttl;
    answer->gone = true;
}

struct wire_answer wire_read(const struct zone *zone, const uint8_t *bytes, size_t size)
{
    struct wire_answer answer = {0};
    struct cursor cursor = {.bytes = bytes, .size = size, .at = HEADER_SIZE};
    if (size < HEADER_SIZE || !(bytes[2] & FLAG_QR) || bytes[2] & FLAG_TC)
        return answer;
    answer.rcode = bytes[3] & 15;
    const size_t answers = (size_t)bytes[6] << 8 | bytes[7];
    const size_t authorities = (size_t)bytes[8] << 8 | bytes[9];
    const size_t name_size = read_name(zone, bytes + HEADER_SIZE, size - HEADER_SIZE, &answer.name);
    if (name_size == 0)
        return answer;
    skip(&cursor, name_size + 4);
    for (size_t k = 0; k < answers && !cursor.bad; k++) {
        const struct record record = take_record(&cursor);
        if (!cursor.bad)
            read_address(&answer, &record);
    }
    for (size_t k = 0; k < authorities && !cursor.bad && answers == 0; k++) {
        const struct record record = take_record(&cursor);
        if (!cursor.bad)
            read_soa(&answer, &record);
    }
    answer.readable = !cursor.bad;
    return answer;
}

/* ---- the authority's side ---- */

enum wire_asked wire_read_query(const struct zone *zone, const uint8_t *bytes, size_t size,
                                uint32_t *ret_name)
{
    if (size < HEADER_SIZE || bytes[2] & (FLAG_QR | 0x78) || bytes[4] != 0 || bytes[5] != 1)
        return ASKED_GARBAGE;
    struct cursor cursor = {.bytes = bytes, .size = size, .at = HEADER_SIZE};
    skip_name(&cursor);
    const size_t name_size = cursor.at - HEADER_SIZE;
    const uint32_t type = (uint32_t)take(&cursor, 2);
    skip(&cursor, 2);
    if (cursor.bad)
        return ASKED_GARBAGE;
    const uint8_t *name = bytes + HEADER_SIZE;
    const size_t apex = apex_above(zone, name, name_size);
    if (apex == 0)
        return ASKED_GARBAGE; /* not our zone: no answer at all */
    if (apex == name_size)
        return type == TYPE_SOA || type == TYPE_NS ? ASKED_APEX : ASKED_NAME_OTHER_TYPE;
    if (read_name(zone, name, name_size, ret_name) != name_size)
        return ASKED_UNKNOWN;
    return type == TYPE_A ? ASKED_NAME : ASKED_NAME_OTHER_TYPE;
}

static uint8_t *put_record_head(const struct zone *zone, uint16_t owner, uint16_t type, uint8_t *at)
{
    at = put(at, 0xc000u | owner, 2);
    at = put(put(at, type, 2), CLASS_IN, 2);
    return put(at, zone->ttl, 4);
}

static uint8_t *put_soa(const struct zone *zone, uint16_t apex, uint32_t serial, uint8_t *at)
{
    at = put_record_head(zone, apex, TYPE_SOA, at);
    at = put(at, 2 + 2 + SOA_FIXED, 2);
    at = put(put(at, 0xc000u | apex, 2), 0xc000u | apex, 2);
    at = put(at, serial, 4);
    at = put(put(at, 3600, 4), 600, 4);
    return put(put(at, 86400, 4), zone->ttl, 4);
}

static uint8_t *put_address(const struct zone *zone, uint32_t version, uint8_t *at)
{
    at = put_record_head(zone, HEADER_SIZE, TYPE_A, at);
    return put(put(put(at, 4, 2), 10, 1), version, 3);
}

/* RFC 6891: who sends an OPT record wants one back. */
static uint8_t *put_opt(uint8_t *at)
{
    at = put(put(at, 0, 1), TYPE_OPT, 2);
    return put(put(put(at, WIRE_MAX, 2), 0, 4), 0, 2);
}

size_t wire_reply(const struct zone *zone, const struct wire_reply *reply, const uint8_t *query,
                  size_t query_size, uint8_t bytes[WIRE_MAX])
{
    struct cursor cursor = {.bytes = query, .size = query_size, .at = HEADER_SIZE};
    skip_name(&cursor);
    skip(&cursor, 4);
    if (cursor.bad || cursor.at > 600)
        return 0;
    const bool address = reply->asked == ASKED_NAME && !reply->gone;
    const bool edns = query[11] > 0;
    const size_t name_size = cursor.at - 4 - HEADER_SIZE;
    const size_t apex_size =
        reply->undelegated ? zone->size : apex_above(zone, query + HEADER_SIZE, name_size);
    const uint16_t apex = (uint16_t)(HEADER_SIZE + name_size - apex_size);
    const uint8_t rcode = reply->gone || reply->asked == ASKED_UNKNOWN ? RCODE_NXDOMAIN : 0;
    const uint16_t header[6] = {wire_id(query),
                                (uint16_t)(0x8480 | (query[2] & 1) << 8 | rcode), /* QR AA RA */
                                1,
                                address || reply->asked == ASKED_APEX,
                                !address && reply->asked != ASKED_APEX,
                                edns};
    uint8_t *at = put_header(bytes, header);
    memcpy(at, query + HEADER_SIZE, cursor.at - HEADER_SIZE);
    at += cursor.at - HEADER_SIZE;
    const uint32_t serial = reply->gone ? reply->version : reply->serial;
    at = address ? put_address(zone, reply->version, at) : put_soa(zone, apex, serial, at);
    if (edns)
        at = put_opt(at);
    return (size_t)(at - bytes);
}
