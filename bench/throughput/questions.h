/*
 * questions.h - what is asked: A queries, built before they are needed, all of the same size.
 *
 *     n0000001234.SUFFIX   the known names, `known` of them; a cache can be warmed with these
 *     u000000abcd.SUFFIX   unique names, each asked for once: ten digits of base 32
 *
 * The order is drawn beforehand too (uniform, Zipf with exponent 1, or one after the other; a share
 * of unique names mixed in) and gone through again and again. A query is one cache line: the
 * generator copies it and writes the id.
 */
#ifndef FRESHET_THROUGHPUT_QUESTIONS_H
#define FRESHET_THROUGHPUT_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUESTION_MAX = 64, QUESTION_ORDER = 1 << 17 };

enum order { ORDER_UNIFORM, ORDER_ZIPF, ORDER_EACH, ORDER_SHUFFLED };

struct question_options {
    const char *suffix; /* "bench.example.com." */
    uint32_t known;     /* at least 1 */
    enum order order;
    double unique_share;   /* 0 to 1, of the queries */
    uint64_t first_unique; /* number of the first unique name */
    bool edns;
    bool iterative; /* RD is not set */
    uint64_t seed;
};

struct questions;

/* NULL: no memory, or the suffix is no name or too long for QUESTION_MAX. */
struct questions *questions_new(const struct question_options *options);
void questions_free(struct questions *questions);

/* The size of every query. */
size_t questions_size(const struct questions *questions);

/* Writes the next query, id 0; returns a tag by which questions_matches() knows it again. */
uint64_t questions_next(struct questions *questions, uint8_t query[QUESTION_MAX]);

/* Whether a reply of `size` bytes repeats the question that `tag` stands for. */
bool questions_matches(const struct questions *questions, uint64_t tag, const uint8_t *reply,
                       size_t size);

#endif
