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
#include "zone/digest.h"
#include "zone/inquiry.h"

enum { SHOWN_LINES = 100, MAX_LINE = 1100, LENGTH = 2 };

/* A transfer that comes in. */
struct incoming {
    const struct options *options;
    const char *server;
    int fd;
    struct tsig_key key;
    struct inquiry inquiry;
    uint8_t bytes[DNS_MAX_MESSAGE];
};

static bool failed(const struct incoming *in, const char *why)
{
    complain(in->options, "%s: %s", in->server, why);
    return false;
}

/* The key of --key-file, if there is one. */
static bool read_key(struct incoming *in)
{
    const char *path = in->options->of_zone.key_file;
    char line[MAX_LINE] = "";
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
    in->inquiry.key = &in->key;
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
    uint8_t query[LENGTH + INQUIRY_MAX_QUERY];
    uint16_t id;
    if (getrandom(&id, sizeof id, 0) < 0)
        id = 1;
    int size = inquiry_ask(&in->inquiry, TYPE_AXFR, id, now_seconds(), query + LENGTH);
    if (size < 0)
        return failed(in, error_text(size));
    wire_put_u16(query, (uint16_t)size);
    if (send(in->fd, query, (size_t)size + LENGTH, MSG_NOSIGNAL) != size + LENGTH)
        return failed(in, strerror(errno));
    return true;
}

/* A refusal, and what of ours it may be about. */
static bool refused(const struct incoming *in, const struct inquiry_heard *heard)
{
    char rcode[TYPE_MAX_TEXT];
    rcode_to_text(wire_get_u16(in->bytes + 2) & FLAG_RCODE, rcode);
    if (heard->said != 0)
        complain(in->options, "%s: %s, %s: the key of --key-file is not as the server has it",
                 in->server, rcode, tsig_fault_text(heard->said));
    else
        complain(in->options, "%s: %s%s", in->server, rcode,
                 in->inquiry.key ? "" : "; it may want a key, --key-file has one");
    return false;
}

/* Takes the next message. */
static bool take_message(struct incoming *in, enum xfrin_result *ret)
{
    uint8_t length[LENGTH];
    if (!ask_receive(in->fd, length, LENGTH) ||
        !ask_receive(in->fd, in->bytes, wire_get_u16(length)))
        return failed(in, strerror(errno == EAGAIN ? ETIMEDOUT : errno));
    const size_t size = wire_get_u16(length);
    const struct inquiry_heard heard = inquiry_take(&in->inquiry, in->bytes, size, now_seconds());
    *ret = heard.result;
    if (size >= DNS_HEADER_SIZE && wire_get_u16(in->bytes + 2) & FLAG_RCODE)
        return refused(in, &heard);
    if (heard.fault != TSIG_OK)
        return failed(in, heard.fault > 0 ? tsig_fault_text(heard.fault) : error_text(heard.fault));
    return heard.result == XFRIN_MORE || heard.result == XFRIN_DONE ||
           failed(in, xfrin_fault_text(heard.result));
}

/* All of it, into the edit. */
static bool take_zone(struct incoming *in)
{
    enum xfrin_result result = XFRIN_MORE;
    if (!read_key(in))
        return false;
    in->fd = ask_connect(in->options, in->server);
    bool good = in->fd >= 0 && send_query(in);
    while (good && result == XFRIN_MORE)
        good = take_message(in, &result);
    if (in->fd >= 0)
        close(in->fd);
    return good;
}

static bool transfer(const struct options *options, const uint8_t *apex, struct zone **ret_zone)
{
    struct incoming *in = calloc(1, sizeof *in);
    struct zone *zone = NULL;
    if (!in || zone_new(apex, &zone) < 0) {
        complain(options, "%s", error_text(ERR_MEMORY));
        free(in);
        return false;
    }
    in->options = options;
    in->server = options->of_zone.authority;
    in->inquiry.zone = zone;
    const bool good = take_zone(in) && in->inquiry.edit; /* of an AXFR that is done there is one */
    if (good) {
        zone_edit_commit(in->inquiry.edit);
        in->inquiry.edit = NULL;
        *ret_zone = zone;
    }
    inquiry_drop(&in->inquiry);
    explicit_bzero(&in->key, sizeof in->key);
    free(in);
    if (!good)
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
