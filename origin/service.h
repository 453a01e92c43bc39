/*
 * service.h - what comes to the origin's sockets, by its opcode: NOTIFY; serve.h has the others.
 *
 * A message is looked at in the order of RFC 8945 5.2: its signature, then who may say it, then what it says. What another
 * opcode means is another file's: service_take() is the place where it is handed on.
 */
#ifndef FRESHET_ORIGIN_SERVICE_H
#define FRESHET_ORIGIN_SERVICE_H

#include "origin/captures.h"
#include "origin/listen.h"
#include "origin/serve.h"

struct service_numbers {
    uint64_t refused, malformed;
};

struct service {
    struct captures *captures;
    const struct keyring *keyring;
    struct serve *serve; /* what is asked of zones whose primary is the log */
    struct service_numbers numbers;
};

/* A listen_take_fn; `service` is a struct service. */
void service_take(void *service, struct listen_call *call, const uint8_t *bytes, size_t size);

#endif
