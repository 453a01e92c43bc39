#include "config/outline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    MAX_DEPTH = 8, /* collections within each other; the deepest key of ours lies in six */
    MAX_KEYS = 64, /* in one mapping */
    MAX_KEY = 63,  /* bytes of a key: the longest of librdkafka has 49 */
    MAX_PATH = MAX_DEPTH * (MAX_KEY + sizeof("[4294967295]")),
};

struct key {
    char name[MAX_KEY + 1];
    unsigned line;
};

/* A mapping or list that is open. */
struct frame {
    bool mapping;
    bool value_due;   /* mapping: its last key has no value yet */
    unsigned entries; /* list: entries so far */
    size_t key_count;
    struct key keys[MAX_KEYS];
};

struct walk {
    yaml_parser_t parser;
    struct frame frames[MAX_DEPTH];
    size_t depth;
    unsigned documents;
    const char *text;
    size_t size;
    struct fault *fault; /* NULL while finding: that text passed already */
    const char *wanted;  /* the path to note the place of */
    struct outline_place place;
    bool found;
};

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

/* ---- where the walk stands ------------------------------------------------------------------ */

/* Writes the path of the node that comes next. */
static void write_path(const struct walk *walk, char path[MAX_PATH])
{
    size_t used = 0;
    path[0] = '\0';
    for (size_t i = 0; i < walk->depth; i++) {
        const struct frame *frame = &walk->frames[i];
        int wrote;
        if (!frame->mapping)
            wrote = snprintf(path + used, MAX_PATH - used, "[%u]", frame->entries);
        else if (frame->value_due)
            wrote = snprintf(path + used, MAX_PATH - used, "%s%s", used ? "." : "",
                             frame->keys[frame->key_count - 1].name);
        else
            wrote = 0; /* a key comes next: the path is the mapping's */
        used += (size_t)wrote;
    }
}

/* Refuses the node that comes next, or the mapping whose key comes next. Always false. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct walk *walk, unsigned line,
                                                         const char *format, ...)
{
    char path[MAX_PATH], plain[FAULT_MAX_QUOTE], what[2 * FAULT_MAX_QUOTE];
    va_list args;
    if (!walk->fault)
        return false;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    write_path(walk, path);
    walk->fault->line = line;
    return fault_set(walk->fault, path[0] ? fault_plain(path, plain) : NULL, "%s", what);
}

static void note_place(struct walk *walk, const yaml_event_t *event, enum outline_kind kind)
{
    char path[MAX_PATH];
    if (walk->found)
        return;
    write_path(walk, path);
    if (strcmp(path, walk->wanted) != 0)
        return;
    const struct frame *frame = walk->depth ? &walk->frames[walk->depth - 1] : NULL;
    bool keyed = frame && frame->mapping;
    walk->place.line = keyed ? frame->keys[frame->key_count - 1].line : line_of(event);
    walk->place.kind = kind;
    walk->found = true;
}

/* ---- syntax --------------------------------------------------------------------------------- */

/* Whether the character at `mark` is a tab. Marks count characters, not bytes. */
static bool at_tab(const struct walk *walk, const yaml_mark_t *mark)
{
    size_t characters = 0;
    for (size_t i = 0; i < walk->size; i++) {
        if (((unsigned char)walk->text[i] & 0xc0) == 0x80)
            continue; /* within a UTF-8 sequence (RFC 3629 3) */
        if (characters++ == mark->index)
            return walk->text[i] == '\t';
    }
    return false;
}

static bool refuse_syntax(struct walk *walk)
{
    const yaml_parser_t *parser = &walk->parser;
    const char *problem = parser->problem ? parser->problem : "not YAML";
    if (!walk->fault)
        return false;
    if (parser->error == YAML_MEMORY_ERROR)
        return fault_memory(walk->fault);
    if (parser->error == YAML_READER_ERROR)
        return fault_set(walk->fault, NULL, "%s (byte %zu); expected printable text in UTF-8",
                         problem, parser->problem_offset);
    if (at_tab(walk, &parser->problem_mark))
        problem = "a tab";
    const char *context = parser->context ? parser->context : "";
    walk->fault->line = (unsigned)parser->problem_mark.line + 1;
    return fault_set(walk->fault, NULL, "column %zu: %s%s%s; expected YAML%s",
                     parser->problem_mark.column + 1, problem, context[0] ? " " : "", context,
                     strcmp(problem, "a tab") == 0 ? ", indented with spaces" : "");
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static bool first_of_its_name(struct walk *walk, const struct frame *frame)
{
    const struct key *key = &frame->keys[frame->key_count - 1];
    for (size_t i = 0; i + 1 < frame->key_count; i++)
        if (strcmp(frame->keys[i].name, key->name) == 0)
            return refuse(walk, key->line, "given twice, first in line %u; expected once",
                          frame->keys[i].line);
    return true;
}

static bool read_key(struct walk *walk, struct frame *frame, const yaml_event_t *event)
{
    if (event->data.scalar.length > MAX_KEY)
        return refuse(walk, line_of(event), "a key of %zu bytes; expected at most %d",
                      event->data.scalar.length, MAX_KEY);
    if (frame->key_count == MAX_KEYS)
        return refuse(walk, line_of(event), "too many keys; expected at most %d", MAX_KEYS);
    struct key *key = &frame->keys[frame->key_count++];
    memcpy(key->name, event->data.scalar.value, event->data.scalar.length + 1);
    key->line = line_of(event);
    frame->value_due = true;
    return first_of_its_name(walk, frame);
}

/* A node is complete: the collection around it moves on. */
static void close_node(struct walk *walk)
{
    if (walk->depth == 0)
        return;
    struct frame *frame = &walk->frames[walk->depth - 1];
    frame->value_due = false;
    frame->entries++;
}

static bool read_scalar(struct walk *walk, const yaml_event_t *event)
{
    struct frame *frame = walk->depth ? &walk->frames[walk->depth - 1] : NULL;
    size_t length = event->data.scalar.length;
    if (memchr(event->data.scalar.value, '\0', length))
        return refuse(walk, line_of(event), "a NUL character; expected text");
    if (frame && frame->mapping && !frame->value_due)
        return read_key(walk, frame, event);
    bool empty = length == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    note_place(walk, event, empty ? OUTLINE_EMPTY : OUTLINE_VALUE);
    close_node(walk);
    return true;
}

static bool open_collection(struct walk *walk, const yaml_event_t *event)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const struct frame *around = walk->depth ? &walk->frames[walk->depth - 1] : NULL;
    if (around && around->mapping && !around->value_due)
        return refuse(walk, line_of(event), "a key that is a %s; expected a plain word",
                      mapping ? "mapping" : "list");
    if (walk->depth == MAX_DEPTH)
        return refuse(walk, line_of(event), "nested too deeply; expected at most %d levels",
                      MAX_DEPTH);
    note_place(walk, event, mapping ? OUTLINE_MAPPING : OUTLINE_LIST);
    struct frame *frame = &walk->frames[walk->depth++];
    frame->mapping = mapping;
    frame->value_due = false;
    frame->entries = 0;
    frame->key_count = 0;
    return true;
}

static bool open_document(struct walk *walk, const yaml_event_t *event)
{
    if (walk->documents++ == 0)
        return true;
    return refuse(walk, line_of(event), "a second document; expected one");
}

static bool refuse_anchor(struct walk *walk, const yaml_event_t *event)
{
    return refuse(walk, line_of(event), "an anchor or alias; expected the value itself");
}

static bool read_event(struct walk *walk, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return open_document(walk, event);
    case YAML_ALIAS_EVENT:
        return refuse_anchor(walk, event);
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor ? refuse_anchor(walk, event) : read_scalar(walk, event);
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor ? refuse_anchor(walk, event)
                                                : open_collection(walk, event);
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor ? refuse_anchor(walk, event)
                                                 : open_collection(walk, event);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        walk->depth--;
        close_node(walk);
        return true;
    default: /* the stream and the end of a document say nothing */
        return true;
    }
}

/* Walks all events; false when one is refused. */
static bool walk_text(struct walk *walk)
{
    bool good = true, more = true;
    if (!yaml_parser_initialize(&walk->parser))
        return walk->fault && fault_memory(walk->fault);
    yaml_parser_set_encoding(&walk->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&walk->parser, (const unsigned char *)walk->text, walk->size);
    while (good && more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&walk->parser, &event)) {
            good = refuse_syntax(walk);
            break;
        }
        good = read_event(walk, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&walk->parser);
    return good;
}

/*
 * libyaml compares each %TAG directive with all before it: a megabyte of them takes seconds. No
 * value of ours has a line that starts so, and none needs a tag.
 */
static bool check_directives(const char *text, size_t size, struct fault *fault)
{
    static const char directive[] = "%TAG";
    const size_t length = sizeof(directive) - 1;
    unsigned line = 1;
    for (size_t i = 0; i + length <= size; i++) {
        bool starts = i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r';
        line += i > 0 && text[i - 1] == '\n';
        if (starts && memcmp(text + i, directive, length) == 0) {
            fault->line = line;
            return fault_set(fault, NULL, "a %%TAG directive; expected none");
        }
    }
    return true;
}

/* The walk is large for a stack: one per call, on the heap. */
static struct walk *new_walk(const char *text, size_t size)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return NULL;
    walk->text = text;
    walk->size = size;
    return walk;
}

bool outline_check(const char *text, size_t size, struct fault *fault)
{
    if (!check_directives(text, size, fault))
        return false;
    struct walk *walk = new_walk(text, size);
    if (!walk)
        return fault_memory(fault);
    walk->fault = fault;
    walk->wanted = "";
    bool good = walk_text(walk);
    if (good && (!walk->found || walk->place.kind == OUTLINE_EMPTY))
        good = fault_set(fault, NULL, "is empty; expected a mapping");
    free(walk);
    return good;
}

bool outline_find(const char *text, size_t size, const char *path, struct outline_place *ret_place)
{
    struct walk *walk = new_walk(text, size);
    if (!walk)
        return false;
    walk->wanted = path;
    walk_text(walk);
    bool found = walk->found;
    if (found)
        *ret_place = walk->place;
    free(walk);
    return found;
}
