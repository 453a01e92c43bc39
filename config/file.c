#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAIT_MS = 100, /* for more of a pipe, */
    WAITS = 20,    /* so many times */
    FIRST_ROOM = 4096,
};

struct reading {
    int fd;
    size_t limit;
    char *text;
    size_t size, room;
    int waits; /* that are left */
};

const char *file_result_text(enum file_result result)
{
    static const char *const texts[] = {
        [FILE_DIRECTORY] = "is a directory",
        [FILE_DEVICE] = "is a device",
        [FILE_SOCKET] = "is a socket",
        [FILE_LARGE] = "is too large",
        [FILE_SILENT] = "is a pipe that does not come to its end",
    };
    return result == FILE_OK || result == FILE_ERRNO ? strerror(errno) : texts[result];
}

static enum file_result kind_of(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return FILE_ERRNO;
    switch (info.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFIFO:
        return FILE_OK;
    case S_IFDIR:
        return FILE_DIRECTORY;
    case S_IFSOCK:
        return FILE_SOCKET;
    default:
        return FILE_DEVICE;
    }
}

/* Makes room for one byte more than there is, and for the NUL behind. */
static bool make_room(struct reading *reading)
{
    if (reading->size + 1 < reading->room)
        return true;
    size_t room = reading->room ? reading->room * 2 : FIRST_ROOM;
    char *text = realloc(reading->text, room);
    if (!text)
        return false;
    reading->text = text;
    reading->room = room;
    return true;
}

/* Every wait counts, also one that something comes of: what trickles must not take for ever either. */
static bool wait_for_more(struct reading *reading)
{
    struct pollfd wanted = {.fd = reading->fd, .events = POLLIN};
    if (poll(&wanted, 1, 0) > 0)
        return true;
    while (reading->waits > 0) {
        reading->waits--;
        if (poll(&wanted, 1, WAIT_MS) > 0)
            return true;
    }
    return false;
}

static enum file_result read_to_end(struct reading *reading)
{
    while (reading->size <= reading->limit) {
        if (!wait_for_more(reading))
            return FILE_SILENT;
        if (!make_room(reading))
            return FILE_ERRNO;
        ssize_t got =
            read(reading->fd, reading->text + reading->size, reading->room - reading->size - 1);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return FILE_ERRNO;
        if (got == 0)
            return FILE_OK;
        if (got > 0)
            reading->size += (size_t)got;
    }
    return FILE_LARGE;
}

enum file_result file_read(const char *path, size_t limit, char **ret_text, size_t *ret_size)
{
    /* O_NONBLOCK: to open a FIFO waits for its writer. */
    struct reading reading = {
        .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
        .limit = limit,
        .waits = WAITS,
    };
    if (reading.fd < 0)
        return errno == ENXIO ? FILE_SOCKET : FILE_ERRNO;
    enum file_result result = kind_of(reading.fd);
    if (result == FILE_OK)
        result = read_to_end(&reading);
    int why = errno;
    close(reading.fd);
    errno = why;
    if (result != FILE_OK) {
        free(reading.text);
        return result;
    }
    reading.text[reading.size] = '\0'; /* a read that came to the end made room first */
    *ret_text = reading.text;
    *ret_size = reading.size;
    return FILE_OK;
}
