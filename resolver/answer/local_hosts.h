/*
 * local_hosts.h - hosts files: read into a table of local names, and looked at for changes.
 *
 * Lines and files that cannot be used are logged and left out.
 */
#ifndef FRESHET_RESOLVER_ANSWER_LOCAL_HOSTS_H
#define FRESHET_RESOLVER_ANSWER_LOCAL_HOSTS_H

#include "resolver/answer/local_table.h"

struct local_hosts;

/* Reads files into the table; `tier` is for the log. NULL: no memory. */
struct local_hosts *local_hosts_read(struct local_table *table, const char *tier,
                                     char *const *paths, size_t count);

/* Whether one of them is not what it was when it was read. */
bool local_hosts_changed(const struct local_hosts *hosts);

/* NULL is fine. */
void local_hosts_free(struct local_hosts *hosts);

#endif
