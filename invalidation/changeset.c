#include "invalidation/changeset.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <xxhash.h>

#include "invalidation/changeset_memory.h"
#include "invalidation/changeset_scan.h"

enum { MAX_RDATA = 65535 };

struct parser {
    struct change_set *set; /* being filled */
    struct set_memory *memory;
    struct changeset_error *error;
    uint8_t scratch[MAX_RDATA];
};

/* ---- where it went wrong ---- */

/* Printable ASCII with an ellipsis: `where` ends up in logs and on terminals. */
static void append_quoted(char *where, const char *text)
{
    size_t at = strlen(where);
    if (at + 8 >= CHANGESET_MAX_WHERE)
        return;
    where[at++] = '"';
    for (; *text && at + 10 < CHANGESET_MAX_WHERE; text++) {
        const uint8_t c = (uint8_t)*text;
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            at += (size_t)snprintf(where + at, CHANGESET_MAX_WHERE - at,
                                   c == '"' || c == '\\' ? "\\%c" : "\\x%02x", c);
        else
            where[at++] = (char)c;
    }
    snprintf(where + at, CHANGESET_MAX_WHERE - at, "%s", *text ? "...\"" : "\"");
}

/* A short look at a value that is not what it should be. */
static void append_value(char *where, const json_t *value)
{
    const size_t at = strlen(where);
    char *end = where + at;
    const size_t left = CHANGESET_MAX_WHERE - at;
    if (!value)
        snprintf(end, left, "missing");
    else if (json_is_string(value))
        append_quoted(where, json_string_value(value));
    else if (json_is_integer(value))
        snprintf(end, left, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(end, left, "%s", json_is_true(value) ? "true" : "false");
    else
        snprintf(end, left, "%s",
                 json_is_object(value)  ? "an object"
                 : json_is_array(value) ? "an array"
                 : json_is_real(value)  ? "not an integer"
                                        : "null");
}

/* Notes the place (printf style); returns `code` to be passed on. */
__attribute__((format(printf, 3, 4))) static int refuse_place(struct parser *p, int code,
                                                              const char *place, ...)
{
    va_list args;
    va_start(args, place);
    vsnprintf(p->error->where, CHANGESET_MAX_WHERE, place, args);
    va_end(args);
    return p->error->code = code;
}

/* The same with the value found there. */
__attribute__((format(printf, 4, 5))) static int refuse(struct parser *p, int code,
                                                        const json_t *value, const char *place, ...)
{
    va_list args;
    va_start(args, place);
    int length = vsnprintf(p->error->where, CHANGESET_MAX_WHERE, place, args);
    va_end(args);
    if (length >= 0 && length + 3 < CHANGESET_MAX_WHERE) {
        memcpy(p->error->where + length, ": ", 3);
        append_value(p->error->where, value);
    }
    return p->error->code = code;
}

static int no_memory(struct parser *p)
{
    p->error->code = ERR_MEMORY;
    p->error->where[0] = '\0';
    return ERR_MEMORY;
}

/* ---- names ---- */

int changeset_name(const char *text, size_t length, uint8_t name[NAME_MAX_SIZE])
{
    int size = name_from_text_n(text, length, name);
    if (size > 0 && !name_text_is_whole(text, length))
        return ERR_RELATIVE;
    if (size > 0)
        name_lower(name, (size_t)size, name);
    return size;
}

static int parse_name(const json_t *value, uint8_t name[NAME_MAX_SIZE])
{
    return changeset_name(json_string_value(value), json_string_length(value), name);
}

/* ---- one change ---- */

static int parse_op(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    const json_t *value = json_object_get(object, "op");
    if (!json_is_string(value))
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].op", k);
    for (int op = CHANGE_SET; op <= CHANGE_FLUSH; op++) {
        if (strcmp(json_string_value(value), change_op_text(op)) == 0) {
            change->op = op;
            return 0;
        }
    }
    return refuse(p, ERR_OP, value, "changes[%zu].op", k);
}

static int parse_owner(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    const json_t *value = json_object_get(object, "name");
    if (!json_is_string(value))
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].name", k);
    uint8_t name[NAME_MAX_SIZE];
    int size = parse_name(value, name);
    if (size < 0)
        return refuse(p, size, value, "changes[%zu].name", k);
    if (!name_is_within(name, p->set->zone))
        return refuse(p, ERR_ZONE, value, "changes[%zu].name", k);
    change->name = changeset_memory_keep(p->memory, name, (size_t)size);
    return change->name ? 0 : no_memory(p);
}

static int parse_subtree(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    const json_t *value = json_object_get(object, "subtree");
    if (!value)
        return 0;
    if (change->op != CHANGE_FLUSH || !json_is_boolean(value))
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].subtree", k);
    change->subtree = json_is_true(value);
    return 0;
}

/* SET and ADD have a type, DEL may have one, FLUSH has none: what it says is ignored. */
static int parse_type(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    const json_t *value = json_object_get(object, "type");
    if (change->op == CHANGE_FLUSH || (!value && change->op == CHANGE_DEL))
        return 0;
    if (!json_is_string(value))
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].type", k);
    int type = type_from_text(json_string_value(value));
    if (type < 0 || type_is_meta((uint16_t)type))
        return refuse(p, ERR_TYPE, value, "changes[%zu].type", k);
    change->type = (uint16_t)type;
    return 0;
}

static int parse_ttl(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    if (change->op != CHANGE_SET && change->op != CHANGE_ADD)
        return 0;
    const json_t *value = json_object_get(object, "ttl");
    if (!json_is_integer(value))
        return refuse(p, ERR_TTL, value, "changes[%zu].ttl", k);
    const json_int_t ttl = json_integer_value(value);
    if (ttl < 0 || ttl > INT32_MAX)
        return refuse(p, ERR_TTL, value, "changes[%zu].ttl", k);
    change->ttl = (uint32_t)ttl;
    return 0;
}

static int parse_record(struct parser *p, const json_t *value, struct change *change, size_t k,
                        size_t r)
{
    if (!json_is_string(value))
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].rdata[%zu]", k, r);
    int size = rdata_from_whole_text(change->type, json_string_value(value), p->scratch,
                                     sizeof p->scratch);
    if (size == ERR_MEMORY)
        return no_memory(p);
    if (size < 0)
        return refuse(p, size == ERR_SPACE ? ERR_RDATA : size, value, "changes[%zu].rdata[%zu]", k,
                      r);
    const uint8_t *bytes = changeset_memory_keep(p->memory, p->scratch, (size_t)size);
    if (!bytes)
        return no_memory(p);
    change->rdata[r] = (struct rdata_view){.bytes = bytes, .size = (uint16_t)size};
    return 0;
}

/* SET and ADD carry records, DEL of a type may, nothing else does. */
static int check_rdata(struct parser *p, const json_t *value, size_t k, const struct change *change)
{
    const bool carries = change->op == CHANGE_SET || change->op == CHANGE_ADD;
    if (!value && !carries)
        return 0;
    if (!json_is_array(value) || change->op == CHANGE_FLUSH || change->type == 0)
        return refuse(p, ERR_SCHEMA, value, "changes[%zu].rdata", k);
    const size_t count = json_array_size(value);
    if (count == 0)
        return refuse_place(p, ERR_SCHEMA, "changes[%zu].rdata is empty", k);
    if (carries && count > 1 && changeset_is_singleton(change->type))
        return refuse_place(p, ERR_RDATA,
                            "changes[%zu].rdata: %zu records of a type that allows one", k, count);
    return 0;
}

static int parse_rdata(struct parser *p, const json_t *object, size_t k, struct change *change)
{
    const json_t *value = json_object_get(object, "rdata");
    int result = check_rdata(p, value, k, change);
    if (result < 0)
        return result;
    change->rdata_count = json_array_size(value); /* 0 when there is none */
    change->rdata = changeset_memory_views(p->memory, change->rdata_count);
    if (!change->rdata)
        return no_memory(p);
    for (size_t r = 0; r < change->rdata_count; r++) {
        result = parse_record(p, json_array_get(value, r), change, k, r);
        if (result < 0)
            return result;
    }
    return 0;
}

static int parse_change(struct parser *p, const json_t *object, size_t k)
{
    struct change *change = &p->set->changes[k];
    if (!json_is_object(object))
        return refuse(p, ERR_SCHEMA, object, "changes[%zu]", k);
    int result = parse_op(p, object, k, change);
    if (result == 0)
        result = parse_owner(p, object, k, change);
    if (result == 0)
        result = parse_subtree(p, object, k, change);
    if (result == 0)
        result = parse_type(p, object, k, change);
    if (result == 0)
        result = parse_ttl(p, object, k, change);
    if (result == 0)
        result = parse_rdata(p, object, k, change);
    return result;
}

/* ---- the whole set ---- */

/* The zone comes first, whatever else is wrong: who refuses the set wants to know whose it was. */
static int read_zone(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "zone");
    if (!json_is_string(value))
        return refuse(p, ERR_SCHEMA, value, "zone");
    int size = parse_name(value, p->error->zone);
    if (size < 0)
        return refuse(p, size, value, "zone");
    p->error->has_zone = true;
    return 0;
}

static int check_version(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "v");
    if (!json_is_integer(value))
        return refuse(p, ERR_SCHEMA, value, "v");
    if (json_integer_value(value) != CHANGESET_VERSION)
        return refuse(p, ERR_SCHEMA_VERSION, value, "v");
    return 0;
}

/* The fields of a set and of its changes. */
static bool is_known_field(const char *name)
{
    static const char *const known[] = {"v",     "zone",    "serial", "time",   "publisher",
                                        "seq",   "op",      "name",   "type",   "ttl",
                                        "rdata", "subtree", "must",   "changes"};
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        if (strcmp(name, known[k]) == 0)
            return true;
    return false;
}

/* Before the rest: what is to be understood may change what the rest means. */
static int check_must(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "must");
    if (!value)
        return 0;
    if (!json_is_array(value))
        return refuse(p, ERR_SCHEMA, value, "must");
    for (size_t k = 0; k < json_array_size(value); k++) {
        const json_t *field = json_array_get(value, k);
        if (!json_is_string(field))
            return refuse(p, ERR_SCHEMA, field, "must[%zu]", k);
        if (!is_known_field(json_string_value(field)))
            return refuse(p, ERR_MUST, field, "must[%zu]", k);
    }
    return 0;
}

static int parse_serial(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "serial");
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > UINT32_MAX)
        return refuse(p, ERR_SCHEMA, value, "serial");
    p->set->has_serial = true;
    p->set->serial = (uint32_t)json_integer_value(value);
    return 0;
}

/* JSON numbers past 2^63-1 are no integers to jansson: such a "seq" is refused as ERR_JSON. */
static int parse_seq(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "seq");
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(p, ERR_SCHEMA, value, "seq");
    p->set->has_seq = true;
    p->set->seq = (uint64_t)json_integer_value(value);
    return 0;
}

static int parse_publisher(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "publisher");
    if (!value)
        return 0;
    if (!json_is_string(value) || json_string_length(value) >= sizeof p->set->publisher)
        return refuse(p, ERR_SCHEMA, value, "publisher");
    memcpy(p->set->publisher, json_string_value(value), json_string_length(value) + 1);
    return 0;
}

static int parse_time(struct parser *p, const json_t *root)
{
    const json_t *value = json_object_get(root, "time");
    if (!json_is_string(value) || time_from_text(json_string_value(value), &p->set->time_us) < 0)
        return refuse(p, ERR_SCHEMA, value, "time");
    return 0;
}

static int parse_fields(struct parser *p, const json_t *root)
{
    int result = parse_serial(p, root);
    if (result == 0)
        result = parse_seq(p, root);
    if (result == 0)
        result = parse_publisher(p, root);
    if (result == 0)
        result = parse_time(p, root);
    return result;
}

static int make_set(struct parser *p, const json_t *changes, size_t json_size)
{
    const size_t count = json_array_size(changes);
    if (count > CHANGESET_MAX_CHANGES)
        return refuse_place(p, ERR_TOO_LARGE, "changes: %zu of them", count);
    p->memory = changeset_memory_new(count, json_size);
    if (!p->memory)
        return no_memory(p);
    p->set = &p->memory->set;
    p->set->change_count = count;
    memset(p->set->changes, 0, count * sizeof *p->set->changes);
    memcpy(p->set->zone, p->error->zone, NAME_MAX_SIZE);
    return 0;
}

static int parse_root(struct parser *p, const json_t *root, size_t json_size)
{
    if (!json_is_object(root))
        return refuse(p, ERR_SCHEMA, root, "the message");
    const int zone = read_zone(p, root);
    int result = check_version(p, root);
    if (result == 0 && zone < 0)
        result = read_zone(p, root);
    if (result == 0)
        result = check_must(p, root);
    const json_t *changes = json_object_get(root, "changes");
    if (result == 0 && !json_is_array(changes))
        result = refuse(p, ERR_SCHEMA, changes, "changes");
    if (result == 0)
        result = make_set(p, changes, json_size);
    if (result == 0)
        result = parse_fields(p, root);
    for (size_t k = 0; result == 0 && k < p->set->change_count; k++)
        result = parse_change(p, json_array_get(changes, k), k);
    return result;
}

static json_t *load(struct parser *p, const char *json, size_t size)
{
    json_error_t why;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &why);
    if (root)
        return root;
    p->error->code = json_error_code(&why) == json_error_out_of_memory ? ERR_MEMORY : ERR_JSON;
    snprintf(p->error->where, CHANGESET_MAX_WHERE, "line %d, column %d: ", why.line, why.column);
    append_quoted(p->error->where, why.text);
    return NULL;
}

int changeset_parse_tree(const char *json, size_t size, struct change_set **ret_set,
                         struct changeset_error *ret_error)
{
    *ret_error = (struct changeset_error){.code = 0};
    if (size > CHANGESET_MAX_BYTES) {
        ret_error->code = ERR_TOO_LARGE;
        snprintf(ret_error->where, CHANGESET_MAX_WHERE, "%zu bytes", size);
        return ERR_TOO_LARGE;
    }
    struct parser *p = malloc(sizeof *p);
    if (!p)
        return ret_error->code = ERR_MEMORY;
    p->memory = NULL;
    p->error = ret_error;
    json_t *root = load(p, json, size);
    int result = root ? parse_root(p, root, size) : ret_error->code;
    json_decref(root);
    if (result == 0)
        *ret_set = &p->memory->set;
    else if (p->memory)
        changeset_free(&p->memory->set);
    free(p);
    return result;
}

int changeset_parse(const char *json, size_t size, struct change_set **ret_set,
                    struct changeset_error *ret_error)
{
    struct change_set *set = size <= CHANGESET_MAX_BYTES ? changeset_scan(json, size) : NULL;
    if (set) {
        *ret_error = (struct changeset_error){.has_zone = true};
        memcpy(ret_error->zone, set->zone, sizeof ret_error->zone);
    } else {
        int result = changeset_parse_tree(json, size, &set, ret_error);
        if (result < 0)
            return result;
    }
    set->digest = XXH3_64bits(json, size);
    *ret_set = set;
    return 0;
}
