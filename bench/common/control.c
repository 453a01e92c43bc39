#include "bench/common/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_S = 1 };

bool control_open(struct control *control, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = ANSWER_S};
    *control = (struct control){.stream = NULL};
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        control->stream = fdopen(fd, "r");
    if (!control->stream && fd >= 0)
        close(fd);
    return control->stream != NULL;
}

void control_close(struct control *control)
{
    fclose(control->stream);
    free(control->line);
}

const char *control_ask(struct control *control, const char *question)
{
    const ssize_t size = (ssize_t)strlen(question);
    if (send(fileno(control->stream), question, (size_t)size, MSG_NOSIGNAL) != size ||
        getline(&control->line, &control->size, control->stream) <= 0)
        return NULL;
    return control->line;
}
