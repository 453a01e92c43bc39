/*
 * publisher.c - a publisher as odd as they come: transactions, any partitioner, any compression.
 *
 *   publisher BROKERS TOPIC [PROPERTY=VALUE...]
 *
 * Reads commands from stdin, one a line, and answers each with a line: "ok", or what went wrong.
 *
 *   begin              starts a transaction (with the property transactional.id)
 *   send KEY VALUE     sends a message and waits until it is acknowledged; VALUE is the rest of the line
 *   send - VALUE       the same without a key
 *   fill KEY SIZE      sends so many spaces
 *   commit, abort      ends the transaction
 *
 * A transaction hangs for as long as none of the last two comes.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 20000, MAX_LINE = 1 << 16 };

struct publisher {
    rd_kafka_t *client;
    const char *topic;
    rd_kafka_resp_err_t acknowledged;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg)
{
    (void)client;
    struct publisher *p = arg;
    p->acknowledged = message->err;
}

/* NULL: it is sent; else what went wrong. */
static const char *send_value(struct publisher *p, const char *key, const char *value, size_t size)
{
    const size_t key_size = strcmp(key, "-") == 0 ? 0 : strlen(key);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        p->client, RD_KAFKA_V_TOPIC(p->topic), RD_KAFKA_V_KEY(key_size ? key : NULL, key_size),
        RD_KAFKA_V_VALUE((void *)value, size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (!code)
        code = rd_kafka_flush(p->client, TIMEOUT_MS);
    if (!code)
        code = p->acknowledged;
    return code ? rd_kafka_err2str(code) : NULL;
}

static const char *send_spaces(struct publisher *p, const char *key, size_t size)
{
    char *value = malloc(size);
    if (!value)
        return "no memory";
    memset(value, ' ', size);
    const char *wrong = send_value(p, key, value, size);
    free(value);
    return wrong;
}

static const char *said(rd_kafka_error_t *error)
{
    return error ? rd_kafka_error_string(error) : NULL;
}

static const char *obey(struct publisher *p, char *line)
{
    char *save = NULL;
    const char *command = strtok_r(line, " \n", &save);
    if (!command)
        return "nothing";
    if (strcmp(command, "begin") == 0)
        return said(rd_kafka_begin_transaction(p->client));
    if (strcmp(command, "commit") == 0)
        return said(rd_kafka_commit_transaction(p->client, TIMEOUT_MS));
    if (strcmp(command, "abort") == 0)
        return said(rd_kafka_abort_transaction(p->client, TIMEOUT_MS));
    const char *key = strtok_r(NULL, " \n", &save);
    const char *value = strtok_r(NULL, "\n", &save);
    if (key && value && strcmp(command, "send") == 0)
        return send_value(p, key, value, strlen(value));
    if (key && value && strcmp(command, "fill") == 0)
        return send_spaces(p, key, strtoul(value, NULL, 10));
    return "no such command";
}

static rd_kafka_t *open_client(struct publisher *p, int argc, char **argv)
{
    char error[512];
    bool transactional = false;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], error, sizeof error);
    for (int k = 3; k < argc; k++) {
        char *value = strchr(argv[k], '=');
        if (!value)
            return NULL;
        *value++ = '\0';
        transactional |= strcmp(argv[k], "transactional.id") == 0;
        if (rd_kafka_conf_set(conf, argv[k], value, error, sizeof error) != RD_KAFKA_CONF_OK) {
            puts(error);
            return NULL;
        }
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    const char *wrong =
        client && transactional ? said(rd_kafka_init_transactions(client, TIMEOUT_MS)) : NULL;
    puts(!client ? error : wrong ? wrong : "ok");
    return client && !wrong ? client : NULL;
}

int main(int argc, char **argv)
{
    static char line[MAX_LINE];
    struct publisher p = {.topic = argc > 2 ? argv[2] : NULL};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3 || !(p.client = open_client(&p, argc, argv)))
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        const char *wrong = obey(&p, line);
        puts(wrong ? wrong : "ok");
    }
    return 0; /* and a transaction that is open is left to its timeout */
}
