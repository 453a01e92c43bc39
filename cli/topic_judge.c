#include "cli/topic_judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/log_ends.h"

static const char *const names[] = {
    [TOPIC_CLEANUP] = "cleanup.policy",
    [TOPIC_RETENTION] = "retention.ms",
    [TOPIC_IN_SYNC] = "min.insync.replicas",
    [TOPIC_MESSAGE_BYTES] = "max.message.bytes",
};

enum {
    ENOUGH_REPLICAS = 3,                      /* one may fail while another is away for repair */
    LEAST_RETENTION_MS = 24 * 60 * 60 * 1000, /* a night's outage is read afterwards */
    MOST_MESSAGE_BYTES = 4 * 1024 * 1024,     /* of a change set, inflated in every cache */
};

void topic_settings_names(struct topic_setting settings[TOPIC_SETTINGS])
{
    for (size_t k = 0; k < TOPIC_SETTINGS; k++)
        settings[k] = (struct topic_setting){.name = names[k]};
}

size_t topic_settings_wanted(bool snapshots, uint64_t retention_ms, int replicas,
                             struct topic_setting settings[TOPIC_SETTINGS])
{
    size_t count = 0;
    settings[count].name = names[TOPIC_CLEANUP];
    strcpy(settings[count++].value, snapshots ? "compact" : "delete");
    settings[count].name = names[TOPIC_IN_SYNC];
    strcpy(settings[count++].value, replicas >= ENOUGH_REPLICAS ? "2" : "1");
    if (!snapshots) {
        settings[count].name = names[TOPIC_RETENTION];
        snprintf(settings[count++].value, TOPIC_MAX_VALUE, "%" PRIu64, retention_ms);
    }
    return count;
}

__attribute__((format(printf, 2, 3))) static size_t say(FILE *out, const char *format, ...)
{
    va_list args;
    fputs("  ", out);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
    return 1;
}

/* How a setting is mended. */
static size_t say_setting(FILE *out, const char *topic, const char *why, const char *name,
                          const char *value)
{
    return say(out,
               "%s: kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config "
               "%s=%s",
               why, topic, name, value);
}

static size_t judge_partitions(const struct topic_view *view, FILE *out)
{
    size_t wrong = 0;
    if (view->partitions > LOG_MAX_PARTITIONS)
        wrong += say(out, "%d partitions: a cache follows at most %d", view->partitions,
                     LOG_MAX_PARTITIONS);
    if (view->replicas < 2)
        wrong += say(out, "one replica: the loss of its broker is the loss of the log; "
                          "kafka-reassign-partitions.sh adds others");
    if (view->in_sync < view->replicas)
        wrong += say(out, "%d of %d replicas are in sync: see to the brokers", view->in_sync,
                     view->replicas);
    return wrong;
}

static size_t judge_cleanup(const char *topic, bool snapshots, const char *value, FILE *out)
{
    const char *wanted = snapshots ? "compact" : "delete";
    if (value[0] == '\0' || strcmp(value, wanted) == 0)
        return 0;
    const char *why = snapshots
                          ? "cleanup.policy is not compact, so zones go that do not change"
                          : "cleanup.policy is not delete, so changes go that a newer one of the "
                            "same zone does not hold";
    return say_setting(out, topic, why, names[TOPIC_CLEANUP], wanted);
}

static size_t judge_retention(const char *topic, const char *value, FILE *out)
{
    const long long ms = strtoll(value, NULL, 10);
    if (value[0] == '\0' || ms < 0 || ms >= LEAST_RETENTION_MS)
        return 0;
    return say_setting(out, topic,
                       "retention.ms is less than a day: a cache that was away begins anew",
                       names[TOPIC_RETENTION], "604800000");
}

static size_t judge_in_sync(const char *topic, const char *value, int replicas, FILE *out)
{
    const long least = strtol(value, NULL, 10);
    if (value[0] == '\0')
        return 0;
    if (least >= replicas && replicas > 1)
        return say_setting(out, topic,
                           "min.insync.replicas is that of all: nothing is published while "
                           "one broker is away",
                           names[TOPIC_IN_SYNC], replicas >= ENOUGH_REPLICAS ? "2" : "1");
    if (least < 2 && replicas >= ENOUGH_REPLICAS)
        return say_setting(out, topic,
                           "min.insync.replicas is 1: what was acknowledged may be lost with "
                           "a broker",
                           names[TOPIC_IN_SYNC], "2");
    return 0;
}

static size_t judge_message_bytes(const char *topic, const char *value, FILE *out)
{
    if (value[0] == '\0' || strtoll(value, NULL, 10) <= MOST_MESSAGE_BYTES + 65536)
        return 0;
    return say_setting(out, topic,
                       "max.message.bytes is more than a change set may have, and what it "
                       "inflates to is memory of every cache",
                       names[TOPIC_MESSAGE_BYTES], "1048588");
}

size_t topic_judge(const char *topic, bool snapshots, const struct topic_view *view,
                   const struct topic_setting settings[TOPIC_SETTINGS], FILE *out)
{
    size_t wrong = judge_partitions(view, out);
    wrong += judge_cleanup(topic, snapshots, settings[TOPIC_CLEANUP].value, out);
    if (!snapshots)
        wrong += judge_retention(topic, settings[TOPIC_RETENTION].value, out);
    wrong += judge_in_sync(topic, settings[TOPIC_IN_SYNC].value, view->replicas, out);
    return wrong + judge_message_bytes(topic, settings[TOPIC_MESSAGE_BYTES].value, out);
}
