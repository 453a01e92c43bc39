#include "invalidation/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "invalidation/zone_set.h"

enum { ASK_MS = 5000, SILENCE_MS = 10000, SLICE_MS = 100 };

/* What a replay works with. */
struct replay {
    const struct replay_options *options;
    struct log_reader *log;
    struct replayed found;
    char *error;
};

static int find_end(struct log_reader *log, const uint8_t *apex, struct snapshot_stand *ret,
                    char error[LOG_MAX_ERROR])
{
    struct log_ends ends;
    int code = log_reader_ends(log, ASK_MS, &ends, error);
    if (code)
        return code;
    ret->log_id = ends.log_id;
    ret->partition = snapshot_topic_partition(apex, ends.count);
    ret->offset = ends.offset[ret->partition];
    return 0;
}

int replay_end(const struct log_reader_options *updates, const uint8_t *apex,
               struct snapshot_stand *ret, char ret_error[LOG_MAX_ERROR])
{
    struct log_reader *log = log_reader_open(updates, ret_error);
    int code = log ? find_end(log, apex, ret, ret_error) : ERR_KAFKA;
    log_reader_close(log);
    return code;
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

/* The newest that is of this log and not past where it is to end. */
static const struct snapshot_place *choose(const struct replay *replay,
                                           const struct snapshot_slot slots[SNAPSHOT_SLOTS])
{
    const struct snapshot_place *best = NULL;
    for (size_t k = 0; k < SNAPSHOT_SLOTS; k++) {
        const struct snapshot_head *head = &slots[k].place.head;
        if (slots[k].whole && head->log_id == replay->found.log_id &&
            head->partition == replay->found.partition && head->offset <= replay->found.until &&
            (!best || head->offset >= best->head.offset))
            best = &slots[k].place;
    }
    return best;
}

static int load_into(struct replay *replay, struct log_reader *reader,
                     const struct snapshot_place *place)
{
    struct zone_edit *edit;
    int code = zone_edit_begin(replay->found.zone, true, &edit);
    if (code)
        return code;
    code = snapshot_topic_load(reader, place, edit, &(struct snapshot_watch){.arg = NULL},
                               replay->error);
    if (code)
        zone_edit_abort(edit);
    else
        zone_edit_commit(edit);
    replay->found.from = place->head.offset;
    return code;
}

static int find_and_load(struct replay *replay, struct log_reader *reader,
                         struct snapshot_index *index)
{
    struct log_ends ends;
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
    const uint8_t *apex = replay->options->apex;
    int code = log_reader_ends(reader, ASK_MS, &ends, replay->error);
    if (code)
        return code;
    const int32_t partition = snapshot_topic_partition(apex, ends.count);
    code = snapshot_index_want(index, apex);
    if (!code)
        code = snapshot_topic_scan(reader, &partition, 1, index,
                                   &(struct snapshot_watch){.arg = NULL}, replay->error);
    if (code)
        return code;
    (void)snapshot_index_find(index, apex, slots);
    const struct snapshot_place *place = choose(replay, slots);
    if (place)
        return load_into(replay, reader, place);
    snprintf(replay->error, LOG_MAX_ERROR, "topic %s has no snapshot of it that is of use",
             replay->options->snapshots.topic);
    return ERR_NOT_FOUND;
}

static int load(struct replay *replay)
{
    struct snapshot_index *index = snapshot_index_new(false);
    struct log_reader *reader =
        index ? log_reader_open(&replay->options->snapshots, replay->error) : NULL;
    int code = reader ? find_and_load(replay, reader, index) : index ? ERR_KAFKA : ERR_MEMORY;
    log_reader_close(reader);
    snapshot_index_free(index);
    return code;
}

/* ---- the log --------------------------------------------------------------------------------- */

/* Whether a message that cannot be read may be of the zone. */
static bool may_be_of(const struct replay *replay, const struct log_message *message,
                      const struct changeset_error *error)
{
    uint8_t name[NAME_MAX_SIZE];
    if (error->has_zone)
        return name_equal(error->zone, replay->options->apex);
    return message->key && name_from_text_n(message->key, message->key_size, name) > 0 &&
           name_equal(name, replay->options->apex);
}

static int take(struct replay *replay, const struct log_message *message)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    int code = changeset_parse(message->value ? (const char *)message->value : "",
                               message->value ? message->value_size : 0, &set, &error);
    if (code < 0 && !may_be_of(replay, message, &error))
        return 0;
    if (code == 0 && name_equal(set->zone, replay->options->apex)) {
        code = zone_set_apply(replay->found.zone, set, NULL);
        replay->found.sets++;
    }
    if (code < 0)
        snprintf(replay->error, LOG_MAX_ERROR, "change set %" PRId32 ":%" PRId64 ": %s: %s",
                 message->partition, message->offset, error_text(code), set ? "" : error.where);
    changeset_free(set);
    return code;
}

/* From where the zone stands to where it is to stand. */
static int read_log(struct replay *replay)
{
    const struct log_place from = {replay->found.partition, replay->found.from};
    int64_t next = replay->found.from;
    int waited = 0;
    int code =
        next < replay->found.until ? log_reader_from(replay->log, &from, 1, replay->error) : 0;
    while (!code && next < replay->found.until) {
        struct log_message message;
        code = log_reader_next(replay->log, SLICE_MS, &message, replay->error);
        if (code == ERR_TIMEOUT && (waited += SLICE_MS) < SILENCE_MS) {
            code = 0;
            continue;
        }
        if (code)
            break;
        waited = 0;
        if (!message.end && message.offset < replay->found.until)
            code = take(replay, &message);
        next = message.offset + !message.end;
    }
    return code;
}

static int start(struct replay *replay)
{
    struct snapshot_stand end;
    int64_t first, last;
    const struct replay_options *options = replay->options;
    int code = find_end(replay->log, options->apex, &end, replay->error);
    if (!code)
        code = log_reader_span(replay->log, end.partition, ASK_MS, &first, &last, replay->error);
    if (code)
        return code;
    replay->found.log_id = end.log_id;
    replay->found.partition = end.partition;
    replay->found.until = options->until >= 0 ? options->until : end.offset;
    replay->found.from = first;
    if (!options->from_beginning)
        code = load(replay);
    if (code)
        return code;
    if (first <= replay->found.from && replay->found.until <= end.offset)
        return 0;
    snprintf(replay->error, LOG_MAX_ERROR,
             "the log has offsets %" PRId64 " to %" PRId64 "; wanted are %" PRId64 " to %" PRId64,
             first, end.offset, replay->found.from, replay->found.until);
    return ERR_NOT_FOUND;
}

int replay_zone(const struct replay_options *options, struct replayed *ret,
                char ret_error[LOG_MAX_ERROR])
{
    struct replay replay = {.options = options, .error = ret_error};
    snprintf(ret_error, LOG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    int code = zone_new(options->apex, &replay.found.zone);
    if (code)
        return code;
    replay.log = log_reader_open(&options->updates, ret_error);
    code = replay.log ? start(&replay) : ERR_KAFKA;
    if (!code)
        code = read_log(&replay);
    log_reader_close(replay.log);
    if (code)
        zone_free(replay.found.zone);
    else
        *ret = replay.found;
    return code;
}
