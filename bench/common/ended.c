#include "bench/common/ended.h"

volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

void ended_watch(void)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
}
