#include "bench/fanout/fanout.h"

#include <inttypes.h>
#include <stdlib.h>

#include "invalidation/changeset.h"
#include "invalidation/publish.h"

enum { MAX_SETS = 10000 };

struct sent {
    int64_t called_us; /* when it was handed to publisher_send() */
    int64_t acked_us;  /* when that returned */
};

struct source {
    const struct fanout_options *options;
    struct publisher *publisher;
    uint64_t next; /* set */
};

/* The k-th set, committed now. NULL: no memory. */
static struct change_set *make_set(const struct source *source, uint64_t k)
{
    char json[MESSAGES_HEAD + MESSAGES_CHANGE];
    struct messages messages = fanout_messages(source->options);
    struct changeset_error error;
    struct change_set *set = NULL;
    messages.time_us = clock_wall_us() - (int64_t)k;
    const size_t size = messages_write(&messages, k, json, sizeof json);
    return changeset_parse(json, size, &set, &error) == 0 ? set : NULL;
}

static bool send_one(struct source *source, struct sent *ret)
{
    char why[PUBLISH_MAX_ERROR] = "no set";
    struct publish_receipt receipt;
    struct change_set *set = make_set(source, source->next);
    ret->called_us = clock_us();
    const bool good = set && publisher_send(source->publisher, set, &receipt, why) == 0;
    ret->acked_us = clock_us();
    changeset_free(set);
    if (good)
        source->next++;
    else
        fprintf(stderr, "fanout: not published: %s\n", why);
    return good;
}

static void tell(const struct sent *sent, uint64_t count)
{
    printf("[");
    for (uint64_t i = 0; i < count; i++)
        printf("%s[%" PRId64 ",%" PRId64 "]", i > 0 ? "," : "", sent[i].called_us,
               sent[i].acked_us);
    printf("]\n");
    fflush(stdout);
}

static bool send_sets(struct source *source, uint64_t count, double rate)
{
    static struct sent sent[MAX_SETS];
    const int64_t began_us = clock_us();
    for (uint64_t i = 0; i < count; i++) {
        if (rate > 0)
            clock_sleep_us(began_us + (int64_t)((double)i * 1e6 / rate) - clock_us());
        if (!send_one(source, &sent[i]))
            return false;
    }
    tell(sent, count);
    return true;
}

static bool obey(struct source *source)
{
    char line[FANOUT_LINE];
    while (fgets(line, sizeof line, stdin)) {
        char *end;
        const uint64_t count = strtoull(line, &end, 10);
        if (count == 0 || count > MAX_SETS || !send_sets(source, count, strtod(end, NULL)))
            return false;
    }
    return true;
}

bool publisher_run(const struct fanout_options *options)
{
    char why[PUBLISH_MAX_ERROR];
    struct source source = {.options = options};
    source.publisher = publisher_new(&(struct publisher_options){.brokers = options->brokers,
                                                                 .topic = options->topic,
                                                                 .timeout_ms = 20000},
                                     why);
    if (!source.publisher) {
        fprintf(stderr, "fanout: %s\n", why);
        return false;
    }
    const bool good = obey(&source);
    publisher_free(source.publisher);
    return good;
}
