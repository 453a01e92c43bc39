/*
 * manual_formats.c - the manual pages of what is read: the configuration, and change sets.
 */
#include <ctype.h>
#include <string.h>

#include "cli/manual.h"
#include "cli/roff.h"
#include "config/options.h"

enum { MAX_TERM = 160, MAX_TEXT = 2048 };

/* ---- the configuration ----------------------------------------------------------------------- */

static void write_key(FILE *out, const struct option *row)
{
    char term[MAX_TERM], range[128], text[MAX_TEXT];
    const struct option_section *section = option_section(row->scope);
    snprintf(term, sizeof term, "`%s%s`", section->prefix, row->key);
    roff_term(out, term);
    roff_text(out, row->text);
    option_range_text(row, range, sizeof range);
    snprintf(text, sizeof text, "(%s%s%s%s%s%s%s; %s)", option_kind_text(row->kind),
             row->preset ? ", default " : "", row->preset ? row->preset : "",
             row->required ? ", required" : "", range[0] ? ", " : "",
             range[0] == '`' ? "one of " : "", range, option_reload_text(row->reload));
    roff_text(out, text);
}

/* "`tiers[].cache`" as a heading. */
static void write_heading(FILE *out, const char *heading)
{
    char text[MAX_TERM];
    size_t used = 0;
    for (; *heading && used + 1 < sizeof text; heading++)
        if (*heading != '`')
            text[used++] = (char)toupper((unsigned char)*heading);
    text[used] = '\0';
    roff_heading(out, text);
}

void manual_configuration(FILE *out)
{
    roff_begin(out, "freshet.yaml", 5, "Configuration of freshetd and freshet-origin");
    roff_heading(out, "DESCRIPTION");
    roff_text(out,
              "The file is YAML in UTF-8, one document of at most 1 MiB, without anchors, aliases "
              "or keys given twice. All of it is checked before any of it is used; `freshetd "
              "--check` says what is wrong with it. Behind each key stands what kind of value it "
              "takes, its default and range, and whether a reload takes a new value over.");
    for (enum option_scope scope = 0; scope < SCOPE_COUNT; scope++) {
        size_t count;
        const struct option *rows = options_of(scope, &count);
        write_heading(out, option_section(scope)->heading);
        roff_text(out, option_section(scope)->text);
        for (size_t k = 0; k < count; k++)
            write_key(out, &rows[k]);
    }
    roff_heading(out, "FILES");
    roff_term(out, program_freshetd.config);
    roff_text(out,
              "what the service freshet takes, and the tool `freshet` if nothing else is said");
    roff_term(out, program_origin.config);
    roff_text(out, "what the service freshet-origin takes");
    roff_see_also(out, "freshetd(8) freshet-origin(8) freshet(1)");
}

/* ---- change sets ----------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* What a field is: itself, or the definition that it names. */
static const json_t *resolved(const json_t *schema, const json_t *field)
{
    static const char prefix[] = "#/$defs/";
    const char *reference = text_of(field, "$ref");
    if (strncmp(reference, prefix, sizeof prefix - 1) != 0)
        return field;
    return json_object_get(json_object_get(schema, "$defs"), reference + sizeof prefix - 1);
}

static bool is_required(const json_t *object, const char *name)
{
    size_t k;
    json_t *one;
    json_array_foreach(json_object_get(object, "required"), k, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    }
    return false;
}

static void write_field(FILE *out, const json_t *schema, const json_t *around, const char *name,
                        const json_t *field)
{
    char term[MAX_TERM], text[MAX_TEXT];
    const json_t *what = resolved(schema, field);
    const json_t *most = json_object_get(what, "maximum");
    const char *type = text_of(what, "type");
    snprintf(term, sizeof term, "`%s`%s%s%s", name, type[0] ? ", " : "", type,
             is_required(around, name) ? ", required" : "");
    roff_term(out, term);
    if (json_is_integer(json_object_get(what, "const"))) {
        snprintf(text, sizeof text, "Always %lld.",
                 (long long)json_integer_value(json_object_get(what, "const")));
        roff_text(out, text);
    }
    if (text_of(what, "description")[0])
        roff_text(out, text_of(what, "description"));
    if (json_is_integer(most)) {
        snprintf(text, sizeof text, "At most %lld.", (long long)json_integer_value(most));
        roff_text(out, text);
    }
}

static void write_fields(FILE *out, const json_t *schema, const json_t *object)
{
    const char *name;
    json_t *field;
    json_object_foreach((json_t *)json_object_get(object, "properties"), name, field)
    {
        if (json_is_object(field) && strcmp(name, "op") != 0)
            write_field(out, schema, object, name, field);
    }
}

static void write_changes(FILE *out, const json_t *schema)
{
    const json_t *change = json_object_get(json_object_get(schema, "$defs"), "change");
    size_t k;
    json_t *one;
    roff_heading(out, "CHANGES");
    roff_text(out, "Each has `op` and");
    write_fields(out, schema, change);
    json_array_foreach(json_object_get(change, "oneOf"), k, one)
    {
        const char *title = text_of(one, "title");
        roff_paragraph(out);
        roff_text(out, title);
        roff_text(out, "With it stand:");
        write_fields(out, schema, one);
    }
}

void manual_changeset(FILE *out, const json_t *schema)
{
    roff_begin(out, "freshet-changeset", 5,
               "Format of the messages that tell caches of DNS changes");
    roff_heading(out, "DESCRIPTION");
    roff_text(out, text_of(schema, "description"));
    roff_text(out,
              "The key is the zone in lower case, with its final dot; the partition is murmur2 of "
              "the key, as the Java clients have it; the value is JSON. Fields that are not known "
              "are ignored, but for those that `must` names.");
    roff_heading(out, "FIELDS");
    write_fields(out, schema, schema);
    write_changes(out, schema);
    roff_heading(out, "EXAMPLE");
    roff_lines(
        out,
        "  {\"v\": 1, \"zone\": \"example.com.\", \"time\": \"2026-11-22T03:00:00.123456Z\", "
        "\"changes\": [\n"
        "    {\"op\": \"SET\", \"name\": \"www.example.com.\", \"type\": \"A\", \"ttl\": 3600,\n"
        "     \"rdata\": [\"192.0.2.1\", \"192.0.2.2\"]}]}\n");
    roff_see_also(out, "freshet-publish(1) freshet-watch(1) freshetd(8)");
}
