#include "cli/quantity.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

const char *quantity_bytes(uint64_t bytes, char ret_text[QUANTITY_MAX_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t k = 0;
    double amount = (double)bytes / 1024;
    if (bytes < 1024) {
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%" PRIu64 " B", bytes);
        return ret_text;
    }
    for (; amount >= 1023.95 && k < 3; k++) /* no 1024.0 KiB */
        amount /= 1024;
    snprintf(ret_text, QUANTITY_MAX_TEXT, "%.1f %s", amount, units[k]);
    return ret_text;
}

const char *quantity_us(uint64_t us, char ret_text[QUANTITY_MAX_TEXT])
{
    if (us < 1000)
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%" PRIu64 " us", us);
    else if (us < 1000000)
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%.3g ms", (double)us / 1e3);
    else
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%.3g s", (double)us / 1e6);
    return ret_text;
}

const char *quantity_seconds(double seconds, char ret_text[QUANTITY_MAX_TEXT])
{
    enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
    const uint64_t whole = (uint64_t)seconds;
    if (seconds < 2 * MINUTE)
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%.1f s", seconds);
    else if (whole < HOUR)
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%" PRIu64 " min %" PRIu64 " s", whole / MINUTE,
                 whole % MINUTE);
    else if (whole < DAY)
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%" PRIu64 " h %" PRIu64 " min", whole / HOUR,
                 whole % HOUR / MINUTE);
    else
        snprintf(ret_text, QUANTITY_MAX_TEXT, "%" PRIu64 " d %" PRIu64 " h", whole / DAY,
                 whole % DAY / HOUR);
    return ret_text;
}
