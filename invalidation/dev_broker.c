#include "invalidation/dev_broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

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

static bool listens_on(int fd, uint16_t port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address, int_size = sizeof(int);
    int listening = 0;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &int_size) == 0 && listening &&
           getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           address.sin_family == AF_INET && ntohs(address.sin_port) == port;
}

static uint16_t cluster_port(const struct dev_broker *broker)
{
    const char *port = strrchr(rd_kafka_mock_cluster_bootstraps(broker->cluster), ':');
    return port ? (uint16_t)atoi(port + 1) : 0;
}

/*
 * The mock cluster leaves Nagle's algorithm on: the second of two responses waits for the client's delayed
 * acknowledgement of the first, 40 ms. It lends nobody its sockets, but those it accepts are as the one that listens.
 */
static void answer_at_once(const struct dev_broker *broker)
{
    struct rlimit most;
    const uint16_t port = cluster_port(broker);
    if (getrlimit(RLIMIT_NOFILE, &most) != 0)
        return;
    for (int fd = 0; fd < (int)most.rlim_cur && fd < FD_SETSIZE; fd++)
        if (listens_on(fd, port))
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
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
    answer_at_once(broker);
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
    broker->relay = relay_start(listen, cluster_port(broker));
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
