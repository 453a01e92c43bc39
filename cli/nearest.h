/*
 * nearest.h - what somebody may have meant by a word that is none of those that are known.
 */
#ifndef FRESHET_CLI_NEAREST_H
#define FRESHET_CLI_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word;  /* what was written */
    const char *found; /* the nearest so far; NULL: nothing is near */
    size_t distance;
};

struct nearest nearest_to(const char *word);

/* Takes `candidate` when it is nearer: two letters changed, left out, added or swapped at most, and less than half of it. */
void nearest_try(struct nearest *nearest, const char *candidate);

#endif
