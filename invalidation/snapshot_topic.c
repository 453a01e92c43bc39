#include "invalidation/snapshot_topic.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/kafka.h"

enum {
    ASK_MS = 5000,     /* for where the topic ends */
    SILENCE_MS = 5000, /* while messages are due; then nothing more is waited for */
    SLICE_MS = 100,
    SEND_MS = 30000,   /* for the acknowledgement of a part */
    ON_THEIR_WAY = 16, /* parts that are not acknowledged yet */
};

int32_t snapshot_topic_partition(const uint8_t *zone, size_t count)
{
    return kafka_partition_of(zone, count);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_stopped(const struct snapshot_watch *watch)
{
    return watch->stopped && watch->stopped(watch->arg);
}

/* The next message or end; is there none for too long, or it is to be ended, ERR_TIMEOUT. */
static int next(struct log_reader *reader, const struct snapshot_watch *watch,
                struct log_message *ret, char error[LOG_MAX_ERROR])
{
    for (int waited = 0; waited < SILENCE_MS; waited += SLICE_MS) {
        int code = log_reader_next(reader, SLICE_MS, ret, error);
        if (code != ERR_TIMEOUT)
            return code;
        if (is_stopped(watch))
            break;
    }
    return ERR_TIMEOUT;
}

static void scan_message(const struct log_message *message, struct snapshot_index *index,
                         const struct snapshot_watch *watch)
{
    uint8_t zone[NAME_MAX_SIZE];
    const struct snapshot_message found = {.partition = message->partition,
                                           .offset = message->offset,
                                           .key = message->key,
                                           .key_size = message->key_size,
                                           .value = message->value,
                                           .value_size = message->value_size};
    int error = snapshot_index_take(index, &found, zone);
    if (error && watch->refused)
        watch->refused(watch->arg, zone, error);
}

int snapshot_topic_scan(struct log_reader *reader, const int32_t *partitions, size_t count,
                        struct snapshot_index *index, const struct snapshot_watch *watch,
                        char ret_error[LOG_MAX_ERROR])
{
    struct log_place places[LOG_MAX_PARTITIONS] = {{0}};
    size_t left = count;
    for (size_t k = 0; k < count; k++)
        places[k] = (struct log_place){partitions[k], LOG_FROM_FIRST};
    int error = log_reader_from(reader, places, count, ret_error);
    while (!error && left > 0) {
        struct log_message message;
        error = next(reader, watch, &message, ret_error);
        if (!error && message.end)
            left--;
        else if (!error)
            scan_message(&message, index, watch);
        if (is_stopped(watch))
            error = ERR_TIMEOUT;
    }
    return error;
}

int snapshot_topic_follow(struct log_reader *reader, struct snapshot_index *index,
                          const struct snapshot_watch *watch, char ret_error[LOG_MAX_ERROR])
{
    struct log_message message;
    int wait_ms = SLICE_MS, code = 0;
    while (!code && (code = log_reader_next(reader, wait_ms, &message, ret_error)) == 0) {
        if (!message.end)
            scan_message(&message, index, watch);
        wait_ms = 0;
    }
    return code == ERR_TIMEOUT ? 0 : code;
}

/* Reads parts where they lie; what lies between is of others. */
static int load_parts(struct log_reader *reader, const struct snapshot_place *place,
                      struct zone_edit *edit, const struct snapshot_watch *watch,
                      char error[LOG_MAX_ERROR])
{
    struct snapshot_reader parts = {.next = 0};
    struct log_message message;
    for (;;) {
        uint8_t zone[NAME_MAX_SIZE];
        unsigned slot;
        uint32_t part;
        int code = next(reader, watch, &message, error);
        if (code)
            return code;
        if (message.end || message.offset > place->last) {
            snprintf(error, LOG_MAX_ERROR, "a part has gone meanwhile");
            return ERR_NOT_FOUND;
        }
        if (snapshot_read_key(message.key, message.key_size, zone, &slot, &part) < 0 ||
            slot != place->slot || !name_equal(zone, place->head.zone))
            continue;
        code = snapshot_reader_take(&parts, edit, message.value, message.value_size);
        if (code < 0)
            snprintf(error, LOG_MAX_ERROR, "part %" PRIu32 ": %s", part, error_text(code));
        if (code)
            return code < 0 ? code : 0;
        if (watch->taken && !watch->taken(watch->arg, parts.next, parts.head.parts))
            return ERR_TIMEOUT;
    }
}

int snapshot_topic_load(struct log_reader *reader, const struct snapshot_place *place,
                        struct zone_edit *edit, const struct snapshot_watch *watch,
                        char ret_error[LOG_MAX_ERROR])
{
    const struct log_place from = {place->partition, place->first};
    int error = log_reader_from(reader, &from, 1, ret_error);
    return error ? error : load_parts(reader, place, edit, watch, ret_error);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct snapshot_writer {
    rd_kafka_t *client;
    rd_kafka_topic_t *compressed;
    struct log_reader *reader;
    char *topic;
    size_t partitions;            /* 0: not known yet */
    struct snapshot_index *index; /* of all that stands there; NULL: not read yet */
    struct snapshot_way way;
    /* Of the messages under way by its own client. */
    rd_kafka_resp_err_t failed;
    char trouble[KAFKA_MAX_TROUBLE];
    /* The one that is being written. */
    const uint8_t *zone;
    unsigned slot;
    int32_t partition;
    int result; /* of what was sent */
    char *error;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct snapshot_writer *writer = arg;
    if (message->err && !writer->failed)
        writer->failed = message->err;
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *arg)
{
    (void)client;
    struct snapshot_writer *writer = arg;
    kafka_note_trouble(writer->trouble, code, reason);
}

static bool open_producer(struct snapshot_writer *writer, const struct log_reader_options *options,
                          char error[LOG_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    rd_kafka_conf_t *conf = kafka_producer_conf(&settings, SEND_MS, error);
    if (!conf)
        return false;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, writer);
    sigset_t all, before; /* signals are the program's main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->client = kafka_client_new(RD_KAFKA_PRODUCER, conf, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (writer->client)
        writer->compressed = kafka_compressed_topic(writer->client, writer->topic, &settings);
    return writer->client != NULL;
}

struct snapshot_writer *snapshot_writer_open(const struct log_reader_options *options,
                                             char ret_error[LOG_MAX_ERROR])
{
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer)
        writer->topic = strdup(options->topic);
    if (!writer || !writer->topic) {
        snprintf(ret_error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        snapshot_writer_close(writer);
        return NULL;
    }
    snapshot_writer_go(writer, NULL);
    if (open_producer(writer, options, ret_error))
        writer->reader = log_reader_open(options, ret_error);
    if (writer->reader)
        return writer;
    snapshot_writer_close(writer);
    return NULL;
}

void snapshot_writer_close(struct snapshot_writer *writer)
{
    if (!writer)
        return;
    if (writer->client) {
        rd_kafka_purge(writer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        if (writer->compressed)
            rd_kafka_topic_destroy(writer->compressed);
        rd_kafka_destroy(writer->client);
    }
    log_reader_close(writer->reader);
    snapshot_index_free(writer->index);
    free(writer->topic);
    free(writer);
}

void snapshot_writer_forget(struct snapshot_writer *writer)
{
    snapshot_index_free(writer->index);
    writer->index = NULL;
}

/* Reads the topic, so that nothing whole is written over. */
static int learn(struct snapshot_writer *writer, char error[LOG_MAX_ERROR])
{
    struct log_ends ends;
    int32_t partitions[LOG_MAX_PARTITIONS];
    if (writer->index)
        return 0;
    int code = log_reader_ends(writer->reader, ASK_MS, &ends, error);
    if (code)
        return code;
    for (size_t k = 0; k < ends.count; k++)
        partitions[k] = (int32_t)k;
    struct snapshot_index *index = snapshot_index_new(true);
    if (!index)
        return ERR_MEMORY;
    code = snapshot_topic_scan(writer->reader, partitions, ends.count, index,
                               &(struct snapshot_watch){.arg = NULL}, error);
    if (code) {
        snapshot_index_free(index);
        return code;
    }
    writer->index = index;
    writer->partitions = ends.count;
    return 0;
}

/* ---- by its own client */

static int wait_for_all(void *arg, char error[LOG_MAX_ERROR])
{
    struct snapshot_writer *writer = arg;
    rd_kafka_flush(writer->client, SEND_MS);
    if (rd_kafka_outq_len(writer->client) > 0 && !writer->failed)
        writer->failed = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
    if (!writer->failed)
        return 0;
    rd_kafka_purge(writer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(writer->client, SLICE_MS);
    const bool late = writer->failed == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
    snprintf(error, LOG_MAX_ERROR, "topic %s: %s%s%s", writer->topic,
             rd_kafka_err2str(writer->failed), writer->trouble[0] ? ": " : "", writer->trouble);
    return late ? ERR_TIMEOUT : ERR_KAFKA;
}

static int hand_over(void *arg, const struct snapshot_out *message, char error[LOG_MAX_ERROR])
{
    struct snapshot_writer *writer = arg;
    while (rd_kafka_outq_len(writer->client) >= ON_THEIR_WAY && !writer->failed)
        rd_kafka_poll(writer->client, SLICE_MS);
    if (!writer->failed)
        writer->failed =
            rd_kafka_producev(writer->client, RD_KAFKA_V_TOPIC(writer->topic),
                              RD_KAFKA_V_PARTITION(message->partition),
                              RD_KAFKA_V_KEY(message->key, message->key_size),
                              RD_KAFKA_V_VALUE((void *)message->value, message->value_size),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    return writer->failed ? wait_for_all(writer, error) : 0;
}

void snapshot_writer_go(struct snapshot_writer *writer, const struct snapshot_way *way)
{
    writer->way = way ? *way : (struct snapshot_way){hand_over, wait_for_all, writer};
}

/* ---- whichever way */

/* `bytes` NULL: a tombstone. */
static int put(struct snapshot_writer *writer, uint32_t part, const uint8_t *bytes, size_t size)
{
    char key[SNAPSHOT_MAX_KEY];
    const struct snapshot_out message = {
        .partition = writer->partition,
        .key = key,
        .key_size = snapshot_write_key(writer->zone, writer->slot, part, key),
        .value = bytes,
        .value_size = size};
    writer->result = writer->way.send(writer->way.arg, &message, writer->error);
    return writer->result;
}

static int put_part(void *arg, uint32_t part, const uint8_t *bytes, size_t size)
{
    return put(arg, part, bytes, size);
}

static void start(struct snapshot_writer *writer, const uint8_t *zone, unsigned slot, char *error)
{
    writer->result = 0;
    writer->error = error;
    writer->zone = zone;
    writer->slot = slot;
    writer->partition = snapshot_topic_partition(zone, writer->partitions);
    writer->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    writer->trouble[0] = '\0';
}

/* From the last key down, so that an end half way leaves keys that can be counted; and waits for all that was sent. */
static int bury(struct snapshot_writer *writer, uint32_t from, uint32_t to)
{
    int code = 0;
    for (uint32_t part = to; part > from && !code; part--)
        code = put(writer, part - 1, NULL, 0);
    return code ? code : writer->way.wait(writer->way.arg, writer->error);
}

/* The slot that the newest whole one is not in. */
static unsigned free_slot(const struct snapshot_slot slots[SNAPSHOT_SLOTS])
{
    if (!slots[0].whole || !slots[1].whole)
        return slots[0].whole ? 1 : 0;
    return slots[0].place.head.generation > slots[1].place.head.generation ? 1 : 0;
}

static bool newest(const struct snapshot_index *index, const uint8_t *zone,
                   struct snapshot_slot ret_slots[SNAPSHOT_SLOTS], struct snapshot_head *ret_head)
{
    if (!index || !snapshot_index_find(index, zone, ret_slots))
        return false;
    const unsigned slot = 1 - free_slot(ret_slots);
    *ret_head = ret_slots[slot].place.head;
    return ret_slots[slot].whole;
}

bool snapshot_writer_newest(const struct snapshot_writer *writer, const uint8_t *zone,
                            struct snapshot_head *ret_head)
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    struct snapshot_head head;
    if (!newest(writer->index, zone, slots, &head))
        return false;
    *ret_head = head;
    return true;
}

/* All parts, then tombstones for what an older one has past the last. */
static int write_all(struct snapshot_writer *writer, const struct zone_state *state,
                     const struct snapshot_stand *stand, uint32_t keys,
                     struct snapshot_head *ret_head)
{
    int code = snapshot_write(state, writer->zone, stand, put_part, writer, ret_head);
    if (code && !writer->result)
        snprintf(writer->error, LOG_MAX_ERROR, "%s", error_text(code));
    if (!code) /* a tombstone stands behind what it ends */
        code = writer->way.wait(writer->way.arg, writer->error);
    return !code && keys > ret_head->parts ? bury(writer, ret_head->parts, keys) : code;
}

int snapshot_writer_write(struct snapshot_writer *writer, const struct zone_state *state,
                          const uint8_t *zone, const struct snapshot_stand *stand,
                          struct snapshot_head *ret_head, char ret_error[LOG_MAX_ERROR])
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS] = {0};
    struct snapshot_stand own = *stand;
    struct snapshot_head head;
    int code = learn(writer, ret_error);
    if (code)
        return code;
    /* Generations go up, whatever clocks do. */
    if (newest(writer->index, zone, slots, &head) && head.generation >= (uint64_t)own.now_us)
        own.now_us = (int64_t)head.generation + 1;
    const unsigned slot = free_slot(slots);
    start(writer, zone, slot, ret_error);
    code = write_all(writer, state, &own, slots[slot].keys, &head);
    if (code == 0)
        code = snapshot_index_put(writer->index, slot, &head);
    if (code == 0)
        *ret_head = head;
    else
        snapshot_writer_forget(writer);
    return code;
}

int snapshot_writer_remove(struct snapshot_writer *writer, const uint8_t *zone,
                           char ret_error[LOG_MAX_ERROR])
{
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    int code = learn(writer, ret_error);
    if (code || !snapshot_index_find(writer->index, zone, slots))
        return code;
    for (unsigned slot = 0; slot < SNAPSHOT_SLOTS && !code; slot++) {
        start(writer, zone, slot, ret_error);
        code = bury(writer, 0, slots[slot].keys);
    }
    snapshot_writer_forget(writer);
    return code;
}
