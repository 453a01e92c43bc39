/*
 * tsig.h - messages that carry a proof of who sent them: TSIG (RFC 8945), HMAC-SHA256 and HMAC-SHA512.
 *
 * A chain is one exchange as one side sees it. What the next MAC covers besides the message follows from what the chain
 * has seen, so signing and verifying are each one call, and a client, a server, UDP and a transfer of a thousand
 * messages are all the same:
 *
 *     client   sign(query) -> verify(response) -> verify ...
 *     server   verify(query) -> sign(response) -> sign ...
 *
 *     1st, the query       message | key, algorithm, time ...                   (RFC 8945 4.3.3)
 *     2nd, the response    the query's MAC | message | key, algorithm, time ... (5.3)
 *     3rd and later        the MAC before | messages since then | time          (5.3.1)
 *
 * Of a response of many messages the first is signed, and at least every hundredth; which is the last is not known here, so
 * whoever has taken it asks tsig_chain_is_proven(). Until then nothing that came in it is to be believed.
 *
 * HMAC is libdnssec's (it comes with Knot's libraries); what is hashed, and when a time is too far off, is said here,
 * as libknot's own calls read the clock.
 */
#ifndef FRESHET_DNS_TSIG_H
#define FRESHET_DNS_TSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"

enum {
    TSIG_MAX_SECRET = 512, /* bytes */
    TSIG_MIN_SECRET = 8,
    TSIG_MAX_MAC = 64,
    TSIG_FUDGE = 300,       /* seconds that clocks may differ (RFC 8945 10) */
    TSIG_MAX_UNSIGNED = 99, /* messages in a row (RFC 8945 5.3.1) */
    TSIG_ROOM = 400,        /* bytes that a signature takes at most: leave them free in a message */
};

/* What the other side is told in the TSIG's error field, with RCODE NOTAUTH (RFC 8945 3, 5.2). */
enum tsig_fault {
    TSIG_OK = 0,
    TSIG_BADSIG = 16,
    TSIG_BADKEY = 17,
    TSIG_BADTIME = 18,
    TSIG_BADTRUNC = 22,
};

/* "BADSIG"; a static string. */
const char *tsig_fault_text(int fault);

enum tsig_algorithm { TSIG_HMAC_SHA256, TSIG_HMAC_SHA512 };

struct tsig_key {
    uint8_t name[NAME_MAX_SIZE]; /* canonical */
    enum tsig_algorithm algorithm;
    uint8_t secret[TSIG_MAX_SECRET];
    size_t secret_size;
};

/*
 * "hmac-sha256:transfer.example.com.:BASE64", as dig -y and kdig -y take it; without the algorithm it is hmac-sha256.
 * Returns 0; ERR_FORMAT (no colon), ERR_TYPE (an algorithm that is none of ours), ERR_NAME, ERR_RDATA (not base64, or of fewer
 * than TSIG_MIN_SECRET or more than TSIG_MAX_SECRET bytes).
 */
MUST_CHECK int tsig_key_from_text(const char *text, struct tsig_key *ret_key);

/* A TSIG record where it lies in a message. */
struct tsig {
    uint8_t key[NAME_MAX_SIZE];       /* canonical */
    uint8_t algorithm[NAME_MAX_SIZE]; /* canonical */
    uint64_t time;                    /* seconds since 1970, when it was signed */
    uint16_t fudge;                   /* seconds */
    uint16_t original_id;
    uint16_t error;     /* enum tsig_fault, or another RCODE */
    const uint8_t *mac; /* in the message */
    uint16_t mac_size;
    const uint8_t *other;
    uint16_t other_size;
    size_t at; /* the record begins here, and the message that it signs ends */
};

/*
 * Finds the TSIG of a message, which is its last record. Returns 0; ERR_NOT_FOUND: it has none; ERR_FORMAT, ERR_SHORT,
 * ERR_NAME, ERR_POINTER: a message that cannot be walked, or a TSIG that is not the last, of another class than ANY, or
 * with RDATA that is none: a server answers FORMERR.
 */
MUST_CHECK int tsig_find(const uint8_t *message, size_t size, struct tsig *ret_tsig);

/* Whether it names this key with its algorithm; if none of yours is meant, that is TSIG_BADKEY. */
bool tsig_is_of(const struct tsig *tsig, const struct tsig_key *key);

struct tsig_chain {
    const struct tsig_key *key; /* the caller's, for as long as the chain */
    uint8_t mac[TSIG_MAX_MAC];  /* of the message before; mac_size 0: there was none */
    size_t mac_size;
    size_t signed_count;   /* messages with a MAC so far, either way */
    size_t unsigned_count; /* since the last one with a MAC */
    void *digest;          /* begun with unsigned messages; NULL: not begun */
};

/* An exchange with a key. To be ended with tsig_chain_end(), which may be called on one that is all zeros. */
struct tsig_chain tsig_chain_begin(const struct tsig_key *key);
void tsig_chain_end(struct tsig_chain *chain);

/*
 * Appends a TSIG to the message of `size` bytes in a buffer of `room`, and counts it in ARCOUNT. `now`: seconds since
 * 1970. Returns the size with it; ERR_SPACE, ERR_MEMORY.
 */
MUST_CHECK int tsig_sign(struct tsig_chain *chain, uint8_t *message, size_t size, size_t room,
                         uint64_t now);

/*
 * Checks the next message that came. `tsig`: what tsig_find() found in it; NULL: nothing, which is fine between signed
 * ones of a transfer. Returns TSIG_OK, or what is wrong: TSIG_BADKEY (another key or algorithm), TSIG_BADSIG (as well: no
 * signature where there must be one), TSIG_BADTIME, TSIG_BADTRUNC (a MAC cut shorter than we take); ERR_FORMAT (a
 * MAC of a size that no peer may send, RFC 8945 5.2.2.1: FORMERR), ERR_MEMORY. After anything but TSIG_OK the chain is only good
 * for tsig_refuse().
 */
MUST_CHECK int tsig_verify(struct tsig_chain *chain, const uint8_t *message, size_t size,
                           const struct tsig *tsig, uint64_t now);

/* Whether the last message was a signed one that held. */
bool tsig_chain_is_proven(const struct tsig_chain *chain);

/*
 * Appends to a server's answer the TSIG that says what was wrong with that of the query (RFC 8945 5.2.1 to 5.2.3,
 * 5.3.2): without a MAC for TSIG_BADKEY and TSIG_BADSIG, signed otherwise; with the server's time for TSIG_BADTIME. The
 * caller has set RCODE NOTAUTH. `chain`: as tsig_verify() left it; NULL for TSIG_BADKEY. Returns as tsig_sign().
 */
MUST_CHECK int tsig_refuse(struct tsig_chain *chain, const struct tsig *query, int fault,
                           uint8_t *message, size_t size, size_t room, uint64_t now);

#endif
