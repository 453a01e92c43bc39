/*
 * sched.h - first in line for the processor, for a moment.
 *
 * Answering a query takes microseconds, but on a busy machine the thread that is to do it may wait for
 * milliseconds until another's time slice is over. Since Linux 6.12 a thread can ask for short slices of its own: when it
 * wakes up it goes before those with longer ones, and its share of the processor stays what it was. It needs
 * no privilege.
 */
#ifndef FRESHET_DAEMON_SCHED_H
#define FRESHET_DAEMON_SCHED_H

/*
 * Asks for the shortest slices, 0.1 ms, for this thread and those it will start. Older kernels pay no heed;
 * a thread with another policy than the default (chrt, CPUSchedulingPolicy=) keeps what it was given.
 */
void sched_shorten(void);

/* The usual slices again, for this thread: those with short ones go before it when they wake up. */
void sched_usual(void);

#endif
