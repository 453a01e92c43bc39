/*
 * fuzz_changeset.c - what is accepted says the same after a trip through its own JSON; what is
 * refused says why. What is read in one pass is what the tree's way accepts, and reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "invalidation/changeset_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool same_change(const struct change *a, const struct change *b)
{
    if (a->op != b->op || a->subtree != b->subtree || a->type != b->type || a->ttl != b->ttl ||
        a->rdata_count != b->rdata_count || name_size(a->name) != name_size(b->name) ||
        memcmp(a->name, b->name, name_size(a->name)) != 0)
        return false;
    for (size_t r = 0; r < a->rdata_count; r++)
        if (a->rdata[r].size != b->rdata[r].size ||
            memcmp(a->rdata[r].bytes, b->rdata[r].bytes, a->rdata[r].size) != 0)
            return false;
    return true;
}

static bool same_set(const struct change_set *a, const struct change_set *b)
{
    if (!name_equal(a->zone, b->zone) || a->has_serial != b->has_serial || a->serial != b->serial ||
        a->has_seq != b->has_seq || a->seq != b->seq || strcmp(a->publisher, b->publisher) != 0 ||
        a->time_us != b->time_us || a->change_count != b->change_count)
        return false;
    for (size_t k = 0; k < a->change_count; k++)
        if (!same_change(&a->changes[k], &b->changes[k]))
            return false;
    return true;
}

static void check_lines(const struct change_set *set)
{
    char small[40], *large = malloc(1 << 20);
    must(large != NULL);
    for (size_t k = 0; k < set->change_count; k++) {
        const struct change *change = &set->changes[k];
        int length = change_to_text(change, large, 1 << 20);
        must(length == ERR_SPACE || strlen(large) == (size_t)length);
        must(change_to_text(change, small, sizeof small) ==
             (length >= 0 && (size_t)length < sizeof small ? length : ERR_SPACE));
    }
    free(large);
}

static void check_refusal(const struct changeset_error *error, int code)
{
    must(error->code == code);
    must(strlen(error->where) < CHANGESET_MAX_WHERE);
    for (const char *c = error->where; *c; c++)
        must(*c >= ' ' && *c <= '~');
}

/* Both readers on the same bytes. */
static void check_scan(const char *json, size_t size)
{
    struct change_set *tree = NULL, *scanned = changeset_scan(json, size);
    struct changeset_error error;
    int code = changeset_parse_tree(json, size, &tree, &error);
    must(!scanned || (code == 0 && same_set(scanned, tree)));
    changeset_free(scanned);
    changeset_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_scan((const char *)data, size);
    struct change_set *set = NULL, *again = NULL;
    struct changeset_error error;
    int code = changeset_parse((const char *)data, size, &set, &error);
    if (code < 0) {
        must(set == NULL);
        check_refusal(&error, code);
        return 0;
    }
    char *json = changeset_format(set);
    must(json != NULL);
    must(changeset_parse(json, strlen(json), &again, &error) == 0);
    must(same_set(set, again));
    check_lines(set);
    free(json);
    changeset_free(set);
    changeset_free(again);
    return 0;
}
