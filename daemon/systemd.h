/*
 * systemd.h - what the service manager that started us is told, and the sockets it hands over.
 *
 * Both are systemd's conventions, promised to be stable, and so small that they are spoken here rather than
 * through its library (sd_notify(3), sd_listen_fds(3)):
 *
 *   $NOTIFY_SOCKET   one datagram of VARIABLE=value lines: READY, RELOADING, STOPPING, WATCHDOG, STATUS
 *   $WATCHDOG_USEC   it wants to hear WATCHDOG=1 at least this often
 *   $LISTEN_FDS      descriptors 3 and up are sockets, bound already: a tier that listens at the address of
 *                    one takes it instead of opening its own, and needs no privilege for port 53
 *
 * The variables are taken from the environment once. Started by hand there are none, and nothing is said.
 *
 * Threads: the main thread's.
 */
#ifndef FRESHET_DAEMON_SYSTEMD_H
#define FRESHET_DAEMON_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct systemd;

/* Reads and removes the variables. NULL: no memory. */
struct systemd *systemd_open(void);

/* Closes the sockets nobody took. NULL is fine. */
void systemd_close(struct systemd *systemd);

/* Each tells the manager, if there is one that listens. */
void systemd_ready(struct systemd *systemd, const char *status);
void systemd_reloading(struct systemd *systemd);
void systemd_stopping(struct systemd *systemd);
void systemd_alive(struct systemd *systemd);

/* How often systemd_alive() is due at the latest, in microseconds; 0: never. */
uint64_t systemd_watchdog_us(const struct systemd *systemd);

/*
 * A socket of `type` (SOCK_DGRAM, SOCK_STREAM) that was handed over and is bound to `address`: now the caller's.
 * -1: there is none.
 */
int systemd_take(struct systemd *systemd, const struct sockaddr *address, int type);

/* Warns of each socket that nobody took. */
void systemd_report_left(const struct systemd *systemd);

#endif
