#include "config/feed_zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/zone_list.h"

enum { MAX_BYTES = 512 << 20, MAX_PLACE = 2 * FAULT_MAX_QUOTE };

/* Where a name stands: an entry of the list, and a line of the file that it names; 0: it is the entry itself. */
struct place {
    uint32_t entry, line;
};

/* A list on its way from what is written to all of its names. */
struct growing {
    const char *key; /* "feed.zones" */
    bool single;     /* the option is no list */
    char **written;
    size_t written_count;
    char **names;
    struct place *places;
    size_t count, room;
    struct fault *fault;
};

const char *feed_zones_file(const char *entry)
{
    static const char prefix[] = "file:";
    return strncmp(entry, prefix, sizeof prefix - 1) == 0 ? entry + sizeof prefix - 1 : NULL;
}

/* "feed.zones[3]", or with the file and the line. */
static const char *place_text(const struct growing *list, struct place place, char ret[MAX_PLACE])
{
    char quote[FAULT_MAX_QUOTE];
    if (place.line == 0)
        snprintf(ret, MAX_PLACE, "%s[%u]", list->key, place.entry);
    else
        snprintf(ret, MAX_PLACE, "%s:%u",
                 fault_plain(feed_zones_file(list->written[place.entry]), quote), place.line);
    return ret;
}

/* Refuses what stands at a place: the fault is at the entry, and says the line of a file itself. */
static bool refuse(const struct growing *list, struct place place, const char *text,
                   const char *what, const char *expected)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE], where[MAX_PLACE];
    if (list->single)
        fault_key(key, "%s", list->key);
    else
        fault_key(key, "%s[%u]", list->key, place.entry);
    return fault_set(list->fault, key, "%s%s%s %s; expected %s",
                     place.line ? place_text(list, place, where) : "", place.line ? ": " : "",
                     fault_quote(text, quote), what, expected);
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool make_room(struct growing *list)
{
    if (list->count < list->room)
        return true;
    const size_t room = 2 * list->room + 64;
    char **names = realloc(list->names, room * sizeof *names);
    if (names)
        list->names = names;
    struct place *places = names ? realloc(list->places, room * sizeof *places) : NULL;
    if (!places)
        return fault_memory(list->fault);
    list->places = places;
    list->room = room;
    return true;
}

/* Takes the text over. */
static bool add(struct growing *list, char *text, struct place place)
{
    if (text && list->count < FEED_ZONES_MAX && make_room(list)) {
        list->names[list->count] = text;
        list->places[list->count++] = place;
        return true;
    }
    if (!text)
        return fault_memory(list->fault);
    if (list->count >= FEED_ZONES_MAX)
        refuse(list, place, text, "is one too many", "1000000 zones at most");
    free(text);
    return false;
}

static bool add_line(struct growing *list, char *line, struct place place)
{
    static const char spaces[] = " \t\r\f\v";
    const char *what, *expected;
    line += strspn(line, spaces);
    line[strcspn(line, "#;")] = '\0';
    size_t length = strlen(line);
    while (length > 0 && strchr(spaces, line[length - 1]))
        line[--length] = '\0';
    if (length == 0)
        return true;
    if (!zone_name_is_zone(line, &what, &expected))
        return refuse(list, place, line, what, expected);
    return add(list, strdup(line), place);
}

static bool add_text(struct growing *list, char *text, size_t size, uint32_t entry)
{
    struct place place = {.entry = entry, .line = 1};
    for (char *line = text, *end; line < text + size; line = end + 1, place.line++) {
        end = memchr(line, '\n', (size_t)(text + size - line));
        if (!end)
            end = text + size; /* where there is a NUL */
        *end = '\0';
        if (strlen(line) != (size_t)(end - line))
            return refuse(list, place, line, "is followed by a NUL", "text");
        if (!add_line(list, line, place))
            return false;
    }
    return true;
}

static bool add_file(struct growing *list, const char *path, uint32_t entry)
{
    char *text;
    size_t size, before = list->count;
    enum file_result result = file_read(path, MAX_BYTES, &text, &size);
    const struct place place = {.entry = entry};
    if (result != FILE_OK)
        return refuse(list, place, path, file_result_text(result), "a file with names of zones");
    const bool good = add_text(list, text, size, entry);
    free(text);
    if (good && list->count == before)
        return refuse(list, place, path, "names no zone", "a name on each line");
    return good;
}

static bool add_entry(struct growing *list, uint32_t entry)
{
    const char *path = feed_zones_file(list->written[entry]);
    if (path)
        return add_file(list, path, entry);
    return add(list, strdup(list->written[entry]), (struct place){.entry = entry});
}

static bool check_once(const struct growing *list, const struct zone_list *sorted)
{
    char what[MAX_PLACE + 16], where[MAX_PLACE];
    size_t first, second;
    if (!sorted)
        return fault_memory(list->fault);
    if (!zone_list_twice(sorted, &first, &second))
        return true;
    snprintf(what, sizeof what, "is %s again", place_text(list, list->places[first], where));
    return refuse(list, list->places[second], list->names[second], what, "each zone once");
}

void feed_zones_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

/* ---- exceptions ------------------------------------------------------------------------------ */

/* An exception is below a zone of the feed, and none of them itself. */
static bool check_exception(const struct growing *except, size_t k, const struct growing *zones,
                            const struct zone_list *sorted)
{
    uint8_t wire[ZONE_NAME_MAX];
    char what[MAX_PLACE + 16], where[MAX_PLACE];
    size_t found, size = zone_name_read(except->names[k], wire);
    if (zone_list_has(sorted, wire, size, &found)) {
        snprintf(what, sizeof what, "is %s too", place_text(zones, zones->places[found], where));
        return refuse(except, except->places[k], except->names[k], what, "it in one of the two");
    }
    for (const uint8_t *up = wire; size > 1;) {
        size -= up[0] + 1u;
        up += up[0] + 1u;
        if (zone_list_has(sorted, up, size, &found))
            return true;
    }
    return refuse(except, except->places[k], except->names[k], "lies below no zone of feed.zones",
                  "one that does");
}

/* Nobody knows yet which zones the catalogs have. */
static bool check_exceptions(const struct config_feed *feed, const struct growing *except,
                             const struct growing *zones, const struct zone_list *sorted)
{
    for (size_t k = 0; feed->catalog_count == 0 && k < except->count; k++)
        if (!check_exception(except, k, zones, sorted))
            return false;
    return true;
}

/* ---- both lists ------------------------------------------------------------------------------ */

/* All names of a list, each once; they are sorted in `ret_sorted`. */
static bool grow(struct growing *list, struct zone_list **ret_sorted)
{
    for (uint32_t entry = 0; entry < list->written_count; entry++)
        if (!add_entry(list, entry))
            return false;
    *ret_sorted = zone_list_new(list->names, list->count);
    return check_once(list, *ret_sorted);
}

/* Puts all names in the place of what is written, if that is fine. */
static void settle(struct growing *list, char ***names, size_t *count, bool good)
{
    if (good) {
        feed_zones_free(list->written, list->written_count);
        *names = list->names;
        *count = list->count;
    } else {
        feed_zones_free(list->names, list->count);
    }
    free(list->places);
}

bool feed_zones_read_file(const char *key, char *entry, char ***ret_names, size_t *ret_count,
                          struct fault *fault)
{
    struct zone_list *sorted = NULL;
    struct growing list = {
        .key = key, .single = true, .written = &entry, .written_count = 1, .fault = fault};
    if (!entry || !feed_zones_file(entry))
        return true;
    const bool good = grow(&list, &sorted);
    zone_list_free(sorted);
    free(list.places);
    if (good) {
        *ret_names = list.names;
        *ret_count = list.count;
    } else {
        feed_zones_free(list.names, list.count);
    }
    return good;
}

bool feed_zones_read(struct config_feed *feed, struct fault *fault)
{
    struct zone_list *sorted = NULL, *sorted_except = NULL;
    struct growing zones = {.key = "feed.zones",
                            .written = feed->zones,
                            .written_count = feed->zone_count,
                            .fault = fault};
    struct growing except = {.key = "feed.except",
                             .written = feed->except,
                             .written_count = feed->except_count,
                             .fault = fault};
    if (feed->zone_count == 0 && feed->catalog_count == 0)
        return fault_set(fault, "feed.zones", "missing; expected it, or feed.catalogs");
    bool good = grow(&zones, &sorted) && grow(&except, &sorted_except) &&
                check_exceptions(feed, &except, &zones, sorted);
    settle(&zones, &feed->zones, &feed->zone_count, good);
    settle(&except, &feed->except, &feed->except_count, good);
    zone_list_free(sorted);
    zone_list_free(sorted_except);
    return good;
}
