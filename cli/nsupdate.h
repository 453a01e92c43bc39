/*
 * nsupdate.h - the language of BIND's nsupdate as a source of change sets: what one "send" sends is one set.
 *
 *   zone example.com.                                    may be missing: the longest of the configuration's
 *   update delete www.example.com. A                     "update" may be missing
 *   update add www.example.com. 3600 A 192.0.2.1         "add" is a record more, as there
 *   send                                                 or an empty line
 *
 * Names without a final dot are whole ones, as nsupdate has them. What speaks of the server (server, local, key, ...) is
 * passed over. A prerequisite is refused: a log cannot look into the zone before it takes a change.
 */
#ifndef FRESHET_CLI_NSUPDATE_H
#define FRESHET_CLI_NSUPDATE_H

#include "cli/draft.h"

/* Start with zeros but for the options, end with nsupdate_free(). */
struct nsupdate {
    const struct options *options;
    struct draft draft;
    bool has_zone;
    uint8_t zone[NAME_MAX_SIZE];
    bool has_ttl;
    char ttl[16];
    bool quits; /* "quit" was there: the rest is not read */
};

/*
 * Takes one line, which it may write into. Returns 1 with a set, to be freed with changeset_free(); 0: there is none yet;
 * -1 after a complaint.
 */
int nsupdate_line(struct nsupdate *nsupdate, char *line, struct change_set **ret_set);

/* At the end of the text: false after a complaint, when changes were left that nobody sent. */
bool nsupdate_end(const struct nsupdate *nsupdate);
void nsupdate_free(struct nsupdate *nsupdate);

#endif
