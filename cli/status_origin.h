/*
 * status_origin.h - what "freshet status" prints of a freshet-origin, below what all programs have.
 */
#ifndef FRESHET_CLI_STATUS_ORIGIN_H
#define FRESHET_CLI_STATUS_ORIGIN_H

#include <jansson.h>

/* `answer`: to {"cmd":"status"}; it is changed. */
void status_print_origin(json_t *answer);

#endif
