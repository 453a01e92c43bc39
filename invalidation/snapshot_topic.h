/*
 * snapshot_topic.h - snapshots to Kafka, and from there.
 *
 *   reading   snapshot_topic_scan()   which generations are whole? Heads alone, in one pass over the partitions
 *             snapshot_topic_load()   one of them, from where it lies, into an edit
 *   writing   snapshot_writer         one after the other; each waits for the acknowledgement of its last part
 *
 * Between the two steps of reading the topic may be compacted: what is not found whole any more has a newer one beside it, and
 * whoever reads begins again.
 *
 * Threads: one at a time.
 */
#ifndef FRESHET_INVALIDATION_SNAPSHOT_TOPIC_H
#define FRESHET_INVALIDATION_SNAPSHOT_TOPIC_H

#include "invalidation/log_reader.h"
#include "invalidation/snapshot_index.h"

/* The partition of the snapshots' topic that a zone has among `count`, as in the topic of updates. */
int32_t snapshot_topic_partition(const uint8_t *zone, size_t count);

/* Who is told while snapshots are read; each may be NULL. */
struct snapshot_watch {
    /* A message that is not used, and why: by its key, the root when it has none. */
    void (*refused)(void *arg, const uint8_t *zone, int error);
    /* A part was taken. Returns false to end it. */
    bool (*taken)(void *arg, uint32_t part, uint32_t parts);
    /* Asked now and then. True: to be ended. */
    bool (*stopped)(void *arg);
    void *arg;
};

/*
 * Reads these partitions, each once, from the beginning to its end, into an index. ERR_TIMEOUT: for so long nothing came, or
 * it was ended; ERR_KAFKA, ERR_NOT_FOUND, ERR_MEMORY; with one line in `ret_error`.
 */
MUST_CHECK int snapshot_topic_scan(struct log_reader *reader, const int32_t *partitions,
                                   size_t count, struct snapshot_index *index,
                                   const struct snapshot_watch *watch,
                                   char ret_error[LOG_MAX_ERROR]);

/* Goes on from there: takes what comes for a short while. The same; that nothing comes is no error. */
MUST_CHECK int snapshot_topic_follow(struct log_reader *reader, struct snapshot_index *index,
                                     const struct snapshot_watch *watch,
                                     char ret_error[LOG_MAX_ERROR]);

/*
 * Takes what lies at `place` into an edit that was begun empty. As snapshot_topic_scan(), and what snapshot_reader_take()
 * returns; ERR_NOT_FOUND: it is not whole there any more.
 */
MUST_CHECK int snapshot_topic_load(struct log_reader *reader, const struct snapshot_place *place,
                                   struct zone_edit *edit, const struct snapshot_watch *watch,
                                   char ret_error[LOG_MAX_ERROR]);

struct snapshot_writer;

/* A message of the topic. */
struct snapshot_out {
    int32_t partition;
    const char *key;
    size_t key_size;
    const uint8_t *value; /* NULL: a tombstone */
    size_t value_size;
};

/*
 * A way to the topic, if not by the writer's own client: by somebody who is refused once another one is to write. Both calls wait, and
 * return what snapshot_writer_write() does.
 */
struct snapshot_way {
    /* Hands a copy over, in order, once there is room for it. */
    int (*send)(void *arg, const struct snapshot_out *message, char error[LOG_MAX_ERROR]);
    /* Until all that was handed over is acknowledged. */
    int (*wait)(void *arg, char error[LOG_MAX_ERROR]);
    void *arg;
};

/*
 * Does not wait for a connection. One writer of a zone at a time: two would each spoil the other's, not what was whole
 * before. NULL with one line in `ret_error`.
 */
struct snapshot_writer *snapshot_writer_open(const struct log_reader_options *options,
                                             char ret_error[LOG_MAX_ERROR]);
/* NULL is fine. */
void snapshot_writer_close(struct snapshot_writer *writer);

/* What is written from now on goes this way; NULL: by its own client. */
void snapshot_writer_go(struct snapshot_writer *writer, const struct snapshot_way *way);

/*
 * Writes a state and waits until all of it is acknowledged. The first time it reads the topic, to learn what stands there.
 * `stand->log_id`, partition and offset are of the topic of updates. ERR_ZONE (there is no SOA), ERR_TIMEOUT, ERR_KAFKA, ERR_NOT_FOUND,
 * ERR_MEMORY, with one line in `ret_error`; what was whole before still is.
 */
MUST_CHECK int snapshot_writer_write(struct snapshot_writer *writer, const struct zone_state *state,
                                     const uint8_t *zone, const struct snapshot_stand *stand,
                                     struct snapshot_head *ret_head, char ret_error[LOG_MAX_ERROR]);

/* Takes all of a zone's away, with tombstones. As snapshot_writer_write(). */
MUST_CHECK int snapshot_writer_remove(struct snapshot_writer *writer, const uint8_t *zone,
                                      char ret_error[LOG_MAX_ERROR]);

/* Forgets what it has learnt of the topic: another has written meanwhile. */
void snapshot_writer_forget(struct snapshot_writer *writer);

/* The newest whole one of a zone by what the writer knows; false: none, or nothing is known yet. */
bool snapshot_writer_newest(const struct snapshot_writer *writer, const uint8_t *zone,
                            struct snapshot_head *ret_head);

#endif
