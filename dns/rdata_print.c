/*
 * rdata_print.c - RDATA to text: rdata_to_text() of rdata.h.
 *
 * No text loses a bit of the RDATA. What ldns had a hand in is read back and compared; where that
 * fails, and where only bytes can be said, the form for any type is written (RFC 3597 5).
 */
#include "dns/rdata.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns/field.h"

enum {
    NUMBER_DIGITS = 10, /* of a 32-bit number */
    /* Characters per byte: ldns asserts that its buffer has room, and does not always make it. */
    FOREIGN_GROWTH = 8,
};

/* -- wire to text ------------------------------------------------------------------------------ */

static void write_text(struct wire_writer *out, const char *string)
{
    wire_write(out, string, strlen(string));
}

static void write_decimal(struct wire_writer *out, const uint8_t *bytes, size_t size)
{
    char digits[NUMBER_DIGITS + 1];
    uint32_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    snprintf(digits, sizeof(digits), "%u", (unsigned)number);
    write_text(out, digits);
}

static void write_quoted(struct wire_writer *out, const uint8_t *bytes, size_t size)
{
    char escape[5];

    wire_write_u8(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < ' ' || bytes[i] >= 0x7f) {
            snprintf(escape, sizeof(escape), "\\%03u", (unsigned)bytes[i]);
            write_text(out, escape);
            continue;
        }
        if (bytes[i] == '"' || bytes[i] == '\\')
            wire_write_u8(out, '\\');
        wire_write_u8(out, bytes[i]);
    }
    wire_write_u8(out, '"');
}

static void write_hex(struct wire_writer *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        wire_write_u8(out, (uint8_t)digits[bytes[i] >> 4]);
        wire_write_u8(out, (uint8_t)digits[bytes[i] & 15]);
    }
}

static void write_base64(struct wire_writer *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (i + 1 < size)
            group |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < size)
            group |= bytes[i + 2];
        wire_write_u8(out, (uint8_t)digits[group >> 18]);
        wire_write_u8(out, (uint8_t)digits[group >> 12 & 63]);
        wire_write_u8(out, i + 1 < size ? (uint8_t)digits[group >> 6 & 63] : '=');
        wire_write_u8(out, i + 2 < size ? (uint8_t)digits[group & 63] : '=');
    }
}

static void write_address(struct wire_writer *out, const uint8_t *bytes, int family)
{
    char string[INET6_ADDRSTRLEN];

    write_text(out, inet_ntop(family, bytes, string, sizeof(string)));
}

static void write_bitmap(struct wire_writer *out, const uint8_t *bytes, size_t size)
{
    char string[TYPE_MAX_TEXT];
    bool first = true;

    for (size_t at = 0; at < size; at += 2u + bytes[at + 1]) {
        for (unsigned bit = 0; bit < 8u * bytes[at + 1]; bit++) {
            if (!(bytes[at + 2 + bit / 8] & 0x80 >> bit % 8))
                continue;
            if (!first)
                wire_write_u8(out, ' ');
            first = false;
            write_text(out, type_to_text((uint16_t)(bytes[at] << 8 | bit), string));
        }
    }
}

/* precedence, discovery bit, relay type, relay (RFC 8777 4.3.1); false: of a type without a text. */
static bool write_amtrelay(struct wire_writer *out, const uint8_t *bytes)
{
    char string[NAME_MAX_TEXT];

    snprintf(string, sizeof(string), "%u %u %u ", bytes[0], bytes[1] >> 7, bytes[1] & 0x7fu);
    write_text(out, string);
    switch (bytes[1] & 0x7f) {
    case 0:
        write_text(out, ".");
        return true;
    case 1:
        write_address(out, bytes + 2, AF_INET);
        return true;
    case 2:
        write_address(out, bytes + 2, AF_INET6);
        return true;
    case 3:
        write_text(out, name_to_text(bytes + 2, string));
        return true;
    default:
        return false;
    }
}

/* Writes a kind that this file knows; false for those it leaves to ldns. */
static bool write_own(struct wire_writer *out, const struct field *field)
{
    char string[NAME_MAX_TEXT];

    switch (field->kind) {
    case LDNS_RDF_TYPE_DNAME:
        write_text(out, name_to_text(field->bytes, string));
        return true;
    case LDNS_RDF_TYPE_A:
        write_address(out, field->bytes, AF_INET);
        return true;
    case LDNS_RDF_TYPE_AAAA:
        write_address(out, field->bytes, AF_INET6);
        return true;
    case LDNS_RDF_TYPE_STR:
        write_quoted(out, field->bytes + 1, field->size - 1);
        return true;
    case LDNS_RDF_TYPE_LONG_STR:
        write_quoted(out, field->bytes, field->size);
        return true;
    case LDNS_RDF_TYPE_HEX:
        write_hex(out, field->bytes, field->size);
        return true;
    case LDNS_RDF_TYPE_B64:
        write_base64(out, field->bytes, field->size);
        return true;
    case LDNS_RDF_TYPE_INT8:
    case LDNS_RDF_TYPE_INT16:
    case LDNS_RDF_TYPE_INT32:
    case LDNS_RDF_TYPE_PERIOD:
    case LDNS_RDF_TYPE_ALG:
        write_decimal(out, field->bytes, field->size);
        return true;
    default:
        return false;
    }
}

static bool write_foreign(struct wire_writer *out, const struct field *field)
{
    ldns_rdf *copy = ldns_rdf_new_frm_data(field->kind, field->size, field->bytes);
    ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN + FOREIGN_GROWTH * field->size);
    bool fine = copy && buffer && ldns_rdf2buffer_str(buffer, copy) == LDNS_STATUS_OK;

    if (fine) {
        size_t size = ldns_buffer_position(buffer);
        while (size > 0 && *ldns_buffer_at(buffer, size - 1) == ' ')
            size--; /* some of ldns' writers end in a blank */
        wire_write(out, ldns_buffer_begin(buffer), size);
    }
    ldns_buffer_free(buffer);
    ldns_rdf_deep_free(copy);
    return fine;
}

static void write_generic(struct wire_writer *out, const uint8_t *rdata, size_t length)
{
    char start[16];

    snprintf(start, sizeof(start), "\\# %zu%s", length, length > 0 ? " " : "");
    write_text(out, start);
    write_hex(out, rdata, length);
}

/*
 * Bytes of unknown meaning, and those whose text another machine may read otherwise: WKS names
 * ports after /etc/services.
 */
static bool must_be_generic(const struct field *field)
{
    switch (field->kind) {
    case LDNS_RDF_TYPE_UNKNOWN:
    case LDNS_RDF_TYPE_WKS:
        return true;
    case LDNS_RDF_TYPE_SVCPARAMS:
        return !field_params_have_text(field->bytes, field->size);
    default:
        return false;
    }
}

/*
 * Writes field after field. Returns 0; 1 when ldns had a hand in it; ERR_RDATA when it cannot
 * be.
 */
static int write_fields(struct wire_writer *out, uint16_t type, const uint8_t *rdata, size_t length)
{
    struct field_walk walk;
    struct field field;
    int step, foreign = 0;

    field_walk_start(&walk, type, rdata, length);
    while ((step = field_next(&walk, &field)) > 0) {
        if (must_be_generic(&field))
            return ERR_RDATA;
        if (walk.index > 1)
            wire_write_u8(out, ' ');
        if (field.kind == LDNS_RDF_TYPE_AMTRELAY) {
            if (!write_amtrelay(out, field.bytes))
                return ERR_RDATA;
        } else if (field.kind == LDNS_RDF_TYPE_BITMAP) {
            write_bitmap(out, field.bytes, field.size);
            foreign = 1; /* a bitmap can be spelled in more ways than one */
        } else if (!write_own(out, &field)) {
            foreign = 1;
            if (!write_foreign(out, &field))
                return ERR_RDATA;
        }
    }
    return step < 0 ? step : foreign;
}

/* Whether `text` reads back as the same bytes. */
static bool reads_back(uint16_t type, const char *text, const uint8_t *rdata, size_t length)
{
    uint8_t *back = malloc(length + 1);
    bool same = back && rdata_from_text(type, text, back, length + 1) == (int)length &&
                memcmp(back, rdata, length) == 0;

    free(back);
    return same;
}

int rdata_to_text(uint16_t type, const uint8_t *rdata, size_t length, char *text, size_t size)
{
    struct wire_writer out = wire_writer((uint8_t *)text, size);
    int how;

    if (length > UINT16_MAX)
        return ERR_RDATA;
    how = length > 0 && field_check(type, rdata, length) == 0
              ? write_fields(&out, type, rdata, length)
              : ERR_RDATA;
    wire_write_u8(&out, '\0');
    if (how < 0 || (how > 0 && !out.failed && !reads_back(type, text, rdata, length))) {
        out = wire_writer((uint8_t *)text, size);
        write_generic(&out, rdata, length);
        wire_write_u8(&out, '\0');
    }
    return out.failed ? ERR_SPACE : (int)out.at - 1;
}
