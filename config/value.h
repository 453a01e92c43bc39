/*
 * value.h - one option's value: from text into its field, compared, freed.
 *
 * The table says which field of which structure, and of what kind; here each kind has its rules.
 * All functions take the structure that holds the field (`base`: the struct config, config_tier
 * and so on of the option's scope). Options whose value is a mapping are config.c's.
 */
#ifndef FRESHET_CONFIG_VALUE_H
#define FRESHET_CONFIG_VALUE_H

#include <stdbool.h>

#include "config/fault.h"
#include "config/options.h"
#include "config/schema.h"

/*
 * Parses what stands in `slot`, or the option's default when nothing does, into its field of
 * `base`. `key` is the key path for errors. False, with the line in `fault`, when the value is
 * refused; the field is then half-built and value_free() frees it.
 */
bool value_parse(const struct option *option, const struct schema_slot *slot, const char *key,
                 void *base, struct fault *fault);

/* Frees what the field owns. A zeroed field is fine. */
void value_free(const struct option *option, void *base);

bool value_equal(const struct option *option, const void *base, const void *other);

#endif
