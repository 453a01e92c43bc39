/*
 * authority.c - has an address for every name: the upstream of all servers, as cheap as can be.
 *
 * A: 192.0.2.1 with TTL 86400, as if by a wildcard. Any other type: no data, with a SOA. It says
 * RA, as forwarders want it from whom they forward to. EDNS is answered with EDNS (RFC 6891 7).
 */
#include <stdbool.h>
#include <string.h>

#include "bench/common/options.h"
#include "bench/common/serve.h"

enum {
    HEADER = 12,
    QUESTION_TAIL = 4, /* type and class */
    TYPE_A = 1,
    QR_AA = 0x84,
    RD = 0x01,
    RA = 0x80,
    ROOM = 128, /* for what is appended */
};

static const uint8_t address[] = {
    0xc0, HEADER, 0,    TYPE_A, 0, 1, /* owner: the name asked for; type, class */
    0,    1,      0x51, 0x80,   0, 4, 192, 0, 2, 1};
/* Its owner is the name asked for too: forwarders only look at the last field (RFC 2308 3). */
static const uint8_t soa[] = {
    0xc0, HEADER, 0,    6,    0, 1, 0,    1,    0x51, 0x80, 0,    22, /* 22 bytes follow */
    0,    0, /* the root twice: server, mailbox */
    0,    0,      0,    1,    0, 0, 0x0e, 0x10, 0,    0,    0x0e, 0x10, /* serial, refresh, retry */
    0,    0,      0x0e, 0x10, 0, 0, 0x0e, 0x10,                         /* expire, minimum */
};
static const uint8_t opt[] = {0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0};

/* Where the question ends; 0 when there is no whole one. */
static size_t question_end(const uint8_t *message, size_t size)
{
    size_t at = HEADER;
    while (at < size && message[at] != 0 && message[at] < 64)
        at += message[at] + 1u;
    return at < size && message[at] == 0 && at + 1 + QUESTION_TAIL <= size ? at + 1 + QUESTION_TAIL
                                                                           : 0;
}

static size_t append(uint8_t *message, size_t at, const uint8_t *bytes, size_t size)
{
    memcpy(message + at, bytes, size);
    return at + size;
}

static void set_header(uint8_t *message, bool has_address, bool edns)
{
    message[2] = (uint8_t)(QR_AA | (message[2] & RD));
    message[3] = RA;
    memset(message + 6, 0, 6);
    message[has_address ? 7 : 9] = 1;
    message[11] = edns;
}

static size_t answer(uint8_t *message, size_t size)
{
    if (size < HEADER || message[5] != 1)
        return 0;
    size_t end = question_end(message, size);
    if (end == 0 || end + ROOM > SERVE_MAX)
        return 0;
    const bool is_address = message[end - 4] == 0 && message[end - 3] == TYPE_A;
    const bool edns = message[11] != 0;
    set_header(message, is_address, edns);
    end = is_address ? append(message, end, address, sizeof address)
                     : append(message, end, soa, sizeof soa);
    return edns ? append(message, end, opt, sizeof opt) : end;
}

int main(int argc, char **argv)
{
    uint16_t port;
    const struct option_row rows[] = {
        {"port", "PORT", "on 127.0.0.1", NUMBER(&port, 1, 65535), .needed = true}};
    const struct option_table table = OPTION_TABLE(rows, .about = "--port=PORT");
    options_read(&table, argc, argv);
    return serve(port, answer);
}
