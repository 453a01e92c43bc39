/*
 * source.h - a source that replies when it is told to, along no rule of its own.
 */
#ifndef FRESHET_TESTS_UNIT_FAKE_SOURCE_H
#define FRESHET_TESTS_UNIT_FAKE_SOURCE_H

#include "resolver/answer/source.h"
#include "tests/unit/fake/world.h"

struct fake_inquiry {
    struct inquiry inquiry;
    struct fake_inquiry *prev, *next;
    struct fake_source *source;
    struct inquiry_options options;
    const struct question *question; /* NULL: nothing is asked */
    uint64_t order;                  /* of its question among all */
};

struct fake_source {
    struct source source; /* one reference is the test's */
    struct world *world;
    struct fake_inquiry *inquiries;
    size_t opened, asked;     /* so far */
    char last[NAME_MAX_TEXT]; /* the newest question, and when it was asked */
    struct micro last_at;
    struct source_worth worth;      /* of what it replies; its age is that of the fetch, */
    bool behind;                    /* or of before every change */
    bool refuses;                   /* to open: there is no memory */
    const struct fake_reply *tells; /* at once, to every question; NULL: nothing */
    void (*telling)(void);          /* called in the course of that; NULL: nothing is */
    struct builder told;
    uint8_t told_bytes[512];
    uint8_t origin;
};

void fake_source_open(struct fake_source *source, struct world *world);
/* It must be nobody's any more. */
void fake_source_close(struct fake_source *source);

/* Questions without a reply. */
size_t fake_source_waiting(const struct fake_source *source);

/* To the question that has waited longest: a message; or that there is none to be had, and why. */
void fake_source_reply(struct fake_source *source, const struct fake_reply *reply);
void fake_source_fail(struct fake_source *source, int ede);

#endif
