/*
 * test_access.c - which network decides, against looking at all of them.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>

#include "config/config.h"
#include "resolver/answer/access.h"

static struct access_rule rule_of(const char *text, enum access access)
{
    struct config_network network;
    assert_true(config_parse_network(text, &network));
    struct access_rule rule = {.family = network.family, .bits = network.bits, .access = access};
    memcpy(rule.bytes, network.bytes, sizeof rule.bytes);
    return rule;
}

static union address address_of(const char *text)
{
    union address address = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    void *to =
        address.family == AF_INET ? (void *)&address.in.sin_addr : (void *)&address.in6.sin6_addr;
    assert_int_equal(inet_pton(address.family, text, to), 1);
    return address;
}

static void expect(const struct access_list *list, const char *text, enum access access)
{
    union address address = address_of(text);
    if (access_of(list, &address) != access)
        fail_msg("%s: %d, expected %d", text, access_of(list, &address), access);
}

static void the_smallest_network_decides(void **state)
{
    (void)state;
    const struct access_rule rules[] = {
        rule_of("10.1.2.3", ACCESS_ALLOW),     rule_of("10.0.0.0/8", ACCESS_ALLOW),
        rule_of("10.1.0.0/16", ACCESS_REFUSE), rule_of("10.1.2.0/24", ACCESS_DROP),
        rule_of("2001:db8::/32", ACCESS_DROP), rule_of("2001:db8::1", ACCESS_ALLOW),
        rule_of("10.0.0.0/8", ACCESS_NEAR),    rule_of("255.255.255.255", ACCESS_DROP),
    };
    struct access_list *list = access_new(rules, sizeof rules / sizeof *rules, ACCESS_REFUSE);
    expect(list, "9.255.255.255", ACCESS_REFUSE);
    expect(list, "10.0.0.0", ACCESS_ALLOW);
    expect(list, "10.0.255.255", ACCESS_ALLOW);
    expect(list, "10.1.0.0", ACCESS_REFUSE);
    expect(list, "10.1.1.255", ACCESS_REFUSE);
    expect(list, "10.1.2.0", ACCESS_DROP);
    expect(list, "10.1.2.2", ACCESS_DROP);
    expect(list, "10.1.2.3", ACCESS_ALLOW);
    expect(list, "10.1.2.4", ACCESS_DROP);
    expect(list, "10.1.3.0", ACCESS_REFUSE);
    expect(list, "10.255.255.255", ACCESS_ALLOW);
    expect(list, "11.0.0.0", ACCESS_REFUSE);
    expect(list, "255.255.255.254", ACCESS_REFUSE);
    expect(list, "255.255.255.255", ACCESS_DROP);
    expect(list, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", ACCESS_REFUSE);
    expect(list, "2001:db8::", ACCESS_DROP);
    expect(list, "2001:db8::1", ACCESS_PUBLIC);
    expect(list, "2001:db8::2", ACCESS_DROP);
    expect(list, "2001:db9::", ACCESS_REFUSE);
    access_free(list);
}

static void all_of_it_is_a_network_too(void **state)
{
    (void)state;
    const struct access_rule rules[] = {
        rule_of("0.0.0.0/0", ACCESS_ALLOW), rule_of("::/0", ACCESS_ALLOW),
        rule_of("127.0.0.0/8", ACCESS_NEAR), rule_of("::1", ACCESS_NEAR),
        rule_of("192.0.2.0/24", ACCESS_REFUSE)};
    struct access_list *list = access_new(rules, sizeof rules / sizeof *rules, ACCESS_REFUSE);
    expect(list, "0.0.0.0", ACCESS_PUBLIC);
    expect(list, "127.0.0.1", ACCESS_ALLOW);
    expect(list, "192.0.2.77", ACCESS_REFUSE);
    expect(list, "255.255.255.255", ACCESS_PUBLIC);
    expect(list, "::1", ACCESS_ALLOW);
    expect(list, "::2", ACCESS_PUBLIC);
    expect(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ACCESS_PUBLIC);
    access_free(list);
    list = access_new(NULL, 0, ACCESS_DROP);
    expect(list, "192.0.2.1", ACCESS_DROP);
    expect(list, "::1", ACCESS_DROP);
    access_free(list);
}

/* The oracle: the longest prefix among all rules. */
static enum access by_hand(const struct access_rule *rules, size_t count, uint32_t address)
{
    int bits = -1;
    enum access access = ACCESS_REFUSE;
    for (size_t i = 0; i < count; i++) {
        uint32_t prefix = (uint32_t)rules[i].bytes[0] << 24 | rules[i].bytes[1] << 16 |
                          rules[i].bytes[2] << 8 | rules[i].bytes[3];
        uint32_t mask = rules[i].bits ? UINT32_MAX << (32 - rules[i].bits) : 0;
        if ((address & mask) == prefix && rules[i].bits >= bits) {
            bits = rules[i].bits;
            access = rules[i].access;
        }
    }
    return access;
}

static void as_if_all_were_looked_at(void **state)
{
    (void)state;
    enum { RULES = 200, LOOKS = 20000 };
    struct access_rule rules[RULES];
    uint32_t random = 7;
    for (size_t i = 0; i < RULES; i++) {
        random = random * 1664525 + 1013904223;
        uint8_t bits = (uint8_t)(random >> 8) % 25 + 8;
        uint32_t prefix = (random & 0x3fffffff) & (UINT32_MAX << (32 - bits));
        rules[i] = (struct access_rule){
            .family = AF_INET, .bits = bits, .access = i % 2 ? ACCESS_REFUSE : ACCESS_DROP};
        prefix = htonl(prefix);
        memcpy(rules[i].bytes, &prefix, sizeof prefix);
    }
    struct access_list *list = access_new(rules, RULES, ACCESS_REFUSE);
    for (size_t i = 0; i < LOOKS; i++) {
        uint32_t near;
        memcpy(&near, rules[i % RULES].bytes, sizeof near);
        random = random * 1664525 + 1013904223;
        uint32_t number = i % 2 ? random & 0x3fffffff : ntohl(near) + (random >> 24) - 128;
        union address address = {.family = AF_INET};
        address.in.sin_addr.s_addr = htonl(number);
        assert_int_equal(access_of(list, &address), by_hand(rules, RULES, number));
    }
    access_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_network_decides),
        cmocka_unit_test(all_of_it_is_a_network_too),
        cmocka_unit_test(as_if_all_were_looked_at),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
