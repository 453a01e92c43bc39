#include "invalidation/dev_broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/kafka.h"
#include "invalidation/relay.h"

#include <librdkafka/rdkafka_mock.h>

struct dev_broker {
    rd_kafka_t *client; /* the cluster lives in a client's threads */
    rd_kafka_mock_cluster_t *cluster;
    struct relay *relay;              /* NULL: clients come straight to the cluster */
    char listen[INET_ADDRSTRLEN + 8]; /* "127.0.0.1:9092" */
};

/* The client never connects anywhere: it lends its threads. */
static rd_kafka_t *new_client(char error[DEV_BROKER_MAX_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, DEV_BROKER_MAX_ERROR);
    if (!client)
        rd_kafka_conf_destroy(conf);
    return client;
}

static int new_cluster(struct dev_broker *broker, const char *topic, int partitions,
                       char error[DEV_BROKER_MAX_ERROR])
{
    broker->cluster = rd_kafka_mock_cluster_new(broker->client, 1);
    if (!broker->cluster) {
        snprintf(error, DEV_BROKER_MAX_ERROR, "the mock cluster does not start");
        return ERR_KAFKA;
    }
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(broker->cluster, topic, partitions, 1);
    if (code) {
        snprintf(error, DEV_BROKER_MAX_ERROR, "topic %s of %d partitions: %s", topic, partitions,
                 rd_kafka_err2str(code));
        return ERR_KAFKA;
    }
    return 0;
}

static int open_relay(struct dev_broker *broker, const struct sockaddr_in *listen,
                      char error[DEV_BROKER_MAX_ERROR])
{
    if (!listen)
        return 0;
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &listen->sin_addr, host, sizeof host);
    snprintf(broker->listen, sizeof broker->listen, "%s:%u", host, ntohs(listen->sin_port));
    const char *port = strrchr(rd_kafka_mock_cluster_bootstraps(broker->cluster), ':');
    broker->relay = port ? relay_start(listen, (uint16_t)atoi(port + 1)) : NULL;
    if (broker->relay)
        return 0;
    snprintf(error, DEV_BROKER_MAX_ERROR, "%s: %s", broker->listen, strerror(errno));
    return ERR_SYSTEM;
}

struct dev_broker *dev_broker_start(const char *topic, int partitions,
                                    const struct sockaddr_in *listen,
                                    char ret_error[DEV_BROKER_MAX_ERROR])
{
    struct dev_broker *broker = calloc(1, sizeof *broker);
    if (!broker) {
        snprintf(ret_error, DEV_BROKER_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    broker->client = new_client(ret_error);
    if (broker->client && new_cluster(broker, topic, partitions, ret_error) == 0 &&
        open_relay(broker, listen, ret_error) == 0)
        return broker;
    dev_broker_stop(broker);
    return NULL;
}

const char *dev_broker_address(const struct dev_broker *broker)
{
    return broker->relay ? broker->listen : rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void dev_broker_stop(struct dev_broker *broker)
{
    if (!broker)
        return;
    relay_stop(broker->relay);
    if (broker->cluster)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    if (broker->client)
        rd_kafka_destroy(broker->client);
    free(broker);
}
