/*
 * log.h - one line per fact on stderr: time, level, msg, key=value pairs. Any thread.
 *
 *     2026-11-22T03:00:00.123Z info msg=ready version=0.1.0 tiers=2
 */
#ifndef FRESHET_DAEMON_LOG_H
#define FRESHET_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_PLACE_MS = 1000 }; /* between two lines of a place */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warning", "info", "debug"; INFO for anything else. */
enum log_level log_level_from_text(const char *text);
void log_set_level(enum log_level level);

/* `format` makes the part from msg= on. Anything a stranger sent must be escaped by then. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A place in the code that can have more to say than anyone can read: one line a second at most, and the next says with
 * more=N how many were left out before it. Each log_limited() is such a place of its own; log_at() takes one that
 * several share, or one of several (per tier, per server). All zero to begin with.
 */
struct log_place {
    _Atomic uint64_t quiet_until_ms;
    _Atomic uint64_t left_out;
};
void log_at(struct log_place *place, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_limited(level, ...)                                                                    \
    do {                                                                                           \
        static struct log_place log_place_here;                                                    \
        log_at(&log_place_here, level, __VA_ARGS__);                                               \
    } while (0)

/* The decision: whether the line may go out at `now_ms`, with how many were left out before it. Any thread. */
bool log_place_may(struct log_place *place, uint64_t now_ms, uint64_t *ret_more);

/* A configuration's note on what it is written like (config.h); "": nothing is logged. */
void log_note(const char *note);

/* What libevent has to say goes through here, too, once a second at most. */
void log_libevent(void);

/* `text` as a value: in double quotes, with a backslash before those in it. Returns `ret_quoted`. */
enum { LOG_MAX_QUOTED = 1100 }; /* more is cut */
const char *log_quote(const char *text, char ret_quoted[LOG_MAX_QUOTED]);

#endif
