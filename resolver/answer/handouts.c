#include "resolver/answer/handouts.h"

#include <stdlib.h>

#include "dns/build.h"

struct handouts {
    struct handouts_options options;
    struct message *message; /* scratch */
    uint8_t buffer[DNS_MAX_MESSAGE];
};

/* One that goes on by TCP. */
struct outgoing {
    struct client_wait wait; /* first */
    struct handouts *handouts;
    struct client client;
    struct handout *handout;
    struct authority *authority; /* a reference: it has the key */
    struct handout_counters *counters;
};

struct handouts *handouts_new(const struct handouts_options *options)
{
    struct handouts *handouts = calloc(1, sizeof *handouts);
    if (!handouts)
        return NULL;
    handouts->options = *options;
    handouts->message = message_new();
    if (handouts->message)
        return handouts;
    free(handouts);
    return NULL;
}

void handouts_free(struct handouts *handouts)
{
    if (!handouts)
        return;
    message_free(handouts->message);
    free(handouts);
}

uint64_t handouts_now(const struct handouts *handouts)
{
    return handouts->options.unix_now();
}

static void count(struct handout_counters *counters, enum handout_result result,
                  const struct handout *handout)
{
    struct counter *const failures[] = {
        [HANDOUT_REFUSED] = &counters->refused,
        [HANDOUT_MALFORMED] = &counters->malformed,
        [HANDOUT_NOT_READY] = &counters->not_ready,
        [HANDOUT_BUSY] = &counters->busy,
    };
    if (result != HANDOUT_BEGUN) {
        counter_add(failures[result], 1);
        return;
    }
    if (!handout_is_incremental(handout)) {
        counter_add(&counters->axfr, 1);
        return;
    }
    counter_add(&counters->ixfr, 1);
    counter_add(&counters->ixfr_whole, handout_kind(handout) == TRANSFER_WHOLE);
    counter_add(&counters->ixfr_up_to_date, handout_kind(handout) == TRANSFER_UP_TO_DATE);
}

/* ---- by TCP ---------------------------------------------------------------------------------- */

static void end_outgoing(struct outgoing *outgoing, bool cut)
{
    counter_add(&outgoing->counters->cut, cut);
    handout_end(outgoing->handout);
    authority_unref(outgoing->authority);
    outgoing->client.transport->release(outgoing->client.endpoint);
    free(outgoing);
}

/* Messages as long as the client takes them. */
static void pump(struct outgoing *outgoing)
{
    struct handouts *handouts = outgoing->handouts;
    const struct client *client = &outgoing->client;
    enum client_room room = CLIENT_ROOM;
    while (!handout_is_over(outgoing->handout)) {
        room = client->transport->room(client->endpoint, &outgoing->wait);
        if (room == CLIENT_FULL)
            return;
        if (room == CLIENT_GONE)
            break;
        size_t size = handout_next(outgoing->handout, handouts->buffer, sizeof handouts->buffer,
                                   handouts_now(handouts));
        if (size > 0)
            client->transport->send(client, handouts->buffer, size);
    }
    end_outgoing(outgoing, room == CLIENT_GONE || handout_is_cut(outgoing->handout));
}

static void on_room(struct client_wait *wait)
{
    pump((struct outgoing *)wait);
}

static int go_on(struct handouts *handouts, const struct handouts_query *query,
                 struct handout *handout)
{
    struct outgoing *outgoing = malloc(sizeof *outgoing);
    if (!outgoing) {
        counter_add(&query->counters->cut, 1);
        handout_end(handout);
        return 0;
    }
    *outgoing = (struct outgoing){
        .wait = {.ring = on_room},
        .handouts = handouts,
        .client = *query->client,
        .handout = handout,
        .authority = authority_ref(query->authority),
        .counters = query->counters,
    };
    outgoing->client.asked = (struct micro){0}; /* a transfer is no answer */
    query->client->transport->hold(query->client->endpoint);
    pump(outgoing);
    return 0;
}

static int answer_at_once(struct handouts *handouts, const struct handouts_query *query,
                          struct handout *handout)
{
    size_t size = handout_next(handout, query->reply, DNS_EDNS_UDP, handouts->options.unix_now());
    counter_add(&query->counters->cut, handout_is_cut(handout));
    handout_end(handout);
    return (int)size;
}

/* ---- */

/* An RCODE without records; signed as the question was. */
static int refuse(struct handouts *handouts, const struct handouts_query *query,
                  struct signature *signature, uint16_t rcode)
{
    const struct message *message = handouts->message;
    const size_t room = query->stream ? DNS_MAX_MESSAGE : DNS_EDNS_UDP;
    struct builder builder;
    build_start(&builder, query->reply, room);
    build_question(&builder, &message->question);
    if (message->edns.present)
        build_opt(&builder, DNS_EDNS_UDP, 0, message->edns.dnssec_ok, EDE_NONE);
    int size = build_finish(&builder, message->id,
                            (uint16_t)(FLAG_QR | (message->flags & FLAG_RD) | rcode));
    if (size > 0)
        size = signature_answer(signature, query->reply, (size_t)size, room,
                                handouts->options.unix_now());
    signature_end(signature);
    return size > 0 ? size : 0;
}

static int begin(struct handouts *handouts, const struct handouts_query *query,
                 const struct streamed_zone *zone, struct signature *signature, bool may)
{
    struct handout *handout = NULL;
    const struct handout_request request = {
        .query = handouts->message,
        .signature = signature,
        .tcp = query->stream,
        .may = may,
        .zone = streamed_state(zone) == STREAMED_LIVE ? streamed_data(zone) : NULL,
        .history = streamed_history(zone),
        .places = handouts->options.places,
    };
    enum handout_result result = handout_begin(&request, &handout);
    count(query->counters, result, handout);
    if (result != HANDOUT_BEGUN)
        return refuse(handouts, query, signature, handout_rcode(result));
    return query->stream ? go_on(handouts, query, handout)
                         : answer_at_once(handouts, query, handout);
}

int handouts_take(struct handouts *handouts, const struct handouts_query *query)
{
    struct signature signature;
    bool may;
    const struct message *message = handouts->message;
    if (message_parse(handouts->message, query->bytes, query->size) < 0 ||
        message->question.class != CLASS_IN || (query->stream && !query->client->transport->room))
        return ERR_NOT_FOUND;
    signature_check(authority_keys(query->authority), query->bytes, query->size,
                    handouts->options.unix_now(), &signature);
    const struct streamed_zone *zone = authority_handout(query->authority, message->question.name,
                                                         &query->client->peer, signature.key, &may);
    if (!zone) {
        signature_end(&signature);
        return ERR_NOT_FOUND;
    }
    if (signature.fault == TSIG_OK)
        return begin(handouts, query, zone, &signature, may);
    counter_add(&query->counters->bad_signatures, 1);
    return refuse(handouts, query, &signature, signature_rcode(&signature));
}
