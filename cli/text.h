/*
 * text.h - text from people and for terminals.
 *
 * Whatever comes from the network or from a file may hold escape sequences. It reaches a terminal
 * through text_print() only, which leaves printable ASCII alone and shows every other byte as \xHH.
 */
#ifndef FRESHET_CLI_TEXT_H
#define FRESHET_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Decimal digits only, 0..`most`. */
bool text_to_number(const char *text, uint64_t most, uint64_t *ret_number);

/*
 * "3600", "1h", "1h30m"; units s, m, h, d, w, from large to small or not; 0..2147483647 (RFC 2181
 * 8).
 */
bool text_to_ttl(const char *text, uint32_t *ret_ttl);

/* "5" (seconds), "500ms", "2m", "1h", in milliseconds; at most 24 days, so that an int holds it. */
bool text_to_duration(const char *text, uint64_t *ret_ms);

/*
 * Prints with every byte that is not printable ASCII as \xHH; returns how many characters that
 * were.
 */
size_t text_print(FILE *file, const char *text);

/* How many characters text_print() would print. */
size_t text_width(const char *text);

#endif
