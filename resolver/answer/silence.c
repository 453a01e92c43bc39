#include "resolver/answer/silence.h"

#include <stdlib.h>

enum { PLACES = 1024 };

/* What is known of one. `last` of 0: nobody has this place. */
struct known {
    uint64_t who;
    struct mono asked; /* first, since it was heard; 0: not since then */
    struct mono last;  /* asked, or refused */
    struct mono heard; /* 0: never */
    struct mono probe; /* not before; 0: it is not silent */
    size_t failed;     /* since it was heard */
};

struct silences {
    size_t room, silent;
    struct known places[PLACES];
};

struct silences *silences_new(size_t room)
{
    struct silences *silences = calloc(1, sizeof *silences);
    if (silences)
        silences->room = room;
    return silences;
}

void silences_free(struct silences *silences)
{
    free(silences);
}

bool silences_any(const struct silences *silences)
{
    return silences->silent > 0;
}

/* Nothing under way comes from before that. */
static void break_silence(struct silences *silences, struct known *known)
{
    silences->silent -= known->probe.ms > 0;
    known->probe = known->asked = (struct mono){0};
    known->failed = 0;
}

/* Its place; NULL: it has none. */
static struct known *find(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *at[] = {&silences->places[who % PLACES],
                          &silences->places[who / PLACES % PLACES]};
    for (size_t i = 0; i < 2; i++)
        if (at[i]->last.ms > 0 && at[i]->who == who) {
            if (mono_reached(now, mono_add(at[i]->last, SILENCE_FORGET_MS)))
                break_silence(silences, at[i]);
            return at[i];
        }
    return NULL;
}

/* Its place, if need be that of whoever was asked less lately. */
static struct known *find_or_take(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *known = find(silences, who, now);
    if (known)
        return known;
    known = &silences->places[who % PLACES];
    struct known *other = &silences->places[who / PLACES % PLACES];
    if (other->last.ms < known->last.ms)
        known = other;
    break_silence(silences, known);
    *known = (struct known){.who = who};
    return known;
}

static bool was_heard(const struct known *known, struct mono now)
{
    return known->heard.ms > 0 && !mono_reached(now, mono_add(known->heard, SILENCE_HOPE_MS));
}

/* Whether nobody else will have room soon, or now. */
static bool takes_all(const struct silences *silences, const struct known *known, size_t count,
                      bool full, struct mono now)
{
    return mono_reached(now, mono_add(known->asked, SILENCE_MS)) &&
           (full || (count >= silences->room / 4 * 3 && !was_heard(known, now)));
}

void silence_asked(struct silences *silences, uint64_t who, size_t count, bool full,
                   struct mono now)
{
    struct known *known = find_or_take(silences, who, now);
    known->last = now;
    if (known->asked.ms == 0)
        known->asked = now;
    if (known->probe.ms > 0 || count < SILENCE_FEW ||
        (known->failed < SILENCE_FEW && !takes_all(silences, known, count, full, now)))
        return;
    known->probe = mono_add(now, SILENCE_PROBE_MS);
    silences->silent++;
}

void silence_failed(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *known = find(silences, who, now);
    if (known)
        known->failed++;
}

void silence_heard(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *known = find_or_take(silences, who, now);
    break_silence(silences, known);
    known->last = known->heard = now;
}

enum silence silence_of(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *known = find(silences, who, now);
    if (!known)
        return SILENCE_UNKNOWN;
    if (known->probe.ms == 0)
        return was_heard(known, now) ? SILENCE_HEARD : SILENCE_UNKNOWN;
    known->last = now;
    return SILENCE_TOTAL;
}

bool silence_probes(struct silences *silences, uint64_t who, struct mono now)
{
    struct known *known = find(silences, who, now);
    if (!known || !mono_reached(now, known->probe))
        return false;
    known->probe = mono_add(now, SILENCE_PROBE_MS);
    return true;
}
