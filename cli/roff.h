/*
 * roff.h - manual pages: sections, terms and running text, in the macros of man(7).
 *
 * Text comes as help and the tables have it: `x` is set in bold, and what would mean something to roff is escaped.
 */
#ifndef FRESHET_CLI_ROFF_H
#define FRESHET_CLI_ROFF_H

#include <stdio.h>

/* The top of page `name` of a section, and its NAME. `summary` is a sentence; its first letter is made small. */
void roff_begin(FILE *out, const char *name, int section, const char *summary);

void roff_heading(FILE *out, const char *heading);

/* A paragraph that begins here; text of it, which ends with its line. */
void roff_paragraph(FILE *out);
void roff_text(FILE *out, const char *text);

/* Lines as they are: paragraphs are kept, and lines that begin with a blank are not filled. */
void roff_lines(FILE *out, const char *text);

/* A term whose text follows; `term` as text. */
void roff_term(FILE *out, const char *term);

/* "freshet(1), freshetd(8)", of names without a blank, separated by them. */
void roff_see_also(FILE *out, const char *pages);

#endif
