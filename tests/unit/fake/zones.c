/* zones.c - see zones.h. */
#include "tests/unit/fake/zones.h"

#include <stdio.h>
#include <string.h>

#include "dns/rdata.h"
#include "tests/unit/cmocka_all.h"

static enum change_op op_of(const char *word)
{
    static const char *const words[] = {"SET", "ADD", "DEL", "FLUSH"};
    for (enum change_op op = CHANGE_SET; op <= CHANGE_FLUSH; op++)
        if (strcmp(word, words[op]) == 0)
            return op;
    fail_msg("no op: %s", word);
    return CHANGE_FLUSH;
}

static void edit_line(struct zone_edit *edit, const char *line)
{
    char op[8], name[256], type[16] = "";
    static uint8_t wire[NAME_MAX_SIZE], bytes[65536];
    unsigned ttl = 0;
    int rest = 0;
    struct rdata_view rdata = {bytes, 0};
    assert_true(sscanf(line, "%7s %255s %u %15s %n", op, name, &ttl, type, &rest) >= 2);
    const int size = name_from_text(name, wire);
    assert_true(size > 0);
    name_lower(wire, (size_t)size, wire);
    struct change change = {.op = op_of(op), .ttl = ttl, .name = wire, .rdata = &rdata};
    if (type[0]) {
        const int number = type_from_text(type);
        assert_true(number > 0);
        change.type = (uint16_t)number;
    }
    if (rest && line[rest]) {
        const int length = rdata_from_text(change.type, line + rest, bytes, sizeof bytes);
        if (length < 0)
            fail_msg("no RDATA: %s", line);
        rdata.size = (uint16_t)length;
        change.rdata_count = 1;
    }
    assert_int_equal(zone_edit_change(edit, &change), ERR_OK);
}

void zones_edit(struct zone_edit *edit, const char *text)
{
    char line[4096];
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        const size_t size = strcspn(text, "\n");
        assert_true(size < sizeof line);
        memcpy(line, text, size);
        line[size] = '\0';
        if (size > 0)
            edit_line(edit, line);
    }
}

void zones_change(struct zone *zone, const char *text)
{
    struct zone_edit *edit;
    assert_int_equal(zone_edit_begin(zone, false, &edit), ERR_OK);
    zones_edit(edit, text);
    zone_edit_commit(edit);
}

struct written {
    char text[65536];
    size_t size;
};

static bool write_rrset(void *arg, const struct zone_rrset *rrset)
{
    struct written *written = arg;
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], rdata[16384];
    for (size_t k = 0; k < rrset->count; k++) {
        const struct rdata_view data = zone_rdata(rrset, k);
        assert_true(rdata_to_text(rrset->type, data.bytes, data.size, rdata, sizeof rdata) >= 0);
        written->size +=
            (size_t)snprintf(written->text + written->size, sizeof written->text - written->size,
                             "%s %u %s %s\n", name_to_text(rrset->owner, name),
                             (unsigned)zone_ttl(rrset, k), type_to_text(rrset->type, type), rdata);
        assert_true(written->size < sizeof written->text);
    }
    return true;
}

void zones_expect(const struct zone_state *state, const char *text)
{
    static struct written written;
    written.size = 0;
    written.text[0] = '\0';
    assert_true(zone_each(state, write_rrset, &written));
    assert_string_equal(written.text, text);
}

uint64_t zones_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = *seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
