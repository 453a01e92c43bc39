/*
 * authority.c - answers for the zone of names.h on a loopback port, as fast as one core can.
 *
 * Counts the queries it gets, and says how many when asked for the type NAMES_TYPE_COUNT; such queries are
 * not counted.
 */
#include <string.h>

#include "bench/common/serve.h"
#include "bench/memory/names.h"

enum { REPLY_MAX = 512 };

static uint64_t queries;

static size_t answer(uint8_t *message, size_t size)
{
    uint8_t reply[REPLY_MAX];
    struct query query;
    if (query_parse(message, size, &query) != ERR_OK)
        return 0;
    queries += query.question.type != NAMES_TYPE_COUNT;
    size = names_reply(&query, queries, reply, sizeof reply);
    memcpy(message, reply, size);
    return size;
}

int main(int argc, char **argv)
{
    return serve_main(argc, argv, answer);
}
