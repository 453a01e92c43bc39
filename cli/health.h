/*
 * health.h - what of a status asks for somebody's attention, a sentence each.
 */
#ifndef FRESHET_CLI_HEALTH_H
#define FRESHET_CLI_HEALTH_H

#include <jansson.h>

/* An array of strings, most pressing first, from the answer to "status" of a freshetd. */
json_t *health_warnings(const json_t *status);

#endif
