#include "resolver/answer/special.h"

#include <stdio.h>
#include <string.h>

#include "dns/hosts.h"

enum { SPECIAL_TTL = 10800 }; /* RFC 6303 3 */

static const uint8_t loopback4[4] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};

/* https://www.iana.org/assignments/special-use-domain-names and .../locally-served-dns-zones. */
static const struct {
    enum local_zone_kind kind;
    const char *name;
} special[] = {
    {LOCAL_LOOPBACK, "localhost"},
    {LOCAL_NOTHING, "invalid"},
    {LOCAL_NOTHING, "test"},
    {LOCAL_NOTHING, "onion"},
    {LOCAL_NOTHING, "alt"},
    {LOCAL_EMPTY, "home.arpa"},
    {LOCAL_EMPTY, "service.arpa"},
    {LOCAL_NODATA, "resolver.arpa"},
    {LOCAL_EMPTY, "10.in-addr.arpa"}, /* RFC 6303 4.1; 16 to 31 of 172 are made below */
    {LOCAL_EMPTY, "168.192.in-addr.arpa"},
    {LOCAL_EMPTY, "0.in-addr.arpa"}, /* RFC 6303 4.2 */
    {LOCAL_EMPTY, "127.in-addr.arpa"},
    {LOCAL_EMPTY, "254.169.in-addr.arpa"},
    {LOCAL_EMPTY, "2.0.192.in-addr.arpa"},
    {LOCAL_EMPTY, "100.51.198.in-addr.arpa"},
    {LOCAL_EMPTY, "113.0.203.in-addr.arpa"},
    {LOCAL_EMPTY, "255.255.255.255.in-addr.arpa"},
    /* RFC 6303 4.3: :: and ::1 */
    {LOCAL_EMPTY, "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
    {LOCAL_EMPTY, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
    {LOCAL_EMPTY, "d.f.ip6.arpa"},   /* RFC 6303 4.4 */
    {LOCAL_EMPTY, "8.e.f.ip6.arpa"}, /* RFC 6303 4.5 */
    {LOCAL_EMPTY, "9.e.f.ip6.arpa"},
    {LOCAL_EMPTY, "a.e.f.ip6.arpa"},
    {LOCAL_EMPTY, "b.e.f.ip6.arpa"},
    {LOCAL_EMPTY, "8.b.d.0.1.0.0.2.ip6.arpa"}, /* RFC 6303 4.6 */
};

/* Zones "N.SUFFIX" for a range of N. */
static const struct {
    unsigned from, to;
    const char *suffix;
} special_ranges[] = {
    {16, 31, "172.in-addr.arpa"},  /* RFC 6303 4.1 */
    {64, 127, "100.in-addr.arpa"}, /* RFC 7793 */
};

/* ---- making ---- */

static void add_zone_text(struct local_table *table, const char *text, enum local_zone_kind kind)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (size > 0)
        local_table_add_zone(table, name, kind);
}

void special_add(struct local_table *table)
{
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        add_zone_text(table, special[i].name, special[i].kind);
    for (size_t i = 0; i < sizeof special_ranges / sizeof *special_ranges; i++)
        for (unsigned n = special_ranges[i].from; n <= special_ranges[i].to; n++) {
            char text[64];
            snprintf(text, sizeof text, "%u.%s", n, special_ranges[i].suffix);
            add_zone_text(table, text, LOCAL_EMPTY);
        }
}

void special_add_exempt(struct local_table *table, const uint8_t *name)
{
    if (local_table_zone(table, name))
        local_table_add_zone(table, name, LOCAL_EXEMPT);
}

void special_add_exempt_text(struct local_table *table, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (size < 0)
        return;
    name_lower(name, (size_t)size, name);
    special_add_exempt(table, name);
}

static void add_loopback_name(struct local_table *table, const uint8_t *address, size_t size)
{
    static const uint8_t localhost[] = "\11localhost"; /* its NUL is the root */
    uint8_t reverse[HOSTS_PTR_SIZE];
    hosts_reverse_name(address, size, reverse);
    const struct local_zone *zone = local_table_zone(table, reverse);
    if (!zone || zone->kind == LOCAL_EXEMPT || local_table_name(table, reverse))
        return;
    local_table_add(table, &(struct record){.owner = reverse,
                                            .rdata = localhost,
                                            .ttl = SPECIAL_TTL,
                                            .rdata_size = sizeof localhost,
                                            .type = TYPE_PTR,
                                            .class = CLASS_IN});
}

void special_add_loopback(struct local_table *table)
{
    add_loopback_name(table, loopback4, sizeof loopback4);
    add_loopback_name(table, loopback6, sizeof loopback6);
}

/* ---- answering ---- */

/* RFC 6303 3: the SOA of an empty zone, which is its own server. */
static void put_soa(struct special_answer *answer, enum section section,
                    const struct local_zone *zone)
{
    static const uint8_t mailbox[] = "\6nobody\7invalid"; /* its NUL is the root */
    static const uint32_t numbers[] = {1, 3600, 1200, 604800, 10800};
    uint8_t rdata[NAME_MAX_SIZE + sizeof mailbox + sizeof numbers];
    struct wire_writer out = wire_writer(rdata, sizeof rdata);
    wire_write(&out, zone->name, zone->size);
    wire_write(&out, mailbox, sizeof mailbox);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        wire_write_u32(&out, numbers[i]);
    build_record(&answer->builder, section,
                 &(struct record){.owner = zone->name,
                                  .rdata = rdata,
                                  .ttl = SPECIAL_TTL,
                                  .rdata_size = (uint16_t)out.at,
                                  .type = TYPE_SOA,
                                  .class = CLASS_IN});
}

static void put_loopback(struct special_answer *answer, const uint8_t *owner)
{
    bool four = answer->type == TYPE_A;
    build_record(&answer->builder, SECTION_ANSWER,
                 &(struct record){.owner = owner,
                                  .rdata = four ? loopback4 : loopback6,
                                  .ttl = SPECIAL_TTL,
                                  .rdata_size = four ? sizeof loopback4 : sizeof loopback6,
                                  .type = answer->type,
                                  .class = CLASS_IN});
}

/* What is at the top of an empty zone. Whether that was asked for. */
static bool put_apex(struct special_answer *answer, const struct local_zone *zone)
{
    if (answer->type == TYPE_SOA)
        put_soa(answer, SECTION_ANSWER, zone);
    else if (answer->type == TYPE_NS)
        build_record(&answer->builder, SECTION_ANSWER,
                     &(struct record){.owner = zone->name,
                                      .rdata = zone->name,
                                      .ttl = SPECIAL_TTL,
                                      .rdata_size = (uint16_t)zone->size,
                                      .type = TYPE_NS,
                                      .class = CLASS_IN});
    else
        return false;
    return true;
}

static void answer_loopback(struct special_answer *answer, const struct local_zone *zone,
                            const uint8_t *owner)
{
    if (answer->type == TYPE_A || answer->type == TYPE_AAAA)
        put_loopback(answer, owner);
    else
        put_soa(answer, SECTION_AUTHORITY, zone);
}

static void answer_empty(struct special_answer *answer, const struct local_zone *zone,
                         const uint8_t *owner)
{
    bool apex = name_size(owner) == zone->size;
    if (apex && put_apex(answer, zone))
        return;
    put_soa(answer, SECTION_AUTHORITY, zone);
    if (!apex)
        answer->rcode = RCODE_NXDOMAIN;
}

bool special_answer(struct special_answer *answer, const struct local_zone *zone,
                    const uint8_t *owner)
{
    switch (zone->kind) {
    case LOCAL_EXEMPT:
        return false;
    case LOCAL_LOOPBACK:
        answer_loopback(answer, zone, owner);
        return true;
    case LOCAL_NOTHING:
        answer->rcode = RCODE_NXDOMAIN;
        put_soa(answer, SECTION_AUTHORITY, zone);
        return true;
    case LOCAL_EMPTY:
        /* A DS is its parent's (RFC 4035 3.1.4.1), and says that the zone is not signed (RFC 8375 4). */
        if (answer->type == TYPE_DS && name_size(owner) == zone->size)
            return false;
        answer_empty(answer, zone, owner);
        return true;
    case LOCAL_NODATA:
        put_soa(answer, SECTION_AUTHORITY, zone);
        return true;
    }
    return false;
}
