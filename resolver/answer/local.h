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
 * to other local names only. Special-use names are answered as in RFC 6303 3; a zone that the configuration
 * names (of the feed, or with an upstream of its own) at or below one of them is exempt, by the longest match.
 *
 *     localhost                        127.0.0.1 and ::1, at and below it        RFC 6761 6.3
 *     invalid, test, onion, alt        NXDOMAIN                                  RFC 6761, 7686, 9476
 *     home.arpa, service.arpa          empty zones                               RFC 8375, 9665
 *     resolver.arpa                    NODATA                                    RFC 9462 6.4
 *     10.in-addr.arpa, d.f.ip6.arpa... empty zones                               RFC 6303, 7793
 *
 * Threads: never changed once made, so any may read it. References are counted: workers let go of an old
 * one when they take a new one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_LOCAL_H
#define FRESHET_RESOLVER_ANSWER_LOCAL_H

#include "dns/message.h"
#include "resolver/answer/reply.h"

enum {
    LOCAL_MAX_ERROR = 512,
    LOCAL_TAIL = 8,      /* bytes before the root label that the bitmap of names goes by */
    LOCAL_ZONE_TAIL = 4, /* likewise for zones */
    LOCAL_NAME_BITS = 1 << 15,
    LOCAL_ZONE_BITS = 1 << 10,
};

struct local {
    uint64_t name_tails[LOCAL_NAME_BITS / 64];
    uint64_t zone_tails[LOCAL_ZONE_BITS / 64];
    struct local_data *data;
};

/* Texts are borrowed for the call. */
struct local_options {
    const char *tier; /* for the log */
    bool special_use;
    char *const *hosts; /* paths */
    size_t host_count;
    char *const *records; /* as in dns/record.h */
    size_t record_count;
    char *const *exempt; /* zones that special use must not hide */
    size_t exempt_count;
};

/*
 * Whether all of `records` can be used; else ERR_CONFIG with "[INDEX]: what is wrong" in `ret_error`. Reads no
 * file, logs nothing.
 */
MUST_CHECK int local_check(const struct local_options *options, char ret_error[LOCAL_MAX_ERROR]);

/*
 * Reads the hosts files and puts everything in its place; with one reference held. Lines and files that
 * cannot be used are logged and left out, records that local_check() refuses are left out. NULL: no memory.
 */
struct local *local_new(const struct local_options *options);

struct local *local_ref(struct local *local);
/* Any thread; the last one frees it. NULL is fine. */
void local_unref(struct local *local);

/* Whether a hosts file is not what it was when it was read. */
bool local_is_outdated(const struct local *local);

/* How many names it has, for the log. */
size_t local_count(const struct local *local);

/* The last bytes of a name before its root label, in lower case as far as letters go; `size` > LOCAL_TAIL. */
static inline uint64_t local_tail(const uint8_t *name, size_t size)
{
    uint64_t tail;
    memcpy(&tail, name + size - 1 - LOCAL_TAIL, sizeof tail);
    return tail | UINT64_C(0x2020202020202020);
}

/* `size` > LOCAL_ZONE_TAIL. */
static inline uint32_t local_zone_tail(const uint8_t *name, size_t size)
{
    uint32_t tail;
    memcpy(&tail, name + size - 1 - LOCAL_ZONE_TAIL, sizeof tail);
    return tail | 0x20202020u;
}

static inline size_t local_name_bit(uint64_t tail)
{
    return (size_t)(tail * UINT64_C(0x9e3779b97f4a7c15) >> 49); /* 15 bits */
}

static inline size_t local_zone_bit(uint32_t tail)
{
    return (size_t)(tail * 0x9e3779b1u >> 22); /* 10 bits */
}

/* False: certainly not local. `name` in any case, of `size` bytes. */
static inline bool local_may_have(const struct local *local, const uint8_t *name, size_t size)
{
    if (size <= LOCAL_TAIL)
        return true;
    size_t name_bit = local_name_bit(local_tail(name, size));
    size_t zone_bit = local_zone_bit(local_zone_tail(name, size));
    return (local->name_tails[name_bit / 64] >> name_bit % 64 & 1) ||
           (local->zone_tails[zone_bit / 64] >> zone_bit % 64 & 1);
}

struct local_query {
    const struct question *question;
    uint8_t *reply; /* header, question and body are written here */
    size_t limit;   /* bytes they may take */
};

/*
 * Answers a question with local data: the question and the body are in `reply`, for reply_finish().
 * Returns false, `reply` spoilt, when the name is not local.
 */
bool local_answer(const struct local *local, const struct local_query *query,
                  struct reply_content *ret);

#endif
