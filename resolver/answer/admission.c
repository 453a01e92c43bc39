#include "resolver/answer/admission.h"

#include <stdlib.h>

#include "resolver/answer/waiters.h"

struct admission *admission_new(const struct admission_options *options)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (!admission)
        return NULL;
    atomic_init(&admission->references, 1);
    admission->access = access_new(options->rules, options->rule_count, ACCESS_REFUSE);
    admission->secrets = options->secrets;
    admission->require_cookies = options->require_cookies;
    admission->unix_now = options->unix_now;
    if (options->rate_limit > 0)
        admission->rate = rate_new(options->rate_limit, options->rate_key);
    if (!admission->access || (options->rate_limit > 0 && !admission->rate)) {
        admission_unref(admission);
        return NULL;
    }
    return admission;
}

struct admission *admission_ref(struct admission *admission)
{
    atomic_fetch_add_explicit(&admission->references, 1, memory_order_relaxed);
    return admission;
}

void admission_unref(struct admission *admission)
{
    if (!admission ||
        atomic_fetch_sub_explicit(&admission->references, 1, memory_order_acq_rel) > 1)
        return;
    access_free(admission->access);
    rate_free(admission->rate);
    free(admission);
}

/* BADCOOKIEs are counted apart, with the same rate: as a network that there is none of (waiters_who()). */
static uint64_t lesson_for(uint64_t who)
{
    return who ^ UINT64_C(1) << 62;
}

enum admitted admission_of_public(const struct admission *admission,
                                  const struct cookie_view *cookie, const union address *peer,
                                  struct micro now)
{
    if (!admission->rate && !admission->require_cookies)
        return ADMITTED;
    if (cookie_is_valid(&admission->secrets, cookie, peer, admission->unix_now()))
        return ADMITTED;
    const uint64_t who = waiters_who(peer, true);
    if (admission->rate && !rate_take(admission->rate, who, now))
        return cookie->bytes && rate_take(admission->rate, lesson_for(who), now) ? ADMITTED_LEARN
                                                                                 : ADMITTED_LATER;
    return admission->require_cookies ? ADMITTED_PROVE : ADMITTED;
}
