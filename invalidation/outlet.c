#include "invalidation/outlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "invalidation/envelope.h"
#include "invalidation/fenced.h"

enum { DEFAULT_TIMEOUT_MS = 5000, AGAIN_MS = 200, LEARN_MS = 300 };

struct outlet_message {
    struct outlet_message *prev, *next; /* in the order they were sent */
    struct outlet *outlet;
    struct envelope envelope;
    struct outlet_send send; /* done NULL: called back */
    bool is_set;
    bool with_client; /* librdkafka holds it, and will tell */
    bool given_up;
    int64_t sent_us, again_ms;
};

struct outlet {
    struct publisher_options options; /* strings are the outlet's */
    struct fenced *fenced; /* NULL: without a fence, and then there are `client` and `queue` */
    int32_t partition;
    char *id; /* of the writer */
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    int fd;
    bool met; /* the topic's leaders were asked for */
    struct outlet_message *messages;
    struct outlet_status status;
    char trouble[KAFKA_MAX_TROUBLE];
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return now_us() / 1000;
}

/* ---- messages ---- */

static void message_free(struct outlet_message *message)
{
    DL_DELETE(message->outlet->messages, message);
    message->outlet->status.under_way -= message->is_set;
    envelope_free(&message->envelope);
    free(message);
}

static void finish(struct outlet_message *message, int result,
                   const struct publish_receipt *receipt)
{
    const struct outlet_send send = message->send;
    message_free(message);
    if (send.done)
        send.done(send.arg, result, receipt);
}

static void put_off(struct outlet_message *message)
{
    message->again_ms = now_ms() + AGAIN_MS;
    message->outlet->status.again++;
}

/* What became of a message, which nobody else has any more. */
static void settle(struct outlet_message *message, rd_kafka_resp_err_t code, size_t size,
                   const struct publish_receipt *receipt)
{
    struct outlet *outlet = message->outlet;
    message->with_client = false;
    if (!code) {
        outlet->status.acknowledged += message->is_set;
        outlet->status.bytes += message->is_set ? size : 0;
        outlet->trouble[0] = '\0';
        finish(message, 0, receipt);
    } else if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        finish(message, ERR_TOO_LARGE, NULL);
    } else if (!message->send.done) {
        message_free(message);
    } else {
        if (code != RD_KAFKA_RESP_ERR__PURGE_QUEUE && code != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT &&
            !outlet->fenced)
            kafka_note_trouble(outlet->trouble, code, rd_kafka_err2str(code));
        put_off(message);
    }
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *from, void *arg)
{
    (void)client, (void)arg;
    struct outlet_message *message = from->_private;
    const struct publish_receipt receipt = {.partition = from->partition,
                                            .offset = from->offset,
                                            .acked_us = now_us() - message->sent_us};
    settle(message, from->err, from->len, &receipt);
}

static void take_results(struct outlet *outlet)
{
    struct fenced_result result;
    fenced_trouble(outlet->fenced, outlet->trouble);
    while (fenced_get(outlet->fenced, &result)) {
        struct outlet_message *message = result.opaque;
        const struct publish_receipt receipt = {.partition = outlet->partition,
                                                .offset = result.offset,
                                                .acked_us = now_us() - message->sent_us};
        settle(message, result.code, result.size, &receipt);
    }
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct outlet *outlet = arg;
    kafka_note_trouble(outlet->trouble, code, reason);
}

/* ---- the client ---- */

static bool open_client(struct outlet *outlet, char error[PUBLISH_MAX_ERROR])
{
    static const uint64_t one = 1; /* what an eventfd takes */
    const struct publisher_options *options = &outlet->options;
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    rd_kafka_conf_t *conf = kafka_producer_conf(&settings, options->timeout_ms, error);
    if (!conf)
        return false;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, outlet);
    outlet->client = kafka_client_new(RD_KAFKA_PRODUCER, conf, error);
    if (!outlet->client)
        return false;
    outlet->queue = rd_kafka_queue_get_main(outlet->client);
    rd_kafka_queue_io_event_enable(outlet->queue, outlet->fd, &one, sizeof one);
    outlet->met = false;
    return true;
}

/* Nothing of a client that is closed points at a message any more. */
static void close_client(struct outlet *outlet)
{
    if (!outlet->client)
        return;
    rd_kafka_purge(outlet->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_queue_io_event_enable(outlet->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(outlet->queue);
    rd_kafka_destroy(outlet->client);
    outlet->client = NULL;
}

/* An idempotent producer that lost its place is of no use any more: another one sends what is not acknowledged. */
static void renew_client(struct outlet *outlet)
{
    char error[PUBLISH_MAX_ERROR];
    struct outlet_message *message, *next;
    if (outlet->client && rd_kafka_fatal_error(outlet->client, NULL, 0) == 0)
        return;
    close_client(outlet);
    DL_FOREACH_SAFE (outlet->messages, message, next) {
        message->with_client = false;
        if (!message->send.done)
            message_free(message);
    }
    if (!open_client(outlet, error))
        snprintf(outlet->trouble, sizeof outlet->trouble, "%.*s", KAFKA_MAX_TROUBLE - 1, error);
}

/* ---- sending ---- */

static rd_kafka_resp_err_t hand_over_fenced(struct outlet_message *message)
{
    struct fenced *fenced = message->outlet->fenced;
    const bool is_first = message == message->outlet->messages;
    if (fenced_state(fenced) != FENCED_OPEN || (!is_first && !message->prev->with_client))
        return RD_KAFKA_RESP_ERR__STATE; /* the one before it waits to be sent again */
    message->sent_us = now_us();
    message->with_client = fenced_put(fenced, &message->envelope, message) == 0;
    return message->with_client ? 0 : RD_KAFKA_RESP_ERR__STATE;
}

static rd_kafka_resp_err_t hand_over(struct outlet_message *message)
{
    struct outlet *outlet = message->outlet;
    if (outlet->fenced)
        return hand_over_fenced(message);
    if (!outlet->client)
        return RD_KAFKA_RESP_ERR__STATE;
    if (!outlet->met) /* left alone, librdkafka looks for the leaders once a second */
        kafka_learn_topic(outlet->client, outlet->options.topic, LEARN_MS);
    outlet->met = true;
    message->sent_us = now_us();
    rd_kafka_resp_err_t code =
        envelope_send(&message->envelope, outlet->client, outlet->options.topic, message);
    message->with_client = code == 0;
    return code;
}

static bool will_never_fit(const struct envelope *envelope, const struct change_set *set)
{
    return envelope->value_size > CHANGESET_MAX_BYTES || set->change_count > CHANGESET_MAX_CHANGES;
}

/* A message is there, and may go. */
static int begin(struct outlet_message *message, struct outlet_message **ret_message)
{
    const rd_kafka_resp_err_t code = hand_over(message);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        message_free(message);
        return ERR_TOO_LARGE;
    }
    if (code)
        put_off(message);
    *ret_message = message;
    return 0;
}

/* One of the outlet's, with an envelope that it takes over. NULL: no memory, and the envelope is freed. */
static struct outlet_message *add(struct outlet *outlet, struct envelope *envelope,
                                  const struct outlet_send *send)
{
    struct outlet_message *message = calloc(1, sizeof *message);
    if (!message) {
        envelope_free(envelope);
        return NULL;
    }
    *message = (struct outlet_message){
        .outlet = outlet, .envelope = *envelope, .send = *send, .is_set = send->set != NULL};
    DL_APPEND(outlet->messages, message);
    outlet->status.under_way += message->is_set;
    return message;
}

int outlet_send(struct outlet *outlet, const struct outlet_send *send,
                struct outlet_message **ret_message)
{
    struct envelope envelope;
    int result = envelope_make(send->set, &envelope);
    if (result < 0)
        return result;
    if (will_never_fit(&envelope, send->set)) {
        envelope_free(&envelope);
        return ERR_TOO_LARGE;
    }
    struct outlet_message *message = add(outlet, &envelope, send);
    return message ? begin(message, ret_message) : ERR_MEMORY;
}

int outlet_send_bytes(struct outlet *outlet, const struct outlet_bytes *bytes,
                      struct outlet_message **ret_message)
{
    struct envelope envelope;
    const struct outlet_send send = {.done = bytes->done, .arg = bytes->arg};
    int result = envelope_make_bytes(&(struct envelope_bytes){.topic = bytes->topic,
                                                              .partition = bytes->partition,
                                                              .key = bytes->key,
                                                              .key_size = bytes->key_size,
                                                              .value = bytes->value,
                                                              .value_size = bytes->value_size},
                                     &envelope);
    if (result < 0)
        return result;
    struct outlet_message *message = add(outlet, &envelope, &send);
    return message ? begin(message, ret_message) : ERR_MEMORY;
}

void outlet_take_back(struct outlet *outlet, struct outlet_message *message)
{
    (void)outlet;
    message->send.done = NULL;
    if (!message->with_client)
        message_free(message);
}

void outlet_give_up(struct outlet *outlet, struct outlet_message *message)
{
    (void)outlet;
    message->given_up = true;
}

static void try_again(struct outlet_message *message)
{
    const rd_kafka_resp_err_t code = hand_over(message);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        finish(message, ERR_TOO_LARGE, NULL); /* it was another reason before */
    else if (code)
        put_off(message);
}

static void send_again(struct outlet *outlet)
{
    struct outlet_message *message, *next;
    DL_FOREACH_SAFE (outlet->messages, message, next) {
        if (message->with_client)
            continue;
        if (message->given_up)
            finish(message, ERR_TIMEOUT, NULL);
        else if (now_ms() >= message->again_ms)
            try_again(message);
    }
}

void outlet_poll(struct outlet *outlet)
{
    uint64_t signals;
    (void)!read(outlet->fd, &signals, sizeof signals);
    if (outlet->fenced) {
        take_results(outlet);
    } else {
        if (outlet->client)
            while (rd_kafka_poll(outlet->client, 0) > 0)
                continue;
        renew_client(outlet);
    }
    send_again(outlet);
}

/* ---- the whole of it ---- */

static bool copy_options(struct outlet *outlet, const struct publisher_options *options)
{
    outlet->options = *options;
    outlet->options.brokers = strdup(options->brokers);
    outlet->options.topic = strdup(options->topic);
    char **properties = calloc(options->property_count + 1, sizeof *properties);
    outlet->options.properties = properties;
    if (!outlet->options.brokers || !outlet->options.topic || !properties)
        return false;
    for (size_t k = 0; k < options->property_count; k++)
        if (!(properties[k] = strdup(options->properties[k])))
            return false;
    if (outlet->options.timeout_ms <= 0)
        outlet->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    return true;
}

/* With nobody to send to yet. */
static struct outlet *new_outlet(const struct publisher_options *options,
                                 char error[PUBLISH_MAX_ERROR])
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    snprintf(error, PUBLISH_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!outlet)
        return NULL;
    outlet->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (copy_options(outlet, options) && outlet->fd >= 0)
        return outlet;
    outlet_close(outlet);
    return NULL;
}

struct outlet *outlet_open(const struct publisher_options *options,
                           char ret_error[PUBLISH_MAX_ERROR])
{
    struct outlet *outlet = new_outlet(options, ret_error);
    if (outlet && open_client(outlet, ret_error))
        return outlet;
    outlet_close(outlet);
    return NULL;
}

struct outlet *outlet_open_fenced(const struct publisher_options *options, const char *id,
                                  int32_t partition, char ret_error[PUBLISH_MAX_ERROR])
{
    struct outlet *outlet = new_outlet(options, ret_error);
    if (!outlet)
        return NULL;
    outlet->partition = partition;
    outlet->id = strdup(id);
    if (outlet->id)
        outlet->fenced = fenced_open(
            &(struct fenced_options){.kafka = {.brokers = outlet->options.brokers,
                                               .properties = outlet->options.properties,
                                               .property_count = outlet->options.property_count},
                                     .topic = outlet->options.topic,
                                     .id = outlet->id,
                                     .partition = partition,
                                     .timeout_ms = outlet->options.timeout_ms,
                                     .fd = outlet->fd},
            ret_error);
    if (outlet->fenced)
        return outlet;
    outlet_close(outlet);
    return NULL;
}

enum outlet_state outlet_state(const struct outlet *outlet)
{
    static const enum outlet_state states[] = {[FENCED_OPENING] = OUTLET_OPENING,
                                               [FENCED_OPEN] = OUTLET_OPEN,
                                               [FENCED_LOST] = OUTLET_LOST};
    return outlet->fenced ? states[fenced_state(outlet->fenced)] : OUTLET_OPEN;
}

bool outlet_is_fenced(const struct outlet *outlet)
{
    return outlet->fenced != NULL;
}

int64_t outlet_epoch(const struct outlet *outlet)
{
    return outlet->fenced ? fenced_epoch(outlet->fenced) : -1;
}

void outlet_close(struct outlet *outlet)
{
    if (!outlet)
        return;
    close_client(outlet);
    fenced_close(outlet->fenced);
    while (outlet->messages)
        message_free(outlet->messages);
    if (outlet->fd >= 0)
        close(outlet->fd);
    for (size_t k = 0; outlet->options.properties && k < outlet->options.property_count; k++)
        free(outlet->options.properties[k]);
    free((void *)(uintptr_t)outlet->options.properties);
    free((void *)(uintptr_t)outlet->options.brokers);
    free((void *)(uintptr_t)outlet->options.topic);
    free(outlet->id);
    free(outlet);
}

int outlet_fd(const struct outlet *outlet)
{
    return outlet->fd;
}

void outlet_status(const struct outlet *outlet, struct outlet_status *ret)
{
    *ret = outlet->status;
    ret->trouble = outlet->trouble;
}
