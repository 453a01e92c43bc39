#include "resolver/daemon/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    OF_PROCESS =
        128, /* the log, the feed's, those of the control socket and the metrics with their clients */
    OF_WORKER = 16,  /* its loop, its eventfd, some ports */
    OF_LISTENER = 2, /* UDP and TCP, per worker */
    KEPT_PART = 4,   /* one in so many of the limit is kept */
};

size_t descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return OF_PROCESS;
    rlim_t most = limit.rlim_max;
    limit.rlim_cur = most;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? (size_t)-1 / KEPT_PART : (size_t)limit.rlim_cur;
}

void descriptors_make_room(size_t count)
{
    struct rlimit limit;
    const int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0 || count == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        count = 0;
    else if (count > limit.rlim_cur)
        count = limit.rlim_cur;
    if (count > 0 && count < INT_MAX) {
        const int last = fcntl(fd, F_DUPFD_CLOEXEC, (int)count - 1);
        if (last >= 0)
            close(last);
    }
    if (fd >= 0)
        close(fd);
}

static size_t fixed(const struct descriptors_need *need)
{
    return OF_PROCESS + need->workers * (OF_WORKER + OF_LISTENER * need->listeners);
}

size_t descriptors_clients(const struct descriptors_need *need)
{
    size_t taken = fixed(need), left = need->limit - need->limit / KEPT_PART;
    size_t most = left > taken ? (left - taken) / need->workers : 0;
    if (most == 0)
        most = 1;
    return need->clients < most ? need->clients : most;
}

size_t descriptors_ports(const struct descriptors_need *need)
{
    enum { LEAST = 4 };
    size_t most = need->limit / KEPT_PART / 2 / need->workers;
    return most > LEAST ? most : LEAST;
}

size_t descriptors_wanted(const struct descriptors_need *need)
{
    size_t all = fixed(need) + need->workers * need->clients;
    return all + all / (KEPT_PART - 1) + 1;
}
