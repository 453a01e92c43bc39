/*
 * test_zone_differ.c - differences: they make one state of the other, and whoever caches answers of the one and is told of
 * them (invalidation/apply.h) keeps none that the other would not give.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "tests/unit/fake/zones.h"
#include "zone/differ.h"
#include "zone/lookup.h"

enum { MAX_SCOPES = 4096, MAX_NAMES = 64, SEEDS = ROUNDS(12), QUESTIONS = 30 };

static const uint8_t apex[] = {1, 'z', 0};

/* -- random zones ------------------------------------------------------------------------------ */

static size_t random_name(uint64_t *seed, uint8_t name[NAME_MAX_SIZE])
{
    static const char labels[] = {'a', 'b', 'c', '*'};
    size_t at = 0;
    for (size_t depth = zones_random(seed) % 5; depth > 0; depth--) {
        name[at++] = 1;
        name[at++] = (uint8_t)labels[zones_random(seed) % sizeof labels];
    }
    memcpy(name + at, apex, sizeof apex);
    return at + sizeof apex;
}

/* One RRset of a random name, or all of it gone. */
static void random_edit(struct zone_edit *edit, uint64_t *seed)
{
    static const uint16_t types[] = {TYPE_A,     TYPE_A,  TYPE_TXT, TYPE_CNAME,
                                     TYPE_DNAME, TYPE_NS, TYPE_DS};
    uint8_t name[NAME_MAX_SIZE], target[NAME_MAX_SIZE], bytes[] = {3, 'o', 'n', 'e'};
    struct rdata_view rdata = {bytes, sizeof bytes};
    const size_t size = random_name(seed, name);
    struct change change = {.op = CHANGE_SET,
                            .type = types[zones_random(seed) % 7],
                            .ttl = (uint32_t)(zones_random(seed) % 2),
                            .name = name,
                            .rdata = &rdata,
                            .rdata_count = 1};
    bytes[3] = (uint8_t)zones_random(seed) % 2;
    if (change.type == TYPE_CNAME || change.type == TYPE_DNAME || change.type == TYPE_NS)
        rdata = (struct rdata_view){target, (uint16_t)random_name(seed, target)};
    if (zones_random(seed) % 3 == 0 && size > sizeof apex)
        change = (struct change){.op = CHANGE_DEL, .name = name};
    assert_int_equal(zone_edit_change(edit, &change), ERR_OK);
}

static void random_edits(struct zone_edit *edit, uint64_t *seed, size_t count)
{
    char soa[64];
    snprintf(soa, sizeof soa, "SET z. 1 SOA a. b. %u 1 1 1 1\n",
             (unsigned)(zones_random(seed) % 9));
    zones_edit(edit, soa);
    while (count-- > 0)
        random_edit(edit, seed);
}

/* -- what a cache is told ---------------------------------------------------------------------- */

enum scope { SCOPE_NAME, SCOPE_SUBTREE, SCOPE_EXISTENCE };

struct told {
    struct zone_edit *edit; /* the changes are made here as well */
    size_t count;
    struct {
        enum scope scope;
        uint8_t name[NAME_MAX_SIZE];
    } scopes[MAX_SCOPES];
    size_t flushes;
    bool soa_was_last;
};

static void mark(struct told *told, enum scope scope, const uint8_t *name)
{
    assert_true(told->count < MAX_SCOPES);
    told->scopes[told->count].scope = scope;
    memcpy(told->scopes[told->count++].name, name, name_size(name));
}

static bool is_marked(const struct told *told, enum scope scope, const uint8_t *name)
{
    for (size_t i = 0; i < told->count; i++)
        if (told->scopes[i].scope == scope && name_equal(told->scopes[i].name, name))
            return true;
    return false;
}

/* As invalidation/apply.c does it. */
static int tell(void *arg, const struct change *change)
{
    struct told *told = arg;
    const uint16_t type = change->type;
    mark(told, SCOPE_NAME, change->name);
    for (const uint8_t *name = change->name; name_is_within(name, apex); name = name_parent(name))
        mark(told, SCOPE_EXISTENCE, name);
    if (name_is_wildcard(change->name))
        mark(told, SCOPE_SUBTREE, name_parent(change->name));
    if ((change->op == CHANGE_FLUSH && change->subtree) ||
        (change->op == CHANGE_DEL && type == 0) || type == TYPE_DNAME || type == TYPE_DS ||
        type == TYPE_DNSKEY || (type == TYPE_NS && !name_equal(change->name, apex)))
        mark(told, SCOPE_SUBTREE, change->name);
    told->flushes += change->op == CHANGE_FLUSH;
    told->soa_was_last = type == TYPE_SOA;
    return told->edit ? zone_edit_change(told->edit, change) : ERR_OK;
}

/* -- answers ----------------------------------------------------------------------------------- */

struct answer {
    enum zone_lookup_result result;
    size_t name_count; /* what it is of: the question and the links of its chain */
    uint8_t names[MAX_NAMES][NAME_MAX_SIZE];
    size_t size; /* of the records, but for the SOA and additional ones */
    uint8_t records[DNS_MAX_MESSAGE];
};

static void add_records(struct answer *answer, const struct message *message)
{
    const size_t count = message->answer_count + message->authority_count;
    for (size_t i = 0; i < count; i++) {
        const struct record *record = &message->records[i];
        if (record->type == TYPE_SOA)
            continue;
        uint8_t *at = answer->records + answer->size;
        memcpy(at, record->owner, name_size(record->owner));
        at += name_size(record->owner);
        wire_put_u32(at, record->ttl);
        wire_put_u16(at + 4, record->type);
        memcpy(at + 6, record->rdata, record->rdata_size);
        answer->size = (size_t)(at + 6 + record->rdata_size - answer->records);
        if (i < message->answer_count && record->type == TYPE_CNAME) {
            assert_true(answer->name_count < MAX_NAMES);
            memcpy(answer->names[answer->name_count++], record->rdata, record->rdata_size);
        }
    }
}

static void ask(const struct zone_state *state, const uint8_t *name, uint16_t type,
                struct answer *ret)
{
    static struct builder builder;
    static uint8_t wire[DNS_MAX_MESSAGE];
    static struct message *message;
    struct question question = {
        .name_size = (uint8_t)name_size(name), .type = type, .class = CLASS_IN};
    if (!message)
        message = message_new();
    memcpy(question.name, name, question.name_size);
    build_start(&builder, wire, sizeof wire);
    build_question(&builder, &question);
    ret->result = zone_lookup(state, &question, ZONE_ADDRESSES, &builder);
    const int size = build_finish(&builder, 1, FLAG_QR);
    assert_true(size > 0);
    assert_int_equal(message_parse(message, wire, (size_t)size), ERR_OK);
    ret->name_count = 1;
    memcpy(ret->names[0], name, question.name_size);
    ret->size = 0;
    add_records(ret, message);
}

static bool is_negative(const struct answer *answer)
{
    return answer->result == ZONE_NODATA || answer->result == ZONE_NXDOMAIN;
}

/* Whether a cache that was told drops an answer. */
static bool is_dropped(const struct told *told, const struct answer *answer)
{
    for (size_t i = 0; i < answer->name_count; i++) {
        const uint8_t *name = answer->names[i];
        if (is_marked(told, SCOPE_NAME, name))
            return true;
        for (const uint8_t *above = name; above && name_is_within(above, apex);
             above = name_parent(above))
            if (is_marked(told, SCOPE_SUBTREE, above))
                return true;
    }
    return is_negative(answer) &&
           is_marked(told, SCOPE_EXISTENCE, answer->names[answer->name_count - 1]);
}

static bool is_same(const struct answer *a, const struct answer *b)
{
    return a->result == b->result && a->size == b->size &&
           memcmp(a->records, b->records, a->size) == 0;
}

static void nothing_stale(const struct zone_state *before, const struct zone_state *after,
                          const struct told *told, uint64_t *seed, const char *where)
{
    static const uint16_t types[] = {TYPE_A, TYPE_TXT, TYPE_CNAME, TYPE_NS, TYPE_DS, TYPE_MX};
    static struct answer old, now;
    for (int i = 0; i < QUESTIONS; i++) {
        uint8_t name[NAME_MAX_SIZE];
        char text[NAME_MAX_TEXT];
        const uint16_t type = types[zones_random(seed) % 6];
        random_name(seed, name);
        ask(before, name, type, &old);
        ask(after, name, type, &now);
        if (!is_same(&old, &now) && !is_dropped(told, &old))
            fail_msg("%s: %s type %u: %d is %d now, and nobody was told", where,
                     name_to_text(name, text), (unsigned)type, (int)old.result, (int)now.result);
    }
}

/* -- tests ------------------------------------------------------------------------------------- */

static struct zone *zone_of_text(const char *text)
{
    struct zone *zone;
    assert_int_equal(zone_new(apex, &zone), ERR_OK);
    zones_change(zone, text);
    return zone;
}

struct shown {
    char text[65536];
    size_t size;
};

static bool show(void *arg, const struct zone_rrset *rrset)
{
    struct shown *shown = arg;
    char name[NAME_MAX_TEXT];
    for (size_t k = 0; k < rrset->count; k++) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        char text[2048];
        assert_true(rdata_to_text(rrset->type, rdata.bytes, rdata.size, text, sizeof text) >= 0);
        shown->size += (size_t)snprintf(shown->text + shown->size, sizeof shown->text - shown->size,
                                        "%s %u TYPE%u %s\n", name_to_text(rrset->owner, name),
                                        (unsigned)rrset->ttl, (unsigned)rrset->type, text);
        assert_true(shown->size < sizeof shown->text);
    }
    return true;
}

static void assert_states_equal(const struct zone_state *a, const struct zone_state *b)
{
    static struct shown one, other;
    one.size = other.size = 0;
    one.text[0] = other.text[0] = '\0';
    zone_each(a, show, &one);
    zone_each(b, show, &other);
    assert_string_equal(one.text, other.text);
}

/* Small changes of one zone, and whole other zones: of what the first is told, it becomes the second. */
static void run(uint64_t seed, bool whole)
{
    static struct told told;
    char where[64];
    struct zone *zone = zone_of_text(""), *copy = zone_of_text("");
    snprintf(where, sizeof where, "seed %llu, %s", (unsigned long long)seed,
             whole ? "whole" : "small");
    for (int round = 0; round < 20; round++) {
        struct zone_edit *edit, *copying;
        assert_int_equal(zone_edit_begin(zone, whole, &edit), ERR_OK);
        random_edits(edit, &seed, whole || round == 0 ? 25 : 1 + zones_random(&seed) % 4);
        told.count = 0;
        assert_int_equal(zone_edit_begin(copy, false, &copying), ERR_OK);
        told.edit = copying;
        assert_int_equal(zone_differ(zone_state(zone), zone_edit_state(edit), tell, &told), ERR_OK);
        assert_states_equal(zone_edit_state(copying), zone_edit_state(edit));
        if (round > 0)
            nothing_stale(zone_state(zone), zone_edit_state(edit), &told, &seed, where);
        zone_edit_commit(edit);
        zone_edit_commit(copying);
    }
    zone_free(zone);
    zone_free(copy);
}

static void test_random_differences(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, false);
        run(seed, true);
    }
}

/* How many FLUSHes go with a change of a zone. */
static size_t flushes(const char *zone_text, const char *changes, bool *ret_soa_last)
{
    static struct told told;
    struct zone *zone = zone_of_text(zone_text);
    struct zone_edit *edit;
    assert_int_equal(zone_edit_begin(zone, false, &edit), ERR_OK);
    zones_edit(edit, changes);
    told = (struct told){.edit = NULL};
    assert_int_equal(zone_differ(zone_state(zone), zone_edit_state(edit), tell, &told), ERR_OK);
    zone_edit_abort(edit);
    zone_free(zone);
    if (ret_soa_last)
        *ret_soa_last = told.soa_was_last;
    return told.flushes;
}

#define SOA "SET z. 1 SOA a. b. 1 1 1 1 1\n"

static void test_flushes_only_where_needed(void **unused)
{
    (void)unused;
    bool soa_last = false;
    assert_int_equal(flushes(SOA "SET *.z. 1 A 192.0.2.1\n",
                             "SET z. 1 SOA a. b. 2 1 1 1 1\nSET a.b.z. 1 A 192.0.2.2\n"
                             "SET c.b.z. 1 A 192.0.2.2\n",
                             &soa_last),
                     1); /* b.z and all below it */
    assert_true(soa_last);
    assert_int_equal(
        flushes(SOA "SET *.z. 1 A 192.0.2.1\nSET a.b.z. 1 A 192.0.2.2\n", "DEL a.b.z.\n", NULL), 1);
    assert_int_equal(flushes(SOA "SET *.z. 1 A 192.0.2.1\nSET b.z. 1 TXT \"x\"\n",
                             "SET b.z. 1 A 192.0.2.2\n", NULL),
                     0);
    assert_int_equal(flushes(SOA, "SET a.b.z. 1 A 192.0.2.2\nSET b.z. 1 A 192.0.2.2\n", NULL), 0);
    assert_int_equal(flushes(SOA, "SET a.*.b.z. 1 A 192.0.2.2\n", NULL), 1);
}

static int refuse(void *arg, const struct change *change)
{
    (void)change;
    return --*(int *)arg < 0 ? ERR_KAFKA : ERR_OK;
}

static void test_errors_end_it(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of_text(""), *other = zone_of_text(SOA "SET a.z. 1 A 192.0.2.1\n");
    for (int fine = 0; fine < 2; fine++) {
        int left = fine;
        assert_int_equal(zone_differ(zone_state(zone), zone_state(other), refuse, &left),
                         ERR_KAFKA);
    }
    zone_free(zone);
    zone_free(other);
}

/* NSEC3 names are data like others, and come and go between the trees. */
static void test_hashes_too(void **unused)
{
    (void)unused;
    static const char hash[] =
        "SET h.z. 1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\nSET g.z. 1 NSEC3 1 0 0 - "
        "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n";
    static const char *const states[] = {
        SOA, SOA "SET h.z. 1 A 192.0.2.1\n", "both", "hash",
        SOA "SET g.z. 1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM TXT\n"};
    enum { STATES = sizeof states / sizeof states[0] };
    struct zone *zones[STATES];
    static struct told told;
    for (size_t i = 0; i < STATES; i++) {
        zones[i] = zone_of_text(strcmp(states[i], "both") == 0   ? SOA "SET h.z. 1 A 192.0.2.1\n"
                                : strcmp(states[i], "hash") == 0 ? SOA
                                                                 : states[i]);
        if (i == 2 || i == 3)
            zones_change(zones[i], hash);
    }
    for (size_t i = 0; i < STATES * STATES; i++) {
        struct zone_edit *edit;
        assert_int_equal(zone_edit_begin(zones[i / STATES], false, &edit), ERR_OK);
        told = (struct told){.edit = edit};
        assert_int_equal(
            zone_differ(zone_state(zones[i / STATES]), zone_state(zones[i % STATES]), tell, &told),
            ERR_OK);
        assert_states_equal(zone_edit_state(edit), zone_state(zones[i % STATES]));
        assert_true((told.count == 0) == (i / STATES == i % STATES));
        zone_edit_abort(edit);
    }
    for (size_t i = 0; i < STATES; i++)
        zone_free(zones[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_differences),
        cmocka_unit_test(test_flushes_only_where_needed),
        cmocka_unit_test(test_errors_end_it),
        cmocka_unit_test(test_hashes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
