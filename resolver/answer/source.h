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

#include "cache/answer.h"
#include "cache/stamp.h"
#include "dns/build.h"
#include "resolver/answer/micro.h"

struct source;

/* An EDNS option that goes out with every query: code and length included. */
struct source_option {
    const uint8_t *bytes;
    uint16_t size; /* 0: none */
};

/* What came of a question. Good inside the call. */
struct source_reply {
    const struct message *message; /* NOERROR or NXDOMAIN; NULL: nobody had a usable one */
    int ede; /* why there is none; or what the message says of itself (RFC 8914), or EDE_NONE */
    bool unheeded;  /* DNSSEC records were wanted, and it may lack them: not to be kept */
    uint8_t origin; /* who sent it */
    struct micro now;
};

struct inquiry_options {
    bool dnssec_ok;
    bool checking_disabled;
    const struct source_option *option; /* borrowed; read whenever a query leaves. NULL: none */
    struct mono now;
    struct mono deadline;
    /* Called once for each question, never from within ask(); it may ask again, and close. */
    void (*replied)(void *arg, const struct source_reply *reply);
    void *arg;
};

/* The beginning of each kind's own. */
struct inquiry {
    struct source *source; /* a reference */
};

/* What a reply is worth, by who gave it. Of names outside the feed's zones nothing follows from it. */
struct source_worth {
    struct stamp as_old_as; /* by our clock; no newer than the stamp the fetch set out with */
    bool provisional;       /* whoever gave it holds it for provisional */
    bool vouched;           /* of the authority, or of a parent that has it from there */
    bool exact; /* of the log itself: it has every change that was marked before it was asked for */
    bool outside;   /* a parent's, with some name in none of the zones that it hears of */
    bool unplaced;  /* a tier's that was compared with nothing: in doubt for nobody to keep (P3) */
    enum hand hand; /* whose it is; SECOND_HAND_ZONE follows from `outside` */
};

/*
 * What a source says there and then, of the question's own name: an RRset with its signatures, or nothing but an SOA. It is exact, and as
 * new as any stamp taken before. The builder has the question and these sections, and is good until the source is asked again.
 */
struct source_told {
    const struct builder *builder;
    uint16_t rcode;
    bool rotates; /* the RRset's records may change places (cache/rotation.h) */
    uint8_t origin;
};

struct source_kind {
    /* False: that takes an inquiry. NULL: always. */
    bool (*tell)(struct source *source, const struct question *question, bool dnssec_ok,
                 struct source_told *ret);
    /* NULL: no memory. */
    struct inquiry *(*open)(struct source *source, const struct inquiry_options *options);
    /* Asks a question, whose name is in lower case; borrowed until the reply. One still under way is forgotten. */
    void (*ask)(struct inquiry *inquiry, const struct question *question, struct micro now);
    /* Within replied(): what the message is worth to a fetch that set out at `own`. */
    void (*judge)(const struct inquiry *inquiry, const struct source_reply *reply, struct stamp own,
                  struct source_worth *ret);
    /* What is under way is forgotten. */
    void (*close)(struct inquiry *inquiry);
    void (*free)(struct source *source);
};

/* The beginning of each kind's own. */
struct source {
    const struct source_kind *kind;
    size_t references;
    struct mono lags_until; /* it was seen to lack what we had applied long before (fetch.c) */
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

static inline void inquiry_judge(const struct inquiry *inquiry, const struct source_reply *reply,
                                 struct stamp own, struct source_worth *ret)
{
    inquiry->source->kind->judge(inquiry, reply, own, ret);
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
