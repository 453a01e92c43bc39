/*
 * control.h - asks a freshetd over its control socket: a line of JSON there, a line back.
 */
#ifndef FRESHET_COMMON_CONTROL_H
#define FRESHET_COMMON_CONTROL_H

#include <stdbool.h>
#include <stdio.h>

struct control {
    FILE *stream;
    char *line; /* the last answer */
    size_t size;
};

/* False: nobody is there. */
bool control_open(struct control *control, const char *path);
void control_close(struct control *control);

/* The answer, valid until the next; NULL: the connection is over, or silent for a second. */
const char *control_ask(struct control *control, const char *question);

#endif
