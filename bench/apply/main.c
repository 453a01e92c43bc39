/*
 * main.c - options of the apply bench: one word for each measurement of bench.h.
 */
#include <stdlib.h>

#include "bench/apply/bench.h"
#include "bench/common/options.h"

int main(int argc, char **argv)
{
    static const char *const words[] = {"inprocess", "collisions", NULL};
    struct inprocess_options i = {.cached = 1000000, .changes = 500000, .per_set = 1000};
    struct collisions_options c = {.names = 10000, .changes_per_s = 10000, .seconds = 60};
    uint64_t marks = 1048576;
    const struct option_row rows[] = {
        {"cached", "N", "names in the full cache (1000000)", NUMBER(&i.cached, 0, 1e9)},
        {"changes", "N", "per line (500000)", NUMBER(&i.changes, 1, 1e9)},
        {"per-set", "N", "of the large sets (1000)", NUMBER(&i.per_set, 1, 10000)},
        {"names", "N", "that are asked for (10000)", NUMBER(&c.names, 1, 1e9)},
        {"rate", "N", "changes a second (10000)", NUMBER(&c.changes_per_s, 1, 1e9)},
        {"seconds", "S", "of made-up time (60)", NUMBER(&c.seconds, 1, 1e6)},
        {"marks", "N", "as feed.marks (1048576)", NUMBER(&marks, 1, 1e9)},
    };
    const struct option_table table = OPTION_TABLE(
        rows, .words = words,
        .about =
            "inprocess [--cached] [--changes] [--per-set] [--marks]\n"
            "       bench collisions [--names] [--rate] [--seconds] [--marks]\n"
            "Measures how change sets are applied; see bench/apply/bench.h. Prints lines of JSON.");
    const int word = options_read(&table, argc, argv);
    i.marks = c.marks = marks;
    return (word == 0 ? inprocess_run(&i) : collisions_run(&c)) ? EXIT_SUCCESS : EXIT_FAILURE;
}
