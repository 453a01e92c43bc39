#include "invalidation/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { END_S = 1 };

struct client {
    rd_kafka_conf_t *conf; /* for the next one */
    pthread_mutex_t lock;  /* of what follows, where it is not the owner who reads it */
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue; /* of its messages; NULL where it reads none */
};

static atomic_int ending; /* clients of the process */

static void *end(void *kafka)
{
    rd_kafka_destroy_flags(kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    atomic_fetch_sub(&ending, 1);
    return NULL;
}

static bool start_end(rd_kafka_t *kafka, pthread_t *ret_thread)
{
    atomic_fetch_add(&ending, 1);
    return pthread_create(ret_thread, NULL, end, kafka) == 0;
}

static int start_kafka(struct client *client, rd_kafka_t **ret_kafka, char error[KAFKA_MAX_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->conf);
    if (!conf) {
        snprintf(error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return ERR_MEMORY;
    }
    rd_kafka_t *kafka = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
    if (!kafka)
        return ERR_KAFKA;
    rd_kafka_poll_set_consumer(kafka); /* of no effect without a group */
    *ret_kafka = kafka;
    return ERR_OK;
}

static void set_kafka(struct client *client, rd_kafka_t *kafka)
{
    pthread_mutex_lock(&client->lock);
    if (client->queue)
        rd_kafka_queue_destroy(client->queue);
    client->kafka = kafka;
    client->queue = kafka ? rd_kafka_queue_get_consumer(kafka) : NULL;
    pthread_mutex_unlock(&client->lock);
}

struct client *client_new(rd_kafka_conf_t *conf, char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_t *kafka;
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        snprintf(ret_error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    client->conf = conf;
    pthread_mutex_init(&client->lock, NULL);
    if (start_kafka(client, &kafka, ret_error) < 0) {
        client_free(client);
        return NULL;
    }
    set_kafka(client, kafka);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    rd_kafka_t *kafka = client->kafka;
    pthread_t thread;
    struct timespec until;
    set_kafka(client, NULL);
    if (kafka && start_end(kafka, &thread)) {
        clock_gettime(CLOCK_REALTIME, &until); /* the only clock that this join knows */
        until.tv_sec += END_S;
        if (pthread_timedjoin_np(thread, NULL, &until) != 0)
            pthread_detach(thread);
    }
    pthread_mutex_destroy(&client->lock);
    rd_kafka_conf_destroy(client->conf);
    free(client);
}

rd_kafka_t *client_kafka(const struct client *client)
{
    return client->kafka;
}

int client_renew(struct client *client, char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_t *old = client->kafka, *kafka;
    pthread_t thread;
    if (atomic_load(&ending) >= CLIENT_MOST_ENDING) {
        snprintf(ret_error, KAFKA_MAX_ERROR, "%d clients that were given up have not ended yet",
                 CLIENT_MOST_ENDING);
        return ERR_KAFKA;
    }
    if (start_kafka(client, &kafka, ret_error) < 0)
        return ERR_KAFKA;
    set_kafka(client, kafka);
    if (start_end(old, &thread))
        pthread_detach(thread);
    return ERR_OK;
}

void client_wake(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    if (client->queue)
        rd_kafka_queue_yield(client->queue);
    pthread_mutex_unlock(&client->lock);
}

void client_poll(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    rd_kafka_poll(client->kafka, 0);
    pthread_mutex_unlock(&client->lock);
}
