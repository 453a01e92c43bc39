/* error.c - see error.h. */
#include "dns/error.h"

const char *error_text(int error)
{
    switch (error) {
#define X(name, number, text)                                                                      \
    case name:                                                                                     \
        return text;
        FRESHET_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}
