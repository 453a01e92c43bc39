/*
 * sandbox.h - which system calls the process may make from here on: a seccomp filter, by a list of what is allowed.
 *
 * The list is what a resolver does: sockets of the four families it knows, threads of its own, memory, clocks, files to
 * read, its control socket. Starting a program, tracing, mounting, modules, keys, bpf and all that is not on the list
 * fail with EPERM; nothing is killed, since a C library of next year may try a call that this list has not heard of, and
 * do without it. What libraries probe for because it is new gets ENOSYS, and they fall back to what is old.
 *
 * Threads: it holds for all that there are, and for those they start.
 */
#ifndef FRESHET_DAEMON_SANDBOX_H
#define FRESHET_DAEMON_SANDBOX_H

#include "dns/error.h"

enum { SANDBOX_MAX_ERROR = 128 };

/* ERR_OK, or ERR_SYSTEM with the reason: it is not to be had here, and nothing has changed. */
MUST_CHECK int sandbox_enter(char ret_error[SANDBOX_MAX_ERROR]);

#endif
