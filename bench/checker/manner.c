#include "bench/checker/manner.h"

#include <stddef.h>
#include <string.h>

enum { HOUR_S = 3600 };

/* Where clocks are wrong there is no serial either, that would tell the order all the same. */
static const struct manner manners[] = {
    {.name = "plain"},
    {.name = "bare", .bare = true},
    {.name = "crc32", .crc32 = true},
    {.name = "dotless", .key = KEY_NO_DOT},
    {.name = "upper", .key = KEY_UPPER},
    {.name = "keyless", .key = KEY_NONE},
    {.name = "ahead", .ahead_s = HOUR_S, .no_serial = true},
    {.name = "behind", .ahead_s = -HOUR_S, .no_serial = true},
    {.name = "far", .far_every = 25, .no_serial = true},
    {.name = "astray", .ahead_s = HOUR_S, .key = KEY_NONE, .no_serial = true},
    {.name = "restarting", .restart_every = 20},
    {.name = "repeating", .repeats = true},
    {.name = "transactional", .transactions = TRANSACTIONS_SHORT},
    {.name = "hanging", .transactions = TRANSACTIONS_HANG},
};

const struct manner *manner_find(const char *name)
{
    for (size_t k = 0; k < sizeof manners / sizeof *manners; k++)
        if (strcmp(manners[k].name, name) == 0)
            return &manners[k];
    return NULL;
}

const struct manner *manner_at(unsigned k)
{
    return k < sizeof manners / sizeof *manners ? &manners[k] : NULL;
}
