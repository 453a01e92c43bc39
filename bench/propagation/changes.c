#include "bench/propagation/changes.h"

#include <stdio.h>

static kafka_setting producer[] = {
    {"linger.ms", "0"},
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"partitioner", "murmur2_random"},
    {"message.timeout.ms", "10000"},
    {NULL, NULL},
};
static kafka_setting consumer[] = {
    {"group.id", "probe"},  {"enable.auto.commit", "false"}, {"enable.partition.eof", "true"},
    {"check.crcs", "true"}, {"auto.offset.reset", "error"},  {NULL, NULL},
};

static void on_acked(void *arg, uint32_t version, int64_t offset, int64_t now_us)
{
    struct flights *flights = arg;
    if (flights->options->primary.sin_port)
        return; /* the primary's answer is the acknowledgement */
    atomic_store(&flights->all[version].offset, offset);
    atomic_store(&flights->all[version].acked_us, now_us);
}

static void on_read(void *arg, uint32_t version, int64_t offset, int64_t now_us)
{
    (void)offset;
    struct flights *flights = arg;
    if (version < flights->history->capacity)
        atomic_store(&flights->all[version].read_us, now_us);
}

struct topic *changes_open(struct flights *flights, const struct zone *zone,
                           char ret_error[KAFKA_ERROR])
{
    const struct options *o = flights->options;
    struct topic *topic =
        topic_open(&(struct topic_options){.brokers = o->brokers,
                                           .name = o->topic,
                                           .zone = zone->text,
                                           .publisher = "probe",
                                           .producer = producer,
                                           .consumer = o->reader ? consumer : NULL,
                                           .properties = &o->properties,
                                           .acked = on_acked,
                                           .read = on_read,
                                           .arg = flights},
                   ret_error);
    if (topic)
        flights->base = topic_base(topic);
    return topic;
}

void changes_publish(struct topic *topic, const struct flights *flights, const struct zone *zone,
                     uint32_t version)
{
    char name[WIRE_MAX_TEXT], text[WIRE_MAX_TEXT + 128];
    zone_name_text(zone, flights->history->changes[version].name, name);
    snprintf(text, sizeof text,
             "{\"op\":\"SET\",\"name\":\"%s\",\"type\":\"A\",\"ttl\":%u,"
             "\"rdata\":[\"10.%u.%u.%u\"]}",
             name, zone->ttl, version >> 16 & 255, version >> 8 & 255, version & 255);
    topic_publish(topic, version, text);
}
