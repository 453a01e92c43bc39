/*
 * local.h - names this machine answers by itself: hosts files, records of the configuration, and names
 * that have no place in the public DNS.
 *
 *     question --> is it a local name?  --yes--> its records, or that it has none of this type
 *                    |no
 *                    +--> the longest zone it lies in --special--> what the RFC says
 *                    |                                \--exempt--> the cache and its upstreams
 *                    +--> the cache and its upstreams
 *
 * A local name is asked for at each query before the cache, so a reload takes effect with the next
 * query and nothing cached has to go. For all other names that must cost next to nothing:
 * local_may_have() looks at the last bytes of a name in two bitmaps, and nearly all of them end there.
 *
 * A name of a hosts file or of a record wins over everything. A type it does not have is NODATA, with no
 * SOA; what lies below it is nobody's but the DNS's (as Unbound's "transparent" zones). CNAMEs are followed
 * to other local names only. Special-use names are answered as special.h says; a zone that the
 * configuration names (of the feed, or with an upstream of its own) at or below one of them is exempt, by the longest
 * match.
 *
 * Threads: never changed once made, so any may read it. References are counted: workers let go of an old
 * one when they take a new one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_LOCAL_H
#define FRESHET_RESOLVER_ANSWER_LOCAL_H

#include <stdatomic.h>

#include "cache/validity.h"
#include "dns/message.h"
#include "resolver/answer/local_hosts.h"
#include "resolver/answer/local_table.h"
#include "resolver/answer/reply.h"

enum { LOCAL_MAX_ERROR = 512 };

struct local {
    struct local_table table;
    struct local_hosts *hosts; /* the files that were read */
    atomic_size_t references;
};

/* Texts are borrowed for the call. */
struct local_options {
    bool special_use;
    struct hosts_list hosts;
    char *const *records; /* as in dns/record.h */
    size_t record_count;
    char *const *exempt; /* zones that special use must not hide */
    size_t exempt_count;
    const struct zone_change *followed; /* those of them that are the feed's */
    size_t followed_count;
};

/*
 * Whether all of `records` can be used; else ERR_CONFIG with "[INDEX]: what is wrong" in `ret_error`. Reads no
 * file.
 */
MUST_CHECK int local_check(const struct local_options *options, char ret_error[LOCAL_MAX_ERROR]);

/*
 * Reads the hosts files and puts everything in its place; with one reference held. Lines and files that
 * cannot be used are left out, as are records that local_check() refuses. NULL: no memory.
 */
struct local *local_new(const struct local_options *options);

struct local *local_ref(struct local *local);
/* Any thread; the last one frees it. NULL is fine. */
void local_unref(struct local *local);

/* Whether a hosts file is not what it was when it was read. */
bool local_is_outdated(const struct local *local);

/* Whether a zone (canonical) lies where special use says that there is none: it matters whether it is exempt. */
bool local_is_special(const struct local *local, const uint8_t *name);

/* How many names it has, for the log. */
size_t local_count(const struct local *local);

/* Whether a name (canonical) is answered from here, by a file, a record or special use. */
bool local_has(const struct local *local, const uint8_t *name);

/* False: certainly not local. `name` in any case, of `size` bytes. */
static inline bool local_may_have(const struct local *local, const uint8_t *name, size_t size)
{
    return local_table_may_have(&local->table, name, size);
}

struct local_query {
    const struct question *question;
    uint8_t *reply; /* header, question and body are written here */
    size_t limit;   /* bytes they may take */
    uint64_t turn;  /* of an RRset's records so many, modulo all, go behind the others */
};

/*
 * Answers a question with local data: the question and the body are in `reply`, for reply_finish().
 * Returns false, `reply` spoilt, when the name is not local.
 */
bool local_answer(const struct local *local, const struct local_query *query,
                  struct reply_content *ret);

#endif
