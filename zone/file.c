/* file.c - see file.h. */
#include "zone/file.h"

#include <ctype.h>
#include <errno.h>
#include <libzscanner/scanner.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "zone/node.h"

/*
 * Records of one owner and type that stand together in the file become one change: a name is made anew with each.
 */
struct reading {
    struct zone_edit *edit;
    struct zone_file_error *error;
    int result;
    const uint8_t *apex;
    bool has_soa;
    struct change change;    /* the records that wait; none: rdata_count is 0 */
    unsigned long long line; /* of the first of them */
    unsigned long long last; /* of the record before this one */
    uint8_t owner[NAME_MAX_SIZE];
    size_t used, capacity; /* bytes in data[], places in rdata[] */
    struct rdata_view *rdata;
    uint8_t data[NODE_MAX_RDATA];
    uint8_t checked[NODE_MAX_RDATA]; /* one record as it is after the check */
};

static void stop_at(zs_scanner_t *scanner, unsigned long long line, int result, const char *what)
{
    struct reading *reading = scanner->process.data;
    if (reading->result == ERR_OK) {
        reading->result = result;
        snprintf(reading->error->where, sizeof reading->error->where, "%s:%llu: %s",
                 scanner->file.name ? scanner->file.name : "?", line, what);
    }
    scanner->state = ZS_STATE_STOP;
}

static void stop(zs_scanner_t *scanner, int result, const char *what)
{
    stop_at(scanner, scanner->line_counter, result, what);
}

static void process_error(zs_scanner_t *scanner)
{
    const int code = scanner->error.code;
    stop(scanner,
         code == ZS_ENOMEM                                 ? ERR_MEMORY
         : code == ZS_FILE_OPEN || code == ZS_FILE_INVALID ? ERR_SYSTEM
                                                           : ERR_FORMAT,
         zs_strerror(code));
}

/* Makes the waiting records part of the edit; what is wrong is wrong where they begin. */
static int flush(struct reading *reading, zs_scanner_t *scanner)
{
    struct change *change = &reading->change;
    if (change->rdata_count == 0)
        return ERR_OK;
    change->rdata = reading->rdata;
    const int result = zone_edit_change(reading->edit, change);
    if (result != ERR_OK)
        stop_at(scanner, reading->line, result, error_text(result));
    change->rdata_count = 0;
    reading->used = 0;
    return result;
}

static bool goes_with(const struct reading *reading, const zs_scanner_t *scanner)
{
    const struct change *change = &reading->change;
    return change->rdata_count > 0 && change->type == scanner->r_type &&
           change->ttl == scanner->r_ttl && name_equal(reading->owner, scanner->r_owner) &&
           reading->used + scanner->r_data_length <= sizeof reading->data;
}

static int more_places(struct reading *reading)
{
    enum { AT_FIRST = 64 };
    if (reading->change.rdata_count < reading->capacity)
        return ERR_OK;
    const size_t capacity = reading->capacity ? 2 * reading->capacity : AT_FIRST;
    struct rdata_view *rdata = realloc(reading->rdata, capacity * sizeof *rdata);
    if (!rdata)
        return ERR_MEMORY;
    reading->rdata = rdata;
    reading->capacity = capacity;
    return ERR_OK;
}

/* What the library reads is what the rest of this program takes for well formed. */
static bool is_well_formed(struct reading *reading, const zs_scanner_t *scanner)
{
    struct wire_reader reader = wire_reader(scanner->r_data, scanner->r_data_length);
    struct wire_writer writer = wire_writer(reading->checked, sizeof reading->checked);
    return rdata_read(&reader, scanner->r_type, (uint16_t)scanner->r_data_length, &writer) ==
           (int)scanner->r_data_length;
}

static int collect(struct reading *reading, zs_scanner_t *scanner)
{
    struct change *change = &reading->change;
    int result = goes_with(reading, scanner) ? ERR_OK : flush(reading, scanner);
    if (result == ERR_OK)
        result = more_places(reading);
    if (result != ERR_OK)
        return result;
    if (change->rdata_count == 0)
        reading->line = scanner->line_counter;
    name_lower(scanner->r_owner, scanner->r_owner_length, reading->owner);
    *change = (struct change){.op = CHANGE_ADD,
                              .type = scanner->r_type,
                              .ttl = scanner->r_ttl,
                              .name = reading->owner,
                              .rdata_count = change->rdata_count};
    uint8_t *at = reading->data + reading->used;
    memcpy(at, scanner->r_data, scanner->r_data_length);
    reading->rdata[change->rdata_count++] =
        (struct rdata_view){at, (uint16_t)scanner->r_data_length};
    reading->used += scanner->r_data_length;
    return ERR_OK;
}

static void process_record(zs_scanner_t *scanner)
{
    struct reading *reading = scanner->process.data;
    const bool at_apex = name_equal(scanner->r_owner, reading->apex);
    if (scanner->r_class != CLASS_IN)
        stop(scanner, ERR_FORMAT, "a class other than IN");
    else if (type_is_meta(scanner->r_type))
        stop(scanner, ERR_FORMAT, "a type that is no record's");
    else if (scanner->r_ttl > INT32_MAX)
        stop(scanner, ERR_FORMAT, error_text(ERR_TTL));
    else if (!name_is_within(scanner->r_owner, reading->apex))
        stop(scanner, ERR_ZONE, error_text(ERR_ZONE));
    else if (scanner->r_type == TYPE_SOA && !at_apex)
        stop(scanner, ERR_FORMAT, "a SOA elsewhere than at the zone's apex");
    else if (scanner->r_type == TYPE_SOA && reading->has_soa)
        stop(scanner, ERR_FORMAT, "a second SOA");
    else if (!is_well_formed(reading, scanner))
        stop(scanner, ERR_FORMAT, error_text(ERR_RDATA));
    else {
        const int result = collect(reading, scanner);
        if (result != ERR_OK)
            stop(scanner, result, error_text(result));
        reading->has_soa |= scanner->r_type == TYPE_SOA;
        reading->last = scanner->line_counter;
    }
}

/* After the last record; the scanner knows the file and the line yet. */
static void finish(struct reading *reading, zs_scanner_t *scanner)
{
    if (reading->result == ERR_OK && flush(reading, scanner) == ERR_OK && !reading->has_soa)
        stop_at(scanner, reading->last, ERR_FORMAT, "no SOA up to here");
}

static void scan(struct reading *reading, const char *path)
{
    zs_scanner_t *scanner = calloc(1, sizeof *scanner);
    char origin[NAME_MAX_TEXT];
    if (!scanner) {
        reading->result = ERR_MEMORY;
        return;
    }
    if (zs_init(scanner, name_to_text(reading->apex, origin), CLASS_IN, 3600) != 0 ||
        zs_set_processing(scanner, process_record, process_error, reading) != 0 ||
        zs_set_input_file(scanner, path) != 0) {
        const int code = scanner->error.code;
        reading->result = code == ZS_ENOMEM ? ERR_MEMORY : ERR_SYSTEM;
        snprintf(reading->error->where, sizeof reading->error->where, "%s: %s", path,
                 code == ZS_FILE_OPEN ? strerror(errno) : zs_strerror(code));
    } else {
        if (zs_parse_all(scanner) != 0 && reading->result == ERR_OK)
            process_error(scanner);
        finish(reading, scanner);
    }
    zs_deinit(scanner);
    free(scanner);
}

int zone_file_read(const char *path, struct zone_edit *edit, struct zone_file_error *ret_error)
{
    struct zone_file_error error = {""};
    struct reading *reading = malloc(sizeof *reading);
    if (!reading) {
        snprintf(ret_error->where, sizeof ret_error->where, "%s: %s", path, error_text(ERR_MEMORY));
        return ERR_MEMORY;
    }
    reading->edit = edit;
    reading->error = &error;
    reading->result = ERR_OK;
    reading->apex = zone_edit_apex(edit);
    reading->has_soa = false;
    reading->line = reading->last = 1;
    reading->change.rdata_count = reading->used = reading->capacity = 0;
    reading->rdata = NULL;
    scan(reading, path);
    const int result = reading->result;
    free(reading->rdata);
    free(reading);
    if (result != ERR_OK)
        *ret_error = error;
    return result;
}

/* -- writing ----------------------------------------------------------------------------------- */

enum { TEXT_SIZE = 4 * UINT16_MAX + 1024 }; /* RDATA with every byte escaped */

struct writing {
    FILE *out;
    char *text;
    int result;
};

/* A byte that libzscanner takes in a name as it is; of others it wants a backslash before them, '#' and '+' too. */
static bool is_plain(uint8_t byte)
{
    return byte < 0x80 && (isalnum(byte) || strchr("-_/*", byte)) && byte != 0;
}

static bool is_plain_name(const uint8_t *name)
{
    for (; name[0] != 0; name = name_parent(name))
        for (unsigned i = 1; i <= name[0]; i++)
            if (!is_plain(name[i]))
                return false;
    return true;
}

static void owner_to_text(const uint8_t *name, char text[NAME_MAX_TEXT])
{
    char *to = text;
    if (is_plain_name(name)) {
        name_to_text(name, text);
        return;
    }
    for (; name[0] != 0; name = name_parent(name)) {
        for (unsigned i = 1; i <= name[0]; i++)
            to += sprintf(to, is_plain(name[i]) ? "%c" : "\\%03u", name[i]);
        *to++ = '.';
    }
    *to = '\0';
}

/* Where a name within would have to be escaped, all of it as RFC 3597 5 has it. */
static int value_to_text(uint16_t type, struct rdata_view rdata, char *text)
{
    size_t offset;
    bool compressible, plain = true;
    for (size_t k = 0;
         plain && rdata_name_at(type, rdata.bytes, rdata.size, k, &offset, &compressible); k++)
        plain = is_plain_name(rdata.bytes + offset);
    if (plain)
        return rdata_to_text(type, rdata.bytes, rdata.size, text, TEXT_SIZE);
    text += sprintf(text, "\\# %u ", rdata.size);
    for (size_t i = 0; i < rdata.size; i++)
        text += sprintf(text, "%02x", rdata.bytes[i]);
    return ERR_OK;
}

static bool write_rrset(void *arg, const struct zone_rrset *rrset)
{
    struct writing *writing = arg;
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
    owner_to_text(rrset->owner, name);
    type_to_text(rrset->type, type);
    for (size_t k = 0; k < rrset->count && writing->result == ERR_OK; k++) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        writing->result = value_to_text(rrset->type, rdata, writing->text);
        if (writing->result >= 0)
            writing->result = fprintf(writing->out, "%s %u IN %s %s\n", name,
                                      (unsigned)zone_ttl(rrset, k), type, writing->text) < 0
                                  ? ERR_SYSTEM
                                  : ERR_OK;
    }
    return writing->result == ERR_OK;
}

int zone_file_write(FILE *out, const struct zone_state *state)
{
    struct writing writing = {.out = out, .text = malloc(TEXT_SIZE), .result = ERR_OK};
    if (!writing.text)
        return ERR_MEMORY;
    zone_each(state, write_rrset, &writing);
    free(writing.text);
    if (writing.result == ERR_OK && fflush(out) != 0)
        return ERR_SYSTEM;
    return writing.result;
}
