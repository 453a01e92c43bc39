/*
 * client.h - a client of Kafka that can be given up for a new one with the same configuration.
 *
 *   owner's thread    client_kafka(), client_renew()   whatever it asks and reads
 *   any thread        client_wake()    ends a wait for messages
 *                     client_poll()    serves the log and the errors of one that reads no messages
 *
 * When its topic was deleted meanwhile, librdkafka 2.0 may wait for one of its own threads for ever when it is to end
 * (its issues 3007, 3954 and 4362). So clients end in threads of their own, and one that does not within a second is
 * left behind, and ends with the process. It calls nothing of ours: all callbacks are made from polls. Of such clients
 * there may be CLIENT_MOST_ENDING; with as many, none is given up any more.
 */
#ifndef FRESHET_INVALIDATION_CLIENT_H
#define FRESHET_INVALIDATION_CLIENT_H

#include "invalidation/kafka.h"

enum { CLIENT_MOST_ENDING = 4 };

struct client;

/* A consumer. Takes `conf` over, on failure too. NULL with one line in `ret_error`. */
struct client *client_new(rd_kafka_conf_t *conf, char ret_error[KAFKA_MAX_ERROR]);

/* Ends it within about a second. What is left of its messages must have been destroyed. NULL is fine. */
void client_free(struct client *client);

/* For the owner's thread, until client_renew(). */
rd_kafka_t *client_kafka(const struct client *client);

/*
 * Gives the client up for a new one that is connected to nobody yet and has nothing assigned; messages of the old one
 * must have been destroyed. ERR_OK; ERR_KAFKA with one line in `ret_error`: the old one stays.
 */
MUST_CHECK int client_renew(struct client *client, char ret_error[KAFKA_MAX_ERROR]);

void client_wake(struct client *client);

void client_poll(struct client *client);

#endif
