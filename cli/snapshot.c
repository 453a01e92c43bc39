/*
 * snapshot.c - "freshet snapshot": writes a zone whole to the topic of snapshots.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"
#include "cli/text.h"
#include "invalidation/replay.h"
#include "zone/file.h"

/* A zone, and where in the log it stands. */
struct found {
    struct zone *zone;
    struct snapshot_stand stand;
    uint64_t sets; /* of the log, since the snapshot before or the beginning */
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct log_reader_options reader_of(const struct options *o, const char *topic)
{
    return (struct log_reader_options){.brokers = o->brokers,
                                       .topic = topic,
                                       .properties = o->properties,
                                       .property_count = o->property_count};
}

/* The zone as a file has it. The end of the log is taken first: what comes meanwhile may be in the file, and makes no difference twice. */
static bool from_file(const struct options *o, const uint8_t *apex, struct found *ret)
{
    char error[LOG_MAX_ERROR];
    struct zone_file_error place;
    struct zone_edit *edit;
    const struct log_reader_options updates = reader_of(o, o->topic);
    if (replay_end(&updates, apex, &ret->stand, error) < 0) {
        complain(o, "%s", error);
        return false;
    }
    if (zone_new(apex, &ret->zone) < 0 || zone_edit_begin(ret->zone, true, &edit) < 0) {
        complain(o, "out of memory");
        return false;
    }
    int code = zone_file_read(o->file, edit, &place);
    if (code < 0) {
        zone_edit_abort(edit);
        complain(o, "%s", place.where[0] ? place.where : error_text(code));
        return false;
    }
    zone_edit_commit(edit);
    return true;
}

/* The zone as the log has it. */
static bool from_log(const struct options *o, const uint8_t *apex, struct found *ret)
{
    char error[LOG_MAX_ERROR];
    struct replayed replayed;
    const struct replay_options options = {
        .updates = reader_of(o, o->topic),
        .snapshots = reader_of(o, o->snapshots),
        .apex = apex,
        .from_beginning = o->from_beginning,
        .until = o->has_until ? (int64_t)o->until : -1,
    };
    if (replay_zone(&options, &replayed, error) < 0) {
        complain(o, "%s", error);
        return false;
    }
    ret->zone = replayed.zone;
    ret->sets = replayed.sets;
    ret->stand = (struct snapshot_stand){
        .log_id = replayed.log_id, .partition = replayed.partition, .offset = replayed.until};
    return true;
}

static void print_digest(const uint8_t digest[ZONE_DIGEST_SIZE],
                         char text[2 * ZONE_DIGEST_SIZE + 1])
{
    for (size_t k = 0; k < ZONE_DIGEST_SIZE; k++)
        sprintf(text + 2 * k, "%02x", digest[k]);
}

static void print(const struct options *o, const struct found *found,
                  const struct snapshot_head *head)
{
    char zone[NAME_MAX_TEXT], digest[2 * ZONE_DIGEST_SIZE + 1];
    name_to_text(head->zone, zone);
    print_digest(head->digest, digest);
    if (o->json) {
        json_t *object =
            json_pack("{s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:s, s:b}", "zone", zone, "serial",
                      (json_int_t)head->serial, "records", (json_int_t)head->records, "partition",
                      (int)head->partition, "offset", (json_int_t)head->offset, "parts",
                      (json_int_t)head->parts, "sets", (json_int_t)found->sets, "digest", digest,
                      "written", !o->dry_run);
        print_json_line(object);
        json_decref(object);
        return;
    }
    text_print(stdout, zone);
    printf(" serial %" PRIu32 ", %" PRIu64 " records, at %" PRId32 ":%" PRId64 " (%" PRIu64
           " change sets of the log), digest %s%s\n",
           head->serial, head->records, head->partition, head->offset, found->sets, digest,
           o->dry_run ? ", not written" : "");
}

static int count_only(void *arg, uint32_t part, const uint8_t *bytes, size_t size)
{
    (void)arg, (void)part, (void)bytes, (void)size;
    return 0;
}

static bool write_it(const struct options *o, const uint8_t *apex, const struct found *found,
                     struct snapshot_head *ret_head)
{
    char error[LOG_MAX_ERROR];
    const struct log_reader_options topic = reader_of(o, o->snapshots);
    const struct zone_state *state = zone_state_hold(found->zone);
    int code;
    if (o->dry_run) {
        code = snapshot_write(state, apex, &found->stand, count_only, NULL, ret_head);
        snprintf(error, sizeof error, "%s", code == ERR_ZONE ? "it has no SOA" : error_text(code));
    } else {
        struct snapshot_writer *writer = snapshot_writer_open(&topic, error);
        code = writer ? snapshot_writer_write(writer, state, apex, &found->stand, ret_head, error)
                      : ERR_KAFKA;
        snapshot_writer_close(writer);
    }
    zone_state_release(state);
    if (code < 0)
        complain(o, "%s", error);
    return code == 0;
}

static int run_snapshot(const struct options *o)
{
    uint8_t apex[NAME_MAX_SIZE];
    struct found found = {.zone = NULL};
    struct snapshot_head head;
    if (!name_word(o, "ZONE", o->operands[0], apex))
        return EXIT_USAGE;
    if (o->file && (o->from_beginning || o->has_until)) {
        complain(o, "--file beside %s: expected one of them",
                 o->from_beginning ? "--from-beginning" : "--until");
        return EXIT_USAGE;
    }
    zone_reader_register();
    bool good = o->file ? from_file(o, apex, &found) : from_log(o, apex, &found);
    found.stand.now_us = now_us();
    good = good && write_it(o, apex, &found, &head);
    if (good)
        print(o, &found, &head);
    zone_free(found.zone);
    zone_reader_unregister();
    return good ? EXIT_DONE : EXIT_FAILED;
}

const struct command snapshot_command = {
    .name = "snapshot",
    .operands = "ZONE",
    .summary = "Write a zone whole to the topic of snapshots",
    .details =
        "The zone is that of its snapshot and the log since, or of the log from its beginning, "
        "which has to be\n"
        "all of the zone then, or of a zone file. With --dry-run nothing is written: it shows "
        "the digest\n"
        "(ZONEMD, SHA-384) of what the log says.\n",
    .accepts = OPT_ORIGIN | OPT_KAFKA | OPT_TOPIC | OPT_SNAPSHOT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_snapshot,
};
