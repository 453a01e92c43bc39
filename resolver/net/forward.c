#include "resolver/net/forward.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/error.h"
#include "resolver/answer/pool.h"
#include "resolver/net/clock.h"
#include "resolver/net/clockwork.h"
#include "resolver/net/ports.h"
#include "resolver/net/stream.h"

enum { KEPT = 2048 }; /* sendings whose memory waits for the next */

/* A query under way by UDP. */
struct sending {
    struct wheel_timer timer;   /* its deadline */
    struct udp_query udp_query; /* over the request's own bytes */
    struct sending *prev, *next;
    struct forward *forward;
    struct exchange_request *request;
};

struct forward {
    struct exchange exchange;
    struct ports *ports;
    struct stream *stream;
    struct clockwork *clockwork;
    struct pool pool;
    struct sending *sendings;         /* all that are under way */
    struct exchange_request *refused; /* failed while they were sent; told from the loop */
    struct event *refused_event;
};

/* -- the end of a request ---------------------------------------------------------------------- */

static void tell(struct exchange_request *request, int status, const uint8_t *bytes, size_t size)
{
    request->done(request, &(struct exchange_response){
                               .status = status, .bytes = bytes, .size = size, .now = micro_now()});
}

/* Fails a request from the loop instead of while it is sent. */
static void refuse(struct forward *forward, struct exchange_request *request)
{
    DL_APPEND(forward->refused, request);
    event_active(forward->refused_event, EV_TIMEOUT, 0);
}

static void tell_refused(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct forward *forward = arg;
    struct exchange_request *requests = forward->refused, *request, *next;
    forward->refused = NULL;
    DL_FOREACH_SAFE (requests, request, next)
        tell(request, ERR_SYSTEM, NULL, 0);
}

/* The request goes its own way. */
static struct exchange_request *sending_end(struct sending *sending)
{
    struct forward *forward = sending->forward;
    struct exchange_request *request = sending->request;
    ports_done(forward->ports, &sending->udp_query);
    wheel_stop(clockwork_wheel(forward->clockwork), &sending->timer);
    DL_DELETE(forward->sendings, sending);
    pool_put(&forward->pool, sending);
    return request;
}

/* -- UDP --------------------------------------------------------------------------------------- */

static struct sending *sending_of(const struct udp_query *udp_query)
{
    return (struct sending *)((char *)udp_query - offsetof(struct sending, udp_query));
}

static bool answers(const struct udp_query *udp_query, const uint8_t *bytes, size_t size)
{
    return exchange_answers(sending_of(udp_query)->request, bytes, size);
}

/* Called by `ports`. */
static void arrived(void *arg)
{
    struct forward *forward = arg;
    struct udp_response udp_response;
    while (ports_next(forward->ports, &udp_response)) {
        const bool refused = udp_response.query->refused;
        struct exchange_request *request = sending_end(sending_of(udp_response.query));
        if (refused)
            tell(request, ERR_SYSTEM, NULL, 0);
        else
            tell(request, ERR_OK, udp_response.bytes, udp_response.size);
    }
}

static void overdue(struct wheel_timer *timer, struct micro now)
{
    (void)now;
    tell(sending_end((struct sending *)timer), ERR_TIMEOUT, NULL, 0);
}

static void send_by_udp(struct forward *forward, struct exchange_request *request)
{
    struct sending *sending = pool_get(&forward->pool);
    if (!sending) {
        refuse(forward, request);
        return;
    }
    *sending = (struct sending){
        .timer = {.ring = overdue},
        .forward = forward,
        .request = request,
        .udp_query = {.bytes = request->bytes, .size = request->size},
    };
    DL_APPEND(forward->sendings, sending);
    wheel_start(clockwork_wheel(forward->clockwork), &sending->timer, request->deadline,
                micro_ms(micro_now()));
    if (ports_send(forward->ports, &sending->udp_query) != ERR_OK)
        refuse(forward, sending_end(sending));
}

/* -- all --------------------------------------------------------------------------------------- */

static bool build(struct forward *forward, struct event_base *base, const struct sockaddr *address,
                  struct ports_budget *budget)
{
    forward->clockwork = clockwork_new(base);
    forward->refused_event = event_new(base, -1, 0, tell_refused, forward);
    forward->ports = ports_new(&(struct ports_options){.budget = budget,
                                                       .base = base,
                                                       .address = address,
                                                       .answers = answers,
                                                       .arrived = arrived,
                                                       .arg = forward});
    if (!forward->clockwork || !forward->refused_event || !forward->ports)
        return false;
    forward->stream = stream_new(base, clockwork_wheel(forward->clockwork), address);
    return forward->stream != NULL;
}

static void free_forward(struct exchange *exchange)
{
    struct forward *forward = (struct forward *)exchange;
    while (forward->sendings)
        tell(sending_end(forward->sendings), ERR_TIMEOUT, NULL, 0);
    stream_free(forward->stream);
    if (forward->refused)
        tell_refused(-1, 0, forward);
    ports_free(forward->ports);
    if (forward->refused_event)
        event_free(forward->refused_event);
    clockwork_free(forward->clockwork);
    pool_drain(&forward->pool);
    free(forward);
}

static void send_request(struct exchange *exchange, enum exchange_way way,
                         struct exchange_request *request)
{
    struct forward *forward = (struct forward *)exchange;
    if (way == EXCHANGE_TCP)
        stream_send(forward->stream, request);
    else
        send_by_udp(forward, request);
}

static const struct exchange_kind kind = {.send = send_request, .free = free_forward};

struct exchange *forward_new(struct event_base *base, const struct sockaddr *address,
                             struct ports_budget *budget)
{
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return NULL;
    forward->exchange.kind = &kind;
    forward->pool = pool_of(sizeof(struct sending), KEPT);
    if (!build(forward, base, address, budget)) {
        free_forward(&forward->exchange);
        return NULL;
    }
    return &forward->exchange;
}
