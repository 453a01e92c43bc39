#include "zone/catalog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/type.h"
#include "zone/state.h"

enum {
    FIRST_ROOM = 64,
    FIRST_BYTES = 4096,
    MAX_DEPTH = 3, /* labels of what is looked at, below the apex */
};

/* What follows a member's name and its label, up to the end of it. */
enum property { PROPERTY_END, PROPERTY_OWNER /* a name */, PROPERTY_GROUP /* a string of TXT */ };

struct catalog {
    uint8_t *bytes; /* members, one behind the other */
    const uint8_t **members;
    size_t count;
    uint8_t apex[NAME_MAX_SIZE];
};

/* A catalog on its way: the walk comes to a member, to all that is below it, and then to the next. */
struct reading {
    const struct zone_state *state;
    size_t most;
    uint8_t *bytes;
    size_t used, size;
    size_t *members; /* where they begin */
    size_t count, room;
    const uint8_t *node; /* of the member whose properties may follow; NULL: there is none yet */
    bool has_version;
    int error;
    char *why;
};

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_label(const uint8_t *label, const char *text)
{
    return label[0] == strlen(text) && memcmp(label + 1, text, label[0]) == 0;
}

/* The labels of an owner above the apex, the first one first. Returns how many, or one more than there is room for. */
static size_t labels_of(const struct zone_state *state, const uint8_t *owner,
                        const uint8_t *ret[MAX_DEPTH])
{
    const uint8_t *apex = owner + name_size(owner) - state->apex_size;
    size_t count = 0;
    for (; owner < apex; owner = name_parent(owner)) {
        if (count == MAX_DEPTH)
            return MAX_DEPTH + 1;
        ret[count++] = owner;
    }
    return count;
}

static int compare_members(const void *left, const void *right)
{
    const uint8_t *const *one = left, *const *two = right;
    return name_compare(*one, *two);
}

/* ---- what is wrong --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool refuse(struct reading *reading,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reading->why, CATALOG_MAX_WHY, format, args);
    va_end(args);
    reading->error = ERR_FORMAT;
    return false;
}

static bool refuse_memory(struct reading *reading)
{
    reading->error = ERR_MEMORY;
    return false;
}

/* Cut short: several of them have to fit the line. */
static const char *short_text(const uint8_t *name, char ret[NAME_MAX_TEXT])
{
    enum { SHORT = 280 };
    name_to_text(name, ret);
    if (strlen(ret) > SHORT)
        memcpy(ret + SHORT, "...", sizeof "...");
    return ret;
}

static const char *label_text(const uint8_t *label, char ret[NAME_MAX_TEXT])
{
    uint8_t name[NAME_MAX_SIZE];
    memcpy(name, label, 1u + label[0]);
    name[1 + label[0]] = 0;
    return short_text(name, ret);
}

static bool is_single(struct reading *reading, const struct zone_rrset *rrset)
{
    char owner[NAME_MAX_TEXT];
    if (rrset->count == 1)
        return true;
    return refuse(reading, "%s has %zu %s records, where there may be one (RFC 9432 5.1)",
                  short_text(rrset->owner, owner), rrset->count,
                  rrset->type == TYPE_TXT ? "TXT" : "PTR");
}

/* ---- members, as they are kept --------------------------------------------------------------- */

static uint8_t *more_bytes(struct reading *reading, size_t size)
{
    size_t wanted = reading->size ? reading->size : FIRST_BYTES;
    while (wanted - reading->used < size)
        wanted *= 2;
    uint8_t *bytes = wanted > reading->size ? realloc(reading->bytes, wanted) : reading->bytes;
    if (!bytes)
        return NULL;
    reading->bytes = bytes;
    reading->size = wanted;
    reading->used += size;
    return bytes + reading->used - size;
}

static bool put(struct reading *reading, const uint8_t *bytes, size_t size)
{
    uint8_t *to = more_bytes(reading, size);
    if (!to)
        return refuse_memory(reading);
    memcpy(to, bytes, size);
    return true;
}

static bool put_name(struct reading *reading, const uint8_t *name)
{
    uint8_t folded[NAME_MAX_SIZE];
    const size_t size = name_size(name);
    name_lower(name, size, folded);
    return put(reading, folded, size);
}

static bool put_property(struct reading *reading, enum property property)
{
    const uint8_t byte = (uint8_t)property;
    return put(reading, &byte, 1);
}

/* What a member that was begun has, is said. */
static bool end_member(struct reading *reading)
{
    return !reading->node || put_property(reading, PROPERTY_END);
}

static bool begin_member(struct reading *reading, const uint8_t *node, const uint8_t *name)
{
    if (reading->count == reading->room) {
        const size_t room = reading->room ? 2 * reading->room : FIRST_ROOM;
        size_t *members = realloc(reading->members, room * sizeof *members);
        if (!members)
            return refuse_memory(reading);
        reading->members = members;
        reading->room = room;
    }
    reading->members[reading->count++] = reading->used;
    reading->node = node;
    return put_name(reading, name) && put(reading, node, 1u + node[0]);
}

/* ---- records --------------------------------------------------------------------------------- */

static bool read_version(struct reading *reading, const struct zone_rrset *rrset)
{
    static const uint8_t known[] = {1, '2'};
    if (!is_single(reading, rrset))
        return false;
    const struct rdata_view rdata = zone_rdata(rrset, 0);
    if (rdata.size != sizeof known || memcmp(rdata.bytes, known, sizeof known) != 0)
        return refuse(reading, "its version is not \"2\", the one that is known (RFC 9432 4.2.1)");
    reading->has_version = true;
    return true;
}

static bool read_member(struct reading *reading, const struct zone_rrset *rrset)
{
    if (!is_single(reading, rrset))
        return false;
    if (reading->count == reading->most)
        return refuse(reading, "it has more than %zu members", reading->most);
    return end_member(reading) && begin_member(reading, rrset->owner, zone_rdata(rrset, 0).bytes);
}

/* The strings of all TXT records; what is no string ends them. */
static bool read_groups(struct reading *reading, const struct zone_rrset *rrset)
{
    for (size_t k = 0; k < rrset->count; k++) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        for (size_t at = 0; at < rdata.size && at + rdata.bytes[at] < rdata.size;
             at += 1u + rdata.bytes[at])
            if (!put_property(reading, PROPERTY_GROUP) ||
                !put(reading, rdata.bytes + at, 1u + rdata.bytes[at]))
                return false;
    }
    return true;
}

/* A name below a member, or below what is none. */
static bool read_property(struct reading *reading, const struct zone_rrset *rrset,
                          const uint8_t *label)
{
    const bool is_owner = rrset->type == TYPE_PTR && is_label(label, "coo");
    const bool is_group = rrset->type == TYPE_TXT && is_label(label, "group");
    if (is_owner && !is_single(reading, rrset))
        return false;
    if (!reading->node || !name_equal(name_parent(rrset->owner), reading->node))
        return true;
    if (is_owner)
        return put_property(reading, PROPERTY_OWNER) &&
               put_name(reading, zone_rdata(rrset, 0).bytes);
    return !is_group || read_groups(reading, rrset);
}

static bool read_rrset(void *arg, const struct zone_rrset *rrset)
{
    struct reading *reading = arg;
    const uint8_t *labels[MAX_DEPTH];
    if (rrset->type != TYPE_PTR && rrset->type != TYPE_TXT)
        return true;
    const size_t depth = labels_of(reading->state, rrset->owner, labels);
    if (depth == 1 && rrset->type == TYPE_TXT && is_label(labels[0], "version"))
        return read_version(reading, rrset);
    if (depth == 2 && rrset->type == TYPE_PTR && is_label(labels[1], "zones"))
        return read_member(reading, rrset);
    if (depth == 3 && is_label(labels[2], "zones"))
        return read_property(reading, rrset, labels[0]);
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool read_all(struct reading *reading)
{
    uint32_t serial;
    if (!zone_serial(reading->state, &serial))
        return refuse(reading, "it has no SOA");
    if (!zone_each(reading->state, read_rrset, reading) || !end_member(reading))
        return false;
    return reading->has_version ||
           refuse(reading, "it says no version: TXT at `version` (RFC 9432 4.2.1)");
}

static bool check_once(struct reading *reading, const struct catalog *catalog)
{
    char name[NAME_MAX_TEXT], one[NAME_MAX_TEXT], two[NAME_MAX_TEXT];
    for (size_t i = 1; i < catalog->count; i++) {
        const uint8_t *before = catalog->members[i - 1], *at = catalog->members[i];
        if (!name_equal(before, at))
            continue;
        return refuse(reading, "%s is a member twice, at %s and %s (RFC 9432 5.1)",
                      short_text(at, name), label_text(catalog_label(before), one),
                      label_text(catalog_label(at), two));
    }
    return true;
}

/* Takes the bytes over; where members begin is known for sure now. */
static struct catalog *settle(struct reading *reading)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    const uint8_t **members = calloc(reading->count + 1, sizeof *members);
    if (!catalog || !members) {
        free(members);
        free(catalog);
        refuse_memory(reading);
        return NULL;
    }
    uint8_t *bytes = realloc(reading->bytes, reading->used + 1);
    catalog->bytes = bytes ? bytes : reading->bytes;
    reading->bytes = NULL;
    memcpy(catalog->apex, reading->state->apex, reading->state->apex_size);
    catalog->members = members;
    catalog->count = reading->count;
    for (size_t i = 0; i < catalog->count; i++)
        members[i] = catalog->bytes + reading->members[i];
    qsort(members, catalog->count, sizeof *members, compare_members);
    return catalog;
}

int catalog_read(const struct zone_state *state, size_t most, struct catalog **ret_catalog,
                 char ret_why[CATALOG_MAX_WHY])
{
    char why[CATALOG_MAX_WHY] = "";
    struct reading reading = {.state = state, .most = most, .why = why};
    struct catalog *catalog = read_all(&reading) ? settle(&reading) : NULL;
    if (catalog && !check_once(&reading, catalog)) {
        catalog_free(catalog);
        catalog = NULL;
    }
    free(reading.bytes);
    free(reading.members);
    if (!catalog && reading.error == ERR_FORMAT)
        memcpy(ret_why, why, sizeof why);
    if (catalog)
        *ret_catalog = catalog;
    return reading.error;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    free(catalog->members);
    free(catalog->bytes);
    free(catalog);
}

const uint8_t *catalog_apex(const struct catalog *catalog)
{
    return catalog->apex;
}

const uint8_t *const *catalog_members(const struct catalog *catalog)
{
    return catalog->members;
}

size_t catalog_count(const struct catalog *catalog)
{
    return catalog->count;
}

const uint8_t *catalog_find(const struct catalog *catalog, const uint8_t *name)
{
    const uint8_t **found =
        bsearch(&name, catalog->members, catalog->count, sizeof *catalog->members, compare_members);
    return found ? *found : NULL;
}

/* ---- what is said of a member ---------------------------------------------------------------- */

const uint8_t *catalog_label(const uint8_t *member)
{
    return member + name_size(member);
}

/* What follows a property, or its label. */
static const uint8_t *behind(const uint8_t *property)
{
    return property + 1 +
           (property[0] == PROPERTY_OWNER ? name_size(property + 1) : 1u + property[1]);
}

static const uint8_t *first_property(const uint8_t *member)
{
    const uint8_t *label = catalog_label(member);
    return label + 1 + label[0];
}

bool catalog_is_of_group(const uint8_t *member, const char *group)
{
    for (const uint8_t *at = first_property(member); at[0] != PROPERTY_END; at = behind(at))
        if (at[0] == PROPERTY_GROUP && is_label(at + 1, group))
            return true;
    return false;
}

const uint8_t *catalog_new_owner(const uint8_t *member)
{
    for (const uint8_t *at = first_property(member); at[0] != PROPERTY_END; at = behind(at))
        if (at[0] == PROPERTY_OWNER)
            return at + 1;
    return NULL;
}

bool catalog_is_for(const struct catalog *catalog, const uint8_t *member, const char *text,
                    const char *group)
{
    uint8_t name[NAME_MAX_SIZE];
    return name_from_text(text, name) > 0 && name_equal(name, catalog->apex) &&
           (!group || catalog_is_of_group(member, group));
}

/* ---- several --------------------------------------------------------------------------------- */

const struct catalog *catalog_owner(const struct catalog_view *view, const uint8_t *name)
{
    const struct catalog *first = NULL;
    const uint8_t *member = NULL, *heir;
    for (size_t k = 0; k < view->count && !member; k++) {
        first = view->each[k];
        member = first ? catalog_find(first, name) : NULL;
    }
    if (!member || !(heir = catalog_new_owner(member)))
        return member ? first : NULL;
    for (size_t k = 0; k < view->count; k++)
        if (view->each[k] && name_equal(view->each[k]->apex, heir) &&
            catalog_find(view->each[k], name))
            return view->each[k];
    return first;
}
