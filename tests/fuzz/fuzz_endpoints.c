/*
 * fuzz_endpoints.c - any bytes as endpoints of external-dns: what is taken makes an UPDATE that is well formed, and what the zone
 * then is, listed and wished for again, is what it is already.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/record.h"
#include "origin/endpoints.h"
#include "zone/record.h"
#include "zone/update.h"

enum { COUNT_AT = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct update *parsed;
static const uint8_t apex[] = "\1e";

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The endpoints, each in the place of what is there, as an UPDATE of the zone. False: they are none, or too many. */
static bool write_all(const json_t *endpoints, uint8_t *buffer, size_t room, size_t *ret_size)
{
    struct wire_writer out = wire_writer(buffer, room);
    char error[ENDPOINT_MAX_ERROR];
    uint16_t count = 0;
    wire_write_u32(&out, OPCODE_UPDATE << 11);
    wire_write_u32(&out, UINT32_C(1) << 16);
    wire_write_u32(&out, 0);
    wire_write(&out, apex, sizeof apex);
    wire_write_u32(&out, TYPE_SOA << 16 | CLASS_IN);
    for (size_t k = 0; k < json_array_size(endpoints); k++) {
        const json_t *one = json_array_get(endpoints, k);
        if (endpoint_remove(one, &out, &count, error) < 0 ||
            endpoint_add(one, &out, &count, error) < 0)
            return false;
    }
    wire_put_u16(buffer + COUNT_AT, count);
    *ret_size = out.at;
    return true;
}

/* Makes them in the edit. */
static bool wish(struct zone_edit *edit, const json_t *endpoints)
{
    static uint8_t buffer[65535];
    struct update_verdict verdict;
    size_t size;
    if (!write_all(endpoints, buffer, sizeof buffer, &size))
        return false;
    int error = update_parse(parsed, buffer, size);
    must(error == 0 || error == ERR_SPACE);
    return error == 0 && zone_update(edit, apex, parsed, NULL, NULL, &verdict) == 0 &&
           verdict.rcode == RCODE_NOERROR;
}

static struct zone *new_zone(void)
{
    static struct record_room room;
    struct zone *zone;
    struct zone_edit *edit;
    struct record record;
    must(zone_new(apex, &zone) == 0);
    must(zone_edit_begin(zone, true, &edit) == 0);
    must(record_from_text("e. 60 SOA ns.e. r.e. 1 2 3 4 5", 60, &room, &record) == 0);
    struct rdata_view soa = {.bytes = record.rdata, .size = record.rdata_size};
    must(zone_edit_change(edit, &(struct change){.op = CHANGE_ADD,
                                                 .type = TYPE_SOA,
                                                 .ttl = 60,
                                                 .name = apex,
                                                 .rdata = &soa,
                                                 .rdata_count = 1}) == 0);
    zone_edit_commit(edit);
    return zone;
}

/* Nothing is different. */
static void check_again(struct zone *zone)
{
    struct change_list list = {.count = 0};
    struct zone_edit *edit;
    uint32_t serial;
    json_t *listed = json_array();
    must(endpoints_list(zone_state(zone), listed) == 0);
    must(zone_edit_begin(zone, false, &edit) == 0);
    if (wish(edit, listed))
        must(zone_update_finish(edit, zone_state(zone), SERIAL_INCREMENT, 0, &list, &serial) == 0);
    must(list.count == 0);
    change_list_clear(&list);
    zone_edit_abort(edit);
    json_decref(listed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct zone_edit *edit;
    if (!parsed)
        must((parsed = update_new()) != NULL);
    json_t *endpoints = json_loadb((const char *)bytes, size, 0, NULL);
    endpoints_adjust(endpoints);
    struct zone *zone = new_zone();
    must(zone_edit_begin(zone, false, &edit) == 0);
    if (wish(edit, endpoints)) {
        zone_edit_commit(edit);
        check_again(zone);
    } else {
        zone_edit_abort(edit);
    }
    zone_free(zone);
    json_decref(endpoints);
    return 0;
}
