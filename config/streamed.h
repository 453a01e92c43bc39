/*
 * streamed.h - zones of a tier that are streamed: what goes together.
 */
#ifndef FRESHET_CONFIG_STREAMED_H
#define FRESHET_CONFIG_STREAMED_H

#include "config/config.h"
#include "config/fault.h"

/* False, with the line in `fault`, when a zone of the tier cannot be streamed as is written. */
bool streamed_check(const struct config *config, size_t tier, struct fault *fault);

/* Whether other zones are streamed in one than in the other, which have the same tiers; writes the key of the first to `ret_key`. */
bool streamed_differ(const struct config *running, const struct config *wanted,
                     char ret_key[CONFIG_MAX_ERROR]);

#endif
