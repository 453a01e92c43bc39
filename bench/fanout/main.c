/*
 * main.c - options of the two programs of fanout.h.
 */
#include <stdlib.h>

#include "bench/fanout/fanout.h"

int main(int argc, char **argv)
{
    static const char *const words[] = {"publish", "subscribe", NULL};
    struct fanout_options o = {
        .count = 1, .sets = 1000, .names = 16, .lease_ms = 3000, .spacing_ms = 10};
    const struct option_row rows[] = {
        {"brokers", "LIST", "", PLACE(&o.brokers), .needed = true},
        {"topic", "TOPIC", "", PLACE(&o.topic), .needed = true},
        {"times", "FILE", "where the times go", PLACE(&o.times)},
        {"first", "I", "number of the first instance (0)", NUMBER(&o.first, 0, 1e9)},
        {"count", "N", "instances (1)", NUMBER(&o.count, 1, 1e6)},
        {"sets", "N", "room in the file, per instance (1000)", NUMBER(&o.sets, 1, 1e9)},
        {"names", "N", "that change (16)", NUMBER(&o.names, 1, 1e9)},
        {"lease", "MS", "3000", NUMBER(&o.lease_ms, 1, 1e9)},
        {"spacing", "MS", "between two starts of feeds (10)", NUMBER(&o.spacing_ms, 0, 1e9)},
        {"set", "NAME=VALUE", "a property of the consumers", PLACE(&o.properties)},
    };
    const struct option_table table = OPTION_TABLE(
        rows, .words = words,
        .about =
            "publish|subscribe --brokers=LIST --topic=TOPIC ...\n"
            "Many caches on one topic, and a publisher; see bench/fanout/fanout.h. Prints lines "
            "of JSON.");
    const bool subscribes = options_read(&table, argc, argv) == 1;
    if (subscribes && !o.times)
        options_fail("needed", "--times");
    return (subscribes ? subscribers_run(&o) : publisher_run(&o)) ? EXIT_SUCCESS : EXIT_FAILURE;
}
