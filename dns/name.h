/*
 * name.h - domain names in wire form.
 *
 * A name is `const uint8_t *`: length-prefixed labels up to and including the root's zero byte,
 * uncompressed, at most 255 bytes (RFC 1035 3.1, 2.3.4). Two gates make one out of foreign bytes,
 * name_read() for messages and name_from_text() for people; past them every function trusts the
 * form and takes no length. Label lengths (0..63) never collide with ASCII letters (65..), so case
 * folding runs over the whole of a name without looking at labels.
 *
 * "Canonical" means lower case; only ASCII letters have case (RFC 4343).
 */
#ifndef FRESHET_DNS_NAME_H
#define FRESHET_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/wire.h"

enum {
    NAME_MAX_SIZE = 255,   /* bytes in wire form, root label included */
    NAME_MAX_LABELS = 127, /* not counting the root */
    NAME_MAX_TEXT = 1016,  /* presentation form with every byte as \DDD, dots, NUL */
};

/*
 * Reads a name at the cursor, following compression pointers, and leaves the cursor behind it.
 * Pointers must point strictly before the name's own labels, so loops cannot happen (RFC 1035 4.1.4).
 * `buffer` takes the uncompressed name, case kept. Returns its size in bytes (1..255);
 * ERR_SHORT, ERR_NAME (label type 01/10, over 255 bytes), ERR_POINTER. On failure the reader fails
 * too and `buffer` holds nothing meaningful.
 */
MUST_CHECK int name_read(struct wire_reader *reader, uint8_t buffer[NAME_MAX_SIZE]);

/*
 * Parses presentation form (RFC 1035 5.1: `\X`, `\DDD` escapes); a missing final dot is implied, ""
 * is refused, "." is the root. Case is kept. Bytes that are not ASCII must be escaped: a U-label is not a name of the
 * DNS. Returns the size in bytes, ERR_NAME, or ERR_NOT_ASCII.
 */
MUST_CHECK int name_from_text(const char *text, uint8_t buffer[NAME_MAX_SIZE]);

/* As name_from_text() for text of `length` bytes that need not end in NUL. */
MUST_CHECK int name_from_text_n(const char *text, size_t length, uint8_t buffer[NAME_MAX_SIZE]);

/* Whether the text ends in a dot that ends a label, not in an escaped one. */
bool name_text_is_whole(const char *text, size_t length);

/*
 * Writes presentation form with its final dot, NUL-terminated; bytes outside printable ASCII and
 * the special characters of zone files are escaped. Returns `text`, so it can stand in an argument.
 */
const char *name_to_text(const uint8_t *name, char text[NAME_MAX_TEXT]);

/* Size in bytes, root label included (1..255). */
size_t name_size(const uint8_t *name);

/* Number of labels, not counting the root (0..127). */
size_t name_labels(const uint8_t *name);

/* The name without its first label, pointing into `name`; NULL for the root. */
static inline const uint8_t *name_parent(const uint8_t *name)
{
    return name[0] ? name + 1 + name[0] : NULL;
}

/* One byte in lower case; the identity for all but A..Z. */
static inline uint8_t name_fold(uint8_t c)
{
    return (uint8_t)(c - 'A') < 26 ? (uint8_t)(c | 0x20) : c;
}

/* Folds `size` bytes of a name to lower case, from `name` to `folded` (may be the same place). */
void name_lower(const uint8_t *name, size_t size, uint8_t *folded);

/* Same name, ignoring case. */
bool name_equal(const uint8_t *a, const uint8_t *b);

/* An order of names, ignoring case: less than 0, 0 for the same name, or more than 0. Not that of DNSSEC. */
int name_compare(const uint8_t *a, const uint8_t *b);

/* Whether `name` is `ancestor` or lies below it, ignoring case; everything lies below the root. */
bool name_is_within(const uint8_t *name, const uint8_t *ancestor);

/* Whether the first label is the single byte "*" (RFC 4592). */
static inline bool name_is_wildcard(const uint8_t *name)
{
    return name[0] == 1 && name[1] == '*';
}

/*
 * Replaces the suffix `from` of `name` with `to` (a DNAME substitution, RFC 6672 2.2). `name` must
 * lie strictly below `from`. Returns the new size, or ERR_NAME when it passes 255 bytes.
 */
MUST_CHECK int name_substitute(const uint8_t *name, const uint8_t *from, const uint8_t *to,
                               uint8_t buffer[NAME_MAX_SIZE]);

#endif
