#include "daemon/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"

enum {
    FIRST_SOCKET = 3, /* SD_LISTEN_FDS_START */
    MAX_SOCKETS = 1024,
    MAX_MESSAGE = 512,
};

struct passed {
    int fd; /* -1: taken */
    int type;
    struct sockaddr_storage address;
};

struct systemd {
    int fd; /* connected to the manager; -1: none */
    uint64_t watchdog_us;
    size_t passed_count;
    struct passed passed[];
};

/* ---- the environment ------------------------------------------------------------------------ */

/* A decimal number; 0 for anything else. */
static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    if (!text || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    return *end || errno ? 0 : number;
}

/* Whether these variables are for us, and not for a program that has started us. */
static bool is_for_us(const char *pid_variable)
{
    return number_in(pid_variable) == (uint64_t)getpid();
}

static uint64_t read_watchdog(void)
{
    if (getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID"))
        return 0;
    return number_in("WATCHDOG_USEC");
}

static size_t read_socket_count(void)
{
    uint64_t count = is_for_us("LISTEN_PID") ? number_in("LISTEN_FDS") : 0;
    return count < MAX_SOCKETS ? (size_t)count : MAX_SOCKETS;
}

static void forget_variables(void)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

/* ---- the manager ---------------------------------------------------------------------------- */

/* Connects to $NOTIFY_SOCKET: a path, or "@" and the name of an abstract socket (unix(7)). */
static int connect_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char quoted[LOG_MAX_QUOTED];
    const char *text = getenv("NOTIFY_SOCKET");
    if (!text)
        return -1;
    size_t length = strlen(text);
    int fd = -1;
    errno = EINVAL;
    if ((text[0] == '/' || text[0] == '@') && length > 1 && length < sizeof address.sun_path) {
        memcpy(address.sun_path, text, length);
        if (text[0] == '@')
            address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) == 0)
        return fd;
    log_line(LOG_LEVEL_WARNING, "msg=\"the service manager is not told\" socket=%s why=\"%s\"",
             log_quote(text, quoted), strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void tell(struct systemd *systemd, const char *text)
{
    if (systemd && systemd->fd >= 0)
        (void)send(systemd->fd, text, strlen(text), MSG_NOSIGNAL);
}

void systemd_ready(struct systemd *systemd, const char *status)
{
    char text[MAX_MESSAGE];
    snprintf(text, sizeof text, "READY=1\nSTATUS=%s\n", status);
    tell(systemd, text);
}

/* The time tells the manager that this reload is the one it asked for (Type=notify-reload, systemd 253). */
void systemd_reloading(struct systemd *systemd)
{
    char text[MAX_MESSAGE];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* the manager's clock, not ours */
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    tell(systemd, text);
}

void systemd_stopping(struct systemd *systemd)
{
    tell(systemd, "STOPPING=1\nSTATUS=answering what is under way\n");
}

void systemd_alive(struct systemd *systemd)
{
    tell(systemd, "WATCHDOG=1\n");
}

uint64_t systemd_watchdog_us(const struct systemd *systemd)
{
    return systemd && systemd->fd >= 0 ? systemd->watchdog_us : 0;
}

/* ---- sockets -------------------------------------------------------------------------------- */

/* Reads what descriptor `fd` is. What is no socket stays with type 0, for nobody to take. */
static void look_at(struct passed *passed, int fd)
{
    socklen_t size = sizeof passed->type;
    passed->fd = fd;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &passed->type, &size) != 0)
        passed->type = 0;
    size = sizeof passed->address;
    if (getsockname(fd, (struct sockaddr *)&passed->address, &size) != 0)
        passed->address.ss_family = AF_UNSPEC;
}

static bool same_place(const struct sockaddr_storage *bound, const struct sockaddr *wanted)
{
    if (bound->ss_family != wanted->sa_family)
        return false;
    if (wanted->sa_family == AF_INET) {
        const struct sockaddr_in *one = (const struct sockaddr_in *)bound;
        const struct sockaddr_in *two = (const struct sockaddr_in *)wanted;
        return one->sin_port == two->sin_port && one->sin_addr.s_addr == two->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *one = (const struct sockaddr_in6 *)bound;
    const struct sockaddr_in6 *two = (const struct sockaddr_in6 *)wanted;
    return one->sin6_port == two->sin6_port && one->sin6_scope_id == two->sin6_scope_id &&
           memcmp(&one->sin6_addr, &two->sin6_addr, sizeof one->sin6_addr) == 0;
}

int systemd_take(struct systemd *systemd, const struct sockaddr *address, int type)
{
    for (size_t i = 0; systemd && i < systemd->passed_count; i++) {
        struct passed *passed = &systemd->passed[i];
        if (passed->fd < 0 || passed->type != type || !same_place(&passed->address, address))
            continue;
        int fd = passed->fd;
        passed->fd = -1;
        return fd;
    }
    return -1;
}

static const char *kind_of(const struct passed *passed)
{
    if (passed->type == SOCK_DGRAM)
        return "udp";
    return passed->type == SOCK_STREAM ? "tcp" : "other";
}

void systemd_report_left(const struct systemd *systemd)
{
    for (size_t i = 0; systemd && i < systemd->passed_count; i++) {
        const struct passed *passed = &systemd->passed[i];
        char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?", quoted[LOG_MAX_QUOTED];
        if (passed->fd < 0)
            continue;
        if (passed->address.ss_family == AF_INET || passed->address.ss_family == AF_INET6)
            (void)getnameinfo((const struct sockaddr *)&passed->address, sizeof passed->address,
                              host, sizeof host, port, sizeof port,
                              NI_NUMERICHOST | NI_NUMERICSERV);
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"a socket was handed over that no tier listens on\" kind=%s host=%s port=%s",
                 kind_of(passed), log_quote(host, quoted), port);
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

struct systemd *systemd_open(void)
{
    size_t count = read_socket_count();
    struct systemd *systemd = calloc(1, sizeof *systemd + count * sizeof(struct passed));
    if (!systemd)
        return NULL;
    systemd->fd = connect_manager();
    systemd->watchdog_us = read_watchdog();
    for (size_t i = 0; i < count; i++)
        look_at(&systemd->passed[i], FIRST_SOCKET + (int)i);
    systemd->passed_count = count;
    forget_variables();
    return systemd;
}

void systemd_close(struct systemd *systemd)
{
    if (!systemd)
        return;
    for (size_t i = 0; i < systemd->passed_count; i++)
        if (systemd->passed[i].fd >= 0)
            close(systemd->passed[i].fd);
    if (systemd->fd >= 0)
        close(systemd->fd);
    free(systemd);
}
