/*
 * serve.h - what is asked of zones whose primary is the log: UPDATE, AXFR, IXFR, and questions; and NOTIFY to those who follow.
 *
 *     message --- TSIG --> UPDATE        primary.h         answered once the log has it
 *                          AXFR, IXFR    zone/transfer.h   by TCP message by message, as fast as the client takes them
 *                          other         zone/lookup.h     with AA
 *
 * A message that is signed is answered signed, and refused as RFC 8945 5.2 says: NOTAUTH with BADKEY, BADSIG or BADTIME. Who
 * may UPDATE is whose key the zone's policy knows, or who comes from one of the addresses that need none; who may transfer is
 * said by key and by address likewise. Everybody may ask questions: a secondary begins with the SOA.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_ORIGIN_SERVE_H
#define FRESHET_ORIGIN_SERVE_H

#include <event2/event.h>

#include "config/config.h"
#include "dns/tsig.h"
#include "origin/listen.h"
#include "daemon/notices.h"
#include "origin/primary.h"
#include "dns/signature.h"

struct serve;

struct serve_counts {
    uint64_t queries, axfr, ixfr, ixfr_whole, ixfr_up_to_date;
    uint64_t refused; /* transfers, and UPDATEs of nobody */
    uint64_t notauth; /* questions of zones that are not here */
    uint64_t formerr;
    uint64_t not_ready;
    uint64_t busy; /* transfers: too many go on */
    uint64_t bad_key, bad_sig, bad_time, bad_trunc;
    uint64_t cut;                      /* transfers whose client went, or that could not go on */
    uint64_t webhook, webhook_refused; /* webhook.h's */
    struct notices_counts notices;
};

struct serve_options {
    struct event_base *base;
    const struct keyring *keyring; /* borrowed */
    void (*settle)(void *arg);     /* a primary may have another moment at which it is due */
    void *settle_arg;
    struct serve_counts *counts;
};

/* NULL: no memory. */
struct serve *serve_new(const struct serve_options *options);
void serve_free(struct serve *serve); /* NULL is fine */

/* A zone it answers for; all borrowed. */
struct serve_zone_options {
    struct primary *primary;
    const struct config_network *update_from;
    size_t update_from_count;
    const char *const *transfer_keys; /* names of keys */
    size_t transfer_key_count;
    const struct config_network *transfer_from;
    size_t transfer_from_count;
    const struct config_address *notify;
    size_t notify_count;
    const struct tsig_key *notify_key; /* NULL: unsigned */
};
MUST_CHECK int serve_add(struct serve *serve, const struct serve_zone_options *options);

/*
 * A message came. True: it is answered from here, and the call is taken over. False: it is none for here (another opcode than
 * QUERY and UPDATE).
 */
bool serve_take(struct serve *serve, struct listen_call *call, const uint8_t *bytes, size_t size);

/* ---- for who takes UPDATEs otherwise (webhook.h) */

/* The k-th zone's; NULL past the last one. */
struct primary *serve_primary(const struct serve *serve, size_t k);

/* An UPDATE that did not come as a message. */
void serve_submit(struct serve *serve, struct primary *primary,
                  const struct primary_update *update);

struct serve_counts *serve_counts(const struct serve *serve);

/* Transfers of a zone (canonical) that were handed out, or are. */
uint64_t serve_transfers(const struct serve *serve, const uint8_t *apex);

/* The zone has a new version: its followers are told. */
void serve_notify(struct serve *serve, const struct primary *primary);

#endif
