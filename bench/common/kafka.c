#include "bench/common/kafka.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/common/messages.h"

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error)
{
    return rd_kafka_conf_set(conf, name, value, error, KAFKA_ERROR) == RD_KAFKA_CONF_OK;
}

/* "name=value" */
static bool set_text(rd_kafka_conf_t *conf, const char *text, char *error)
{
    char name[128];
    const size_t size = strcspn(text, "=");
    if (text[size] == '=' && size < sizeof name) {
        memcpy(name, text, size);
        name[size] = '\0';
        return set(conf, name, text + size + 1, error);
    }
    snprintf(error, KAFKA_ERROR, "not name=value: %s", text);
    return false;
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_options *options, char *error)
{
    bool good = set(conf, "bootstrap.servers", options->brokers, error) &&
                set(conf, "log_level", "3", error) && /* syslog's: errors */
                set(conf, "socket.nagle.disable", "true", error);
    for (size_t k = 0; good && options->settings[k][0]; k++)
        good = set(conf, options->settings[k][0], options->settings[k][1], error);
    for (size_t k = 0; good && options->more && k < options->more->count; k++)
        good = set_text(conf, options->more->at[k], error);
    return good;
}

rd_kafka_t *kafka_open(rd_kafka_type_t type, const struct kafka_options *options,
                       char ret_error[KAFKA_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (options->delivered)
        rd_kafka_conf_set_dr_msg_cb(conf, options->delivered);
    rd_kafka_conf_set_opaque(conf, options->arg);
    rd_kafka_t *client = NULL;
    if (set_all(conf, options, ret_error))
        client = rd_kafka_new(type, conf, ret_error, KAFKA_ERROR);
    if (!client)
        rd_kafka_conf_destroy(conf);
    return client;
}

static rd_kafka_headers_t *headers_of(const struct kafka_message *message)
{
    char id[40], time[MESSAGES_TIME];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012" PRIx64, message->id);
    messages_time(message->time_us, time);
    const char *const all[][2] = {
        {"ce_specversion", "1.0"},
        {"ce_type", "dns.changeset.v1"},
        {"content-type", "application/json"},
        {"ce_id", id},
        {"ce_source", "freshet:bench"},
        {"ce_time", time},
    };
    const size_t count = message->id ? sizeof all / sizeof *all : 3;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(count);
    for (size_t k = 0; k < count; k++)
        rd_kafka_header_add(headers, all[k][0], -1, all[k][1], -1);
    return headers;
}

rd_kafka_resp_err_t kafka_send(rd_kafka_t *client, const struct kafka_message *message)
{
    rd_kafka_headers_t *headers = headers_of(message);
    const rd_kafka_resp_err_t code = rd_kafka_producev(
        client, RD_KAFKA_V_TOPIC(message->topic),
        RD_KAFKA_V_KEY(message->key, message->key ? strlen(message->key) : 0),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value, message->size),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(message->opaque),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}
