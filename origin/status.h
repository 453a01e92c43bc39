/*
 * status.h - what the origin knows about itself: JSON for the control socket (daemon/control.h), and metrics.
 *
 *     {"cmd":"status"}                 -> {"ok":true,"zones":[...],...}
 *     {"cmd":"captured","after":41}    -> {"ok":true,"first":42,"serial":[...],"acknowledged_us":[...],"own_us":[...],"kafka_us":[...],"transfer_us":[...]}
 *
 * "captured" are versions in the order that Kafka acknowledged them ("acknowledged_us", of the machine's CLOCK_BOOTTIME). "own_us" is the origin's share: from the NOTIFY to the
 * question to the primary, and from the end of the transfer to the acknowledgement; 0 where no NOTIFY was the reason. Of it
 * "kafka_us" went from the hand-over to Kafka's client to the acknowledgement.
 */
#ifndef FRESHET_ORIGIN_STATUS_H
#define FRESHET_ORIGIN_STATUS_H

#include <event2/buffer.h>

#include "daemon/clock.h"
#include "daemon/control.h"
#include "origin/numbers.h"

/* What there is to be asked; borrowed. */
struct status {
    struct captures *captures;
    struct turns *turns;
    struct listen *listen;
    struct service *service;
    struct primaries *primaries;
    struct roster *roster; /* NULL while it starts */
    const struct config *config;
    struct mono started;
};

void status_numbers(const struct status *status, struct origin_numbers *ret);

/* Of struct control_commands; `status` is a struct status. */
json_t *status_answer(void *status, json_t *request, struct control_work *ret_work);

/* Writes the page of metrics. */
void status_page(void *status, struct evbuffer *out);

#endif
