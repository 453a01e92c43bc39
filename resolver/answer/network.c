#include "resolver/answer/network.h"

#include <string.h>

static void add(struct network_list *list, const struct network *network)
{
    if (list->count < NETWORK_LIST_MAX)
        list->items[list->count++] = *network;
}

void network_list_set(struct network_list *list, const struct config_network *networks,
                      size_t count)
{
    static const struct network loopback[] = {
        {.family = AF_INET, .bits = 8, .bytes = {127}},
        {.family = AF_INET6, .bits = 128, .bytes = {[15] = 1}},
    };
    list->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct network network = {.family = networks[i].family, .bits = networks[i].bits};
        memcpy(network.bytes, networks[i].bytes, sizeof network.bytes);
        add(list, &network);
    }
    for (size_t i = 0; count == 0 && i < sizeof loopback / sizeof *loopback; i++)
        add(list, &loopback[i]);
}

static bool starts_with(const uint8_t *bytes, const uint8_t *prefix, uint8_t bits)
{
    size_t whole = bits / 8;
    if (memcmp(bytes, prefix, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));
    return bits % 8 == 0 || (bytes[whole] & mask) == (prefix[whole] & mask);
}

bool network_list_has(const struct network_list *list, const union address *address)
{
    const uint8_t *bytes = address->family == AF_INET ? (const uint8_t *)&address->in.sin_addr
                                                      : (const uint8_t *)&address->in6.sin6_addr;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].family == address->family &&
            starts_with(bytes, list->items[i].bytes, list->items[i].bits))
            return true;
    return false;
}
