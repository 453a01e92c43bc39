/*
 * webhook.h - external-dns' webhook protocol, version 1, over HTTP: zones whose primary is the log, as a provider of DNS.
 *
 *     GET /                  the zones that it may change       POST /adjustendpoints    what it wants, as it can be had
 *     GET /records           all RRsets of these                POST /records            wishes --endpoints.h--> UPDATEs
 *     GET /healthz           200
 *
 * It is one more who makes UPDATEs: they are judged by the policy of each zone, as those of whoever holds the key
 * "webhook.", and are answered once the log has them (primary.h). Of one request, as much as fits an UPDATE is one version. Whether
 * a record of the protocol is well formed is found out before the first of them is handed over.
 *
 * The protocol knows no password: who can connect may change what the policy lets "webhook." change. So it is for loopback only,
 * and takes no body of a type that a browser would send for a page from elsewhere without asking first.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_ORIGIN_WEBHOOK_H
#define FRESHET_ORIGIN_WEBHOOK_H

#include <event2/event.h>

#include "config/config.h"
#include "origin/serve.h"

enum { WEBHOOK_MAX_BODY = 8 << 20, WEBHOOK_MAX_ERROR = 256 };

struct webhook;

/* NULL with one line in `ret_error`. */
struct webhook *webhook_open(struct event_base *base, const struct config_address *address,
                             struct serve *serve, char ret_error[WEBHOOK_MAX_ERROR]);

/* NULL is fine. No UPDATE may be left: primaries end first. */
void webhook_close(struct webhook *webhook);

#endif
