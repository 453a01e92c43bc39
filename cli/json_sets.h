/*
 * json_sets.h - JSON objects, one behind the other, as a source of change sets (docs/protocol.md).
 *
 * An object may fill a line or many. What a person would not write may be missing: "v", "time" (now), "publisher".
 */
#ifndef FRESHET_CLI_JSON_SETS_H
#define FRESHET_CLI_JSON_SETS_H

#include "cli/draft.h"

/* Start with zeros but for the options, end with json_sets_free(). */
struct json_sets {
    const struct options *options;
    char *text; /* of the object so far */
    size_t size, room;
    size_t depth; /* of brackets that are open */
    bool in_string, escaped;
};

/* As nsupdate_line(). At most one object ends on a line. */
int json_sets_line(struct json_sets *sets, const char *line, struct change_set **ret_set);

/* At the end of the text: false after a complaint, when an object has no end. */
bool json_sets_end(const struct json_sets *sets);
void json_sets_free(struct json_sets *sets);

#endif
