#include "invalidation/publish.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invalidation/envelope.h"

enum {
    DEFAULT_TIMEOUT_MS = 10000,
    POLL_MS = 100,
    LEARN_MS = 1000,
    GRACE_MS = 100, /* librdkafka looks at its own timeouts but once a second */
};

struct publisher {
    rd_kafka_t *client;
    char *topic;
    int timeout_ms;
    bool met;                        /* the topic's leaders were asked for */
    char trouble[KAFKA_MAX_TROUBLE]; /* what the client last complained about */
};

/* One send under way; the delivery callback fills it. */
struct delivery {
    bool done;
    rd_kafka_resp_err_t code;
    int32_t partition;
    int64_t offset;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    (void)arg;
    struct delivery *delivery = message->_private;
    delivery->code = message->err;
    delivery->partition = message->partition;
    delivery->offset = message->offset;
    delivery->done = true;
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct publisher *publisher = arg;
    kafka_note_trouble(publisher->trouble, code, reason);
}

static rd_kafka_t *new_client(struct publisher *publisher, const struct publisher_options *options,
                              char error[KAFKA_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    rd_kafka_conf_t *conf = kafka_producer_conf(&settings, publisher->timeout_ms, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, publisher);
    return kafka_client_new(RD_KAFKA_PRODUCER, conf, error);
}

struct publisher *publisher_new(const struct publisher_options *options,
                                char ret_error[PUBLISH_MAX_ERROR])
{
    static_assert((int)PUBLISH_MAX_ERROR >= (int)KAFKA_MAX_ERROR, "errors of kafka.h fit");
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        goto no_memory;
    publisher->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    publisher->topic = strdup(options->topic);
    if (!publisher->topic)
        goto no_memory;
    publisher->client = new_client(publisher, options, ret_error);
    if (publisher->client)
        return publisher;
    publisher_free(publisher);
    return NULL;
no_memory:
    snprintf(ret_error, PUBLISH_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    publisher_free(publisher);
    return NULL;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    if (publisher->client) {
        /* Every send was waited for, or reported as failed: nothing may leave any more. */
        rd_kafka_purge(publisher->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(publisher->client);
    }
    free(publisher->topic);
    free(publisher);
}

/*
 * Hands the message to librdkafka, which copies it; `delivery` must stay until it is done or
 * purged.
 */
static int produce(struct publisher *publisher, const struct change_set *set,
                   struct delivery *delivery, char error[PUBLISH_MAX_ERROR])
{
    struct envelope envelope;
    int result = envelope_make(set, &envelope);
    if (result < 0) {
        snprintf(error, PUBLISH_MAX_ERROR, "%s", error_text(result));
        return result;
    }
    rd_kafka_resp_err_t code =
        envelope_send(&envelope, publisher->client, publisher->topic, delivery);
    envelope_free(&envelope);
    if (!code)
        return 0;
    snprintf(error, PUBLISH_MAX_ERROR, "topic %s: %s", publisher->topic, rd_kafka_err2str(code));
    return ERR_KAFKA;
}

/*
 * Takes a message back that librdkafka still holds past its time, so that nothing points at
 * `delivery`.
 */
static void give_up(struct publisher *publisher, struct delivery *delivery)
{
    rd_kafka_purge(publisher->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (!delivery->done)
        rd_kafka_poll(publisher->client, POLL_MS);
}

static void wait_for(struct publisher *publisher, struct delivery *delivery, int64_t began_us)
{
    const int64_t until = began_us + ((int64_t)publisher->timeout_ms + GRACE_MS) * 1000;
    while (!delivery->done && now_us() < until)
        rd_kafka_poll(publisher->client, POLL_MS);
    if (!delivery->done)
        give_up(publisher, delivery);
}

static int failure(const struct publisher *publisher, const struct delivery *delivery,
                   char error[PUBLISH_MAX_ERROR])
{
    const bool late = delivery->code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
                      delivery->code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                      delivery->code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (late)
        snprintf(error, PUBLISH_MAX_ERROR, "not acknowledged within %d ms%s%s",
                 publisher->timeout_ms, publisher->trouble[0] ? ": " : "", publisher->trouble);
    else
        snprintf(error, PUBLISH_MAX_ERROR, "topic %s: %s", publisher->topic,
                 rd_kafka_err2str(delivery->code));
    return late ? ERR_TIMEOUT : ERR_KAFKA;
}

/* Before the first send: left alone, librdkafka looks for the partitions' leaders once a second. */
static void meet(struct publisher *publisher)
{
    kafka_learn_topic(publisher->client, publisher->topic,
                      publisher->timeout_ms < LEARN_MS ? publisher->timeout_ms : LEARN_MS);
    publisher->met = true;
}

int publisher_send(struct publisher *publisher, const struct change_set *set,
                   struct publish_receipt *ret_receipt, char ret_error[PUBLISH_MAX_ERROR])
{
    const int64_t began_us = now_us();
    struct delivery delivery = {.done = false};
    publisher->trouble[0] = '\0';
    if (!publisher->met)
        meet(publisher);
    int result = produce(publisher, set, &delivery, ret_error);
    if (result < 0)
        return result;
    wait_for(publisher, &delivery, began_us);
    if (delivery.code)
        return failure(publisher, &delivery, ret_error);
    *ret_receipt = (struct publish_receipt){.partition = delivery.partition,
                                            .offset = delivery.offset,
                                            .acked_us = now_us() - began_us};
    return 0;
}

int32_t publish_partition(const uint8_t *zone, size_t count)
{
    return kafka_partition_of(zone, count);
}
