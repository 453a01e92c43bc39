#include "invalidation/snapshot_index.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct zone_entry {
    UT_hash_handle hh;
    struct slot {
        bool following; /* a generation that is not whole yet */
        uint32_t next;  /* its part */
        struct snapshot_slot found;
    } slots[SNAPSHOT_SLOTS];
    struct snapshot_place followed[SNAPSHOT_SLOTS];
    uint8_t zone[NAME_MAX_SIZE];
};

struct snapshot_index {
    bool all;
    struct zone_entry *table;
};

struct snapshot_index *snapshot_index_new(bool all)
{
    struct snapshot_index *index = calloc(1, sizeof *index);
    if (index)
        index->all = all;
    return index;
}

void snapshot_index_free(struct snapshot_index *index)
{
    struct zone_entry *entry, *next;
    if (!index)
        return;
    HASH_ITER (hh, index->table, entry, next) {
        HASH_DEL(index->table, entry);
        free(entry);
    }
    free(index);
}

static struct zone_entry *find(const struct snapshot_index *index, const uint8_t *zone)
{
    struct zone_entry *entry;
    HASH_FIND(hh, index->table, zone, name_size(zone), entry);
    return entry;
}

int snapshot_index_want(struct snapshot_index *index, const uint8_t *zone)
{
    const size_t size = name_size(zone);
    if (find(index, zone))
        return 0;
    struct zone_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return ERR_MEMORY;
    memcpy(entry->zone, zone, size);
    HASH_ADD_KEYPTR(hh, index->table, entry->zone, size, entry);
    return 0;
}

/* What was followed is nothing, and what was whole has lost a part. */
static void drop(struct slot *slot)
{
    slot->following = false;
    slot->found.whole = false;
}

/* A part that was read goes on with the generation that is followed, or begins one. */
static void follow(struct zone_entry *entry, unsigned number,
                   const struct snapshot_message *message, const struct snapshot_part *part)
{
    struct slot *slot = &entry->slots[number];
    struct snapshot_place *place = &entry->followed[number];
    if (part->part == 0) {
        drop(slot);
        slot->following = true;
        slot->next = 0;
        *place = (struct snapshot_place){.head = part->head,
                                         .slot = number,
                                         .partition = message->partition,
                                         .first = message->offset};
    } else if (!slot->following || part->part != slot->next ||
               message->partition != place->partition ||
               !snapshot_same(&place->head, &part->head)) {
        drop(slot);
        return;
    }
    slot->next++;
    place->last = message->offset;
    if (slot->next == part->head.parts) {
        slot->following = false;
        slot->found.whole = true;
        slot->found.place = *place;
    }
}

/* A tombstone past the last part is no loss; and of keys from the last on it leaves fewer. */
static void bury(struct slot *slot, uint32_t part)
{
    if (!slot->found.whole || part < slot->found.place.head.parts)
        drop(slot);
    if (part + 1 == slot->found.keys)
        slot->found.keys = part;
}

static int read_part(const struct snapshot_message *message, const uint8_t *zone, uint32_t number,
                     struct snapshot_part *ret)
{
    int error = snapshot_read_part(message->value, message->value_size, ret);
    if (error)
        return error;
    if (!name_equal(ret->head.zone, zone))
        return ERR_ZONE;
    return ret->part == number ? 0 : ERR_SCHEMA;
}

static int take(struct zone_entry *entry, unsigned number, uint32_t part_number,
                const struct snapshot_message *message)
{
    struct slot *slot = &entry->slots[number];
    struct snapshot_part part;
    if (!message->value) {
        bury(slot, part_number);
        return 0;
    }
    if (part_number >= slot->found.keys)
        slot->found.keys = part_number + 1;
    int error = read_part(message, entry->zone, part_number, &part);
    if (error)
        drop(slot);
    else
        follow(entry, number, message, &part);
    return error;
}

int snapshot_index_take(struct snapshot_index *index, const struct snapshot_message *message,
                        uint8_t ret_zone[NAME_MAX_SIZE])
{
    uint8_t zone[NAME_MAX_SIZE] = {0};
    unsigned slot;
    uint32_t part;
    int error = snapshot_read_key(message->key, message->key_size, zone, &slot, &part);
    if (!error && index->all)
        error = snapshot_index_want(index, zone);
    struct zone_entry *entry = error ? NULL : find(index, zone);
    if (entry)
        error = take(entry, slot, part, message);
    if (error)
        memcpy(ret_zone, zone, name_size(zone));
    return error;
}

int snapshot_index_put(struct snapshot_index *index, unsigned slot,
                       const struct snapshot_head *head)
{
    int error = snapshot_index_want(index, head->zone);
    struct zone_entry *entry = error ? NULL : find(index, head->zone);
    if (entry)
        entry->slots[slot] = (struct slot){
            .found = {.whole = true, .place = {.head = *head, .slot = slot}, .keys = head->parts}};
    return error;
}

bool snapshot_index_find(const struct snapshot_index *index, const uint8_t *zone,
                         struct snapshot_slot ret_slots[SNAPSHOT_SLOTS])
{
    const struct zone_entry *entry = find(index, zone);
    for (size_t i = 0; entry && i < SNAPSHOT_SLOTS; i++)
        ret_slots[i] = entry->slots[i].found;
    return entry != NULL;
}
