/*
 * privileges.h - becoming nobody in particular once the sockets are open.
 *
 *     started as root, with `user`      that user and its group, no other groups, no capability
 *     started as root, without          root by name, which owns files; no capability (and a warning)
 *     started as somebody               what the service manager gave is given back
 *
 * One capability may stay: CAP_NET_BIND_SERVICE, while an address is waited for whose port is below 1024. No
 * program that is started from here can gain any (no_new_privs).
 *
 * Threads: the ids are the process's; capabilities those of the calling thread and the ones that it starts.
 */
#ifndef FRESHET_DAEMON_PRIVILEGES_H
#define FRESHET_DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "dns/error.h"

enum { PRIVILEGES_MAX_ERROR = 256 };

struct identity {
    bool wanted; /* false: stays who it is */
    uid_t uid;
    gid_t gid;
};

/* Looks a user and a group up; either may be NULL. ERR_CONFIG with what is wrong: there is none, or we may not be it. */
MUST_CHECK int privileges_find(const char *user, const char *group, struct identity *ret,
                               char ret_error[PRIVILEGES_MAX_ERROR]);

/*
 * Whether somebody may read a file: seen by a process that becomes him, so call this before there are threads. True as
 * well where there is no such file, or it cannot be found out.
 */
bool privileges_may_read(const struct identity *identity, const char *path);

/* Nothing that is started from here on gains any: for this thread and those that it starts. ERR_OK, or ERR_SYSTEM. */
MUST_CHECK int privileges_gain_none(char ret_error[PRIVILEGES_MAX_ERROR]);

/*
 * Gives up what is not needed any more. ERR_OK, or ERR_SYSTEM with a line: root must not go on then. Who was not root
 * keeps the capabilities that a filter of system calls does not let him give back.
 */
MUST_CHECK int privileges_drop(const struct identity *identity, bool keep_low_ports,
                               char ret_error[PRIVILEGES_MAX_ERROR]);

#endif
