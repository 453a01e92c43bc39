#include "cli/roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Inside a line: roff has a meaning for a backslash anywhere, and for a dot or a quote where a line begins. */
static void put_character(FILE *out, char c, bool begins)
{
    if (begins && (c == '.' || c == '\''))
        fputs("\\&", out);
    if (c == '\\')
        fputs("\\e", out);
    else if (c == '-')
        fputs("\\-", out);
    else if (c == '\'')
        fputs("\\(aq", out);
    else if (c == '^')
        fputs("\\(ha", out);
    else if (c == '~')
        fputs("\\(ti", out);
    else
        fputc(c, out);
}

static void put(FILE *out, const char *text, size_t length, bool *bold)
{
    for (size_t k = 0; k < length; k++) {
        if (text[k] == '`') {
            *bold = !*bold;
            fputs(*bold ? "\\fB" : "\\fR", out);
        } else {
            put_character(out, text[k], k == 0);
        }
    }
}

static void put_line(FILE *out, const char *text, size_t length)
{
    bool bold = false;
    put(out, text, length, &bold);
    fputs(bold ? "\\fR\n" : "\n", out);
}

void roff_begin(FILE *out, const char *name, int section, const char *summary)
{
    char small[256];
    snprintf(small, sizeof small, "%s", summary);
    if (islower((unsigned char)small[1]) || small[1] == ' ')
        small[0] = (char)tolower((unsigned char)small[0]);
    fputs(".\\\" Made from the tables that parse, by `make`.\n.TH ", out);
    for (const char *c = name; *c; c++)
        put_character(out, (char)toupper((unsigned char)*c), false);
    fprintf(out, " %d \"%s\" \"freshet %s\" \"freshet\"\n.SH NAME\n", section, FRESHET_RELEASED,
            FRESHET_VERSION);
    for (const char *c = name; *c; c++)
        put_character(out, *c, false);
    fputs(" \\- ", out);
    put_line(out, small, strlen(small));
}

void roff_heading(FILE *out, const char *heading)
{
    fprintf(out, ".SH \"%s\"\n", heading);
}

void roff_paragraph(FILE *out)
{
    fputs(".PP\n", out);
}

void roff_text(FILE *out, const char *text)
{
    put_line(out, text, strlen(text));
}

void roff_lines(FILE *out, const char *text)
{
    bool literal = false, gap = false, first = true;
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        const bool wants = text[0] == ' ';
        if (wants != literal && length > 0)
            fputs(!wants ? ".fi\n" : first ? ".nf\n" : ".PP\n.nf\n", out);
        if (gap && length > 0 && !(wants && !literal))
            fputs(".PP\n", out);
        literal = length > 0 ? wants : literal;
        gap = length == 0;
        if (length > 0)
            put_line(out, text, length);
        first = false;
    }
    if (literal)
        fputs(".fi\n", out);
}

void roff_term(FILE *out, const char *term)
{
    fputs(".TP\n", out);
    put_line(out, term, strlen(term));
}

void roff_see_also(FILE *out, const char *pages)
{
    roff_heading(out, "SEE ALSO");
    for (size_t length; *pages; pages += length + (pages[length] == ' ')) {
        length = strcspn(pages, " ");
        const size_t name = strcspn(pages, "(");
        fputs(".BR ", out);
        for (size_t k = 0; k < name; k++)
            put_character(out, pages[k], false);
        fprintf(out, " %.*s%s\n", (int)(length - name), pages + name, pages[length] ? "," : "");
    }
}
