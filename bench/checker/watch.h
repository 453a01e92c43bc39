/*
 * watch.h - asks a tier's control socket again and again how far it is; see tier.h.
 *
 * It only observes. A socket that is gone, or silent, is tried again: a tier may be restarted
 * during a fault run.
 *
 * Threads: one for each tier that has a control socket.
 */
#ifndef FRESHET_CHECKER_WATCH_H
#define FRESHET_CHECKER_WATCH_H

#include <pthread.h>

#include "bench/checker/tier.h"

struct watch {
    struct tier *tier;
    int64_t pause_us;
    pthread_t thread;
    atomic_bool stop;
    int64_t asked_us; /* when the answer before the last was asked for; 0: none */
};

/* `tier` and `pause_us` are set. False: no thread. */
bool watch_start(struct watch *watch);
void watch_stop(struct watch *watch);

#endif
