/*
 * echo.c - the limit: what comes in goes out again with its QR bit set, and nothing else is done.
 *
 * What this server takes for a query is the kernel's part; a resolver can only add to it.
 */
#include "bench/common/serve.h"

enum { FLAGS = 2, QR = 0x80, HEADER = 12 };

static size_t echo(uint8_t *message, size_t size)
{
    if (size < HEADER)
        return 0;
    message[FLAGS] |= QR;
    return size;
}

int main(int argc, char **argv)
{
    return serve_main(argc, argv, echo);
}
