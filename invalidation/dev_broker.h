/*
 * dev_broker.h - an embedded Kafka for development: librdkafka's mock cluster on a loopback port.
 *
 * Keeps its log in memory and forgets it when it stops. It holds an empty fetch for all of the
 * consumer's fetch.wait.max.ms, so consumers of it want that small; latencies measured on it are
 * not Kafka's.
 */
#ifndef FRESHET_INVALIDATION_DEV_BROKER_H
#define FRESHET_INVALIDATION_DEV_BROKER_H

#include <netinet/in.h>

#include "dns/error.h"

enum { DEV_BROKER_MAX_ERROR = 256 };

struct dev_broker;

/*
 * Starts a one-node cluster with `topic` of `partitions`. NULL with one line in `ret_error`.
 *
 * The mock cluster picks its port by itself. With `listen`, a loopback address with port, it is found there as well:
 * what comes is passed on, and whoever asks for the cluster's nodes is told of that other port.
 */
struct dev_broker *dev_broker_start(const char *topic, int partitions,
                                    const struct sockaddr_in *listen,
                                    char ret_error[DEV_BROKER_MAX_ERROR]);

/* "127.0.0.1:PORT"; where to find it: `listen`, or the port that was picked. */
const char *dev_broker_address(const struct dev_broker *broker);

void dev_broker_stop(struct dev_broker *broker);

#endif
