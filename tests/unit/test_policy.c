/* test_policy.c - who may change what by UPDATE (origin/policy.h). */
#include <stdio.h>
#include <string.h>

#include "dns/rdata.h"
#include "origin/policy.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fake/updates.h"

static struct policy_rule rules[8];

static size_t read_rules(const char *const *lines)
{
    char error[POLICY_MAX_ERROR];
    size_t count = 0;
    for (; lines[count]; count++) {
        if (policy_rule_from_text(lines[count], &rules[count], error) < 0)
            fail_msg("%s: %s", lines[count], error);
    }
    return count;
}

static void allows(const char *line, const char *key, const char *name, uint16_t type, bool yes)
{
    const char *lines[] = {line, NULL};
    size_t count = read_rules(lines);
    if (policy_allows(rules, count, key ? fake_name(key) : NULL, fake_name(name), type) != yes)
        fail_msg("%s: %s, %s, %u: not %d", line, key ? key : "nobody", name, type, yes);
}

static void each_rule_fits_its_names(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *name;
        bool yes;
    } cases[] = {
        {"grant k. name a.example. A", "a.example.", true},
        {"grant k. name a.example. A", "b.a.example.", false},
        {"grant K. subdomain A.example. A", "a.example.", true},
        {"grant k. subdomain a.example. A", "c.b.a.example.", true},
        {"grant k. subdomain a.example. A", "ba.example.", false},
        {"grant k. wildcard *.a.example. A", "c.b.a.example.", true},
        {"grant k. wildcard *.a.example. A", "a.example.", false},
        {"grant k. zonesub A", "whatever.example.", true},
        {"grant k.example. self A", "k.example.", false}, /* the key is k. */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        allows(cases[i].rule, "k.", cases[i].name, TYPE_A, cases[i].yes);
    allows("grant * self A", "h.example.", "h.example.", TYPE_A, true);
    allows("grant * self * A", "h.example.", "a.h.example.", TYPE_A, false);
    allows("grant * selfsub . A", "h.example.", "a.h.example.", TYPE_A, true);
    allows("grant * selfsub A", "h.example.", "h.example.", TYPE_A, true);
    allows("grant * selfwild A", "h.example.", "h.example.", TYPE_A, false);
    allows("grant * selfwild A", "h.example.", "a.h.example.", TYPE_A, true);
}

static void identities(void **state)
{
    (void)state;
    allows("grant *.hosts. zonesub", "a.hosts.", "x.", TYPE_A, true);
    allows("grant *.hosts. zonesub", "b.a.hosts.", "x.", TYPE_A, true);
    allows("grant *.hosts. zonesub", "hosts.", "x.", TYPE_A, false);
    allows("grant * zonesub", "any.thing.", "x.", TYPE_A, true);
    allows("grant * zonesub", NULL, "x.", TYPE_A, false); /* who has no key is nobody */
    allows("grant k. zonesub", "l.", "x.", TYPE_A, false);
}

static void types(void **state)
{
    (void)state;
    static const uint16_t skeleton[] = {TYPE_NS, TYPE_SOA, TYPE_RRSIG, TYPE_NSEC, TYPE_NSEC3};
    for (size_t i = 0; i < 5; i++) {
        allows("grant k. zonesub", "k.", "x.", skeleton[i], false);
        allows("grant k. zonesub ANY", "k.", "x.", skeleton[i], true);
        allows("grant k. zonesub A", "k.", "x.", skeleton[i], false);
    }
    allows("grant k. zonesub NS", "k.", "x.", TYPE_NS, true);
    allows("grant k. zonesub a txt TYPE65300", "k.", "x.", 65300, true);
    allows("grant k. zonesub a txt", "k.", "x.", TYPE_AAAA, false);
}

static void the_first_that_fits_decides(void **state)
{
    (void)state;
    const char *lines[] = {"deny k. name www.example. ANY", "grant k. subdomain example.",
                           "deny * zonesub ANY", "grant l. zonesub ANY", NULL};
    size_t count = read_rules(lines);
    assert_false(policy_allows(rules, count, fake_name("k."), fake_name("www.example."), TYPE_A));
    assert_true(policy_allows(rules, count, fake_name("k."), fake_name("a.example."), TYPE_A));
    assert_false(policy_allows(rules, count, fake_name("k."), fake_name("a.example."), TYPE_NS));
    assert_false(policy_allows(rules, count, fake_name("l."), fake_name("a.example."), TYPE_A));
    assert_false(policy_allows(rules, 0, fake_name("l."), fake_name("a.example."), TYPE_A));
}

static void what_is_no_rule_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *why;
    } cases[] = {
        {"", "begins with \"\", not with grant or deny"},
        {"allow k. zonesub", "begins with \"allow\", not with grant or deny"},
        {"grant", "no key is named"},
        {"grant k zonesub", "\"k\" is a name without its final dot"},
        {"grant k..x. zonesub", "\"k..x.\" is not a domain name (RFC 1035 3.1)"},
        {"grant k.", "\"\" is none of name, subdomain, wildcard, zonesub, self, selfsub, selfwild"},
        {"grant k. krb5-self X.",
         "\"krb5-self\" is none of name, subdomain, wildcard, zonesub, self, selfsub, selfwild"},
        {"grant k. name", "no name follows \"name\""},
        {"grant k. name A TXT", "\"A\" is a name without its final dot"},
        {"grant k. wildcard a.example. A", "\"a.example.\" does not begin with *."},
        {"grant k. zonesub PTR(1)", "\"PTR(1)\" is no type of records"},
        {"grant k. zonesub AXFR", "\"AXFR\" is no type of records"},
    };
    char error[POLICY_MAX_ERROR];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(policy_rule_from_text(cases[i].rule, &rules[0], error), ERR_CONFIG);
        assert_string_equal(error, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_fits_its_names),
        cmocka_unit_test(identities),
        cmocka_unit_test(types),
        cmocka_unit_test(the_first_that_fits_decides),
        cmocka_unit_test(what_is_no_rule_says_why),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
