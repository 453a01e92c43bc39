#include "origin/snapshots.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "invalidation/log_reader.h"
#include "invalidation/snapshot_topic.h"
#include "origin/parts.h"

enum { ASK_MS = 2000, AGAIN_MS = 500 };

struct job {
    struct job *prev, *next;
    struct snapshots_job wanted;
    const struct zone_state *state; /* held */
    uint8_t apex[NAME_MAX_SIZE];
    int64_t made_us;
    bool fenced; /* its outlet, which may be closed once it is forgotten */
    bool forgotten;
};

struct snapshots {
    struct snapshots_options options;
    pthread_t thread;
    bool started;
    int fd; /* written to when there is something done */
    struct event *finished;
    struct log_reader *reader; /* of the log; the thread's, as the next */
    struct snapshot_writer *writer;
    struct parts *parts;  /* the way of zones that others may have a turn of, too */
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t news;
    bool stopping;
    bool forget; /* what the writer knows of the topic */
    struct job *waiting, *done;
    struct job *current; /* the thread's */
    struct snapshots_status status;
    bool known; /* the next ones are */
    struct log_ends ends;
    int64_t first[LOG_MAX_PARTITIONS];
    int64_t retention_ms, retention_bytes;
};

static int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void job_free(struct job *job)
{
    zone_state_release(job->state);
    free(job);
}

/* ---- the thread ---- */

static struct log_reader_options options_for(const struct snapshots *snapshots, const char *topic)
{
    return (struct log_reader_options){.brokers = snapshots->options.brokers,
                                       .topic = topic,
                                       .properties = snapshots->options.properties,
                                       .property_count = snapshots->options.property_count};
}

static bool open_clients(struct snapshots *snapshots, char error[LOG_MAX_ERROR])
{
    const struct log_reader_options log = options_for(snapshots, snapshots->options.updates);
    const struct log_reader_options topic = options_for(snapshots, snapshots->options.topic);
    if (!snapshots->reader)
        snapshots->reader = log_reader_open(&log, error);
    if (snapshots->reader && !snapshots->writer)
        snapshots->writer = snapshot_writer_open(&topic, error);
    return snapshots->reader && snapshots->writer;
}

/* Looks how much of the log there is. */
static int look(struct snapshots *snapshots, char error[LOG_MAX_ERROR])
{
    struct log_ends *ends = malloc(sizeof *ends);
    int64_t first[LOG_MAX_PARTITIONS], end, ms, bytes;
    int result = ends ? log_reader_ends(snapshots->reader, ASK_MS, ends, error) : ERR_MEMORY;
    for (size_t p = 0; result == 0 && p < ends->count; p++)
        result = log_reader_span(snapshots->reader, (int32_t)p, ASK_MS, &first[p], &end, error);
    if (result == 0) {
        log_reader_retention(snapshots->reader, ASK_MS, &ms, &bytes);
        pthread_mutex_lock(&snapshots->lock);
        snapshots->ends = *ends;
        memcpy(snapshots->first, first, ends->count * sizeof *first);
        snapshots->retention_ms = ms;
        snapshots->retention_bytes = bytes;
        snapshots->known = true;
        pthread_mutex_unlock(&snapshots->lock);
    }
    free(ends);
    return result;
}

static int write_job(struct snapshots *snapshots, struct job *job, char error[LOG_MAX_ERROR])
{
    struct snapshot_head head;
    const struct snapshot_way way = parts_way(snapshots->parts);
    job->made_us = wall_us();
    snapshot_writer_go(snapshots->writer, job->fenced ? &way : NULL);
    const int result =
        snapshot_writer_write(snapshots->writer, job->state, job->apex,
                              &(struct snapshot_stand){.log_id = snapshots->ends.log_id,
                                                       .partition = job->wanted.partition,
                                                       .offset = job->wanted.offset,
                                                       .now_us = job->made_us},
                              &head, error);
    parts_end(snapshots->parts);
    return result;
}

/* Takes the first job that waits; NULL: there is none, or it ends. Waits until there is one, or for `wait_ms`. */
static struct job *next_job(struct snapshots *snapshots, unsigned wait_ms, bool *ret_stopping)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&snapshots->lock);
    while (!snapshots->stopping && !snapshots->waiting &&
           pthread_cond_timedwait(&snapshots->news, &snapshots->lock, &until) == 0)
        continue;
    struct job *job = snapshots->stopping ? NULL : snapshots->waiting;
    if (job) {
        DL_DELETE(snapshots->waiting, job);
        parts_begin(snapshots->parts, job->wanted.outlet);
    }
    snapshots->current = job;
    if (job && snapshots->forget) {
        snapshot_writer_forget(snapshots->writer);
        snapshots->forget = false;
    }
    *ret_stopping = snapshots->stopping;
    pthread_mutex_unlock(&snapshots->lock);
    return job;
}

/* Of a job that was written, or is not wanted any more; one that failed waits again, and true is returned. */
static bool end_job(struct snapshots *snapshots, struct job *job, bool written)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&snapshots->lock);
    const bool failed = !written && !job->forgotten;
    snapshots->current = NULL;
    snapshots->status.written += written;
    snapshots->status.failed += failed;
    if (failed)
        DL_PREPEND(snapshots->waiting, job);
    else
        DL_APPEND(snapshots->done, job);
    pthread_mutex_unlock(&snapshots->lock);
    if (!failed)
        (void)!write(snapshots->fd, &one, sizeof one);
    return failed;
}

static bool is_stopping(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->lock);
    const bool stopping = snapshots->stopping;
    pthread_mutex_unlock(&snapshots->lock);
    return stopping;
}

static void give_up_for_now(struct snapshots *snapshots, const char *error)
{
    snapshots->options.trouble(snapshots->options.arg, error);
    snapshot_writer_close(snapshots->writer);
    snapshots->writer = NULL;
    for (int ms = 0; ms < AGAIN_MS && !is_stopping(snapshots); ms += 50)
        usleep(50 * 1000);
}

static void *run(void *arg)
{
    struct snapshots *snapshots = arg;
    char error[LOG_MAX_ERROR];
    bool stopping = false;
    while (!stopping) {
        if (!open_clients(snapshots, error) || look(snapshots, error) < 0) {
            give_up_for_now(snapshots, error);
            stopping = is_stopping(snapshots);
            continue;
        }
        struct job *job = next_job(snapshots, SNAPSHOTS_LOOK_MS, &stopping);
        if (!job)
            continue;
        if (end_job(snapshots, job, write_job(snapshots, job, error) == 0))
            give_up_for_now(snapshots, error);
    }
    return NULL;
}

/* ---- the main thread ---- */

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct snapshots *snapshots = arg;
    uint64_t signals;
    (void)!read(fd, &signals, sizeof signals);
    for (;;) {
        pthread_mutex_lock(&snapshots->lock);
        struct job *job = snapshots->done;
        if (job)
            DL_DELETE(snapshots->done, job);
        pthread_mutex_unlock(&snapshots->lock);
        if (!job)
            return;
        if (job->wanted.done)
            job->wanted.done(job->wanted.arg, job->wanted.offset, job->made_us);
        job_free(job);
    }
}

int snapshots_write(struct snapshots *snapshots, const struct snapshots_job *wanted)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return ERR_MEMORY;
    job->wanted = *wanted;
    job->state = zone_state_hold(wanted->zone);
    job->fenced = outlet_is_fenced(wanted->outlet);
    memcpy(job->apex, zone_apex(wanted->zone), name_size(zone_apex(wanted->zone)));
    pthread_mutex_lock(&snapshots->lock);
    DL_APPEND(snapshots->waiting, job);
    pthread_cond_signal(&snapshots->news);
    pthread_mutex_unlock(&snapshots->lock);
    return 0;
}

void snapshots_look_again(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->lock);
    snapshots->forget = true;
    pthread_mutex_unlock(&snapshots->lock);
}

/* Takes all of his out of a list. */
static void forget_in(struct job **jobs, const void *arg)
{
    struct job *job, *next;
    DL_FOREACH_SAFE (*jobs, job, next)
        if (job->wanted.arg == arg) {
            DL_DELETE(*jobs, job);
            job_free(job);
        }
}

void snapshots_forget(struct snapshots *snapshots, const void *arg)
{
    pthread_mutex_lock(&snapshots->lock);
    forget_in(&snapshots->waiting, arg);
    forget_in(&snapshots->done, arg);
    struct job *current = snapshots->current;
    if (current && current->wanted.arg == arg) {
        current->forgotten = true;
        current->wanted.done = NULL;
        parts_cancel(snapshots->parts);
    }
    pthread_mutex_unlock(&snapshots->lock);
}

/* `first`, `end` and the retention of a view. */
static bool view_log(struct snapshots *snapshots, int32_t partition, struct retention_view *ret)
{
    pthread_mutex_lock(&snapshots->lock);
    const bool known =
        snapshots->known && partition >= 0 && (size_t)partition < snapshots->ends.count;
    if (known) {
        ret->first = snapshots->first[partition];
        ret->end = snapshots->ends.offset[partition];
        ret->retention_ms = snapshots->retention_ms;
        ret->retention_bytes = snapshots->retention_bytes;
    }
    pthread_mutex_unlock(&snapshots->lock);
    return known;
}

bool snapshots_judge(struct snapshots *snapshots, int32_t partition, const struct zone *zone,
                     int64_t now_us, struct retention_view *view, struct retention_margin *ret)
{
    struct zone_size size;
    if (!snapshots || !view_log(snapshots, partition, view))
        return false;
    zone_size(zone_state(zone), &size);
    view->records = size.records;
    view->now_us = now_us;
    *ret = retention_judge(view);
    return true;
}

void snapshots_status(struct snapshots *snapshots, struct snapshots_status *ret)
{
    struct job *job;
    pthread_mutex_lock(&snapshots->lock);
    *ret = snapshots->status;
    DL_COUNT(snapshots->waiting, job, ret->waiting);
    pthread_mutex_unlock(&snapshots->lock);
}

struct snapshots *snapshots_start(const struct snapshots_options *options,
                                  char ret_error[LOG_MAX_ERROR])
{
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    snprintf(ret_error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!snapshots)
        return NULL;
    snapshots->options = *options;
    pthread_mutex_init(&snapshots->lock, NULL);
    pthread_cond_init(&snapshots->news, NULL);
    snapshots->parts = parts_new(options->base, options->topic);
    snapshots->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    snapshots->finished =
        event_new(options->base, snapshots->fd, EV_READ | EV_PERSIST, on_finished, snapshots);
    if (snapshots->parts && snapshots->fd >= 0 && snapshots->finished &&
        event_add(snapshots->finished, NULL) == 0)
        snapshots->started = pthread_create(&snapshots->thread, NULL, run, snapshots) == 0;
    if (snapshots->started)
        return snapshots;
    snapshots_stop(snapshots);
    return NULL;
}

static void free_jobs(struct job *jobs)
{
    struct job *job, *next;
    DL_FOREACH_SAFE (jobs, job, next)
        job_free(job);
}

void snapshots_stop(struct snapshots *snapshots)
{
    if (!snapshots)
        return;
    pthread_mutex_lock(&snapshots->lock);
    snapshots->stopping = true;
    pthread_cond_signal(&snapshots->news);
    pthread_mutex_unlock(&snapshots->lock);
    if (snapshots->parts)
        parts_cancel(snapshots->parts);
    if (snapshots->started)
        pthread_join(snapshots->thread, NULL);
    parts_free(snapshots->parts);
    free_jobs(snapshots->waiting);
    free_jobs(snapshots->done);
    snapshot_writer_close(snapshots->writer);
    log_reader_close(snapshots->reader);
    if (snapshots->finished)
        event_free(snapshots->finished);
    if (snapshots->fd >= 0)
        close(snapshots->fd);
    pthread_cond_destroy(&snapshots->news);
    pthread_mutex_destroy(&snapshots->lock);
    free(snapshots);
}
