/*
 * test_notices.c - NOTIFY to a follower that is a socket of the test (daemon/notices.h).
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/notices.h"
#include "dns/build.h"
#include "dns/record.h"

static struct event_base *base;
static struct notices_counts counts;
static struct notices *notices;
static struct zone *zone;
static struct config_address address;
static int follower;

static void hold_version(unsigned serial)
{
    char text[200];
    struct record_room room;
    struct record record;
    struct zone_edit *edit;
    snprintf(text, sizeof text,
             "example.com. 3600 IN SOA ns.example.com. root.example.com. %u 100 10 1000 60",
             serial);
    assert_int_equal(record_from_text(text, 60, &room, &record), 0);
    struct rdata_view rdata = {record.rdata, record.rdata_size};
    assert_int_equal(zone_edit_begin(zone, true, &edit), 0);
    assert_int_equal(zone_edit_change(edit, &(struct change){.op = CHANGE_SET,
                                                             .type = TYPE_SOA,
                                                             .ttl = 3600,
                                                             .name = record.owner,
                                                             .rdata = &rdata,
                                                             .rdata_count = 1}),
                     0);
    zone_edit_commit(edit);
    notices_send(notices, zone);
}

static int open_world(void **state)
{
    (void)state;
    uint8_t apex[NAME_MAX_SIZE];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    follower = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(follower, (struct sockaddr *)&here, size), 0);
    assert_int_equal(getsockname(follower, (struct sockaddr *)&here, &size), 0);
    address = (struct config_address){.text = "the follower", .addr_size = size};
    memcpy(&address.addr, &here, size);
    assert_true(name_from_text("example.com.", apex) > 0);
    assert_int_equal(zone_new(apex, &zone), 0);
    base = event_base_new();
    counts = (struct notices_counts){.sent = 0};
    notices = notices_new(base, &counts);
    assert_non_null(notices);
    assert_int_equal(notices_add(notices, zone, &address, NULL), 0);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    notices_free(notices);
    zone_free(zone);
    event_base_free(base);
    close(follower);
    return 0;
}

struct heard {
    uint8_t bytes[512];
    ssize_t size;
    struct sockaddr_in from;
};

/* Takes a NOTIFY; false: there is none. */
static bool hear(struct heard *ret)
{
    socklen_t size = sizeof ret->from;
    ret->size = recvfrom(follower, ret->bytes, sizeof ret->bytes, MSG_DONTWAIT,
                         (struct sockaddr *)&ret->from, &size);
    return ret->size > 0;
}

/* RFC 1996 3.7: the serial is the fifth number from the end of the SOA, which is the last record. */
static uint32_t serial_in(const struct heard *heard)
{
    return wire_get_u32(heard->bytes + heard->size - 20);
}

static void answer(struct heard *heard)
{
    heard->bytes[2] |= FLAG_QR >> 8;
    assert_int_equal(sendto(follower, heard->bytes, (size_t)heard->size, 0,
                            (struct sockaddr *)&heard->from, sizeof heard->from),
                     heard->size);
    event_base_loop(base, EVLOOP_ONCE);
}

static void the_newest_is_told_once_the_one_before_is_answered(void **state)
{
    (void)state;
    struct heard heard, more;
    for (unsigned serial = 1; serial <= 1000; serial++)
        hold_version(serial);
    assert_true(hear(&heard));
    assert_int_equal(serial_in(&heard), 1);
    assert_false(hear(&more));
    answer(&heard);
    assert_true(hear(&heard));
    assert_int_equal(serial_in(&heard), 1000);
    answer(&heard);
    assert_false(hear(&more));
    assert_int_equal(counts.sent, 2);
    hold_version(1001);
    assert_true(hear(&heard));
    assert_int_equal(serial_in(&heard), 1001);
}

static void the_newest_is_told_if_nobody_answers(void **state)
{
    (void)state;
    struct heard heard;
    hold_version(1);
    hold_version(2);
    assert_true(hear(&heard));
    event_base_loop(base, EVLOOP_ONCE); /* until the timer */
    assert_true(hear(&heard));
    assert_int_equal(serial_in(&heard), 2);
    assert_false(hear(&heard));
}

/* As when there are other zones to tell of: who has not answered is told by those that come after. */
static void what_is_under_way_goes_on_in_others(void **state)
{
    (void)state;
    struct heard heard, more;
    struct notices *others = notices_new(base, &counts);
    assert_int_equal(notices_add(others, zone, &address, NULL), 0);
    hold_version(1);
    assert_true(hear(&heard));
    notices_go_on(others, notices);
    notices_free(notices);
    notices = others;
    assert_true(hear(&heard));
    assert_int_equal(serial_in(&heard), 1);
    assert_false(hear(&more));
    answer(&heard);
    assert_int_equal(counts.answered, 1);
    others = notices_new(base, &counts);
    assert_int_equal(notices_add(others, zone, &address, NULL), 0);
    notices_go_on(others, notices);
    notices_free(notices);
    notices = others;
    assert_false(hear(&more));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_is_told_once_the_one_before_is_answered),
        TEST(the_newest_is_told_if_nobody_answers),
        TEST(what_is_under_way_goes_on_in_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
