#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "invalidation/snapshot_index.h"

enum { MOST_PARTS = 16, LOG = 77 };

/* The parts of one writing. */
struct parts {
    size_t count;
    uint8_t *bytes[MOST_PARTS];
    size_t size[MOST_PARTS];
    struct snapshot_head head;
};

static uint8_t apex[NAME_MAX_SIZE];

static int keep(void *arg, uint32_t part, const uint8_t *bytes, size_t size)
{
    struct parts *parts = arg;
    assert_int_equal(part, parts->count);
    assert_true(parts->count < MOST_PARTS);
    parts->bytes[part] = malloc(size);
    memcpy(parts->bytes[part], bytes, size);
    parts->size[part] = size;
    parts->count++;
    return 0;
}

static void drop(struct parts *parts)
{
    for (size_t k = 0; k < parts->count; k++)
        free(parts->bytes[k]);
    parts->count = 0;
}

static void add(struct zone_edit *edit, const char *name, const char *type, const char *text)
{
    uint8_t owner[NAME_MAX_SIZE], rdata[1024];
    assert_true(name_from_text(name, owner) > 0);
    const uint16_t number = (uint16_t)type_from_text(type);
    int size = rdata_from_text(number, text, rdata, sizeof rdata);
    assert_true(size >= 0);
    struct rdata_view view = {rdata, (uint16_t)size};
    assert_int_equal(zone_edit_change(edit, &(struct change){.op = CHANGE_ADD,
                                                             .type = number,
                                                             .ttl = 300,
                                                             .name = owner,
                                                             .rdata = &view,
                                                             .rdata_count = 1}),
                     0);
}

/* A zone of `hosts` names, with an SOA of this serial. */
static struct zone *make_zone(unsigned serial, size_t hosts)
{
    struct zone *zone;
    struct zone_edit *edit;
    char soa[128], name[64];
    assert_int_equal(zone_new(apex, &zone), 0);
    assert_int_equal(zone_edit_begin(zone, true, &edit), 0);
    snprintf(soa, sizeof soa, "ns.example.com. root.example.com. %u 3600 600 86400 60", serial);
    add(edit, "example.com.", "SOA", soa);
    add(edit, "example.com.", "NS", "ns.example.com.");
    for (size_t k = 0; k < hosts; k++) {
        snprintf(name, sizeof name, "host-%zu.example.com.", k);
        add(edit, name, "A", "192.0.2.1");
        add(edit, name, "TXT",
            "\"0123456789012345678901234567890123456789012345678901234567890123456789\"");
    }
    zone_edit_commit(edit);
    return zone;
}

static void write_zone(const struct zone *zone, int64_t offset, int64_t now_us, struct parts *ret)
{
    const struct zone_state *state = zone_state_hold(zone);
    ret->count = 0;
    assert_int_equal(
        snapshot_write(state, apex,
                       &(struct snapshot_stand){
                           .log_id = LOG, .partition = 2, .offset = offset, .now_us = now_us},
                       keep, ret, &ret->head),
        0);
    zone_state_release(state);
}

static void same_zone(const struct zone *one, const struct zone *other)
{
    uint8_t digests[2][ZONE_DIGEST_SIZE];
    assert_int_equal(zone_digest(zone_state(one), digests[0]), 0);
    assert_int_equal(zone_digest(zone_state(other), digests[1]), 0);
    assert_memory_equal(digests[0], digests[1], ZONE_DIGEST_SIZE);
}

/* Reads the parts in order; returns what the last one came to. */
static int read_parts(const struct parts *parts, struct zone *into)
{
    struct snapshot_reader reader = {.next = 0};
    struct zone_edit *edit;
    int result = 0;
    assert_int_equal(zone_edit_begin(into, true, &edit), 0);
    for (size_t k = 0; k < parts->count && result == 0; k++)
        result = snapshot_reader_take(&reader, edit, parts->bytes[k], parts->size[k]);
    if (result == 1)
        zone_edit_commit(edit);
    else
        zone_edit_abort(edit);
    return result;
}

static void what_is_written_reads_the_same(void **arg)
{
    (void)arg;
    static const size_t sizes[] = {0, 1, 10000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct parts parts;
        struct zone *zone = make_zone(7, sizes[k]), *other;
        assert_int_equal(zone_new(apex, &other), 0);
        write_zone(zone, 41, 1000, &parts);
        assert_int_equal(parts.head.parts, parts.count);
        assert_true(sizes[k] < 100 || parts.count > 1);
        assert_int_equal(read_parts(&parts, other), 1);
        same_zone(zone, other);
        assert_int_equal(parts.head.serial, 7);
        assert_int_equal(parts.head.records, 2 + 2 * sizes[k]);
        drop(&parts);
        zone_free(zone);
        zone_free(other);
    }
}

static void a_zone_without_an_soa_is_none(void **arg)
{
    (void)arg;
    struct zone *zone;
    struct parts parts = {.count = 0};
    assert_int_equal(zone_new(apex, &zone), 0);
    assert_int_equal(snapshot_write(zone_state(zone), apex, &(struct snapshot_stand){.now_us = 1},
                                    keep, &parts, &parts.head),
                     ERR_ZONE);
    zone_free(zone);
}

/* Each byte of a part, changed: it is never taken for what was written. */
static void damage_is_seen(void **arg)
{
    (void)arg;
    struct parts parts;
    struct zone *zone = make_zone(7, 1), *other;
    struct snapshot_part part;
    assert_int_equal(zone_new(apex, &other), 0);
    write_zone(zone, 41, 1000, &parts);
    for (size_t at = 0; at < parts.size[0]; at++) {
        parts.bytes[0][at] ^= 0x20;
        assert_true(snapshot_read_part(parts.bytes[0], parts.size[0], &part) < 0);
        assert_true(read_parts(&parts, other) < 0);
        parts.bytes[0][at] ^= 0x20;
    }
    for (size_t size = 0; size < parts.size[0]; size++)
        assert_true(snapshot_read_part(parts.bytes[0], size, &part) < 0);
    parts.bytes[0][7] = 2;
    assert_int_equal(snapshot_read_part(parts.bytes[0], parts.size[0], &part),
                     ERR_SNAPSHOT_VERSION);
    drop(&parts);
    zone_free(zone);
    zone_free(other);
}

static void parts_of_two_generations_are_no_zone(void **arg)
{
    (void)arg;
    struct parts one, two;
    struct zone *old = make_zone(7, 10000), *new = make_zone(8, 10000), *into;
    assert_int_equal(zone_new(apex, &into), 0);
    write_zone(old, 41, 1000, &one);
    write_zone(new, 42, 2000, &two);
    assert_true(one.count > 2 && one.count == two.count);
    struct parts mixed = one;
    mixed.bytes[1] = two.bytes[1];
    mixed.size[1] = two.size[1];
    assert_int_equal(read_parts(&mixed, into), ERR_SCHEMA);
    mixed = one; /* one is missing */
    mixed.bytes[1] = one.bytes[2];
    mixed.size[1] = one.size[2];
    assert_int_equal(read_parts(&mixed, into), ERR_SCHEMA);
    drop(&one);
    drop(&two);
    zone_free(old);
    zone_free(new);
    zone_free(into);
}

static void keys_read_back(void **arg)
{
    (void)arg;
    static const char *const good[] = {"example.com. a 0", "example.com. b 41", ". a 7",
                                       "with\\032space.example. a 1"};
    static const char *const bad[] = {"",
                                      "example.com.",
                                      "example.com. a",
                                      "example.com. a ",
                                      "example.com. c 0",
                                      "example.com. a 01",
                                      "example.com. a 1x",
                                      "example.com. a 99999999999",
                                      "example.com. a 1048576",
                                      " a 0",
                                      "a..b. a 0"};
    uint8_t zone[NAME_MAX_SIZE];
    unsigned slot;
    uint32_t part;
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        char key[SNAPSHOT_MAX_KEY];
        assert_int_equal(snapshot_read_key(good[k], strlen(good[k]), zone, &slot, &part), 0);
        assert_int_equal(snapshot_write_key(zone, slot, part, key), strlen(good[k]));
        assert_memory_equal(key, good[k], strlen(good[k]));
    }
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_int_equal(snapshot_read_key(bad[k], strlen(bad[k]), zone, &slot, &part), ERR_FORMAT);
    assert_int_equal(snapshot_read_key(NULL, 0, zone, &slot, &part), ERR_FORMAT);
}

/* ---- the index */

static int64_t told; /* the offset of the next message */

static int tell(struct snapshot_index *index, unsigned slot, uint32_t part, const uint8_t *bytes,
                size_t size)
{
    char key[SNAPSHOT_MAX_KEY];
    uint8_t zone[NAME_MAX_SIZE];
    return snapshot_index_take(
        index,
        &(struct snapshot_message){.offset = told++,
                                   .key = key,
                                   .key_size = snapshot_write_key(apex, slot, part, key),
                                   .value = bytes,
                                   .value_size = size},
        zone);
}

static void tell_parts(struct snapshot_index *index, unsigned slot, const struct parts *parts,
                       uint32_t from, uint32_t to)
{
    for (uint32_t k = from; k < to; k++)
        assert_int_equal(tell(index, slot, k, parts->bytes[k], parts->size[k]), 0);
}

static struct snapshot_index *new_index(void)
{
    struct snapshot_index *index = snapshot_index_new(false);
    assert_int_equal(snapshot_index_want(index, apex), 0);
    told = 0;
    return index;
}

static bool is_whole(const struct snapshot_index *index, unsigned slot, const struct parts *parts)
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    assert_true(snapshot_index_find(index, apex, slots));
    return slots[slot].whole && snapshot_same(&slots[slot].place.head, &parts->head);
}

static void only_whole_generations_are_found(void **arg)
{
    (void)arg;
    struct parts old, new;
    struct zone *zones[] = {make_zone(7, 10000), make_zone(8, 8000)};
    write_zone(zones[0], 41, 1000, &old);
    write_zone(zones[1], 42, 2000, &new);
    const uint32_t n = (uint32_t)old.count, m = (uint32_t) new.count;
    assert_true(m > 1 && m < n);

    struct snapshot_index *index = new_index(); /* a new one half written, in the other slot */
    tell_parts(index, 0, &old, 0, n);
    tell_parts(index, 1, &new, 0, m - 1);
    assert_true(is_whole(index, 0, &old));
    assert_false(is_whole(index, 1, &new));
    tell_parts(index, 1, &new, m - 1, m);
    assert_true(is_whole(index, 1, &new));
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    assert_true(snapshot_index_find(index, apex, slots));
    assert_int_equal(slots[1].place.first, n);
    assert_int_equal(slots[1].place.last, n + m - 1);
    snapshot_index_free(index);

    index =
        new_index(); /* a new one over the old one, not compacted: the old ends at its first part */
    tell_parts(index, 0, &old, 0, n);
    tell_parts(index, 0, &new, 0, 1);
    assert_false(is_whole(index, 0, &old));
    tell_parts(index, 0, &new, 1, m);
    assert_true(is_whole(index, 0, &new));
    for (uint32_t k = n; k > m; k--)
        assert_int_equal(tell(index, 0, k - 1, NULL, 0), 0);
    assert_true(is_whole(index, 0, &new)); /* those were keys past its last part */
    assert_true(snapshot_index_find(index, apex, slots));
    assert_int_equal(slots[0].keys, m);
    assert_int_equal(tell(index, 0, 0, NULL, 0), 0);
    assert_false(is_whole(index, 0, &new));
    snapshot_index_free(index);

    index = new_index(); /* compacted: what is left of the old one stands before the new one */
    tell_parts(index, 0, &old, m, n);
    tell_parts(index, 0, &new, 0, m);
    assert_true(is_whole(index, 0, &new));
    snapshot_index_free(index);

    index = new_index(); /* the same with the new one half written */
    tell_parts(index, 0, &old, m - 1, n);
    tell_parts(index, 0, &new, 0, m - 1);
    assert_false(is_whole(index, 0, &new) || is_whole(index, 0, &old));
    snapshot_index_free(index);

    drop(&old);
    drop(&new);
    zone_free(zones[0]);
    zone_free(zones[1]);
}

static void what_is_damaged_is_named(void **arg)
{
    (void)arg;
    struct parts parts;
    uint8_t zone[NAME_MAX_SIZE] = {9};
    struct zone *made = make_zone(7, 10000);
    write_zone(made, 41, 1000, &parts);
    struct snapshot_index *index = new_index();
    tell_parts(index, 0, &parts, 0, 1);
    parts.bytes[1][200] ^= 1;
    assert_int_equal(tell(index, 0, 1, parts.bytes[1], parts.size[1]), ERR_CHECKSUM);
    parts.bytes[1][200] ^= 1;
    tell_parts(index, 0, &parts, 2, (uint32_t)parts.count);
    assert_false(is_whole(index, 0, &parts));
    assert_int_equal(tell(index, 0, 3, parts.bytes[0], parts.size[0]), ERR_SCHEMA);
    assert_int_equal(snapshot_index_take(
                         index, &(struct snapshot_message){.key = "nonsense", .key_size = 8}, zone),
                     ERR_FORMAT);
    assert_int_equal(zone[0], 0);
    snapshot_index_free(index);
    drop(&parts);
    zone_free(made);
}

static int setup(void **arg)
{
    (void)arg;
    zone_reader_register();
    return name_from_text("example.com.", apex) < 0;
}

static int teardown(void **arg)
{
    (void)arg;
    zone_reader_unregister();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(a_zone_without_an_soa_is_none),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(parts_of_two_generations_are_no_zone),
        cmocka_unit_test(keys_read_back),
        cmocka_unit_test(only_whole_generations_are_found),
        cmocka_unit_test(what_is_damaged_is_named),
    };
    return cmocka_run_group_tests_name("snapshot", tests, setup, teardown);
}
