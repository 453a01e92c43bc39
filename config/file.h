/*
 * file.h - a small file read whole, whatever its path turns out to be.
 *
 * A path that a person wrote may lead to a directory, a device without end, a FIFO that nobody writes to, or gigabytes.
 * None of them may hold up a reload, or the end of the process: a file has to be a regular one and not larger than it
 * may be; a pipe ("<(...)" of a shell) has two seconds in all to come to its end.
 */
#ifndef FRESHET_CONFIG_FILE_H
#define FRESHET_CONFIG_FILE_H

#include <stddef.h>

enum file_result {
    FILE_OK,
    FILE_ERRNO,     /* errno says why */
    FILE_DIRECTORY, /* and so on: what it is instead of a file */
    FILE_DEVICE,
    FILE_SOCKET,
    FILE_LARGE,  /* more than `limit` bytes */
    FILE_SILENT, /* a pipe that does not end */
};

/* Reads all of `path`. `ret_text`, `ret_size` bytes and a NUL behind them, is to be freed. */
enum file_result file_read(const char *path, size_t limit, char **ret_text, size_t *ret_size);

/* "is a directory", "No such file or directory": of a result other than FILE_OK, right after it. */
const char *file_result_text(enum file_result result);

#endif
