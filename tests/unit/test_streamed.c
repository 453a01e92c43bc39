#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "invalidation/streamed.h"

/* One streamed zone, on partition 1 of 3. The feed and the loader are this test. */
enum { LOG = 77, PARTITION = 1, PARTITIONS = 3 };

static uint8_t apex[NAME_MAX_SIZE], outer[NAME_MAX_SIZE];
static struct streamed *streamed;
static struct streamed_zone *zone;
static struct streamed_job job;
static int64_t until;

static struct apply_at at(uint64_t ms)
{
    return (struct apply_at){.now = {ms}, .partition = PARTITION};
}

static void position(int64_t offset)
{
    const int64_t offsets[PARTITIONS] = {5, offset, 5};
    streamed_position(streamed, LOG, offsets, PARTITIONS);
}

/* A set of one A record, or of the SOA. */
struct draft {
    struct change_set set;
    struct change change;
    struct rdata_view view;
    uint8_t rdata[256];
};

static struct change_set *draft(struct draft *draft, const char *type, const char *text)
{
    const uint16_t number = (uint16_t)type_from_text(type);
    int size = rdata_from_text(number, text, draft->rdata, sizeof draft->rdata);
    assert_true(size > 0);
    draft->view = (struct rdata_view){draft->rdata, (uint16_t)size};
    draft->change = (struct change){.op = CHANGE_ADD,
                                    .type = number,
                                    .ttl = 60,
                                    .name = apex,
                                    .rdata = &draft->view,
                                    .rdata_count = 1};
    draft->set = (struct change_set){.changes = &draft->change, .change_count = 1};
    memcpy(draft->set.zone, apex, name_size(apex));
    return &draft->set;
}

static struct change_set *soa(struct draft *to, unsigned serial, unsigned expire)
{
    char text[128];
    snprintf(text, sizeof text, "ns.example.com. root.example.com. %u 3600 600 %u 60", serial,
             expire);
    struct change_set *set = draft(to, "SOA", text);
    to->change.op = CHANGE_SET;
    return set;
}

static struct streamed_status status(void)
{
    struct streamed_status ret;
    assert_true(streamed_status(streamed, 0, &ret));
    return ret;
}

static bool change(const char *address, int64_t next)
{
    struct draft one;
    return streamed_change(streamed, draft(&one, "A", address), next, at(1)) == STREAMED_TAKEN;
}

/* What a snapshot would bring: an SOA. */
static void load(int64_t offset)
{
    struct zone_edit *edit;
    struct draft one;
    assert_true(streamed_job(streamed, 0, &job));
    assert_int_equal(streamed_begin(streamed, &job, &edit), 0);
    assert_int_equal(streamed_state(zone), STREAMED_LOADING);
    assert_int_equal(zone_edit_change(edit, soa(&one, 1, 10)->changes), 0);
    assert_true(streamed_loaded(
        streamed, &job, edit,
        &(struct snapshot_head){.offset = offset, .partition = PARTITION, .made_us = 1}));
}

static void join_at(int64_t next)
{
    assert_true(streamed_join(streamed, &job, next, at(1), &until));
}

static void a_zone_becomes_whole_where_the_feed_stands(void **arg)
{
    (void)arg;
    struct streamed_feed feed;
    struct draft one;
    assert_int_equal(streamed_look(streamed, &feed), 0); /* no position */
    position(10);
    assert_int_equal(streamed_look(streamed, &feed), 1);
    assert_true(feed.known && feed.log_id == LOG);
    load(7);
    assert_false(streamed_join(streamed, &job, 7, at(1), &until));
    assert_int_equal(until, 10);
    assert_int_equal(streamed_catch_up(streamed, &job, draft(&one, "A", "192.0.2.7"), 8), 0);
    assert_true(change("192.0.2.10", 11)); /* meanwhile, at the feed: the loader's to read */
    assert_int_equal(status().size.records, 2);
    assert_false(streamed_join(streamed, &job, 10, at(1), &until));
    assert_int_equal(until, 11);
    assert_int_equal(streamed_catch_up(streamed, &job, draft(&one, "A", "192.0.2.10"), 11), 0);
    join_at(11);
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    assert_int_equal(status().size.records, 3);
    assert_int_equal(streamed_look(streamed, &feed), 0);
    assert_true(change("192.0.2.11", 12));
    assert_int_equal(status().size.records, 4);
    assert_int_equal(status().offset, 12);
}

static void a_loader_ahead_of_the_feed_takes_nothing_twice(void **arg)
{
    (void)arg;
    struct draft one;
    position(10);
    load(12); /* a snapshot of further up */
    join_at(12);
    assert_true(change("192.0.2.1", 11));
    assert_true(change("192.0.2.2", 12));
    assert_int_equal(status().size.records, 1);
    assert_int_equal(status().sets, 0);
    struct change_set *set = draft(&one, "A", "192.0.2.3");
    assert_true(streamed_change(streamed, set, 13, at(1)));
    assert_int_equal(status().size.records, 2);
}

static void what_is_not_the_zones_changes_nothing(void **arg)
{
    (void)arg;
    struct draft one;
    position(10);
    load(10);
    join_at(10);
    struct change_set *set = draft(&one, "A", "192.0.2.1");
    struct apply_at elsewhere = at(1);
    elsewhere.partition = 2;
    assert_int_equal(streamed_change(streamed, set, 11, elsewhere), STREAMED_ELSEWHERE);
    assert_int_equal(status().elsewhere, 1);
    memcpy(set->zone, outer, name_size(outer));
    assert_int_equal(streamed_change(streamed, set, 11, at(1)), STREAMED_NONE);
    assert_int_equal(status().size.records, 1);
}

static void a_gap_ends_it_and_what_was_loaded_before_is_not_wanted(void **arg)
{
    (void)arg;
    struct zone_edit *edit;
    position(10);
    load(10);
    streamed_gap(streamed, "the topic was made anew");
    assert_true(streamed_join(streamed, &job, 10, at(1), &until));
    assert_int_equal(streamed_state(zone), STREAMED_LOADING);
    assert_false(streamed_job(streamed, 0, &job)); /* no position */
    position(3);
    assert_true(streamed_job(streamed, 0, &job));
    const struct streamed_job old = job;
    streamed_gap(streamed, "again");
    position(3);
    assert_int_equal(streamed_begin(streamed, &old, &edit), ERR_NOT_FOUND);
    load(3);
    join_at(3);
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    streamed_gap(streamed, "once more");
    assert_int_equal(streamed_state(zone), STREAMED_GAPPED);
    assert_string_equal(status().reason, "once more");
}

static void what_cannot_be_read_ends_it(void **arg)
{
    (void)arg;
    position(10);
    load(10);
    join_at(10);
    streamed_refused(streamed, NULL, 11, ERR_JSON, at(1)); /* nobody's */
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    streamed_refused(streamed, apex, 12, ERR_OP, at(1));
    assert_int_equal(streamed_state(zone), STREAMED_GAPPED);
    assert_int_equal(status().refused, 1);
    assert_true(streamed_job(streamed, 0, &job));
    assert_int_equal(job.least, 12); /* a snapshot from before that is of no use */
    load(12);
    join_at(12);
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
}

static void the_loader_cannot_read_it_either(void **arg)
{
    (void)arg;
    position(10);
    load(5);
    streamed_unreadable(streamed, &job, 8, "refused");
    assert_int_equal(streamed_state(zone), STREAMED_GAPPED);
    assert_true(streamed_job(streamed, 0, &job));
    assert_int_equal(job.least, 8);
}

static void without_the_feed_it_expires(void **arg)
{
    (void)arg;
    position(10);
    load(10);
    join_at(10);
    streamed_tick(streamed, true, at(1000));
    streamed_tick(streamed, false, at(2000));
    streamed_tick(streamed, false, at(12000)); /* the SOA says 10 s */
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    streamed_tick(streamed, false, at(12600));
    assert_int_equal(streamed_state(zone), STREAMED_EXPIRED);
    assert_true(change("192.0.2.1", 11)); /* it is kept all the same */
    assert_int_equal(status().size.records, 2);
    streamed_tick(streamed, true, at(13000));
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    streamed_tick(streamed, false, at(14000));
    streamed_tick(streamed, false, at(20000));
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
}

static int setup(void **arg)
{
    (void)arg;
    zone_reader_register();
    assert_true(name_from_text("example.com.", apex) > 0 && name_from_text("com.", outer) > 0);
    streamed = streamed_new();
    assert_int_equal(streamed_add(streamed, apex), 0);
    assert_int_equal(streamed_add(streamed, apex), 0);
    assert_int_equal(streamed_count(streamed), 1);
    assert_null(streamed_find(streamed, outer));
    zone = streamed_find(streamed, apex);
    assert_non_null(zone);
    return 0;
}

static int teardown(void **arg)
{
    (void)arg;
    streamed_free(streamed);
    zone_reader_unregister();
    return 0;
}

static unsigned rung;

static void ring(void *arg)
{
    (void)arg;
    rung++;
}

static void its_versions_are_kept_and_told(void **arg)
{
    (void)arg;
    struct draft one;
    struct zone_versions versions;
    rung = 0;
    streamed_set_moved(streamed, ring, NULL);
    position(10);
    load(10);
    join_at(10);
    assert_null(streamed_moved(streamed)); /* of nobody's interest */
    assert_null(streamed_history(zone));
    assert_int_equal(streamed_keep(streamed, zone, 1 << 16), 0);
    assert_true(streamed_change(streamed, soa(&one, 2, 10), 11, at(1)));
    assert_true(streamed_change(streamed, soa(&one, 3, 10), 12, at(1)));
    assert_int_equal(rung, 1);
    assert_ptr_equal(streamed_moved(streamed), zone);
    assert_null(streamed_moved(streamed));
    assert_true(change("192.0.2.1", 13)); /* under the same serial */
    assert_null(streamed_moved(streamed));
    assert_int_equal(zone_history_hold(streamed_history(zone), 1, 3, &versions), 0);
    assert_int_equal(versions.count, 2);
    zone_versions_release(&versions);
    streamed_gap(streamed, "the topic was made anew");
    position(20);
    load(20);
    assert_null(streamed_moved(streamed));
    join_at(20); /* it may be another zone: no way leads from there to here */
    assert_ptr_equal(streamed_moved(streamed), zone);
    assert_int_equal(zone_history_hold(streamed_history(zone), 1, 3, &versions), ERR_NOT_FOUND);
}

static void one_that_is_dropped_is_empty_until_it_is_wanted_again(void **arg)
{
    (void)arg;
    struct streamed_feed feed;
    struct streamed_status ret;
    size_t next = 0;
    struct zone_size size;
    position(10);
    load(10);
    join_at(10);
    assert_int_equal(streamed_look(streamed, &feed), 0);
    streamed_drop(streamed, zone);
    streamed_drop(streamed, zone);
    assert_int_equal(streamed_state(zone), STREAMED_GAPPED);
    zone_size(zone_state(streamed_data(zone)), &size);
    assert_int_equal(size.records, 0);
    assert_null(streamed_find(streamed, apex));
    assert_false(change("192.0.2.1", 11)); /* it is none of the streamed ones */
    assert_int_equal(streamed_look(streamed, &feed), 0);
    assert_false(streamed_job(streamed, 0, &job));
    assert_false(streamed_next(streamed, &next, &ret));
    const uint64_t zones = feed.zones;
    assert_int_equal(streamed_add(streamed, apex), 0);
    assert_int_equal(streamed_count(streamed), 1);
    assert_int_equal(streamed_look(streamed, &feed), 1);
    assert_true(feed.zones > zones);
    load(11);
    join_at(11);
    assert_int_equal(streamed_state(zone), STREAMED_LIVE);
    assert_ptr_equal(streamed_find(streamed, apex), zone);
}

static void one_that_is_dropped_while_it_is_loaded(void **arg)
{
    (void)arg;
    struct zone_edit *edit;
    struct draft one;
    struct zone_size size;
    position(10);
    assert_true(streamed_job(streamed, 0, &job));
    assert_int_equal(streamed_begin(streamed, &job, &edit), 0);
    assert_int_equal(zone_edit_change(edit, soa(&one, 1, 10)->changes), 0);
    streamed_drop(streamed, zone);
    assert_false(streamed_loaded(
        streamed, &job, edit,
        &(struct snapshot_head){.offset = 10, .partition = PARTITION, .made_us = 1}));
    zone_size(zone_state(streamed_data(zone)), &size);
    assert_int_equal(size.records, 0);
    assert_int_equal(streamed_add(streamed, apex), 0);
    load(8);
    streamed_drop(streamed, zone);
    assert_true(streamed_join(streamed, &job, 10, at(1), &until));
    assert_int_equal(streamed_state(zone), STREAMED_GAPPED);
    zone_size(zone_state(streamed_data(zone)), &size);
    assert_int_equal(size.records, 0);
}

static void zones_come_while_the_feed_stands(void **arg)
{
    (void)arg;
    struct streamed_feed feed;
    position(10);
    load(10);
    join_at(10);
    assert_int_equal(streamed_add(streamed, outer), 0);
    assert_int_equal(streamed_look(streamed, &feed), 1);
    assert_false(streamed_job(streamed, 0, &job));
    assert_true(streamed_job(streamed, 1, &job));
    assert_ptr_equal(job.zone, streamed_find(streamed, outer));
}

static void who_watches_is_told_of_every_change(void **arg)
{
    (void)arg;
    rung = 0;
    streamed_set_moved(streamed, ring, NULL);
    streamed_watch(streamed, zone);
    position(10);
    load(10);
    join_at(10);
    assert_ptr_equal(streamed_moved(streamed), zone);
    assert_true(change("192.0.2.1", 11)); /* under the same serial */
    assert_ptr_equal(streamed_moved(streamed), zone);
    assert_int_equal(rung, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_zone_becomes_whole_where_the_feed_stands),
        TEST(a_loader_ahead_of_the_feed_takes_nothing_twice),
        TEST(what_is_not_the_zones_changes_nothing),
        TEST(a_gap_ends_it_and_what_was_loaded_before_is_not_wanted),
        TEST(what_cannot_be_read_ends_it),
        TEST(the_loader_cannot_read_it_either),
        TEST(without_the_feed_it_expires),
        TEST(its_versions_are_kept_and_told),
        TEST(one_that_is_dropped_is_empty_until_it_is_wanted_again),
        TEST(one_that_is_dropped_while_it_is_loaded),
        TEST(zones_come_while_the_feed_stands),
        TEST(who_watches_is_told_of_every_change),
    };
    return cmocka_run_group_tests_name("streamed", tests, NULL, NULL);
}
