/* fuzz_publish.c - any bytes as what freshet publish reads; what is taken as a set is one that every feed reads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_sets.h"
#include "cli/nsupdate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(struct change_set *set)
{
    struct changeset_error error;
    struct change_set *again = NULL;
    char *json = changeset_format(set);
    must(json && changeset_parse(json, strlen(json), &again, &error) == 0);
    changeset_free(again);
    changeset_free(set);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct command command = {.name = "publish"};
    static char heard[MAX_COMPLAINT];
    const struct options options = {.command = &command, .zone = "example.com", .heard = heard};
    struct nsupdate nsupdate = {.options = &options};
    struct json_sets sets = {.options = &options};
    char *text = strndup((const char *)bytes, size), *rest = text, *line;
    const bool json = text && text[0] == '{';
    int got = 0;
    while (got >= 0 && !nsupdate.quits && (line = strsep(&rest, "\n"))) {
        struct change_set *set = NULL;
        got = json ? json_sets_line(&sets, line, &set) : nsupdate_line(&nsupdate, line, &set);
        must((got == 1) == (set != NULL));
        if (set)
            check(set);
    }
    must(got >= 0 || heard[0]);
    nsupdate_free(&nsupdate);
    json_sets_free(&sets);
    free(text);
    return 0;
}
