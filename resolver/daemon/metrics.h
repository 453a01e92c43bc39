/*
 * metrics.h - the same numbers for machines: Prometheus text at http://ADDRESS/metrics.
 *
 * Threads: all on the main thread.
 */
#ifndef FRESHET_RESOLVER_DAEMON_METRICS_H
#define FRESHET_RESOLVER_DAEMON_METRICS_H

#include <event2/event.h>

#include "daemon/page.h"
#include "resolver/daemon/daemon.h"

/* NULL with one line in `ret_error`; else to be freed by http_free(). */
struct http *metrics_open(struct event_base *base, struct daemon *daemon,
                          const struct config_address *address, char ret_error[PAGE_MAX_ERROR]);

#endif
