/*
 * admission.h - what is asked of clients before they are answered: who they are, that they are where they say they are, and
 * how much they may have.
 *
 *     address --access list--> allowed | refused | dropped
 *                                 |
 *                  neighbours <---+---> the public, by UDP: a valid cookie, or no more than the rate
 *
 * Whoever is past the rate and sent a client's cookie gets a server's with BADCOOKIE (RFC 7873 5.2.3), and with that he is
 * past it no more: one who is there asks again at once. That answer is hardly larger than the query, and there are no
 * more of them than the rate has, so nobody gains by having them sent to others.
 *
 * Shared by the workers of a tier, and replaced as a whole by a reload; but for the rate's table it is constant.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ADMISSION_H
#define FRESHET_RESOLVER_ANSWER_ADMISSION_H

#include <stdatomic.h>

#include "resolver/answer/access.h"
#include "resolver/answer/cookie.h"
#include "resolver/answer/rate.h"

struct admission {
    atomic_uint references;
    struct access_list *access;
    struct rate *rate; /* NULL: no limit */
    struct cookie_secrets secrets;
    bool require_cookies;
    uint32_t (*unix_now)(void); /* seconds; what cookies have for time */
};

struct admission_options {
    const struct access_rule *rules; /* whoever is in none is refused */
    size_t rule_count;
    uint32_t rate_limit;           /* replies a second; 0: no limit */
    uint64_t rate_key;             /* random */
    struct cookie_secrets secrets; /* one at least */
    bool require_cookies;
    uint32_t (*unix_now)(void);
};

/* With one reference held. NULL: no memory. */
struct admission *admission_new(const struct admission_options *options);
struct admission *admission_ref(struct admission *admission);
/* Any thread; the last one frees it. NULL is fine. */
void admission_unref(struct admission *admission);

/* What becomes of a query. */
enum admitted {
    ADMITTED,
    ADMITTED_NOT,   /* REFUSED */
    ADMITTED_DROP,  /* no answer, by the access list */
    ADMITTED_LATER, /* one too many: cut short, or no answer */
    ADMITTED_LEARN, /* the same, but it has a client's cookie: BADCOOKIE */
    ADMITTED_PROVE, /* without a valid cookie, which is required: BADCOOKIE, or cut short if there is no cookie at all */
};

static inline enum access admission_access(const struct admission *admission,
                                           const union address *peer)
{
    return access_of(admission->access, peer);
}

/* Of a client of the public, over UDP. */
enum admitted admission_of_public(const struct admission *admission,
                                  const struct cookie_view *cookie, const union address *peer,
                                  struct micro now);

#endif
