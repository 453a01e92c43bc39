/*
 * fuzz_catalog.c - records of any kind as a catalog zone; what is read of it is what the zone has, and what is refused is said why.
 *
 * The input is a sequence of records: a byte that says where (version, a member, below a member, elsewhere) and of which type, a label
 * of one byte, then one byte of size and so much RDATA. That of PTR is put into a name of one label.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/type.h"
#include "zone/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MOST = 8, MAX_RDATA = 200 };

static const uint8_t apex[] = {1, 'c', 0};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Where a record stands. Returns the size of the owner. */
static size_t owner_of(uint8_t kind, uint8_t label, uint8_t ret[NAME_MAX_SIZE])
{
    static const char *const firsts[] = {"\5group", "\3coo", "\3ext", "\7version"};
    size_t size = 0;
    const unsigned depth = kind >> 1 & 3;
    if (depth == 0 || depth == 2) {
        const char *first = depth == 0 ? firsts[3] : firsts[kind >> 3 & 3];
        memcpy(ret, first, 1u + (uint8_t)first[0]);
        size = 1u + (uint8_t)first[0];
    }
    if (depth > 0) {
        ret[size++] = 1;
        ret[size++] = name_fold(label);
    }
    if (depth == 1 || depth == 2) {
        memcpy(ret + size, "\5zones", 6);
        size += 6;
    }
    memcpy(ret + size, apex, sizeof apex);
    return size + sizeof apex;
}

static void add(struct zone_edit *edit, uint8_t kind, uint8_t label, const uint8_t *data,
                size_t size)
{
    uint8_t owner[NAME_MAX_SIZE], rdata[MAX_RDATA + 2];
    struct rdata_view view = {rdata, (uint16_t)size};
    const bool is_text = kind & 1;
    owner_of(kind, label, owner);
    if (is_text) {
        memcpy(rdata, data, size);
    } else {
        if (size > 63)
            size = 63;
        rdata[0] = (uint8_t)size;
        memcpy(rdata + 1, data, size);
        rdata[1 + size] = 0;
        view.size = (uint16_t)(size > 0 ? size + 2 : 1);
    }
    const struct change change = {.op = CHANGE_ADD,
                                  .type = is_text ? TYPE_TXT : TYPE_PTR,
                                  .name = owner,
                                  .rdata = &view,
                                  .rdata_count = 1};
    must(zone_edit_change(edit, &change) == ERR_OK);
}

static void begin(struct zone_edit *edit)
{
    static uint8_t soa[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    struct rdata_view view = {soa, sizeof soa};
    const struct change change = {
        .op = CHANGE_SET, .type = TYPE_SOA, .name = apex, .rdata = &view, .rdata_count = 1};
    must(zone_edit_change(edit, &change) == ERR_OK);
}

static void check(const struct catalog *catalog)
{
    const struct catalog_view view = {.count = 1, .each = {catalog}};
    must(catalog_count(catalog) <= MOST);
    for (size_t k = 0; k < catalog_count(catalog); k++) {
        const uint8_t *member = catalog_members(catalog)[k];
        uint8_t folded[NAME_MAX_SIZE];
        name_lower(member, name_size(member), folded);
        must(memcmp(member, folded, name_size(member)) == 0);
        must(catalog_find(catalog, member) == member && catalog_label(member)[0] == 1);
        must(catalog_owner(&view, member) == catalog);
        (void)catalog_is_of_group(member, "g");
        const uint8_t *heir = catalog_new_owner(member);
        must(!heir || name_size(heir) <= NAME_MAX_SIZE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct zone *zone; /* it stays empty: what is read is the edit's */
    struct zone_edit *edit = NULL;
    struct catalog *catalog = NULL;
    char why[CATALOG_MAX_WHY] = "";
    must((zone || zone_new(apex, &zone) == ERR_OK) && zone_edit_begin(zone, true, &edit) == ERR_OK);
    begin(edit);
    for (size_t at = 0; at + 3 <= size;) {
        size_t length = bytes[at + 2] % MAX_RDATA;
        if (length > size - at - 3)
            length = size - at - 3;
        add(edit, bytes[at], bytes[at + 1], bytes + at + 3, length);
        at += 3 + length;
    }
    const int error = catalog_read(zone_edit_state(edit), MOST, &catalog, why);
    zone_edit_abort(edit);
    must(error ? error == ERR_FORMAT && why[0] && strlen(why) < CATALOG_MAX_WHY : catalog != NULL);
    if (catalog)
        check(catalog);
    catalog_free(catalog);
    return 0;
}
