/* test_transfer.c - zones handed out by AXFR and IXFR (zone/transfer.h, zone/history.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fake/updates.h"
#include "zone/record.h"
#include "zone/handout.h"

enum { HISTORY = 1 << 20 };

static struct message *message;
static struct zone *zone;
static struct zone_history *history;

#define SOA(serial) "example. 3600 SOA ns.example. root.example. " #serial " 2 3 4 5\n"

static void start(const char *records, size_t history_bytes)
{
    zone = fake_zone("example.", records);
    assert_int_equal(zone_history_new(history_bytes, &history), 0);
}

static void stop(void)
{
    zone_history_free(history);
    zone_free(zone);
}

static void change(const char *lines)
{
    struct zone_edit *edit = fake_edit(zone, lines);
    assert_int_equal(zone_history_note(history, zone_state(zone), zone_edit_state(edit)), 0);
    zone_edit_commit(edit);
}

static struct transfer *begin(const struct transfer_request *request)
{
    struct transfer *transfer;
    assert_int_equal(transfer_begin(request, &transfer), 0);
    return transfer;
}

static struct transfer *begin_ixfr(uint32_t serial, bool condensed)
{
    return begin(&(struct transfer_request){.zone = zone,
                                            .history = history,
                                            .incremental = true,
                                            .serial = serial,
                                            .condensed = condensed});
}

static struct question question_of(uint16_t type)
{
    struct question question = {.type = type, .class = CLASS_IN};
    question.name_size = (uint8_t)name_size(fake_name("example."));
    memcpy(question.name, fake_name("example."), question.name_size);
    return question;
}

/* Appends the answers of a message as lines to `out`. */
static void print(FILE *out, const uint8_t *wire, size_t size, bool first, bool edns)
{
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], text[4096];
    assert_int_equal(message_parse(message, wire, size), 0);
    assert_int_equal(message->id, 77);
    assert_int_equal(message->flags, FLAG_QR | FLAG_AA);
    assert_int_equal(message->question.name_size > 0, first);
    assert_int_equal(message->edns.present, first && edns);
    assert_true(message->answer_count > 0);
    for (size_t i = 0; i < message->answer_count; i++) {
        const struct record *record = &message->records[i];
        assert_true(
            rdata_to_text(record->type, record->rdata, record->rdata_size, text, sizeof text) >= 0);
        fprintf(out, "%s %u %s %s\n", name_to_text(record->owner, name), record->ttl,
                type_to_text(record->type, type), text);
    }
}

/* All of it as lines; `*ret_messages`: how many there were. */
static char *take(struct transfer *transfer, size_t room, bool edns, size_t *ret_messages)
{
    static uint8_t wire[DNS_MAX_MESSAGE];
    struct question question = question_of(TYPE_AXFR);
    const struct transfer_shape shape = {.question = &question, .id = 77, .edns = edns};
    char *text;
    size_t text_size;
    FILE *out = open_memstream(&text, &text_size);
    int size;
    *ret_messages = 0;
    while ((size = transfer_next(transfer, &shape, wire, room)) > 0) {
        assert_true((size_t)size <= room);
        print(out, wire, (size_t)size, *ret_messages == 0, edns);
        ++*ret_messages;
    }
    assert_int_equal(size, 0);
    assert_true(transfer_is_over(transfer));
    fclose(out);
    transfer_end(transfer);
    return text;
}

static void is(struct transfer *transfer, const char *wanted)
{
    size_t messages;
    char *text = take(transfer, DNS_MAX_MESSAGE, false, &messages);
    assert_string_equal(text, wanted);
    assert_int_equal(messages, 1);
    free(text);
}

static const char BASE[] = SOA(1) "example. 60 NS ns.example.\n"
                                  "ns.example. 60 A 192.0.2.53\n"
                                  "www.example. 60 A 192.0.2.1\n"
                                  "www.example. 60 A 192.0.2.2\n";

/* As start(BASE), and so much more that differences are worth it. */
static void start_large(size_t history_bytes)
{
    char records[8192];
    size_t at = (size_t)snprintf(records, sizeof records, "%s", BASE);
    for (int i = 0; i < 100; i++)
        at +=
            (size_t)snprintf(records + at, sizeof records - at, "z%d.example. 60 TXT ballast\n", i);
    start(records, history_bytes);
}

static void a_zone_goes_out_whole(void **state)
{
    (void)state;
    char wanted[1024];
    start(BASE, HISTORY);
    snprintf(wanted, sizeof wanted, "%s%s", BASE, SOA(1));
    is(begin(&(struct transfer_request){.zone = zone}), wanted);
    stop();
}

static void a_zone_without_a_soa_does_not(void **state)
{
    (void)state;
    struct transfer *transfer;
    start("www.example. 60 A 192.0.2.1", HISTORY);
    assert_int_equal(transfer_begin(&(struct transfer_request){.zone = zone}, &transfer),
                     ERR_NOT_FOUND);
    stop();
}

/* Whatever room a message has, the pieces are the zone: RRsets are cut between records, nothing comes twice. */
static void messages_of_any_size(void **state)
{
    (void)state;
    char *records = NULL;
    size_t size, messages, before = SIZE_MAX;
    FILE *out = open_memstream(&records, &size);
    fputs(SOA(1) "example. 60 NS ns.example.\n", out);
    for (int i = 0; i < 300; i++)
        fprintf(out, "big.example. 60 A 192.0.%d.%d\n", i / 200, i % 200);
    for (int i = 0; i < 300; i++)
        fprintf(out, "host%03d.example. 60 TXT %d\n", i, i);
    fclose(out);
    start(records, HISTORY);
    char *wanted = fake_text(zone_state(zone));
    wanted = realloc(wanted, strlen(wanted) + 100);
    strcat(wanted, SOA(1));
    for (size_t room = 100; room < 20000; room = room * 5 / 3) {
        char *text =
            take(begin(&(struct transfer_request){.zone = zone}), room, room % 2, &messages);
        assert_string_equal(text, wanted);
        assert_true(messages <= before);
        before = messages;
        free(text);
    }
    free(wanted);
    free(records);
    stop();
}

/* A record that no message could carry ends it; nothing goes on for ever. */
static void a_record_larger_than_the_room(void **state)
{
    (void)state;
    uint8_t wire[80];
    struct question question = question_of(TYPE_AXFR);
    const struct transfer_shape shape = {.question = &question, .id = 77};
    start(BASE, HISTORY);
    struct transfer *transfer = begin(&(struct transfer_request){.zone = zone});
    assert_int_equal(transfer_next(transfer, &shape, wire, 40), ERR_TOO_LARGE);
    transfer_end(transfer);
    stop();
}

static void what_changes_meanwhile_is_not_in_it(void **state)
{
    (void)state;
    size_t messages;
    char wanted[1024];
    start(BASE, HISTORY);
    struct transfer *transfer = begin(&(struct transfer_request){.zone = zone});
    change("-" SOA(1) "+" SOA(2) "-www.example. 60 A 192.0.2.1\n+a.example. 60 A 192.0.2.3");
    snprintf(wanted, sizeof wanted, "%s%s", BASE, SOA(1));
    char *text = take(transfer, 120, false, &messages);
    assert_string_equal(text, wanted);
    free(text);
    stop();
}

/* RFC 1995 4: each version between two SOAs. */
static void versions_go_out_one_by_one(void **state)
{
    (void)state;
    start_large(HISTORY);
    change("-" SOA(1) "+" SOA(2) "-www.example. 60 A 192.0.2.1\n+a.example. 60 A 192.0.2.3");
    change("-" SOA(2) "+" SOA(3) "-a.example. 60 A 192.0.2.3\n+www.example. 60 A 192.0.2.4");
    is(begin_ixfr(1, false),
       SOA(3) SOA(1) "www.example. 60 A 192.0.2.1\n" SOA(2) "a.example. 60 A 192.0.2.3\n" SOA(
           2) "a.example. 60 A 192.0.2.3\n" SOA(3) "www.example. 60 A 192.0.2.4\n" SOA(3));
    is(begin_ixfr(2, false),
       SOA(3) SOA(2) "a.example. 60 A 192.0.2.3\n" SOA(3) "www.example. 60 A 192.0.2.4\n" SOA(3));
    is(begin_ixfr(1, true),
       SOA(3) SOA(1) "www.example. 60 A 192.0.2.1\n" SOA(3) "www.example. 60 A 192.0.2.4\n" SOA(3));
    stop();
}

static void a_ttl_and_a_whole_name(void **state)
{
    (void)state;
    start_large(HISTORY);
    change("-" SOA(1) "+" SOA(2) "+ns.example. 90 A 192.0.2.53");
    change("-" SOA(2) "+" SOA(3) "-www.example. 60 A 192.0.2.1\n-www.example. 60 A 192.0.2.2");
    is(begin_ixfr(1, false),
       SOA(3) SOA(1) "ns.example. 60 A 192.0.2.53\n" SOA(2) "ns.example. 90 A 192.0.2.53\n" SOA(
           2) "www.example. 60 A 192.0.2.1\nwww.example. 60 A 192.0.2.2\n" SOA(3) SOA(3));
    stop();
}

/* Changes under a serial that stays go with the next version, less what came to nothing. */
static void changes_without_a_serial_wait_for_one(void **state)
{
    (void)state;
    struct zone_history_size size;
    start_large(HISTORY);
    change("+a.example. 60 A 192.0.2.3\n+b.example. 60 A 192.0.2.3");
    change("-a.example. 60 A 192.0.2.3");
    zone_history_size(history, &size);
    assert_int_equal(size.versions, 0);
    change("-" SOA(1) "+" SOA(2) "+c.example. 60 A 192.0.2.3");
    is(begin_ixfr(1, false),
       SOA(2) SOA(1) SOA(2) "b.example. 60 A 192.0.2.3\nc.example. 60 A 192.0.2.3\n" SOA(2));
    stop();
}

static void whole(uint32_t serial)
{
    struct transfer *transfer = begin_ixfr(serial, false);
    assert_int_equal(transfer_kind(transfer), TRANSFER_WHOLE);
    transfer_end(transfer);
}

/* What comes to nothing takes no room, however often. */
static void changes_without_a_serial_may_go_back_and_forth(void **state)
{
    (void)state;
    enum { ROOM = 2000, TIMES = 200 };
    start_large(ROOM);
    for (unsigned i = 0; i < TIMES; i++) {
        change("+a.example. 60 A 192.0.2.3");
        change("-a.example. 60 A 192.0.2.3");
    }
    change("-" SOA(1) "+" SOA(2) "+c.example. 60 A 192.0.2.3");
    is(begin_ixfr(1, false), SOA(2) SOA(1) SOA(2) "c.example. 60 A 192.0.2.3\n" SOA(2));
    stop();
}

/* A version that has not all that is new is none: who has the one before it gets the zone. */
static void changes_without_a_serial_that_do_not_fit(void **state)
{
    (void)state;
    enum { ROOM = 2000, CHANGES = 100 };
    start_large(ROOM);
    for (unsigned i = 0; i < CHANGES; i++) {
        char line[80];
        snprintf(line, sizeof line, "+x%u.example. 60 A 192.0.2.3", i);
        change(line);
    }
    change("-" SOA(1) "+" SOA(2) "+c.example. 60 A 192.0.2.3");
    change("-" SOA(2) "+" SOA(3) "+d.example. 60 A 192.0.2.3");
    whole(1);
    is(begin_ixfr(2, false), SOA(3) SOA(2) SOA(3) "d.example. 60 A 192.0.2.3\n" SOA(3));
    stop();
}

/* Nobody wants to be sent more than the zone. */
static void differences_larger_than_the_zone_are_not_sent(void **state)
{
    (void)state;
    start(BASE, HISTORY);
    change("-" SOA(1) "+" SOA(2) "-www.example. 60 A 192.0.2.1\n+a.example. 60 A 192.0.2.3");
    change("-" SOA(2) "+" SOA(3) "+www.example. 60 A 192.0.2.1\n-a.example. 60 A 192.0.2.3");
    whole(1);
    struct transfer *transfer = begin_ixfr(1, true); /* but as one they are nothing */
    assert_int_equal(transfer_kind(transfer), TRANSFER_VERSIONS);
    transfer_end(transfer);
    stop();
}

static void who_is_up_to_date_gets_one_soa(void **state)
{
    (void)state;
    start_large(HISTORY);
    is(begin_ixfr(1, false), SOA(1));
    is(begin_ixfr(2, false), SOA(1)); /* newer than ours */
    is(begin_ixfr(0x80000001, false), SOA(1));
    stop();
}

static void without_history_it_is_the_whole_zone(void **state)
{
    (void)state;
    start_large(HISTORY);
    whole(0);
    change("-" SOA(1) "+" SOA(2));
    whole(0);
    transfer_end(begin_ixfr(1, false));
    change("-" SOA(2) "+" SOA(1)); /* goes back: nobody's version is known any more */
    whole(0);
    change("-" SOA(1) "+" SOA(3));
    whole(2);
    zone_history_forget(history);
    whole(1);
    stop();
}

static void a_history_is_bounded(void **state)
{
    (void)state;
    enum { ROOM = 2000, VERSIONS = 200 };
    struct zone_history_size size;
    start_large(ROOM);
    struct zone_versions held = {.count = 0};
    for (unsigned i = 1; i <= VERSIONS; i++) {
        char lines[400];
        snprintf(lines, sizeof lines,
                 "-example. 3600 SOA ns.example. root.example. %u 2 3 4 5\n"
                 "+example. 3600 SOA ns.example. root.example. %u 2 3 4 5\n"
                 "+x%u.example. 1 A 192.0.2.1",
                 i, i + 1, i);
        change(lines);
        zone_history_size(history, &size);
        assert_true(size.bytes <= ROOM && size.versions > 0);
        if (i == 5)
            assert_int_equal(zone_history_hold(history, 2, 6, &held), 0);
    }
    assert_int_equal(held.count, 4);
    assert_int_equal(held.each[3]->to, 6); /* gone from the history, not from those who hold it */
    zone_versions_release(&held);
    assert_int_equal(zone_history_hold(history, 2, VERSIONS + 1, &held), ERR_NOT_FOUND);
    assert_int_equal(zone_history_hold(history, VERSIONS, VERSIONS + 1, &held), 0);
    zone_versions_release(&held);
    stop();
}

/* Over UDP: all of it if it fits, or else the SOA (RFC 1995 2). */
static void single_messages(void **state)
{
    (void)state;
    uint8_t wire[1232];
    struct question question = question_of(TYPE_IXFR);
    const struct transfer_shape shape = {.question = &question, .id = 77, .edns = true};
    static const size_t counts[] = {6, 1};
    static const size_t rooms[] = {1232, 200};
    start_large(HISTORY);
    change("-" SOA(1) "+" SOA(2) "-www.example. 60 A 192.0.2.1\n+a.example. 60 A 192.0.2.3");
    for (size_t i = 0; i < 2; i++) {
        struct transfer *transfer = begin_ixfr(1, false);
        int size = transfer_single(transfer, &shape, wire, rooms[i]);
        assert_true(size > 0 && (size_t)size <= rooms[i]);
        assert_int_equal(message_parse(message, wire, (size_t)size), 0);
        assert_int_equal(message->answer_count, counts[i]);
        assert_true(message->edns.present);
        transfer_end(transfer);
    }
    stop();
}

/* An IXFR or AXFR as a secondary asks it, parsed. */
static void ask(uint16_t type, uint32_t serial)
{
    static uint8_t wire[512];
    struct builder builder;
    struct question question = question_of(type);
    build_start(&builder, wire, sizeof wire);
    build_question(&builder, &question);
    struct zone_rrset soa;
    if (type == TYPE_IXFR && zone_soa(zone_state(zone), &soa)) {
        uint8_t rdata[512];
        struct record record = zone_record(&soa, 0);
        memcpy(rdata, record.rdata, record.rdata_size);
        wire_put_u32(rdata + record.rdata_size - 20, serial);
        record.rdata = rdata;
        build_record(&builder, SECTION_AUTHORITY, &record);
    }
    int size = build_finish(&builder, 77, 0);
    assert_true(size > 0);
    assert_int_equal(message_parse(message, wire, (size_t)size), 0);
}

static struct signature unsigned_query;
static struct handout_places places;

static struct handout_request request_of(void)
{
    return (struct handout_request){.query = message,
                                    .signature = &unsigned_query,
                                    .tcp = true,
                                    .may = true,
                                    .zone = zone,
                                    .history = history,
                                    .places = &places};
}

static void what_is_not_handed_out(void **state)
{
    (void)state;
    struct handout *handout;
    start(BASE, HISTORY);
    places = (struct handout_places){.most = 1};
    ask(TYPE_AXFR, 0);
    struct handout_request request = request_of();
    request.may = false;
    assert_int_equal(handout_begin(&request, &handout), HANDOUT_REFUSED);
    request = request_of();
    request.zone = NULL;
    assert_int_equal(handout_begin(&request, &handout), HANDOUT_NOT_READY);
    request = request_of();
    request.tcp = false;
    assert_int_equal(handout_begin(&request, &handout), HANDOUT_MALFORMED);
    ask(TYPE_IXFR, 1);
    message->authority_count = 0;
    request = request_of();
    assert_int_equal(handout_begin(&request, &handout), HANDOUT_MALFORMED);
    assert_int_equal(places.taken, 0);
    stop();
}

static void so_many_at_a_time(void **state)
{
    (void)state;
    struct handout *first, *second;
    static uint8_t wire[DNS_MAX_MESSAGE];
    start(BASE, HISTORY);
    places = (struct handout_places){.most = 1};
    ask(TYPE_AXFR, 0);
    struct handout_request request = request_of();
    assert_int_equal(handout_begin(&request, &first), HANDOUT_BEGUN);
    assert_int_equal(handout_begin(&request, &second), HANDOUT_BUSY);
    ask(TYPE_IXFR, 1);
    request.tcp = false; /* one message takes no place */
    assert_int_equal(handout_begin(&request, &second), HANDOUT_BEGUN);
    assert_int_equal(handout_kind(second), TRANSFER_UP_TO_DATE);
    assert_true(handout_next(second, wire, sizeof wire, 0) > 0 && handout_is_over(second));
    handout_end(second);
    handout_end(first);
    request.tcp = true;
    assert_int_equal(handout_begin(&request, &second), HANDOUT_BEGUN);
    handout_end(second);
    assert_int_equal(places.taken, 0);
    stop();
}

/* SERVFAIL, so that nobody takes for all of it what came. */
static void one_that_cannot_go_on_is_cut(void **state)
{
    (void)state;
    struct handout *handout;
    static uint8_t wire[DNS_MAX_MESSAGE];
    start(BASE, HISTORY);
    places = (struct handout_places){.most = 1};
    ask(TYPE_AXFR, 0);
    struct handout_request request = request_of();
    assert_int_equal(handout_begin(&request, &handout), HANDOUT_BEGUN);
    size_t size = handout_next(handout, wire, 60, 0); /* less than an SOA */
    assert_int_equal(size, DNS_HEADER_SIZE);
    assert_int_equal(wire_get_u16(wire), 77);
    assert_int_equal(wire_get_u16(wire + 2), FLAG_QR | RCODE_SERVFAIL);
    assert_true(handout_is_over(handout) && handout_is_cut(handout));
    handout_end(handout);
    stop();
}

static int set_up(void **state)
{
    (void)state;
    message = message_new();
    return message ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    message_free(message);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_goes_out_whole),
        cmocka_unit_test(a_zone_without_a_soa_does_not),
        cmocka_unit_test(messages_of_any_size),
        cmocka_unit_test(a_record_larger_than_the_room),
        cmocka_unit_test(what_changes_meanwhile_is_not_in_it),
        cmocka_unit_test(versions_go_out_one_by_one),
        cmocka_unit_test(a_ttl_and_a_whole_name),
        cmocka_unit_test(changes_without_a_serial_wait_for_one),
        cmocka_unit_test(changes_without_a_serial_may_go_back_and_forth),
        cmocka_unit_test(changes_without_a_serial_that_do_not_fit),
        cmocka_unit_test(differences_larger_than_the_zone_are_not_sent),
        cmocka_unit_test(who_is_up_to_date_gets_one_soa),
        cmocka_unit_test(without_history_it_is_the_whole_zone),
        cmocka_unit_test(a_history_is_bounded),
        cmocka_unit_test(single_messages),
        cmocka_unit_test(what_is_not_handed_out),
        cmocka_unit_test(so_many_at_a_time),
        cmocka_unit_test(one_that_cannot_go_on_is_cut),
    };
    return cmocka_run_group_tests_name("transfer", tests, set_up, tear_down);
}
