/*
 * zone_list.h - many names, to be looked for: in order of their wire forms, packed.
 */
#ifndef FRESHET_CONFIG_ZONE_LIST_H
#define FRESHET_CONFIG_ZONE_LIST_H

#include "config/fault.h"
#include "config/zone_name.h"

struct zone_list;

/* Of names as written, which are names; the texts are borrowed. NULL: no memory. */
struct zone_list *zone_list_new(char *const *names, size_t count);
void zone_list_free(struct zone_list *list); /* NULL is fine */

/* Whether a name in wire form is there, and which of the texts it is: the last, where there are more. */
bool zone_list_has(const struct zone_list *list, const uint8_t *wire, size_t size,
                   size_t *ret_index);

/* The first in that order that is there twice, the second one of the texts after the first. False: none is. */
bool zone_list_twice(const struct zone_list *list, size_t *ret_first, size_t *ret_second);

#endif
