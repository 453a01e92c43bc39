/*
 * fuzz_update.c - any bytes as an UPDATE of a zone: what is taken leaves a zone that keeps its rules, with a newer serial
 * if and only if something is to be published.
 */
#include <stdlib.h>

#include "dns/record.h"
#include "zone/record.h"
#include "zone/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct fixture {
    struct update *update;
    struct zone *zone;
    uint8_t apex[NAME_MAX_SIZE];
} f;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add(struct zone_edit *edit, const char *line)
{
    static struct record_room room;
    struct record record;
    must(record_from_text(line, 60, &room, &record) == 0);
    struct rdata_view rdata = {.bytes = record.rdata, .size = record.rdata_size};
    must(zone_edit_change(edit, &(struct change){.op = CHANGE_ADD,
                                                 .type = record.type,
                                                 .ttl = record.ttl,
                                                 .name = record.owner,
                                                 .rdata = &rdata,
                                                 .rdata_count = 1}) == 0);
}

static void set_up(void)
{
    struct zone_edit *edit;
    must((f.update = update_new()) != NULL && name_from_text("e.", f.apex) > 0);
    must(zone_new(f.apex, &f.zone) == 0);
    must(zone_edit_begin(f.zone, true, &edit) == 0);
    add(edit, "e. 60 SOA ns.e. r.e. 4294967295 2 3 4 5");
    add(edit, "e. 60 NS ns.e.");
    add(edit, "w.e. 60 A 192.0.2.1");
    add(edit, "w.e. 60 A 192.0.2.2");
    add(edit, "c.e. 60 CNAME w.e.");
    zone_edit_commit(edit);
}

/* No CNAME beside other data, one SOA, an NS at the apex. */
static bool check(void *arg, const struct zone_rrset *rrset)
{
    struct zone_rrset other;
    if (rrset->type == TYPE_CNAME) {
        must(rrset->count == 1);
        must(!zone_find(arg, rrset->owner, TYPE_A, &other) &&
             !zone_find(arg, rrset->owner, TYPE_NS, &other));
    }
    must(rrset->type != TYPE_SOA || (rrset->count == 1 && name_equal(rrset->owner, f.apex)));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct update_verdict verdict;
    struct change_list list = {.count = 0};
    struct zone_edit *edit;
    struct zone_rrset rrset;
    uint32_t serial;
    if (!f.zone)
        set_up();
    if (update_parse(f.update, bytes, size) < 0)
        return 0;
    must(zone_edit_begin(f.zone, false, &edit) == 0);
    int error = zone_update(edit, f.apex, f.update, NULL, NULL, &verdict);
    if (error == 0) {
        const struct zone_state *state = zone_edit_state(edit);
        must((verdict.rcode == RCODE_NOERROR) == (verdict.why == NULL));
        must(zone_update_finish(edit, zone_state(f.zone), SERIAL_INCREMENT, 0, &list, &serial) ==
             0);
        must(verdict.rcode == RCODE_NOERROR || list.count == 0);
        must((list.count > 0) == serial_is_newer(serial, UINT32_MAX));
        state = zone_edit_state(edit);
        must(zone_each(state, check, (void *)state) && zone_soa(state, &rrset));
        must(zone_find(state, f.apex, TYPE_NS, &rrset));
    }
    zone_edit_abort(edit);
    change_list_clear(&list);
    return 0;
}
