#include "cache/rotation.h"

enum {
    RDATA_FROM_TTL = 6, /* bytes from a record's TTL to its RDATA */
    TYPE_FROM_TTL = -4,
    MOVED_MAX = 1024, /* bytes that change places, at most: of a large set the first few records */
};

static uint16_t type_at(const uint8_t *body, uint16_t ttl_offset)
{
    return wire_get_u16(body + ttl_offset + TYPE_FROM_TTL);
}

/* Where a record ends. */
static size_t end_of(const uint8_t *body, uint16_t ttl_offset)
{
    return (size_t)ttl_offset + RDATA_FROM_TTL + wire_get_u16(body + ttl_offset + 4);
}

void rotate_body(const struct entry *entry, uint8_t *body, uint64_t turn)
{
    const uint16_t *offsets = entry_ttl_offsets(entry), type = wire_get_u16(entry_key(entry));
    const size_t answers = entry->counts[SECTION_ANSWER];
    uint8_t moved[MOVED_MAX];
    size_t first = 0;
    while (first < answers && type_at(body, offsets[first]) != type)
        first++;
    size_t count = 0;
    while (first + count < answers && type_at(body, offsets[first + count]) == type)
        count++;
    if (count < 2)
        return;
    const size_t start = first > 0 ? end_of(body, offsets[first - 1]) : 0;
    const size_t end = end_of(body, offsets[first + count - 1]);
    size_t behind = (size_t)(turn % count); /* records that go to the end */
    while (behind > 0 && end_of(body, offsets[first + behind - 1]) - start > MOVED_MAX)
        behind /= 2;
    if (behind == 0)
        return;
    const size_t size = end_of(body, offsets[first + behind - 1]) - start;
    memcpy(moved, body + start, size);
    memmove(body + start, body + start + size, end - start - size);
    memcpy(body + end - size, moved, size);
}
