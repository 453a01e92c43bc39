#include "cli/json_sets.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct json_sets *sets, const char *text)
{
    complain(sets->options, "%s", text);
    return -1;
}

/* Adds what people leave out; NULL after a complaint. */
static char *complete(const struct options *o, json_t *object)
{
    char time[TIME_MAX_TEXT];
    const char *publisher = draft_publisher(o);
    if (!publisher)
        return NULL;
    if (!json_object_get(object, "v"))
        json_object_set_new(object, "v", json_integer(CHANGESET_VERSION));
    if (!json_object_get(object, "time"))
        json_object_set_new(object, "time", json_string(time_to_text(draft_now_us(), time)));
    if (!json_object_get(object, "publisher"))
        json_object_set_new(object, "publisher", json_string(publisher));
    char *text = json_dumps(object, JSON_COMPACT);
    if (!text)
        complain(o, "%s", strerror(ENOMEM));
    return text;
}

static int finish(struct json_sets *sets, struct change_set **ret_set)
{
    json_error_t error;
    const struct options *o = sets->options;
    json_t *object = json_loadb(sets->text, sets->size, JSON_REJECT_DUPLICATES, &error);
    sets->size = 0;
    if (!object) {
        complain(o, "no JSON: %s, column %d", error.text, error.column);
        return -1;
    }
    char *text = complete(o, object);
    json_decref(object);
    *ret_set = text ? draft_read_back(o, text, strlen(text)) : NULL;
    free(text);
    return *ret_set ? 1 : -1;
}

static bool keep(struct json_sets *sets, const char *line, size_t size)
{
    if (sets->size + size + 1 > sets->room) {
        const size_t room = 2 * sets->room + size + 1;
        char *grown = realloc(sets->text, room);
        if (!grown)
            return false;
        sets->text = grown;
        sets->room = room;
    }
    memcpy(sets->text + sets->size, line, size);
    sets->text[sets->size + size] = '\n';
    sets->size += size + 1;
    return true;
}

/* One character; whether the object ends with it. */
static bool count(struct json_sets *sets, char c)
{
    if (sets->in_string) {
        const bool escaped = sets->escaped;
        sets->escaped = !escaped && c == '\\';
        sets->in_string = escaped || c != '"';
        return false;
    }
    if (c == '"')
        sets->in_string = true;
    else if (c == '{' || c == '[')
        sets->depth++;
    else if ((c == '}' || c == ']') && sets->depth > 0)
        return --sets->depth == 0;
    return false;
}

int json_sets_line(struct json_sets *sets, const char *line, struct change_set **ret_set)
{
    size_t ended_at = 0;
    const char *from = line + strspn(line, " \t");
    if (sets->size == 0 && *from == '\0')
        return 0;
    if (sets->size == 0 && *from != '{')
        return fail(sets, "a change set is a JSON object, {\"zone\": ..., \"changes\": [...]}");
    const size_t size = strlen(from);
    for (size_t k = 0; k < size && ended_at == 0; k++)
        if (count(sets, from[k]))
            ended_at = k + 1;
    if (sets->size + size > CHANGESET_MAX_BYTES)
        return fail(sets, "a change set of more than 4 MiB, or one without an end");
    if (!keep(sets, from, size))
        return fail(sets, strerror(ENOMEM));
    return ended_at > 0 ? finish(sets, ret_set) : 0;
}

bool json_sets_end(const struct json_sets *sets)
{
    if (sets->size > 0)
        fail(sets, "the text ends within a JSON object");
    return sets->size == 0;
}

void json_sets_free(struct json_sets *sets)
{
    free(sets->text);
}
