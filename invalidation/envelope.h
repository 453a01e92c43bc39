/*
 * envelope.h - a message as Kafka carries it: a change set with its key, value and headers (publish.h says which), or bytes
 * under a key for another topic. Private to those that send.
 */
#ifndef FRESHET_INVALIDATION_ENVELOPE_H
#define FRESHET_INVALIDATION_ENVELOPE_H

#include "invalidation/changeset.h"
#include "invalidation/kafka.h"

enum { ENVELOPE_MAX_KEY = NAME_MAX_TEXT + 16 };

struct envelope {
    const char *topic; /* borrowed; NULL: the sender's own */
    int32_t partition; /* of that one */
    char key[ENVELOPE_MAX_KEY];
    size_t key_size;
    char *value; /* of a change set JSON; NULL: none, a tombstone */
    size_t value_size;
    rd_kafka_headers_t *headers; /* NULL: none */
};

/* ERR_MEMORY, ERR_SYSTEM (no randomness for the id). To be opened with envelope_free(). */
MUST_CHECK int envelope_make(const struct change_set *set, struct envelope *ret);

/* The same of a copy of these bytes, under a key of up to ENVELOPE_MAX_KEY of them; `value` NULL: a tombstone. ERR_MEMORY. */
struct envelope_bytes {
    const char *topic; /* borrowed by the envelope */
    int32_t partition;
    const char *key;
    size_t key_size;
    const uint8_t *value;
    size_t value_size;
};
MUST_CHECK int envelope_make_bytes(const struct envelope_bytes *bytes, struct envelope *ret);
void envelope_free(struct envelope *envelope); /* one of zeros is fine */

/*
 * Hands a copy to librdkafka; `opaque` comes back with its delivery. The same envelope may be sent again. Returns
 * librdkafka's code.
 */
rd_kafka_resp_err_t envelope_send(const struct envelope *envelope, rd_kafka_t *client,
                                  const char *topic, void *opaque);

/* The same, of a change set to a partition that the sender knows. */
rd_kafka_resp_err_t envelope_send_to(const struct envelope *envelope, rd_kafka_t *client,
                                     const char *topic, int32_t partition, void *opaque);

#endif
