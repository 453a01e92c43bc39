#include "dns/tsig.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libdnssec/tsig.h>

#include "dns/message.h"

enum {
    RR_FIXED = 10,   /* type, class, TTL, RDLENGTH */
    TSIG_FIXED = 16, /* of the RDATA: all but the algorithm, the MAC and the other data */
    TIME_SIZE = 6,   /* 48 bits */
    MIN_MAC = 10,    /* RFC 8945 5.2.2.1 */
    AT_ARCOUNT = 10, /* in the header */
    TIMED_FROM = 2, /* from the third signed message on only its time is covered (RFC 8945 5.3.1) */
};

static const struct {
    const char *text;
    const char *name; /* of the algorithm, canonical wire form with its NUL */
    dnssec_tsig_algorithm_t library;
    size_t mac_size;
} algorithms[] = {
    [TSIG_HMAC_SHA256] = {"hmac-sha256", "\013hmac-sha256", DNSSEC_TSIG_HMAC_SHA256, 32},
    [TSIG_HMAC_SHA512] = {"hmac-sha512", "\013hmac-sha512", DNSSEC_TSIG_HMAC_SHA512, 64},
};

enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

static const uint8_t *algorithm_name(enum tsig_algorithm algorithm)
{
    return (const uint8_t *)algorithms[algorithm].name;
}

const char *tsig_fault_text(int fault)
{
    switch (fault) {
    case TSIG_OK:
        return "NOERROR";
    case TSIG_BADSIG:
        return "BADSIG";
    case TSIG_BADKEY:
        return "BADKEY";
    case TSIG_BADTIME:
        return "BADTIME";
    case TSIG_BADTRUNC:
        return "BADTRUNC";
    default:
        return fault < 0 ? error_text(fault) : "another TSIG error";
    }
}

/* ---- keys ---- */

static int algorithm_from_text(const char *text, size_t length)
{
    for (int k = 0; k < ALGORITHMS; k++)
        if (strlen(algorithms[k].text) == length &&
            strncasecmp(algorithms[k].text, text, length) == 0)
            return k;
    return ERR_TYPE;
}

static int secret_from_text(const char *text, struct tsig_key *key)
{
    const dnssec_binary_t base64 = {.size = strlen(text), .data = (uint8_t *)(uintptr_t)text};
    dnssec_binary_t secret = {0};
    int result = ERR_RDATA;
    if (base64.size == 0 || dnssec_binary_from_base64(&base64, &secret) != 0)
        return ERR_RDATA;
    if (secret.size >= TSIG_MIN_SECRET && secret.size <= TSIG_MAX_SECRET) {
        memcpy(key->secret, secret.data, secret.size);
        key->secret_size = secret.size;
        result = 0;
    }
    explicit_bzero(secret.data, secret.size);
    dnssec_binary_free(&secret);
    return result;
}

int tsig_key_from_text(const char *text, struct tsig_key *ret_key)
{
    struct tsig_key key = {.algorithm = TSIG_HMAC_SHA256};
    const char *colon = strchr(text, ':');
    if (!colon)
        return ERR_FORMAT;
    if (strchr(colon + 1, ':')) {
        int algorithm = algorithm_from_text(text, (size_t)(colon - text));
        if (algorithm < 0)
            return algorithm;
        key.algorithm = (enum tsig_algorithm)algorithm;
        text = colon + 1;
        colon = strchr(text, ':');
    }
    int size = name_from_text_n(text, (size_t)(colon - text), key.name);
    if (size < 0)
        return ERR_NAME;
    name_lower(key.name, (size_t)size, key.name);
    int result = secret_from_text(colon + 1, &key);
    if (result == 0)
        *ret_key = key;
    explicit_bzero(&key, sizeof key);
    return result;
}

bool tsig_is_of(const struct tsig *tsig, const struct tsig_key *key)
{
    return name_equal(tsig->key, key->name) &&
           name_equal(tsig->algorithm, algorithm_name(key->algorithm));
}

/* ---- the record ---- */

static uint64_t read_u48(struct wire_reader *reader)
{
    const uint64_t high = wire_read_u16(reader);
    return high << 32 | wire_read_u32(reader);
}

/* The RDATA of a TSIG (RFC 8945 4.2) at the cursor, which has to end with it. */
static int read_rdata(struct wire_reader *reader, struct tsig *tsig)
{
    int size = name_read(reader, tsig->algorithm);
    if (size < 0)
        return size;
    name_lower(tsig->algorithm, (size_t)size, tsig->algorithm);
    tsig->time = read_u48(reader);
    tsig->fudge = wire_read_u16(reader);
    tsig->mac_size = wire_read_u16(reader);
    tsig->mac = wire_read(reader, tsig->mac_size);
    tsig->original_id = wire_read_u16(reader);
    tsig->error = wire_read_u16(reader);
    tsig->other_size = wire_read_u16(reader);
    tsig->other = wire_read(reader, tsig->other_size);
    return reader->failed || wire_left(reader) > 0 ? ERR_FORMAT : 0;
}

struct rr_header {
    uint16_t type, class;
    uint32_t ttl;
    uint16_t size; /* of the RDATA */
};

static int read_header(struct wire_reader *reader, uint8_t owner[NAME_MAX_SIZE],
                       struct rr_header *ret)
{
    int size = name_read(reader, owner);
    if (size < 0)
        return size;
    ret->type = wire_read_u16(reader);
    ret->class = wire_read_u16(reader);
    ret->ttl = wire_read_u32(reader);
    ret->size = wire_read_u16(reader);
    return reader->failed ? ERR_SHORT : size;
}

static int read_tsig(struct wire_reader *reader, const struct rr_header *header, struct tsig *tsig)
{
    if (header->class != CLASS_ANY || header->ttl != 0 || wire_left(reader) != header->size)
        return ERR_FORMAT;
    return read_rdata(reader, tsig);
}

static int skip_questions(struct wire_reader *reader, unsigned count)
{
    uint8_t name[NAME_MAX_SIZE];
    for (; count > 0; count--) {
        int size = name_read(reader, name);
        if (size < 0)
            return size;
        (void)wire_read(reader, 4);
    }
    return reader->failed ? ERR_SHORT : 0;
}

int tsig_find(const uint8_t *message, size_t size, struct tsig *ret_tsig)
{
    struct wire_reader reader = wire_reader(message, size);
    if (size < DNS_HEADER_SIZE)
        return ERR_SHORT;
    reader.at = DNS_HEADER_SIZE;
    int result = skip_questions(&reader, wire_get_u16(message + 4));
    const unsigned records = (unsigned)wire_get_u16(message + 6) + wire_get_u16(message + 8) +
                             wire_get_u16(message + AT_ARCOUNT);
    for (unsigned left = records; result >= 0 && left > 0; left--) {
        struct tsig tsig = {.at = reader.at};
        struct rr_header header;
        result = read_header(&reader, tsig.key, &header);
        if (result >= 0 && header.type == TYPE_TSIG) {
            /* the last, and in the additional section */
            if (left != 1 || wire_get_u16(message + AT_ARCOUNT) == 0)
                return ERR_FORMAT;
            name_lower(tsig.key, (size_t)result, tsig.key);
            result = read_tsig(&reader, &header, &tsig);
            if (result == 0)
                *ret_tsig = tsig;
            return result;
        }
        if (result >= 0 && !wire_read(&reader, header.size))
            result = ERR_SHORT;
    }
    return result < 0 ? result : ERR_NOT_FOUND;
}

/* ---- what a MAC covers ---- */

static int add(dnssec_tsig_ctx_t *digest, const void *bytes, size_t size)
{
    const dnssec_binary_t data = {.size = size, .data = (uint8_t *)(uintptr_t)bytes};
    return size == 0 || dnssec_tsig_add(digest, &data) == 0 ? 0 : ERR_MEMORY;
}

/* Begins with the MAC before, if there is one, behind its size. */
static int begin_digest(struct tsig_chain *chain, dnssec_tsig_ctx_t **ret)
{
    const struct tsig_key *key = chain->key;
    const dnssec_binary_t secret = {.size = key->secret_size,
                                    .data = (uint8_t *)(uintptr_t)key->secret};
    uint8_t size[2];
    dnssec_tsig_ctx_t *digest = chain->digest;
    chain->digest = NULL;
    *ret = digest;
    if (digest)
        return 0;
    if (dnssec_tsig_new(&digest, algorithms[key->algorithm].library, &secret) != 0)
        return ERR_MEMORY;
    *ret = digest;
    if (chain->mac_size == 0)
        return 0;
    wire_put_u16(size, (uint16_t)chain->mac_size);
    int result = add(digest, size, sizeof size);
    return result < 0 ? result : add(digest, chain->mac, chain->mac_size);
}

/* A message as it was before its TSIG: with its first ID, and one record less. */
static int add_message(dnssec_tsig_ctx_t *digest, const uint8_t *message, const struct tsig *tsig)
{
    uint8_t header[DNS_HEADER_SIZE];
    memcpy(header, message, sizeof header);
    wire_put_u16(header, tsig->original_id);
    wire_put_u16(header + AT_ARCOUNT, (uint16_t)(wire_get_u16(header + AT_ARCOUNT) - 1));
    int result = add(digest, header, sizeof header);
    return result < 0 ? result : add(digest, message + sizeof header, tsig->at - sizeof header);
}

static void write_time(struct wire_writer *out, const struct tsig *tsig)
{
    wire_write_u16(out, (uint16_t)(tsig->time >> 32));
    wire_write_u32(out, (uint32_t)tsig->time);
    wire_write_u16(out, tsig->fudge);
}

/* The TSIG variables (RFC 8945 4.3.3), or of a later message its time alone. */
static int add_variables(dnssec_tsig_ctx_t *digest, const struct tsig *tsig, bool all)
{
    uint8_t room[2 * NAME_MAX_SIZE + 32 + TIME_SIZE];
    struct wire_writer out = wire_writer(room, sizeof room);
    if (all) {
        wire_write(&out, tsig->key, name_size(tsig->key));
        wire_write_u16(&out, CLASS_ANY);
        wire_write_u32(&out, 0); /* TTL */
        wire_write(&out, tsig->algorithm, name_size(tsig->algorithm));
    }
    write_time(&out, tsig);
    if (!all)
        return add(digest, room, out.at);
    wire_write_u16(&out, tsig->error);
    wire_write_u16(&out, tsig->other_size);
    int result = add(digest, room, out.at);
    return result < 0 ? result : add(digest, tsig->other, tsig->other_size);
}

/* The MAC that the message ought to have. */
static int compute(struct tsig_chain *chain, const uint8_t *message, const struct tsig *tsig,
                   uint8_t mac[TSIG_MAX_MAC])
{
    dnssec_tsig_ctx_t *digest = NULL;
    int result = begin_digest(chain, &digest);
    if (result == 0)
        result = add_message(digest, message, tsig);
    if (result == 0)
        result = add_variables(digest, tsig, chain->signed_count < TIMED_FROM);
    if (result == 0 && dnssec_tsig_write(digest, mac) != 0)
        result = ERR_MEMORY;
    dnssec_tsig_free(digest);
    return result;
}

/* ---- chains ---- */

struct tsig_chain tsig_chain_begin(const struct tsig_key *key)
{
    return (struct tsig_chain){.key = key};
}

void tsig_chain_end(struct tsig_chain *chain)
{
    dnssec_tsig_free(chain->digest);
    *chain = (struct tsig_chain){.key = NULL};
}

bool tsig_chain_is_proven(const struct tsig_chain *chain)
{
    return chain->signed_count > 0 && chain->unsigned_count == 0;
}

static void remember(struct tsig_chain *chain, const uint8_t *mac, size_t size)
{
    memcpy(chain->mac, mac, size);
    chain->mac_size = size;
    chain->signed_count++;
    chain->unsigned_count = 0;
}

/* ---- signing ---- */

static void write_record(struct wire_writer *out, const struct tsig *tsig)
{
    const size_t algorithm_size = name_size(tsig->algorithm);
    wire_write(out, tsig->key, name_size(tsig->key));
    wire_write_u16(out, TYPE_TSIG);
    wire_write_u16(out, CLASS_ANY);
    wire_write_u32(out, 0); /* TTL */
    wire_write_u16(out,
                   (uint16_t)(algorithm_size + TSIG_FIXED + tsig->mac_size + tsig->other_size));
    wire_write(out, tsig->algorithm, algorithm_size);
    write_time(out, tsig);
    wire_write_u16(out, tsig->mac_size);
    wire_write(out, tsig->mac, tsig->mac_size);
    wire_write_u16(out, tsig->original_id);
    wire_write_u16(out, tsig->error);
    wire_write_u16(out, tsig->other_size);
    wire_write(out, tsig->other, tsig->other_size);
}

/* Appends the record; with a chain it gets its MAC first. */
static int append(struct tsig_chain *chain, struct tsig *tsig, uint8_t *message, size_t room)
{
    uint8_t mac[TSIG_MAX_MAC];
    const uint16_t count = wire_get_u16(message + AT_ARCOUNT);
    struct wire_writer out = wire_writer(message, room);
    out.at = tsig->at;
    if (chain)
        tsig->mac_size = (uint16_t)algorithms[chain->key->algorithm].mac_size;
    tsig->mac = mac;
    memset(mac, 0, sizeof mac);
    write_record(&out, tsig);
    if (out.failed)
        return ERR_SPACE;
    wire_put_u16(message + AT_ARCOUNT, (uint16_t)(count + 1));
    if (!chain)
        return (int)out.at;
    int result = compute(chain, message, tsig, mac);
    if (result < 0) {
        wire_put_u16(message + AT_ARCOUNT, count);
        return result;
    }
    const int end = (int)out.at;
    out.at = tsig->at;
    write_record(&out, tsig);
    remember(chain, mac, tsig->mac_size);
    return end;
}

int tsig_sign(struct tsig_chain *chain, uint8_t *message, size_t size, size_t room, uint64_t now)
{
    struct tsig tsig = {
        .time = now, .fudge = TSIG_FUDGE, .original_id = wire_get_u16(message), .at = size};
    const uint8_t *algorithm = algorithm_name(chain->key->algorithm);
    memcpy(tsig.key, chain->key->name, name_size(chain->key->name));
    memcpy(tsig.algorithm, algorithm, name_size(algorithm));
    return append(chain, &tsig, message, room);
}

int tsig_refuse(struct tsig_chain *chain, const struct tsig *query, int fault, uint8_t *message,
                size_t size, size_t room, uint64_t now)
{
    const bool is_signed = fault == TSIG_BADTIME || fault == TSIG_BADTRUNC;
    struct tsig tsig = {.time = fault == TSIG_BADTIME ? query->time : now,
                        .fudge = TSIG_FUDGE,
                        .original_id = wire_get_u16(message),
                        .error = (uint16_t)fault,
                        .at = size};
    uint8_t time[TIME_SIZE];
    wire_put_u16(time, (uint16_t)(now >> 32));
    wire_put_u32(time + 2, (uint32_t)now);
    if (fault == TSIG_BADTIME) {
        tsig.other = time;
        tsig.other_size = sizeof time;
    }
    memcpy(tsig.key, query->key, name_size(query->key));
    memcpy(tsig.algorithm, query->algorithm, name_size(query->algorithm));
    return append(is_signed ? chain : NULL, &tsig, message, room);
}

/* ---- verifying ---- */

/* One without a TSIG: only between signed ones (RFC 8945 5.3.1). */
static int pass_unsigned(struct tsig_chain *chain, const uint8_t *message, size_t size)
{
    dnssec_tsig_ctx_t *digest = NULL;
    if (chain->signed_count < TIMED_FROM || chain->unsigned_count >= TSIG_MAX_UNSIGNED)
        return TSIG_BADSIG;
    int result = begin_digest(chain, &digest);
    if (result == 0)
        result = add(digest, message, size);
    chain->digest = digest; /* of a failure too: freed with the chain */
    chain->unsigned_count++;
    return result;
}

/* In a time that tells nothing of where they differ. */
static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint8_t difference = 0;
    for (size_t k = 0; k < size; k++)
        difference |= (uint8_t)(a[k] ^ b[k]);
    return difference == 0;
}

static bool time_is_near(const struct tsig *tsig, uint64_t now)
{
    const uint64_t apart = tsig->time > now ? tsig->time - now : now - tsig->time;
    return apart <= tsig->fudge;
}

int tsig_verify(struct tsig_chain *chain, const uint8_t *message, size_t size,
                const struct tsig *tsig, uint64_t now)
{
    uint8_t mac[TSIG_MAX_MAC];
    const size_t whole = algorithms[chain->key->algorithm].mac_size;
    if (!tsig)
        return pass_unsigned(chain, message, size);
    if (!tsig_is_of(tsig, chain->key))
        return TSIG_BADKEY;
    if (tsig->mac_size == 0)
        return TSIG_BADSIG; /* who refuses our key or signature cannot prove it (RFC 8945 5.3.2) */
    if (tsig->mac_size > whole || tsig->mac_size < MIN_MAC || tsig->mac_size < whole / 2)
        return ERR_FORMAT;
    int result = compute(chain, message, tsig, mac);
    if (result < 0)
        return result;
    if (!same_bytes(mac, tsig->mac, tsig->mac_size))
        return TSIG_BADSIG;
    remember(chain, tsig->mac, tsig->mac_size);
    if (!time_is_near(tsig, now))
        return TSIG_BADTIME;
    return tsig->mac_size < whole ? TSIG_BADTRUNC : TSIG_OK;
}
