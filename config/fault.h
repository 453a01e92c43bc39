/*
 * fault.h - the one line that says what is wrong with a configuration.
 *
 *   FILE:LINE: KEY.PATH: what is wrong; expected what
 *
 * Everything in this folder that can refuse a file takes a `struct fault` and writes that line into
 * it. What a file contains is foreign text: it reaches the line only through fault_quote(), so the
 * line stays one line and cannot move a terminal's cursor.
 */
#ifndef FRESHET_CONFIG_FAULT_H
#define FRESHET_CONFIG_FAULT_H

#include <stdarg.h>
#include <stdbool.h>

enum {
    FAULT_MAX_KEY = 256,  /* bytes of a key path with its NUL */
    FAULT_MAX_QUOTE = 80, /* bytes of a quoted value with its NUL */
};

struct fault {
    const char *file; /* as the user named it */
    char *text;       /* CONFIG_MAX_ERROR bytes of the caller */
    unsigned line;    /* from 1; 0: that of the key */
    /* The line of a key path, or 0. NULL: no lines are known. */
    unsigned (*line_of)(const void *arg, const char *key);
    const void *line_arg;
};

/*
 * Writes the line. `key` is the key path, or NULL when the whole file is meant. Always returns
 * false, so that a check can end in `return fault_set(...)`.
 */
bool fault_set(struct fault *fault, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fault_set_list(struct fault *fault, const char *key, const char *format, va_list args);

/* Writes a key path or a part of one, cut where it does not fit: no key of ours comes near. */
void fault_key(char ret_key[FAULT_MAX_KEY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As fault_set(), for memory that ran out. */
bool fault_memory(struct fault *fault);

/*
 * Writes `text` into `ret_quote` between double quotes: bytes outside printable ASCII as \xHH, a
 * long text cut and ended with "...". Returns `ret_quote`.
 */
const char *fault_quote(const char *text, char ret_quote[FAULT_MAX_QUOTE]);

/* As fault_quote() without the quotes, for keys. */
const char *fault_plain(const char *text, char ret_plain[FAULT_MAX_QUOTE]);

#endif
