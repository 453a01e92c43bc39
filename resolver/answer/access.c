#include "resolver/answer/access.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* An address as a number: IPv4 in the upper 32 bits, so that a prefix is one for both families. */
struct number {
    uint64_t high, low;
};

struct range {
    struct number first; /* to that of the next */
    enum access access;
};

/* Those of one family. */
struct access_ranges {
    size_t count;
    struct range items[];
};

static int compare_numbers(struct number one, struct number two)
{
    if (one.high != two.high)
        return one.high < two.high ? -1 : 1;
    return one.low < two.low ? -1 : one.low > two.low;
}

static struct number number_of(const uint8_t *bytes, sa_family_t family)
{
    struct number number = {0, 0};
    memcpy(&number.high, bytes, family == AF_INET ? 4 : 8);
    if (family == AF_INET6)
        memcpy(&number.low, bytes + 8, 8);
    return (struct number){be64toh(number.high), be64toh(number.low)};
}

/* The first address behind a network; {0, 0}: there is none. */
static struct number number_behind(const struct access_rule *rule)
{
    struct number number = number_of(rule->bytes, rule->family);
    if (rule->bits == 0)
        return (struct number){0, 0};
    if (rule->bits <= 64) {
        number.high += UINT64_C(1) << (64 - rule->bits);
        return number;
    }
    number.low += UINT64_C(1) << (128 - rule->bits);
    number.high += number.low == 0;
    return number;
}

static bool rule_has(const struct access_rule *rule, struct number number)
{
    struct number first = number_of(rule->bytes, rule->family), behind = number_behind(rule);
    bool open = behind.high == 0 && behind.low == 0;
    return compare_numbers(number, first) >= 0 && (open || compare_numbers(number, behind) < 0);
}

/* ---- making them ---------------------------------------------------------------------------- */

/* Large networks first, so that smaller ones come on top; equal ones stay in order. */
static int compare_rules(const void *left, const void *right)
{
    const struct access_rule *one = *(const struct access_rule *const *)left;
    const struct access_rule *two = *(const struct access_rule *const *)right;
    if (one->bits != two->bits)
        return one->bits < two->bits ? -1 : 1;
    return one < two ? -1 : one > two;
}

static int compare_bounds(const void *left, const void *right)
{
    return compare_numbers(*(const struct number *)left, *(const struct number *)right);
}

static size_t collect_bounds(const struct access_rule *const *rules, size_t count,
                             struct number *ret)
{
    size_t used = 0, kept = 1;
    ret[used++] = (struct number){0, 0};
    for (size_t i = 0; i < count; i++) {
        ret[used++] = number_of(rules[i]->bytes, rules[i]->family);
        ret[used++] = number_behind(rules[i]); /* or once more the very first */
    }
    qsort(ret, used, sizeof *ret, compare_bounds);
    for (size_t i = 1; i < used; i++)
        if (compare_numbers(ret[i], ret[kept - 1]) != 0)
            ret[kept++] = ret[i];
    return kept;
}

static enum access judge(const struct access_rule *const *rules, size_t count, struct number number,
                         enum access rest)
{
    const struct access_rule *found = NULL;
    bool near = false;
    for (size_t i = count; i > 0; i--) {
        const struct access_rule *rule = rules[i - 1];
        if ((rule->access == ACCESS_NEAR ? near : found != NULL) || !rule_has(rule, number))
            continue;
        if (rule->access == ACCESS_NEAR)
            near = true;
        else
            found = rule;
    }
    enum access access = found ? found->access : rest;
    return access == ACCESS_ALLOW && !near ? ACCESS_PUBLIC : access;
}

/* `rules` are of one family, sorted. NULL: no memory. */
static struct access_ranges *make_ranges(const struct access_rule *const *rules, size_t count,
                                         enum access rest)
{
    struct access_ranges *ranges =
        malloc(sizeof *ranges + (2 * count + 1) * sizeof ranges->items[0]);
    struct number *bounds = malloc((2 * count + 1) * sizeof *bounds);
    if (ranges && bounds) {
        size_t bound_count = collect_bounds(rules, count, bounds);
        ranges->count = 0;
        for (size_t i = 0; i < bound_count; i++) {
            enum access access = judge(rules, count, bounds[i], rest);
            if (ranges->count == 0 || ranges->items[ranges->count - 1].access != access)
                ranges->items[ranges->count++] = (struct range){bounds[i], access};
        }
    } else {
        free(ranges);
        ranges = NULL;
    }
    free(bounds);
    return ranges;
}

static struct access_ranges *make_family(const struct access_rule *rules, size_t count,
                                         sa_family_t family, enum access rest)
{
    const struct access_rule **sorted = malloc((count + 1) * sizeof(struct access_rule *));
    size_t of_family = 0;
    if (!sorted)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (rules[i].family == family)
            sorted[of_family++] = &rules[i];
    qsort(sorted, of_family, sizeof(struct access_rule *), compare_rules);
    struct access_ranges *ranges = make_ranges(sorted, of_family, rest);
    free(sorted);
    return ranges;
}

/* The last range that does not begin behind the number. */
static size_t find(const struct access_ranges *ranges, struct number number)
{
    size_t low = 0, high = ranges->count - 1;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (compare_numbers(ranges->items[middle].first, number) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static void fill_halves(struct access_list *list)
{
    const struct access_ranges *ranges = list->v4_ranges;
    for (uint64_t half = 0; half < ACCESS_HALVES; half++) {
        size_t first = find(ranges, (struct number){half << 48, 0});
        size_t last = find(ranges, (struct number){half << 48 | UINT64_C(0xffffffffffff), 0});
        list->v4[half] = first == last ? (uint8_t)ranges->items[first].access : ACCESS_LOOK;
    }
}

struct access_list *access_new(const struct access_rule *rules, size_t count, enum access rest)
{
    struct access_list *list = malloc(sizeof *list);
    if (!list)
        return NULL;
    list->v4_ranges = make_family(rules, count, AF_INET, rest);
    list->v6_ranges = make_family(rules, count, AF_INET6, rest);
    if (!list->v4_ranges || !list->v6_ranges) {
        access_free(list);
        return NULL;
    }
    fill_halves(list);
    return list;
}

void access_free(struct access_list *list)
{
    if (!list)
        return;
    free(list->v4_ranges);
    free(list->v6_ranges);
    free(list);
}

enum access access_look(const struct access_list *list, const union address *address)
{
    const bool v4 = address->family == AF_INET;
    const struct access_ranges *ranges = v4 ? list->v4_ranges : list->v6_ranges;
    const uint8_t *bytes =
        v4 ? (const uint8_t *)&address->in.sin_addr : (const uint8_t *)&address->in6.sin6_addr;
    return ranges->items[find(ranges, number_of(bytes, address->family))].access;
}
