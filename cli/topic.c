/*
 * topic.c - "freshet topic": the two topics, as freshet wants them. "create" makes what is missing, "check" says what is
 * wrong with what is there, "acls" prints who has to be allowed what.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"
#include "cli/topic_judge.h"

enum { DEFAULT_PARTITIONS = 6, MOST_REPLICAS = 3 };
static const uint64_t default_retention_ms = UINT64_C(7) * 24 * 60 * 60 * 1000;

static struct topic_admin *open_admin(const struct options *o)
{
    char error[TOPIC_MAX_ERROR];
    const struct topic_options options = {.brokers = o->brokers,
                                          .properties = o->properties,
                                          .property_count = o->property_count,
                                          .timeout_ms = (int)o->timeout_ms};
    struct topic_admin *admin = topic_admin_new(&options, error);
    if (!admin)
        complain(o, "%s", error);
    return admin;
}

/* ---- check ---- */

static void print_settings(const struct topic_view *view,
                           const struct topic_setting settings[TOPIC_SETTINGS])
{
    printf(": %d partitions, %d replicas", view->partitions, view->replicas);
    for (size_t k = 0; k < TOPIC_SETTINGS; k++) {
        if (settings[k].value[0] == '\0')
            continue;
        printf(", %s=", settings[k].name);
        text_print(stdout, settings[k].value);
    }
    printf("\n");
}

static int check_topic(const struct options *o, struct topic_admin *admin, const char *topic,
                       bool snapshots)
{
    struct topic_view view;
    struct topic_setting settings[TOPIC_SETTINGS];
    char error[TOPIC_MAX_ERROR];
    topic_settings_names(settings);
    const int result = topic_look(admin, topic, &view, settings, TOPIC_SETTINGS, error);
    if (result == ERR_NOT_FOUND && snapshots) {
        text_print(stdout, topic);
        printf(": is not there; streamed zones and freshet-origin need it\n");
        return EXIT_DONE;
    }
    if (result < 0) {
        complain(o, "topic %s: %s%s", topic, error,
                 result == ERR_NOT_FOUND ? "; 'freshet topic create' makes it" : "");
        return result == ERR_NOT_FOUND ? EXIT_UNHEALTHY : EXIT_FAILED;
    }
    text_print(stdout, topic);
    print_settings(&view, settings);
    return topic_judge(topic, snapshots, &view, settings, stdout) == 0 ? EXIT_DONE : EXIT_UNHEALTHY;
}

static int check(const struct options *o, struct topic_admin *admin)
{
    const int updates = check_topic(o, admin, o->topic, false);
    if (updates == EXIT_FAILED)
        return updates;
    const int snapshots = check_topic(o, admin, o->snapshots, true);
    return updates != EXIT_DONE ? updates : snapshots;
}

/* ---- create ---- */

static void print_made(const char *verb, const char *topic, int partitions, int replicas,
                       const struct topic_setting *settings, size_t count)
{
    printf("%s ", verb);
    text_print(stdout, topic);
    printf(": %d partitions, %d replicas", partitions, replicas);
    for (size_t k = 0; k < count; k++)
        printf(", %s=%s", settings[k].name, settings[k].value);
    printf("\n");
}

static int create_topic(const struct options *o, struct topic_admin *admin, const char *topic,
                        bool snapshots, int replicas)
{
    struct topic_setting settings[TOPIC_SETTINGS];
    char error[TOPIC_MAX_ERROR];
    const int partitions = o->partitions > 0 ? o->partitions : DEFAULT_PARTITIONS;
    const uint64_t retention_ms = o->retention_ms > 0 ? o->retention_ms : default_retention_ms;
    const size_t count = topic_settings_wanted(snapshots, retention_ms, replicas, settings);
    const int result =
        o->dry_run ? 0 : topic_create(admin, topic, partitions, replicas, settings, count, error);
    if (result < 0) {
        complain(o, "topic %s: %s", topic, error);
        return EXIT_FAILED;
    }
    if (result == 0)
        print_made(o->dry_run ? "would make" : "made", topic, partitions, replicas, settings,
                   count);
    return result == 0 ? EXIT_DONE : check_topic(o, admin, topic, snapshots);
}

static int create(const struct options *o, struct topic_admin *admin)
{
    char error[TOPIC_MAX_ERROR];
    int replicas = o->replicas;
    if (replicas == 0)
        replicas = topic_brokers(admin, error);
    if (replicas < 0) {
        complain(o, "%s", error);
        return EXIT_FAILED;
    }
    if (o->replicas == 0 && replicas > MOST_REPLICAS)
        replicas = MOST_REPLICAS;
    const int updates = create_topic(o, admin, o->topic, false, replicas);
    if (updates == EXIT_FAILED)
        return updates;
    const int snapshots = create_topic(o, admin, o->snapshots, true, replicas);
    return updates != EXIT_DONE ? updates : snapshots;
}

/* ---- acls ---- */

enum { UPDATES = 1, SNAPSHOTS = 2 };

/* What each role does, with which topics. */
static const struct {
    const char *role, *rights;
    int topics;
} acls[] = {
    {"a cache", "User:cache --operation Read --operation Describe", UPDATES | SNAPSHOTS},
    {"who publishes", "User:publisher --operation Write --operation Describe", UPDATES},
    {"freshet-origin",
     "User:origin --operation Read --operation Write --operation Describe --operation "
     "DescribeConfigs",
     UPDATES | SNAPSHOTS},
    {"freshet-origin with feed.group: origins", "User:origin --operation Read --group origins", 0},
    {"likewise",
     "User:origin --operation Write --operation Describe --transactional-id origins "
     "--resource-pattern-type prefixed",
     0},
};

static int print_acls(const struct options *o)
{
    for (size_t k = 0; k < sizeof acls / sizeof acls[0]; k++) {
        printf("# %s\nkafka-acls.sh --bootstrap-server ", acls[k].role);
        text_print(stdout, o->brokers);
        printf(" --add --allow-principal %s", acls[k].rights);
        for (int which = UPDATES; which <= SNAPSHOTS; which *= 2) {
            if (!(acls[k].topics & which))
                continue;
            printf(" --topic ");
            text_print(stdout, which == UPDATES ? o->topic : o->snapshots);
        }
        printf("\n");
    }
    return EXIT_DONE;
}

/* ---- */

static int run_topic(const struct options *o)
{
    const char *word = o->operands[0];
    if (strcmp(word, "acls") == 0)
        return print_acls(o);
    if (strcmp(word, "create") != 0 && strcmp(word, "check") != 0) {
        complain(o, "\"%s\" is none of create, check, acls", word);
        return EXIT_USAGE;
    }
    struct topic_admin *admin = open_admin(o);
    if (!admin)
        return EXIT_USAGE;
    const int code = strcmp(word, "create") == 0 ? create(o, admin) : check(o, admin);
    topic_admin_free(admin);
    return code;
}

const struct command topic_command = {
    .name = "topic",
    .operands = "create|check|acls",
    .summary = "Make the topics, say what is wrong with them, print who needs which rights",
    .details =
        "create makes those that are missing, and checks the others. check exits with 5 when "
        "something\n"
        "is not as it should be, and says how to mend it. acls prints commands for each role.\n",
    .accepts = OPT_ORIGIN | OPT_KAFKA | OPT_TOPIC | OPT_TOPICS | OPT_TIMEOUT,
    .least = 1,
    .most = 1,
    .run = run_topic,
};
