/* test_rdata.c - RDATA: the check of each type, decompression, presentation form (dns/rdata.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

#include "dns/name.h"
#include "dns/rdata.h"

enum {
    TYPE_NULL = 10,
    TYPE_WKS = 11,
    TYPE_RP = 17,
    TYPE_NSAP_PTR = 23,
    TYPE_KEY = 25,
    TYPE_LOC = 29,
    TYPE_KX = 36,
    TYPE_CERT = 37,
    TYPE_APL = 42,
    TYPE_IPSECKEY = 45,
    TYPE_TLSA = 52,
    TYPE_HIP = 55,
    TYPE_CSYNC = 62,
    TYPE_SVCB = 64,
    TYPE_HTTPS = 65,
    TYPE_EUI48 = 108,
    TYPE_CAA = 257,
    TYPE_PRIVATE = 65280,
};

/* A byte string that may hold NULs, with its size. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* -- helpers ----------------------------------------------------------------------------------- */

/*
 * Reads RDATA that follow `before` bytes of message; checks that the cursor ends behind them in any
 * case. Returns what rdata_read() did; the result is in `out`.
 */
static int read_in(const uint8_t *message, size_t size, size_t before, uint16_t type,
                   uint8_t out[65535])
{
    struct wire_reader reader = wire_reader(message, size);
    struct wire_writer writer = wire_writer(out, 65535);

    reader.at = before;
    int got = rdata_read(&reader, type, (uint16_t)(size - before), &writer);
    assert_int_equal(reader.at, size);
    assert_int_equal(writer.at, got < 0 ? 0 : got);
    return got;
}

static int from_text(uint16_t type, const char *text, uint8_t buffer[65535])
{
    return rdata_from_text(type, text, buffer, 65535);
}

static const uint8_t *wire_of(uint16_t type, const char *text, size_t *ret_size)
{
    static uint8_t buffer[65535];
    int size = from_text(type, text, buffer);

    if (size < 0)
        print_error("type %u refused: %s\n", type, text);
    assert_true(size >= 0);
    *ret_size = (size_t)size;
    return buffer;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct wire_case {
    uint16_t type;
    const uint8_t *wire;
    size_t size;
};

static const struct wire_case good_wire[] = {
    {TYPE_A, BYTES("\300\0\2\1")},
    {TYPE_AAAA, BYTES("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1")},
    {TYPE_NS, BYTES("\2ns\0")},
    {TYPE_CNAME, BYTES("\0")},
    {TYPE_SOA, BYTES("\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\377\377\377\377")},
    {TYPE_NULL, BYTES("")},
    {TYPE_NULL, BYTES("anything")},
    {TYPE_WKS, BYTES("\300\0\2\1\6\0\0\100")},
    {TYPE_HINFO, BYTES("\0\0")},
    {TYPE_MX, BYTES("\0\12\1m\0")},
    {TYPE_TXT, BYTES("\0")},
    {TYPE_TXT, BYTES("\1a\2bc\0")},
    {TYPE_RP, BYTES("\0\1a\0")},
    {TYPE_KEY, BYTES("\300\0\3\5")}, /* no key (RFC 2535 3.1.2) */
    {TYPE_LOC, BYTES("\0\22\26\23\0\0\0\0\0\0\0\0\0\0\0\0")},
    {TYPE_SRV, BYTES("\0\0\0\0\0\0\0")},
    {TYPE_NAPTR, BYTES("\0\1\0\1\0\0\0\0")},
    {TYPE_CERT, BYTES("\0\1\0\0\0x")},
    {TYPE_DNAME, BYTES("\1a\0")},
    {TYPE_APL, BYTES("")},
    {TYPE_APL, BYTES("\0\1\40\4\300\0\2\1\0\2\0\200\0\3\0\1x")},
    {TYPE_DS, BYTES("\0\1\10\2d")},
    {TYPE_IPSECKEY, BYTES("\1\0\0")},
    {TYPE_IPSECKEY, BYTES("\1\1\2\300\0\2\1key")},
    {TYPE_IPSECKEY, BYTES("\1\3\2\1a\0key")},
    {TYPE_RRSIG, BYTES("\0\1\10\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0sig")},
    {TYPE_NSEC, BYTES("\0")},
    {TYPE_NSEC, BYTES("\0\0\1\100\1\1\100")},
    {TYPE_NSEC3, BYTES("\1\0\0\1\2ab\3xyz")}, /* no types: an empty non-terminal */
    {TYPE_NSEC3, BYTES("\1\0\0\1\0\3xyz\0\1\100")},
    {TYPE_NSEC3PARAM, BYTES("\1\0\0\1\0")},
    {TYPE_HIP, BYTES("\1\2\0\1hk\1a\0\1b\0")},
    {TYPE_HIP, BYTES("\1\2\0\1hk")},
    {TYPE_CSYNC, BYTES("\0\0\0\1\0\3\0\1\100")},
    {TYPE_SVCB, BYTES("\0\0\1a\0")},
    {TYPE_HTTPS, BYTES("\0\1\0\0\1\0\3\2h2\0\3\0\2\1\273\377\0\0\0")},
    {TYPE_EUI48, BYTES("\0\1\2\3\4\5")},
    {TYPE_CAA, BYTES("\0\5issueletsencrypt.org")},
    {TYPE_CAA, BYTES("\0\5issue")}, /* RFC 8659 4.1: a value may be empty */
    {TYPE_PRIVATE, BYTES("")},
    {TYPE_PRIVATE, BYTES("\300\0\377")},
};

/* Refused: what a resolver looks into, and broken names. */
static const struct wire_case bad_wire[] = {
    {TYPE_A, BYTES("")},
    {TYPE_A, BYTES("\300\0\2")},
    {TYPE_A, BYTES("\300\0\2\1\0")},
    {TYPE_AAAA, BYTES("\40\1\15\270")},
    {TYPE_AAAA, BYTES("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\0")},
    {TYPE_NS, BYTES("")},
    {TYPE_NS, BYTES("\2ns")},
    {TYPE_NS, BYTES("\2ns\0\0")},
    {TYPE_CNAME, BYTES("\100a\0")},
    {TYPE_SOA, BYTES("\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\377\377\377")},
    {TYPE_SOA, BYTES("\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\377\377\377\377x")},
    {TYPE_IPSECKEY, BYTES("\1\1\2\300\0\2")},
    {TYPE_IPSECKEY, BYTES("\1\3\2\1a")},
    {TYPE_RRSIG, BYTES("\0\1\10\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0")},
    {TYPE_HIP, BYTES("\1\2\0\1h")},
    {TYPE_HIP, BYTES("\1\2\0\1hk\1a")},
    {TYPE_DNAME, BYTES("\1a")},
    {TYPE_DNAME, BYTES("\1a\0x")},
    {TYPE_MX, BYTES("\0\12\100a\0")},
    {TYPE_SRV, BYTES("\0\0\0\0\0\0\1a")},
    {TYPE_NSEC, BYTES("\1a")},
    {TYPE_SVCB, BYTES("\0\1\5a\0")},
};

/* Not well formed, and passed on as it is: nobody here looks into it. */
static const struct wire_case odd_wire[] = {
    {TYPE_WKS, BYTES("\300\0\2\1")},
    {TYPE_HINFO, BYTES("\1a")},
    {TYPE_HINFO, BYTES("\1a\1b\1c")},
    {TYPE_MX, BYTES("\0\12")},
    {TYPE_TXT, BYTES("")},
    {TYPE_TXT, BYTES("\1")},
    {TYPE_TXT, BYTES("\1a\3bc")},
    {TYPE_RP, BYTES("\0")},
    {TYPE_LOC, BYTES("\0\22\26\23\0\0\0\0\0\0\0\0\0\0\0")},
    {TYPE_LOC, BYTES("\1\22\26\23\0\0\0\0\0\0\0\0\0\0\0\0")},
    {TYPE_SRV, BYTES("\0\0\0\0\0\0")},
    {TYPE_NAPTR, BYTES("\0\1\0\1\0\0\0")},
    {TYPE_CERT, BYTES("\0\1\0\0\0")},
    {TYPE_APL, BYTES("\0\1\41\4\300\0\2\1")},
    {TYPE_APL, BYTES("\0\1\40\5\300\0\2\1\1")},
    {TYPE_APL, BYTES("\0\1\40\4\300\0\2")},
    {TYPE_DS, BYTES("\0\1\10\2")},
    {TYPE_DNSKEY, BYTES("\1\1\3\10")},
    {TYPE_NSEC, BYTES("\0\0\0")},             /* a window of no bytes */
    {TYPE_NSEC, BYTES("\0\0\2\100")},         /* longer than what is left */
    {TYPE_NSEC, BYTES("\0\1\1\100\0\1\100")}, /* windows out of order */
    {TYPE_NSEC, BYTES("\0\0\1\100\0\1\100")}, /* a window twice */
    {TYPE_NSEC, BYTES("\0\0\41"
                      "01234567890123456789012345678901x")},
    {TYPE_NSEC3, BYTES("\1\0\0\1\2a")},
    {TYPE_NSEC3, BYTES("\1\0\0\1\0\0")},
    {TYPE_NSEC3PARAM, BYTES("\1\0\0\1\0x")},
    {TYPE_SVCB, BYTES("\0\1")},
    {TYPE_SVCB, BYTES("\0\1\0\0\3\0\2\1")},
    {TYPE_SVCB, BYTES("\0\1\0\0\3\0\2\1\273\0\1\0\3\2h2")}, /* keys descend */
    {TYPE_SVCB, BYTES("\0\1\0\0\3\0\2\1\273\0\3\0\2\1\273")},
    {TYPE_EUI48, BYTES("\0\1\2\3\4")},
    {TYPE_CAA, BYTES("\0\0")},
    {TYPE_CAA, BYTES("\0\5issu")},
    {TYPE_MX, BYTES("\0\12\1m\0more")},
    {TYPE_SRV, BYTES("\0\0\0\0\0\0\0x")},
    {TYPE_NAPTR, BYTES("\0\1\0\1\1")},
    {TYPE_HINFO, BYTES("\3ab")},
};

static void reads_good_rdata(void **state)
{
    static uint8_t out[65535];

    (void)state;
    for (size_t i = 0; i < sizeof(good_wire) / sizeof(good_wire[0]); i++) {
        const struct wire_case *c = &good_wire[i];
        int got = read_in(c->wire, c->size, 0, c->type, out);
        if (got != (int)c->size)
            print_error("good case %zu, type %u: %d\n", i, c->type, got);
        assert_int_equal(got, c->size);
        assert_memory_equal(out, c->wire, c->size);
    }
}

static void refuses_bad_rdata(void **state)
{
    static uint8_t out[65535];

    (void)state;
    for (size_t i = 0; i < sizeof(bad_wire) / sizeof(bad_wire[0]); i++) {
        const struct wire_case *c = &bad_wire[i];
        int got = read_in(c->wire, c->size, 0, c->type, out);
        if (got != ERR_RDATA)
            print_error("bad case %zu, type %u: %d\n", i, c->type, got);
        assert_int_equal(got, ERR_RDATA);
    }
}

static void passes_odd_rdata_on(void **state)
{
    static uint8_t out[65535];
    size_t offset;
    bool compressible;

    (void)state;
    for (size_t i = 0; i < sizeof(odd_wire) / sizeof(odd_wire[0]); i++) {
        const struct wire_case *c = &odd_wire[i];
        int got = read_in(c->wire, c->size, 0, c->type, out);
        if (got != (int)c->size)
            print_error("odd case %zu, type %u: %d\n", i, c->type, got);
        assert_int_equal(got, c->size);
        assert_memory_equal(out, c->wire, c->size);
        for (size_t k = 0; rdata_name_at(c->type, c->wire, c->size, k, &offset, &compressible); k++)
            assert_true(offset + name_size(c->wire + offset) <= c->size);
    }
}

static void refuses_more_than_the_message_holds(void **state)
{
    uint8_t out[16];
    struct wire_reader reader = wire_reader((const uint8_t *)"\300\0\2", 3);
    struct wire_writer writer = wire_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(rdata_read(&reader, TYPE_A, 4, &writer), ERR_RDATA);
    assert_true(reader.failed);
}

static void says_when_out_of_space(void **state)
{
    uint8_t out[3];
    struct wire_reader reader = wire_reader((const uint8_t *)"\300\0\2\1", 4);
    struct wire_writer writer = wire_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(rdata_read(&reader, TYPE_A, 4, &writer), ERR_SPACE);
    assert_int_equal(reader.at, 4);
}

/* "\1a\0" stands at 0; RDATA come behind it and point there. */
static void decompresses_where_it_may(void **state)
{
    static const struct {
        uint16_t type;
        const uint8_t *wire;
        size_t size;
        const char *want;
        int got;
    } cases[] = {
        {TYPE_NS, BYTES("\1a\0\300\0"), "\1a", 3},
        {TYPE_CNAME, BYTES("\1a\0\1b\300\0"), "\1b\1a", 5},
        {TYPE_PTR, BYTES("\1a\0\300\0"), "\1a", 3},
        {TYPE_MX, BYTES("\1a\0\0\12\300\0"), "\0\12\1a", 5},
        {TYPE_RP, BYTES("\1a\0\300\0\300\3"), "\1a\0\1a",
         6}, /* a pointer to the RDATA's own first */
        {TYPE_SRV, BYTES("\1a\0\0\1\0\2\0\3\300\0"), "\0\1\0\2\0\3\1a", 9},
        {TYPE_NAPTR, BYTES("\1a\0\0\1\0\2\1s\0\0\300\0"), "\0\1\0\2\1s\0\0\1a", 11},
        /* RFC 3597 4 leaves these out; servers do it, and resolvers follow */
        {TYPE_KX, BYTES("\1a\0\0\12\300\0"), "\0\12\1a", 5},
        {TYPE_DNAME, BYTES("\1a\0\300\0"), "\1a", 3},
        {TYPE_NSEC, BYTES("\1a\0\300\0"), "\1a", 3},
        {TYPE_SVCB, BYTES("\1a\0\0\1\300\0"), "\0\1\1a", 5},
        {TYPE_NSAP_PTR, BYTES("\1a\0\300\0"), "\1a", 3},
        {TYPE_IPSECKEY, BYTES("\1a\0\1\3\2\300\0"), NULL, ERR_RDATA},
        {TYPE_NS, BYTES("\1a\0\300\3"), NULL, ERR_RDATA}, /* itself */
        {TYPE_NS, BYTES("\1a\0\300"), NULL, ERR_RDATA},
    };
    static uint8_t out[65535];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = read_in(cases[i].wire, cases[i].size, 3, cases[i].type, out);
        if (got != cases[i].got)
            print_error("case %zu: %d\n", i, got);
        assert_int_equal(got, cases[i].got);
        if (got > 0)
            assert_memory_equal(out, cases[i].want, (size_t)got);
    }
}

static void finds_names(void **state)
{
    size_t offset = 99, size;
    bool compressible = false;
    const uint8_t *rdata;

    (void)state;
    rdata = wire_of(TYPE_SOA, "a. bc. 1 2 3 4 5", &size);
    assert_true(rdata_name_at(TYPE_SOA, rdata, size, 0, &offset, &compressible));
    assert_int_equal(offset, 0);
    assert_true(compressible);
    assert_true(rdata_name_at(TYPE_SOA, rdata, size, 1, &offset, &compressible));
    assert_int_equal(offset, 3);
    assert_false(rdata_name_at(TYPE_SOA, rdata, size, 2, &offset, &compressible));
    assert_int_equal(offset, 3); /* untouched */
    rdata = wire_of(TYPE_SRV, "1 2 3 a.", &size);
    assert_true(rdata_name_at(TYPE_SRV, rdata, size, 0, &offset, &compressible));
    assert_int_equal(offset, 6);
    assert_false(compressible);
    rdata = wire_of(TYPE_TXT, "a b", &size);
    assert_false(rdata_name_at(TYPE_TXT, rdata, size, 0, &offset, &compressible));
    assert_false(rdata_name_at(TYPE_PRIVATE, rdata, size, 0, &offset, &compressible));
}

/* -- presentation form ------------------------------------------------------------------------- */

/* Text in, and the text that must come out; NULL: the same. */
static const struct text_case {
    uint16_t type;
    const char *in;
    const char *out;
} round_trips[] = {
    {TYPE_A, "192.0.2.1", NULL},
    {TYPE_A, "\\# 4 c0000201", "192.0.2.1"},
    {TYPE_A, " \t192.0.2.1 ", "192.0.2.1"},
    {TYPE_AAAA, "2001:0DB8::0001", "2001:db8::1"},
    {TYPE_AAAA, "::ffff:192.0.2.1", NULL},
    {TYPE_NS, "ns1.Example.COM", "ns1.Example.COM."},
    {TYPE_CNAME, ".", NULL},
    {TYPE_CNAME, "a\\.b.c\\032d.", NULL},
    {TYPE_PTR, "host.example.", NULL},
    {TYPE_DNAME, "new.example.", NULL},
    {TYPE_SOA, "ns. host.example. 4294967295 1h30m 900 1w 60",
     "ns. host.example. 4294967295 5400 900 604800 60"},
    {TYPE_MX, "10 mx.example.com.", NULL},
    {TYPE_MX, "0 .", NULL},
    {TYPE_TXT, "v=spf1 -all", "\"v=spf1\" \"-all\""},
    {TYPE_TXT, "\"a b;(c)\\\"\\\\\" \"\"", NULL},
    {TYPE_TXT, "\"a\"\"b\"", "\"a\" \"b\""},
    {TYPE_TXT, "\"\\000\\010\\255\"", NULL},
    {TYPE_TXT, "\"\\# 4\"", "\"# 4\""},
    {TYPE_HINFO, "\"PDP-11/70\" \"UNIX\"", NULL},
    {TYPE_SRV, "0 5 5060 sip.example.com.", NULL},
    {TYPE_NAPTR, "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .", NULL},
    {TYPE_RP, "mbox.example. txt.example.", NULL},
    {TYPE_DS, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", NULL},
    {TYPE_DNSKEY, "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no", NULL},
    {TYPE_RRSIG,
     "A 5 3 86400 20260322173103 20260220173103 2642 example.com. "
     "oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6o",
     NULL},
    {TYPE_NSEC, "host.example.com. A MX RRSIG NSEC TYPE1234", NULL},
    {TYPE_NSEC3, "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS MX DNSKEY", NULL},
    {TYPE_NSEC3PARAM, "1 0 12 aabbccdd", NULL},
    {TYPE_NSEC3PARAM, "1 0 0 -", NULL},
    {TYPE_TLSA, "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971", NULL},
    {TYPE_CAA, "0 issue letsencrypt.org", "0 issue \"letsencrypt.org\""},
    {TYPE_CAA, "128 iodef \"mailto:a b@example.com\"", NULL},
    {TYPE_CAA, "0 issue \"\"", NULL},
    {TYPE_LOC, "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
     "52 22 23.000 N 04 53 32.000 E -2m 0.00m 10000m 10m"},
    {TYPE_APL, "1:192.168.32.0/21 !1:192.168.38.0/28", NULL},
    {TYPE_APL, "", "\\# 0"},
    {TYPE_SVCB, "0 svc.example.com.", NULL},
    {TYPE_HTTPS, "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1", NULL},
    {TYPE_HIP,
     "2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p rvs1.example. "
     "rvs2.example.",
     NULL},
    {TYPE_IPSECKEY, "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", NULL},
    {TYPE_IPSECKEY, "10 0 2 . AQNR", NULL},
    {TYPE_IPSECKEY, "10 2 2 2001:db8::1 AQNR", NULL},
    {TYPE_IPSECKEY, "10 3 2 gw.example. AQNR", NULL},
    {TYPE_CERT, "1 2 5 AQNRU3mG", "PKIX 2 5 AQNRU3mG"},
    {TYPE_EUI48, "00-00-5e-00-53-2a", NULL},
    {TYPE_CSYNC, "66 3 A NS AAAA", NULL},
    {TYPE_WKS, "192.0.2.1 6 25", "\\# 9 c00002010600000040"},
    {TYPE_NULL, "\\# 2 abcd", NULL},
    {TYPE_PRIVATE, "\\# 4 c0 00 02 01", "\\# 4 c0000201"},
    {TYPE_PRIVATE, "\\# 0", NULL},
};

/* The text comes out as it should, reads back as the same bytes, and these pass rdata_read(). */
static void text_round_trips(void **state)
{
    static uint8_t wire[65535], again[65535];
    static char text[70000];

    (void)state;
    for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
        const struct text_case *c = &round_trips[i];
        int size = from_text(c->type, c->in, wire);
        if (size < 0)
            print_error("type %u refused: %s\n", c->type, c->in);
        assert_true(size >= 0);
        int length = rdata_to_text(c->type, wire, (size_t)size, text, sizeof(text));
        assert_int_equal(length, strlen(text));
        if (strcasecmp(text, c->out ? c->out : c->in) != 0)
            print_error("type %u: %s\n", c->type, text);
        assert_int_equal(from_text(c->type, text, again), size);
        assert_memory_equal(wire, again, (size_t)size);
        assert_int_equal(read_in(wire, (size_t)size, 0, c->type, again), size);
        assert_memory_equal(wire, again, (size_t)size);
        assert_int_equal(strcasecmp(text, c->out ? c->out : c->in), 0);
    }
}

/* Whatever passes rdata_read() has a text, and the text says the same. */
static void wire_round_trips(void **state)
{
    static uint8_t wire[65535];
    static char text[70000];

    (void)state;
    for (size_t i = 0; i < sizeof(good_wire) / sizeof(good_wire[0]); i++) {
        const struct wire_case *c = &good_wire[i];
        assert_true(rdata_to_text(c->type, c->wire, c->size, text, sizeof(text)) >= 0);
        int size = from_text(c->type, text, wire);
        if (size != (int)c->size)
            print_error("good case %zu: %s\n", i, text);
        assert_int_equal(size, c->size);
        assert_memory_equal(wire, c->wire, c->size);
    }
    for (size_t i = 0; i < sizeof(odd_wire) / sizeof(odd_wire[0]); i++) {
        const struct wire_case *c = &odd_wire[i];
        assert_true(rdata_to_text(c->type, c->wire, c->size, text, sizeof(text)) > 0);
        assert_memory_equal(text, "\\# ", 3);
        assert_int_equal(from_text(c->type, text, wire),
                         ERR_RDATA); /* whoever writes it is strict */
    }
}

/* What no record of that type has for text. */
static const struct {
    uint16_t type;
    const char *text;
} bad_texts[] = {
    {TYPE_A, ""},
    {TYPE_A, "192.0.2"},
    {TYPE_A, "192.0.2.256"},
    {TYPE_A, "\"192.0.2.1\""},
    {TYPE_A, "192.0.2.1 192.0.2.2"},
    {TYPE_A, "192.0.2.1 ; comment"},
    {TYPE_A, "( 192.0.2.1 )"},
    {TYPE_A, "192.0.2.1\n"},
    {TYPE_A, "192.0.2.1\nevil. 0 IN A 192.0.2.2"},
    {TYPE_A, "192.0.2.1\n$INCLUDE /etc/passwd"},
    {TYPE_A, "\\# 3 c00002"},
    {TYPE_A, "\\# 5 c0000201"},
    {TYPE_A, "\\# 4 c00002010"},
    {TYPE_A, "\\# 4 c000020g"},
    {TYPE_A, "\\# 4"},
    {TYPE_A, "\\# -1"},
    {TYPE_A, "\\# 65540 c0000201"},
    {TYPE_A, "\\#"},
    {TYPE_AAAA, "2001:db8::g"},
    {TYPE_AAAA, "192.0.2.1"},
    {TYPE_NS, ""},
    {TYPE_NS, "@"},
    {TYPE_NS, "a..b."},
    {TYPE_NS, "a. b."},
    {TYPE_NS, "\\# 2 c000"}, /* a pointer is no name here */
    {TYPE_MX, "10"},
    {TYPE_MX, "mx.example."},
    {TYPE_MX, "65536 mx.example."},
    {TYPE_MX, "-1 mx.example."},
    {TYPE_MX, "10x mx.example."},
    {TYPE_SOA, "a. b. 1 2 3 4"},
    {TYPE_SOA, "a. b. 1 2 3 4 4294967296"},
    {TYPE_SOA, "a. b. 1 2 3 4 99999w"},
    {TYPE_SOA, "a. b. 1 2 3 4 5 6"},
    {TYPE_TXT, ""},
    {TYPE_TXT, "\"no end"},
    {TYPE_TXT, "\"no end\\\""},
    {TYPE_TXT, "a\\"},
    {TYPE_TXT, "\\256"},
    {TYPE_TXT, "\"line\nbreak\""},
    {TYPE_TXT, "a;b"},
    {TYPE_TXT, "a\"b\""},
    {TYPE_SRV, "0 0 70000 a."},
    {TYPE_DS, "1 8 2"},
    {TYPE_DS, "1 8 2 abc"},
    {TYPE_DS, "1 300 2 abcd"},
    {TYPE_DNSKEY, "256 3 8 AQP"},
    {TYPE_DNSKEY, "256 3 8 A==="},
    {TYPE_DNSKEY, "256 3 8 AQ==AQ=="},
    {TYPE_RRSIG, "A 5 3 86400 2026032217310x 20260220173103 2642 example.com. AAAA"},
    {TYPE_RRSIG, "A 5 3 86400 4294967296 20260220173103 2642 example.com. AAAA"},
    {TYPE_NSEC, "a. BOGUS"},
    {TYPE_CAA, "256 issue x"},
    {TYPE_CAA, "0 is-sue x"},
    {TYPE_CAA, "0 issue x y"},
    {TYPE_LOC, "here"},
    {TYPE_HTTPS, "1 . port=x"},
    {TYPE_HTTPS, "1 . port=80 port=81"},
    {TYPE_IPSECKEY, "10 1 2 a. AQNR"},
    {TYPE_IPSECKEY, "10 3 2 @ AQNR"},
    {TYPE_IPSECKEY, "10 4 2 a. AQNR"},
    {TYPE_IPSECKEY, "10 0 2 a. AQNR"},
    {TYPE_NULL, "abcd"},
    {TYPE_PRIVATE, "abcd"},
    {TYPE_PRIVATE, ""},
};

static void refuses_bad_text(void **state)
{
    static uint8_t wire[65535];

    (void)state;
    for (size_t i = 0; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++) {
        int got = from_text(bad_texts[i].type, bad_texts[i].text, wire);
        if (got != ERR_RDATA)
            print_error("type %u took: %s\n", bad_texts[i].type, bad_texts[i].text);
        assert_int_equal(got, ERR_RDATA);
    }
}

static void strings_hold_255_bytes(void **state)
{
    static uint8_t wire[65535];
    char text[300];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[255] = '\0';
    assert_int_equal(from_text(TYPE_TXT, text, wire), 256);
    text[255] = 'a';
    text[256] = '\0';
    assert_int_equal(from_text(TYPE_TXT, text, wire), ERR_RDATA);
}

/* 65535 bytes of TXT: 255 strings of 255 bytes and one of 254; one byte more is too much. */
static void text_fills_64_kib(void **state)
{
    static uint8_t wire[65535], again[65535];
    static char text[300000];
    static uint8_t rdata[65535];

    (void)state;
    for (size_t at = 0; at < sizeof(rdata); at += 256)
        rdata[at] = (uint8_t)(sizeof(rdata) - at > 255 ? 255 : sizeof(rdata) - at - 1);
    int length = rdata_to_text(TYPE_TXT, rdata, sizeof(rdata), text, sizeof(text));
    assert_true(length > 4 * 65000);
    assert_int_equal(from_text(TYPE_TXT, text, again), 65535);
    assert_memory_equal(again, rdata, sizeof(rdata));
    strcpy(text + length, " x");
    assert_int_equal(from_text(TYPE_TXT, text, wire), ERR_SPACE);
}

static void says_when_text_does_not_fit(void **state)
{
    uint8_t wire[8];
    char text[16];

    (void)state;
    assert_int_equal(rdata_from_text(TYPE_A, "192.0.2.1", wire, 4), 4);
    assert_int_equal(rdata_to_text(TYPE_A, wire, 4, text, 10), 9);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(rdata_to_text(TYPE_A, wire, 4, text, 9), ERR_SPACE);
    assert_int_equal(rdata_to_text(TYPE_A, wire, 4, text, 0), ERR_SPACE);
    assert_int_equal(rdata_from_text(TYPE_A, "192.0.2.1", wire, 3), ERR_SPACE);
    assert_int_equal(rdata_from_text(TYPE_PRIVATE, "\\# 4 c0000201", wire, 3), ERR_SPACE);
}

/* Values ldns cannot print (it reads past an empty `mandatory`) or would make of bad text. */
static void odd_svc_params_are_bytes(void **state)
{
    static const struct wire_case odd[] = {
        {TYPE_HTTPS, BYTES("\0\1\0\0\0\0\0")},           /* mandatory: nothing */
        {TYPE_HTTPS, BYTES("\0\1\0\0\0\0\3\0\1\0")},     /* mandatory: a key and a half */
        {TYPE_HTTPS, BYTES("\0\1\0\0\1\0\3\3h2")},       /* an ALPN longer than its value */
        {TYPE_HTTPS, BYTES("\0\1\0\0\1\0\1\0")},         /* an ALPN of no bytes */
        {TYPE_HTTPS, BYTES("\0\1\0\0\2\0\1x")},          /* no-default-alpn with a value */
        {TYPE_HTTPS, BYTES("\0\1\0\0\3\0\3\1\2\3")},     /* a port of three bytes */
        {TYPE_HTTPS, BYTES("\0\1\0\0\4\0\5\1\2\3\4\5")}, /* an address and a quarter */
        {TYPE_HTTPS, BYTES("\0\1\0\0\5\0\0")},           /* ech: nothing */
        {TYPE_HTTPS, BYTES("\0\1\0\0\6\0\4\1\2\3\4")},
    };
    static uint8_t wire[65535];
    static char text[70000];

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        const struct wire_case *c = &odd[i];
        assert_int_equal(read_in(c->wire, c->size, 0, c->type, wire), c->size);
        assert_true(rdata_to_text(c->type, c->wire, c->size, text, sizeof(text)) > 0);
        assert_memory_equal(text, "\\# ", 3);
        assert_int_equal(from_text(c->type, text, wire), c->size);
    }
    /* more text than ldns' own first buffer holds */
    int length = snprintf(text, sizeof(text), "1 . alpn=");
    memset(text + length, 'a', 250);
    for (int at = length + 250; at < length + 250 * 21; at += 250) {
        memset(text + at, 'b', 250);
        text[at] = ',';
    }
    text[length + 250 * 21] = '\0';
    int size = from_text(TYPE_HTTPS, text, wire);
    assert_int_equal(size, 3 + 4 + 251 + 20 * 250);
    assert_int_equal(rdata_to_text(TYPE_HTTPS, wire, (size_t)size, text, sizeof(text)),
                     length + 250 * 21);
}

/* -- mnemonics --------------------------------------------------------------------------------- */

static void names_types(void **state)
{
    char text[TYPE_MAX_TEXT];

    (void)state;
    assert_int_equal(type_from_text("A"), 1);
    assert_int_equal(type_from_text("aaaa"), 28);
    assert_int_equal(type_from_text("https"), 65);
    assert_int_equal(type_from_text("ANY"), 255);
    assert_int_equal(type_from_text("axfr"), 252);
    assert_int_equal(type_from_text("TYPE65280"), 65280);
    assert_int_equal(type_from_text("type1"), 1);
    assert_int_equal(type_from_text("TYPE65535"), 65535);
    assert_int_equal(type_from_text("TYPE65536"), ERR_TYPE);
    assert_int_equal(type_from_text("TYPE0"), ERR_TYPE);
    assert_int_equal(type_from_text("TYPE"), ERR_TYPE);
    assert_int_equal(type_from_text("TYPE1x"), ERR_TYPE);
    assert_int_equal(type_from_text("TYPE99999999999"), ERR_TYPE);
    assert_int_equal(type_from_text(""), ERR_TYPE);
    assert_int_equal(type_from_text("BOGUS"), ERR_TYPE);
    assert_string_equal(type_to_text(1, text), "A");
    assert_string_equal(type_to_text(51, text), "NSEC3PARAM");
    assert_string_equal(type_to_text(255, text), "ANY");
    assert_string_equal(type_to_text(65280, text), "TYPE65280");
    assert_string_equal(type_to_text(0, text), "TYPE0");
    for (int type = 1; type <= 65535; type++)
        assert_int_equal(type_from_text(type_to_text((uint16_t)type, text)), type);
}

static void names_rcodes(void **state)
{
    char text[TYPE_MAX_TEXT];

    (void)state;
    assert_string_equal(rcode_to_text(0, text), "NOERROR");
    assert_string_equal(rcode_to_text(3, text), "NXDOMAIN");
    assert_string_equal(rcode_to_text(12, text), "RCODE12");
    assert_string_equal(rcode_to_text(16, text), "BADVERS");
    assert_string_equal(rcode_to_text(23, text), "BADCOOKIE");
    assert_string_equal(rcode_to_text(24, text), "RCODE24");
    assert_string_equal(rcode_to_text(4095, text), "RCODE4095");
}

static void knows_meta_types(void **state)
{
    (void)state;
    assert_true(type_is_meta(0));
    assert_true(type_is_meta(TYPE_OPT));
    assert_true(type_is_meta(128));
    assert_true(type_is_meta(TYPE_TSIG));
    assert_true(type_is_meta(TYPE_ANY));
    assert_false(type_is_meta(TYPE_A));
    assert_false(type_is_meta(127));
    assert_false(type_is_meta(256));
    assert_false(type_is_meta(TYPE_PRIVATE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_good_rdata),
        cmocka_unit_test(refuses_bad_rdata),
        cmocka_unit_test(passes_odd_rdata_on),
        cmocka_unit_test(refuses_more_than_the_message_holds),
        cmocka_unit_test(says_when_out_of_space),
        cmocka_unit_test(decompresses_where_it_may),
        cmocka_unit_test(finds_names),
        cmocka_unit_test(text_round_trips),
        cmocka_unit_test(wire_round_trips),
        cmocka_unit_test(refuses_bad_text),
        cmocka_unit_test(strings_hold_255_bytes),
        cmocka_unit_test(text_fills_64_kib),
        cmocka_unit_test(says_when_text_does_not_fit),
        cmocka_unit_test(odd_svc_params_are_bytes),
        cmocka_unit_test(names_types),
        cmocka_unit_test(names_rcodes),
        cmocka_unit_test(knows_meta_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
