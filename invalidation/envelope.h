/*
 * envelope.h - a change set as the message that Kafka carries: key, value, headers (publish.h says which). Private to
 * those that send.
 */
#ifndef FRESHET_INVALIDATION_ENVELOPE_H
#define FRESHET_INVALIDATION_ENVELOPE_H

#include "invalidation/changeset.h"
#include "invalidation/kafka.h"

struct envelope {
    char key[NAME_MAX_TEXT];
    char *value; /* JSON, NUL-terminated */
    rd_kafka_headers_t *headers;
};

/* ERR_MEMORY, ERR_SYSTEM (no randomness for the id). To be opened with envelope_free(). */
MUST_CHECK int envelope_make(const struct change_set *set, struct envelope *ret);
void envelope_free(struct envelope *envelope); /* one of zeros is fine */

/*
 * Hands a copy to librdkafka; `opaque` comes back with its delivery. The same envelope may be sent again. Returns
 * librdkafka's code.
 */
rd_kafka_resp_err_t envelope_send(const struct envelope *envelope, rd_kafka_t *client,
                                  const char *topic, void *opaque);

/* The same to a partition that the sender knows. */
rd_kafka_resp_err_t envelope_send_to(const struct envelope *envelope, rd_kafka_t *client,
                                     const char *topic, int32_t partition, void *opaque);

#endif
