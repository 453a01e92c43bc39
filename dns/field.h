/*
 * field.h - RDATA as a row of fields.
 *
 * Each type that is known has a form (form.h): the kinds of its fields in order, how many must
 * be there, and whether more may follow. A walk goes over the bytes of one RDATA by that
 * form and hands out one checked field after the other, without allocating:
 *
 *     MX    INT16  DNAME                 TXT   STR STR* ...
 *     A     A                            NSEC3 INT8 INT8 INT16 SALT NEXT_OWNER [BITMAP]
 *
 * Everything that reads RDATA stands on this one walk: the check and decompression of the miss
 * path, the places of names for the builder, the presentation form. Types that are not known, or
 * known only as a block of bytes, are one field of kind UNKNOWN (RFC 3597). Used inside dns/
 * only.
 */
#ifndef FRESHET_DNS_FIELD_H
#define FRESHET_DNS_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ldns/ldns.h>

#include "dns/error.h"
#include "dns/form.h"
#include "dns/name.h"
#include "dns/wire.h"

/* What a type consists of; `form` is NULL for opaque types. */
struct field_plan {
    const struct form *form;
    size_t minimum; /* fields that must be there */
    size_t maximum; /* fields that may be there */
};

struct field_plan field_plan(uint16_t type);

/* Kind of the field at `index` (below the plan's maximum). */
ldns_rdf_type field_kind(const struct field_plan *plan, size_t index);

/*
 * Whether the names of a type may be compressed on the way out: RFC 1035 types only (RFC 3597
 * 4).
 */
bool field_names_compressible(const struct field_plan *plan);

/* How many bytes a number field of this kind takes; 0 for kinds that are not plain numbers. */
size_t field_number_size(ldns_rdf_type kind);

/* Whether a field of this kind takes all bytes that are left. */
bool field_is_rest(ldns_rdf_type kind);

struct field_walk {
    struct field_plan plan;
    uint16_t type;
    bool decompress; /* pointers in names are followed */
    size_t index;    /* of the next field */
    size_t start;    /* where the last one asked for begins, as an offset from `rdata.base` */
    struct wire_reader
        rdata; /* ends where the RDATA ends; base is the message's when decompressing */
    uint8_t name[NAME_MAX_SIZE]; /* the last name that was decompressed */
};

struct field {
    ldns_rdf_type kind;
    const uint8_t *bytes; /* inside the RDATA, or the walk's `name`; good until the next step */
    size_t size;
};

/* Starts over RDATA that hold no pointers: `length` bytes at `rdata`. */
void field_walk_start(struct field_walk *walk, uint16_t type, const uint8_t *rdata, size_t length);

/*
 * Starts over RDATA inside a message, from the reader's place on for `length` bytes, which must be
 * there. Pointers in names are followed in any type: RFC 3597 4 asks for it in a few, servers use them in others.
 */
void field_walk_message(struct field_walk *walk, uint16_t type, const struct wire_reader *reader,
                        size_t length);

/* Steps to the next field. Returns 1, 0 when the RDATA ended where it may, or ERR_RDATA. */
MUST_CHECK int field_next(struct field_walk *walk, struct field *ret);

/*
 * After ERR_RDATA: whether what is left from `start` on may be handed on as it is. Not where a name is broken, nor in
 * types that are looked into here.
 */
bool field_may_be_odd(const struct field_walk *walk);

/* Walks RDATA without pointers to their end. Returns 0 or ERR_RDATA. */
MUST_CHECK int field_check(uint16_t type, const uint8_t *rdata, size_t length);

/*
 * Whether SvcParams (well formed, see field.c) have the values their keys want. A resolver passes
 * on others as well (RFC 9460 4.3), as bytes, but ldns may not be given them to print: it reads
 * past the end of an empty `mandatory`. Nor does it refuse text that makes them.
 */
bool field_params_have_text(const uint8_t *bytes, size_t size);

#endif
