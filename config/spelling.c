#include "config/spelling.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 8 }; /* outline.h lets no more through */

/* A mapping or list that is open. */
struct frame {
    bool mapping, known;     /* known: a mapping of the table */
    enum option_scope scope; /* of a known mapping, or of the mappings in a list */
    const struct option
        *row; /* mapping: that of the key whose value is due; NULL: none, or an unknown one */
    bool value_due;
    unsigned entries;
    char path[FAULT_MAX_KEY];
};

struct rewriting {
    yaml_parser_t parser;
    const char *text;
    size_t size;
    size_t characters,
        bytes;     /* the same place in the text, which moves on: marks count characters */
    size_t copied; /* bytes of the text that are in `out`, or replaced */
    FILE *out;
    enum option_scope top;
    struct frame frames[MAX_DEPTH];
    size_t depth;
    struct fault *fault, *note;
};

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

/* ---- places in the text ---------------------------------------------------------------------- */

static bool within_character(unsigned char byte)
{
    return (byte & 0xc0) == 0x80; /* RFC 3629 3 */
}

static size_t byte_of(struct rewriting *self, const yaml_mark_t *mark)
{
    while (self->characters < mark->index && self->bytes < self->size) {
        self->bytes++;
        while (self->bytes < self->size && within_character((unsigned char)self->text[self->bytes]))
            self->bytes++;
        self->characters++;
    }
    return self->bytes;
}

static void copy_to(struct rewriting *self, const yaml_mark_t *mark)
{
    const size_t to = byte_of(self, mark);
    fwrite(self->text + self->copied, 1, to - self->copied, self->out);
    self->copied = to;
}

static void pass_over(struct rewriting *self, const yaml_mark_t *mark)
{
    self->copied = byte_of(self, mark);
}

/* What is replaced takes as many lines as it took. */
static void pad_to(struct rewriting *self, size_t *line, const yaml_mark_t *mark)
{
    for (; *line < mark->line; ++*line)
        fputc('\n', self->out);
}

static void pad_to_end(struct rewriting *self, size_t *line, const yaml_mark_t *mark)
{
    const bool next_line = *line < mark->line;
    pad_to(self, line, mark);
    for (size_t k = 0; next_line && k < mark->column; k++)
        fputc(' ', self->out);
}

/* The character that begins at `text`, well-formed as libyaml gives it, and its bytes. */
static uint32_t character_at(const unsigned char *text, size_t *ret_bytes)
{
    const size_t bytes = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    uint32_t character = bytes == 1 ? text[0] : text[0] & (0xffu >> (bytes + 1));
    for (size_t k = 1; k < bytes; k++)
        character = character << 6 | (text[k] & 0x3f);
    *ret_bytes = bytes;
    return character;
}

/* Within double quotes, on one line. */
static void write_text(struct rewriting *self, const yaml_event_t *event)
{
    const unsigned char *text = event->data.scalar.value;
    for (size_t k = 0, bytes; k < event->data.scalar.length; k += bytes) {
        const uint32_t character = character_at(text + k, &bytes);
        if (character == '"' || character == '\\')
            fprintf(self->out, "\\%c", (int)character);
        else if (character < 0x20 || character > 0x7e)
            fprintf(self->out, "\\U%08x", character);
        else
            fputc((int)character, self->out);
    }
}

/* ---- what is replaced ------------------------------------------------------------------------ */

static bool next_event(struct rewriting *self, yaml_event_t *event)
{
    return yaml_parser_parse(&self->parser, event) ? true : fault_memory(self->fault);
}

static bool refuse_entry(struct rewriting *self, const char *path, const char *key, unsigned entry,
                         unsigned line)
{
    char place[FAULT_MAX_KEY], plain[FAULT_MAX_QUOTE];
    if (key)
        fault_key(place, "%s.%s", path, key);
    else
        fault_key(place, "%s[%u]", path, entry);
    self->fault->line = line;
    return fault_set(self->fault, fault_plain(place, plain),
                     "is a list or a mapping; expected a value");
}

/* "key=value" of the key and what comes next. */
static bool write_pair(struct rewriting *self, const char *path, const yaml_event_t *key)
{
    yaml_event_t event;
    if (!next_event(self, &event))
        return false;
    const bool good = event.type == YAML_SCALAR_EVENT;
    if (good) {
        fputc('"', self->out);
        write_text(self, key);
        fputc('=', self->out);
        write_text(self, &event);
        fputs("\", ", self->out);
    } else {
        refuse_entry(self, path, (const char *)key->data.scalar.value, 0, line_of(key));
    }
    yaml_event_delete(&event);
    return good;
}

/* {a: b, c: d}, up to its end: ["a=b", "c=d", ] */
static bool write_pairs(struct rewriting *self, const char *path, size_t *line,
                        yaml_mark_t *ret_end)
{
    bool good = true, end = false;
    fputs(" [", self->out);
    while (good && !end) {
        yaml_event_t key;
        if (!next_event(self, &key))
            return false;
        *ret_end = key.end_mark;
        end = key.type == YAML_MAPPING_END_EVENT;
        if (!end) {
            pad_to(self, line, &key.start_mark);
            good = write_pair(self, path, &key);
        }
        yaml_event_delete(&key);
    }
    fputc(']', self->out);
    return good;
}

/* [a, b], up to its end: "a,b" */
static bool write_joined(struct rewriting *self, const char *path, yaml_mark_t *ret_end)
{
    bool good = true, end = false;
    fputs(" \"", self->out);
    for (unsigned entry = 0; good && !end; entry++) {
        yaml_event_t event;
        if (!next_event(self, &event))
            return false;
        *ret_end = event.end_mark;
        end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end && event.type != YAML_SCALAR_EVENT) {
            good = refuse_entry(self, path, NULL, entry, line_of(&event));
        } else if (!end) {
            fputs(entry > 0 ? "," : "", self->out);
            write_text(self, &event);
        }
        yaml_event_delete(&event);
    }
    fputc('"', self->out);
    return good;
}

static bool replace(struct rewriting *self, const struct option *row, const yaml_event_t *event,
                    const char *path)
{
    size_t line = event->start_mark.line;
    yaml_mark_t end = event->end_mark;
    bool good = true;
    copy_to(self, &event->start_mark);
    if (row->brief) {
        fprintf(self->out, "{%s: \"", row->brief);
        write_text(self, event);
        fputs("\"}", self->out);
    } else if (row->kind == OPTION_PROPERTIES) {
        good = write_pairs(self, path, &line, &end);
    } else {
        good = write_joined(self, path, &end);
    }
    pad_to_end(self, &line, &end);
    pass_over(self, &end);
    return good;
}

/* Whether what stands behind a key is written in the other way. */
static bool is_other_way(const struct option *row, const yaml_event_t *event)
{
    if (!row)
        return false;
    if (row->brief)
        return event->type == YAML_SCALAR_EVENT &&
               (event->data.scalar.length > 0 ||
                event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE);
    return (row->kind == OPTION_BROKERS && event->type == YAML_SEQUENCE_START_EVENT) ||
           (row->kind == OPTION_PROPERTIES && event->type == YAML_MAPPING_START_EVENT);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static struct frame *around(struct rewriting *self)
{
    return self->depth > 0 ? &self->frames[self->depth - 1] : NULL;
}

static void write_path(const struct frame *frame, char ret_path[FAULT_MAX_KEY])
{
    if (!frame)
        fault_key(ret_path, "%s", "");
    else if (frame->mapping)
        fault_key(ret_path, "%s%s%s", frame->path, frame->path[0] ? "." : "",
                  frame->row ? frame->row->key : "");
    else
        fault_key(ret_path, "%s[%u]", frame->path, frame->entries);
}

static void rename_key(struct rewriting *self, const struct frame *frame, const yaml_event_t *event)
{
    char path[FAULT_MAX_KEY];
    copy_to(self, &event->start_mark);
    fputs(frame->row->key, self->out);
    pass_over(self, &event->end_mark);
    if (self->note->text[0])
        return;
    fault_key(path, "%s%s%s", frame->path, frame->path[0] ? "." : "", frame->row->former);
    self->note->line = line_of(event);
    fault_set(self->note, path, "is called %s now; expected that", frame->row->key);
}

static void read_key(struct rewriting *self, struct frame *frame, const yaml_event_t *event)
{
    const char *key = (const char *)event->data.scalar.value;
    frame->value_due = true;
    frame->row = frame->known ? options_find(frame->scope, key, strlen(key)) : NULL;
    if (frame->row || !frame->known)
        return;
    frame->row = options_find_former(frame->scope, key);
    if (frame->row)
        rename_key(self, frame, event);
}

static void close_node(struct frame *frame)
{
    if (!frame)
        return;
    frame->value_due = false;
    frame->entries++;
}

static void open_collection(struct rewriting *self, const yaml_event_t *event)
{
    const struct frame *outer = around(self);
    struct frame *frame = &self->frames[self->depth++];
    *frame = (struct frame){.mapping = event->type == YAML_MAPPING_START_EVENT};
    write_path(outer, frame->path);
    if (!outer) {
        frame->known = true;
        frame->scope = self->top;
    } else if (outer->mapping && outer->row) {
        frame->known = option_shape(outer->row->kind) >= SHAPE_MAPPING;
        frame->scope = outer->row->inner;
    } else if (!outer->mapping) {
        frame->known = outer->known;
        frame->scope = outer->scope;
    }
}

static bool read_node(struct rewriting *self, const yaml_event_t *event)
{
    struct frame *frame = around(self);
    char path[FAULT_MAX_KEY];
    const bool is_value = event->type == YAML_SCALAR_EVENT;
    if (frame && frame->mapping && !frame->value_due) {
        read_key(self, frame, event);
        return true;
    }
    if (frame && frame->mapping && is_other_way(frame->row, event)) {
        write_path(frame, path);
        const bool good = replace(self, frame->row, event, path);
        close_node(frame);
        return good;
    }
    if (is_value)
        close_node(frame);
    else
        open_collection(self, event);
    return true;
}

static bool read_event(struct rewriting *self, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return read_node(self, event);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        self->depth--;
        close_node(around(self));
        return true;
    default:
        return true;
    }
}

static bool rewrite(struct rewriting *self)
{
    bool good = true, more = true;
    if (!yaml_parser_initialize(&self->parser))
        return fault_memory(self->fault);
    yaml_parser_set_encoding(&self->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&self->parser, (const unsigned char *)self->text, self->size);
    while (good && more) {
        yaml_event_t event;
        good = next_event(self, &event);
        if (!good)
            break;
        good = read_event(self, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&self->parser);
    fwrite(self->text + self->copied, 1, self->size - self->copied, self->out);
    return good;
}

bool spelling_settle(const char *text, size_t size, enum option_scope top, struct fault *fault,
                     struct fault *note, struct spelling *ret_spelling)
{
    struct spelling written = {0};
    struct rewriting self = {.text = text, .size = size, .top = top, .fault = fault, .note = note};
    self.out = open_memstream(&written.text, &written.size);
    if (!self.out)
        return fault_memory(fault);
    bool good = rewrite(&self);
    if (fclose(self.out) != 0 && good)
        good = fault_memory(fault);
    if (good)
        *ret_spelling = written;
    else
        free(written.text);
    return good;
}
