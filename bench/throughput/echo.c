/*
 * echo.c - the limit: what comes in goes out again with its QR bit set, and nothing else is done.
 *
 *     echo PORT [N]      N: drops every Nth message, for a test of the generator
 *
 * What this server takes for a query is the kernel's part; a resolver can only add to it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/throughput/serve.h"

enum { FLAGS = 2, QR = 0x80, HEADER = 12 };

static unsigned long drop_every;
static unsigned long seen;

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
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "Usage: echo PORT [N]\n");
        return 2;
    }
    drop_every = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    return serve(argv[1], echo);
}
