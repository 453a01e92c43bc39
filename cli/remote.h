/*
 * remote.h - asks a freshetd elsewhere, by the HTTP address that its configuration calls `metrics`.
 *
 *     http://10.0.0.1:9153   {"cmd":"drained_by","name":"www.example.com."}  ->  GET /drained-by?name=www.example.com.
 *
 * The answers are those of the control socket. There are two questions; whoever may ask there changes nothing.
 */
#ifndef FRESHET_CLI_REMOTE_H
#define FRESHET_CLI_REMOTE_H

#include <jansson.h>

#include "cli/options.h"

/* Whether a place is such an address, and no path of a socket. */
bool remote_is(const char *place);

/* The answer, to be freed with json_decref(), or NULL after a complaint. Takes over `request`. */
json_t *remote_answer(const struct options *options, const char *place, json_t *request);

#endif
