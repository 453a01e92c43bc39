/*
 * fuzz_answer.c - any bytes as a response to the question in them: followed, made an answer, kept, and given out again.
 *
 * Whatever comes of it can be read again, holds no record that was not in the response but for CNAMEs that its DNAMEs
 * imply, and is the same set of records from hit to hit.
 */
#include <stdlib.h>

#include "cache/store.h"
#include "dns/build.h"
#include "resolver/answer/chain.h"
#include "resolver/answer/compose.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { HITS = 3 };

static struct fixture {
    struct validity *validity;
    struct store *store;
    struct composer *composer;
    struct message *response, *reply;
} f;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void set_up(void)
{
    f.validity = validity_new(&(struct validity_options){.marks = 64, .key = 7});
    f.store = store_new(
        &(struct store_options){.size = 1 << 22,
                                .shards = 1,
                                .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 9},
                                .validity = f.validity});
    f.composer = composer_new(f.validity);
    f.response = message_new();
    f.reply = message_new();
    must(f.validity && f.store && f.composer && f.response && f.reply);
}

static size_t count_of(const struct message *message)
{
    return (size_t)message->answer_count + message->authority_count + message->additional_count;
}

static bool has_record(const struct message *message, const struct record *record)
{
    for (size_t i = 0; i < count_of(message); i++) {
        const struct record *one = &message->records[i];
        if (one->type == record->type && one->class == record->class &&
            name_equal(one->owner, record->owner) &&
            rdata_compare(one->type, one->rdata, one->rdata_size, record->rdata,
                          record->rdata_size) == 0)
            return true;
    }
    return false;
}

/* A message of the question and a body, read again. */
static void read_body(const uint8_t *body, size_t size, const uint16_t counts[3],
                      const struct question *question)
{
    static uint8_t wire[DNS_MAX_MESSAGE];
    struct builder builder;
    build_start(&builder, wire, sizeof wire);
    build_question(&builder, question);
    must(!builder.out.failed && builder.out.at + size <= sizeof wire);
    memcpy(wire + builder.out.at, body, size);
    wire_put_u16(wire + 2, FLAG_QR | FLAG_AA | RCODE_NXDOMAIN);
    wire_put_u16(wire + 4, 1);
    for (size_t i = 0; i < 3; i++)
        wire_put_u16(wire + 6 + 2 * i, counts[i]);
    must(message_parse(f.reply, wire, builder.out.at + size) == ERR_OK);
    must(f.reply->answer_count == counts[0] && f.reply->authority_count == counts[1]);
    for (size_t i = 0; i < count_of(f.reply); i++)
        must(f.reply->records[i].type == TYPE_CNAME ||
             has_record(f.response, &f.reply->records[i]));
}

static void keep_and_give(const struct answer *answer, const struct question *question)
{
    static uint8_t body[DNS_MAX_MESSAGE];
    struct answer_key key;
    struct store_hit hit;
    store_key(f.store,
              &(struct key_parts){.name = question->name,
                                  .type = question->type,
                                  .class = question->class,
                                  .dnssec_ok = true},
              &key);
    if (!store_put(f.store, &key, answer, validity_now(f.validity), (struct mono){1000}))
        return;
    for (uint64_t i = 0; i < HITS; i++) {
        const struct store_look look = {
            .key = &key, .now = {1000 + 1000 * i}, .buffer = body, .room = sizeof body};
        if (store_get(f.store, &look, &hit) == STORE_HIT)
            read_body(body, hit.body_size, hit.counts, question);
    }
    store_drop(f.store, (const uint8_t[]){0}, true);
}

static void follow(const struct question *question, bool dnssec_ok)
{
    static const struct source_worth worth = {.as_old_as = {UINT64_MAX}};
    struct chain chain;
    chain_start(&chain, question, dnssec_ok);
    enum chain_end end = chain_follow(&chain, f.response);
    if (end == CHAIN_CONTINUES)
        must(chain_keep(&chain) == ERR_OK);
    if (end == CHAIN_DATA || end == CHAIN_NODATA || end == CHAIN_NXDOMAIN) {
        struct answer *answer = compose_answer(f.composer, &(struct composition){
                                                               .question = question,
                                                               .chain = &chain,
                                                               .end = end,
                                                               .dnssec_ok = dnssec_ok,
                                                               .worth = &worth,
                                                           });
        if (answer) {
            read_body(answer->body, answer->body_size, answer->counts, question);
            keep_and_give(answer, question);
        }
    }
    chain_free(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!f.store)
        set_up();
    if (message_parse(f.response, bytes, size) != ERR_OK || f.response->question.name_size == 0)
        return 0;
    struct question question = f.response->question;
    name_lower(question.name, question.name_size, question.name);
    follow(&question, false);
    follow(&question, true);
    return 0;
}
