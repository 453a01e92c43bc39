/*
 * ended.h - whether a program was told to end: SIGTERM or SIGINT.
 */
#ifndef FRESHET_COMMON_ENDED_H
#define FRESHET_COMMON_ENDED_H

#include <signal.h>

extern volatile sig_atomic_t ended;

/* From now on these signals set `ended`. */
void ended_watch(void);

#endif
