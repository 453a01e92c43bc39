#include "resolver/answer/local_table.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void set_bit(uint64_t *bits, size_t bit)
{
    bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static struct local_zone *exact_zone(const struct local_table *table, const uint8_t *name)
{
    struct local_zone *zone;
    HASH_FIND(hh, table->zones, name, name_size(name), zone);
    return zone;
}

void local_table_add_zone(struct local_table *table, const uint8_t *name, enum local_zone_kind kind)
{
    size_t size = name_size(name);
    struct local_zone *zone = exact_zone(table, name);
    if (!zone) {
        zone = calloc(1, sizeof *zone + size);
        if (!zone) {
            table->failed = true;
            return;
        }
        zone->size = size;
        memcpy(zone->name, name, size);
        HASH_ADD_KEYPTR(hh, table->zones, zone->name, size, zone);
        if (!zone->hh.tbl) {
            free(zone);
            table->failed = true;
            return;
        }
    }
    zone->kind = kind;
    if (kind != LOCAL_EXEMPT)
        set_bit(table->zone_tails, local_zone_bit(local_zone_tail(name, size)));
}

const struct local_zone *local_table_zone(const struct local_table *table, const uint8_t *name)
{
    for (; table->zones && name; name = name_parent(name)) {
        const struct local_zone *zone = exact_zone(table, name);
        if (zone)
            return zone;
    }
    return NULL;
}

struct local_name *local_table_name(const struct local_table *table, const uint8_t *name)
{
    struct local_name *found;
    HASH_FIND(hh, table->names, name, name_size(name), found);
    return found;
}

static struct local_name *add_name(struct local_table *table, const uint8_t *name)
{
    size_t size = name_size(name);
    struct local_name *made = local_table_name(table, name);
    if (made)
        return made;
    made = calloc(1, sizeof *made + size);
    if (!made) {
        table->failed = true;
        return NULL;
    }
    memcpy(made->name, name, size);
    HASH_ADD_KEYPTR(hh, table->names, made->name, size, made);
    if (!made->hh.tbl) {
        free(made);
        table->failed = true;
        return NULL;
    }
    if (size > LOCAL_TAIL)
        set_bit(table->name_tails, local_name_bit(local_tail(name, size)));
    return made;
}

/* Between a name and the special zone around it all names exist, if without records (RFC 8020). */
static void add_parents(struct local_table *table, const uint8_t *name)
{
    const struct local_zone *zone = local_table_zone(table, name);
    if (!zone || zone->kind == LOCAL_EXEMPT || zone->kind == LOCAL_LOOPBACK)
        return;
    for (name = name_parent(name); name && name_size(name) > zone->size; name = name_parent(name))
        add_name(table, name);
}

static bool same_data(const struct local_record *one, const struct record *two)
{
    return one->type == two->type && one->rdata_size == two->rdata_size &&
           memcmp(one->rdata, two->rdata, two->rdata_size) == 0;
}

void local_table_add(struct local_table *table, const struct record *record)
{
    struct local_record *made;
    struct local_name *name = add_name(table, record->owner);
    if (!name)
        return;
    LL_FOREACH (name->records, made)
        if (same_data(made, record))
            return;
    made = malloc(sizeof *made + record->rdata_size);
    if (!made) {
        table->failed = true;
        return;
    }
    *made = (struct local_record){
        .ttl = record->ttl, .type = record->type, .rdata_size = record->rdata_size};
    memcpy(made->rdata, record->rdata, record->rdata_size);
    LL_APPEND(name->records, made);
    add_parents(table, name->name);
}

const struct local_record *local_table_type(const struct local_name *name, uint16_t type)
{
    const struct local_record *record = NULL;
    if (name)
        LL_SEARCH_SCALAR(name->records, record, type, type);
    return record;
}

static void free_name(struct local_name *name)
{
    struct local_record *record, *next;
    LL_FOREACH_SAFE (name->records, record, next)
        free(record);
    free(name);
}

void local_table_clear(struct local_table *table)
{
    struct local_name *name, *next_name;
    struct local_zone *zone, *next_zone;
    HASH_ITER (hh, table->names, name, next_name) {
        HASH_DEL(table->names, name);
        free_name(name);
    }
    HASH_ITER (hh, table->zones, zone, next_zone) {
        HASH_DEL(table->zones, zone);
        free(zone);
    }
}
