#include "invalidation/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    UUID_TEXT = 37,
    SOURCE_TEXT = 200, /* "freshet:" and 63 bytes of a publisher, each as %XX at worst */
};

/* A random UUID (RFC 9562 5.4): ids of CloudEvents must not repeat within a source. */
static int make_uuid(char text[UUID_TEXT])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return ERR_SYSTEM;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(text, UUID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return 0;
}

/*
 * The publisher as a URI (CloudEvents wants a URI reference); what may not stand in one is %XX (RFC
 * 3986 2.1).
 */
static void make_source(const char *name, char text[SOURCE_TEXT])
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t at = (size_t)snprintf(text, SOURCE_TEXT, "freshet:");
    for (const char *c = name; *c; c++)
        at += (size_t)snprintf(text + at, SOURCE_TEXT - at, strchr(plain, *c) ? "%c" : "%%%02X",
                               (unsigned char)*c);
}

static rd_kafka_headers_t *make_headers(const struct change_set *set)
{
    char id[UUID_TEXT], source[SOURCE_TEXT], committed[TIME_MAX_TEXT];
    if (make_uuid(id) < 0)
        return NULL;
    make_source(set->publisher, source);
    const struct {
        const char *name;
        const char *value;
    } headers[] = {
        {"ce_specversion", "1.0"},
        {"ce_id", id},
        {"ce_source", source},
        {"ce_type", "freshet.changeset.v1"},
        {"ce_time", time_to_text(set->time_us, committed)},
        {"content-type", "application/json"},
    };
    enum { COUNT = sizeof headers / sizeof headers[0] };
    rd_kafka_headers_t *list = rd_kafka_headers_new(COUNT);
    for (size_t k = 0; list && k < COUNT; k++) {
        if (rd_kafka_header_add(list, headers[k].name, -1, headers[k].value, -1)) {
            rd_kafka_headers_destroy(list);
            return NULL;
        }
    }
    return list;
}

int envelope_make(const struct change_set *set, struct envelope *ret)
{
    struct envelope envelope = {.value = changeset_format(set)};
    envelope.headers = envelope.value ? make_headers(set) : NULL;
    if (!envelope.headers) {
        envelope_free(&envelope);
        return ERR_MEMORY;
    }
    name_to_text(set->zone, envelope.key);
    envelope.key_size = strlen(envelope.key);
    envelope.value_size = strlen(envelope.value);
    *ret = envelope;
    return 0;
}

int envelope_make_bytes(const struct envelope_bytes *bytes, struct envelope *ret)
{
    struct envelope envelope = {.topic = bytes->topic,
                                .partition = bytes->partition,
                                .key_size = bytes->key_size,
                                .value_size = bytes->value_size};
    if (bytes->value && !(envelope.value = malloc(bytes->value_size + 1)))
        return ERR_MEMORY;
    if (bytes->value)
        memcpy(envelope.value, bytes->value, bytes->value_size);
    memcpy(envelope.key, bytes->key, bytes->key_size);
    *ret = envelope;
    return 0;
}

void envelope_free(struct envelope *envelope)
{
    free(envelope->value);
    if (envelope->headers)
        rd_kafka_headers_destroy(envelope->headers);
    envelope->value = NULL;
    envelope->headers = NULL;
}

rd_kafka_resp_err_t envelope_send(const struct envelope *envelope, rd_kafka_t *client,
                                  const char *topic, void *opaque)
{
    return envelope_send_to(envelope, client, topic, RD_KAFKA_PARTITION_UA, opaque);
}

rd_kafka_resp_err_t envelope_send_to(const struct envelope *envelope, rd_kafka_t *client,
                                     const char *topic, int32_t partition, void *opaque)
{
    rd_kafka_headers_t *headers =
        envelope->headers ? rd_kafka_headers_copy(envelope->headers) : NULL;
    if (envelope->topic) {
        topic = envelope->topic;
        partition = envelope->partition;
    }
    rd_kafka_resp_err_t code =
        rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY(envelope->key, envelope->key_size),
                          RD_KAFKA_V_VALUE(envelope->value, envelope->value_size),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
                          RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (code && headers)
        rd_kafka_headers_destroy(headers); /* ours again after a failure */
    return code;
}
