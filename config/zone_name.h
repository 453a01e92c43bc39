/*
 * zone_name.h - domain names of the file: read, and compared as names, not as texts.
 *
 * One name has many spellings: `A`, `a`, `\a`, `\097`, with or without the final dot. What is compared is the wire form in
 * lower case (RFC 1035 3.1, RFC 4343).
 */
#ifndef FRESHET_CONFIG_ZONE_NAME_H
#define FRESHET_CONFIG_ZONE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZONE_NAME_MAX = 255 }; /* bytes (RFC 1035 2.3.4) */

/* Bytes of the name, its root label included, written to `ret_wire`; 0: the text is no name. */
size_t zone_name_read(const char *text, uint8_t ret_wire[ZONE_NAME_MAX]);

/* Whether a text is the name of a zone; if not, what it is instead ("is not a domain name"), and what was expected. */
bool zone_name_is_zone(const char *text, const char **ret_what, const char **ret_expected);

/* Whether both, which are names, are the same one. */
bool zone_name_same(const char *one, const char *two);

#endif
