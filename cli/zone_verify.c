/*
 * zone_verify.c - "freshet zone verify NAME": the zone of the log against what an authority hands out by AXFR (RFC 5936).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/name.h"
#include "cli/zone.h"
#include "cli/zone_log.h"
#include "dns/build.h"
#include "dns/tsig.h"
#include "zone/digest.h"

enum { SHOWN_LINES = 100, MAX_QUERY = 1024, MAX_LINE = 1100, LENGTH = 2 };

/* A transfer that comes in. */
struct incoming {
    const struct options *options;
    const uint8_t *apex;
    const char *server;
    int fd;
    uint16_t id;
    struct tsig_key key;
    struct tsig_chain chain;
    struct message *message;
    struct zone_edit *edit;
    unsigned soas; /* seen: the second ends it */
    uint8_t bytes[DNS_MAX_MESSAGE];
};

static bool failed(const struct incoming *in, const char *why)
{
    complain(in->options, "%s: %s", in->server, why);
    return false;
}

/* The key of --key-file, if there is one. */
static bool read_key(struct incoming *in, bool *ret_there)
{
    const char *path = in->options->of_zone.key_file;
    char line[MAX_LINE] = "";
    *ret_there = path != NULL;
    if (!path)
        return true;
    FILE *file = fopen(path, "re");
    if (!file) {
        complain(in->options, "--key-file %s: %s", path, strerror(errno));
        return false;
    }
    bool good = fgets(line, sizeof line, file);
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    good = good && tsig_key_from_text(line, &in->key) == 0;
    explicit_bzero(line, sizeof line);
    if (!good)
        complain(in->options, "--key-file %s has no line such as hmac-sha256:NAME:BASE64", path);
    return good;
}

static uint64_t now_seconds(void)
{
    return (uint64_t)time(NULL);
}

static bool send_query(struct incoming *in)
{
    uint8_t query[MAX_QUERY];
    struct builder builder;
    struct question question = {
        .name_size = (uint8_t)name_size(in->apex), .type = TYPE_AXFR, .class = CLASS_IN};
    memcpy(question.name, in->apex, question.name_size);
    if (getrandom(&in->id, sizeof in->id, 0) < 0)
        in->id = 1;
    build_start(&builder, query + LENGTH, sizeof query - LENGTH - TSIG_ROOM);
    build_question(&builder, &question);
    int size = build_finish(&builder, in->id, 0);
    if (size > 0 && in->chain.key)
        size = tsig_sign(&in->chain, query + LENGTH, (size_t)size, sizeof query - LENGTH,
                         now_seconds());
    if (size < 0)
        return failed(in, error_text(size));
    wire_put_u16(query, (uint16_t)size);
    if (send(in->fd, query, (size_t)size + LENGTH, MSG_NOSIGNAL) != size + LENGTH)
        return failed(in, strerror(errno));
    return true;
}

/* Takes a record; false: it cannot be in a transfer of the zone, or no memory. */
static bool take_record(struct incoming *in, const struct record *record)
{
    uint8_t owner[NAME_MAX_SIZE];
    struct rdata_view rdata = {.bytes = record->rdata, .size = record->rdata_size};
    name_lower(record->owner, name_size(record->owner), owner);
    if (record->type == TYPE_SOA && in->soas++ == 1)
        return true;
    if (in->soas != 1 || record->class != CLASS_IN || type_is_meta(record->type))
        return failed(in, "records that are no transfer (RFC 5936 2.2)");
    const struct change change = {.op = CHANGE_ADD,
                                  .type = record->type,
                                  .ttl = record->ttl,
                                  .name = owner,
                                  .rdata = &rdata,
                                  .rdata_count = 1};
    int error = zone_edit_change(in->edit, &change);
    return error == 0 || error == ERR_ZONE || failed(in, error_text(error));
}

static bool is_signed_right(struct incoming *in, size_t size)
{
    struct tsig tsig;
    if (!in->chain.key)
        return true;
    int found = tsig_find(in->bytes, size, &tsig);
    int result =
        found == 0 || found == ERR_NOT_FOUND
            ? tsig_verify(&in->chain, in->bytes, size, found == 0 ? &tsig : NULL, now_seconds())
            : ERR_FORMAT;
    if (result == TSIG_OK)
        return true;
    return failed(in, result > 0 ? tsig_fault_text(result) : error_text(result));
}

/* A refusal, and what of ours it may be about. */
static bool refused(const struct incoming *in, size_t size)
{
    char rcode[TYPE_MAX_TEXT];
    struct tsig tsig;
    rcode_to_text(in->message->rcode, rcode);
    if (tsig_find(in->bytes, size, &tsig) == 0 && tsig.error != TSIG_OK)
        complain(in->options, "%s: %s, %s: the key of --key-file is not as the server has it",
                 in->server, rcode, tsig_fault_text(tsig.error));
    else
        complain(in->options, "%s: %s%s", in->server, rcode,
                 in->chain.key ? "" : "; it may want a key, --key-file has one");
    return false;
}

/* Takes the next message. */
static bool take_message(struct incoming *in)
{
    uint8_t length[LENGTH];
    if (!ask_receive(in->fd, length, LENGTH) ||
        !ask_receive(in->fd, in->bytes, wire_get_u16(length)))
        return failed(in, strerror(errno == EAGAIN ? ETIMEDOUT : errno));
    int error = message_parse(in->message, in->bytes, wire_get_u16(length));
    if (error < 0)
        return failed(in, error_text(error));
    if (in->message->id != in->id || !(in->message->flags & FLAG_QR))
        return failed(in, "not an answer to the question");
    if (in->message->rcode != RCODE_NOERROR)
        return refused(in, wire_get_u16(length));
    if (!is_signed_right(in, wire_get_u16(length)))
        return false;
    for (size_t i = 0; i < in->message->answer_count; i++) {
        if (!take_record(in, &message_answers(in->message)[i]))
            return false;
    }
    return in->message->answer_count > 0 || failed(in, "an answer without records");
}

/* All of it, into the edit. */
static bool take_zone(struct incoming *in)
{
    bool keyed;
    if (!read_key(in, &keyed))
        return false;
    if (keyed)
        in->chain = tsig_chain_begin(&in->key);
    in->fd = ask_connect(in->options, in->server);
    bool good = in->fd >= 0 && send_query(in);
    while (good && in->soas < 2)
        good = take_message(in);
    if (good && keyed && !tsig_chain_is_proven(&in->chain))
        good = failed(in, "the last message is not signed");
    if (in->fd >= 0)
        close(in->fd);
    tsig_chain_end(&in->chain);
    return good;
}

static bool transfer(const struct options *options, const uint8_t *apex, struct zone **ret_zone)
{
    struct incoming *in = calloc(1, sizeof *in);
    struct zone *zone = NULL;
    bool good = in && zone_new(apex, &zone) == 0 && zone_edit_begin(zone, true, &in->edit) == 0 &&
                (in->message = message_new()) != NULL;
    if (good) {
        in->options = options;
        in->apex = apex;
        in->server = options->of_zone.authority;
        good = take_zone(in);
    } else {
        complain(options, "%s", error_text(ERR_MEMORY));
    }
    if (good)
        zone_edit_commit(in->edit);
    else if (in)
        zone_edit_abort(in->edit);
    if (in)
        message_free(in->message);
    free(in);
    if (good)
        *ret_zone = zone;
    else
        zone_free(zone);
    return good;
}

static void print_digest(const char *what, const struct zone_state *state,
                         const uint8_t digest[ZONE_DIGEST_SIZE])
{
    struct zone_size size;
    uint32_t serial = 0;
    zone_size(state, &size);
    (void)zone_serial(state, &serial);
    printf("%-9s serial %" PRIu32 ", %zu records, digest ", what, serial, size.records);
    for (size_t i = 0; i < ZONE_DIGEST_SIZE; i++)
        printf("%02x", digest[i]);
    printf("\n");
}

/* EXIT_DONE if they are the same. */
static int compare(const struct options *options, const struct zone_state *log,
                   const struct zone_state *authority)
{
    uint8_t one[ZONE_DIGEST_SIZE], other[ZONE_DIGEST_SIZE];
    struct change_list list = {.count = 0};
    if (zone_digest(log, one) < 0 || zone_digest(authority, other) < 0 ||
        !zone_changes(options, log, authority, &list)) {
        complain(options, "%s", error_text(ERR_MEMORY));
        change_list_clear(&list);
        return EXIT_FAILED;
    }
    print_digest("log", log, one);
    print_digest("authority", authority, other);
    zone_print_difference(log, authority, &list, SHOWN_LINES);
    change_list_clear(&list);
    return memcmp(one, other, sizeof one) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int zone_verify_run(const struct options *options, const char *name)
{
    uint8_t apex[NAME_MAX_SIZE];
    struct zone *log = NULL, *authority = NULL;
    struct zone_log_stand stand;
    int code = EXIT_FAILED;
    if (!name_word(options, "NAME", name, apex))
        return EXIT_USAGE;
    if (!options->of_zone.authority) {
        complain(options, "which authority? Say --authority");
        return EXIT_USAGE;
    }
    if (transfer(options, apex, &authority) && zone_log_load(options, apex, false, &log, &stand))
        code = compare(options, zone_state(log), zone_state(authority));
    zone_free(authority);
    zone_free(log);
    return code;
}
