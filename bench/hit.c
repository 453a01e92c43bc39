/*
 * hit.c - the cost of a cache hit in instructions: parse, look up, judge, copy, patch, finish.
 *
 * Meant for callgrind, which counts instructions whatever else the machine is doing:
 *
 *     valgrind --tool=callgrind --toggle-collect=query_handle build/bench/hit
 *
 * Runs the same queries twice over: of a subscribed zone while its clock stands still, and while other
 * names change. Prints how many queries each run had.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "resolver/query.h"

enum { NAMES = 1000, ROUNDS = 20 };

struct bench {
    struct validity *validity;
    struct tier tier;
    struct desk desk;
    uint8_t queries[NAMES][128];
    size_t sizes[NAMES];
};

static const struct mono now = {5000};

static void question_of(size_t i, struct question *ret)
{
    char text[64];
    snprintf(text, sizeof text, "host%zu.example.com.", i);
    int size = name_from_text(text, ret->name);
    assert(size > 0);
    ret->name_size = (uint8_t)size;
    ret->type = TYPE_A;
    ret->class = CLASS_IN;
}

/* A query with EDNS, as stub resolvers send it, and its answer in the store. */
static void prepare(struct bench *bench, size_t i)
{
    static const uint16_t ttl_offsets[] = {6};
    uint8_t body[16] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1};
    struct question question;
    question_of(i, &question);
    int size = build_query(bench->queries[i], sizeof bench->queries[i], &question,
                           &(struct query_shape){.id = (uint16_t)i, .edns = true});
    assert(size > 0);
    bench->sizes[i] = (size_t)size;
    struct answer answer = {
        .counts = {1, 0, 0},
        .ttl = 3600,
        .ede = EDE_NONE,
        .body = body,
        .body_size = sizeof body,
        .ttl_offsets = ttl_offsets,
        .ttl_count = 1,
    };
    int error = validity_depend(bench->validity, question.name, false, &answer.dependencies);
    assert(error == ERR_OK);
    struct answer_key key;
    store_key(bench->tier.store,
              &(struct key_parts){.name = question.name, .type = TYPE_A, .class = CLASS_IN}, &key);
    bool kept = store_put(bench->tier.store, &key, &answer, validity_now(bench->validity), now);
    assert(kept);
    (void)error, (void)kept;
}

static void change_something(struct bench *bench)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text("other.example.com.", name);
    assert(size > 0);
    (void)size;
    validity_mark_name(bench->validity, name);
    validity_commit(bench->validity, (struct mono){1});
}

static size_t run(struct bench *bench, bool changing)
{
    uint8_t reply[DNS_EDNS_UDP];
    struct client client = {0};
    size_t answered = 0;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < NAMES; i++) {
            if (changing)
                change_something(bench);
            struct query_input input = {.bytes = bench->queries[i],
                                        .size = bench->sizes[i],
                                        .client = &client,
                                        .now = {6000}};
            answered += query_handle(&bench->desk, &input, reply) > 0;
        }
    return answered;
}

int main(void)
{
    static struct bench bench;
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    if (name_from_text("example.com.", zone) < 0)
        return EXIT_FAILURE;
    bench.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 65536, .key = 1});
    bench.tier.store = store_new(&(struct store_options){
        .size = 16 << 20,
        .key = 2,
        .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 5},
        .validity = bench.validity,
    });
    bench.desk = (struct desk){.tier = &bench.tier, .validity = bench.validity};
    for (size_t i = 0; i < NAMES; i++)
        prepare(&bench, i);
    size_t quiet = run(&bench, false);
    size_t changing = run(&bench, true);
    printf("hits, nothing changing: %zu; other names changing: %zu\n", quiet, changing);
    store_free(bench.tier.store);
    validity_free(bench.validity);
    return quiet == changing && quiet == (size_t)NAMES * ROUNDS ? EXIT_SUCCESS : EXIT_FAILURE;
}
