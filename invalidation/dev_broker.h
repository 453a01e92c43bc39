/*
 * dev_broker.h - an embedded Kafka for development: librdkafka's mock cluster on a loopback port.
 *
 * Keeps its log in memory and forgets it when it stops. It holds an empty fetch for all of the
 * consumer's fetch.wait.max.ms, so consumers of it want that small; latencies measured on it are
 * not Kafka's.
 */
#ifndef FRESHET_INVALIDATION_DEV_BROKER_H
#define FRESHET_INVALIDATION_DEV_BROKER_H

#include "dns/error.h"

enum { DEV_BROKER_MAX_ERROR = 256 };

struct dev_broker;

/* Starts a one-node cluster with `topic` of `partitions`. NULL with one line in `ret_error`. */
struct dev_broker *dev_broker_start(const char *topic, int partitions,
                                    char ret_error[DEV_BROKER_MAX_ERROR]);

/* "127.0.0.1:PORT"; the broker's. */
const char *dev_broker_address(const struct dev_broker *broker);

void dev_broker_stop(struct dev_broker *broker);

#endif
