#include "resolver/net/inside.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/net/clock.h"
#include "resolver/answer/query.h"

/* A query under way: what the other tier takes for its client. */
struct call {
    struct call *prev, *next; /* in `under_way` or `settled` */
    struct inside *inside;
    struct exchange_request *request;
    unsigned holds; /* by the one who asks, and by the tier that is asked */
    bool has_ended;
    int status;
    uint8_t *reply; /* owned */
    size_t size;
};

struct inside {
    struct exchange exchange;
    struct tier_worker *tier_worker;
    struct event *tell;
    struct call *under_way;
    struct call *settled;             /* to be told from the loop */
    struct exchange_request *refused; /* no memory for a call; likewise */
    uint8_t reply[DNS_MAX_MESSAGE];
};

static void call_unhold(struct call *call)
{
    if (--call->holds > 0)
        return;
    free(call->reply);
    free(call);
}

/* Notes how it ended; only the first time counts. */
static void call_end(struct call *call, int status, const uint8_t *reply, size_t size)
{
    struct inside *inside = call->inside;
    if (call->has_ended)
        return;
    call->has_ended = true;
    call->status = status;
    if (status == ERR_OK) {
        call->reply = malloc(size);
        call->size = size;
        if (call->reply)
            memcpy(call->reply, reply, size);
        else
            call->status = ERR_SYSTEM;
    }
    DL_DELETE(inside->under_way, call);
    DL_APPEND(inside->settled, call);
    event_active(inside->tell, EV_TIMEOUT, 0);
}

static void tell(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct inside *inside = arg;
    struct call *calls = inside->settled, *call, *next;
    struct exchange_request *refused = inside->refused, *request, *next_request;
    inside->settled = NULL;
    inside->refused = NULL;
    DL_FOREACH_SAFE (refused, request, next_request)
        request->done(request,
                      &(struct exchange_response){.status = ERR_SYSTEM, .now = micro_now()});
    DL_FOREACH_SAFE (calls, call, next) {
        call->request->done(call->request, &(struct exchange_response){.status = call->status,
                                                                       .bytes = call->reply,
                                                                       .size = call->size,
                                                                       .now = micro_now()});
        call_unhold(call);
    }
}

/* ---- the client that the other tier sees */

static void take_reply(const struct client *client, const uint8_t *bytes, size_t size)
{
    call_end(client->endpoint, ERR_OK, bytes, size);
}

static void hold(void *endpoint)
{
    struct call *call = endpoint;
    call->holds++;
}

/* Without a reply there will be none: the tier is going away. */
static void release(void *endpoint)
{
    struct call *call = endpoint;
    if (!call->has_ended)
        call_end(call, ERR_TIMEOUT, NULL, 0);
    call_unhold(call);
}

static const struct transport transport = {
    .send = take_reply,
    .hold = hold,
    .release = release,
    .inside = true,
};

static struct client client_of(struct call *call)
{
    struct client client = {.transport = &transport, .endpoint = call};
    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return client;
}

static void send_request(struct exchange *exchange, enum exchange_way way,
                         struct exchange_request *request)
{
    (void)way;
    struct inside *inside = (struct inside *)exchange;
    struct call *call = calloc(1, sizeof *call);
    if (!call) {
        DL_APPEND(inside->refused, request);
        event_active(inside->tell, EV_TIMEOUT, 0);
        return;
    }
    *call = (struct call){.inside = inside, .request = request, .holds = 1};
    DL_APPEND(inside->under_way, call);
    struct client client = client_of(call);
    struct query_input input = {
        .bytes = request->bytes,
        .size = request->size,
        .client = &client,
        .stream = true,
        .now = micro_now(),
    };
    size_t size = query_handle(inside->tier_worker, &input, inside->reply);
    if (size > 0)
        call_end(call, ERR_OK, inside->reply, size);
    else if (call->holds == 1)
        call_end(call, ERR_SYSTEM, NULL, 0);
}

static void free_inside(struct exchange *exchange)
{
    struct inside *inside = (struct inside *)exchange;
    struct call *call, *next;
    DL_FOREACH_SAFE (inside->under_way, call, next)
        call_end(call, ERR_TIMEOUT, NULL, 0);
    tell(-1, 0, inside);
    event_free(inside->tell);
    free(inside);
}

static const struct exchange_kind kind = {.send = send_request, .free = free_inside};

struct exchange *inside_new(struct event_base *base, struct tier_worker *tier_worker)
{
    struct inside *inside = calloc(1, sizeof *inside);
    if (!inside)
        return NULL;
    inside->exchange = (struct exchange){.kind = &kind, .sure = true};
    inside->tier_worker = tier_worker;
    inside->tell = event_new(base, -1, 0, tell, inside);
    if (!inside->tell) {
        free(inside);
        return NULL;
    }
    return &inside->exchange;
}
