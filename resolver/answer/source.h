/*
 * source.h - who answers the questions of a fetch: a table. Forwarders (forwarders.h) and a tier above (parent.h) fill it.
 *
 *      open ---> an inquiry --- ask ---> reply: a message, or none to be had
 *                     ^------- ask ----------'   (where a chain stands next, or the same again)
 *                close
 *
 * A fetch has one inquiry at a time: it lasts as long as the names of its chain are one source's to answer. A source
 * that needs to ask knows by itself whom, how often and for how long; it replies by the deadline in any case.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_SOURCE_H
#define FRESHET_RESOLVER_ANSWER_SOURCE_H

#include "dns/message.h"
#include "resolver/answer/micro.h"

struct chain;
struct source;

/* An EDNS option that goes out with every query: code and length included. */
struct source_option {
    const uint8_t *bytes;
    uint16_t size; /* 0: none */
};

/* What came of a question. Good inside the call. */
struct source_reply {
    const struct message *message; /* NOERROR or NXDOMAIN; NULL: nobody had a usable one */
    int ede;                       /* why there is none */
    uint8_t origin;                /* who sent it */
    struct micro now;
};

struct inquiry_options {
    bool dnssec_ok;
    bool checking_disabled;
    const struct source_option *option; /* borrowed; read whenever a query leaves. NULL: none */
    struct mono deadline;
    /* Called once for each question, never from within ask(); it may ask again, and close. */
    void (*replied)(void *arg, const struct source_reply *reply);
    void *arg;
};

/* The beginning of each kind's own. */
struct inquiry {
    struct source *source; /* a reference */
};

/* What a reply is worth, as far as the source itself can tell. */
enum source_trust {
    SOURCE_FINE,
    SOURCE_BEHIND, /* it may lack changes that we had applied when the inquiry was opened; it will have them soon */
    SOURCE_NO_POSITION, /* the same, and it does not say how far it is */
};

struct source_kind {
    bool second_hand; /* what it knows it has from others, and shortened their TTLs */
    /* NULL: no memory. */
    struct inquiry *(*open)(struct source *source, const struct inquiry_options *options);
    /* Asks a question, whose name is in lower case; borrowed until the reply. One still under way is forgotten. */
    void (*ask)(struct inquiry *inquiry, const struct question *question, struct micro now);
    /* Within replied(), the chain having followed the message: what of it is to be believed. NULL: it is fine. */
    enum source_trust (*judge)(const struct inquiry *inquiry, const struct source_reply *reply,
                               const struct chain *chain);
    /* What is under way is forgotten. */
    void (*close)(struct inquiry *inquiry);
    void (*free)(struct source *source);
};

/* The beginning of each kind's own. */
struct source {
    const struct source_kind *kind;
    size_t references;
};

static inline struct source *source_ref(struct source *source)
{
    source->references++;
    return source;
}

/* NULL is fine. */
static inline void source_unref(struct source *source)
{
    if (source && --source->references == 0)
        source->kind->free(source);
}

static inline struct inquiry *inquiry_open(struct source *source,
                                           const struct inquiry_options *options)
{
    struct inquiry *inquiry = source->kind->open(source, options);
    if (inquiry)
        inquiry->source = source_ref(source);
    return inquiry;
}

static inline void inquiry_ask(struct inquiry *inquiry, const struct question *question,
                               struct micro now)
{
    inquiry->source->kind->ask(inquiry, question, now);
}

static inline enum source_trust inquiry_judge(const struct inquiry *inquiry,
                                              const struct source_reply *reply,
                                              const struct chain *chain)
{
    const struct source_kind *kind = inquiry->source->kind;
    return kind->judge ? kind->judge(inquiry, reply, chain) : SOURCE_FINE;
}

/* NULL is fine. */
static inline void inquiry_close(struct inquiry *inquiry)
{
    if (!inquiry)
        return;
    struct source *source = inquiry->source;
    source->kind->close(inquiry);
    source_unref(source);
}

#endif
