/*
 * schema.h - from text to the words of the configuration, through libcyaml.
 *
 * libcyaml's schema is made from the table in options.c. Every value arrives as the text that was
 * written; value.c gives it its kind. A mapping becomes an array of slots, one per row of its scope
 * and in the table's order:
 *
 *   SCOPE_TOP  [workers][control]...[feed][tiers]
 *                 |                    |     `--> tier 0 [name][listen]... tier 1 [name][listen]...
 *                 `--> "1"             `--> [brokers][updates]...
 */
#ifndef FRESHET_CONFIG_SCHEMA_H
#define FRESHET_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/fault.h"
#include "config/options.h"

/* What stands behind one key; `data` is NULL when the key is not there. */
struct schema_slot {
    void *data; /* value: char *; list: char **; mapping, list of mappings: struct schema_slot * */
    uint32_t count; /* lists: entries */
};

struct schema_document; /* owns the slots */

/*
 * Loads a text that passed outline_check(), as the mapping of `top`. NULL, with the line in `fault`, when a key is unknown
 * or missing or has the wrong shape.
 */
struct schema_document *schema_load(const char *text, size_t size, enum option_scope top,
                                    struct fault *fault);

/* The slots of the top; they live as long as the document. */
const struct schema_slot *schema_top(const struct schema_document *document);

/* Frees a document; NULL is fine. */
void schema_free(struct schema_document *document);

#endif
