#include "daemon/log.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 2048,
    TAIL_BYTES = 32, /* of them for more=N and the end of the line */
};

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

/* A line goes out in one write, so that threads do not mix theirs. `more`: lines left out before it. */
static void write_line(enum log_level level, uint64_t more, const char *format, va_list args)
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
    if (used > sizeof line - TAIL_BYTES)
        used = sizeof line - TAIL_BYTES;
    if (more > 0)
        used += (size_t)snprintf(line + used, TAIL_BYTES, " more=%" PRIu64, more);
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}

static bool is_wanted(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, 0, format, args);
    va_end(args);
}

bool log_place_may(struct log_place *place, uint64_t now_ms, uint64_t *ret_more)
{
    uint64_t until = atomic_load_explicit(&place->quiet_until_ms, memory_order_relaxed);
    if (now_ms < until ||
        !atomic_compare_exchange_strong(&place->quiet_until_ms, &until, now_ms + LOG_PLACE_MS)) {
        atomic_fetch_add_explicit(&place->left_out, 1, memory_order_relaxed);
        return false;
    }
    *ret_more = atomic_exchange_explicit(&place->left_out, 0, memory_order_relaxed);
    return true;
}

/* The coarse clock is enough for a second, and costs what a load costs. */
static uint64_t coarse_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void log_at(struct log_place *place, enum log_level level, const char *format, ...)
{
    uint64_t more;
    if (!is_wanted(level) || !log_place_may(place, coarse_ms(), &more))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, more, format, args);
    va_end(args);
}

void log_note(const char *note)
{
    char quoted[LOG_MAX_QUOTED];
    if (note[0])
        log_line(LOG_LEVEL_WARNING, "msg=\"the configuration has an old name\" note=%s",
                 log_quote(note, quoted));
}

static void on_libevent(int severity, const char *text)
{
    static const enum log_level levels[] = {
        [EVENT_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [EVENT_LOG_MSG] = LOG_LEVEL_INFO,
        [EVENT_LOG_WARN] = LOG_LEVEL_WARNING,
        [EVENT_LOG_ERR] = LOG_LEVEL_ERROR,
    };
    static struct log_place places[sizeof levels / sizeof *levels];
    char quoted[LOG_MAX_QUOTED];
    if (severity < EVENT_LOG_DEBUG || severity > EVENT_LOG_ERR)
        severity = EVENT_LOG_WARN;
    log_at(&places[severity], levels[severity], "msg=\"libevent\" text=%s",
           log_quote(text, quoted));
}

void log_libevent(void)
{
    event_set_log_callback(on_libevent);
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
