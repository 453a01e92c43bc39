/*
 * topic.h - publishes the versions of history.h to Kafka, and reads them back as any consumer would.
 *
 *     caller   topic_publish()      ---> broker
 *     acks     offset, acked()      <---/  \---> read()   reader
 *
 * The reader is a plain consumer on a connection and a thread of its own, which does nothing but
 * take the time. All changes are of one zone, so they lie in one partition, in the order of their
 * versions; nobody else publishes there.
 *
 * Threads: topic_open() starts one for acknowledgements, and one for the reader if there is one;
 * they make the calls.
 */
#ifndef FRESHET_COMMON_TOPIC_H
#define FRESHET_COMMON_TOPIC_H

#include "bench/common/kafka.h"

struct topic_options {
    const char *brokers, *name, *zone, *publisher;
    kafka_setting *producer, *consumer;   /* as in kafka.h; no consumer: nobody reads */
    const struct option_list *properties; /* of the consumer */
    void (*acked)(void *arg, uint32_t version, int64_t offset, int64_t now_us);
    void (*read)(void *arg, uint32_t version, int64_t offset, int64_t now_us);
    void *arg;
};

struct topic;

/* Publishes a heartbeat to learn the zone's partition. NULL with one line in `ret_error`. */
struct topic *topic_open(const struct topic_options *options, char ret_error[KAFKA_ERROR]);
void topic_close(struct topic *topic);

/* Publishes a version with its changes in JSON. False: librdkafka does not take it now. */
bool topic_publish(struct topic *topic, uint32_t version, const char *changes);

int32_t topic_partition(const struct topic *topic);
int64_t topic_base(const struct topic *topic); /* the offset of the first change */
uint64_t
topic_feed_id(const struct topic *topic); /* as in position options; invalidation/position.h */

struct topic_counters {
    uint64_t published, acknowledged, read, failed;
};
struct topic_counters topic_count(const struct topic *topic);

#endif
