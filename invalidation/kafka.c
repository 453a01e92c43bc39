#include "invalidation/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "invalidation/changeset.h"

struct property {
    const char *name;
    const char *value;
};

/* Room for the key, the headers and the framing of the largest change set. */
#define MESSAGE_MAX_BYTES "4259840"
static_assert(CHANGESET_MAX_BYTES + 65536 == 4259840,
              "MESSAGE_MAX_BYTES follows CHANGESET_MAX_BYTES");

static const struct property common_defaults[] = {
    {"client.id", "freshet"},
    {"reconnect.backoff.ms", "100"}, /* a restarted broker is found again within about a second */
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.connection.setup.timeout.ms", "3000"},
    {"socket.keepalive.enable", "true"},
    {"socket.timeout.ms", "10000"},
    {"message.max.bytes", MESSAGE_MAX_BYTES},
    {"topic.metadata.refresh.fast.interval.ms", "100"},
};

/*
 * Those that some releases do not have yet. Telemetry (KIP-714, on since 2.5) is a question more while a client
 * starts, and tells the brokers of a cache what nobody asked for.
 */
static const struct property newer_defaults[] = {{"enable.metrics.push", "false"}};

/*
 * From 2.4 on librdkafka keeps what it knows of topics by their ids as well, and up to 2.9 at least spoils its own
 * memory when a topic that it knows comes back with another id (its issues 4778 and 4964): then it finds no leader any
 * more, or crashes. What is forgotten this soon is not there to be spoilt; that is a question more each second.
 */
enum { KNOWS_TOPIC_IDS = 0x02040000 };
static const struct property forgetful[] = {{"metadata.max.age.ms", "20"}};

static const struct property consumer_defaults[] = {
    {"check.crcs", "true"}, /* what the disk or the wire spoilt must not be applied */
    {"fetch.error.backoff.ms", "50"},
    {"fetch.message.max.bytes", MESSAGE_MAX_BYTES},
    {"fetch.max.bytes", "16777216"}, /* of all partitions that a broker has */
    {"receive.message.max.bytes", "67108864"},
    /*
     * What is read ahead when the feed is behind. Once that much waits, librdkafka sleeps for a
     * second before it looks again (its issue 2879), so it must be more than a second's work: less
     * means standing still.
     */
    {"queued.min.messages", "300000"},
    {"queued.max.messages.kbytes", "131072"},
};

static const struct property consumer_required[] = {
    {"group.id", "freshet"}, /* rd_kafka_assign() wants one; it is never subscribed nor committed */
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},      /* the proof that a partition is drained */
    {"auto.offset.reset", "error"},        /* a gap must be seen, not skipped */
    {"isolation.level", "read_committed"}, /* what was aborted must not be applied */
    {"allow.auto.create.topics", "false"},
    {"socket.nagle.disable", "true"},
    {"log.queue", "true"}, /* the log comes out of poll, in the poller's thread */
};

static const struct property producer_defaults[] = {
    {"linger.ms", "0"},
    /* A topic that is not there is said to be so within this, not after half a minute. */
    {"topic.metadata.propagation.max.ms", "2000"},
};

static const struct property producer_required[] = {
    {"enable.idempotence", "true"},        {"acks", "all"},
    {"partitioner", "murmur2_random"}, /* what Java clients compute, as the key is always set */
    {"socket.nagle.disable", "true"},      {"log.queue", "true"},
    {"allow.auto.create.topics", "false"}, /* a name mistyped is no topic */
};

#define SET_ALL(conf, table, error) set_all(conf, table, sizeof(table) / sizeof((table)[0]), error)

static void discard_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)text;
}

bool kafka_is_secret(const char *property)
{
    static const char *const words[] = {
        "password", "secret", "key", "pem", "jaas", "token", "sasl.oauthbearer.config"};
    const size_t length = strcspn(property, "=");
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        const char *found = memmem(property, length, words[k], strlen(words[k]));
        if (found && !memmem(property, length, ".location", strlen(".location")))
            return true; /* where a key lies is no secret */
    }
    return false;
}

/* What looks like none of librdkafka's names may be a secret that stands in the wrong place. */
static bool looks_like_name(const char *name)
{
    return strchr(name, '.') && strlen(name) < 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(name);
}

static int set_one(rd_kafka_conf_t *conf, const char *name, const char *value,
                   char error[KAFKA_MAX_ERROR])
{
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, KAFKA_MAX_ERROR);
    if (result == RD_KAFKA_CONF_OK)
        return 0;
    if (result == RD_KAFKA_CONF_UNKNOWN && !looks_like_name(name))
        snprintf(error, KAFKA_MAX_ERROR, "No such configuration property");
    else if (result != RD_KAFKA_CONF_UNKNOWN && kafka_is_secret(name))
        snprintf(error, KAFKA_MAX_ERROR, "Invalid value for configuration property \"%s\"", name);
    error[strcspn(error, "\n")] = '\0'; /* of some messages, not of all */
    return ERR_CONFIG;
}

static int set_all(rd_kafka_conf_t *conf, const struct property *table, size_t count,
                   char error[KAFKA_MAX_ERROR])
{
    for (size_t k = 0; k < count; k++)
        if (set_one(conf, table[k].name, table[k].value, error) < 0)
            return ERR_CONFIG;
    return 0;
}

static void set_where_known(rd_kafka_conf_t *conf)
{
    for (size_t k = 0; k < sizeof newer_defaults / sizeof newer_defaults[0]; k++)
        rd_kafka_conf_set(conf, newer_defaults[k].name, newer_defaults[k].value, NULL, 0);
}

/* One "name=value" of the operator. */
static int set_text(rd_kafka_conf_t *conf, const char *text, char error[KAFKA_MAX_ERROR])
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        snprintf(error, KAFKA_MAX_ERROR, "not name=value");
        return ERR_CONFIG;
    }
    char *name = strndup(text, (size_t)(equals - text));
    if (!name) {
        snprintf(error, KAFKA_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return ERR_MEMORY;
    }
    int result = set_one(conf, name, equals + 1, error);
    free(name);
    return result;
}

static int set_properties(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                          char error[KAFKA_MAX_ERROR])
{
    for (size_t k = 0; k < settings->property_count; k++) {
        int result = set_text(conf, settings->properties[k], error);
        if (result < 0)
            return result;
    }
    return set_one(conf, "bootstrap.servers", settings->brokers, error);
}

static int set_fetch_wait(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                          char error[KAFKA_MAX_ERROR])
{
    char text[24];
    if (settings->fetch_wait_ms == 0)
        return 0;
    snprintf(text, sizeof text, "%" PRIu64, settings->fetch_wait_ms);
    return set_one(conf, "fetch.wait.max.ms", text, error);
}

rd_kafka_conf_t *kafka_consumer_conf(const struct kafka_settings *settings,
                                     char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, discard_log);
    set_where_known(conf);
    if (SET_ALL(conf, common_defaults, ret_error) == 0 &&
        SET_ALL(conf, consumer_defaults, ret_error) == 0 &&
        (rd_kafka_version() < KNOWS_TOPIC_IDS || SET_ALL(conf, forgetful, ret_error) == 0) &&
        set_fetch_wait(conf, settings, ret_error) == 0 &&
        set_properties(conf, settings, ret_error) == 0 &&
        SET_ALL(conf, consumer_required, ret_error) == 0)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_conf_t *kafka_producer_conf(const struct kafka_settings *settings, int timeout_ms,
                                     char ret_error[KAFKA_MAX_ERROR])
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", timeout_ms);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, discard_log);
    set_where_known(conf);
    if (SET_ALL(conf, common_defaults, ret_error) == 0 &&
        SET_ALL(conf, producer_defaults, ret_error) == 0 &&
        set_properties(conf, settings, ret_error) == 0 &&
        SET_ALL(conf, producer_required, ret_error) == 0 &&
        set_one(conf, "message.timeout.ms", timeout, ret_error) == 0)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

size_t kafka_find_refused(const struct kafka_settings *settings, char ret_error[KAFKA_MAX_ERROR])
{
    size_t k = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    while (k < settings->property_count && set_text(conf, settings->properties[k], ret_error) == 0)
        k++;
    rd_kafka_conf_destroy(conf);
    return k;
}

int kafka_check(const struct kafka_settings *settings, size_t *ret_property,
                char ret_error[KAFKA_MAX_ERROR])
{
    *ret_property = kafka_find_refused(settings, ret_error);
    if (*ret_property < settings->property_count)
        return ERR_CONFIG;
    rd_kafka_conf_t *conf = kafka_consumer_conf(settings, ret_error);
    if (!conf)
        return ERR_CONFIG;
    rd_kafka_conf_set(conf, "bootstrap.servers", NULL, NULL, 0);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, conf, ret_error);
    if (!client)
        return ERR_KAFKA;
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return ERR_OK;
}

void kafka_read_uncommitted(rd_kafka_conf_t *consumer)
{
    rd_kafka_conf_set(consumer, "isolation.level", "read_uncommitted", NULL, 0);
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                             char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_t *client = rd_kafka_new(type, conf, ret_error, KAFKA_MAX_ERROR);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    /* Cannot fail: log.queue is required above, and every conf comes from there. */
    rd_kafka_set_log_queue(client, NULL);
    return client;
}

static int fail(char error[KAFKA_MAX_ERROR], const char *topic, rd_kafka_resp_err_t code)
{
    snprintf(error, KAFKA_MAX_ERROR, "topic %s: %s", topic, rd_kafka_err2str(code));
    switch (code) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return ERR_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT: /* rd_kafka_metadata() for: no broker is up */
        return ERR_TIMEOUT;
    default:
        return ERR_KAFKA;
    }
}

/* Partitions are numbered without holes, so their count says them all. */
static int count_partitions(const struct rd_kafka_metadata *metadata, const char *topic,
                            size_t *ret_count, char error[KAFKA_MAX_ERROR])
{
    if (metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt < 0)
        return fail(error, topic, RD_KAFKA_RESP_ERR__BAD_MSG);
    const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
    if (found->err)
        return fail(error, topic, found->err);
    if (found->partition_cnt == 0)
        return fail(error, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    if (found->partition_cnt > LOG_MAX_PARTITIONS) {
        snprintf(error, KAFKA_MAX_ERROR, "topic %s: %d partitions, at most %d are supported", topic,
                 found->partition_cnt, LOG_MAX_PARTITIONS);
        return ERR_TOO_LARGE;
    }
    *ret_count = (size_t)found->partition_cnt;
    return 0;
}

static int query_partitions(rd_kafka_t *client, const char *topic, int timeout_ms,
                            size_t *ret_count, char error[KAFKA_MAX_ERROR])
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (!handle)
        return fail(error, topic, rd_kafka_last_error());
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    if (code)
        return fail(error, topic, code);
    int result = count_partitions(metadata, topic, ret_count, error);
    rd_kafka_metadata_destroy(metadata);
    return result;
}

static rd_kafka_topic_partition_list_t *list_partitions(const char *topic, const int64_t *offsets,
                                                        size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t k = 0; list && k < count; k++)
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)k)->offset = offsets[k];
    return list;
}

static int copy_ends(const rd_kafka_topic_partition_list_t *list, const char *topic,
                     struct log_ends *ends, char error[KAFKA_MAX_ERROR])
{
    for (size_t k = 0; k < ends->count; k++) {
        const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)list, topic, (int32_t)k);
        if (!found || found->err || found->offset < 0)
            return fail(error, topic,
                        found && found->err ? found->err : RD_KAFKA_RESP_ERR__NO_OFFSET);
        ends->offset[k] = found->offset;
    }
    return 0;
}

/* Of the cluster id the client has learnt from the brokers, and the topic's name. */
static uint64_t log_id_of(rd_kafka_t *client, const char *topic)
{
    char *cluster = rd_kafka_clusterid(client, 0);
    uint64_t cluster_hash = cluster ? XXH3_64bits(cluster, strlen(cluster)) : 0;
    if (cluster)
        rd_kafka_mem_free(client, cluster);
    return XXH3_64bits_withSeed(topic, strlen(topic), cluster_hash);
}

int kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
                     struct log_ends *ret_ends, char ret_error[KAFKA_MAX_ERROR])
{
    struct log_ends ends = {.count = 0};
    int result = query_partitions(client, topic, timeout_ms, &ends.count, ret_error);
    if (result < 0)
        return result;
    /*
     * A "time" of -1 asks ListOffsets for the end of the log: one request per broker, not per
     * partition.
     */
    for (size_t k = 0; k < ends.count; k++)
        ends.offset[k] = RD_KAFKA_OFFSET_END;
    rd_kafka_topic_partition_list_t *list = list_partitions(topic, ends.offset, ends.count);
    if (!list)
        return fail(ret_error, topic, RD_KAFKA_RESP_ERR__FAIL);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    result = code ? fail(ret_error, topic, code) : copy_ends(list, topic, &ends, ret_error);
    rd_kafka_topic_partition_list_destroy(list);
    if (result == 0) {
        *ret_ends = ends;
        ret_ends->log_id = log_id_of(client, topic);
    }
    return result;
}

int kafka_first_since(rd_kafka_t *client, const char *topic, int32_t partition, int64_t time_ms,
                      int timeout_ms, int64_t *ret_offset, char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    if (!list)
        return fail(ret_error, topic, RD_KAFKA_RESP_ERR__FAIL);
    rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, partition);
    asked->offset = time_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    if (!code)
        code = asked->err;
    if (!code)
        *ret_offset = asked->offset >= 0 ? asked->offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    return code ? fail(ret_error, topic, code) : 0;
}

/* What was found for each partition; none of it where one has an error. */
static int lower_offsets(const rd_kafka_topic_partition_list_t *list, int64_t *offsets,
                         size_t count)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err || list->elems[i].partition < 0 ||
            (size_t)list->elems[i].partition >= count)
            return ERR_KAFKA;
    for (int i = 0; i < list->cnt; i++) {
        int64_t *offset = &offsets[list->elems[i].partition];
        if (list->elems[i].offset >= 0 && list->elems[i].offset < *offset)
            *offset = list->elems[i].offset;
    }
    return 0;
}

int kafka_offsets_since(rd_kafka_t *client, const char *topic, int64_t since_ms, int timeout_ms,
                        int64_t *offsets, size_t count)
{
    char ignored[KAFKA_MAX_ERROR];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t k = 0; list && k < count; k++)
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)k)->offset = since_ms;
    if (!list)
        return ERR_MEMORY;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    int result = code ? fail(ignored, topic, code) : lower_offsets(list, offsets, count);
    rd_kafka_topic_partition_list_destroy(list);
    return result;
}

void kafka_broker_hosts(rd_kafka_t *client, int timeout_ms, char *hosts)
{
    const struct rd_kafka_metadata *metadata = NULL;
    size_t used = 0;
    if (rd_kafka_metadata(client, 0, NULL, &metadata, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    hosts[0] = '\0';
    for (int k = 0; k < metadata->broker_cnt; k++) {
        const char *host = metadata->brokers[k].host;
        const size_t length = strlen(host);
        if (used + length + 2 > LOG_MAX_HOSTS)
            break;
        used += (size_t)snprintf(hosts + used, LOG_MAX_HOSTS - used, "%s%s", used ? "," : "", host);
    }
    rd_kafka_metadata_destroy(metadata);
}

/* Whether a list of all topics has it; when in doubt it has. */
static bool lists_topic(rd_kafka_t *client, const char *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(client, 1, NULL, &metadata, timeout_ms))
        return true;
    int k = 0;
    while (k < metadata->topic_cnt && strcmp(metadata->topics[k].topic, topic) != 0)
        k++;
    const bool found = k < metadata->topic_cnt;
    rd_kafka_metadata_destroy(metadata);
    return found;
}

int kafka_expect_topic(rd_kafka_t *client, const char *topic, int timeout_ms,
                       char ret_error[KAFKA_MAX_ERROR])
{
    static const char mock[] = "mockCluster"; /* how librdkafka's calls itself */
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(client, 0, NULL, &metadata, timeout_ms))
        return 0; /* nobody is there to ask: what comes next says so */
    rd_kafka_metadata_destroy(metadata);
    char *cluster = rd_kafka_clusterid(client, 0);
    const bool creates = cluster && strncmp(cluster, mock, sizeof mock - 1) == 0;
    if (cluster)
        rd_kafka_mem_free(client, cluster);
    if (!creates || lists_topic(client, topic, timeout_ms))
        return 0;
    return fail(ret_error, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static bool says_how_to_compress(const struct kafka_settings *settings)
{
    static const char word[] = "compression.";
    for (size_t k = 0; k < settings->property_count; k++)
        if (strncmp(settings->properties[k], word, sizeof word - 1) == 0)
            return true;
    return false;
}

rd_kafka_topic_t *kafka_compressed_topic(rd_kafka_t *client, const char *topic,
                                         const struct kafka_settings *settings)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(client);
    if (!says_how_to_compress(settings) &&
        rd_kafka_topic_conf_set(conf, "compression.codec", "zstd", NULL, 0) != RD_KAFKA_CONF_OK)
        rd_kafka_topic_conf_set(conf, "compression.codec", "lz4", NULL, 0);
    return rd_kafka_topic_new(client, topic, conf);
}

void kafka_learn_topic(rd_kafka_t *client, const char *topic, int timeout_ms)
{
    char error[KAFKA_MAX_ERROR];
    size_t count;
    int ignored = query_partitions(client, topic, timeout_ms, &count, error);
    (void)ignored;
}

int kafka_assign(rd_kafka_t *consumer, const char *topic, const int64_t *offsets, size_t count,
                 char ret_error[KAFKA_MAX_ERROR])
{
    rd_kafka_topic_partition_list_t *list = list_partitions(topic, offsets, count);
    if (!list)
        return fail(ret_error, topic, RD_KAFKA_RESP_ERR__FAIL);
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? fail(ret_error, topic, code) : 0;
}

int32_t kafka_partition_of(const uint8_t *zone, size_t count)
{
    char text[NAME_MAX_TEXT];
    name_to_text(zone, text);
    /* librdkafka's murmur2 looks at the key and the count alone. */
    return rd_kafka_msg_partitioner_murmur2(NULL, text, strlen(text), (int32_t)count, NULL, NULL);
}

void kafka_note_trouble(char trouble[KAFKA_MAX_TROUBLE], int code, const char *reason)
{
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && trouble[0] != '\0')
        return;
    /*
     * "... failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s)
     * suppressed)"
     */
    const char *varying = strstr(reason, " (after ");
    const size_t length = varying ? (size_t)(varying - reason) : strlen(reason);
    snprintf(trouble, KAFKA_MAX_TROUBLE, "%.*s", (int)length, reason);
}
