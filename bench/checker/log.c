#include "bench/checker/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/checker/message.h"
#include "bench/common/clock.h"

enum { POLL_MS = 100, ASK_MS = 20000 };

struct log {
    struct history *history;
    char *topic;
    struct publisher *publishers[PUBLISHERS_MAX];
    unsigned publisher_count;
    rd_kafka_t *consumer;
    int partitions;
    pthread_t reader;
    bool has_reader;
    atomic_bool stop;
    _Atomic uint64_t read;
};

/* ---- the reader ---- */

static void take(struct log *log, const rd_kafka_message_t *message)
{
    const int64_t now_us = clock_us();
    if (message->err)
        return;
    const uint32_t version = message_version(message->payload, message->len);
    if (version == 0 || version >= log->history->capacity)
        return;
    history_readable(log->history, version, now_us);
    atomic_fetch_add(&log->read, 1);
}

static void *reader_main(void *arg)
{
    struct log *log = arg;
    while (!atomic_load(&log->stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(log->consumer, POLL_MS);
        if (!message)
            continue;
        take(log, message);
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

/* ---- opening ---- */

static bool open_consumer(struct log *log, const struct log_options *options,
                          char error[KAFKA_ERROR])
{
    kafka_setting settings[] = {{"group.id", "checker"},
                                {"enable.auto.commit", "false"},
                                {"reconnect.backoff.max.ms", "500"},
                                {NULL, NULL}};
    log->consumer = kafka_open(RD_KAFKA_CONSUMER,
                               &(struct kafka_options){.brokers = options->brokers,
                                                       .settings = settings,
                                                       .more = &options->properties},
                               error);
    if (log->consumer)
        rd_kafka_poll_set_consumer(log->consumer);
    return log->consumer != NULL;
}

static int count_partitions(struct log *log, char error[KAFKA_ERROR])
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(log->consumer, log->topic, NULL);
    const rd_kafka_resp_err_t code = rd_kafka_metadata(log->consumer, 0, topic, &metadata, ASK_MS);
    const int count = code ? 0 : metadata->topics[0].partition_cnt;
    if (code)
        snprintf(error, KAFKA_ERROR, "%s", rd_kafka_err2str(code));
    else
        snprintf(error, KAFKA_ERROR, "%s: no partitions", log->topic);
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return count;
}

/* From here on; no group. */
static bool assign(struct log *log, char error[KAFKA_ERROR])
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    log->partitions = count_partitions(log, error);
    if (log->partitions <= 0)
        return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(log->partitions);
    for (int k = 0; k < log->partitions && !code; k++) {
        int64_t low, high;
        code = rd_kafka_query_watermark_offsets(log->consumer, log->topic, k, &low, &high, ASK_MS);
        rd_kafka_topic_partition_list_add(list, log->topic, k)->offset = high;
    }
    if (!code)
        code = rd_kafka_assign(log->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        snprintf(error, KAFKA_ERROR, "%s", rd_kafka_err2str(code));
    return !code;
}

static bool open_publishers(struct log *log, const struct log_options *options,
                            char error[KAFKA_ERROR])
{
    bool transactions = false;
    for (unsigned k = 0; k < options->publisher_count; k++)
        transactions |= options->manners[k]->transactions != TRANSACTIONS_NONE;
    for (unsigned k = 0; k < options->publisher_count; k++) {
        const struct publisher_options publisher = {.brokers = options->brokers,
                                                    .topic = log->topic,
                                                    .manner = options->manners[k],
                                                    .zone = options->zone,
                                                    .history = options->history,
                                                    .readable_when_logged = !transactions,
                                                    .hang_us = options->hang_us,
                                                    .rest_us = options->hang_rest_us};
        log->publishers[k] = publisher_open(&publisher, error);
        if (!log->publishers[k])
            return false;
        log->publisher_count++;
    }
    return true;
}

struct log *log_open(const struct log_options *options, char ret_error[KAFKA_ERROR])
{
    struct log *log = calloc(1, sizeof *log);
    snprintf(ret_error, KAFKA_ERROR, "no memory, or no thread");
    if (!log)
        return NULL;
    log->history = options->history;
    log->topic = strdup(options->topic);
    if (log->topic && open_consumer(log, options, ret_error) && assign(log, ret_error) &&
        open_publishers(log, options, ret_error))
        log->has_reader = pthread_create(&log->reader, NULL, reader_main, log) == 0;
    if (log->has_reader)
        return log;
    log_close(log);
    return NULL;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    atomic_store(&log->stop, true);
    if (log->has_reader)
        pthread_join(log->reader, NULL);
    for (unsigned k = 0; k < log->publisher_count; k++)
        publisher_close(log->publishers[k]);
    if (log->consumer)
        rd_kafka_destroy_flags(log->consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(log->topic);
    free(log);
}

/* ---- the loop's side ---- */

int log_partitions(const struct log *log)
{
    return log->partitions;
}

struct publisher *log_publisher(struct log *log, unsigned k)
{
    return log->publishers[k];
}

bool log_publish(struct log *log, uint32_t version)
{
    return publisher_publish(log->publishers[log->history->changes[version].publisher], version);
}

struct log_counters log_count(const struct log *log)
{
    struct log_counters sum = {.read = atomic_load(&log->read)};
    for (unsigned k = 0; k < log->publisher_count; k++) {
        const struct publisher_counters one = publisher_count(log->publishers[k]);
        sum.published += one.published;
        sum.acknowledged += one.acknowledged;
        sum.failed += one.failed;
        sum.committed += one.committed;
        sum.aborted += one.aborted;
    }
    return sum;
}
