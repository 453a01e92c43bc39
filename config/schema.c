#include "config/schema.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/outline.h"

struct schema {
    cyaml_schema_value_t top;
    cyaml_schema_value_t text;              /* a list's entry */
    cyaml_schema_value_t each[SCOPE_COUNT]; /* a list's entry that is a mapping */
    cyaml_schema_field_t fields[SCOPE_COUNT][OPTION_MAX_PER_SCOPE + 1]; /* a NULL key ends them */
};

struct schema_document {
    struct schema schema;
    cyaml_config_t cyaml;
    struct schema_slot *top;
};

/* ---- the schema from the table -------------------------------------------------------------- */

static uint32_t slots_size(enum option_scope scope)
{
    size_t count;
    options_of(scope, &count);
    return (uint32_t)(count * sizeof(struct schema_slot));
}

static void describe_list(const struct option *option, const cyaml_schema_value_t *entry,
                          cyaml_schema_field_t *field)
{
    field->count_offset = field->data_offset + (uint32_t)offsetof(struct schema_slot, count);
    field->count_size = sizeof(uint32_t);
    field->value.type = CYAML_SEQUENCE;
    field->value.sequence.entry = entry;
    field->value.sequence.min = (uint32_t)option->min;
    field->value.sequence.max = (uint32_t)option->max;
}

static void describe_field(struct schema *schema, const struct option *option, size_t slot,
                           cyaml_schema_field_t *field)
{
    cyaml_schema_value_t *value = &field->value;
    field->key = option->key;
    field->data_offset = (uint32_t)(slot * sizeof(struct schema_slot));
    value->flags = CYAML_FLAG_POINTER | (option->required ? 0 : CYAML_FLAG_OPTIONAL);
    switch (option_shape(option->kind)) {
    case SHAPE_VALUE:
        value->type = CYAML_STRING;
        value->data_size = sizeof(char);
        value->string.max = CYAML_UNLIMITED;
        break;
    case SHAPE_LIST:
        describe_list(option, &schema->text, field);
        value->data_size = sizeof(char *);
        break;
    case SHAPE_MAPPING:
        value->type = CYAML_MAPPING;
        value->data_size = slots_size(option->inner);
        value->mapping.fields = schema->fields[option->inner];
        break;
    case SHAPE_MAPPINGS:
        describe_list(option, &schema->each[option->inner], field);
        value->data_size = slots_size(option->inner);
        break;
    }
}

static void describe_scope(struct schema *schema, enum option_scope scope)
{
    size_t count;
    const struct option *rows = options_of(scope, &count);
    for (size_t i = 0; i < count; i++)
        describe_field(schema, &rows[i], i, &schema->fields[scope][i]);
    schema->each[scope].type = CYAML_MAPPING;
    schema->each[scope].data_size = slots_size(scope);
    schema->each[scope].mapping.fields = schema->fields[scope];
}

static void describe(struct schema *schema, enum option_scope top)
{
    schema->text =
        (cyaml_schema_value_t){CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};
    for (enum option_scope scope = 0; scope < SCOPE_COUNT; scope++)
        describe_scope(schema, scope);
    schema->top = schema->each[top];
    schema->top.flags = CYAML_FLAG_POINTER;
}

/* ---- what libcyaml says, condensed ---------------------------------------------------------- */

enum {
    MAX_STEPS = 16, /* of a backtrace; the schema is seven deep */
    MAX_LINE = 512, /* bytes of a line of libcyaml's that are looked at */
    MAX_WORD = 64,  /* bytes of a key in it; outline.h lets no longer one through */
};

/* One step of libcyaml's backtrace. */
struct step {
    const struct option *option; /* the field, if one */
    bool in_list;
    unsigned entry; /* from 1; 0 before the first */
    char key[MAX_WORD];
};

/*
 * libcyaml reports in several lines:
 *
 *   Load: Unexpected key: cahce
 *   Load: Backtrace:
 *     in mapping (line: 3, column: 13)
 *     in sequence entry '1' (line: 2, column: 5)
 *     in mapping field 'tiers' (line: 2, column: 3)
 */
struct report {
    char subject[MAX_WORD]; /* of the first line what follows "Load: ...: " */
    bool has_subject;
    enum option_scope top;
    size_t step_count;
    struct step steps[MAX_STEPS]; /* innermost first */
};

static void read_subject(struct report *report, const char *line)
{
    static const char prefix[] = "Load: ";
    if (report->has_subject || strncmp(line, prefix, sizeof(prefix) - 1) != 0)
        return;
    const char *colon = strstr(line + sizeof(prefix) - 1, ": ");
    snprintf(report->subject, sizeof(report->subject), "%.*s", MAX_WORD - 1,
             colon ? colon + 2 : "");
    size_t length = strlen(report->subject);
    if (length && report->subject[length - 1] == '\n')
        report->subject[length - 1] = '\0';
    report->has_subject = true;
}

static void read_line(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct report *report = context;
    char line[MAX_LINE];
    struct step step = {0};
    (void)level;
    vsnprintf(line, sizeof(line), format, args);
    if (sscanf(line, "  in mapping field '%63[^']'", step.key) != 1 &&
        strncmp(line, "  in mapping (", 14) != 0) {
        step.in_list = sscanf(line, "  in sequence entry '%u'", &step.entry) == 1;
        if (!step.in_list) {
            read_subject(report, line);
            return;
        }
    }
    if (report->step_count < MAX_STEPS)
        report->steps[report->step_count++] = step;
}

/* Writes the path of the steps from the outermost to `last`, and gives the scope it leads into. */
static enum option_scope write_path(const struct report *report, size_t last,
                                    char path[FAULT_MAX_KEY])
{
    enum option_scope scope = report->top;
    size_t used = 0;
    path[0] = '\0';
    for (size_t i = report->step_count; i-- > last && used < FAULT_MAX_KEY;) {
        const struct step *step = &report->steps[i];
        const struct option *row = options_find(scope, step->key, strlen(step->key));
        if (step->in_list)
            used += (size_t)snprintf(path + used, FAULT_MAX_KEY - used, "[%u]",
                                     step->entry ? step->entry - 1 : 0);
        else if (row)
            used += (size_t)snprintf(path + used, FAULT_MAX_KEY - used, "%s%s", used ? "." : "",
                                     step->key);
        if (row && option_shape(row->kind) >= SHAPE_MAPPING)
            scope = row->inner;
    }
    return scope;
}

static void append_key(char path[FAULT_MAX_KEY], const char *key)
{
    size_t used = strlen(path);
    snprintf(path + used, FAULT_MAX_KEY - used, "%s%.*s", used ? "." : "", MAX_WORD - 1, key);
}

struct refusal {
    const char *text;
    size_t size;
    const struct report *report;
    struct fault *fault;
};

static unsigned line_at(const struct refusal *refusal, const char *path)
{
    struct outline_place place = {0};
    outline_find(refusal->text, refusal->size, path, &place);
    return place.line;
}

static void refuse_key(const struct refusal *refusal)
{
    char path[FAULT_MAX_KEY], plain[FAULT_MAX_QUOTE], known[256];
    enum option_scope scope = write_path(refusal->report, 1, path);
    append_key(path, refusal->report->subject);
    options_list_keys(scope, known, sizeof(known));
    refusal->fault->line = line_at(refusal, path);
    fault_set(refusal->fault, fault_plain(path, plain), "unknown key; known here: %s", known);
}

static void refuse_missing(const struct refusal *refusal)
{
    char mapping[FAULT_MAX_KEY], path[FAULT_MAX_KEY];
    write_path(refusal->report, 1, mapping);
    memcpy(path, mapping, sizeof(path));
    append_key(path, refusal->report->subject);
    refusal->fault->line = line_at(refusal, mapping);
    fault_set(refusal->fault, path, "missing; expected in the mapping that starts here");
}

static void refuse_count(const struct refusal *refusal, const char *what)
{
    char path[FAULT_MAX_KEY], range[2 * UNITS_MAX_TEXT + 16] = "another number";
    const struct report *report = refusal->report;
    enum option_scope scope = write_path(report, 2, path);
    const char *key = report->step_count > 1 ? report->steps[1].key : "";
    const struct option *row = options_find(scope, key, strlen(key));
    if (row)
        option_range(row, range, sizeof(range));
    write_path(report, 1, path);
    refusal->fault->line = line_at(refusal, path);
    fault_set(refusal->fault, path, "%s entries; expected %s", what, range);
}

/* The shape that was due where the report's innermost step stands. */
static const char *due_shape(const struct report *report)
{
    char path[FAULT_MAX_KEY];
    bool entry = report->step_count > 0 && report->steps[0].in_list;
    size_t field = entry ? 1 : 0;
    if (report->step_count <= field)
        return "a mapping";
    enum option_scope scope = write_path(report, field + 1, path);
    const char *key = report->steps[field].key;
    const struct option *row = options_find(scope, key, strlen(key));
    enum option_shape shape = row ? option_shape(row->kind) : SHAPE_VALUE;
    if (shape == SHAPE_MAPPING || (shape == SHAPE_MAPPINGS && entry))
        return "a mapping";
    return shape == SHAPE_VALUE || entry ? "a value" : "a list";
}

static void refuse_shape(const struct refusal *refusal)
{
    static const char *const names[] = {
        [OUTLINE_EMPTY] = "empty",
        [OUTLINE_VALUE] = "a value",
        [OUTLINE_LIST] = "a list",
        [OUTLINE_MAPPING] = "a mapping",
    };
    char path[FAULT_MAX_KEY];
    struct outline_place place = {0};
    write_path(refusal->report, 0, path);
    outline_find(refusal->text, refusal->size, path, &place);
    refusal->fault->line = place.line;
    fault_set(refusal->fault, path[0] ? path : NULL, "is %s; expected %s", names[place.kind],
              due_shape(refusal->report));
}

static void refuse(const struct refusal *refusal, cyaml_err_t error)
{
    switch (error) {
    case CYAML_ERR_OOM:
    case CYAML_ERR_LIBYAML_PARSER: /* outline_check() saw all of the text: it is YAML */
    case CYAML_ERR_LIBYAML_PARSER_INIT:
    case CYAML_ERR_LIBYAML_EVENT_INIT:
        fault_memory(refusal->fault);
        break;
    case CYAML_ERR_INVALID_KEY:
        refuse_key(refusal);
        break;
    case CYAML_ERR_MAPPING_FIELD_MISSING:
        refuse_missing(refusal);
        break;
    case CYAML_ERR_SEQUENCE_ENTRIES_MIN:
        refuse_count(refusal, "too few");
        break;
    case CYAML_ERR_SEQUENCE_ENTRIES_MAX:
        refuse_count(refusal, "too many");
        break;
    case CYAML_ERR_INVALID_VALUE:
        refuse_shape(refusal);
        break;
    default:
        fault_set(refusal->fault, NULL, "%s", cyaml_strerror(error));
    }
}

/* ---- loading -------------------------------------------------------------------------------- */

struct schema_document *schema_load(const char *text, size_t size, enum option_scope top,
                                    struct fault *fault)
{
    struct report report = {.top = top};
    struct schema_document *document = calloc(1, sizeof(*document));
    if (!document) {
        fault_memory(fault);
        return NULL;
    }
    describe(&document->schema, top);
    document->cyaml = (cyaml_config_t){.log_fn = read_line,
                                       .log_ctx = &report,
                                       .mem_fn = cyaml_mem,
                                       .log_level = CYAML_LOG_ERROR,
                                       .flags = CYAML_CFG_NO_ALIAS};
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)text, size, &document->cyaml, &document->schema.top,
                        (cyaml_data_t **)&document->top, NULL);
    document->cyaml.log_ctx = NULL;
    document->cyaml.log_fn = NULL; /* the report ends here */
    if (error == CYAML_OK && document->top)
        return document;
    const struct refusal refusal = {.text = text, .size = size, .report = &report, .fault = fault};
    refuse(&refusal, error);
    schema_free(document);
    return NULL;
}

const struct schema_slot *schema_top(const struct schema_document *document)
{
    return document->top;
}

void schema_free(struct schema_document *document)
{
    if (document && document->top)
        cyaml_free(&document->cyaml, &document->schema.top, document->top, 0);
    free(document);
}
