#include "zone/differences.h"

#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"

enum { HEAD = 9, FIRST_ROOM = 4096 };

static bool make_room(struct differences *differences, size_t more)
{
    size_t room = differences->room ? differences->room : FIRST_ROOM;
    while (room - differences->size < more)
        room *= 2;
    if (room == differences->room)
        return true;
    uint8_t *bytes = realloc(differences->bytes, room);
    if (!bytes)
        return false;
    differences->bytes = bytes;
    differences->room = room;
    return true;
}

int differences_add(struct differences *differences, enum differences_part part,
                    const struct record *record, size_t most)
{
    const size_t owner_size = name_size(record->owner);
    const size_t size = HEAD + owner_size + record->rdata_size;
    if (differences->size + size > most)
        return ERR_TOO_LARGE;
    if (!make_room(differences, size))
        return ERR_MEMORY;
    struct wire_writer out = wire_writer(differences->bytes + differences->size, size);
    wire_write_u8(&out, (uint8_t)part);
    wire_write_u16(&out, record->type);
    wire_write_u32(&out, record->ttl);
    wire_write_u16(&out, record->rdata_size);
    wire_write(&out, record->owner, owner_size);
    wire_write(&out, record->rdata, record->rdata_size);
    differences->size += size;
    return 0;
}

static bool has_record(const struct zone_state *state, const struct record *record)
{
    struct zone_rrset rrset;
    if (!zone_find(state, record->owner, record->type, &rrset))
        return false;
    for (size_t k = 0; k < rrset.count; k++) {
        const struct rdata_view rdata = zone_rdata(&rrset, k);
        if (rdata_compare(record->type, rdata.bytes, rdata.size, record->rdata,
                          record->rdata_size) == 0)
            return true;
    }
    return false;
}

static int make_one(struct zone_edit *edit, enum differences_part part, const struct record *record)
{
    static const enum change_op ops[] = {[DIFFERENCES_DELETE] = CHANGE_DEL,
                                         [DIFFERENCES_ADD] = CHANGE_ADD,
                                         [DIFFERENCES_VERSION] = CHANGE_SET};
    struct rdata_view rdata = {record->rdata, record->rdata_size};
    const struct change change = {.op = ops[part],
                                  .type = record->type,
                                  .ttl = record->ttl,
                                  .name = record->owner,
                                  .rdata = &rdata,
                                  .rdata_count = 1};
    if (part == DIFFERENCES_DELETE && !has_record(zone_edit_state(edit), record))
        return ERR_NOT_FOUND;
    return zone_edit_change(edit, &change);
}

/* The record at `at`, which moves behind it. */
static struct record read_one(struct differences *differences, enum differences_part *ret_part)
{
    const uint8_t *p = differences->bytes + differences->at;
    struct record record = {.type = wire_get_u16(p + 1),
                            .class = CLASS_IN,
                            .ttl = wire_get_u32(p + 3),
                            .rdata_size = wire_get_u16(p + 7),
                            .owner = p + HEAD};
    record.rdata = record.owner + name_size(record.owner);
    *ret_part = (enum differences_part)p[0];
    differences->at = (size_t)(record.rdata + record.rdata_size - differences->bytes);
    return record;
}

int differences_make(struct differences *differences, struct zone_edit *edit)
{
    while (differences_left(differences)) {
        enum differences_part part;
        const struct record record = read_one(differences, &part);
        int result = make_one(edit, part, &record);
        if (result < 0)
            return result;
        if (part == DIFFERENCES_VERSION)
            return 1;
    }
    return 0;
}

bool differences_left(const struct differences *differences)
{
    return differences->at < differences->size;
}

void differences_clear(struct differences *differences)
{
    free(differences->bytes);
    *differences = (struct differences){.bytes = NULL};
}
