#include "config/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

/* Bytes. Of a longer path the end is shown: the line must keep room for its reason. */
enum { MAX_FILE = 160 };

/* Escapes `text` into `out` (`room` bytes with the NUL), cut with "..." when it does not fit. */
static void escape(const char *text, char *out, size_t room)
{
    size_t used = 0;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = byte >= 0x20 && byte < 0x7f;
        if (used + (plain ? 1 : 4) + sizeof("...") > room) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            out[used++] = (char)byte;
        else
            used += (size_t)snprintf(out + used, room - used, "\\x%02x", byte);
    }
    out[used] = '\0';
}

const char *fault_plain(const char *text, char ret_plain[FAULT_MAX_QUOTE])
{
    escape(text, ret_plain, FAULT_MAX_QUOTE);
    return ret_plain;
}

const char *fault_quote(const char *text, char ret_quote[FAULT_MAX_QUOTE])
{
    ret_quote[0] = '"';
    escape(text, ret_quote + 1, FAULT_MAX_QUOTE - 2);
    size_t end = strlen(ret_quote);
    ret_quote[end] = '"';
    ret_quote[end + 1] = '\0';
    return ret_quote;
}

/* ":7" behind the file's name; "" when it is not known. */
static const char *line_text(const struct fault *fault, const char *key, char ret_text[16])
{
    unsigned line = fault->line;
    if (line == 0 && key && fault->line_of)
        line = fault->line_of(fault->line_arg, key);
    ret_text[0] = '\0';
    if (line > 0)
        snprintf(ret_text, 16, ":%u", line);
    return ret_text;
}

bool fault_set(struct fault *fault, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fault_set_list(fault, key, format, args);
    va_end(args);
    return false;
}

bool fault_set_list(struct fault *fault, const char *key, const char *format, va_list args)
{
    char file[4 * MAX_FILE + sizeof("...")], line[16];
    size_t length = strlen(fault->file);
    size_t skip = length > MAX_FILE ? length - MAX_FILE : 0;
    escape(fault->file + skip, file, sizeof(file));
    int used = snprintf(fault->text, CONFIG_MAX_ERROR, "%s%.250s%s: %s%s", skip ? "..." : "", file,
                        line_text(fault, key, line), key ? key : "", key ? ": " : "");
    if (used >= 0 && used < CONFIG_MAX_ERROR)
        vsnprintf(fault->text + used, (size_t)(CONFIG_MAX_ERROR - used), format, args);
    return false;
}

void fault_key(char ret_key[FAULT_MAX_KEY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ret_key, FAULT_MAX_KEY, format, args);
    va_end(args);
}

bool fault_memory(struct fault *fault)
{
    return fault_set(fault, NULL, "out of memory");
}
