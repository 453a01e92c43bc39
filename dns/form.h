/*
 * form.h - the record types: their mnemonics, and the fields that their RDATA consist of.
 *
 * One row for each type of the registry (RFC 6895 3.1), written from the RFC that defines it. The kinds of fields are
 * ldns'; its own table of types is not asked, as what it holds differs from one release to the next, and is not
 * right everywhere: NSAP-PTR has a name, not a string. Used inside dns/ only.
 */
#ifndef FRESHET_DNS_FORM_H
#define FRESHET_DNS_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include <ldns/ldns.h>

enum { FORM_MAX_FIELDS = 9 };

struct form {
    const char *name;                /* NULL: no such type */
    uint8_t minimum;                 /* fields that must be there */
    uint8_t maximum;                 /* fields that may be there, a repeated one left out */
    bool repeats;                    /* the last one may come again, and again */
    bool compress;                   /* names may be compressed on the way out (RFC 3597 4) */
    uint8_t fields[FORM_MAX_FIELDS]; /* ldns_rdf_type */
};

/* NULL: the type is not known. One of a single field of kind UNKNOWN is known by name alone. */
const struct form *form_of(uint16_t type);

/* The type of a mnemonic in any case, or ERR_TYPE. */
int form_type(const char *name);

#endif
