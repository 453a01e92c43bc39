/*
 * authority.c - has an address for every name: the upstream of all servers, as cheap as can be.
 *
 * A: 192.0.2.1 with TTL 86400, as if by a wildcard. Any other type: no data, with a SOA. It says
 * RA, as forwarders want it from whom they forward to. EDNS is answered with EDNS (RFC 6891 7).
 */
#include <stdbool.h>
#include <string.h>

#include "bench/common/cursor.h"
#include "bench/common/serve.h"

enum {
    QUESTION_TAIL = 4, /* type and class */
    QR_AA = 0x84,
    RD = 0x01,
    RA = 0x80,
    ROOM = 128, /* for what is appended */
};

static const uint8_t address[] = {
    0xc0, HEADER_SIZE, 0,    TYPE_A, 0, 1, /* owner: the name asked for; type, class */
    0,    1,           0x51, 0x80,   0, 4, 192, 0, 2, 1};
/* Its owner is the name asked for too: forwarders only look at the last field (RFC 2308 3). */
static const uint8_t soa[] = {
    0xc0, HEADER_SIZE, 0,    6,    0, 1, 0,    1,
    0x51, 0x80,        0,    22, /* 22 bytes follow */
    0,    0,                     /* the root twice: server, mailbox */
    0,    0,           0,    1,    0, 0, 0x0e, 0x10,
    0,    0,           0x0e, 0x10,                   /* serial, refresh, retry */
    0,    0,           0x0e, 0x10, 0, 0, 0x0e, 0x10, /* expire, minimum */
};
static const uint8_t opt[] = {0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0};

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
    if (size < HEADER_SIZE || message[5] != 1)
        return 0;
    struct cursor cursor = {.bytes = message, .size = size, .at = HEADER_SIZE};
    skip_name(&cursor);
    skip(&cursor, QUESTION_TAIL);
    size_t end = cursor.at;
    if (cursor.bad || end + ROOM > SERVE_MAX)
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
    return serve_main(argc, argv, answer);
}
