/*
 * outline.h - the text as YAML, before anyone asks what it means.
 *
 * libcyaml turns a document into structures, but it stops at the first one, takes a NUL inside a
 * string for its end, says where it was looking and not where the key stands, and leaves out line
 * and column of a syntax error. So libyaml's events are walked once before, in a loop with a fixed
 * stack, to refuse what no configuration needs: anchors and aliases (with them a small file unfolds
 * into a large one), keys given twice, keys that are lists, a second document, depth, NUL.
 *
 * After that libcyaml sees only well-formed documents. The same walk finds the line of a key path
 * when libcyaml refuses one.
 */
#ifndef FRESHET_CONFIG_OUTLINE_H
#define FRESHET_CONFIG_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/fault.h"

enum outline_kind {
    OUTLINE_EMPTY, /* a key with nothing behind it */
    OUTLINE_VALUE,
    OUTLINE_LIST,
    OUTLINE_MAPPING,
};

struct outline_place {
    unsigned line; /* from 1: of the key, of a list's entry, or of the document */
    enum outline_kind kind;
};

/* Checks `size` bytes of `text`, at least one. False, with the line in `fault`, when refused. */
bool outline_check(const char *text, size_t size, struct fault *fault);

/*
 * Finds the node at `path` ("tiers[0].cache.size", "" for the document itself) in a text that
 * passed outline_check(). False when there is none.
 */
bool outline_find(const char *text, size_t size, const char *path, struct outline_place *ret_place);

#endif
