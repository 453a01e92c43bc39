/* updates.c - see updates.h. */
#include "tests/unit/fake/updates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "dns/record.h"
#include "tests/unit/cmocka_all.h"
#include "zone/record.h"

const uint8_t *fake_name(const char *text)
{
    static uint8_t names[8][NAME_MAX_SIZE];
    static size_t next;
    uint8_t *name = names[next++ % 8];
    int size = name_from_text(text, name);
    assert_true(size > 0);
    name_lower(name, (size_t)size, name);
    return name;
}

static void edit_line(struct zone_edit *edit, enum change_op op, const char *line)
{
    static struct record_room room;
    struct record record;
    if (record_from_text(line, 3600, &room, &record) != ERR_OK)
        fail_msg("bad record: %s", line);
    struct rdata_view rdata = {.bytes = record.rdata, .size = record.rdata_size};
    const struct change change = {.op = op,
                                  .type = record.type,
                                  .ttl = record.ttl,
                                  .name = record.owner,
                                  .rdata = &rdata,
                                  .rdata_count = 1};
    assert_int_equal(zone_edit_change(edit, &change), 0);
}

/* Calls `each` for every line. */
static void each_line(const char *text, void (*each)(void *arg, char *line), void *arg)
{
    char *copy = strdup(text), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (*line)
            each(arg, line);
    }
    free(copy);
}

static void add_line(void *arg, char *line)
{
    edit_line(arg, CHANGE_ADD, line);
}

struct zone *fake_zone(const char *apex, const char *records)
{
    struct zone *zone;
    struct zone_edit *edit;
    assert_int_equal(zone_new(fake_name(apex), &zone), 0);
    assert_int_equal(zone_edit_begin(zone, true, &edit), 0);
    each_line(records, add_line, edit);
    zone_edit_commit(edit);
    return zone;
}

static void change_line(void *arg, char *line)
{
    edit_line(arg, line[0] == '-' ? CHANGE_DEL : CHANGE_ADD, line + 1);
}

struct zone_edit *fake_edit(struct zone *zone, const char *lines)
{
    struct zone_edit *edit;
    assert_int_equal(zone_edit_begin(zone, false, &edit), 0);
    each_line(lines, change_line, edit);
    return edit;
}

static bool print_rrset(void *arg, const struct zone_rrset *rrset)
{
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], text[2048];
    for (size_t k = 0; k < rrset->count; k++) {
        struct record record = zone_record(rrset, k);
        assert_true(
            rdata_to_text(record.type, record.rdata, record.rdata_size, text, sizeof text) >= 0);
        fprintf(arg, "%s %u %s %s\n", name_to_text(record.owner, name), record.ttl,
                type_to_text(record.type, type), text);
    }
    return true;
}

char *fake_text(const struct zone_state *state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    zone_each(state, print_rrset, out);
    fclose(out);
    return text;
}

/* -- UPDATE ------------------------------------------------------------------------------------ */

static uint16_t class_of(const char *text)
{
    if (strcmp(text, "IN") == 0)
        return CLASS_IN;
    if (strcmp(text, "NONE") == 0)
        return CLASS_NONE;
    return strcmp(text, "ANY") == 0 ? CLASS_ANY : CLASS_CH;
}

static uint16_t type_of(const char *text)
{
    if (!text || strcmp(text, "ANY") == 0)
        return TYPE_ANY;
    int type = type_from_text(text);
    assert_true(type > 0);
    return (uint16_t)type;
}

struct line_record {
    enum section section;
    const char *name;
    uint16_t type, class;
    uint32_t ttl;
    const char *rdata; /* text; NULL: none */
    bool hex;
};

static void put(struct builder *builder, const struct line_record *line)
{
    uint8_t rdata[2048];
    int size = 0;
    if (line->rdata && line->hex)
        for (; line->rdata[2 * size]; size++)
            sscanf(line->rdata + 2 * size, "%2hhx", &rdata[size]);
    else if (line->rdata)
        size = rdata_from_text(line->type, line->rdata, rdata, sizeof rdata);
    assert_true(size >= 0);
    const struct record record = {
        .owner = fake_name(line->name),
        .rdata = rdata,
        .ttl = line->ttl,
        .rdata_size = (uint16_t)size,
        .type = line->type,
        .class = line->class,
    };
    build_record(builder, line->section, &record);
}

static const char *word(char **rest)
{
    return *rest ? strsep(rest, " ") : NULL;
}

static void put_raw(struct builder *builder, char *rest)
{
    struct line_record line = {.hex = true};
    line.section = strcmp(word(&rest), "pre") == 0 ? SECTION_ANSWER : SECTION_AUTHORITY;
    line.name = word(&rest);
    line.class = class_of(word(&rest));
    line.type = type_of(word(&rest));
    line.ttl = (uint32_t)strtoul(word(&rest), NULL, 10);
    line.rdata = rest[0] == '-' ? NULL : rest;
    put(builder, &line);
}

static void put_line(void *arg, char *rest)
{
    const char *verb = word(&rest);
    if (strcmp(verb, "raw") == 0) {
        put_raw(arg, rest);
        return;
    }
    struct line_record line = {.section = SECTION_ANSWER, .class = CLASS_ANY};
    line.name = word(&rest);
    if (strcmp(verb, "add") == 0) {
        line.section = SECTION_AUTHORITY;
        line.class = CLASS_IN;
        line.ttl = (uint32_t)strtoul(word(&rest), NULL, 10);
    }
    line.type = type_of(word(&rest));
    line.rdata = rest;
    if (strcmp(verb, "del") == 0) {
        line.section = SECTION_AUTHORITY;
        line.class = line.rdata ? CLASS_NONE : CLASS_ANY;
    } else if (verb[0] == 'n') {
        line.class = CLASS_NONE;
    } else if (verb[0] == 'y' && line.rdata) {
        line.class = CLASS_IN;
    }
    put(arg, &line);
}

size_t fake_update(const char *apex, const char *lines, uint8_t *buffer, size_t room)
{
    static struct builder builder;
    struct question zone = {.type = TYPE_SOA, .class = CLASS_IN};
    zone.name_size = (uint8_t)name_size(fake_name(apex));
    memcpy(zone.name, fake_name(apex), zone.name_size);
    build_start(&builder, buffer, room);
    build_question(&builder, &zone);
    each_line(lines, put_line, &builder);
    int size = build_finish(&builder, 4711, 5 << 11);
    assert_true(size > 0);
    return (size_t)size;
}
