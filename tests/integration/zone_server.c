/*
 * zone_server.c - answers over UDP what zone/ finds, and nothing more: to be held against other servers.
 *
 *   zone_server [APEX FILE]...     prints its port on 127.0.0.1, then "loaded" and how long that took, in ms
 *
 * Commands on stdin, one a line, each answered by a line: "digest APEX" (hex, by RFC 8976), "check APEX" (of its own
 * ZONEMD: "ok" or what is wrong), "write APEX FILE". Ends with its stdin.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "zone/digest.h"
#include "zone/file.h"
#include "zone/lookup.h"

enum { MAX_ZONES = 256, MAX_LINE = 4096 };

static struct zone *zones[MAX_ZONES];
static size_t zone_count;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "zone_server: %s: %s\n", what, why);
    exit(1);
}

static void load(const char *apex, const char *path)
{
    uint8_t name[NAME_MAX_SIZE];
    struct zone_edit *edit;
    struct zone_file_error error;
    const int size = name_from_text(apex, name);
    if (size < 0 || zone_count == MAX_ZONES)
        die(apex, "not a zone");
    name_lower(name, (size_t)size, name);
    if (zone_new(name, &zones[zone_count]) != ERR_OK ||
        zone_edit_begin(zones[zone_count], true, &edit) != ERR_OK)
        die(apex, "no memory");
    const int result = zone_file_read(path, edit, &error);
    if (result != ERR_OK)
        die(error.where, error_text(result));
    zone_edit_commit(edit);
    zone_count++;
}

static struct zone *zone_of(const uint8_t *name)
{
    struct zone *best = NULL;
    for (size_t i = 0; i < zone_count; i++)
        if (name_is_within(name, zone_apex(zones[i])) &&
            (!best || name_size(zone_apex(zones[i])) > name_size(zone_apex(best))))
            best = zones[i];
    return best;
}

/* -- questions --------------------------------------------------------------------------------- */

static int answer(const uint8_t *bytes, size_t size, uint8_t *reply, size_t room)
{
    static struct builder builder;
    struct query query;
    struct question question;
    if (query_parse(bytes, size, &query) != ERR_OK)
        return 0;
    question_copy(&query.question, &question);
    const size_t limit = query.edns.present ? query.edns.udp_size : DNS_CLASSIC_UDP;
    build_start(&builder, reply,
                (limit < room ? limit : room) - (query.edns.present ? DNS_OPT_SIZE : 0));
    build_question(&builder, &question);
    struct zone *zone = zone_of(question.name);
    uint16_t flags = FLAG_QR | RCODE_REFUSED;
    zone_read_begin();
    if (zone)
        flags =
            FLAG_QR | zone_lookup_flags(zone_lookup(zone_state(zone), &question,
                                                    zone_extras(query.edns.dnssec_ok), &builder),
                                        &builder);
    zone_read_end();
    builder.out.size += query.edns.present ? DNS_OPT_SIZE : 0;
    if (query.edns.present)
        build_opt(&builder, 65535, 0, query.edns.dnssec_ok, EDE_NONE);
    return build_finish(&builder, query.id, (uint16_t)(flags | (query.flags & FLAG_RD)));
}

static void serve_one(int fd)
{
    static uint8_t bytes[DNS_MAX_MESSAGE], reply[DNS_MAX_MESSAGE];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_size);
    if (size <= 0)
        return;
    int replied = answer(bytes, (size_t)size, reply, sizeof reply);
    if (replied == ERR_SPACE) { /* the question alone, truncated */
        struct query query;
        if (query_parse(bytes, (size_t)size, &query) != ERR_OK)
            return;
        replied = (int)query.question_end;
        memcpy(reply, bytes, query.question_end);
        wire_put_u16(reply + 2, FLAG_QR | FLAG_TC);
        memset(reply + 6, 0, 6);
    }
    if (replied > 0)
        sendto(fd, reply, (size_t)replied, 0, (struct sockaddr *)&from, from_size);
}

/* -- commands ---------------------------------------------------------------------------------- */

static void print_digest(const struct zone *zone)
{
    uint8_t digest[ZONE_DIGEST_SIZE];
    const int result = zone_digest(zone_state(zone), digest);
    if (result != ERR_OK) {
        printf("%s\n", error_text(result));
        return;
    }
    for (size_t i = 0; i < sizeof digest; i++)
        printf("%02x", digest[i]);
    printf("\n");
}

static void write_file(const struct zone *zone, const char *path)
{
    FILE *out = fopen(path, "w");
    const int result = out ? zone_file_write(out, zone_state(zone)) : ERR_SYSTEM;
    if (out)
        fclose(out);
    printf("%s\n", result == ERR_OK ? "ok" : error_text(result));
}

static void obey(char *line)
{
    char command[16] = "", apex[NAME_MAX_TEXT] = "", path[MAX_LINE] = "";
    uint8_t name[NAME_MAX_SIZE];
    sscanf(line, "%15s %1015s %4095s", command, apex, path);
    const struct zone *zone = name_from_text(apex, name) > 0 ? zone_of(name) : NULL;
    if (!zone)
        printf("no such zone\n");
    else if (strcmp(command, "digest") == 0)
        print_digest(zone);
    else if (strcmp(command, "check") == 0) {
        const int result = zone_digest_check(zone_state(zone));
        printf("%s\n", result == ERR_OK ? "ok" : error_text(result));
    } else if (strcmp(command, "write") == 0)
        write_file(zone, path);
    else
        printf("no such command\n");
    fflush(stdout);
}

static int open_port(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        die("socket", "cannot be opened");
    printf("%u\n", (unsigned)ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    char line[MAX_LINE];
    zone_reader_register();
    const int fd = open_port();
    const double begun = now_ms();
    for (int i = 1; i + 1 < argc; i += 2)
        load(argv[i], argv[i + 1]);
    printf("loaded %.0f\n", now_ms() - begun);
    fflush(stdout);
    for (;;) {
        struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0)
            return 1;
        if (polled[0].revents)
            serve_one(fd);
        if (polled[1].revents) {
            if (!fgets(line, sizeof line, stdin))
                break;
            obey(line);
        }
    }
    for (size_t i = 0; i < zone_count; i++)
        zone_free(zones[i]);
    zone_reader_unregister();
    return 0;
}
