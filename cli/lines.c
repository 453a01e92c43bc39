#include "cli/lines.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/error.h"

enum { CHUNK = 65536 };

struct lines lines_new(int fd)
{
    return (struct lines){.fd = fd};
}

void lines_free(struct lines *lines)
{
    free(lines->bytes);
    lines->bytes = NULL;
}

/* Room for another chunk and a NUL. */
static int make_room(struct lines *lines)
{
    const size_t held = lines->end - lines->start;
    if (lines->start > 0) {
        memmove(lines->bytes, lines->bytes + lines->start, held);
        lines->start = 0;
        lines->end = held;
    }
    if (held > LINES_MAX_SIZE)
        return ERR_TOO_LARGE;
    if (lines->room - held > CHUNK)
        return ERR_OK;
    const size_t room = 2 * lines->room + CHUNK + 1;
    char *grown = realloc(lines->bytes, room);
    if (!grown)
        return ERR_MEMORY;
    lines->bytes = grown;
    lines->room = room;
    return ERR_OK;
}

static int read_more(struct lines *lines)
{
    const int result = make_room(lines);
    if (result < 0)
        return result;
    const ssize_t size = read(lines->fd, lines->bytes + lines->end, CHUNK);
    if (size < 0)
        return ERR_SYSTEM;
    lines->end += (size_t)size;
    lines->ended = size == 0;
    return ERR_OK;
}

/* The line's size without its end; -1 while that is not there. */
static ssize_t find_end(const struct lines *lines, size_t from)
{
    const char *start = lines->bytes + lines->start;
    const size_t held = lines->end - lines->start;
    const char *end = held > from ? memchr(start + from, '\n', held - from) : NULL;
    return end ? end - start : -1;
}

static int hand_out(struct lines *lines, size_t size, char **ret_line)
{
    char *line = lines->bytes + lines->start;
    lines->start += size < lines->end - lines->start ? size + 1 : size;
    line[size] = '\0';
    lines->number++;
    if (memchr(line, '\0', size))
        return ERR_FORMAT;
    if (size > 0 && line[size - 1] == '\r')
        line[size - 1] = '\0';
    *ret_line = line;
    return 1;
}

int lines_next(struct lines *lines, char **ret_line)
{
    size_t seen = 0;
    for (;;) {
        const ssize_t size = find_end(lines, seen);
        if (size >= 0)
            return hand_out(lines, (size_t)size, ret_line);
        seen = lines->end - lines->start;
        if (lines->ended)
            return seen > 0 ? hand_out(lines, seen, ret_line) : 0;
        const int result = read_more(lines);
        if (result < 0)
            return result;
    }
}

bool lines_wait(const struct lines *lines)
{
    struct pollfd fd = {.fd = lines->fd, .events = POLLIN};
    return !lines->ended && find_end(lines, 0) < 0 && poll(&fd, 1, 0) == 0;
}
