#include "bench/fanout/fanout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/fanout/instance.h"

enum { LIVE_WITHIN_S = 90, LOOK_MS = 50 };

struct subscribers {
    const struct fanout_options *options;
    struct instance *all; /* options->count */
    int64_t *times;       /* of all processes */
    size_t times_size;
};

static struct mono now(void)
{
    return (struct mono){(uint64_t)clock_us() / 1000};
}

/* The file must have room for our rows: its maker knows how many there are in all. */
static bool map_times(struct subscribers *subscribers)
{
    const struct fanout_options *options = subscribers->options;
    struct stat file;
    int fd = open(options->times, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) < 0)
        goto failed;
    subscribers->times_size = (size_t)file.st_size;
    if (subscribers->times_size <
        (options->first + options->count) * options->sets * sizeof(int64_t)) {
        errno = EINVAL;
        goto failed;
    }
    subscribers->times =
        mmap(NULL, subscribers->times_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (subscribers->times == MAP_FAILED)
        goto failed;
    close(fd);
    return true;
failed:
    fprintf(stderr, "fanout: %s: %s\n", options->times, strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

/*
 * One after the other: a thousand clients at once are a storm of connections, and not what is
 * measured.
 */
static bool start_all(struct subscribers *subscribers)
{
    const struct fanout_options *options = subscribers->options;
    for (uint64_t i = 0; i < options->count; i++) {
        int64_t *row = subscribers->times + (options->first + i) * options->sets;
        if (!instance_start(&subscribers->all[i], options, row))
            return false;
        clock_sleep_us((int64_t)options->spacing_ms * 1000);
    }
    return true;
}

static uint64_t count_live(struct subscribers *subscribers)
{
    uint64_t live = 0;
    for (uint64_t i = 0; i < subscribers->options->count; i++)
        live += instance_is_live(&subscribers->all[i], NULL);
    return live;
}

static bool wait_live(struct subscribers *subscribers)
{
    const uint64_t count = subscribers->options->count;
    const struct mono give_up = mono_add(now(), LIVE_WITHIN_S * 1000);
    uint64_t live;
    while ((live = count_live(subscribers)) < count && !mono_reached(now(), give_up))
        clock_sleep_us(LOOK_MS * 1000);
    if (live < count)
        fprintf(stderr, "fanout: %" PRIu64 " of %" PRIu64 " live after %d s\n", live, count,
                LIVE_WITHIN_S);
    return live == count;
}

static bool fill_all(struct subscribers *subscribers)
{
    for (uint64_t i = 0; i < subscribers->options->count; i++)
        if (!instance_fill(&subscribers->all[i], now())) {
            fprintf(stderr, "fanout: an answer was not kept\n");
            return false;
        }
    return true;
}

static uint64_t count_refused(const struct feed_status *status)
{
    uint64_t refused = 0;
    for (size_t k = 0; k < FEED_ERROR_KINDS; k++)
        refused += status->refused[k];
    return refused;
}

static void tell_status(struct subscribers *subscribers)
{
    uint64_t live = 0, applied = 0, refused = 0, gaps = 0, lapses = 0, wrong = 0;
    for (uint64_t i = 0; i < subscribers->options->count; i++) {
        struct instance *instance = &subscribers->all[i];
        struct feed_status status;
        live += instance_is_live(instance, &status);
        applied += status.applied;
        refused += count_refused(&status) + status.ignored;
        gaps += status.resets - 1;
        lapses += atomic_load(&instance->lives) - 1;
        wrong += atomic_load(&instance->wrong);
    }
    printf("{\"live\":%" PRIu64 ",\"applied\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"gaps\":%" PRIu64
           ",\"lapses\":%" PRIu64 ",\"wrong\":%" PRIu64 "}\n",
           live, applied, refused, gaps, lapses, wrong);
}

static void tell_check(struct subscribers *subscribers, uint64_t published)
{
    struct instance_check check = {.newest = 0};
    for (uint64_t i = 0; i < subscribers->options->count; i++)
        instance_check(&subscribers->all[i], published, now(), &check);
    printf("{\"newest\":%" PRIu64 ",\"evicted\":%" PRIu64 ",\"old\":%" PRIu64 "}\n", check.newest,
           check.evicted, check.old);
}

static void obey(struct subscribers *subscribers)
{
    char line[FANOUT_LINE];
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "check ", 6) == 0)
            tell_check(subscribers, strtoull(line + 6, NULL, 10));
        else
            tell_status(subscribers);
        fflush(stdout);
    }
}

/*
 * Ends without stopping the feeds: each stop waits up to a second for a survey under way, and the
 * end of the process is known to be the end of all of them.
 */
bool subscribers_run(const struct fanout_options *options)
{
    struct subscribers subscribers = {.options = options};
    const int64_t began_us = clock_us();
    subscribers.all = calloc(options->count, sizeof *subscribers.all);
    if (!subscribers.all || !map_times(&subscribers) || !start_all(&subscribers) ||
        !wait_live(&subscribers) || !fill_all(&subscribers)) {
        fflush(stderr);
        _exit(EXIT_FAILURE);
    }
    printf("{\"live\":%" PRIu64 ",\"seconds\":%.3f}\n", options->count,
           (double)(clock_us() - began_us) / 1e6);
    fflush(stdout);
    obey(&subscribers);
    _exit(EXIT_SUCCESS);
}
