/*
 * inside.h - asks a freshetd, over its control socket, when it had applied a change; by its clock.
 *
 * "applied" tells of each change set how old it was then (by its "time" and the clock of this same
 * machine), and how long applying it took: exact, where answers only show it at the next probe.
 * Asked seldom, as asking takes the processor from what is measured. The probe is the topic's only
 * publisher, so the n-th applied is the n-th published. Reading the message's JSON comes before
 * "took": some microseconds that are in `age` only.
 *
 *     published            handed to freshet     applied           first new answer
 *         |---- Kafka ---------->|------ took ------->|--- worker, probe ---->|
 *         |<----------- age ------------------------->|
 *
 * Threads: one for each control socket. The loop calls inside_begin() before the first change.
 */
#ifndef FRESHET_PROPAGATION_INSIDE_H
#define FRESHET_PROPAGATION_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct inside {
    const char *path;
    uint64_t capacity; /* changes that may come */
    pthread_t thread;
    atomic_bool stop, begun;
    uint64_t known;  /* change sets that were applied, as far as was told */
    uint64_t before; /* of these, before the first of ours */
    struct {
        int64_t age_us, took_us; /* age 0: not known */
    } * applied;                 /* by change, the first is 0 */
};

/* The first two fields are set. False: no memory, or no thread. */
bool inside_start(struct inside *inside);
void inside_begin(struct inside *inside);

/* What `applied` has is settled after this. */
void inside_stop(struct inside *inside);
void inside_free(struct inside *inside);

#endif
