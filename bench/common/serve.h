/*
 * serve.h - the least a UDP server can do: a batch in, a batch out, on one socket and one thread.
 *
 * Waits in recvmmsg() itself, so there is not even an event loop; takes up to SERVE_BATCH messages,
 * turns each into its reply in place, and sends them with one sendmmsg(). The socket's buffers are
 * as large as freshet's.
 */
#ifndef FRESHET_COMMON_SERVE_H
#define FRESHET_COMMON_SERVE_H

#include <stddef.h>
#include <stdint.h>

enum { SERVE_BATCH = 64, SERVE_MAX = 1232 };

/* Turns the query in `message` (SERVE_MAX bytes long, `size` of them used) into its reply; the
 * reply's size, or 0: none. */
typedef size_t serve_reply(uint8_t *message, size_t size);

/*
 * All that main() does: with --port=PORT serves 127.0.0.1 until SIGTERM or SIGINT, and prints "ready" when
 * bound; with --drop=N it takes no notice of every Nth message, for a test of who asks. Returns the exit code.
 */
int serve_main(int argc, char **argv, serve_reply *reply);

#endif
