/*
 * local_hosts.h - hosts files: read into a table of local names, and looked at for changes.
 *
 * Lines and files that cannot be used are left out, and told to whoever wants to know.
 */
#ifndef FRESHET_RESOLVER_ANSWER_LOCAL_HOSTS_H
#define FRESHET_RESOLVER_ANSWER_LOCAL_HOSTS_H

#include "resolver/answer/local_table.h"

struct local_hosts;

/* What of a hosts file is left out. */
struct hosts_complaint {
    const char *path;
    unsigned line;   /* from 1; 0: the file as a whole */
    const char *why; /* NULL: */
    unsigned more;   /* so many lines besides those that were told one by one */
};

/* NULL: nobody wants to know. */
typedef void hosts_complain(void *arg, const struct hosts_complaint *complaint);

struct hosts_list {
    char *const *paths;
    size_t count;
    hosts_complain *complain;
    void *arg;
};

/* Reads files into the table. NULL: no memory. */
struct local_hosts *local_hosts_read(struct local_table *table, const struct hosts_list *list);

/* Whether one of them is not what it was when it was read. */
bool local_hosts_changed(const struct local_hosts *hosts);

/* NULL is fine. */
void local_hosts_free(struct local_hosts *hosts);

#endif
