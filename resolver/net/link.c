#include "resolver/net/link.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/daemon/clock.h"
#include "resolver/answer/entropy.h"
#include "resolver/net/wheel.h"

#define NEVER UINT64_MAX

enum leg { GOING, THERE, COMING };

/* A query on its way, and then its response. */
struct in_transit {
    struct wheel_timer timer; /* the next udp_response, or the end of stale_timer */
    struct in_transit *prev, *next;
    struct link *link;
    struct forward_request *request; /* NULL: it was told already, and only `near` is not done */
    struct forward_request near; /* the query on the other side, with its own copy of the bytes */
    enum leg where;
    enum forward_way way;
    uint64_t give_up_us;
    uint64_t arrives_us; /* GOING, COMING: at the other end; NEVER: lost */
    int status;          /* COMING: what came of it */
    uint8_t *response;   /* owned */
    size_t size;
};

struct link {
    struct link_options options;
    struct forward *near; /* owned */
    bool inside;
    bool closing;
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
    return transit->link->inside || transit->way == FORWARD_TCP;
}

/* The response's; one that did not fit into UDP is asked for once more. */
static uint64_t return_us(const struct in_transit *transit)
{
    struct link *link = transit->link;
    uint64_t us = transit_us(link, is_stream(transit));
    if (us != NEVER && forward_fell_back(&transit->near))
        us += transit_us(link, true) + transit_us(link, true);
    return us;
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
    struct forward_request *request = transit->request;
    uint8_t *response = transit->response;
    size_t size = transit->size;
    transit->response = NULL;
    transit->request = NULL;
    wheel_stop(transit->link->wheel, &transit->timer);
    if (transit->where != THERE)
        in_transit_free(transit);
    request->done(request, status, response, size);
    free(response);
}

/* The response at the other side: good or bad, it has to come back. */
static void set_out(struct in_transit *transit, int status, const uint8_t *response, size_t size)
{
    uint64_t now_us = mono_now_us();
    transit->where = COMING;
    transit->status = status;
    if (status == ERR_OK) {
        transit->response = malloc(size);
        transit->size = size;
        if (transit->response)
            memcpy(transit->response, response, size);
        else
            transit->status = ERR_SYSTEM;
    }
    wait_for(transit, later(now_us, return_us(transit)), now_us);
}

/* Silence needs no time to come back; it is noticed on this side. */
static void answered(struct forward_request *near, int status, const uint8_t *response, size_t size)
{
    struct in_transit *transit =
        (struct in_transit *)((char *)near - offsetof(struct in_transit, near));
    if (!transit->request) {
        in_transit_free(transit);
    } else if (transit->link->closing || status == ERR_TIMEOUT) {
        transit->where = COMING;
        finish(transit, ERR_TIMEOUT);
    } else {
        set_out(transit, status, response, size);
    }
}

static void ring(struct wheel_timer *timer, struct mono now)
{
    (void)now;
    struct in_transit *transit = (struct in_transit *)timer;
    if (transit->arrives_us > transit->give_up_us) {
        finish(transit, ERR_TIMEOUT);
    } else if (transit->where == COMING) {
        finish(transit, transit->status);
    } else {
        transit->where = THERE;
        wait_for(transit, NEVER, mono_now_us());
        forward_send(transit->link->near, transit->way, &transit->near);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

void link_send(struct link *link, enum forward_way way, struct forward_request *request)
{
    struct in_transit *transit = calloc(1, sizeof *transit);
    if (!transit) {
        forward_send(link->near, way, request); /* a short way is better than none */
        return;
    }
    uint64_t now_us = mono_now_us();
    transit->timer.ring = ring;
    transit->link = link;
    transit->request = request;
    transit->near.done = answered;
    transit->near.udp_query.size = request->udp_query.size;
    memcpy(transit->near.udp_query.bytes, request->udp_query.bytes, request->udp_query.size);
    transit->way = way;
    transit->give_up_us = link->inside ? NEVER : now_us + FORWARD_TIMEOUT_MS * 1000;
    DL_APPEND(link->in_transit, transit);
    wait_for(transit, later(now_us, transit_us(link, is_stream(transit))), now_us);
}

struct link *link_new(struct event_base *base, struct forward *near, bool inside,
                      const struct link_options *options)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->options = *options;
    link->inside = inside;
    link->wheel = wheel_new(base);
    if (!link->wheel) {
        free(link);
        return NULL;
    }
    link->near = near;
    return link;
}

void link_free(struct link *link)
{
    struct in_transit *transit;
    if (!link)
        return;
    link->closing = true;
    forward_free(link->near);
    while ((transit = link->in_transit)) {
        transit->where = COMING; /* nobody has its memory any more */
        if (transit->request)
            finish(transit, ERR_TIMEOUT);
        else
            in_transit_free(transit);
    }
    wheel_free(link->wheel);
    free(link);
}
