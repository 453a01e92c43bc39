/*
 * churn.c - a day in the life of one cache, in process: does its memory stay where its limit is?
 *
 * Does what a resolver does with its store: looks a name up, and puts an answer where there was none. The
 * names are more than fit, most of them asked for seldom and some often. So many inserts make 24 hours of the
 * store's time; TTLs run from a minute to a day.
 *
 *     A 16 B, AAAA 28 B, NXDOMAIN 75 B, TXT 30 B to 4 KiB
 *
 * What hurts an allocator is in it: sizes that differ, a mix that shifts (the share of TXT goes up and down
 * by the hour, from 2 to 30 %), what is held replaced by something of another size, and now and then a zone
 * dropped, one answer in a hundred all over the store.
 *
 * Then the limit is lowered to a quarter, raised again and the store filled, all of it dropped, and the store
 * freed. Prints JSON, an object per line: samples of the day, then one for each step after it. The memory
 * told is RssAnon, what the process itself holds of the machine's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/chance.h"
#include "bench/common/options.h"
#include "cache/store.h"
#include "dns/message.h"

enum {
    NAMES = 4000000,
    ZONES = 100,     /* the names are spread over these */
    SMALL_TEXT = 30, /* bytes of a TXT answer */
    LARGE_TEXT = 4096,
    DAY_MS = 24 * 3600 * 1000,
    LIVE_REPLACED = 32, /* one in so many hits is put anew all the same */
    DROPS_PER_DAY = 480,
    LEAST_TTL = 60,
    MOST_TTL = 86400,
};

struct churn {
    struct validity *validity;
    struct store *store;
    struct ttl_policy policy;
    size_t limit;
    uint64_t inserts, all_inserts, drops;
    uint64_t looks, hits; /* since the last sample */
    struct chance chance;
    struct mono now;
    uint32_t text_share; /* of 100 */
    uint8_t zone[NAME_MAX_SIZE];
};

/* One of NAMES; the cube of an even draw: one look in ten is for a thousandth of the names. */
static uint32_t pick_name(struct churn *churn)
{
    const double x = chance_draw(&churn->chance);
    return (uint32_t)(x * x * x * NAMES);
}

/* By number, and by the hour: some are asked for as TXT in hours that have much of it, as A or AAAA in others. */
static uint16_t type_of(const struct churn *churn, uint32_t number)
{
    const uint32_t draw = (number * 2654435761u >> 8) % 100;
    if (draw < churn->text_share)
        return TYPE_TXT;
    return draw < 50 ? TYPE_AAAA : TYPE_A;
}

static bool is_absent(uint32_t number)
{
    return number % 10 == 0;
}

static void name_of(uint32_t number, uint8_t name[NAME_MAX_SIZE])
{
    char text[64];
    snprintf(text, sizeof text, "h%07" PRIu32 ".z%02" PRIu32 ".example.com.", number,
             number % ZONES);
    if (name_from_text(text, name) < 0)
        abort();
}

static void key_of(struct churn *churn, uint32_t number, uint8_t name[NAME_MAX_SIZE],
                   struct answer_key *ret)
{
    name_of(number, name);
    store_key(churn->store,
              &(struct key_parts){.name = name, .type = type_of(churn, number), .class = CLASS_IN},
              ret);
}

/* Even in the logarithm: half of them have no more than the root of what the largest have. */
static size_t text_size(struct churn *churn)
{
    size_t size = SMALL_TEXT;
    const uint64_t doublings = chance_below(&churn->chance, 8);
    size <<= doublings;
    size += chance_below(&churn->chance, size);
    return size < LARGE_TEXT ? size : LARGE_TEXT;
}

static size_t body_size_of(struct churn *churn, uint32_t number)
{
    if (is_absent(number))
        return 75;
    const uint16_t type = type_of(churn, number);
    return type == TYPE_TXT ? text_size(churn) : type == TYPE_AAAA ? 28 : 16;
}

static void insert(struct churn *churn, const struct answer_key *key, const uint8_t *name,
                   uint32_t number)
{
    static uint8_t body[LARGE_TEXT];
    static const uint16_t ttl_offsets[] = {6};
    const bool absent = is_absent(number);
    struct answer answer = {
        .flags = absent ? RCODE_NXDOMAIN : RCODE_NOERROR,
        .counts = {!absent, absent, 0},
        .negative = absent,
        .covered = true,
        .ttl = LEAST_TTL + (uint32_t)chance_below(&churn->chance, MOST_TTL - LEAST_TTL),
        .ede = EDE_NONE,
        .body = body,
        .body_size = body_size_of(churn, number),
        .ttl_offsets = ttl_offsets,
        .ttl_count = 1,
    };
    validity_depend_on_question(churn->validity, name, absent, &answer.dependencies);
    if (!store_put(churn->store, key, &answer, validity_now(churn->validity), churn->now)) {
        fprintf(stderr, "churn: an answer of %zu bytes was not kept\n", answer.body_size);
        exit(EXIT_FAILURE);
    }
    churn->inserts++;
}

/* One query's worth: a look, and a put where the resolver would have fetched. */
static void step(struct churn *churn)
{
    static uint8_t buffer[LARGE_TEXT];
    struct answer_key key;
    struct store_hit hit;
    uint8_t name[NAME_MAX_SIZE];
    const uint32_t number = pick_name(churn);
    key_of(churn, number, name, &key);
    const struct store_look look = {
        .key = &key, .now = churn->now, .buffer = buffer, .room = sizeof buffer};
    const bool found = store_get(churn->store, &look, &hit) == STORE_HIT;
    churn->looks++;
    churn->hits += found;
    if (!found || chance_below(&churn->chance, LIVE_REPLACED) == 0)
        insert(churn, &key, name, number);
}

static void drop_zone(struct churn *churn)
{
    uint8_t name[NAME_MAX_SIZE];
    char text[32];
    snprintf(text, sizeof text, "z%02d.example.com.", (int)chance_below(&churn->chance, ZONES));
    if (name_from_text(text, name) < 0)
        abort();
    churn->drops += store_drop(churn->store, name, true);
}

/* Bytes; the process ends when the kernel does not tell. */
static uint64_t resident(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
            break;
    if (!file || kib == 0) {
        fprintf(stderr, "churn: no RssAnon in /proc/self/status\n");
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return kib * 1024;
}

static void report(struct churn *churn, const char *phase)
{
    struct store_counters counters = {0};
    if (churn->store)
        store_count(churn->store, &counters);
    printf("{\"phase\": \"%s\", \"inserts\": %" PRIu64 ", \"rss\": %" PRIu64 ", \"limit\": %zu, "
           "\"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"evicted\": %" PRIu64
           ", \"replaced\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"hit_ratio\": %.4f}\n",
           phase, churn->inserts, resident(), churn->limit, counters.entries, counters.bytes,
           counters.evicted, counters.replaced, churn->drops,
           churn->looks ? (double)churn->hits / (double)churn->looks : 0.0);
    fflush(stdout);
    churn->looks = churn->hits = 0;
}

/* The store's clock and its mix of answers follow the puts. */
static void set_time(struct churn *churn)
{
    const uint64_t ms = churn->inserts * DAY_MS / churn->all_inserts;
    const uint64_t hour = ms / (3600 * 1000);
    churn->now = (struct mono){1000 + ms};
    churn->text_share = 2 + (uint32_t)(hour % 2) * 28;
}

/* Puts until `inserts` of the day are done, with its drops, and `samples` reports in even steps. */
static void live(struct churn *churn, uint64_t inserts, uint64_t samples, const char *phase)
{
    const uint64_t first = churn->inserts;
    const uint64_t drop_every = churn->all_inserts / DROPS_PER_DAY + 1;
    uint64_t next_drop = first + drop_every;
    for (uint64_t k = 1; k <= samples; k++) {
        while (churn->inserts < first + inserts * k / samples) {
            set_time(churn);
            step(churn);
            if (churn->inserts >= next_drop) {
                drop_zone(churn);
                next_drop += drop_every;
            }
        }
        report(churn, phase);
    }
}

static void resize(struct churn *churn, size_t limit, const char *phase)
{
    churn->limit = limit;
    if (store_configure(churn->store, &churn->policy, limit) != ERR_OK) {
        fprintf(stderr, "churn: no memory for a limit of %zu bytes\n", limit);
        exit(EXIT_FAILURE);
    }
    report(churn, phase);
}

/* What memory comes back by: a lower limit, everything dropped, the store freed. */
static void shrink(struct churn *churn)
{
    static const uint8_t root[] = {0};
    const size_t limit = churn->limit;
    const uint64_t refill = churn->all_inserts / 10;
    resize(churn, limit / 4, "limit a quarter");
    live(churn, refill, 1, "filled to a quarter");
    resize(churn, limit, "limit raised");
    live(churn, refill, 1, "filled again");
    churn->drops += store_drop(churn->store, root, true);
    report(churn, "all dropped");
    store_free(churn->store);
    churn->store = NULL;
    report(churn, "store freed");
}

int main(int argc, char **argv)
{
    static struct churn churn = {
        .now = {1000},
        .policy = {.max_ttl = 86400, .negative_ttl = 86400, .client_ttl = 86400},
    };
    const uint8_t *zones[] = {churn.zone};
    uint64_t samples = 96;
    churn.chance = chance_of(1);
    const struct option_row rows[] = {
        {"inserts", "N", "in the day", NUMBER(&churn.all_inserts, 1, UINT32_MAX), .needed = true},
        {"limit", "MIB", "of the store", SCALED(&churn.limit, 1, 1e6, 1 << 20), .needed = true},
        {"samples", "N", "of the day (96)", NUMBER(&samples, 1, 1e6)},
    };
    const struct option_table table = OPTION_TABLE(rows, .about = "--inserts=N --limit=MIB");
    options_read(&table, argc, argv);
    if (name_from_text("example.com.", churn.zone) < 0)
        return EXIT_FAILURE;
    churn.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 65536, .key = 1});
    report(&churn, "before");
    churn.store = store_new(&(struct store_options){
        .size = churn.limit, .policy = churn.policy, .validity = churn.validity});
    if (!churn.validity || !churn.store)
        return EXIT_FAILURE;
    live(&churn, churn.all_inserts, samples, "day");
    shrink(&churn);
    validity_free(churn.validity);
    return EXIT_SUCCESS;
}
