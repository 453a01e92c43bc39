/*
 * name_set.h - names, to be looked for.
 */
#ifndef FRESHET_DAEMON_NAME_SET_H
#define FRESHET_DAEMON_NAME_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/error.h"

struct name_set; /* NULL: there are none */

/* Adds a name as it is written. ERR_MEMORY, ERR_NAME. */
MUST_CHECK int name_set_add(struct name_set **set, const char *text);

/* `name` is canonical. */
bool name_set_has(const struct name_set *set, const uint8_t *name);

/* From here on there are none. */
void name_set_clear(struct name_set **set);

#endif
