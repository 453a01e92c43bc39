/*
 * publish.h - writes change sets to the topic: idempotent producer, acks=all, one answer per set.
 *
 * Key: the zone in presentation form, lower case, final dot. Partition: murmur2 of the key, as Java
 * clients do. Headers: CloudEvents binary mode (ce_specversion 1.0, ce_id, ce_source, ce_type,
 * ce_time, content-type).
 */
#ifndef FRESHET_INVALIDATION_PUBLISH_H
#define FRESHET_INVALIDATION_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "invalidation/changeset.h"

struct publisher;

enum { PUBLISH_MAX_ERROR = 512 };

struct publisher_options {
    const char *brokers;
    const char *topic;
    char *const *properties; /* "name=value", property_count of them */
    size_t property_count;
    int timeout_ms; /* for a send, from call to acknowledgement; 0: 10 s */
};

struct publish_receipt {
    int32_t partition;
    int64_t offset;   /* -1: it may or may not be in the log */
    int64_t acked_us; /* from the call to the acknowledgement */
};

/* The partition that the sets of a zone (canonical) are in, of `count`. */
int32_t publish_partition(const uint8_t *zone, size_t count);

/* NULL with one line in `ret_error`. Does not wait for a connection. */
struct publisher *publisher_new(const struct publisher_options *options,
                                char ret_error[PUBLISH_MAX_ERROR]);
void publisher_free(struct publisher *publisher);

/*
 * Sends one set and waits for the acknowledgement of all in-sync replicas. Returns 0 with a
 * receipt, or ERR_NOT_FOUND (there is no such topic, and none is made) / ERR_KAFKA / ERR_TIMEOUT with one line in `ret_error`; after a failure the set may or
 * may not be in the log.
 */
MUST_CHECK int publisher_send(struct publisher *publisher, const struct change_set *set,
                              struct publish_receipt *ret_receipt,
                              char ret_error[PUBLISH_MAX_ERROR]);

/*
 * Sends sets in their order without waiting for one before the next, and then for all acknowledgements. Returns 0 with a
 * receipt for each (of `count`), or as publisher_send() for the first that failed, with the receipts of those that did not.
 */
MUST_CHECK int publisher_send_all(struct publisher *publisher, struct change_set *const *sets,
                                  size_t count, struct publish_receipt *ret_receipts,
                                  char ret_error[PUBLISH_MAX_ERROR]);

#endif
