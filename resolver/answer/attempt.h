/*
 * attempt.h - one query to one server: how it is written, and what its response says.
 *
 * Each thing that is asked of a server for safety's or size's sake is more than some servers can do, or more than some
 * networks let through. None of it may need what the least capable does not have: so for each there is a way out, which is
 * taken for the question at hand as soon as its response, or its silence, shows the need (struct standing):
 *
 *      asked for                    what goes wrong                          way out
 *      spelling is random (0x20)    it comes back otherwise                  over TCP; without TCP, in lower case by another
 *                                                                            port and ID, which is then all there is to guess
 *      EDNS                         FORMERR, NOTIMP, BADVERS; any error      without
 *                                   without OPT, or rubbish
 *                                   silence                                  512 bytes, then without, then TCP
 *      1232 bytes by UDP            TC                                       TCP; without TCP, 4096 bytes by UDP
 *                                   silence: the larger ones get lost        512 bytes, which leads to TC
 *      512 bytes without EDNS       more comes, whole and without TC         it is used
 *      TCP has all of it            TC by TCP as well                        another server: what is incomplete is no answer
 *      a response says what it      no question in it                        taken when it is an error: somebody could not
 *        responds to                                                         read the query
 *      several queries at once      REFUSED, which may be a limit            over TCP, when all servers were asked
 *      DNSSEC records (DO)          no OPT in the response                   used, and kept by nobody (attempt_result)
 *      it knows the answer (RD)     a referral, or an answer to something    another server
 *                                   else
 *                                   nothing at all, of one who is neither    another server; where no other says more it
 *                                   the authority nor a resolver             is believed
 *
 * Each line is a test of test_forwarders.c and, with a server that is like that, of test_odd_servers.py.
 *
 * Cookies are not sent (RFC 7873). A network without UDP is the last of the silences: TCP. While a server is silent for all,
 * its silence is no reason to ask otherwise for a good while.
 *
 * What was learned of the server is remembered with it (servers.h), also when nobody waits for the attempt any more.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ATTEMPT_H
#define FRESHET_RESOLVER_ANSWER_ATTEMPT_H

#include "resolver/answer/servers.h"
#include "resolver/answer/source.h"

/* What the attempts of one worker share: memory, and a message, used inside one callback at a time. */
struct attempts;

/* NULL: no memory. `entropy` is borrowed. */
struct attempts *attempts_new(struct entropy *entropy);
/* No attempt may be under way any more. NULL is fine. */
void attempts_free(struct attempts *attempts);

/* What has come of a question at one server so far; zero-initialise. Each flag is set once: so it ends some time. */
struct standing {
    uint8_t silences; /* queries that it did not answer in the time it usually takes */
    uint8_t useless;  /* the owner's: responses of no use */
    bool misspelled;  /* the question came back in another spelling */
    bool refused;     /* by rcode; those who limit queries by UDP may answer them by TCP */
    bool truncated;   /* by UDP there is only a part */
    bool no_tcp;
    bool slow_tcp; /* it may come to something yet */
    bool no_edns;
    struct mono tcp; /* until then an answer by TCP is awaited, and not asked for once more */
    bool large;      /* more was asked for by UDP, since there is no TCP */
};

enum attempt_end {
    ATTEMPT_USABLE, /* `message` is NOERROR, NXDOMAIN or YXDOMAIN */
    ATTEMPT_HOLLOW, /* the same, and there is nothing in it, nor any sign that its server knows that */
    ATTEMPT_USELESS, /* another server may do better */
    ATTEMPT_REFUSED, /* it cannot be reached, or not now */
    ATTEMPT_SILENT,  /* there will be no response */
    ATTEMPT_AGAIN,   /* the same server should be asked again, as its standing says */
};

/* Good inside the call. */
struct attempt_result {
    enum attempt_end end;
    const struct message *message;
    int ede; /* USABLE: what the response says, or EDE_NONE; USELESS: the reason */
    bool
        unheeded; /* USABLE: DNSSEC records were wanted, and the server was not asked for them or knows nothing of it */
    struct micro now;
};

struct attempt;
typedef void attempt_ended(void *arg, struct attempt *attempt, const struct attempt_result *result);

struct attempt_order {
    struct servers *servers;         /* a reference is taken */
    size_t index;                    /* of the one to be asked */
    const struct question *question; /* in lower case */
    const struct inquiry_options *shape;
    struct standing *standing; /* of the two; borrowed until the attempt ends or is abandoned */
    /* Called once, unless it is abandoned; the attempt is gone after it. */
    attempt_ended *ended;
    void *arg;
};

/* Under way. It outlives whoever made it: the exchange has its memory until the end. */
struct attempt {
    struct exchange_request request;
    struct attempt *prev, *next; /* its owner's */
    struct attempts *attempts;
    struct servers *servers;
    size_t index;
    enum exchange_way way;
    struct standing *standing;
    uint16_t payload; /* bytes by UDP that the query's OPT allows; 0: it had none */
    bool dnssec_ok;   /* was wanted */
    bool lower;       /* the spelling of the question tells nothing */
    bool overdue;     /* counted as a silence already */
    struct micro sent;
    attempt_ended *ended; /* NULL: nobody waits for it */
    void *arg;
};

/* NULL: no memory; or nothing need be sent, since an answer by TCP is still awaited. Never calls `ended` itself. */
struct attempt *attempt_send(struct attempts *attempts, const struct attempt_order *order,
                             struct micro now);

/* Asks a server something of our own, to see whether it is there (servers_to_probe()). */
void attempt_probe(struct attempts *attempts, struct servers *servers, size_t index,
                   struct micro now);

/* The server has had its time: that counts against it, once. */
void attempt_overdue(struct attempt *attempt);

/* By TCP it will have the answer, if it has any. */
static inline bool attempt_needs_tcp(const struct attempt *attempt)
{
    return attempt->standing->truncated || attempt->standing->misspelled;
}

/* Nobody waits for it any more. */
void attempt_abandon(struct attempt *attempt);

#endif
