#include "invalidation/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/kafka.h"

enum { DEFAULT_TIMEOUT_MS = 10000 };

struct topic_admin {
    rd_kafka_t *client;
    int timeout_ms;
};

struct topic_admin *topic_admin_new(const struct topic_options *options,
                                    char ret_error[TOPIC_MAX_ERROR])
{
    const struct kafka_settings settings = {.brokers = options->brokers,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    struct topic_admin *admin = calloc(1, sizeof *admin);
    if (!admin) {
        snprintf(ret_error, TOPIC_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    admin->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    rd_kafka_conf_t *conf = kafka_producer_conf(&settings, admin->timeout_ms, ret_error);
    admin->client = conf ? kafka_client_new(RD_KAFKA_PRODUCER, conf, ret_error) : NULL;
    if (admin->client)
        return admin;
    free(admin);
    return NULL;
}

void topic_admin_free(struct topic_admin *admin)
{
    if (!admin)
        return;
    rd_kafka_destroy(admin->client);
    free(admin);
}

static int fail(char error[TOPIC_MAX_ERROR], rd_kafka_resp_err_t code, const char *text)
{
    snprintf(error, TOPIC_MAX_ERROR, "%s", text ? text : rd_kafka_err2str(code));
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT
               ? ERR_TIMEOUT
               : ERR_KAFKA;
}

/* All that the brokers tell, so that nobody makes what is asked for; to be destroyed. */
static int ask_metadata(struct topic_admin *admin, const struct rd_kafka_metadata **ret,
                        char error[TOPIC_MAX_ERROR])
{
    const rd_kafka_resp_err_t code =
        rd_kafka_metadata(admin->client, 1, NULL, ret, admin->timeout_ms);
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT)
        return fail(error, code, "no broker answers");
    return code ? fail(error, code, NULL) : 0;
}

int topic_brokers(struct topic_admin *admin, char ret_error[TOPIC_MAX_ERROR])
{
    const struct rd_kafka_metadata *metadata;
    const int result = ask_metadata(admin, &metadata, ret_error);
    if (result < 0)
        return result;
    const int count = metadata->broker_cnt;
    rd_kafka_metadata_destroy(metadata);
    return count;
}

/* ---- one question to the brokers ---- */

/* The event that answers, to be destroyed; NULL with an error. */
static rd_kafka_event_t *take_answer(struct topic_admin *admin, rd_kafka_queue_t *queue,
                                     int *ret_code, char error[TOPIC_MAX_ERROR])
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, admin->timeout_ms);
    if (event && !rd_kafka_event_error(event))
        return event;
    *ret_code = event ? fail(error, rd_kafka_event_error(event), rd_kafka_event_error_string(event))
                      : fail(error, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}

/* ---- making one ---- */

static int read_created(const rd_kafka_event_t *event, char error[TOPIC_MAX_ERROR])
{
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)event), &count);
    if (count != 1)
        return fail(error, RD_KAFKA_RESP_ERR__BAD_MSG, NULL);
    const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return 1;
    return code ? fail(error, code, rd_kafka_topic_result_error_string(topics[0])) : 0;
}

int topic_create(struct topic_admin *admin, const char *topic, int partitions, int replicas,
                 const struct topic_setting *settings, size_t count,
                 char ret_error[TOPIC_MAX_ERROR])
{
    int result;
    rd_kafka_NewTopic_t *made =
        rd_kafka_NewTopic_new(topic, partitions, replicas, ret_error, TOPIC_MAX_ERROR);
    if (!made)
        return ERR_KAFKA;
    for (size_t k = 0; k < count; k++)
        rd_kafka_NewTopic_set_config(made, settings[k].name, settings[k].value);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client);
    rd_kafka_CreateTopics(admin->client, &made, 1, NULL, queue);
    rd_kafka_event_t *event = take_answer(admin, queue, &result, ret_error);
    if (event) {
        result = read_created(event, ret_error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(made);
    return result;
}

/* ---- looking at one ---- */

static void view_partitions(const struct rd_kafka_metadata_topic *topic, struct topic_view *ret)
{
    *ret = (struct topic_view){.partitions = topic->partition_cnt};
    for (int k = 0; k < topic->partition_cnt; k++) {
        const struct rd_kafka_metadata_partition *partition = &topic->partitions[k];
        if (k == 0 || partition->replica_cnt < ret->replicas)
            ret->replicas = partition->replica_cnt;
        if (k == 0 || partition->isr_cnt < ret->in_sync)
            ret->in_sync = partition->isr_cnt;
    }
}

static int look_at_partitions(struct topic_admin *admin, const char *topic, struct topic_view *ret,
                              char error[TOPIC_MAX_ERROR])
{
    const struct rd_kafka_metadata *metadata;
    const int result = ask_metadata(admin, &metadata, error);
    if (result < 0)
        return result;
    int k = 0;
    while (k < metadata->topic_cnt && strcmp(metadata->topics[k].topic, topic) != 0)
        k++;
    const bool found = k < metadata->topic_cnt;
    if (found)
        view_partitions(&metadata->topics[k], ret);
    else
        snprintf(error, TOPIC_MAX_ERROR, "the brokers have no such topic, or do not tell us of it");
    rd_kafka_metadata_destroy(metadata);
    return found ? 0 : ERR_NOT_FOUND;
}

static int read_settings(const rd_kafka_event_t *event, struct topic_setting *settings,
                         size_t count, char error[TOPIC_MAX_ERROR])
{
    size_t topics = 0, entries = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)event), &topics);
    if (topics != 1)
        return fail(error, RD_KAFKA_RESP_ERR__BAD_MSG, NULL);
    if (rd_kafka_ConfigResource_error(resources[0]))
        return fail(error, rd_kafka_ConfigResource_error(resources[0]),
                    rd_kafka_ConfigResource_error_string(resources[0]));
    const rd_kafka_ConfigEntry_t **configs =
        rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (size_t e = 0; e < entries; e++) {
        const char *value = rd_kafka_ConfigEntry_value(configs[e]);
        for (size_t k = 0; value && k < count; k++)
            if (strcmp(settings[k].name, rd_kafka_ConfigEntry_name(configs[e])) == 0)
                snprintf(settings[k].value, TOPIC_MAX_VALUE, "%s", value);
    }
    return 0;
}

static int look_at_settings(struct topic_admin *admin, const char *topic,
                            struct topic_setting *settings, size_t count,
                            char error[TOPIC_MAX_ERROR])
{
    int result;
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client);
    rd_kafka_DescribeConfigs(admin->client, &asked, 1, NULL, queue);
    rd_kafka_event_t *event = take_answer(admin, queue, &result, error);
    if (event) {
        result = read_settings(event, settings, count, error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(asked);
    return result;
}

int topic_look(struct topic_admin *admin, const char *topic, struct topic_view *ret_view,
               struct topic_setting *settings, size_t count, char ret_error[TOPIC_MAX_ERROR])
{
    for (size_t k = 0; k < count; k++)
        settings[k].value[0] = '\0';
    const int result = look_at_partitions(admin, topic, ret_view, ret_error);
    return result < 0 ? result : look_at_settings(admin, topic, settings, count, ret_error);
}
