/*
 * color.h - colour on a terminal: of what asks for attention, and of what came and went.
 *
 * --color=auto, as it is where nothing is said, is a terminal that is not dumb, without NO_COLOR (no-color.org) in the
 * environment. What is printed is the same with and without, but for the escape sequences.
 */
#ifndef FRESHET_CLI_COLOR_H
#define FRESHET_CLI_COLOR_H

#include <stdbool.h>

#include "invalidation/changeset.h"

enum color {
    COLOR_PLAIN,
    COLOR_GOOD, /* came, or is well: green */
    COLOR_BAD,  /* went: red */
    COLOR_NOTE, /* asks for attention: yellow */
};

/* "auto", "always" or "never"; NULL: auto. False: none of them. From here on standard output has colours, or not. */
bool color_choose(const char *when);

/* On standard output, around a part of a line. */
void color_begin(enum color color);
void color_end(void);

/* A change as one line without its end, in the colour of what it does; what is too long is told by its count of records. */
void color_print_change(const struct change *change);

#endif
