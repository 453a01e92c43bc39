/* serve.c - see serve.h. */
#include "origin/serve.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#include "cache/stamp.h"
#include "daemon/log.h"
#include "dns/build.h"
#include "dns/signature.h"
#include "zone/lookup.h"
#include "zone/handout.h"

struct served {
    struct serve_zone_options options;
    const uint8_t *apex;
    size_t apex_size;
    uint64_t transfers; /* begun */
    UT_hash_handle hh;
};

struct serve {
    struct serve_options options;
    struct served *zones;
    struct notices *notices;
    struct message *message; /* scratch */
    struct update *update;
    struct handout_places places;
    uint8_t buffer[DNS_MAX_MESSAGE];
};

/* A message that came, while it is looked at. */
struct asked {
    struct serve *serve;
    struct listen_call *call;
    const uint8_t *bytes;
    size_t size;
    struct signature *signature;
};

static uint64_t now_seconds(void)
{
    return (uint64_t)time(NULL);
}

static struct primary_now now(void)
{
    struct timespec mono, wall;
    clock_gettime(MONO_CLOCK, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct primary_now){
        .us = (uint64_t)mono.tv_sec * 1000000 + (uint64_t)mono.tv_nsec / 1000,
        .wall_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000,
    };
}

/* ---- who may ---- */

static const uint8_t *address_bytes(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    return (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static bool lies_in(const struct config_network *network, const struct sockaddr *address)
{
    const uint8_t *bytes = address_bytes(address);
    if (network->family != address->sa_family)
        return false;
    size_t whole = network->bits / 8, rest = network->bits % 8;
    return memcmp(network->bytes, bytes, whole) == 0 &&
           (rest == 0 || ((network->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0);
}

static bool lies_in_one(const struct config_network *networks, size_t count,
                        const struct sockaddr *address)
{
    for (size_t i = 0; i < count; i++) {
        if (lies_in(&networks[i], address))
            return true;
    }
    return false;
}

static bool may_transfer(const struct served *zone, const struct asked *asked)
{
    uint8_t name[NAME_MAX_SIZE];
    const struct serve_zone_options *options = &zone->options;
    for (size_t i = 0; asked->signature->key && i < options->transfer_key_count; i++) {
        if (name_from_text(options->transfer_keys[i], name) > 0 &&
            name_equal(name, asked->signature->key->name))
            return true;
    }
    return lies_in_one(options->transfer_from, options->transfer_from_count,
                       listen_peer(asked->call));
}

/* ---- zones ---- */

static struct served *find(const struct serve *serve, const uint8_t *name)
{
    struct served *zone;
    HASH_FIND(hh, serve->zones, name, name_size(name), zone);
    return zone;
}

/* The zone that has the name, of those here. */
static struct served *find_around(struct serve *serve, const uint8_t *name)
{
    struct served *zone = NULL;
    for (; name && !zone; name = name_parent(name))
        zone = find(serve, name);
    return zone;
}

int serve_add(struct serve *serve, const struct serve_zone_options *options)
{
    struct served *zone = calloc(1, sizeof *zone);
    if (!zone)
        return ERR_MEMORY;
    zone->options = *options;
    zone->apex = zone_apex(primary_zone(options->primary));
    zone->apex_size = name_size(zone->apex);
    for (size_t i = 0; i < options->notify_count; i++) {
        int error = notices_add(serve->notices, primary_zone(options->primary), &options->notify[i],
                                options->notify_key);
        if (error < 0) {
            free(zone);
            return error;
        }
    }
    HASH_ADD_KEYPTR(hh, serve->zones, zone->apex, zone->apex_size, zone);
    return 0;
}

void serve_notify(struct serve *serve, const struct primary *primary)
{
    notices_send(serve->notices, primary_zone(primary));
}

uint64_t serve_transfers(const struct serve *serve, const uint8_t *apex)
{
    const struct served *zone = find(serve, apex);
    return zone ? zone->transfers : 0;
}

struct primary *serve_primary(const struct serve *serve, size_t k)
{
    const struct served *zone = serve->zones;
    while (zone && k-- > 0)
        zone = zone->hh.next;
    return zone ? zone->options.primary : NULL;
}

struct serve_counts *serve_counts(const struct serve *serve)
{
    return serve->options.counts;
}

/* ---- answers ---- */

/* Signs what is in the buffer, and sends it. */
static void send_signed(struct serve *serve, struct listen_call *call, struct signature *signature,
                        int size)
{
    if (size > 0)
        size = signature_answer(signature, serve->buffer, (size_t)size, sizeof serve->buffer,
                                now_seconds());
    if (size > 0)
        listen_answer(call, serve->buffer, (size_t)size);
    else
        log_limited(LOG_LEVEL_WARNING, "msg=\"no answer could be made\" reason=\"%s\"",
                    error_text(size));
}

/* A header, and the question as it came where it could be read: up to `end`. */
static int write_plain(uint8_t *buffer, const uint8_t *bytes, size_t end, uint16_t rcode)
{
    const uint16_t flags = wire_get_u16(bytes + 2);
    if (end < DNS_HEADER_SIZE)
        end = DNS_HEADER_SIZE;
    memmove(buffer, bytes, end);
    wire_put_u16(buffer + 2, (uint16_t)(FLAG_QR | (flags & (FLAG_OPCODE | FLAG_RD)) | rcode));
    memset(buffer + 4, 0, 8);
    wire_put_u16(buffer + 4, end > DNS_HEADER_SIZE);
    return (int)end;
}

/* Appends why it is so, for people (RFC 8914 2). Returns the size of the message then. */
static int add_reason(uint8_t *buffer, int size, size_t room, const char *why)
{
    const uint16_t length = (uint16_t)strlen(why);
    struct wire_writer out = wire_writer(buffer + size, room - (size_t)size);
    wire_write_u8(&out, 0); /* the root */
    wire_write_u16(&out, TYPE_OPT);
    wire_write_u16(&out, DNS_EDNS_UDP);
    wire_write_u32(&out, 0);
    wire_write_u16(&out, (uint16_t)(6 + length));
    wire_write_u16(&out, EDNS_OPTION_EDE);
    wire_write_u16(&out, (uint16_t)(2 + length));
    wire_write_u16(&out, EDE_OTHER);
    wire_write(&out, why, length);
    if (out.failed)
        return size;
    wire_put_u16(buffer + 10, 1);
    return size + (int)out.at;
}

/* The last word on a message: an RCODE without records. `why`: for a client that speaks EDNS; NULL: nothing. */
static bool end_with_reason(const struct asked *asked, size_t question_end, uint16_t rcode,
                            const char *why)
{
    struct serve *serve = asked->serve;
    int size = write_plain(serve->buffer, asked->bytes, question_end, rcode);
    if (why)
        size = add_reason(serve->buffer, size, sizeof serve->buffer, why);
    send_signed(serve, asked->call, asked->signature, size);
    signature_end(asked->signature);
    listen_end(asked->call);
    return true;
}

static bool end_with(const struct asked *asked, size_t question_end, uint16_t rcode)
{
    return end_with_reason(asked, question_end, rcode, NULL);
}

/* Where the question ends, if it is one that can be copied; or 0. */
static size_t question_end(const uint8_t *bytes, size_t size)
{
    uint8_t name[NAME_MAX_SIZE];
    struct wire_reader reader = wire_reader(bytes, size);
    reader.at = DNS_HEADER_SIZE;
    if (wire_get_u16(bytes + 4) != 1 || name_read(&reader, name) < 0 || !wire_read(&reader, 4))
        return 0;
    return reader.at;
}

/* Who was refused what: without it nobody but the client would know. */
static void tell_refused(const struct asked *asked, const char *why)
{
    uint8_t name[NAME_MAX_SIZE];
    char zone[NAME_MAX_TEXT], key[NAME_MAX_TEXT], peer[LISTEN_MAX_PEER];
    const struct signature *signature = asked->signature;
    struct wire_reader reader = wire_reader(asked->bytes, asked->size);
    reader.at = DNS_HEADER_SIZE;
    log_limited(LOG_LEVEL_WARNING,
                "msg=\"an UPDATE or a transfer is refused\" zone=%s from=%s key=%s why=\"%s\"",
                name_read(&reader, name) < 0 ? "?" : name_to_text(name, zone),
                listen_peer_text(asked->call, peer),
                signature->is_there ? name_to_text(signature->tsig.key, key) : "none", why);
}

/* ---- UPDATE ---- */

struct pending {
    struct serve *serve;
    struct listen_call *call;
    struct signature signature;
    bool edns;
    size_t size;
    uint8_t bytes[]; /* header and zone section */
};

static void on_update_answer(void *arg, uint16_t rcode, const char *why)
{
    struct pending *pending = arg;
    struct serve *serve = pending->serve;
    const struct asked asked = {serve, pending->call, pending->bytes, pending->size,
                                &pending->signature};
    if (rcode == RCODE_REFUSED)
        tell_refused(&asked, why);
    end_with_reason(&asked, pending->size, rcode, pending->edns ? why : NULL);
    free(pending);
}

void serve_submit(struct serve *serve, struct primary *primary, const struct primary_update *update)
{
    primary_update(primary, update, now());
    serve->options.settle(serve->options.settle_arg);
}

static bool hand_to_primary(const struct asked *asked, struct served *zone, bool anything)
{
    struct serve *serve = asked->serve;
    size_t size = serve->update->zone_end;
    struct pending *pending = malloc(sizeof *pending + size);
    if (!pending)
        return end_with(asked, size, RCODE_SERVFAIL);
    *pending = (struct pending){.serve = serve,
                                .call = asked->call,
                                .signature = *asked->signature,
                                .edns = serve->update->edns,
                                .size = size};
    memcpy(pending->bytes, asked->bytes, size);
    const struct primary_update update = {
        .bytes = asked->bytes,
        .size = asked->size,
        .key = asked->signature->key ? asked->signature->key->name : NULL,
        .anything = anything,
        .answer = on_update_answer,
        .arg = pending,
    };
    serve_submit(serve, zone->options.primary, &update);
    return true;
}

static bool take_update(const struct asked *asked)
{
    struct serve *serve = asked->serve;
    struct update *update = serve->update;
    uint8_t apex[NAME_MAX_SIZE];
    int error = update_parse(update, asked->bytes, asked->size);
    if (error < 0) {
        serve->options.counts->formerr++;
        return end_with(asked, update->zone_end,
                        error == ERR_SPACE ? RCODE_REFUSED : RCODE_FORMERR);
    }
    name_lower(update->zone.name, update->zone.name_size, apex);
    struct served *zone = update->zone.class == CLASS_IN ? find(serve, apex) : NULL;
    if (!zone) {
        serve->options.counts->notauth++;
        return end_with(asked, update->zone_end, RCODE_NOTAUTH);
    }
    bool anything = lies_in_one(zone->options.update_from, zone->options.update_from_count,
                                listen_peer(asked->call));
    if (!anything && !asked->signature->key) {
        serve->options.counts->refused++;
        tell_refused(asked, "not signed, and not from an address of update_from");
        return end_with(asked, update->zone_end, RCODE_REFUSED);
    }
    return hand_to_primary(asked, zone, anything);
}

/* ---- transfers ---- */

struct outgoing {
    struct serve *serve;
    struct listen_call *call;
    struct handout *handout;
};

static void end_outgoing(struct outgoing *outgoing)
{
    handout_end(outgoing->handout);
    listen_end(outgoing->call);
    free(outgoing);
}

static void on_room(void *arg, struct listen_call *call);

/* Messages as long as the client takes them. */
static void pump(struct outgoing *outgoing)
{
    struct serve *serve = outgoing->serve;
    while (!handout_is_over(outgoing->handout)) {
        if (!listen_has_room(outgoing->call, on_room, outgoing))
            return;
        size_t size =
            handout_next(outgoing->handout, serve->buffer, sizeof serve->buffer, now_seconds());
        if (size > 0)
            listen_answer(outgoing->call, serve->buffer, size);
    }
    serve->options.counts->cut += handout_is_cut(outgoing->handout);
    end_outgoing(outgoing);
}

static void on_room(void *arg, struct listen_call *call)
{
    struct outgoing *outgoing = arg;
    if (listen_is_gone(call)) {
        outgoing->serve->options.counts->cut++;
        end_outgoing(outgoing);
        return;
    }
    pump(outgoing);
}

static size_t udp_room(const struct message *message)
{
    size_t size = message->edns.present ? message->edns.udp_size : DNS_CLASSIC_UDP;
    return size < DNS_EDNS_UDP ? size : DNS_EDNS_UDP;
}

static void count_handout(struct serve_counts *counts, enum handout_result result,
                          const struct handout *handout)
{
    counts->refused += result == HANDOUT_REFUSED;
    counts->formerr += result == HANDOUT_MALFORMED;
    counts->not_ready += result == HANDOUT_NOT_READY;
    counts->busy += result == HANDOUT_BUSY;
    if (result != HANDOUT_BEGUN)
        return;
    const bool incremental = handout_is_incremental(handout);
    counts->axfr += !incremental;
    counts->ixfr += incremental;
    counts->ixfr_whole += incremental && handout_kind(handout) == TRANSFER_WHOLE;
    counts->ixfr_up_to_date += incremental && handout_kind(handout) == TRANSFER_UP_TO_DATE;
}

static bool start_handout(const struct asked *asked, struct handout *handout)
{
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    if (!outgoing) {
        handout_end(handout);
        listen_end(asked->call);
        return true;
    }
    *outgoing = (struct outgoing){.serve = asked->serve, .call = asked->call, .handout = handout};
    pump(outgoing);
    return true;
}

static bool take_transfer(const struct asked *asked, size_t end, const uint8_t *name)
{
    struct serve *serve = asked->serve;
    struct served *zone = find(serve, name);
    struct handout *handout = NULL;
    if (!zone) {
        serve->options.counts->notauth++;
        return end_with(asked, end, RCODE_NOTAUTH);
    }
    struct primary *primary = zone->options.primary;
    const struct handout_request request = {
        .query = serve->message,
        .signature = asked->signature,
        .tcp = listen_is_tcp(asked->call),
        .may = may_transfer(zone, asked),
        .zone = primary_is_ready(primary) ? primary_zone(primary) : NULL,
        .history = primary_history(primary),
        .places = &serve->places,
    };
    enum handout_result result = handout_begin(&request, &handout);
    count_handout(serve->options.counts, result, handout);
    zone->transfers += result == HANDOUT_BEGUN;
    if (result == HANDOUT_REFUSED)
        tell_refused(asked, "neither a key of transfer_keys nor an address of transfer_from");
    return result == HANDOUT_BEGUN ? start_handout(asked, handout)
                                   : end_with(asked, end, handout_rcode(result));
}

/* ---- questions ---- */

/* Writes the answer of a zone; cut short to its question where it does not fit. */
static int write_answer(const struct asked *asked, const struct zone *zone, size_t room)
{
    struct serve *serve = asked->serve;
    const struct message *message = serve->message;
    static struct builder builder;
    const size_t opt = message->edns.present ? DNS_OPT_SIZE : 0;
    uint16_t flags = FLAG_QR | (message->flags & FLAG_RD);
    build_start(&builder, serve->buffer, room - opt);
    build_question(&builder, &message->question);
    struct build_mark mark = build_mark(&builder);
    enum zone_lookup_result result = zone_lookup(zone_state(zone), &message->question,
                                                 zone_extras(message->edns.dnssec_ok), &builder);
    flags |= zone_lookup_flags(result, &builder);
    if (builder.out.failed) {
        build_back(&builder, &mark);
        flags |= FLAG_TC;
    }
    builder.out.size += opt;
    if (message->edns.present)
        build_opt(&builder, DNS_EDNS_UDP, 0, message->edns.dnssec_ok,
                  result == ZONE_UNPROVABLE ? EDE_NSEC3_ITERATIONS : EDE_NONE);
    return build_finish(&builder, message->id, flags);
}

static bool take_question(const struct asked *asked, size_t end, const uint8_t *name)
{
    struct serve *serve = asked->serve;
    struct served *zone = find_around(serve, name);
    size_t room = listen_is_tcp(asked->call) ? sizeof serve->buffer : udp_room(serve->message);
    if (!zone) {
        serve->options.counts->notauth++;
        return end_with(asked, end, RCODE_REFUSED);
    }
    if (!primary_is_ready(zone->options.primary)) {
        serve->options.counts->not_ready++;
        return end_with(asked, end, RCODE_SERVFAIL);
    }
    room -= signature_room(asked->signature) < room ? signature_room(asked->signature) : 0;
    int size = write_answer(asked, primary_zone(zone->options.primary), room);
    send_signed(serve, asked->call, asked->signature, size);
    signature_end(asked->signature);
    listen_end(asked->call);
    return true;
}

static int write_badvers(struct serve *serve)
{
    struct builder builder;
    build_start(&builder, serve->buffer, sizeof serve->buffer);
    build_question(&builder, &serve->message->question);
    build_opt(&builder, DNS_EDNS_UDP, RCODE_BADVERS >> 4, false, EDE_NONE);
    return build_finish(&builder, serve->message->id, FLAG_QR | (RCODE_BADVERS & FLAG_RCODE));
}

static bool take_query(const struct asked *asked)
{
    struct serve *serve = asked->serve;
    struct message *message = serve->message;
    uint8_t name[NAME_MAX_SIZE];
    size_t end = question_end(asked->bytes, asked->size);
    serve->options.counts->queries++;
    if (end == 0 || message_parse(message, asked->bytes, asked->size) < 0) {
        serve->options.counts->formerr++;
        return end_with(asked, end, RCODE_FORMERR);
    }
    if (message->edns.present && message->edns.version != 0) {
        send_signed(serve, asked->call, asked->signature, write_badvers(serve));
        signature_end(asked->signature);
        listen_end(asked->call);
        return true;
    }
    if (message->question.class != CLASS_IN)
        return end_with(asked, end, RCODE_REFUSED);
    name_lower(message->question.name, message->question.name_size, name);
    if (message->question.type == TYPE_AXFR || message->question.type == TYPE_IXFR)
        return take_transfer(asked, end, name);
    return take_question(asked, end, name);
}

/* ---- */

static void count_fault(struct serve_counts *counts, int fault)
{
    counts->formerr += fault == ERR_FORMAT;
    counts->bad_key += fault == TSIG_BADKEY;
    counts->bad_sig += fault == TSIG_BADSIG;
    counts->bad_time += fault == TSIG_BADTIME;
    counts->bad_trunc += fault == TSIG_BADTRUNC;
}

bool serve_take(struct serve *serve, struct listen_call *call, const uint8_t *bytes, size_t size)
{
    struct signature signature;
    const struct asked asked = {serve, call, bytes, size, &signature};
    if (size < DNS_HEADER_SIZE)
        return false;
    unsigned flags = wire_get_u16(bytes + 2), opcode = (flags & FLAG_OPCODE) >> 11;
    if ((flags & FLAG_QR) || (opcode != 0 && opcode != OPCODE_UPDATE))
        return false;
    signature_check(serve->options.keyring, bytes, size, now_seconds(), &signature);
    if (signature.fault != TSIG_OK) {
        count_fault(serve->options.counts, signature.fault);
        if (signature.fault > 0)
            tell_refused(&asked, tsig_fault_text(signature.fault));
        return end_with(&asked, question_end(bytes, size), signature_rcode(&signature));
    }
    return opcode == OPCODE_UPDATE ? take_update(&asked) : take_query(&asked);
}

struct serve *serve_new(const struct serve_options *options)
{
    struct serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return NULL;
    serve->options = *options;
    serve->places.most = HANDOUT_PLACES;
    serve->message = message_new();
    serve->update = update_new();
    serve->notices = notices_new(options->base, &options->counts->notices);
    if (serve->message && serve->update && serve->notices)
        return serve;
    serve_free(serve);
    return NULL;
}

void serve_free(struct serve *serve)
{
    struct served *zone, *next;
    if (!serve)
        return;
    HASH_ITER (hh, serve->zones, zone, next) {
        HASH_DEL(serve->zones, zone);
        free(zone);
    }
    notices_free(serve->notices);
    update_free(serve->update);
    message_free(serve->message);
    free(serve);
}
