/*
 * test_capture.c - a captured zone under a made-up clock, with a scripted primary and a scripted Kafka (origin/capture.h).
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "dns/record.h"
#include "origin/capture.h"

/* -- the world --------------------------------------------------------------------------------- */

enum { SECOND = 1000000, LOG_SIZE = 32768 };

static char
    happened[LOG_SIZE]; /* "soa@0 ", "ixfr@1 ", "axfr@0 ", "hangup ", "publish 7: SET ...; " */
static struct capture *capture;
static struct zone *zone;
static struct capture_counts counts;
static struct capture_now now;
static uint16_t id;
static uint8_t query[2048]; /* the last that was asked */
static size_t query_size;
static int publishing; /* what publish() returns */
static size_t ahead;   /* how many sets may be under way at once, in the next world */
static int64_t offset;
static struct tsig_key key;
static struct tsig_chain server;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    size_t used = strlen(happened);
    va_start(args, format);
    vsnprintf(happened + used, sizeof happened - used, format, args);
    va_end(args);
}

/* All that has happened since this was asked last is this. */
static void then(const char *wanted)
{
    assert_string_equal(happened, wanted);
    happened[0] = '\0';
}

static void forget(void)
{
    happened[0] = '\0';
}

static void keep_query(const char *what, size_t primary, const uint8_t *bytes, size_t size)
{
    say("%s@%zu ", what, primary);
    memcpy(query, bytes, size);
    query_size = size;
}

static void act_send(void *arg, struct capture *who, size_t primary, const uint8_t *bytes,
                     size_t size)
{
    (void)arg, (void)who;
    keep_query("soa", primary, bytes, size);
}

static void act_ask(void *arg, struct capture *who, size_t primary, const uint8_t *bytes,
                    size_t size)
{
    (void)arg, (void)who;
    const uint8_t *type = bytes + DNS_HEADER_SIZE + name_size(bytes + DNS_HEADER_SIZE);
    keep_query(wire_get_u16(type) == TYPE_IXFR ? "ixfr" : "axfr", primary, bytes, size);
}

static void act_hang_up(void *arg, struct capture *who)
{
    (void)arg, (void)who;
    say("hangup ");
}

static int act_publish(void *arg, struct capture *who, const struct change_set *set)
{
    char line[1024];
    (void)arg, (void)who;
    if (publishing < 0 && !set->in_snapshot)
        return publishing;
    say("publish %u:%s", set->serial, set->in_snapshot ? " in a snapshot" : "");
    for (size_t k = 0; k < set->change_count; k++) {
        assert_true(change_to_text(&set->changes[k], line, sizeof line) > 0);
        if (set->changes[k].type == TYPE_SOA)
            strcpy(line, "SOA");
        say(" %s;", line);
    }
    say(" ");
    return 0;
}

static void act_snapshot(void *arg, struct capture *who, int32_t partition, int64_t at)
{
    (void)arg, (void)who;
    say("snapshot %d/%d ", partition, (int)at);
}

static uint16_t act_id(void *arg)
{
    (void)arg;
    return ++id;
}

static void act_note(void *arg, struct capture *who, enum capture_note note, const char *detail)
{
    (void)arg, (void)who, (void)detail;
    if (note == CAPTURE_NOTE_EXPIRED)
        say("expired ");
    if (note == CAPTURE_NOTE_BACK)
        say("back ");
}

static const struct capture_actions actions = {act_send,     act_ask, act_hang_up, act_publish,
                                               act_snapshot, act_id,  act_note,    NULL};

static void open_world(size_t primaries, bool is_signed)
{
    uint8_t apex[NAME_MAX_SIZE];
    forget();
    memset(&counts, 0, sizeof counts);
    now = (struct capture_now){.us = 1000 * (uint64_t)SECOND,
                               .wall_us = (int64_t)1700000000 * SECOND};
    publishing = 0;
    offset = 0;
    assert_true(name_from_text("example.com.", apex) > 0);
    assert_int_equal(zone_new(apex, &zone), 0);
    assert_int_equal(tsig_key_from_text("k:AAECAwQFBgcICQoLDA0ODw==", &key), 0);
    capture = capture_new(&(struct capture_options){.zone = zone,
                                                    .primary_count = primaries,
                                                    .key = is_signed ? &key : NULL,
                                                    .publisher = "tests",
                                                    .counts = &counts,
                                                    .ahead = ahead,
                                                    .actions = &actions});
    assert_non_null(capture);
}

static int close_world(void **state)
{
    (void)state;
    capture_free(capture);
    zone_free(zone);
    tsig_chain_end(&server);
    ahead = 0;
    capture = NULL;
    zone = NULL;
    return 0;
}

static void pass(uint64_t ms)
{
    now.us += ms * 1000;
    now.wall_us += (int64_t)ms * 1000;
    capture_tick(capture, now);
}

/* -- a primary's answers ----------------------------------------------------------------------- */

#define LINES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

struct wire {
    uint8_t bytes[4096];
    size_t size;
};

/* An answer to the query that was asked last. "SOA 7": refresh 100 s, retry 10 s, expire 1000 s. */
static struct wire respond(uint16_t flags, const char *const *lines)
{
    static struct builder builder;
    struct wire wire;
    struct question question = {.class = CLASS_IN};
    question.name_size = (uint8_t)name_size(query + DNS_HEADER_SIZE);
    memcpy(question.name, query + DNS_HEADER_SIZE, question.name_size);
    question.type = wire_get_u16(query + DNS_HEADER_SIZE + question.name_size);
    build_start(&builder, wire.bytes, sizeof wire.bytes);
    build_question(&builder, &question);
    for (; lines && *lines; lines++) {
        struct record_room room;
        struct record record;
        char text[200];
        unsigned serial;
        snprintf(text, sizeof text, "%s", *lines);
        if (sscanf(*lines, "SOA %u", &serial) == 1)
            snprintf(text, sizeof text,
                     "example.com. 3600 IN SOA ns.example.com. root.example.com. %u 100 10 1000 60",
                     serial);
        assert_int_equal(record_from_text(text, 60, &room, &record), 0);
        build_record(&builder, SECTION_ANSWER, &record);
    }
    int size = build_finish(&builder, wire_get_u16(query), flags);
    assert_true(size > 0);
    wire.size = (size_t)size;
    return wire;
}

enum { GOOD = FLAG_QR | FLAG_AA };

static void sign(struct wire *wire, bool first)
{
    struct tsig tsig;
    if (first) {
        tsig_chain_end(&server);
        server = tsig_chain_begin(&key);
        assert_int_equal(tsig_find(query, query_size, &tsig), 0);
        assert_int_equal(
            tsig_verify(&server, query, query_size, &tsig, (uint64_t)(now.wall_us / SECOND)),
            TSIG_OK);
    }
    int size = tsig_sign(&server, wire->bytes, wire->size, sizeof wire->bytes,
                         (uint64_t)(now.wall_us / SECOND));
    assert_true(size > 0);
    wire->size = (size_t)size;
}

static void by_udp(size_t primary, uint16_t flags, const char *const *lines)
{
    struct wire wire = respond(flags, lines);
    capture_datagram(capture, primary, wire.bytes, wire.size, now);
}

static void by_tcp(uint16_t flags, const char *const *lines)
{
    struct wire wire = respond(flags, lines);
    capture_message(capture, wire.bytes, wire.size, now);
}

static void acknowledge(void)
{
    capture_published(capture, 0, 2, offset++, now);
}

static enum capture_state state_now(void)
{
    struct capture_status status;
    capture_status(capture, &status);
    return status.state;
}

static uint32_t serial_now(void)
{
    uint32_t serial = 0;
    (void)zone_serial(zone_state(zone), &serial);
    return serial;
}

#define WWW  "www.example.com. 60 IN A 192.0.2.1"
#define WWW2 "www.example.com. 60 IN A 192.0.2.2"
#define MAIL "mail.example.com. 60 IN A 192.0.2.3"

/* Holds version 5 with www. */
static void at_version_5(size_t primaries)
{
    open_world(primaries, false);
    capture_start(capture, CAPTURE_KNOWN, now);
    by_udp(0, GOOD, LINES("SOA 5"));
    by_tcp(GOOD, LINES("SOA 5", WWW, "SOA 5"));
    acknowledge();
    assert_int_equal(state_now(), CAPTURE_IDLE);
    forget();
}

/* -- versions ---------------------------------------------------------------------------------- */

static void the_first_time(void **state)
{
    (void)state;
    open_world(1, false);
    assert_int_equal(capture_due(capture), UINT64_MAX);
    capture_start(capture, CAPTURE_KNOWN, now);
    then("soa@0 ");
    by_udp(0, GOOD, LINES("SOA 5"));
    then("axfr@0 ");
    by_tcp(GOOD, LINES("SOA 5"));
    by_tcp(GOOD, LINES(WWW));
    then("");
    by_tcp(GOOD, LINES("SOA 5"));
    then("publish 5: SET www.example.com. 60 A 192.0.2.1; SOA; ");
    assert_int_equal(capture_due(capture), UINT64_MAX);
    acknowledge();
    then("");
    assert_int_equal(capture_due(capture), now.us + 100 * (uint64_t)SECOND); /* refresh */
    assert_int_equal(counts.versions, 1);
}

static void a_notify_with_its_serial_asks_at_once(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    then("ixfr@0 ");
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", WWW, "SOA 6", WWW2, "SOA 6"));
    then("publish 6: SET www.example.com. 60 A 192.0.2.2; SOA; ");
    acknowledge();
    capture_notified(capture, 0, true, 6, now);
    then("");
    assert_int_equal(counts.notifies_known, 1);
}

static void p12_versions_are_published_one_after_the_other(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 7, now);
    by_tcp(GOOD, LINES("SOA 7", "SOA 5", "SOA 6", MAIL, "SOA 6", MAIL, "SOA 7", WWW2, "SOA 7"));
    then("ixfr@0 publish 6: SET mail.example.com. 60 A 192.0.2.3; SOA; ");
    pass(60000); /* Kafka is away */
    then("");
    acknowledge();
    then("publish 7: DEL mail.example.com.; SET www.example.com. 60 A 192.0.2.1, 192.0.2.2; SOA; ");
    acknowledge();
    assert_int_equal(state_now(), CAPTURE_IDLE);
    assert_int_equal(counts.versions, 3);
}

/* From version 5 to 8; the last deletes `last`. */
static void hand_out_three(const char *last)
{
    capture_notified(capture, 0, true, 8, now);
    by_tcp(GOOD, LINES("SOA 8", "SOA 5", "SOA 6", MAIL, "SOA 6", MAIL, "SOA 7", WWW2, "SOA 7", last,
                       "SOA 8", "SOA 8"));
}

#define SIX "publish 6: SET mail.example.com. 60 A 192.0.2.3; SOA; "
#define SEVEN                                                                                      \
    "publish 7: DEL mail.example.com.; SET www.example.com. 60 A 192.0.2.1, 192.0.2.2; SOA; "
#define EIGHT "publish 8: SET www.example.com. 60 A 192.0.2.1; SOA; "

static uint32_t acknowledged_now(void)
{
    struct capture_status status;
    capture_status(capture, &status);
    return status.acknowledged;
}

static void p12_some_at_once_where_they_stay_in_order(void **state)
{
    (void)state;
    ahead = 2;
    at_version_5(1);
    hand_out_three(WWW2);
    then("ixfr@0 " SIX SEVEN);
    capture_notified(capture, 0, true, 9, now);
    then("");
    acknowledge();
    assert_int_equal(acknowledged_now(), 6);
    then(EIGHT);
    acknowledge();
    assert_int_equal(acknowledged_now(), 7);
    then("");
    acknowledge();
    assert_int_equal(acknowledged_now(), 8);
    then("ixfr@0 ");
    assert_int_equal(counts.versions, 4);
}

static void p12_what_does_not_fit_waits_for_what_is_under_way(void **state)
{
    (void)state;
    ahead = 64;
    at_version_5(1);
    hand_out_three(MAIL); /* there is none any more */
    then("ixfr@0 " SIX SEVEN);
    acknowledge();
    then("");
    acknowledge();
    then("axfr@0 ");
    assert_int_equal(counts.fallbacks, 1);
}

static void p12_what_is_behind_one_that_the_broker_does_not_take(void **state)
{
    (void)state;
    ahead = 64;
    at_version_5(1);
    hand_out_three(WWW2);
    then("ixfr@0 " SIX SEVEN EIGHT);
    acknowledge();
    capture_published(capture, ERR_TOO_LARGE, -1, -1, now);
    then("publish 8: in a snapshot ");
    capture_published(capture, 0, 2, 41, now);
    then("snapshot 2/42 ");
    capture_published(capture, 0, -1, -1, now);
    then("");
    assert_int_equal(acknowledged_now(), 8);
    assert_int_equal(state_now(), CAPTURE_IDLE);
}

static void p12_a_large_one_is_the_last_under_way(void **state)
{
    (void)state;
    ahead = 64;
    at_version_5(1);
    publishing = ERR_TOO_LARGE;
    hand_out_three(WWW2);
    then("ixfr@0 publish 6: in a snapshot ");
    publishing = 0;
    acknowledge();
    then("snapshot 2/2 ");
    capture_published(capture, 0, -1, -1, now);
    assert_int_equal(acknowledged_now(), 6);
    then(SEVEN EIGHT);
}

static void notifies_that_come_meanwhile_are_one(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    forget();
    for (uint32_t serial = 7; serial < 100; serial++)
        capture_notified(capture, 0, true, serial, now);
    then("");
    acknowledge();
    then("ixfr@0 ");
    assert_int_equal(counts.notifies_joined, 92);
}

/* NSD tells of a version before the process that answers has it. */
static void a_notify_that_comes_before_the_version_does(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 5"));
    then("ixfr@0 ");
    for (unsigned k = 0; k < CAPTURE_PROMISE_TRIES; k++) {
        assert_int_equal(capture_due(capture), now.us + (100000u << k));
        pass(100u << k);
        then("soa@0 ");
        by_udp(0, GOOD, LINES("SOA 5"));
    }
    assert_int_equal(capture_due(capture), now.us + 100 * (uint64_t)SECOND); /* a hint, no more */
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 5"));
    pass(100);
    by_udp(0, GOOD, LINES("SOA 6"));
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    acknowledge();
    assert_int_equal(capture_due(capture), now.us + 100 * (uint64_t)SECOND);
}

static void nothing_new(void **state)
{
    (void)state;
    at_version_5(1);
    pass(100 * 1000);
    then("soa@0 ");
    by_udp(0, GOOD, LINES("SOA 5"));
    then("");
    capture_notified(capture, 0, false, 0, now);
    then("ixfr@0 ");
    by_tcp(GOOD, LINES("SOA 5"));
    then("");
    assert_int_equal(state_now(), CAPTURE_IDLE);
    assert_int_equal(counts.up_to_date, 2);
}

static void what_is_refused_by_udp_is_asked_for_over_tcp(void **state)
{
    (void)state;
    at_version_5(1);
    pass(100 * 1000);
    then("soa@0 ");
    by_udp(0, GOOD | RCODE_REFUSED, NULL);
    then("ixfr@0 ");
    by_tcp(GOOD, LINES("SOA 5"));
    then("");
    assert_int_equal(counts.up_to_date, 1);
}

static void serials_go_round(void **state)
{
    (void)state;
    open_world(1, false);
    capture_start(capture, CAPTURE_KNOWN, now);
    by_udp(0, GOOD, LINES("SOA 4294967295"));
    by_tcp(GOOD, LINES("SOA 4294967295", "SOA 4294967295"));
    acknowledge();
    forget();
    capture_notified(capture, 0, true, 0, now);
    by_tcp(GOOD, LINES("SOA 0", "SOA 4294967295", "SOA 0", WWW, "SOA 0"));
    then("ixfr@0 publish 0: SET www.example.com. 60 A 192.0.2.1; SOA; ");
}

/* What a wildcard answered, it does not any more once a name comes to be in between (RFC 4592). */
static void a_name_below_a_wildcard_takes_what_it_covered(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", "*.example.com. 60 IN A 192.0.2.9", "SOA 6"));
    acknowledge();
    forget();
    capture_notified(capture, 0, true, 7, now);
    by_tcp(GOOD, LINES("SOA 7", "SOA 6", "SOA 7", "x.y.example.com. 60 IN A 192.0.2.9", "SOA 7"));
    then("ixfr@0 publish 7: FLUSH y.example.com. and all below; SET x.y.example.com. 60 A "
         "192.0.2.9; "
         "SOA; ");
}

/* -- what does not work ------------------------------------------------------------------------ */

static void differences_of_no_use(uint16_t flags, const char *const *lines, const char *next)
{
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    forget();
    by_tcp(flags, lines);
    then(next);
    by_tcp(GOOD, LINES("SOA 6", MAIL, "SOA 6"));
    then("publish 6: DEL www.example.com.; SET mail.example.com. 60 A 192.0.2.3; SOA; ");
    assert_int_equal(counts.fallbacks, 1);
    (void)close_world(NULL);
}

static void a_whole_zone_where_differences_are_of_no_use(void **state)
{
    (void)state;
    differences_of_no_use(GOOD | RCODE_NOTIMP, NULL, "axfr@0 ");
    differences_of_no_use(GOOD | RCODE_SERVFAIL, NULL, "axfr@0 ");
    differences_of_no_use(GOOD | RCODE_REFUSED, NULL, "axfr@0 ");
    differences_of_no_use(GOOD, LINES(WWW), "hangup axfr@0 ");
    differences_of_no_use(GOOD, LINES("SOA 6", "SOA 4", "SOA 6", "SOA 6"), "hangup axfr@0 ");
    /* a record is deleted that is not there */
    differences_of_no_use(GOOD, LINES("SOA 6", "SOA 5", MAIL, "SOA 6", WWW, "SOA 6"), "axfr@0 ");
    assert_int_equal(counts.faults[XFRIN_SINK], 1);
}

static void a_primary_without_ixfr_is_not_asked_for_it_again(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD | RCODE_NOTIMP, NULL);
    by_tcp(GOOD, LINES("SOA 6", WWW2, "SOA 6"));
    acknowledge();
    forget();
    capture_notified(capture, 0, true, 7, now);
    then("axfr@0 ");
}

static void nothing_of_half_a_transfer_is_published(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 7, now);
    by_tcp(GOOD, LINES("SOA 7", "SOA 5", WWW, "SOA 6", MAIL, "SOA 6"));
    forget();
    capture_closed(capture, "the primary closed the connection", now);
    then("hangup ");
    assert_int_equal(serial_now(), 5);
    assert_int_equal(capture_due(capture), now.us + SECOND);
    pass(1000);
    then("soa@0 ");
    assert_int_equal(counts.closed, 1);
}

static void a_primary_that_hangs(void **state)
{
    (void)state;
    at_version_5(2);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6"));
    forget();
    pass(CAPTURE_MESSAGE_MS);
    then("hangup soa@1 "); /* the other one */
    pass(CAPTURE_SOA_MS);
    then("soa@1 ");
    pass(CAPTURE_SOA_MS);
    then("ixfr@1 "); /* UDP may not get through */
    pass(CAPTURE_MESSAGE_MS);
    then("hangup ");
    assert_int_equal(state_now(), CAPTURE_IDLE);
    assert_int_equal(counts.timeouts, 2);
    assert_int_equal(counts.soa_timeouts, 2);
}

static void retries_take_longer_up_to_what_the_soa_says(void **state)
{
    (void)state;
    static const unsigned pauses[] = {1, 2, 4, 8, 10, 10};
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    for (size_t k = 0; k < sizeof pauses / sizeof *pauses; k++) {
        capture_closed(capture, "", now);
        assert_int_equal(capture_due(capture), now.us + pauses[k] * (uint64_t)SECOND);
        pass(pauses[k] * 1000);
        by_udp(0, GOOD, LINES("SOA 6"));
    }
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    acknowledge();
    assert_int_equal(capture_due(capture), now.us + 100 * (uint64_t)SECOND);
}

static void a_zone_expires(void **state)
{
    (void)state;
    struct capture_status status;
    at_version_5(1);
    for (int k = 0; k < 1100; k++)
        pass(1000);
    assert_non_null(strstr(happened, "expired "));
    assert_int_equal(counts.expired, 1);
    capture_status(capture, &status);
    assert_true(status.expired);
    capture_notified(capture, 0, true, 6, now);
}

static void notauth_asks_the_next_primary(void **state)
{
    (void)state;
    at_version_5(2);
    pass(100 * 1000);
    by_udp(0, GOOD | 9, NULL);
    then("soa@0 soa@1 ");
    by_udp(1, GOOD, LINES("SOA 6"));
    then("ixfr@1 ");
    by_tcp(GOOD | 9, NULL);
    then("hangup ");
    assert_int_equal(counts.faults[XFRIN_NOTAUTH], 2);
}

/* -- serials that go back ---------------------------------------------------------------------- */

static void a_zone_made_anew(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 1, now);
    then("ixfr@0 ");
    by_tcp(GOOD, LINES("SOA 1"));
    then("back axfr@0 ");
    by_tcp(GOOD, LINES("SOA 1", MAIL, "SOA 1"));
    then("publish 1: DEL www.example.com.; SET mail.example.com. 60 A 192.0.2.3; SOA; ");
    acknowledge();
    assert_int_equal(serial_now(), 1);
}

static void one_that_lags_is_passed_over(void **state)
{
    (void)state;
    at_version_5(2);
    pass(100 * 1000);
    by_udp(0, GOOD, LINES("SOA 4"));
    then("soa@0 soa@1 ");
    by_udp(1, GOOD, LINES("SOA 5"));
    then("");
    assert_int_equal(serial_now(), 5);
}

static void while_one_does_not_answer_nothing_goes_back(void **state)
{
    (void)state;
    at_version_5(2);
    pass(100 * 1000);
    by_udp(0, GOOD, LINES("SOA 1"));
    forget();
    pass(CAPTURE_SOA_MS);
    pass(CAPTURE_SOA_MS);
    pass(CAPTURE_MESSAGE_MS);
    then("soa@1 ixfr@1 hangup ");
    pass(1000);
    forget();
    by_udp(0, GOOD, LINES("SOA 1"));
    then("soa@1 ");
    by_udp(1, GOOD, LINES("SOA 2"));
    then("back axfr@1 "); /* the newest of what there is */
}

/* -- signatures -------------------------------------------------------------------------------- */

static void at_version_5_signed(void)
{
    open_world(1, true);
    capture_start(capture, CAPTURE_KNOWN, now);
    struct wire soa = respond(GOOD, LINES("SOA 5"));
    sign(&soa, true);
    capture_datagram(capture, 0, soa.bytes, soa.size, now);
    struct wire first = respond(GOOD, LINES("SOA 5", WWW));
    sign(&first, true);
    capture_message(capture, first.bytes, first.size, now);
    struct wire last = respond(GOOD, LINES("SOA 5"));
    sign(&last, false);
    capture_message(capture, last.bytes, last.size, now);
    acknowledge();
    then("soa@0 axfr@0 publish 5: SET www.example.com. 60 A 192.0.2.1; SOA; ");
}

static void signed_transfers(void **state)
{
    (void)state;
    at_version_5_signed();
}

static void an_answer_without_signature_is_none(void **state)
{
    (void)state;
    at_version_5_signed();
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    then("ixfr@0 hangup ");
    assert_int_equal(counts.bad_sig, 1);
    assert_int_equal(serial_now(), 5);
}

static void the_last_message_has_to_be_signed(void **state)
{
    (void)state;
    at_version_5_signed();
    capture_notified(capture, 0, true, 6, now);
    struct wire first = respond(GOOD, LINES("SOA 6", "SOA 5"));
    sign(&first, true);
    capture_message(capture, first.bytes, first.size, now);
    by_tcp(GOOD, LINES("SOA 6", MAIL, "SOA 6"));
    then("ixfr@0 hangup ");
    assert_int_equal(counts.bad_sig, 1);
}

static void a_tsig_that_cannot_be_read_is_no_way_around_it(void **state)
{
    (void)state;
    at_version_5_signed();
    capture_notified(capture, 0, true, 6, now);
    struct wire wire = respond(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    wire_put_u16(wire.bytes + 10, 1); /* an additional record that is not there */
    capture_message(capture, wire.bytes, wire.size, now);
    assert_int_equal(serial_now(), 5);
    assert_int_equal(counts.faults[XFRIN_MALFORMED], 1);
    assert_null(strstr(happened, "publish"));
}

static void another_time(void **state)
{
    (void)state;
    at_version_5_signed();
    capture_notified(capture, 0, true, 6, now);
    struct wire wire = respond(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    sign(&wire, true);
    now.wall_us += (int64_t)(TSIG_FUDGE + 1) * SECOND;
    capture_message(capture, wire.bytes, wire.size, now);
    assert_int_equal(counts.bad_time, 1);
    assert_int_equal(serial_now(), 5);
}

/* -- large versions, and logs that say too little ----------------------------------------------- */

static void a_version_that_fits_no_message(void **state)
{
    (void)state;
    at_version_5(1);
    publishing = ERR_TOO_LARGE;
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    then("ixfr@0 publish 6: in a snapshot ");
    capture_published(capture, 0, 2, 41, now);
    then("snapshot 2/42 "); /* what it says is what comes after that message */
    capture_published(capture, 0, -1, -1, now);
    then("");
    assert_int_equal(state_now(), CAPTURE_IDLE);
    assert_int_equal(serial_now(), 6);
}

static void one_that_the_broker_does_not_take(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    forget();
    capture_published(capture, ERR_TOO_LARGE, -1, -1, now);
    then("publish 6: in a snapshot ");
}

static void a_log_without_its_beginning(void **state)
{
    (void)state;
    open_world(1, false);
    capture_start(capture, CAPTURE_UNKNOWN, now);
    by_udp(0, GOOD, LINES("SOA 5"));
    by_tcp(GOOD, LINES("SOA 5", WWW, "SOA 5"));
    then("axfr@0 publish 5: in a snapshot ");
}

static void a_log_that_others_wrote_to(void **state)
{
    (void)state;
    at_version_5(1);
    capture_stop(capture);
    capture_start(capture, CAPTURE_DOUBTFUL, now);
    then("axfr@0 ");
    by_tcp(GOOD, LINES("SOA 5", WWW, "SOA 5"));
    then(""); /* it is the same */
    assert_int_equal(counts.empty, 1);
    assert_int_equal(state_now(), CAPTURE_IDLE);
}

static void a_stopped_one_does_nothing(void **state)
{
    (void)state;
    at_version_5(1);
    capture_notified(capture, 0, true, 6, now);
    capture_stop(capture);
    then("ixfr@0 hangup ");
    capture_notified(capture, 0, true, 7, now);
    by_tcp(GOOD, LINES("SOA 6", "SOA 5", "SOA 6", MAIL, "SOA 6"));
    pass(1000 * 1000);
    then("");
    capture_start(capture, CAPTURE_KNOWN, now);
    then("soa@0 ");
}

#define TEST(function) cmocka_unit_test_teardown(function, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_time),
        TEST(a_notify_with_its_serial_asks_at_once),
        TEST(p12_versions_are_published_one_after_the_other),
        TEST(p12_some_at_once_where_they_stay_in_order),
        TEST(p12_what_does_not_fit_waits_for_what_is_under_way),
        TEST(p12_what_is_behind_one_that_the_broker_does_not_take),
        TEST(p12_a_large_one_is_the_last_under_way),
        TEST(notifies_that_come_meanwhile_are_one),
        TEST(a_notify_that_comes_before_the_version_does),
        TEST(nothing_new),
        TEST(what_is_refused_by_udp_is_asked_for_over_tcp),
        TEST(serials_go_round),
        TEST(a_name_below_a_wildcard_takes_what_it_covered),
        TEST(a_whole_zone_where_differences_are_of_no_use),
        TEST(a_primary_without_ixfr_is_not_asked_for_it_again),
        TEST(nothing_of_half_a_transfer_is_published),
        TEST(a_primary_that_hangs),
        TEST(retries_take_longer_up_to_what_the_soa_says),
        TEST(a_zone_expires),
        TEST(notauth_asks_the_next_primary),
        TEST(a_zone_made_anew),
        TEST(one_that_lags_is_passed_over),
        TEST(while_one_does_not_answer_nothing_goes_back),
        TEST(signed_transfers),
        TEST(an_answer_without_signature_is_none),
        TEST(the_last_message_has_to_be_signed),
        TEST(a_tsig_that_cannot_be_read_is_no_way_around_it),
        TEST(another_time),
        TEST(a_version_that_fits_no_message),
        TEST(one_that_the_broker_does_not_take),
        TEST(a_log_without_its_beginning),
        TEST(a_log_that_others_wrote_to),
        TEST(a_stopped_one_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
