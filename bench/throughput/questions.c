#include "bench/throughput/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/chance.h"

enum {
    HEADER = 12,
    LABEL = 11, /* a letter and ten digits */
    DIGITS = 10,
    TAIL = 4, /* type and class */
    OPT = 11,
};

static const uint64_t UNIQUE = (uint64_t)1 << 63;  /* in a tag: a unique name's number follows */
static const uint32_t ORDERED_UNIQUE = UINT32_MAX; /* in the order: some unique name */

struct questions {
    size_t size, question_size;
    uint64_t next_unique;
    uint32_t at;
    uint32_t order_size;
    uint8_t unique[QUESTION_MAX];
    uint8_t (*known)[QUESTION_MAX];
    uint32_t *order;
};

/* The suffix as labels; its size with the root, 0 if it is no name or has no room. */
static size_t put_suffix(const char *text, uint8_t *wire, size_t room)
{
    size_t at = 0;
    while (*text) {
        const size_t length = strcspn(text, ".");
        if (length == 0 || length > 63 || text[length] != '.' || at + length + 2 > room)
            return 0;
        wire[at] = (uint8_t)length;
        memcpy(wire + at + 1, text, length);
        at += length + 1;
        text += length + 1;
    }
    wire[at] = 0;
    return at + 1;
}

static void put_digits(uint8_t *query, uint64_t number)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint8_t *last = query + HEADER + 1 + LABEL - 1;
    for (int i = 0; i < DIGITS; i++, number >>= 5)
        *last-- = (uint8_t)digits[number & 31];
}

/* One query with all but its digits; false if it does not fit. */
static bool put_query(struct questions *questions, const struct question_options *options,
                      uint8_t query[QUESTION_MAX])
{
    static const uint8_t opt[OPT] = {0, 0, 41, 0x04, 0xd0};
    memcpy(query, (uint8_t[HEADER]){0, 0, !options->iterative, 0, 0, 1}, HEADER);
    query[HEADER] = LABEL;
    const size_t name = HEADER + 1 + LABEL;
    const size_t suffix =
        put_suffix(options->suffix, query + name, QUESTION_MAX - name - TAIL - OPT);
    if (suffix == 0)
        return false;
    memcpy(query + name + suffix, (uint8_t[TAIL]){0, 1, 0, 1}, TAIL);
    questions->size = name + suffix + TAIL;
    questions->question_size = questions->size - HEADER;
    if (options->edns) {
        memcpy(query + questions->size, opt, OPT);
        questions->size += OPT;
        query[11] = 1;
    }
    return true;
}

static void put_known(struct questions *questions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(questions->known[i], questions->unique, QUESTION_MAX);
        questions->known[i][HEADER + 1] = 'n';
        put_digits(questions->known[i], i);
    }
}

static bool draw_zipf(struct questions *questions, const struct question_options *options,
                      struct chance *chance)
{
    struct lottery names;
    if (!lottery_init(&names, options->known, 1))
        return false;
    for (uint32_t i = 0; i < questions->order_size; i++)
        questions->order[i] = lottery_draw(&names, chance);
    lottery_free(&names);
    return true;
}

/* Each once, in any order. */
static void shuffle(struct questions *questions, struct chance *chance)
{
    for (uint32_t i = 1; i < questions->order_size; i++) {
        const uint32_t other = (uint32_t)(chance_draw(chance) * (i + 1));
        const uint32_t kept = questions->order[other];
        questions->order[other] = questions->order[i];
        questions->order[i] = kept;
    }
}

static bool has_each_once(enum order order)
{
    return order == ORDER_EACH || order == ORDER_SHUFFLED;
}

static bool draw_order(struct questions *questions, const struct question_options *options)
{
    struct chance chance = chance_of(options->seed);
    for (uint32_t i = 0; i < questions->order_size; i++)
        questions->order[i] =
            has_each_once(options->order) ? i : (uint32_t)(chance_draw(&chance) * options->known);
    if (options->order == ORDER_ZIPF && !draw_zipf(questions, options, &chance))
        return false;
    if (options->order == ORDER_SHUFFLED)
        shuffle(questions, &chance);
    for (uint32_t i = 0; i < questions->order_size; i++)
        if (chance_draw(&chance) < options->unique_share)
            questions->order[i] = ORDERED_UNIQUE;
    return true;
}

struct questions *questions_new(const struct question_options *options)
{
    struct questions *questions = calloc(1, sizeof *questions);
    if (!questions)
        return NULL;
    questions->next_unique = options->first_unique;
    questions->order_size = has_each_once(options->order) ? options->known : QUESTION_ORDER;
    questions->known = aligned_alloc(QUESTION_MAX, (size_t)options->known * QUESTION_MAX);
    questions->order = calloc(questions->order_size, sizeof *questions->order);
    if (!questions->known || !questions->order ||
        !put_query(questions, options, questions->unique) || !draw_order(questions, options)) {
        questions_free(questions);
        return NULL;
    }
    put_known(questions, options->known);
    questions->unique[HEADER + 1] = 'u';
    return questions;
}

void questions_free(struct questions *questions)
{
    if (!questions)
        return;
    free(questions->known);
    free(questions->order);
    free(questions);
}

size_t questions_size(const struct questions *questions)
{
    return questions->size;
}

uint64_t questions_next(struct questions *questions, uint8_t query[QUESTION_MAX])
{
    const uint32_t choice = questions->order[questions->at];
    if (++questions->at == questions->order_size)
        questions->at = 0;
    if (choice != ORDERED_UNIQUE) {
        memcpy(query, questions->known[choice], QUESTION_MAX);
        return choice;
    }
    const uint64_t number = questions->next_unique++;
    memcpy(query, questions->unique, QUESTION_MAX);
    put_digits(query, number);
    return UNIQUE | number;
}

bool questions_matches(const struct questions *questions, uint64_t tag, const uint8_t *reply,
                       size_t size)
{
    if (size < HEADER + questions->question_size)
        return false;
    uint8_t unique[QUESTION_MAX];
    const uint8_t *query = unique;
    if (tag & UNIQUE) {
        memcpy(unique, questions->unique, QUESTION_MAX);
        put_digits(unique, tag & ~UNIQUE);
    } else {
        query = questions->known[tag];
    }
    return memcmp(reply + HEADER, query + HEADER, questions->question_size) == 0;
}
