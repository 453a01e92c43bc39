/*
 * echo.c - the limit: what comes in goes out again with its QR bit set, and nothing else is done.
 *
 * What this server takes for a query is the kernel's part; a resolver can only add to it.
 */
#include "bench/common/options.h"
#include "bench/common/serve.h"

enum { FLAGS = 2, QR = 0x80, HEADER = 12 };

static uint64_t drop_every, seen;

static size_t echo(uint8_t *message, size_t size)
{
    if (size < HEADER)
        return 0;
    if (drop_every && ++seen % drop_every == 0)
        return 0;
    message[FLAGS] |= QR;
    return size;
}

int main(int argc, char **argv)
{
    uint16_t port;
    const struct option_row rows[] = {
        {"port", "PORT", "on 127.0.0.1", NUMBER(&port, 1, 65535), .needed = true},
        {"drop", "N", "every Nth message, for a test of the generator",
         NUMBER(&drop_every, 1, 1e9)},
    };
    const struct option_table table = OPTION_TABLE(rows, .about = "--port=PORT [--drop=N]");
    options_read(&table, argc, argv);
    return serve(port, echo);
}
