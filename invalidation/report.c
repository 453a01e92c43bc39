#include "invalidation/report.h"

#include <stdio.h>

const char *report_quote(const char *text, char ret_quoted[REPORT_MAX_QUOTED])
{
    size_t at = 0;
    ret_quoted[at++] = '"';
    for (; *text && at + 10 < REPORT_MAX_QUOTED; text++) {
        const uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\')
            at += (size_t)snprintf(ret_quoted + at, REPORT_MAX_QUOTED - at, "\\%c", c);
        else if (c < ' ' || c > '~')
            at += (size_t)snprintf(ret_quoted + at, REPORT_MAX_QUOTED - at, "\\x%02x", c);
        else
            ret_quoted[at++] = (char)c;
    }
    snprintf(ret_quoted + at, REPORT_MAX_QUOTED - at, *text ? "...\"" : "\"");
    return ret_quoted;
}
