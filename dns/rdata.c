/* rdata.c - see rdata.h. The presentation form lives in rdata_scan.c and rdata_print.c. */
#include "dns/rdata.h"

#include <stdio.h>
#include <strings.h>

#include "dns/field.h"

/* -- reading and walking ----------------------------------------------------------------------- */

int rdata_read(struct wire_reader *reader, uint16_t type, uint16_t length, struct wire_writer *out)
{
    struct wire_reader start = *reader;
    struct field_walk walk;
    struct field field;
    size_t before = out->at;
    int step;

    if (!wire_read(reader, length))
        return ERR_RDATA;
    field_walk_message(&walk, type, &start, length);
    while ((step = field_next(&walk, &field)) > 0)
        wire_write(out, field.bytes, field.size);
    if (step < 0 && field_may_be_odd(&walk)) {
        wire_write(out, reader->base + walk.start, reader->at - walk.start);
    } else if (step < 0) {
        out->at = before;
        return step;
    }
    return out->failed ? ERR_SPACE : (int)(out->at - before);
}

bool rdata_name_at(uint16_t type, const uint8_t *rdata, size_t length, size_t k, size_t *ret_offset,
                   bool *ret_compressible)
{
    struct field_walk walk;
    struct field field;

    field_walk_start(&walk, type, rdata, length);
    while (field_next(&walk, &field) > 0) {
        if (field.kind != LDNS_RDF_TYPE_DNAME || k-- > 0)
            continue;
        *ret_offset = (size_t)(field.bytes - rdata);
        *ret_compressible = field_names_compressible(&walk.plan);
        return true;
    }
    return false;
}

int rdata_compare(uint16_t type, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size, offset = 0, name_end = 0, k = 0;
    bool compressible;

    for (size_t at = 0; at < common; at++) {
        uint8_t one = a[at], other = b[at];
        if (one == other)
            continue;
        /* Up to here both are alike, and so is where their names are. */
        while (at >= name_end && rdata_name_at(type, a, a_size, k++, &offset, &compressible))
            name_end = offset + name_size(a + offset);
        if (at >= offset && at < name_end) {
            one = name_fold(one);
            other = name_fold(other);
        }
        if (one != other)
            return one < other ? -1 : 1;
    }
    return (a_size > b_size) - (a_size < b_size);
}

/* -- mnemonics --------------------------------------------------------------------------------- */

/* The number in "TYPE65280" behind its four letters, or ERR_TYPE (RFC 3597 5). */
static int type_number(const char *digits)
{
    int number = 0;

    for (const char *p = digits; *p; p++) {
        if (*p < '0' || *p > '9' || p - digits > 4)
            return ERR_TYPE;
        number = number * 10 + (*p - '0');
    }
    return number >= 1 && number <= UINT16_MAX ? number : ERR_TYPE;
}

int type_from_text(const char *text)
{
    if (strncasecmp(text, "TYPE", 4) == 0)
        return type_number(text + 4);
    return form_type(text);
}

const char *type_to_text(uint16_t type, char text[TYPE_MAX_TEXT])
{
    const struct form *form = form_of(type);

    if (form)
        snprintf(text, TYPE_MAX_TEXT, "%s", form->name);
    else
        snprintf(text, TYPE_MAX_TEXT, "TYPE%u", (unsigned)type);
    return text;
}

/* By number (RFC 6895 2.3); gaps are not assigned. */
static const char *const rcode_names[] = {
    [0] = "NOERROR",  [1] = "FORMERR",    [2] = "SERVFAIL", [3] = "NXDOMAIN",  [4] = "NOTIMP",
    [5] = "REFUSED",  [6] = "YXDOMAIN",   [7] = "YXRRSET",  [8] = "NXRRSET",   [9] = "NOTAUTH",
    [10] = "NOTZONE", [11] = "DSOTYPENI", [16] = "BADVERS", [17] = "BADKEY",   [18] = "BADTIME",
    [19] = "BADMODE", [20] = "BADNAME",   [21] = "BADALG",  [22] = "BADTRUNC", [23] = "BADCOOKIE",
};

const char *rcode_to_text(uint16_t rcode, char text[TYPE_MAX_TEXT])
{
    if (rcode < sizeof(rcode_names) / sizeof(rcode_names[0]) && rcode_names[rcode])
        snprintf(text, TYPE_MAX_TEXT, "%s", rcode_names[rcode]);
    else
        snprintf(text, TYPE_MAX_TEXT, "RCODE%u", (unsigned)rcode);
    return text;
}

bool type_is_meta(uint16_t type)
{
    return type == 0 || type == TYPE_OPT || (type >= 128 && type <= TYPE_ANY);
}
