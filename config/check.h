/*
 * check.h - what no single option can know: whether the options fit together.
 */
#ifndef FRESHET_CONFIG_CHECK_H
#define FRESHET_CONFIG_CHECK_H

#include <stdbool.h>

#include "config/config.h"
#include "config/fault.h"

/* Checks a config whose values are all in range. False, with the line in `fault`, when refused. */
bool check_config(const struct config *config, struct fault *fault);

/* The same for freshet-origin, whose file has zones and listeners of its own. */
bool check_origin(const struct config *config, struct fault *fault);

#endif
