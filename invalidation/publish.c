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

/* One set under way; the delivery callback fills it. */
struct delivery {
    bool done;
    rd_kafka_resp_err_t code;
    int32_t partition;
    int64_t offset;
    int64_t done_us;
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
    delivery->done_us = now_us();
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

static bool all_done(const struct delivery *deliveries, size_t count)
{
    while (count > 0 && deliveries[count - 1].done)
        count--;
    return count == 0;
}

/*
 * Until all are done; past their time those that librdkafka still holds are taken back, so that nothing points at
 * `deliveries`.
 */
static void wait_for(struct publisher *publisher, const struct delivery *deliveries, size_t count,
                     int64_t began_us)
{
    const int64_t until = began_us + ((int64_t)publisher->timeout_ms + GRACE_MS) * 1000;
    while (!all_done(deliveries, count) && now_us() < until)
        rd_kafka_poll(publisher->client, POLL_MS);
    if (all_done(deliveries, count))
        return;
    rd_kafka_purge(publisher->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (!all_done(deliveries, count))
        rd_kafka_poll(publisher->client, POLL_MS);
}

static int failure(const struct publisher *publisher, const struct delivery *delivery,
                   char error[PUBLISH_MAX_ERROR])
{
    const bool late = delivery->code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
                      delivery->code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                      delivery->code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    const bool absent = delivery->code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                        delivery->code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (absent)
        snprintf(error, PUBLISH_MAX_ERROR, "topic %s: the brokers have no such topic",
                 publisher->topic);
    else if (late)
        snprintf(error, PUBLISH_MAX_ERROR, "not acknowledged within %d ms%s%s",
                 publisher->timeout_ms, publisher->trouble[0] ? ": " : "", publisher->trouble);
    else
        snprintf(error, PUBLISH_MAX_ERROR, "topic %s: %s", publisher->topic,
                 rd_kafka_err2str(delivery->code));
    return absent ? ERR_NOT_FOUND : late ? ERR_TIMEOUT : ERR_KAFKA;
}

/*
 * Before the first send: whether the topic is there. And its leaders: left alone, librdkafka looks for them once a second.
 */
static int meet(struct publisher *publisher, char error[PUBLISH_MAX_ERROR])
{
    if (publisher->met)
        return 0;
    const int ms = publisher->timeout_ms < LEARN_MS ? publisher->timeout_ms : LEARN_MS;
    const int result = kafka_expect_topic(publisher->client, publisher->topic, ms, error);
    if (result == ERR_NOT_FOUND)
        snprintf(error, PUBLISH_MAX_ERROR, "topic %s: the brokers have no such topic",
                 publisher->topic);
    if (result < 0)
        return result;
    kafka_learn_topic(publisher->client, publisher->topic, ms);
    publisher->met = true;
    return 0;
}

/* Hands the sets over up to the first that is not taken; `ret_count` of them were. */
static int produce_all(struct publisher *publisher, struct change_set *const *sets, size_t count,
                       struct delivery *deliveries, size_t *ret_count,
                       char error[PUBLISH_MAX_ERROR])
{
    int result = 0;
    size_t k = 0;
    while (k < count && (result = produce(publisher, sets[k], &deliveries[k], error)) == 0)
        k++;
    *ret_count = k;
    return result;
}

/* The receipts of what was delivered; as the first that was not. */
static int read_deliveries(const struct publisher *publisher, const struct delivery *deliveries,
                           size_t count, int64_t began_us, struct publish_receipt *ret_receipts,
                           char error[PUBLISH_MAX_ERROR])
{
    int result = 0;
    for (size_t k = 0; k < count; k++) {
        const struct delivery *delivery = &deliveries[k];
        if (!delivery->code)
            ret_receipts[k] = (struct publish_receipt){.partition = delivery->partition,
                                                       .offset = delivery->offset,
                                                       .acked_us = delivery->done_us - began_us};
        else if (result == 0)
            result = failure(publisher, delivery, error);
    }
    return result;
}

int publisher_send_all(struct publisher *publisher, struct change_set *const *sets, size_t count,
                       struct publish_receipt *ret_receipts, char ret_error[PUBLISH_MAX_ERROR])
{
    const int64_t began_us = now_us();
    struct delivery *deliveries = calloc(count, sizeof *deliveries);
    if (!deliveries) {
        snprintf(ret_error, PUBLISH_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return ERR_MEMORY;
    }
    for (size_t k = 0; k < count; k++)
        ret_receipts[k].offset = -1;
    publisher->trouble[0] = '\0';
    size_t sent = 0;
    int refused = meet(publisher, ret_error);
    if (refused == 0)
        refused = produce_all(publisher, sets, count, deliveries, &sent, ret_error);
    wait_for(publisher, deliveries, sent, began_us);
    char error[PUBLISH_MAX_ERROR];
    const int failed = read_deliveries(publisher, deliveries, sent, began_us, ret_receipts, error);
    if (failed < 0)
        memcpy(ret_error, error, sizeof error);
    free(deliveries);
    return failed < 0 ? failed : refused;
}

int publisher_send(struct publisher *publisher, const struct change_set *set,
                   struct publish_receipt *ret_receipt, char ret_error[PUBLISH_MAX_ERROR])
{
    struct publish_receipt receipt;
    struct change_set *const one = (struct change_set *)set; /* only read */
    const int result = publisher_send_all(publisher, &one, 1, &receipt, ret_error);
    if (result == 0)
        *ret_receipt = receipt;
    return result;
}

int32_t publish_partition(const uint8_t *zone, size_t count)
{
    return kafka_partition_of(zone, count);
}
