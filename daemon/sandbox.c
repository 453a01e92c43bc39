#include "daemon/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* By name: one that this architecture or this libseccomp does not know is left out. */
static const char *const allowed[] = {
    /* memory */
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mlock",
    "mincore",
    "msync",
    "membarrier",
    "get_mempolicy",
    /* threads, and how they wait for each other */
    "futex",
    "futex_time64",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "gettid",
    "getpid",
    "getppid",
    "tgkill",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getattr",
    "sched_setattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getpriority",
    "exit",
    "exit_group",
    "restart_syscall",
    "arch_prctl",
    "prctl",
    "getcpu",
    "set_thread_area",
    /* signals */
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sigaltstack",
    "signalfd4",
    /* time */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "gettimeofday",
    "nanosleep",
    "time",
    "times",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "setitimer",
    "getitimer",
    /* loops */
    "epoll_create1",
    "epoll_create",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "_newselect",
    "eventfd2",
    "eventfd",
    "pipe",
    "pipe2",
    /* sockets; socket() itself is below */
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "shutdown",
    /* descriptors */
    "read",
    "readv",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "lseek",
    "_llseek",
    "sendfile",
    "splice",
    /* files, which ids and modes protect */
    "open",
    "openat",
    "openat2",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "fstat",
    "fstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getdents",
    "getcwd",
    "unlink",
    "unlinkat",
    "umask",
    "flock",
    "fadvise64",
    /* who and where it is */
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getgroups",
    "getresuid",
    "getresgid",
    "uname",
    "sysinfo",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "getrusage",
    "getrandom",
    "capget",
};

/* Families: IPv4, IPv6, the control socket and the service manager, and what interfaces are called. */
static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};

static int allow_all(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number == __NR_SCMP_ERROR)
            continue;
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        if (error && error != -EDOM)
            return error;
    }
    return 0;
}

static int allow_sockets(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const scmp_datum_t family = (scmp_datum_t)families[i];
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_EQ, family));
        if (!error)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                                     SCMP_A0(SCMP_CMP_EQ, family));
        if (error)
            return error;
    }
    return 0;
}

/* A thread is no process. What clone3(2) is asked for lies in memory, where no filter looks: it is not there. */
static int allow_threads(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    int clone3 = seccomp_syscall_resolve_name("clone3");
    if (!error && clone3 != __NR_SCMP_ERROR)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
    return error;
}

/* All but typing into the terminal that it was started from. */
static int allow_ioctl(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_NE, TIOCSTI));
}

static int load(scmp_filter_ctx filter)
{
    /* A search tree rather than a list of comparisons; in vain before libseccomp 2.5. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = allow_all(filter);
    if (!error)
        error = allow_sockets(filter);
    if (!error)
        error = allow_threads(filter);
    if (!error)
        error = allow_ioctl(filter);
    return error ? error : seccomp_load(filter);
}

int sandbox_enter(char ret_error[SANDBOX_MAX_ERROR])
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter ? load(filter) : -ENOMEM;
    if (filter)
        seccomp_release(filter);
    if (!error)
        return ERR_OK;
    snprintf(ret_error, SANDBOX_MAX_ERROR, "%s", strerror(-error));
    return ERR_SYSTEM;
}
