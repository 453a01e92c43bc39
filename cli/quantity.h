/*
 * quantity.h - numbers with the units that people read: "1.5 MiB", "250 us", "3 h 12 min".
 */
#ifndef FRESHET_CLI_QUANTITY_H
#define FRESHET_CLI_QUANTITY_H

#include <stdint.h>

enum { QUANTITY_MAX_TEXT = 32 };

/* Each writes into `ret_text` and returns it. */
const char *quantity_bytes(uint64_t bytes, char ret_text[QUANTITY_MAX_TEXT]);
const char *quantity_us(uint64_t us, char ret_text[QUANTITY_MAX_TEXT]);
const char *quantity_seconds(double seconds, char ret_text[QUANTITY_MAX_TEXT]);

#endif
