/*
 * changes.h - the probe's changes in Kafka, and their times in flight.h.
 *
 * Publisher and plain consumer have the settings of freshet's own, as far as they are about time.
 * What the consumer needs from the call that publishes on is what Kafka needs on this machine; the
 * tiers are compared with it, change by change.
 */
#ifndef FRESHET_PROPAGATION_CHANGES_H
#define FRESHET_PROPAGATION_CHANGES_H

#include "bench/common/topic.h"
#include "bench/common/wire.h"
#include "bench/propagation/flight.h"

/* By the options of `flights`. NULL with a line in `ret_error`. */
struct topic *changes_open(struct flights *flights, const struct zone *zone,
                           char ret_error[KAFKA_ERROR]);

void changes_publish(struct topic *topic, const struct flights *flights, const struct zone *zone,
                     uint32_t version);

#endif
