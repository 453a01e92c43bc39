/*
 * topic.h - publishes changes to Kafka, and reads them back as any consumer would.
 *
 *     loop     topic_publish()   ---> broker
 *     acks     acked, offset     <---/  \---> read    reader: the plain consumer
 *
 * The plain consumer is librdkafka with the settings of freshet's feed, on a thread that does
 * nothing but take the time. What it needs from the call that publishes on is what Kafka needs on
 * this machine; the tiers are compared with it, change by change.
 *
 * Threads: topic_open() starts one or two, besides librdkafka's.
 */
#ifndef FRESHET_PROPAGATION_TOPIC_H
#define FRESHET_PROPAGATION_TOPIC_H

#include "bench/common/wire.h"
#include "bench/propagation/flight.h"

enum { TOPIC_ERROR = 512 };

struct topic;

/* Publishes a heartbeat, to learn the zone's partition. NULL with a line in `ret_error`. */
struct topic *topic_open(const struct options *options, const struct zone *zone,
                         struct flights *flights, char ret_error[TOPIC_ERROR]);
void topic_close(struct topic *topic);

/* False: librdkafka does not take it now. */
bool topic_publish(struct topic *topic, uint32_t version);

int32_t topic_partition(const struct topic *topic);

/* The id in position options; see invalidation/position.h. */
uint64_t topic_feed_id(const struct topic *topic);

/* What was not acknowledged. */
uint64_t topic_failed(const struct topic *topic);

#endif
