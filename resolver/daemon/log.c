#include "resolver/daemon/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static _Atomic int current_level = LOG_LEVEL_INFO;

enum log_level log_level_from_text(const char *text)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++)
        if (text && strcmp(text, level_names[i]) == 0)
            return (enum log_level)i;
    return LOG_LEVEL_INFO;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

/* A line goes out in one write, so that threads do not mix theirs. */
static void write_line(enum log_level level, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(line + used, sizeof line - used, ".%03ldZ %s ", now.tv_nsec / 1000000,
                             level_names[level]);
    int written = vsnprintf(line + used, sizeof line - used - 1, format, args);
    used += written < 0 ? 0 : (size_t)written;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}

const char *log_quote(const char *text, char ret_quoted[LOG_MAX_QUOTED])
{
    size_t used = 0;
    ret_quoted[used++] = '"';
    for (; *text && used < LOG_MAX_QUOTED - 4; text++) {
        if (*text == '"' || *text == '\\')
            ret_quoted[used++] = '\\';
        ret_quoted[used++] = *text;
    }
    ret_quoted[used++] = '"';
    ret_quoted[used] = '\0';
    return ret_quoted;
}
