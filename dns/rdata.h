/*
 * rdata.h - what RDATA of each type must look like, and where the names in it are.
 *
 * The fields of each type are those of its RFC (form.h); types that are not known are opaque bytes
 * (RFC 3597). Names in RDATA may be compressed only in the types of RFC 1035 (RFC 3597 4); this is
 * where they are undone on the way in and allowed on the way out.
 */
#ifndef FRESHET_DNS_RDATA_H
#define FRESHET_DNS_RDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/type.h"
#include "dns/wire.h"

/*
 * Reads `length` bytes of RDATA of `type` at the cursor and appends them to `out` with names uncompressed. What a
 * resolver looks into itself has to be well formed (A 4 bytes, AAAA 16, the names of NS, CNAME, DNAME, SOA, RRSIG, nothing
 * left over), and so has every name elsewhere; but for that the odd is passed on as it came, a TXT without strings or
 * SvcParams out of order, as other resolvers do. Returns the bytes appended; ERR_RDATA, ERR_SPACE.
 * The cursor ends behind the RDATA on success and failure alike.
 */
MUST_CHECK int rdata_read(struct wire_reader *reader, uint16_t type, uint16_t length,
                          struct wire_writer *out);

/*
 * Parses presentation form ("10 mx.example.com.", or RFC 3597 `\# 4 c0000201`) into uncompressed
 * wire form. Names without a final dot are taken as absolute. Returns the size in bytes (0..65535);
 * ERR_RDATA when the text does not fit the type, ERR_SPACE.
 */
MUST_CHECK int rdata_from_text(uint16_t type, const char *text, uint8_t *buffer, size_t size);

/* The same; ERR_RELATIVE when a name in it has no final dot, ERR_NOT_ASCII when one is a U-label. */
MUST_CHECK int rdata_from_whole_text(uint16_t type, const char *text, uint8_t *buffer, size_t size);

/*
 * Presentation form of uncompressed RDATA, NUL-terminated. Returns the length without the NUL; ERR_RDATA (over 65535
 * bytes), ERR_SPACE. Unknown types and what is not well formed come out in the RFC 3597 form.
 */
MUST_CHECK int rdata_to_text(uint16_t type, const uint8_t *rdata, size_t length, char *text,
                             size_t size);

/* "A", "aaaa", "TYPE65280" to a number (1..65535), or ERR_TYPE. */
MUST_CHECK int type_from_text(const char *text);

/* Mnemonic, or TYPEn (RFC 3597 5). Returns `text`. */
enum { TYPE_MAX_TEXT = 16 };
const char *type_to_text(uint16_t type, char text[TYPE_MAX_TEXT]);

/* Mnemonic of a response code ("NOERROR", "NXDOMAIN", ... "RCODE23"). Returns `text`. */
const char *rcode_to_text(uint16_t rcode, char text[TYPE_MAX_TEXT]);

/* Types that are questions or per-hop data, never stored records (RFC 6895 3.1: OPT, 128..255). */
bool type_is_meta(uint16_t type);

/*
 * Walks the names inside uncompressed RDATA: for k = 0, 1, ... gives the offset of the k-th domain
 * name and whether RFC 3597 4 allows to compress it. Returns false past the last one. `rdata` must
 * have passed rdata_read() or rdata_from_text().
 */
bool rdata_name_at(uint16_t type, const uint8_t *rdata, size_t length, size_t k, size_t *ret_offset,
                   bool *ret_compressible);

/*
 * An order of uncompressed RDATA of one type, that of their bytes but that names have no case (RFC 2181 5, RFC 4343):
 * less than 0, 0 for the same data, or more than 0.
 */
int rdata_compare(uint16_t type, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);

#endif
