#include "resolver/daemon/clients.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/clients.h"

/* Rules that grow. */
struct rules {
    struct access_rule *items;
    size_t count, room;
    bool failed; /* no memory */
};

/* Loopback, RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6: nobody else's packets come from there. */
static const struct access_rule neighbours[] = {
    {.family = AF_INET, .bits = 8, .bytes = {127}},
    {.family = AF_INET, .bits = 8, .bytes = {10}},
    {.family = AF_INET, .bits = 12, .bytes = {172, 16}},
    {.family = AF_INET, .bits = 16, .bytes = {192, 168}},
    {.family = AF_INET, .bits = 16, .bytes = {169, 254}},
    {.family = AF_INET6, .bits = 128, .bytes = {[15] = 1}},
    {.family = AF_INET6, .bits = 10, .bytes = {0xfe, 0x80}},
    {.family = AF_INET6, .bits = 7, .bytes = {0xfc}},
};

static void add(struct rules *rules, const struct access_rule *rule)
{
    if (rules->count == rules->room) {
        size_t room = 2 * rules->room + 64;
        struct access_rule *items = realloc(rules->items, room * sizeof *items);
        rules->failed |= !items;
        if (!items)
            return;
        rules->items = items;
        rules->room = room;
    }
    rules->items[rules->count++] = *rule;
}

static void add_neighbours(struct rules *rules, enum access access)
{
    for (size_t i = 0; i < sizeof neighbours / sizeof *neighbours; i++) {
        struct access_rule rule = neighbours[i];
        rule.access = access;
        add(rules, &rule);
    }
}

static uint8_t bits_of(const uint8_t *mask, size_t size)
{
    uint8_t bits = 0;
    while (bits < 8 * size && mask[bits / 8] & (0x80 >> bits % 8))
        bits++;
    return bits;
}

/* The network that an interface's address is in. */
static void add_interface(struct rules *rules, const struct ifaddrs *interface)
{
    if (!interface->ifa_addr || !interface->ifa_netmask)
        return;
    const union address *address = (const union address *)interface->ifa_addr;
    const union address *mask = (const union address *)interface->ifa_netmask;
    struct access_rule rule = {.family = address->family};
    const bool v4 = rule.family == AF_INET;
    if (!v4 && rule.family != AF_INET6)
        return;
    const size_t size = v4 ? sizeof address->in.sin_addr : sizeof address->in6.sin6_addr;
    const uint8_t *from =
        v4 ? (const uint8_t *)&address->in.sin_addr : (const uint8_t *)&address->in6.sin6_addr;
    const uint8_t *masks =
        v4 ? (const uint8_t *)&mask->in.sin_addr : (const uint8_t *)&mask->in6.sin6_addr;
    rule.bits = bits_of(masks, size);
    for (size_t i = 0; i < size; i++)
        rule.bytes[i] = from[i] & masks[i];
    if (rule.bits > 0)
        add(rules, &rule);
}

static void add_interfaces(struct rules *rules)
{
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces) != 0)
        return;
    for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next)
        add_interface(rules, i);
    freeifaddrs(interfaces);
}

static void add_networks(struct rules *rules, const struct config_network *networks, size_t count,
                         enum access access)
{
    for (size_t i = 0; i < count; i++) {
        struct access_rule rule = {
            .family = networks[i].family, .bits = networks[i].bits, .access = access};
        memcpy(rule.bytes, networks[i].bytes, sizeof rule.bytes);
        add(rules, &rule);
    }
}

static struct cookie_secrets secrets_of(const struct config_clients *clients)
{
    static struct cookie_secrets made_up;
    struct cookie_secrets secrets = {.count = clients->cookie_secret_count};
    for (size_t i = 0; i < secrets.count && i < COOKIE_SECRETS_MAX; i++)
        (void)clients_parse_secret(clients->cookie_secrets[i], secrets.keys[i]);
    if (secrets.count > 0)
        return secrets;
    if (made_up.count == 0) {
        arc4random_buf(made_up.keys[0], sizeof made_up.keys[0]);
        made_up.count = 1;
    }
    return made_up;
}

static uint32_t unix_now(void)
{
    return (uint32_t)time(NULL);
}

struct admission *clients_admission(const struct config_tier *tier)
{
    const struct config_clients *clients = &tier->clients;
    struct rules rules = {.items = NULL};
    struct admission *admission = NULL;
    struct admission_options options = {
        .rate_limit = clients->rate_limit,
        .secrets = secrets_of(clients),
        .require_cookies = clients->require_cookies,
        .unix_now = unix_now,
    };
    arc4random_buf(&options.rate_key, sizeof options.rate_key);
    add_neighbours(&rules, ACCESS_NEAR);
    if (clients->allow_count == 0) {
        add_neighbours(&rules, ACCESS_ALLOW);
        add_interfaces(&rules);
        add_networks(&rules, tier->position_for, tier->position_for_count, ACCESS_ALLOW);
    }
    add_networks(&rules, clients->allow, clients->allow_count, ACCESS_ALLOW);
    add_networks(&rules, clients->refuse, clients->refuse_count, ACCESS_REFUSE);
    add_networks(&rules, clients->drop, clients->drop_count, ACCESS_DROP);
    options.rules = rules.items;
    options.rule_count = rules.count;
    if (!rules.failed)
        admission = admission_new(&options);
    free(rules.items);
    return admission;
}
