/*
 * test_tsig.c - signed messages (dns/tsig.h): MACs as dnspython computes them, chains, and each way one can be wrong.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "dns/build.h"
#include "dns/tsig.h"

/* -- helpers ----------------------------------------------------------------------------------- */

#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* 00 01 .. 1f */

enum { NOW = 1700000000, ROOM = 1024 };

struct wire {
    uint8_t bytes[ROOM];
    size_t size;
};

static struct tsig_key key_of(const char *text)
{
    struct tsig_key key;
    assert_int_equal(tsig_key_from_text(text, &key), 0);
    return key;
}

static struct tsig_key usual_key(void)
{
    return key_of("hmac-sha256:Transfer.example.com.:" SECRET);
}

static struct wire plain(uint16_t id, uint16_t flags)
{
    struct wire wire;
    struct builder builder;
    struct question question = {.type = TYPE_SOA, .class = CLASS_IN};
    question.name_size = (uint8_t)name_from_text("example.com.", question.name);
    build_start(&builder, wire.bytes, ROOM);
    build_question(&builder, &question);
    wire.size = (size_t)build_finish(&builder, id, flags);
    return wire;
}

static struct wire signed_by(struct tsig_chain *chain, uint16_t flags, uint64_t now)
{
    struct wire wire = plain(0x1234, flags);
    int size = tsig_sign(chain, wire.bytes, wire.size, ROOM, now);
    assert_true(size > 0);
    wire.size = (size_t)size;
    return wire;
}

static int verify(struct tsig_chain *chain, const struct wire *wire, uint64_t now)
{
    struct tsig tsig;
    int found = tsig_find(wire->bytes, wire->size, &tsig);
    assert_true(found == 0 || found == ERR_NOT_FOUND);
    return tsig_verify(chain, wire->bytes, wire->size, found == 0 ? &tsig : NULL, now);
}

static void mac_is(const struct wire *wire, const char *hex)
{
    struct tsig tsig;
    char text[2 * TSIG_MAX_MAC + 1];
    assert_int_equal(tsig_find(wire->bytes, wire->size, &tsig), 0);
    for (size_t k = 0; k < tsig.mac_size; k++)
        snprintf(text + 2 * k, 3, "%02x", tsig.mac[k]);
    assert_string_equal(text, hex);
}

/* A client and a server after the query and the first response. */
struct pair {
    struct tsig_key key;
    struct tsig_chain client, server;
};

static void open_pair(struct pair *pair)
{
    pair->key = usual_key();
    pair->client = tsig_chain_begin(&pair->key);
    pair->server = tsig_chain_begin(&pair->key);
    struct wire query = signed_by(&pair->client, 0, NOW);
    assert_int_equal(verify(&pair->server, &query, NOW), TSIG_OK);
    struct wire first = signed_by(&pair->server, FLAG_QR, NOW);
    assert_int_equal(verify(&pair->client, &first, NOW), TSIG_OK);
    assert_true(tsig_chain_is_proven(&pair->client));
}

static void close_pair(struct pair *pair)
{
    tsig_chain_end(&pair->client);
    tsig_chain_end(&pair->server);
}

/* -- MACs -------------------------------------------------------------------------------------- */

/* A query, its response, and the second message of it, by dnspython 2.3. */
static void macs_are_those_of_another_implementation(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *macs[3];
    } cases[] = {
        {"hmac-sha256:transfer.example.com:" SECRET,
         {"94d78c982f601525d1c4cb538de2aa2e49f48d46d1d30f4131bb241d0c41ba21",
          "cc7ea59fce29978bd456947471af1db8c4cc0545a5478be23f9570f435131f9f",
          "aabe35a7ed4fcae79201c0b2efb38f959ebff7bbde37b80cc62cc9953d86fbc3"}},
        {"HMAC-SHA512:transfer.example.com.:" SECRET,
         {"e913caa34c536f4e4ba081a7839350cc838194e87fff45ee2cc54d59885061619dda616c3e7bae62bb829c90"
          "5a4cbbaed48d922f08dcbf92697a4d5510a959a8",
          "273fa046379b61f9e68847f6e2f0c6eb0d492efe9c30d433de208c7b56123f90f0547c9d7a8b67b82ecbd53e"
          "2cb8f54643df541773b5244422c0fe6c59cd712c",
          "3c91b41d00b6539015327fb1026eb8639c91ef38060df32dde25e8fa4056201eeb2191ab02fca670ecfbe7ee"
          "1688696b457da7ad0700b61bee8837b2df54207a"}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct tsig_key key = key_of(cases[k].key);
        struct tsig_chain chain = tsig_chain_begin(&key);
        for (unsigned n = 0; n < 3; n++) {
            struct wire wire = signed_by(&chain, n ? 0x8400 : 0, NOW + n);
            mac_is(&wire, cases[k].macs[n]);
        }
        tsig_chain_end(&chain);
    }
}

static void a_key_of_text(void **state)
{
    (void)state;
    struct tsig_key key;
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"transfer:" SECRET, 0},
        {"hmac-sha512:transfer:" SECRET, 0},
        {"transfer", ERR_FORMAT},
        {"", ERR_FORMAT},
        {"hmac-md5:transfer:" SECRET, ERR_TYPE},
        {"a..b:" SECRET, ERR_NAME},
        {":" SECRET, ERR_NAME},
        {"transfer:", ERR_RDATA},
        {"transfer:no base64!", ERR_RDATA},
        {"transfer:AAECAw==", ERR_RDATA}, /* four bytes */
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        assert_int_equal(tsig_key_from_text(cases[k].text, &key), cases[k].error);
}

/* -- chains ------------------------------------------------------------------------------------ */

static void a_transfer_may_leave_99_messages_unsigned(void **state)
{
    (void)state;
    struct pair pair;
    struct wire between = plain(0x1234, FLAG_QR);
    open_pair(&pair);
    for (size_t k = 0; k < TSIG_MAX_UNSIGNED; k++) {
        assert_int_equal(verify(&pair.client, &between, NOW), TSIG_OK);
        assert_false(tsig_chain_is_proven(&pair.client));
    }
    assert_int_equal(verify(&pair.client, &between, NOW), TSIG_BADSIG);
    close_pair(&pair);
}

/* What the unsigned ones said is in the next MAC. The server's side of it is the same sum, made by hand. */
static void unsigned_messages_are_covered_by_the_next_mac(void **state)
{
    (void)state;
    for (int altered = 0; altered < 2; altered++) {
        struct pair pair;
        struct wire between = plain(0x1234, FLAG_QR);
        open_pair(&pair);
        assert_int_equal(verify(&pair.server, &between, NOW), TSIG_OK);
        struct wire last = signed_by(&pair.server, FLAG_QR, NOW);
        between.bytes[DNS_HEADER_SIZE + 1] ^= (uint8_t)altered;
        assert_int_equal(verify(&pair.client, &between, NOW), TSIG_OK);
        assert_int_equal(verify(&pair.client, &last, NOW), altered ? TSIG_BADSIG : TSIG_OK);
        assert_int_equal(tsig_chain_is_proven(&pair.client), !altered);
        close_pair(&pair);
    }
}

static void messages_of_a_chain_have_an_order(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    (void)signed_by(&pair.server, FLAG_QR, NOW); /* lost */
    struct wire third = signed_by(&pair.server, FLAG_QR, NOW);
    assert_int_equal(verify(&pair.client, &third, NOW), TSIG_BADSIG);
    close_pair(&pair);
}

static void the_first_response_is_signed(void **state)
{
    (void)state;
    struct tsig_key key = usual_key();
    struct tsig_chain client = tsig_chain_begin(&key);
    (void)signed_by(&client, 0, NOW);
    struct wire response = plain(0x1234, FLAG_QR);
    assert_int_equal(verify(&client, &response, NOW), TSIG_BADSIG);
    tsig_chain_end(&client);
}

static void a_response_to_another_query_is_none(void **state)
{
    (void)state;
    struct tsig_key key = usual_key();
    struct tsig_chain client = tsig_chain_begin(&key), other = tsig_chain_begin(&key),
                      server = tsig_chain_begin(&key);
    (void)signed_by(&client, 0, NOW);
    struct wire query = signed_by(&other, 0, NOW + 1);
    assert_int_equal(verify(&server, &query, NOW), TSIG_OK);
    struct wire response = signed_by(&server, FLAG_QR, NOW);
    assert_int_equal(verify(&client, &response, NOW), TSIG_BADSIG);
    assert_int_equal(verify(&other, &response, NOW), TSIG_OK);
    tsig_chain_end(&client);
    tsig_chain_end(&other);
    tsig_chain_end(&server);
}

/* -- what is wrong ----------------------------------------------------------------------------- */

static int one_query(const char *signer, const char *checker, uint64_t now, int alter)
{
    struct tsig_key ours = key_of(signer), theirs = key_of(checker);
    struct tsig_chain client = tsig_chain_begin(&ours), server = tsig_chain_begin(&theirs);
    struct wire query = signed_by(&client, 0, NOW);
    if (alter >= 0)
        query.bytes[alter] ^= 1;
    int result = verify(&server, &query, now);
    tsig_chain_end(&client);
    tsig_chain_end(&server);
    return result;
}

#define K "transfer.example.com.:" SECRET

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    enum { IN_QUESTION = DNS_HEADER_SIZE + 2 };
    assert_int_equal(one_query(K, "TRANSFER.example.com.:" SECRET, NOW, -1), TSIG_OK);
    assert_int_equal(one_query(K, "other.example.com.:" SECRET, NOW, -1), TSIG_BADKEY);
    assert_int_equal(one_query(K, "hmac-sha512:" K, NOW, -1), TSIG_BADKEY);
    assert_int_equal(one_query(K, "transfer.example.com.:BBECAwQFBgcICQoLDA0ODw==", NOW, -1),
                     TSIG_BADSIG);
    assert_int_equal(one_query(K, K, NOW, IN_QUESTION), TSIG_BADSIG);
    assert_int_equal(one_query(K, K, NOW, 2), TSIG_BADSIG); /* the flags */
    assert_int_equal(one_query(K, K, NOW + TSIG_FUDGE, -1), TSIG_OK);
    assert_int_equal(one_query(K, K, NOW - TSIG_FUDGE, -1), TSIG_OK);
    assert_int_equal(one_query(K, K, NOW + TSIG_FUDGE + 1, -1), TSIG_BADTIME);
    assert_int_equal(one_query(K, K, NOW - TSIG_FUDGE - 1, -1), TSIG_BADTIME);
    assert_int_equal(one_query(K, K, 0, -1), TSIG_BADTIME);
}

/* A forwarder gives a message another ID; the one that was signed is in the record. */
static void the_id_on_the_way_does_not_matter(void **state)
{
    (void)state;
    assert_int_equal(one_query(K, K, NOW, 0), TSIG_OK);
}

static void a_mac_cut_short(void **state)
{
    (void)state;
    struct tsig_key key = usual_key();
    static const struct {
        uint16_t size;
        int result;
    } cases[] = {{32, TSIG_OK},   {31, TSIG_BADTRUNC}, {16, TSIG_BADTRUNC}, {15, ERR_FORMAT},
                 {1, ERR_FORMAT}, {0, TSIG_BADSIG},    {33, ERR_FORMAT}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct tsig tsig;
        struct tsig_chain client = tsig_chain_begin(&key), server = tsig_chain_begin(&key);
        struct wire query = signed_by(&client, 0, NOW);
        assert_int_equal(tsig_find(query.bytes, query.size, &tsig), 0);
        tsig.mac_size = cases[k].size;
        assert_int_equal(tsig_verify(&server, query.bytes, query.size, &tsig, NOW),
                         cases[k].result);
        tsig_chain_end(&client);
        tsig_chain_end(&server);
    }
}

static void a_tsig_is_the_last_record_and_whole(void **state)
{
    (void)state;
    struct tsig_key key = usual_key();
    struct tsig tsig;
    struct tsig_chain client = tsig_chain_begin(&key);
    struct wire query = signed_by(&client, 0, NOW);
    assert_int_equal(tsig_find(query.bytes, query.size, &tsig), 0);
    for (size_t cut = 0; cut < query.size; cut++)
        assert_true(tsig_find(query.bytes, cut, &tsig) < 0);
    assert_int_equal(tsig_find(query.bytes, query.size + 1, &tsig), ERR_FORMAT);
    struct tsig_chain again = tsig_chain_begin(&key); /* two of them */
    int size = tsig_sign(&again, query.bytes, query.size, ROOM, NOW);
    assert_true(size > 0);
    assert_int_equal(tsig_find(query.bytes, (size_t)size, &tsig), ERR_FORMAT);
    struct wire without = plain(1, 0);
    assert_int_equal(tsig_find(without.bytes, without.size, &tsig), ERR_NOT_FOUND);
    tsig_chain_end(&client);
    tsig_chain_end(&again);
}

static void what_does_not_fit_is_not_signed(void **state)
{
    (void)state;
    struct tsig_key key = usual_key();
    struct tsig_chain chain = tsig_chain_begin(&key);
    struct wire wire = plain(1, 0), before = wire;
    assert_int_equal(tsig_sign(&chain, wire.bytes, wire.size, wire.size + 50, NOW), ERR_SPACE);
    assert_memory_equal(wire.bytes, before.bytes, wire.size);
    tsig_chain_end(&chain);
}

/* -- refusals ---------------------------------------------------------------------------------- */

static void a_refusal_says_why(void **state)
{
    (void)state;
    static const struct {
        int fault;
        uint64_t time;
        size_t mac_size, other_size;
        int seen; /* by the client */
    } cases[] = {{TSIG_BADKEY, NOW + 900, 0, 0, TSIG_BADSIG},
                 {TSIG_BADSIG, NOW + 900, 0, 0, TSIG_BADSIG},
                 {TSIG_BADTIME, NOW, 32, 6, TSIG_OK},
                 {TSIG_BADTRUNC, NOW + 900, 32, 0, TSIG_BADTIME}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct tsig_key key = usual_key();
        struct tsig tsig, answer;
        struct tsig_chain client = tsig_chain_begin(&key), server = tsig_chain_begin(&key);
        struct wire query = signed_by(&client, 0, NOW);
        assert_int_equal(tsig_find(query.bytes, query.size, &tsig), 0);
        assert_int_equal(verify(&server, &query, NOW + 900), TSIG_BADTIME);
        struct wire refusal = plain(0x1234, FLAG_QR | 9);
        int size = tsig_refuse(&server, &tsig, cases[k].fault, refusal.bytes, refusal.size, ROOM,
                               NOW + 900);
        assert_true(size > 0);
        refusal.size = (size_t)size;
        assert_int_equal(tsig_find(refusal.bytes, refusal.size, &answer), 0);
        assert_int_equal(answer.error, cases[k].fault);
        assert_int_equal(answer.time, cases[k].time);
        assert_int_equal(answer.mac_size, cases[k].mac_size);
        assert_int_equal(answer.other_size, cases[k].other_size);
        assert_int_equal(verify(&client, &refusal, NOW), cases[k].seen);
        tsig_chain_end(&client);
        tsig_chain_end(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macs_are_those_of_another_implementation),
        cmocka_unit_test(a_key_of_text),
        cmocka_unit_test(a_transfer_may_leave_99_messages_unsigned),
        cmocka_unit_test(unsigned_messages_are_covered_by_the_next_mac),
        cmocka_unit_test(messages_of_a_chain_have_an_order),
        cmocka_unit_test(the_first_response_is_signed),
        cmocka_unit_test(a_response_to_another_query_is_none),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(the_id_on_the_way_does_not_matter),
        cmocka_unit_test(a_mac_cut_short),
        cmocka_unit_test(a_tsig_is_the_last_record_and_whole),
        cmocka_unit_test(what_does_not_fit_is_not_signed),
        cmocka_unit_test(a_refusal_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
