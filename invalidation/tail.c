#include "invalidation/tail.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invalidation/log_reader.h"

enum {
    DEFAULT_TIMEOUT_MS = 10000,
    ASK_MS = 1000,      /* for one look at the topic, */
    ASK_LEAST_MS = 300, /* also when less time than that is left */
    RETRY_MS = 100,     /* between looks */
};

struct tail {
    struct log_reader *reader;
    size_t partitions;
    bool ended[LOG_MAX_PARTITIONS]; /* read to the end once */
    size_t ended_count;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
    const struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

/* Looks until the topic is found or the time has run out; the last failure tells why. */
static int find_topic(struct tail *tail, const struct tail_options *options, struct log_ends *ends,
                      char error[TAIL_MAX_ERROR])
{
    const int64_t until =
        now_ms() + (options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS);
    for (;;) {
        int64_t left = until - now_ms();
        int ask_ms = left < ASK_LEAST_MS ? ASK_LEAST_MS : left < ASK_MS ? (int)left : ASK_MS;
        int result = log_reader_expect(tail->reader, ask_ms, error);
        if (result == 0)
            result = log_reader_ends(tail->reader, ask_ms, ends, error);
        if (result == 0 || result == ERR_TOO_LARGE || now_ms() >= until)
            return result;
        sleep_ms(RETRY_MS);
    }
}

/* The first of the last `count` messages before `end`. */
static int64_t last_of(struct tail *tail, uint64_t count, int32_t partition, int64_t end)
{
    int64_t low, high;
    char error[LOG_MAX_ERROR];
    if (log_reader_span(tail->reader, partition, ASK_MS, &low, &high, error) < 0)
        return end;
    const int64_t most = count < INT64_MAX ? (int64_t)count : INT64_MAX;
    return end - low > most ? end - most : low;
}

/* Where to begin, instead of at the ends. */
static int choose_starts(struct tail *tail, const struct tail_options *options,
                         struct log_ends *ends)
{
    if (options->since_ms > 0)
        return log_reader_since(tail->reader, options->since_ms, DEFAULT_TIMEOUT_MS, ends->offset,
                                ends->count);
    for (size_t k = 0; k < ends->count; k++) {
        if (options->from_beginning)
            ends->offset[k] = LOG_FROM_FIRST;
        else if (options->last > 0)
            ends->offset[k] = last_of(tail, options->last, (int32_t)k, ends->offset[k]);
    }
    return 0;
}

static int take_positions(struct tail *tail, const struct tail_options *options,
                          char error[TAIL_MAX_ERROR])
{
    struct log_ends ends;
    int result = find_topic(tail, options, &ends, error);
    if (result < 0) {
        if (result == ERR_NOT_FOUND)
            snprintf(error, TAIL_MAX_ERROR, "topic %s: the brokers have no such topic",
                     options->topic);
        return result;
    }
    result = choose_starts(tail, options, &ends);
    if (result < 0) {
        snprintf(error, TAIL_MAX_ERROR, "topic %s: where to begin: %s", options->topic,
                 error_text(result));
        return result;
    }
    struct log_place places[LOG_MAX_PARTITIONS];
    for (size_t k = 0; k < ends.count; k++)
        places[k] = (struct log_place){(int32_t)k, ends.offset[k]};
    tail->partitions = ends.count;
    return log_reader_from(tail->reader, places, ends.count, error);
}

struct tail *tail_open(const struct tail_options *options, char ret_error[TAIL_MAX_ERROR])
{
    static_assert((int)TAIL_MAX_ERROR >= (int)LOG_MAX_ERROR, "errors of log_reader.h fit");
    const struct log_reader_options from = {.brokers = options->brokers,
                                            .topic = options->topic,
                                            .properties = options->properties,
                                            .property_count = options->property_count};
    struct tail *tail = calloc(1, sizeof *tail);
    if (!tail) {
        snprintf(ret_error, TAIL_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return NULL;
    }
    tail->reader = log_reader_open(&from, ret_error);
    if (tail->reader && take_positions(tail, options, ret_error) == 0)
        return tail;
    tail_close(tail);
    return NULL;
}

void tail_close(struct tail *tail)
{
    if (!tail)
        return;
    log_reader_close(tail->reader);
    free(tail);
}

size_t tail_partitions(const struct tail *tail)
{
    return tail->partitions;
}

bool tail_at_end(const struct tail *tail)
{
    return tail->ended_count == tail->partitions;
}

static void note_end(struct tail *tail, int32_t partition)
{
    if (partition < 0 || (size_t)partition >= tail->partitions || tail->ended[partition])
        return;
    tail->ended[partition] = true;
    tail->ended_count++;
}

int tail_next(struct tail *tail, int timeout_ms, struct log_message *ret_message,
              char ret_error[TAIL_MAX_ERROR])
{
    const int64_t until = now_ms() + timeout_ms;
    do {
        const int64_t left = until - now_ms();
        int code = log_reader_next(tail->reader, left > 0 ? (int)left : 0, ret_message, ret_error);
        if (code == 0 && !ret_message->end)
            return 0;
        if (code == 0)
            note_end(tail, ret_message->partition);
        else if (code != ERR_TIMEOUT)
            return code;
    } while (now_ms() < until);
    return ERR_TIMEOUT;
}
