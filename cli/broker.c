/*
 * broker.c - "freshet broker": an embedded Kafka to try things with.
 */
#include <signal.h>
#include <stdio.h>

#include "cli/commands.h"
#include "invalidation/dev_broker.h"

enum { DEFAULT_PARTITIONS = 3 };

static int run_broker(const struct options *o)
{
    /* Blocked before any thread is made, so that they wait for sigwait(). */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    char error[DEV_BROKER_MAX_ERROR];
    struct dev_broker *broker =
        dev_broker_start(o->topic, o->partitions > 0 ? o->partitions : DEFAULT_PARTITIONS,
                         o->listens ? &o->listen : NULL, error);
    if (!broker) {
        complain(o, "%s", error);
        return EXIT_FAILED;
    }
    printf("bootstrap %s\n", dev_broker_address(broker));
    fflush(stdout);
    int received;
    sigwait(&ends, &received);
    dev_broker_stop(broker);
    return EXIT_DONE;
}

const struct command broker_command = {
    .name = "broker",
    .operands = "",
    .summary = "Run a Kafka broker for development on a loopback port",
    .details = "Prints \"bootstrap HOST:PORT\" when it is ready and runs until SIGINT or SIGTERM. "
               "The log is\n"
               "kept in memory. Consumers of it want the property fetch.wait.max.ms=1.\n"
               "Clients that come to --listen are sent on to another port of this machine.\n",
    .accepts = OPT_TOPIC | OPT_BROKER,
    .run = run_broker,
};
