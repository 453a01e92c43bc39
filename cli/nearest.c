#include "cli/nearest.h"

#include <stdint.h>
#include <string.h>

enum { MOST_LETTERS = 24, FARTHEST = 2 };

struct nearest nearest_to(const char *word)
{
    return (struct nearest){.word = word, .distance = FARTHEST + 1};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from one to the other, two letters swapped being one (optimal string alignment). */
static size_t edits(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[MOST_LETTERS + 1][MOST_LETTERS + 1];
    for (size_t i = 0; i <= a_size; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        for (size_t j = 1; j <= b_size; j++) {
            const size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
            size_t best = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1);
            best = least(best, rows[i - 1][j - 1] + same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, rows[i - 2][j - 2] + 1);
            rows[i][j] = best;
        }
    }
    return rows[a_size][b_size];
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    const size_t size = strlen(nearest->word), other = strlen(candidate);
    if (size == 0 || size > MOST_LETTERS || other > MOST_LETTERS)
        return;
    const size_t distance = edits(nearest->word, size, candidate, other);
    if (distance < nearest->distance && 2 * distance < other) {
        nearest->distance = distance;
        nearest->found = candidate;
    }
}
