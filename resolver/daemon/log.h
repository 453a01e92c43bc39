/*
 * log.h - one line per fact on stderr: time, level, msg, key=value pairs. Any thread.
 *
 *     2026-11-22T03:00:00.123Z info msg=ready version=0.1.0 tiers=2
 */
#ifndef FRESHET_RESOLVER_DAEMON_LOG_H
#define FRESHET_RESOLVER_DAEMON_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warning", "info", "debug"; INFO for anything else. */
enum log_level log_level_from_text(const char *text);
void log_set_level(enum log_level level);

/* `format` makes the part from msg= on. Anything a stranger sent must be escaped by then. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `text` as a value: in double quotes, with a backslash before those in it. Returns `ret_quoted`. */
enum { LOG_MAX_QUOTED = 1100 }; /* more is cut */
const char *log_quote(const char *text, char ret_quoted[LOG_MAX_QUOTED]);

#endif
