#include "resolver/net/link.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/error.h"
#include "resolver/answer/entropy.h"
#include "resolver/net/clock.h"
#include "resolver/net/clockwork.h"

#define NEVER UINT64_MAX

enum leg { GOING, THERE, COMING };

/* A query on its way, and then its response. */
struct in_transit {
    struct wheel_timer timer; /* the next udp_response, or the end of stale_timer */
    struct in_transit *prev, *next;
    struct link *link;
    struct exchange_request *request; /* NULL: it was told already, and only `near` is not done */
    struct exchange_request near; /* the query on the other side, with its own copy of the bytes */
    enum leg where;
    enum exchange_way way;
    uint64_t give_up_us;
    uint64_t arrives_us; /* GOING, COMING: at the other end; NEVER: lost */
    int status;          /* COMING: what came of it */
    uint8_t *response;   /* owned */
    size_t size;
};

struct link {
    struct exchange exchange;
    struct link_options options;
    struct exchange *near; /* owned */
    bool closing;
    struct clockwork *clockwork;
    struct wheel *wheel;
    struct entropy entropy;
    struct in_transit *in_transit;
};

/* ---- the way -------------------------------------------------------------------------------- */

static uint64_t later(uint64_t now_us, uint64_t us)
{
    return us == NEVER ? NEVER : now_us + us;
}

/* How long one message takes, or NEVER. `stream`: what is lost is sent again. */
static uint64_t transit_us(struct link *link, bool stream)
{
    const struct link_options *options = &link->options;
    const uint64_t jitter_us = options->jitter_ms * 1000;
    uint64_t us = options->delay_ms * 1000 - jitter_us;
    us += entropy_below(&link->entropy, (uint32_t)(2 * jitter_us + 1));
    if (entropy_below(&link->entropy, LINK_SURE_LOSS) >= options->loss)
        return us;
    return stream ? us + LINK_RETRANSMIT_MS * 1000 : NEVER;
}

static bool is_stream(const struct in_transit *transit)
{
    return transit->link->near->sure || transit->way == EXCHANGE_TCP;
}

/* Rings at the udp_response, but not after the end of stale_timer. Rounded up: nothing arrives early. */
static void wait_for(struct in_transit *transit, uint64_t arrives_us, uint64_t now_us)
{
    uint64_t due_us = arrives_us < transit->give_up_us ? arrives_us : transit->give_up_us;
    transit->arrives_us = arrives_us;
    if (due_us != NEVER)
        wheel_start(transit->link->wheel, &transit->timer, (struct mono){(due_us + 999) / 1000},
                    (struct mono){now_us / 1000});
}

/* ---- its end -------------------------------------------------------------------------------- */

static void in_transit_free(struct in_transit *transit)
{
    DL_DELETE(transit->link->in_transit, transit);
    wheel_stop(transit->link->wheel, &transit->timer);
    free(transit->response);
    free(transit);
}

/* Tells how it ended. While `near` has it, its memory has to stay. */
static void finish(struct in_transit *transit, int status)
{
    struct exchange_request *request = transit->request;
    uint8_t *response = transit->response;
    size_t size = transit->size;
    transit->response = NULL;
    transit->request = NULL;
    wheel_stop(transit->link->wheel, &transit->timer);
    if (transit->where != THERE)
        in_transit_free(transit);
    request->done(request,
                  &(struct exchange_response){
                      .status = status, .bytes = response, .size = size, .now = micro_now()});
    free(response);
}

/* The response at the other side: good or bad, it has to come back. */
static void set_out(struct in_transit *transit, const struct exchange_response *response)
{
    uint64_t now_us = response->now.us;
    transit->where = COMING;
    transit->status = response->status;
    if (response->status == ERR_OK) {
        transit->response = malloc(response->size);
        transit->size = response->size;
        if (transit->response) {
            memcpy(transit->response, response->bytes, response->size);
            /* Newer c-ares (1.34) gives each query an ID of its own; this is the response to ours. */
            memcpy(transit->response, transit->request->bytes, sizeof(uint16_t));
        } else {
            transit->status = ERR_SYSTEM;
        }
    }
    wait_for(transit, later(now_us, transit_us(transit->link, is_stream(transit))), now_us);
}

/* Silence needs no time to come back; it is noticed on this side. */
static void answered(struct exchange_request *near, const struct exchange_response *response)
{
    struct in_transit *transit =
        (struct in_transit *)((char *)near - offsetof(struct in_transit, near));
    if (!transit->request) {
        in_transit_free(transit);
    } else if (transit->link->closing || response->status == ERR_TIMEOUT) {
        transit->where = COMING;
        finish(transit, ERR_TIMEOUT);
    } else {
        set_out(transit, response);
    }
}

static void ring(struct wheel_timer *timer, struct micro now)
{
    struct in_transit *transit = (struct in_transit *)timer;
    if (transit->arrives_us > transit->give_up_us) {
        finish(transit, ERR_TIMEOUT);
    } else if (transit->where == COMING) {
        finish(transit, transit->status);
    } else {
        transit->where = THERE;
        wait_for(transit, NEVER, now.us);
        exchange_send(transit->link->near, transit->way, &transit->near);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

static void send_request(struct exchange *exchange, enum exchange_way way,
                         struct exchange_request *request)
{
    struct link *link = (struct link *)exchange;
    struct in_transit *transit = calloc(1, sizeof *transit);
    if (!transit) {
        exchange_send(link->near, way, request); /* a short way is better than none */
        return;
    }
    uint64_t now_us = micro_now().us;
    transit->timer.ring = ring;
    transit->link = link;
    transit->request = request;
    transit->near.done = answered;
    transit->near.size = request->size;
    transit->near.deadline = request->deadline;
    memcpy(transit->near.bytes, request->bytes, request->size);
    transit->way = way;
    transit->give_up_us = link->near->sure ? NEVER : request->deadline.ms * 1000;
    DL_APPEND(link->in_transit, transit);
    wait_for(transit, later(now_us, transit_us(link, is_stream(transit))), now_us);
}

static void free_link(struct exchange *exchange)
{
    struct link *link = (struct link *)exchange;
    struct in_transit *transit;
    link->closing = true;
    exchange_free(link->near);
    while ((transit = link->in_transit)) {
        transit->where = COMING; /* nobody has its memory any more */
        if (transit->request)
            finish(transit, ERR_TIMEOUT);
        else
            in_transit_free(transit);
    }
    clockwork_free(link->clockwork);
    free(link);
}

static const struct exchange_kind kind = {.send = send_request, .free = free_link};

struct exchange *link_new(struct event_base *base, struct exchange *near,
                          const struct link_options *options)
{
    struct link *link = near ? calloc(1, sizeof *link) : NULL;
    struct clockwork *clockwork = link ? clockwork_new(base) : NULL;
    if (!clockwork) {
        exchange_free(near);
        free(link);
        return NULL;
    }
    link->exchange = (struct exchange){.kind = &kind, .sure = near->sure};
    link->options = *options;
    link->near = near;
    link->clockwork = clockwork;
    link->wheel = clockwork_wheel(clockwork);
    return &link->exchange;
}
