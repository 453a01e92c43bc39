#include "daemon/sched.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sched_setattr(2); not every C library has it. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of the default policy: the slice */
    uint64_t deadline_ns, period_ns;
};

static void set_slice(uint64_t ns)
{
    struct attributes attributes = {
        .size = sizeof attributes,
        .policy = SCHED_OTHER,
        .nice = getpriority(PRIO_PROCESS, 0),
        .runtime_ns = ns,
    };
    if (sched_getscheduler(0) == SCHED_OTHER)
        syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void sched_shorten(void)
{
    enum { SHORTEST_NS = 100000 };
    set_slice(SHORTEST_NS);
}

void sched_usual(void)
{
    set_slice(0);
}
