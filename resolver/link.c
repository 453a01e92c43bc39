#include "resolver/link.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/clock.h"
#include "resolver/entropy.h"
#include "resolver/wheel.h"

#define NEVER UINT64_MAX

enum whereabouts { GOING, THERE, COMING };

/* A query on its way, and then its response. */
struct crossing {
    struct wheel_timer timer; /* the next arrival, or the end of patience */
    struct crossing *prev, *next;
    struct link *link;
    struct forward_request *request; /* NULL: it was told already, and only `near` is not done */
    struct forward_request near; /* the query on the other side, with its own copy of the bytes */
    enum whereabouts where;
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
    struct crossing *crossings;
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

static bool is_stream(const struct crossing *crossing)
{
    return crossing->link->inside || crossing->way == FORWARD_TCP;
}

/* The response's; one that did not fit into UDP is asked for once more. */
static uint64_t return_us(const struct crossing *crossing)
{
    struct link *link = crossing->link;
    uint64_t us = transit_us(link, is_stream(crossing));
    if (us != NEVER && forward_fell_back(&crossing->near))
        us += transit_us(link, true) + transit_us(link, true);
    return us;
}

/* Rings at the arrival, but not after the end of patience. Rounded up: nothing arrives early. */
static void wait_for(struct crossing *crossing, uint64_t arrives_us, uint64_t now_us)
{
    uint64_t due_us = arrives_us < crossing->give_up_us ? arrives_us : crossing->give_up_us;
    crossing->arrives_us = arrives_us;
    if (due_us != NEVER)
        wheel_start(crossing->link->wheel, &crossing->timer, (struct mono){(due_us + 999) / 1000},
                    (struct mono){now_us / 1000});
}

/* ---- its end -------------------------------------------------------------------------------- */

static void crossing_free(struct crossing *crossing)
{
    DL_DELETE(crossing->link->crossings, crossing);
    wheel_stop(crossing->link->wheel, &crossing->timer);
    free(crossing->response);
    free(crossing);
}

/* Tells how it ended. While `near` has it, its memory has to stay. */
static void finish(struct crossing *crossing, int status)
{
    struct forward_request *request = crossing->request;
    uint8_t *response = crossing->response;
    size_t size = crossing->size;
    crossing->response = NULL;
    crossing->request = NULL;
    wheel_stop(crossing->link->wheel, &crossing->timer);
    if (crossing->where != THERE)
        crossing_free(crossing);
    request->done(request, status, response, size);
    free(response);
}

/* The response at the other side: good or bad, it has to come back. */
static void set_out(struct crossing *crossing, int status, const uint8_t *response, size_t size)
{
    uint64_t now_us = mono_now_us();
    crossing->where = COMING;
    crossing->status = status;
    if (status == ERR_OK) {
        crossing->response = malloc(size);
        crossing->size = size;
        if (crossing->response)
            memcpy(crossing->response, response, size);
        else
            crossing->status = ERR_SYSTEM;
    }
    wait_for(crossing, later(now_us, return_us(crossing)), now_us);
}

/* Silence needs no time to come back; it is noticed on this side. */
static void answered(struct forward_request *near, int status, const uint8_t *response, size_t size)
{
    struct crossing *crossing = (struct crossing *)((char *)near - offsetof(struct crossing, near));
    if (!crossing->request) {
        crossing_free(crossing);
    } else if (crossing->link->closing || status == ERR_TIMEOUT) {
        crossing->where = COMING;
        finish(crossing, ERR_TIMEOUT);
    } else {
        set_out(crossing, status, response, size);
    }
}

static void ring(struct wheel_timer *timer, struct mono now)
{
    (void)now;
    struct crossing *crossing = (struct crossing *)timer;
    if (crossing->arrives_us > crossing->give_up_us) {
        finish(crossing, ERR_TIMEOUT);
    } else if (crossing->where == COMING) {
        finish(crossing, crossing->status);
    } else {
        crossing->where = THERE;
        wait_for(crossing, NEVER, mono_now_us());
        forward_send(crossing->link->near, crossing->way, &crossing->near);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

void link_send(struct link *link, enum forward_way way, struct forward_request *request)
{
    struct crossing *crossing = calloc(1, sizeof *crossing);
    if (!crossing) {
        forward_send(link->near, way, request); /* a short way is better than none */
        return;
    }
    uint64_t now_us = mono_now_us();
    crossing->timer.ring = ring;
    crossing->link = link;
    crossing->request = request;
    crossing->near.done = answered;
    crossing->near.passage.size = request->passage.size;
    memcpy(crossing->near.passage.bytes, request->passage.bytes, request->passage.size);
    crossing->way = way;
    crossing->give_up_us = link->inside ? NEVER : now_us + FORWARD_TIMEOUT_MS * 1000;
    DL_APPEND(link->crossings, crossing);
    wait_for(crossing, later(now_us, transit_us(link, is_stream(crossing))), now_us);
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
    struct crossing *crossing;
    if (!link)
        return;
    link->closing = true;
    forward_free(link->near);
    while ((crossing = link->crossings)) {
        crossing->where = COMING; /* nobody has its memory any more */
        if (crossing->request)
            finish(crossing, ERR_TIMEOUT);
        else
            crossing_free(crossing);
    }
    wheel_free(link->wheel);
    free(link);
}
