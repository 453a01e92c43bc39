/*
 * hit.c - the cost of a cache hit, and of its parts, in instructions.
 *
 * Meant for callgrind, which counts instructions whatever else the machine is doing. Each part runs ROUNDS times
 * over NAMES queries, and ends with a dump of the count under its name; bench/instructions.py divides, prints, and
 * compares with bench/hit.baseline:
 *
 *     parse      a query's bytes to its question and EDNS
 *     key        the question to its key: folding and hashing
 *     lookup     the key to the body in the reply: lock, index, compare, check, copy, TTLs
 *     validity   the check alone, in a zone where other names change all the time
 *     patch      TTLs of a copied body
 *     hit        a whole hit of a name in a zone where nothing changes
 *     changing   the same, where other names have changed since the last hit
 *
 * An argument is how many other zones there are.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "bench/common/freshet_cache.h"
#include "dns/build.h"
#include "resolver/answer/query.h"
#include "resolver/daemon/clients.h"

enum { NAMES = 1000, ROUNDS = 20 };

struct bench {
    struct cache cache;
    struct tier_worker tier_worker;
    struct client client;
    uint8_t queries[NAMES][128];
    size_t sizes[NAMES];
    struct answer_key keys[NAMES];
    struct query parsed;
    struct answer_key key;
    uint8_t reply[DNS_EDNS_UDP];
};

static const uint8_t address[] = {192, 0, 2, 1};
static const struct mono start = {5000}, now = {6000};
static const uint16_t ttl_offsets[] = {6};
static const uint8_t body_bytes[] = {0xc0, 12,   0, TYPE_A, 0,   CLASS_IN, 0, 0,
                                     0x0e, 0x10, 0, 4,      192, 0,        2, 1};

static void question_of(size_t i, struct question *ret)
{
    char text[64];
    snprintf(text, sizeof text, "host%03zu.example.com.", i);
    int size = name_from_text(text, ret->name);
    assert(size > 0);
    ret->name_size = (uint8_t)size;
    ret->type = TYPE_A;
    ret->class = CLASS_IN;
}

/* A query with EDNS, as stub resolvers send it, and its answer in the store. */
static void prepare(struct bench *bench, size_t i)
{
    struct question question;
    question_of(i, &question);
    int size = build_query(bench->queries[i], sizeof bench->queries[i], &question,
                           &(struct query_shape){.id = (uint16_t)i, .edns = true});
    assert(size > 0);
    bench->sizes[i] = (size_t)size;
    const bool kept = cache_put(&bench->cache, question.name, address, start, &bench->keys[i]);
    assert(kept);
    (void)kept;
}

static const struct transport transport; /* nothing waits, so nothing is sent */

static void open_bench(struct bench *bench, size_t others)
{
    const bool opened = cache_open(
        &bench->cache,
        &(struct cache_options){
            .zone = "example.com.", .others = others, .bytes = 16 << 20, .marks = 65536, .key = 1});
    assert(opened);
    (void)opened;
    bench->tier_worker = (struct tier_worker){
        .store = bench->cache.store,
        .validity = bench->cache.validity,
        .local = local_new(&(struct local_options){.special_use = true}),
        .admission = clients_admission(&(struct config_tier){.clients = {.rate_limit = 1}}),
    };
    assert(bench->tier_worker.local && bench->tier_worker.admission);
    bench->client.transport = &transport;
    bench->client.peer.in = (struct sockaddr_in){.sin_family = AF_INET,
                                                 .sin_addr = {htonl(0xc0a80107)}}; /* 192.168.1.7 */
    for (size_t i = 0; i < NAMES; i++)
        prepare(bench, i);
}

static void change_something(struct bench *bench)
{
    struct question other;
    question_of(NAMES + 1, &other);
    validity_mark_name(bench->cache.validity, other.name);
    validity_commit(bench->cache.validity, start);
}

/* ---- the parts: each does its share for query `i`; whether it went as it should */

static bool parse(struct bench *bench, size_t i)
{
    return query_parse(bench->queries[i], bench->sizes[i], &bench->parsed) == ERR_OK;
}

static bool make_key(struct bench *bench, size_t i)
{
    store_key(bench->cache.store,
              &(struct key_parts){
                  .name = bench->queries[i] + DNS_HEADER_SIZE,
                  .name_size = name_size(bench->queries[i] + DNS_HEADER_SIZE),
                  .type = TYPE_A,
                  .class = CLASS_IN,
              },
              &bench->key);
    return bench->key.hash == bench->keys[i].hash;
}

static bool look_up(struct bench *bench, size_t i)
{
    struct store_hit hit;
    struct store_look look = {
        .key = &bench->keys[i], .now = now, .buffer = bench->reply, .room = sizeof bench->reply};
    return store_get(bench->cache.store, &look, &hit) == STORE_HIT;
}

static bool check(struct bench *bench, size_t i)
{
    const struct answer_key *key = &bench->keys[i];
    struct dependent dependent = {
        .question = answer_key_name(key->bytes),
        .question_hash = key->name_hash,
        .zone = 1,
        .own = OWN_NAME,
    };
    return validity_holds(bench->cache.validity, &dependent, (struct stamp){1});
}

static bool patch(struct bench *bench, size_t i)
{
    memcpy(bench->reply + i % 64, body_bytes, sizeof body_bytes);
    body_age_ttls(bench->reply + i % 64, ttl_offsets, 1, 1, 5);
    return bench->reply[i % 64 + 9] == 5;
}

static bool hit(struct bench *bench, size_t i)
{
    struct query_input input = {.bytes = bench->queries[i],
                                .size = bench->sizes[i],
                                .client = &bench->client,
                                .now = {now.ms * 1000}};
    return query_handle(&bench->tier_worker, &input, bench->reply) > bench->sizes[i];
}

static bool hit_changed(struct bench *bench, size_t i)
{
    CALLGRIND_TOGGLE_COLLECT;
    change_something(bench);
    CALLGRIND_TOGGLE_COLLECT;
    return hit(bench, i);
}

/* ---- counting */

struct part {
    const char *name;
    bool (*run)(struct bench *bench, size_t i);
};

static size_t run(struct bench *bench, const struct part *part)
{
    size_t good = 0;
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < NAMES; i++)
            good += part->run(bench, i);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(part->name);
    return good;
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"parse", parse}, {"key", make_key},         {"lookup", look_up}, {"patch", patch},
        {"hit", hit},     {"changing", hit_changed}, {"validity", check},
    };
    static struct bench bench;
    bool all_good = true;
    open_bench(&bench, argc > 1 ? strtoul(argv[1], NULL, 10) : 0);
    change_something(&bench);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t good = run(&bench, &parts[i]);
        printf("%s %zu\n", parts[i].name, good);
        all_good = all_good && good == (size_t)NAMES * ROUNDS;
    }
    local_unref(bench.tier_worker.local);
    admission_unref(bench.tier_worker.admission);
    cache_close(&bench.cache);
    return all_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
