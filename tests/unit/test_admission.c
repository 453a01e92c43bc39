/*
 * test_admission.c - cookies as RFC 9018 has them, the rate, and who has to show what.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/clients.h"
#include "resolver/answer/admission.h"

static uint32_t unix_time;

static uint32_t unix_now(void)
{
    return unix_time;
}

static union address address_of(const char *text)
{
    union address address = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    void *to =
        address.family == AF_INET ? (void *)&address.in.sin_addr : (void *)&address.in6.sin6_addr;
    assert_int_equal(inet_pton(address.family, text, to), 1);
    return address;
}

static size_t from_hex(const char *text, uint8_t *ret)
{
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
    return size;
}

static struct cookie_secrets secrets_of(const char *first, const char *second)
{
    struct cookie_secrets secrets = {.count = second ? 2 : 1};
    assert_true(clients_parse_secret(first, secrets.keys[0]));
    assert_true(!second || clients_parse_secret(second, secrets.keys[1]));
    return secrets;
}

#define SECRET     "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define OLD_SECRET "dd3bdf9344b678b185a6f5cb60fca715"
#define NEW_SECRET "445536bcd2513298075a5d379663c962"

/* ---- RFC 9018, appendix A ------------------------------------------------------------------- */

struct vector {
    const char *address, *sent, *answered;
    uint32_t now;
    bool valid;
};

static void expect_vector(const struct cookie_secrets *secrets, const struct vector *vector)
{
    uint8_t sent[40], answered[24], option[COOKIE_OPTION_SIZE];
    const struct cookie_view cookie = {sent, (uint16_t)from_hex(vector->sent, sent)};
    union address peer = address_of(vector->address);
    from_hex(vector->answered, answered);
    cookie_write(secrets, &cookie, &peer, vector->now, option);
    assert_memory_equal(option, "\0\x0a\0\x18", 4);
    assert_memory_equal(option + 4, answered, sizeof answered);
    assert_int_equal(cookie_is_valid(secrets, &cookie, &peer, vector->now), vector->valid);
}

static void cookies_are_those_of_rfc_9018(void **state)
{
    (void)state;
    const struct cookie_secrets secrets = secrets_of(SECRET, NULL);
    const struct cookie_secrets rolled = secrets_of(NEW_SECRET, OLD_SECRET);
    static const struct vector learn = {"198.51.100.100", "2464c4abcf10c957",
                                        "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                                        1559731985, false},
                               renew = {"198.51.100.100",
                                        "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                                        "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
                                        1559734385, true},
                               rollover = {"2001:db8:220:1:59de:d0f4:8769:82b8",
                                           "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                                           "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
                                           1559741961, true};
    expect_vector(&secrets, &learn);
    expect_vector(&secrets, &renew);
    expect_vector(&rolled, &rollover);
}

static void cookies_are_for_a_while_and_for_one_address(void **state)
{
    (void)state;
    const struct cookie_secrets secrets = secrets_of(SECRET, NULL);
    uint8_t bytes[24], wrong[24];
    const struct cookie_view cookie = {
        bytes, (uint16_t)from_hex("2464c4abcf10c957010000005cf79f111f8130c3eee29480", bytes)};
    const uint32_t made = 1559731985;
    union address peer = address_of("198.51.100.100"), other = address_of("198.51.100.101");
    assert_true(cookie_is_valid(&secrets, &cookie, &peer, made + 3600));
    assert_false(cookie_is_valid(&secrets, &cookie, &peer, made + 3601));
    assert_true(cookie_is_valid(&secrets, &cookie, &peer, made - 300));
    assert_false(cookie_is_valid(&secrets, &cookie, &peer, made - 301));
    assert_false(cookie_is_valid(&secrets, &cookie, &other, made));
    for (size_t i = 0; i < sizeof bytes; i++) {
        memcpy(wrong, bytes, sizeof wrong);
        wrong[i] ^= 1;
        assert_false(
            cookie_is_valid(&secrets, &(struct cookie_view){wrong, sizeof wrong}, &peer, made));
    }
}

static void sizes_are_those_of_rfc_7873(void **state)
{
    (void)state;
    for (uint16_t size = 0; size <= 48; size++) {
        uint8_t options[64] = {0, EDNS_OPTION_COOKIE, 0, (uint8_t)size};
        const struct edns edns = {.options = options, .options_size = (uint16_t)(size + 4)};
        struct cookie_view cookie;
        bool good = size == 8 || (size >= 16 && size <= 40);
        assert_int_equal(cookie_find(&edns, &cookie), good ? ERR_OK : ERR_FORMAT);
        assert_int_equal(cookie.size, size);
    }
}

/* SipHash-2-4, of the paper's appendix A. */
static void the_hash_is_siphash(void **state)
{
    (void)state;
    uint8_t key[16], bytes[15], hash[8];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    memcpy(bytes, key, sizeof bytes);
    cookie_siphash(key, bytes, sizeof bytes, hash);
    assert_memory_equal(hash, "\xe5\x45\xbe\x49\x61\xca\x29\xa1", sizeof hash);
}

/* ---- the rate ------------------------------------------------------------------------------- */

static void a_second_of_it_at_once_and_then_the_rate(void **state)
{
    (void)state;
    struct rate *rate = rate_new(50, 1);
    struct micro now = {UINT64_C(1000000000)};
    size_t taken = 0;
    for (size_t i = 0; i < 200; i++)
        taken += rate_take(rate, 7, now);
    assert_int_equal(taken, 50);
    assert_true(rate_take(rate, 8, now)); /* somebody else */
    for (taken = 0; now.us < UINT64_C(1010000000); now.us += 1000)
        taken += rate_take(rate, 7, now);
    assert_in_range(taken, 499, 501);
    now.us += 5000000;
    for (taken = 0; taken < 100 && rate_take(rate, 7, now); taken++)
        continue;
    assert_int_equal(taken, 50); /* what was not used is not saved up beyond a second */
    rate_free(rate);
}

/* Times that were written days ago are over; the clock of a place begins anew after 203 days. */
static void however_long_the_machine_is_up(void **state)
{
    (void)state;
    const uint64_t day_us = UINT64_C(86400000000);
    for (uint64_t days = 25; days < 500; days += 25) {
        struct rate *rate = rate_new(50, 1);
        for (uint64_t turn = 0; turn < 2;
             turn++) { /* of nobody, and of what was written days before */
            struct micro now = {1 + (days + 25 * days * turn) * day_us};
            size_t taken = 0;
            while (taken < 100 && rate_take(rate, 7, now))
                taken++;
            assert_int_equal(taken, 50);
        }
        rate_free(rate);
    }
}

/* Everybody of a million keeps to his own. */
static void whoever_else_there_is(void **state)
{
    (void)state;
    struct rate *rate = rate_new(1000000, 1);
    struct micro now = {1};
    for (uint64_t who = 0; who < 1000000; who++)
        assert_true(rate_take(rate, who, now));
    rate_free(rate);
}

/* ---- all together --------------------------------------------------------------------------- */

static void the_public_needs_a_cookie_or_patience(void **state)
{
    (void)state;
    struct admission *admission = admission_new(&(struct admission_options){
        .rate_limit = 10, .secrets = secrets_of(SECRET, NULL), .unix_now = unix_now});
    const struct micro now = {UINT64_C(1000000000)};
    union address peer = address_of("198.51.100.100"), next = address_of("198.51.100.200"),
                  far = address_of("198.51.101.100");
    uint8_t bytes[24];
    const struct cookie_view none = {NULL, 0},
                             good = {bytes, (uint16_t)from_hex("2464c4abcf10c957010000005cf79f111f8"
                                                               "130c3eee29480",
                                                               bytes)};
    unix_time = 1559731985;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(admission_of_public(admission, &none, &peer, now), ADMITTED);
    assert_int_equal(admission_of_public(admission, &none, &peer, now), ADMITTED_LATER);
    assert_int_equal(admission_of_public(admission, &none, &next, now), ADMITTED_LATER);
    assert_int_equal(admission_of_public(admission, &good, &next, now), ADMITTED_LEARN);
    assert_int_equal(admission_of_public(admission, &none, &far, now), ADMITTED);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(admission_of_public(admission, &good, &peer, now), ADMITTED);
    admission_unref(admission);
}

/* RFC 7873 5.2.3, with a bound: what is made up in another's name does not fetch him more than a rate of BADCOOKIEs. */
static void past_the_rate_a_cookie_is_to_be_learnt(void **state)
{
    (void)state;
    struct admission *admission = admission_new(&(struct admission_options){
        .rate_limit = 10, .secrets = secrets_of(SECRET, NULL), .unix_now = unix_now});
    const struct micro now = {UINT64_C(1000000000)};
    static const char *const addresses[] = {"198.51.100.100", "2001:db8:1::1"};
    uint8_t bytes[8];
    const struct cookie_view cookie = {bytes, (uint16_t)from_hex("2464c4abcf10c957", bytes)};
    for (size_t k = 0; k < 2; k++) {
        union address peer = address_of(addresses[k]);
        size_t counts[ADMITTED_PROVE + 1] = {0};
        for (size_t i = 0; i < 100; i++)
            counts[admission_of_public(admission, &cookie, &peer, now)]++;
        assert_int_equal(counts[ADMITTED], 10);
        assert_int_equal(counts[ADMITTED_LEARN], 10);
        assert_int_equal(counts[ADMITTED_LATER], 80);
    }
    admission_unref(admission);
}

static void it_may_be_made_to_show_one(void **state)
{
    (void)state;
    struct admission *admission = admission_new(&(struct admission_options){
        .require_cookies = true, .secrets = secrets_of(SECRET, NULL), .unix_now = unix_now});
    union address peer = address_of("198.51.100.100");
    const struct cookie_view none = {NULL, 0};
    assert_int_equal(admission_of_public(admission, &none, &peer, (struct micro){1}),
                     ADMITTED_PROVE);
    admission_unref(admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_those_of_rfc_9018),
        cmocka_unit_test(cookies_are_for_a_while_and_for_one_address),
        cmocka_unit_test(sizes_are_those_of_rfc_7873),
        cmocka_unit_test(the_hash_is_siphash),
        cmocka_unit_test(a_second_of_it_at_once_and_then_the_rate),
        cmocka_unit_test(however_long_the_machine_is_up),
        cmocka_unit_test(whoever_else_there_is),
        cmocka_unit_test(the_public_needs_a_cookie_or_patience),
        cmocka_unit_test(past_the_rate_a_cookie_is_to_be_learnt),
        cmocka_unit_test(it_may_be_made_to_show_one),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
