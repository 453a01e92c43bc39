/* update.c - see update.h. */
#include "dns/update.h"

#include <stdlib.h>

#include "dns/field.h"

enum {
    ARENA_SIZE = 256 * 1024, /* bytes of uncompressed names and RDATA a message may come to */
    RECORDS_MAX = 6000,      /* 65535 bytes hold at most 5957 records of 11 bytes */
};

struct update *update_new(void)
{
    struct update *update = calloc(1, sizeof *update);
    if (!update)
        return NULL;
    update->arena = malloc(ARENA_SIZE);
    update->records = malloc(RECORDS_MAX * sizeof *update->records);
    if (!update->arena || !update->records) {
        update_free(update);
        return NULL;
    }
    update->arena_size = ARENA_SIZE;
    update->record_capacity = RECORDS_MAX;
    return update;
}

void update_free(struct update *update)
{
    if (!update)
        return;
    free(update->arena);
    free(update->records);
    free(update);
}

struct parse {
    struct wire_reader reader;
    struct wire_writer arena;
    struct update *update;
    size_t count;
};

/* The name at the reader's place, in lower case, in the arena. */
static int read_owner(struct parse *parse, const uint8_t **ret)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_read(&parse->reader, name);
    if (size < 0)
        return ERR_FORMAT;
    uint8_t *place = wire_reserve(&parse->arena, (size_t)size);
    if (!place)
        return ERR_SPACE;
    name_lower(name, (size_t)size, place);
    *ret = place;
    return 0;
}

/* RDATA that a zone could take; of what is not to be read as its type, the size alone. */
static int read_rdata(struct parse *parse, struct record *record, uint16_t length)
{
    record->rdata = parse->arena.base + parse->arena.at;
    record->rdata_size = length;
    if (record->class == CLASS_ANY || (record->class == CLASS_NONE && length == 0) ||
        type_is_meta(record->type))
        return wire_read(&parse->reader, length) ? 0 : ERR_FORMAT;
    int size = rdata_read(&parse->reader, record->type, length, &parse->arena);
    if (size == ERR_SPACE)
        return ERR_SPACE;
    if (size < 0 || size > UINT16_MAX || field_check(record->type, record->rdata, (size_t)size) < 0)
        return ERR_FORMAT;
    record->rdata_size = (uint16_t)size;
    return 0;
}

static int read_record(struct parse *parse)
{
    struct record record = {.owner = NULL};
    int error = read_owner(parse, &record.owner);
    if (error < 0)
        return error;
    record.type = wire_read_u16(&parse->reader);
    record.class = wire_read_u16(&parse->reader);
    record.ttl = wire_read_u32(&parse->reader);
    uint16_t length = wire_read_u16(&parse->reader);
    if (parse->reader.failed)
        return ERR_FORMAT;
    if (record.ttl > INT32_MAX) /* RFC 2181 8 */
        record.ttl = 0;
    if (parse->count == parse->update->record_capacity)
        return ERR_SPACE;
    error = read_rdata(parse, &record, length);
    if (error == 0)
        parse->update->records[parse->count++] = record;
    return error;
}

static int read_section(struct parse *parse, unsigned counted, uint16_t *ret_count)
{
    for (unsigned i = 0; i < counted; i++) {
        int error = read_record(parse);
        if (error < 0)
            return error;
    }
    *ret_count = (uint16_t)counted;
    return 0;
}

/* Names and glue that nobody needs, a TSIG that was looked at before, and OPT, which says how to answer. */
static int read_additional(struct parse *parse, unsigned counted)
{
    struct wire_reader *reader = &parse->reader;
    uint8_t owner[NAME_MAX_SIZE];
    for (unsigned i = 0; i < counted; i++) {
        if (name_read(reader, owner) < 0)
            return ERR_FORMAT;
        uint16_t type = wire_read_u16(reader);
        wire_read(reader, 6); /* class and TTL */
        uint16_t length = wire_read_u16(reader);
        if (!wire_read(reader, length))
            return ERR_FORMAT;
        if (type == TYPE_OPT && (owner[0] != 0 || parse->update->edns))
            return ERR_FORMAT; /* RFC 6891 6.1.1 */
        parse->update->edns |= type == TYPE_OPT;
    }
    return 0;
}

/* The zone section: one question for a SOA (RFC 2136 2.3). Nothing is before it that a pointer could name. */
static int read_zone(struct parse *parse, unsigned counted)
{
    struct wire_reader *reader = &parse->reader;
    struct question *zone = &parse->update->zone;
    struct wire_reader names = wire_reader(reader->base + reader->at, wire_left(reader));
    if (counted != 1)
        return ERR_FORMAT;
    int size = name_read(&names, zone->name);
    if (size < 0 || !wire_read(reader, (size_t)size))
        return ERR_FORMAT;
    zone->type = wire_read_u16(reader);
    zone->class = wire_read_u16(reader);
    if (reader->failed)
        return ERR_FORMAT;
    zone->name_size = (uint8_t)size;
    parse->update->zone_end = reader->at;
    return zone->type == TYPE_SOA ? 0 : ERR_FORMAT;
}

static int read_body(struct parse *parse)
{
    struct wire_reader *reader = &parse->reader;
    struct update *update = parse->update;
    unsigned zones = wire_read_u16(reader), prerequisites = wire_read_u16(reader);
    unsigned updates = wire_read_u16(reader), additionals = wire_read_u16(reader);
    int error = read_zone(parse, zones);
    if (error == 0)
        error = read_section(parse, prerequisites, &update->prerequisite_count);
    if (error == 0)
        error = read_section(parse, updates, &update->update_count);
    if (error == 0)
        error = read_additional(parse, additionals);
    if (error == 0 && wire_left(reader) > 0)
        error = ERR_FORMAT;
    return error;
}

int update_parse(struct update *update, const uint8_t *bytes, size_t size)
{
    struct parse parse = {
        .reader = wire_reader(bytes, size),
        .arena = wire_writer(update->arena, update->arena_size),
        .update = update,
    };
    if (size < DNS_HEADER_SIZE)
        return ERR_SHORT;
    update->id = wire_read_u16(&parse.reader);
    update->flags = wire_read_u16(&parse.reader);
    update->zone.name_size = 0;
    update->zone_end = DNS_HEADER_SIZE;
    update->edns = false;
    update->prerequisite_count = update->update_count = 0;
    if (update->flags & FLAG_QR)
        return ERR_NOT_QUERY;
    if ((update->flags & FLAG_OPCODE) != OPCODE_UPDATE << 11)
        return ERR_OPCODE;
    return read_body(&parse);
}
