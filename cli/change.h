/*
 * change.h - change sets to the topic, and the receipts of those that are there.
 */
#ifndef FRESHET_CLI_CHANGE_H
#define FRESHET_CLI_CHANGE_H

#include "cli/draft.h"
#include "invalidation/publish.h"

/* What set, add, del and flush do with their operands. Returns an exit_code. */
int change_publish(const struct options *options, enum change_op op);

/* Publishes one change and prints nothing; `ret_receipt` is filled with EXIT_DONE. */
int change_send(const struct options *options, const struct change_words *words,
                struct publish_receipt *ret_receipt);

/* A publisher for the topic of the options; NULL after a complaint. */
struct publisher *change_publisher(const struct options *options);

/*
 * Publishes sets in their order and prints a receipt of each; with --dry-run (no `publisher`) what it would be. Returns
 * an exit_code.
 */
int change_send_all(const struct options *options, struct publisher *publisher,
                    struct change_set *const *sets, size_t count);

#endif
