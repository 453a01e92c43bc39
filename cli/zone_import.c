/*
 * zone_import.c - "freshet zone import FILE" and "freshet zone diff FILE": a zone file against the log.
 *
 * What is published is the difference, so importing a file twice publishes nothing the second time. A zone that the log
 * does not have yet is published from nothing. Where the serial of the file is not newer than that of the log, the next one is
 * taken: secondaries see a change by its serial alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/control.h"
#include "cli/zone.h"
#include "cli/zone_log.h"
#include "invalidation/publish.h"
#include "zone/record.h"
#include "zone/serial.h"

enum {
    SHOWN_LINES = 1000,
    MAX_SET_BYTES = 600 * 1000, /* of JSON in a message, well within Kafka's 1 MiB */
    MAX_SET_CHANGES = 20000,
};

struct import {
    const struct options *options;
    uint8_t apex[NAME_MAX_SIZE];
    struct zone *log, *file;
    struct change_list list;
    uint32_t serial; /* of what is published */
    bool bumped;
};

static bool load_both(struct import *import, const char *path, bool may_lack)
{
    struct zone_log_stand stand;
    const struct options *o = import->options;
    return zone_read_file(o, path, import->apex, &import->file) &&
           zone_log_load(o, import->apex, may_lack, &import->log, &stand) &&
           zone_changes(o, zone_state(import->log), zone_state(import->file), &import->list);
}

static void free_import(struct import *import)
{
    change_list_clear(&import->list);
    zone_free(import->log);
    zone_free(import->file);
}

/* Gives the file's zone a serial that is newer than the log's, where anything differs. */
static bool raise_serial(struct import *import)
{
    uint32_t here, there;
    uint8_t rdata[2 * NAME_MAX_SIZE + 20];
    struct zone_edit *edit;
    struct zone_rrset soa;
    if (!zone_serial(zone_state(import->file), &import->serial) ||
        !zone_soa(zone_state(import->file), &soa) || import->list.count == 0)
        return true;
    here = import->serial;
    if (!zone_serial(zone_state(import->log), &there) || serial_is_newer(here, there))
        return true;
    import->serial = serial_next(there, SERIAL_INCREMENT, 0);
    import->bumped = true;
    struct rdata_view old = zone_rdata(&soa, 0);
    memcpy(rdata, old.bytes, old.size);
    wire_put_u32(rdata + old.size - 20, import->serial);
    struct rdata_view view = {.bytes = rdata, .size = old.size};
    const struct change change = {.op = CHANGE_SET,
                                  .type = TYPE_SOA,
                                  .ttl = soa.ttl,
                                  .name = import->apex,
                                  .rdata = &view,
                                  .rdata_count = 1};
    int error = zone_edit_begin(import->file, false, &edit);
    if (error == 0 && (error = zone_edit_change(edit, &change)) < 0)
        zone_edit_abort(edit);
    if (error < 0) {
        complain(import->options, "%s", error_text(error));
        return false;
    }
    zone_edit_commit(edit);
    change_list_clear(&import->list);
    return zone_changes(import->options, zone_state(import->log), zone_state(import->file),
                        &import->list);
}

/* About what a change takes as JSON: RDATA in text is seldom more than four times its bytes. */
static size_t json_bytes(const struct change *change)
{
    size_t bytes = 100 + 4 * name_size(change->name);
    for (size_t i = 0; i < change->rdata_count; i++)
        bytes += 8 + 4 * (size_t)change->rdata[i].size;
    return bytes;
}

/* How many of the changes from `first` on go into one set. */
static size_t changes_that_fit(const struct change_list *list, size_t first)
{
    size_t bytes = 0, count = 0;
    while (first + count < list->count && count < MAX_SET_CHANGES) {
        bytes += json_bytes(&list->changes[first + count]);
        if (count > 0 && bytes > MAX_SET_BYTES)
            break;
        count++;
    }
    return count;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool send_all(const struct import *import, struct publisher *publisher)
{
    const struct options *o = import->options;
    struct publish_receipt receipt = {.offset = 0};
    char error[PUBLISH_MAX_ERROR];
    size_t sets = 0;
    for (size_t first = 0, count; first < import->list.count; first += count, sets++) {
        count = changes_that_fit(&import->list, first);
        struct change_set set = {.time_us = now_us(),
                                 .has_serial = true,
                                 .serial = import->serial,
                                 .changes = import->list.changes + first,
                                 .change_count = count};
        memcpy(set.zone, import->apex, name_size(import->apex));
        strcpy(set.publisher, o->publisher ? o->publisher : "freshet");
        if (publisher_send(publisher, &set, &receipt, error) < 0) {
            complain(o, "%s (%zu of %zu changes are published)", error, first, import->list.count);
            return false;
        }
    }
    printf("published %zu changes in %zu change set%s, serial %" PRIu32
           ", to partition %d up to offset %lld\n",
           import->list.count, sets, sets == 1 ? "" : "s", import->serial, (int)receipt.partition,
           (long long)receipt.offset);
    return true;
}

static int publish(const struct import *import)
{
    const struct options *o = import->options;
    char error[PUBLISH_MAX_ERROR];
    struct publisher *publisher =
        publisher_new(&(struct publisher_options){.brokers = o->brokers,
                                                  .topic = o->topic,
                                                  .properties = o->properties,
                                                  .property_count = o->property_count,
                                                  .timeout_ms = (int)o->timeout_ms},
                      error);
    if (!publisher) {
        complain(o, "%s", error);
        return EXIT_USAGE;
    }
    bool sent = send_all(import, publisher);
    publisher_free(publisher);
    return sent ? EXIT_DONE : EXIT_FAILED;
}

static void show(const struct import *import)
{
    size_t count = zone_print_difference(zone_state(import->log), zone_state(import->file),
                                         &import->list, SHOWN_LINES);
    if (import->bumped)
        printf("serial %" PRIu32 ": that of the file is not newer than the log's\n",
               import->serial);
    fprintf(stderr, "%zu records differ\n", count);
}

int zone_import_run(const struct options *options, const char *file)
{
    struct import import = {.options = options};
    int code = EXIT_FAILED;
    if (options->publisher && strlen(options->publisher) > 63) {
        complain(options, "--publisher \"%s\" is longer than 63 bytes", options->publisher);
        return EXIT_USAGE;
    }
    if (!zone_of_options(options, import.apex))
        return EXIT_USAGE;
    if (load_both(&import, file, true) && raise_serial(&import)) {
        show(&import);
        code = options->dry_run || import.list.count == 0 ? EXIT_DONE : publish(&import);
    }
    free_import(&import);
    return code;
}

int zone_diff_run(const struct options *options, const char *file)
{
    struct import import = {.options = options};
    int code = EXIT_FAILED;
    if (!zone_of_options(options, import.apex))
        return EXIT_USAGE;
    if (load_both(&import, file, false)) {
        code = import.list.count == 0 ? EXIT_DONE : EXIT_FAILED;
        show(&import);
    }
    free_import(&import);
    return code;
}
