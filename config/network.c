#include "config/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { IPV4_BITS = 32, IPV6_BITS = 128, MAX_DIGITS = 3 };

/* Reads a prefix length, 0 to `max`. */
static bool parse_bits(const char *text, unsigned max, uint8_t *ret_bits)
{
    unsigned bits = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > MAX_DIGITS || text[digits])
        return false;
    for (size_t i = 0; i < digits; i++)
        bits = bits * 10 + (unsigned)(text[i] - '0');
    if (bits > max)
        return false;
    *ret_bits = (uint8_t)bits;
    return true;
}

/* Clears what lies beyond the prefix; true when something did. */
static bool clear_host_bits(struct config_network *network)
{
    uint8_t beyond = 0;
    for (size_t i = network->bits / 8; i < sizeof(network->bytes); i++) {
        uint8_t mask = i == network->bits / 8 ? (uint8_t)(0xff00 >> network->bits % 8) : 0;
        beyond |= network->bytes[i] & (uint8_t)~mask;
        network->bytes[i] &= mask;
    }
    return beyond != 0;
}

enum network_result network_parse(const char *text, struct config_network *ret_network)
{
    char host[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/");
    bool ipv6 = memchr(text, ':', length) != NULL;
    unsigned all = ipv6 ? IPV6_BITS : IPV4_BITS;
    struct config_network network = {.family = ipv6 ? AF_INET6 : AF_INET, .bits = (uint8_t)all};
    if (length >= sizeof(host))
        return NETWORK_WRONG;
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(network.family, host, network.bytes) != 1)
        return NETWORK_WRONG;
    if (text[length] && !parse_bits(text + length + 1, all, &network.bits))
        return NETWORK_WRONG;
    bool host_bits = clear_host_bits(&network);
    *ret_network = network;
    return host_bits ? NETWORK_HOST_BITS : NETWORK_OK;
}

const char *network_format(const struct config_network *network, char ret_text[NETWORK_MAX_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(network->family, network->bytes, host, sizeof(host));
    snprintf(ret_text, NETWORK_MAX_TEXT, "%s/%u", host, network->bits);
    return ret_text;
}
