#include "origin/parts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

struct part {
    struct part *prev, *next;
    struct parts *parts;
    struct outlet_message *message; /* under way; NULL: not sent yet. The loop's */
    int32_t partition;
    char key[SNAPSHOT_MAX_KEY];
    size_t key_size;
    uint8_t *value; /* NULL: a tombstone */
    size_t value_size;
};

struct parts {
    const char *topic;
    int fd; /* written to when there is something to send */
    struct event *news;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t moved;
    struct outlet *outlet; /* NULL: none */
    struct part *waiting, *under_way;
    size_t count; /* of both */
    int failed;   /* what became of one of them */
};

static void free_part(struct part *part)
{
    free(part->value);
    free(part);
}

/* What was not sent yet. The lock is held. */
static void drop_waiting(struct parts *parts)
{
    struct part *part, *next;
    DL_FOREACH_SAFE (parts->waiting, part, next) {
        parts->count--;
        free_part(part);
    }
    parts->waiting = NULL;
}

/* ---- the loop ---- */

static void on_done(void *arg, int result, const struct publish_receipt *receipt)
{
    (void)receipt;
    struct part *part = arg;
    struct parts *parts = part->parts;
    pthread_mutex_lock(&parts->lock);
    DL_DELETE(parts->under_way, part);
    parts->count--;
    if (result < 0)
        parts->failed = result;
    pthread_cond_signal(&parts->moved);
    pthread_mutex_unlock(&parts->lock);
    free_part(part);
}

/* Sends one, which is taken back if that cannot be. The lock is held: on_done() is never called from in here. */
static void send_part(struct parts *parts, struct part *part)
{
    const struct outlet_bytes bytes = {.topic = parts->topic,
                                       .partition = part->partition,
                                       .key = part->key,
                                       .key_size = part->key_size,
                                       .value = part->value,
                                       .value_size = part->value_size,
                                       .done = on_done,
                                       .arg = part};
    const int result = outlet_send_bytes(parts->outlet, &bytes, &part->message);
    DL_DELETE(parts->waiting, part);
    if (result == 0) {
        DL_APPEND(parts->under_way, part);
        return;
    }
    parts->failed = result;
    parts->count--;
    pthread_cond_signal(&parts->moved);
    free_part(part);
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct parts *parts = arg;
    uint64_t signals;
    (void)!read(fd, &signals, sizeof signals);
    pthread_mutex_lock(&parts->lock);
    while (parts->waiting && parts->outlet)
        send_part(parts, parts->waiting);
    pthread_mutex_unlock(&parts->lock);
}

void parts_cancel(struct parts *parts)
{
    struct part *part, *next;
    pthread_mutex_lock(&parts->lock);
    DL_FOREACH_SAFE (parts->under_way, part, next) {
        outlet_take_back(parts->outlet, part->message);
        parts->count--;
        free_part(part);
    }
    parts->under_way = NULL;
    drop_waiting(parts);
    parts->outlet = NULL;
    parts->failed = ERR_NOT_FOUND;
    pthread_cond_signal(&parts->moved);
    pthread_mutex_unlock(&parts->lock);
}

/* ---- the thread that writes ---- */

void parts_begin(struct parts *parts, struct outlet *outlet)
{
    pthread_mutex_lock(&parts->lock);
    parts->outlet = outlet;
    parts->failed = 0;
    pthread_mutex_unlock(&parts->lock);
}

void parts_end(struct parts *parts)
{
    pthread_mutex_lock(&parts->lock);
    drop_waiting(parts);
    while (parts->under_way)
        pthread_cond_wait(&parts->moved, &parts->lock);
    parts->outlet = NULL;
    pthread_mutex_unlock(&parts->lock);
}

/* Waits until no more than `most` are there. The lock is held. */
static int wait_for(struct parts *parts, size_t most, char error[LOG_MAX_ERROR])
{
    while (parts->count > most && parts->failed == 0)
        pthread_cond_wait(&parts->moved, &parts->lock);
    if (parts->failed == ERR_NOT_FOUND)
        snprintf(error, LOG_MAX_ERROR, "it is another one's turn");
    else if (parts->failed < 0)
        snprintf(error, LOG_MAX_ERROR, "topic %s: %s", parts->topic, error_text(parts->failed));
    return parts->failed;
}

static struct part *copy_part(struct parts *parts, const struct snapshot_out *message)
{
    struct part *part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    part->parts = parts;
    part->partition = message->partition;
    part->key_size = message->key_size;
    memcpy(part->key, message->key, message->key_size);
    part->value_size = message->value_size;
    if (!message->value)
        return part;
    part->value = malloc(message->value_size + 1);
    if (part->value) {
        memcpy(part->value, message->value, message->value_size);
        return part;
    }
    free(part);
    return NULL;
}

static int way_send(void *arg, const struct snapshot_out *message, char error[LOG_MAX_ERROR])
{
    static const uint64_t one = 1;
    struct parts *parts = arg;
    struct part *part = copy_part(parts, message);
    if (!part) {
        snprintf(error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
        return ERR_MEMORY;
    }
    pthread_mutex_lock(&parts->lock);
    const int result = wait_for(parts, PARTS_AT_ONCE - 1, error);
    if (result == 0) {
        DL_APPEND(parts->waiting, part);
        parts->count++;
    }
    pthread_mutex_unlock(&parts->lock);
    if (result == 0)
        (void)!write(parts->fd, &one, sizeof one);
    else
        free_part(part);
    return result;
}

static int way_wait(void *arg, char error[LOG_MAX_ERROR])
{
    struct parts *parts = arg;
    pthread_mutex_lock(&parts->lock);
    const int result = wait_for(parts, 0, error);
    pthread_mutex_unlock(&parts->lock);
    return result;
}

struct snapshot_way parts_way(struct parts *parts)
{
    return (struct snapshot_way){way_send, way_wait, parts};
}

/* ---- the whole of it ---- */

struct parts *parts_new(struct event_base *base, const char *topic)
{
    struct parts *parts = calloc(1, sizeof *parts);
    if (!parts)
        return NULL;
    parts->topic = topic;
    pthread_mutex_init(&parts->lock, NULL);
    pthread_cond_init(&parts->moved, NULL);
    parts->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    parts->news = event_new(base, parts->fd, EV_READ | EV_PERSIST, on_news, parts);
    if (parts->fd >= 0 && parts->news && event_add(parts->news, NULL) == 0)
        return parts;
    parts_free(parts);
    return NULL;
}

void parts_free(struct parts *parts)
{
    if (!parts)
        return;
    parts_cancel(parts);
    if (parts->news)
        event_free(parts->news);
    if (parts->fd >= 0)
        close(parts->fd);
    pthread_cond_destroy(&parts->moved);
    pthread_mutex_destroy(&parts->lock);
    free(parts);
}
