#include "bench/propagation/options.h"

#include "bench/common/clock.h"
#include "bench/common/wire.h"

static void read_tier(void *at, char *text)
{
    struct options *o = at;
    if (o->tier_count == TIERS_MAX)
        options_fail("too many tiers", text);
    struct tier_options *tier = &o->tiers[o->tier_count++];
    const struct option_row rows[] = {
        {"name", "NAME", "", PLACE(&tier->name), .needed = true},
        {"address", "IPV4:PORT", "", PLACE(&tier->address), .needed = true},
        {"position", NULL, "", FLAG(&tier->position, true)},
    };
    const struct option_table table = OPTION_TABLE(rows);
    options_read_fields(&table, text);
}

static void check(const struct options *o)
{
    if (!o->brokers != !o->topic)
        options_fail("needed", "--brokers and --topic, or neither");
    if (!o->topic && !o->primary.sin_port && !o->authority_port)
        options_fail("a way to publish is needed",
                     "--topic, --primary, or the --authority-port alone");
}

void probe_options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){.zone = "check.example.",
                          .names = 1000,
                          .ttl = 3600,
                          .changes = 200,
                          .watched = 1e6,
                          .sweep = 2000,
                          .zipf = 1,
                          .settle_us = 3 * US_PER_S,
                          .seconds = 20,
                          .horizon_us = 5 * US_PER_S,
                          .first_us = 50,
                          .fine_us = 100,
                          .fine_for_us = 10 * US_PER_MS,
                          .coarse_us = 500 * US_PER_MS,
                          .reader = true,
                          .seed = 1};
    const struct option_row rows[] = {
        {"tier", "name=NAME,address=IPV4:PORT[,position]", "in the order of the output",
         .read = read_tier, .at = o, .needed = true},
        {"control", "PATH", "of a freshetd, to ask when it had applied a change",
         PLACE(&o->controls)},
        {"brokers", "LIST", "publish to Kafka", PLACE(&o->brokers)},
        {"topic", "TOPIC", "", PLACE(&o->topic)},
        {"X", "NAME=VALUE", "a property of the consumer", PLACE(&o->properties)},
        {"primary", "IPV4:PORT",
         "publish as dynamic updates (RFC 2136) to this server; with a topic, too, a plain "
         "consumer "
         "reads the same from there, half a slot later each; with neither, the authority changes "
         "and "
         "nobody is told",
         PLACE(&o->primary)},
        {"notify", "IPV4:PORT", "who is sent a NOTIFY as soon as the primary has answered",
         PLACE(&o->notify)},
        {"authority-port", "PORT", "be the zone's authority on 127.0.0.1 (0: another server is)",
         NUMBER(&o->authority_port, 0, 65535)},
        {"zone", "ZONE", "check.example.", PLACE(&o->zone)},
        {"names", "N", "1000", NUMBER(&o->names, 1, NAMES_MAX)},
        {"ttl", "S", "of the records (3600)", NUMBER(&o->ttl, 0, 604800)},
        {"changes", "RATE", "a second (200)", NUMBER(&o->changes, 0, 1e6)},
        {"watched", "RATE", "of these, looked for with probes (all)", NUMBER(&o->watched, 0, 1e6)},
        {"sweep", "RATE", "queries a second through all names, over all tiers (2000)",
         NUMBER(&o->sweep, 0, 1e6)},
        {"clients", "RATE", "queries a second to the first tier, by Zipf's law (0)",
         NUMBER(&o->clients, 0, 1e6)},
        {"zipf", "S", "its exponent (1.0)", NUMBER(&o->zipf, 0, 1e6)},
        {"settle", "MS", "changes are made, and not yet watched (3000)",
         SCALED(&o->settle_us, 0, 1e9, US_PER_MS)},
        {"seconds", "S", "of changes after that (20)", NUMBER(&o->seconds, 1, 1e6)},
        {"horizon", "MS", "a change is looked for so long (5000)",
         SCALED(&o->horizon_us, 1, 1e9, US_PER_MS)},
        {"first", "US", "when probes are sent, see flight.h", NUMBER(&o->first_us, 1, 1e9)},
        {"fine", "US", "", NUMBER(&o->fine_us, 1, 1e9)},
        {"fine-for", "US", "", NUMBER(&o->fine_for_us, 1, 1e9)},
        {"coarse", "US", "", NUMBER(&o->coarse_us, 1, 1e9)},
        {"rotate", NULL, "most of them at one tier only, another each time",
         FLAG(&o->rotate, true)},
        {"no-reader", NULL, "no plain consumer beside the tiers", FLAG(&o->reader, false)},
        {"seed", "N", "1", NUMBER(&o->seed, 0, 1e15)},
    };
    const struct option_table table = OPTION_TABLE(
        rows, .about =
                  "--tier=... [--brokers=LIST --topic=TOPIC] [--primary=IPV4:PORT] [OPTION]...\n"
                  "Changes records, asks each tier for them, and notes when which answer came. "
                  "JSON on stdout.");
    options_read(&table, argc, argv);
    check(o);
}
