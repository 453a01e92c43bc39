/*
 * lines.h - a text line by line, from a file or from whoever writes into a pipe, as soon as a line is whole.
 */
#ifndef FRESHET_CLI_LINES_H
#define FRESHET_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { LINES_MAX_SIZE = 5 * 1024 * 1024 }; /* of one line: more than the largest change set takes */

struct lines {
    int fd;
    char *bytes;
    size_t room, start, end; /* bytes[start..end) were read and not handed out yet */
    size_t number;           /* of the line that was handed out last, from 1 */
    bool ended;
};

/* `fd` stays the caller's. */
struct lines lines_new(int fd);
void lines_free(struct lines *lines);

/*
 * The next line without its end, NUL-terminated, until the next call. Returns 1; 0 at the end of the text; ERR_SYSTEM
 * (errno says why), ERR_TOO_LARGE, ERR_FORMAT (there is a NUL in it), ERR_MEMORY.
 */
int lines_next(struct lines *lines, char **ret_line);

/* Whether lines_next() would wait for whoever writes. */
bool lines_wait(const struct lines *lines);

#endif
