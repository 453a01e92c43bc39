/*
 * test_local.c - hosts files, records as text, and what local names are answered with.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/hosts.h"
#include "dns/record.h"
#include "resolver/answer/local.h"

/* ---- hosts files ---------------------------------------------------------------------------- */

struct seen {
    char text[2048];
    size_t used;
};

static void note(struct seen *seen, const char *text)
{
    int size = snprintf(seen->text + seen->used, sizeof seen->text - seen->used, "%s\n", text);
    seen->used += (size_t)size;
    assert_true(seen->used < sizeof seen->text);
}

static void on_entry(void *arg, const struct hosts_entry *entry)
{
    char address[INET6_ADDRSTRLEN], name[NAME_MAX_TEXT], line[NAME_MAX_TEXT + 128];
    int family = entry->address_size == 4 ? AF_INET : AF_INET6;
    assert_non_null(inet_ntop(family, entry->address, address, sizeof address));
    snprintf(line, sizeof line, "%u %s %s%s", entry->line, address, name_to_text(entry->name, name),
             entry->first ? " first" : "");
    note(arg, line);
}

static void on_bad(void *arg, unsigned number, const char *why)
{
    char line[128];
    snprintf(line, sizeof line, "%u! %s", number, why);
    note(arg, line);
}

static void reads_bytes(const char *text, size_t size, const char *expected)
{
    struct seen seen = {.used = 0};
    hosts_read(text, size, &(struct hosts_sink){.entry = on_entry, .bad = on_bad, .arg = &seen});
    assert_string_equal(seen.text, expected);
}

static void reads(const char *text, const char *expected)
{
    reads_bytes(text, strlen(text), expected);
}

static void test_hosts_lines(void **state)
{
    (void)state;
    reads("", "");
    reads("\n\n# nothing\n   # here\n", "");
    reads("127.0.0.1 localhost", "1 127.0.0.1 localhost. first\n");
    reads("127.0.0.1\tlocalhost\n::1\tIP6-localhost  ip6-loopback\n",
          "1 127.0.0.1 localhost. first\n2 ::1 ip6-localhost. first\n2 ::1 ip6-loopback.\n");
    reads("\r\n 192.0.2.1 Box.LAN. box # a comment\r\n192.0.2.2 b#c d",
          "2 192.0.2.1 box.lan. first\n2 192.0.2.1 box.\n3 192.0.2.2 b. first\n");
    reads("192.0.2.1 _a-b.1.2", "1 192.0.2.1 _a-b.1.2. first\n");
}

#define NO_ADDRESS "does not begin with an address\n"
#define NO_NAME    "has an address and no name\n"
#define BAD_NAME   "has what is not a host name\n"

static void test_hosts_bad_lines_cost_only_themselves(void **state)
{
    (void)state;
    reads("box 192.0.2.1\n192.0.2.2 good\n", "1! " NO_ADDRESS "2 192.0.2.2 good. first\n");
    reads("127.1 a\n1.2.3.256 b\nfe80::1%lo c\n::g d",
          "1! " NO_ADDRESS "2! " NO_ADDRESS "3! " NO_ADDRESS "4! " NO_ADDRESS);
    reads("192.0.2.1\n192.0.2.1 # box\n", "1! " NO_NAME "2! " NO_NAME);
    reads("192.0.2.1 a..b c \\100 . caf\xc3\xa9",
          "1! " BAD_NAME "1 192.0.2.1 c.\n1! " BAD_NAME "1! " BAD_NAME "1! " BAD_NAME);
    reads_bytes("192.0.2.1\0 a\n192.0.2.1 a\0b", 26, "1! " NO_ADDRESS "2! " BAD_NAME);
}

static void reverses_to(const char *address, const char *expected)
{
    uint8_t bytes[16], name[HOSTS_PTR_SIZE];
    char text[NAME_MAX_TEXT];
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    assert_int_equal(inet_pton(family, address, bytes), 1);
    size_t size = hosts_reverse_name(bytes, family == AF_INET ? 4 : 16, name);
    assert_int_equal(size, name_size(name));
    assert_string_equal(name_to_text(name, text), expected);
}

static void test_reverse_names(void **state)
{
    (void)state;
    reverses_to("192.0.2.10", "10.2.0.192.in-addr.arpa.");
    reverses_to("255.255.255.255", "255.255.255.255.in-addr.arpa.");
    reverses_to("2001:db8::567:89ab",
                "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
}

/* ---- records -------------------------------------------------------------------------------- */

static void parses_to(const char *text, const char *owner, uint32_t ttl, const char *rest)
{
    static struct record_room room;
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], rdata[512], shown[600];
    struct record record;
    assert_int_equal(record_from_text(text, 77, &room, &record), 0);
    assert_string_equal(name_to_text(record.owner, name), owner);
    assert_int_equal(record.ttl, ttl);
    assert_int_equal(record.class, CLASS_IN);
    assert_true(rdata_to_text(record.type, record.rdata, record.rdata_size, rdata, sizeof rdata) >=
                0);
    snprintf(shown, sizeof shown, "%s %s", type_to_text(record.type, type), rdata);
    assert_string_equal(shown, rest);
}

static void test_records(void **state)
{
    (void)state;
    parses_to("printer.lan. 3600 IN A 192.0.2.9", "printer.lan.", 3600, "A 192.0.2.9");
    parses_to("  Printer.LAN\tin\t5\taaaa\t2001:db8::9", "printer.lan.", 5, "AAAA 2001:db8::9");
    parses_to("a A 192.0.2.1", "a.", 77, "A 192.0.2.1");
    parses_to("a IN TXT \"x y\" z", "a.", 77, "TXT \"x y\" \"z\"");
    parses_to("a 2147483647 MX 10 Mail.a.", "a.", 2147483647, "MX 10 Mail.a.");
    parses_to("_s._tcp.a 0 SRV 1 2 3 b", "_s._tcp.a.", 0, "SRV 1 2 3 b.");
    parses_to("a TYPE65280 \\# 2 abcd", "a.", 77, "TYPE65280 \\# 2 abcd");
    parses_to("a\\.b.c PTR d", "a\\.b.c.", 77, "PTR d.");
}

static void test_bad_records(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
    } bad[] = {
        {"", ERR_NAME},
        {"a", ERR_FORMAT},
        {"a..b A 192.0.2.1", ERR_NAME},
        {"a 5", ERR_FORMAT},
        {"a IN", ERR_FORMAT},
        {"a IN IN A 192.0.2.1", ERR_FORMAT},
        {"a CH TXT x", ERR_FORMAT},
        {"a 1 2 A 192.0.2.1", ERR_TYPE},
        {"a 2147483648 A 192.0.2.1", ERR_TTL},
        {"a 99999999999 A 192.0.2.1", ERR_TTL},
        {"a 1h A 192.0.2.1", ERR_TTL},
        {"a NONSENSE 192.0.2.1", ERR_TYPE},
        {"a AVERYLONGWORDTHATISNOTYPE x", ERR_TYPE},
        {"a ANY x", ERR_TYPE},
        {"a OPT x", ERR_TYPE},
        {"a A", ERR_RDATA},
        {"a A 192.0.2", ERR_RDATA},
        {"a A 192.0.2.1 192.0.2.2", ERR_RDATA},
        {"a AAAA 192.0.2.1", ERR_RDATA},
    };
    static struct record_room room;
    struct record record;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (record_from_text(bad[i].text, 77, &room, &record) != bad[i].error)
            fail_msg("%s: not error %d", bad[i].text, bad[i].error);
}

/* ---- answers -------------------------------------------------------------------------------- */

static struct local *made;

static int teardown(void **state)
{
    (void)state;
    local_unref(made);
    made = NULL;
    return 0;
}

static void make(const struct local_options *options)
{
    local_unref(made);
    made = local_new(options);
    assert_non_null(made);
}

/* Special use and records, up to a NULL. */
static void make_of(char *const *records)
{
    size_t count = 0;
    while (records[count])
        count++;
    make(&(struct local_options){.special_use = true, .records = records, .record_count = count});
}

static void show(const struct record *record, char *text, size_t room)
{
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], rdata[512];
    assert_true(
        rdata_to_text(record->type, record->rdata, record->rdata_size, rdata, sizeof rdata) >= 0);
    snprintf(text, room, "%s %u %s %s; ", name_to_text(record->owner, name), record->ttl,
             type_to_text(record->type, type), rdata);
}

static uint64_t turn;

/* "RCODE; answers | authorities", or "not local". */
static const char *ask_limited(const char *name, const char *type, size_t limit)
{
    static char text[4096];
    char rcode[TYPE_MAX_TEXT];
    static uint8_t reply[DNS_MAX_MESSAGE];
    struct question question = {.class = CLASS_IN, .type = (uint16_t)type_from_text(type)};
    struct reply_content content;
    question.name_size = (uint8_t)name_from_text(name, question.name);
    bool may = local_may_have(made, question.name, question.name_size);
    if (!local_answer(made,
                      &(struct local_query){
                          .question = &question, .reply = reply, .limit = limit, .turn = turn},
                      &content))
        return "not local";
    assert_true(may); /* what the bitmaps rule out is not local */
    if (content.truncated)
        return "truncated";
    size_t size =
        reply_finish(reply, DNS_HEADER_SIZE + question.name_size + 4u,
                     &(struct reply_shape){.limit = DNS_MAX_MESSAGE, .flags = FLAG_RD}, &content);
    struct message *message = message_new();
    assert_non_null(message);
    assert_int_equal(message_parse(message, reply, size), 0);
    assert_int_equal(message->flags & (FLAG_QR | FLAG_AA | FLAG_RA), FLAG_QR | FLAG_RA);
    snprintf(text, sizeof text, "%s; ", rcode_to_text(message->rcode, rcode));
    for (size_t i = 0; i < (size_t)message->answer_count + message->authority_count; i++) {
        if (i == message->answer_count)
            strcat(text, "| ");
        show(&message->records[i], text + strlen(text), sizeof text - strlen(text));
    }
    message_free(message);
    text[strlen(text) - 2] = '\0';
    return text;
}

static const char *ask(const char *name, const char *type)
{
    return ask_limited(name, type, DNS_MAX_MESSAGE);
}

#define SOA(zone) zone " 10800 SOA " zone " nobody.invalid. 1 3600 1200 604800 10800"

static void test_localhost(void **state)
{
    (void)state;
    make_of((char *const[]){NULL});
    assert_string_equal(ask("localhost", "A"), "NOERROR; localhost. 10800 A 127.0.0.1");
    assert_string_equal(ask("LocalHost", "AAAA"), "NOERROR; LocalHost. 10800 AAAA ::1");
    assert_string_equal(ask("x.y.localhost", "A"), "NOERROR; x.y.localhost. 10800 A 127.0.0.1");
    assert_string_equal(ask("localhost", "MX"), "NOERROR; | " SOA("localhost."));
    assert_string_equal(ask("1.0.0.127.in-addr.arpa", "PTR"),
                        "NOERROR; 1.0.0.127.in-addr.arpa. 10800 PTR localhost.");
    assert_string_equal(ask("1.0.0.127.in-addr.arpa", "A"), "NOERROR");
    assert_string_equal(
        ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", "PTR"),
        "NOERROR; 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. "
        "10800 PTR localhost.");
    assert_string_equal(ask("localhost.example", "A"), "not local");
    assert_string_equal(ask("notlocalhost", "A"), "not local");
}

static void test_names_that_are_not(void **state)
{
    (void)state;
    make_of((char *const[]){NULL});
    static const char *const zones[] = {"invalid", "test", "onion", "alt"};
    for (size_t i = 0; i < 4; i++) {
        char below[64], expected[256];
        snprintf(below, sizeof below, "a.b.%s", zones[i]);
        snprintf(expected, sizeof expected,
                 "NXDOMAIN; | %s. 10800 SOA %s. nobody.invalid. 1 3600 1200 604800 10800", zones[i],
                 zones[i]);
        assert_string_equal(ask(below, "A"), expected);
        assert_string_equal(ask(zones[i], "TXT"), expected);
    }
    assert_string_equal(ask("example", "A"), "not local");
    assert_string_equal(ask("local", "A"), "not local");
    assert_string_equal(ask(".", "NS"), "not local");
    assert_string_equal(ask("com", "NS"), "not local");
}

static void test_empty_zones(void **state)
{
    (void)state;
    make_of((char *const[]){NULL});
    assert_string_equal(ask("3.2.1.10.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("10.in-addr.arpa."));
    assert_string_equal(ask("10.IN-ADDR.arpa", "SOA"), "NOERROR; " SOA("10.IN-ADDR.arpa."));
    assert_string_equal(ask("10.in-addr.arpa", "NS"),
                        "NOERROR; 10.in-addr.arpa. 10800 NS 10.in-addr.arpa.");
    assert_string_equal(ask("10.in-addr.arpa", "A"), "NOERROR; | " SOA("10.in-addr.arpa."));
    assert_string_equal(ask("10.in-addr.arpa", "DS"), "not local"); /* its parent's */
    assert_string_equal(ask("1.16.172.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("16.172.in-addr.arpa."));
    assert_string_equal(ask("1.31.172.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("31.172.in-addr.arpa."));
    assert_string_equal(ask("1.15.172.in-addr.arpa", "PTR"), "not local");
    assert_string_equal(ask("1.32.172.in-addr.arpa", "PTR"), "not local");
    assert_string_equal(ask("1.64.100.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("64.100.in-addr.arpa."));
    assert_string_equal(ask("1.63.100.in-addr.arpa", "PTR"), "not local");
    assert_string_equal(ask("1.128.100.in-addr.arpa", "PTR"), "not local");
    assert_string_equal(ask("1.a.e.f.ip6.arpa", "PTR"), "NXDOMAIN; | " SOA("a.e.f.ip6.arpa."));
    assert_string_equal(ask("1.c.e.f.ip6.arpa", "PTR"), "not local");
    assert_string_equal(ask("box.home.arpa", "A"), "NXDOMAIN; | " SOA("home.arpa."));
    assert_string_equal(ask("_dns.resolver.arpa", "SVCB"), "NOERROR; | " SOA("resolver.arpa."));
    assert_string_equal(ask("8.8.8.8.in-addr.arpa", "PTR"), "not local");
}

static void test_without_special_use(void **state)
{
    (void)state;
    make(&(struct local_options){.special_use = false});
    assert_string_equal(ask("localhost", "A"), "not local");
    assert_string_equal(ask("1.0.0.127.in-addr.arpa", "PTR"), "not local");
    assert_false(local_may_have(made, (const uint8_t *)"\11localhost", 11));
}

static void test_configured_zones_are_exempt(void **state)
{
    (void)state;
    make(&(struct local_options){
        .special_use = true,
        .exempt = (char *const[]){"Corp.test", "10.in-addr.arpa.", "arpa", ".", "com", "onion"},
        .exempt_count = 6});
    assert_string_equal(ask("www.corp.test", "A"), "not local");
    assert_string_equal(ask("corp.test", "A"), "not local");
    assert_string_equal(ask("www.test", "A"), "NXDOMAIN; | " SOA("test."));
    assert_string_equal(ask("1.10.in-addr.arpa", "PTR"), "not local");
    assert_string_equal(ask("x.onion", "A"), "not local");
    assert_string_equal(ask("1.16.172.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("16.172.in-addr.arpa."));
    assert_string_equal(ask("localhost", "A"), "NOERROR; localhost. 10800 A 127.0.0.1");
}

static void test_local_records(void **state)
{
    (void)state;
    make_of((char *const[]){"printer.lan. 300 IN A 192.0.2.9", "printer.lan. 300 A 192.0.2.10",
                            "printer.lan. 300 A 192.0.2.9", "ipp.lan CNAME Printer.lan.",
                            "chain.lan CNAME ipp.lan", "x TXT hello", NULL});
    assert_string_equal(ask("Printer.lan", "A"),
                        "NOERROR; Printer.lan. 300 A 192.0.2.9; Printer.lan. 300 A 192.0.2.10");
    assert_string_equal(ask("printer.lan", "AAAA"), "NOERROR");
    assert_string_equal(ask("a.printer.lan", "A"), "not local");
    assert_string_equal(ask("lan", "A"), "not local");
    assert_string_equal(ask("ipp.lan", "CNAME"), "NOERROR; ipp.lan. 3600 CNAME Printer.lan.");
    assert_string_equal(ask("chain.lan", "A"),
                        "NOERROR; chain.lan. 3600 CNAME ipp.lan.; ipp.lan. 3600 CNAME Printer.lan.;"
                        " Printer.lan. 300 A 192.0.2.9; Printer.lan. 300 A 192.0.2.10");
    assert_string_equal(ask("ipp.lan", "TXT"), "NOERROR; ipp.lan. 3600 CNAME Printer.lan.");
    assert_string_equal(ask("x", "TXT"), "NOERROR; x. 3600 TXT \"hello\"");
    assert_int_equal(local_count(made), 4 + 4); /* and 127.0.0.1, two above it, and ::1 */
}

static void test_records_within_special_zones(void **state)
{
    (void)state;
    make_of((char *const[]){"a.b.home.arpa A 192.0.2.1", "www.test A 192.0.2.2",
                            "localhost A 127.0.0.2", NULL});
    assert_string_equal(ask("a.b.home.arpa", "A"), "NOERROR; a.b.home.arpa. 3600 A 192.0.2.1");
    assert_string_equal(ask("b.home.arpa", "A"), "NOERROR"); /* it is there (RFC 8020) */
    assert_string_equal(ask("c.home.arpa", "A"), "NXDOMAIN; | " SOA("home.arpa."));
    assert_string_equal(ask("home.arpa", "SOA"), "NOERROR; " SOA("home.arpa."));
    assert_string_equal(ask("www.test", "A"), "NOERROR; www.test. 3600 A 192.0.2.2");
    assert_string_equal(ask("localhost", "A"), "NOERROR; localhost. 3600 A 127.0.0.2");
}

static void test_loops_of_cnames_end(void **state)
{
    (void)state;
    make_of((char *const[]){"a.lan CNAME b.lan", "b.lan CNAME a.lan", NULL});
    const char *answer = ask("a.lan", "A");
    assert_int_equal(strncmp(answer, "NOERROR; a.lan. 3600 CNAME b.lan.; ", 35), 0);
    assert_true(strlen(answer) < 600);
}

static void test_long_answers_are_truncated(void **state)
{
    (void)state;
    static char texts[40][64];
    char *records[41] = {NULL};
    for (size_t i = 0; i < 40; i++) {
        snprintf(texts[i], sizeof texts[i], "many.lan A 192.0.2.%zu", i);
        records[i] = texts[i];
    }
    make_of(records);
    assert_string_equal(ask_limited("many.lan", "A", DNS_CLASSIC_UDP), "truncated");
    assert_int_equal(strncmp(ask("many.lan", "A"), "NOERROR; many.lan. 3600 A 192.0.2.0", 35), 0);
}

/* Short names and those that share their last bytes with local ones take the long way, and are right. */
static void test_the_bitmaps_lose_nothing(void **state)
{
    (void)state;
    make_of((char *const[]){"a A 192.0.2.1", "ab.c A 192.0.2.1", "abcde.f A 192.0.2.1",
                            "abcdef.g A 192.0.2.1", "www.example.com A 192.0.2.1", NULL});
    static const char *const names[] = {"a", "AB.c", "abcde.F", "ABCDEF.g", "WWW.Example.COM"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(strncmp(ask(names[i], "A"), "NOERROR; ", 9), 0);
    assert_string_equal(ask("ftp.example.com", "A"), "not local");
    static const char other[] = "\3www\7example\3net";
    assert_false(local_may_have(made, (const uint8_t *)other, sizeof other));
}

/* ---- hosts files as local names -------------------------------------------------------------- */

struct file {
    char path[64];
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* What was left out: "line 3: why; file: why; 90 more". */
static char left_out[4096];

static void complain(void *arg, const struct hosts_complaint *complaint)
{
    assert_null(arg);
    size_t used = strlen(left_out), room = sizeof left_out - used;
    if (complaint->more > 0)
        snprintf(left_out + used, room, "%u more; ", complaint->more);
    else if (complaint->line > 0)
        snprintf(left_out + used, room, "line %u; ", complaint->line);
    else
        snprintf(left_out + used, room, "%s: %s; ", complaint->path, complaint->why);
}

static void make_from_hosts(struct file *file, const char *text)
{
    left_out[0] = 0;
    strcpy(file->path, "/tmp/freshet-hosts-XXXXXX");
    int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    close(fd);
    write_file(file->path, text);
    make(&(struct local_options){
        .special_use = true,
        .hosts = {.paths = (char *const[]){file->path, "/nonexistent/hosts"},
                  .count = 2,
                  .complain = complain}});
}

static void test_hosts_are_local_names(void **state)
{
    (void)state;
    struct file file;
    make_from_hosts(&file, "192.0.2.7 nas.lan nas\n2001:db8::7 nas\nrubbish\n192.0.2.7 other\n"
                           "192.0.2.8 nas\n10.0.0.1 router.home.arpa\n");
    assert_string_equal(ask("nas", "A"), "NOERROR; nas. 60 A 192.0.2.7; nas. 60 A 192.0.2.8");
    assert_string_equal(ask("nas", "AAAA"), "NOERROR; nas. 60 AAAA 2001:db8::7");
    assert_string_equal(ask("nas", "TXT"), "NOERROR");
    assert_string_equal(ask("other", "A"), "NOERROR; other. 60 A 192.0.2.7");
    assert_string_equal(ask("7.2.0.192.in-addr.arpa", "PTR"),
                        "NOERROR; 7.2.0.192.in-addr.arpa. 60 PTR nas.lan.");
    assert_string_equal(ask("1.0.0.10.in-addr.arpa", "PTR"),
                        "NOERROR; 1.0.0.10.in-addr.arpa. 60 PTR router.home.arpa.");
    assert_string_equal(ask("0.0.10.in-addr.arpa", "PTR"), "NOERROR");
    assert_string_equal(ask("2.0.0.10.in-addr.arpa", "PTR"),
                        "NXDOMAIN; | " SOA("10.in-addr.arpa."));
    assert_string_equal(left_out, "line 3; /nonexistent/hosts: No such file or directory; ");
    unlink(file.path);
}

static void test_a_file_full_of_rubbish_is_told_of_briefly(void **state)
{
    (void)state;
    struct file file;
    char text[100 * sizeof "rubbish" + 1] = "";
    for (size_t i = 0; i < 100; i++)
        strcpy(text + i * 8, "rubbish\n");
    make_from_hosts(&file, text);
    assert_non_null(strstr(left_out, "line 1; line 2; "));
    assert_non_null(strstr(left_out, "line 10; 90 more; "));
    unlink(file.path);
}

/* RFC 1034 3.6.2: what the config calls an alias has no records of its own, whatever a file says. */
/* As RRsets from anywhere else, so that all addresses of a name are used (RFC 1794). */
static void test_records_take_turns(void **state)
{
    (void)state;
    struct file file;
    make_from_hosts(&file, "192.0.2.1 web.lan\n192.0.2.2 web.lan\n192.0.2.3 web.lan\n");
    static const char *const turns[] = {
        "NOERROR; web.lan. 60 A 192.0.2.1; web.lan. 60 A 192.0.2.2; web.lan. 60 A 192.0.2.3",
        "NOERROR; web.lan. 60 A 192.0.2.2; web.lan. 60 A 192.0.2.3; web.lan. 60 A 192.0.2.1",
        "NOERROR; web.lan. 60 A 192.0.2.3; web.lan. 60 A 192.0.2.1; web.lan. 60 A 192.0.2.2",
    };
    for (turn = 0; turn < 7; turn++)
        assert_string_equal(ask("web.lan", "A"), turns[turn % 3]);
    turn = 0;
    remove(file.path);
}

static void test_hosts_add_nothing_beside_a_cname(void **state)
{
    (void)state;
    struct file file;
    make_from_hosts(&file, "192.0.2.7 box.lan\n192.0.2.1 ipp.lan\n");
    make(&(struct local_options){
        .hosts = {.paths = (char *const[]){file.path}, .count = 1},
        .records = (char *const[]){"ipp.lan CNAME box.lan", "box.lan A 192.0.2.9"},
        .record_count = 2});
    assert_string_equal(ask("ipp.lan", "TXT"), "NOERROR; ipp.lan. 3600 CNAME box.lan.");
    assert_null(strstr(ask("ipp.lan", "A"), "192.0.2.1"));
    unlink(file.path);
}

static void test_a_file_that_may_be_read_again_is_noticed(void **state)
{
    (void)state;
    struct file file;
    make_from_hosts(&file, "192.0.2.7 nas\n");
    assert_false(local_is_outdated(made));
    usleep(20 * 1000); /* file times may go by the kernel's ticks */
    assert_int_equal(chmod(file.path, 0644), 0);
    assert_true(local_is_outdated(made));
    unlink(file.path);
}

static void test_a_changed_file_is_noticed(void **state)
{
    (void)state;
    struct file file;
    make_from_hosts(&file, "192.0.2.7 nas\n");
    assert_false(local_is_outdated(made));
    write_file(file.path, "192.0.2.70 nas\n");
    assert_true(local_is_outdated(made));
    make(&(struct local_options){.hosts = {.paths = (char *const[]){file.path}, .count = 1}});
    assert_false(local_is_outdated(made));
    assert_string_equal(ask("nas", "A"), "NOERROR; nas. 60 A 192.0.2.70");
    unlink(file.path);
    assert_true(local_is_outdated(made));
}

static void test_other_files_are_left_out(void **state)
{
    (void)state;
    char directory[] = "/tmp/freshet-hosts-XXXXXX";
    left_out[0] = 0;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    make(&(struct local_options){.hosts = {
                                     .paths = (char *const[]){"/", "/dev/zero", "", "pipe"},
                                     .count = 4,
                                     .complain = complain,
                                 }});
    assert_int_equal(local_count(made), 0);
    assert_string_equal(left_out, "/: is a directory; /dev/zero: is a device; "
                                  ": No such file or directory; pipe: is a pipe; ");
    unlink("pipe");
    assert_int_equal(chdir("/"), 0);
    rmdir(directory);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void refuses(char *const *records, size_t count, const char *expected)
{
    char error[LOCAL_MAX_ERROR] = "";
    int result =
        local_check(&(struct local_options){.records = records, .record_count = count}, error);
    assert_string_equal(error, expected);
    assert_int_equal(result, *expected ? ERR_CONFIG : ERR_OK);
}

#define EXPECTED "; expected NAME [TTL] [IN] TYPE DATA"

static void test_check(void **state)
{
    (void)state;
    refuses(NULL, 0, "");
    refuses((char *const[]){"a A 192.0.2.1", "b CNAME A"}, 2, "");
    refuses((char *const[]){"a A 192.0.2.1", "b A 192.0.2"}, 2,
            "[1]: \"b A 192.0.2\" is refused: RDATA does not fit its type" EXPECTED);
    refuses((char *const[]){"\033[1m"}, 1,
            "[0]: \"\\x1b[1m\" is refused: not a domain name (RFC 1035 3.1)" EXPECTED);
    refuses((char *const[]){"a CH TXT x"}, 1,
            "[0]: \"a CH TXT x\" is refused: no record of class IN" EXPECTED);
    refuses((char *const[]){"*.a A 192.0.2.1"}, 1,
            "[0]: \"*.a A 192.0.2.1\" is refused: wildcards are not local names" EXPECTED);
    refuses((char *const[]){"a DNAME b"}, 1,
            "[0]: \"a DNAME b\" is refused: a DNAME's names are not local" EXPECTED);
    refuses((char *const[]){"a CNAME www.example.com"}, 1,
            "[0]: \"a CNAME www.example.com\" is refused: the CNAME leads to no name of this "
            "list" EXPECTED);
    refuses((char *const[]){"a CNAME b", "a A 192.0.2.1", "b A 192.0.2.2"}, 3,
            "[0]: \"a CNAME b\" is refused: a name with a CNAME has other records too" EXPECTED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hosts_lines),
        TEST(test_hosts_bad_lines_cost_only_themselves),
        TEST(test_reverse_names),
        TEST(test_records),
        TEST(test_bad_records),
        TEST(test_localhost),
        TEST(test_names_that_are_not),
        TEST(test_empty_zones),
        TEST(test_without_special_use),
        TEST(test_configured_zones_are_exempt),
        TEST(test_local_records),
        TEST(test_records_within_special_zones),
        TEST(test_loops_of_cnames_end),
        TEST(test_long_answers_are_truncated),
        TEST(test_the_bitmaps_lose_nothing),
        TEST(test_hosts_are_local_names),
        TEST(test_records_take_turns),
        TEST(test_a_file_full_of_rubbish_is_told_of_briefly),
        TEST(test_hosts_add_nothing_beside_a_cname),
        TEST(test_a_file_that_may_be_read_again_is_noticed),
        TEST(test_a_changed_file_is_noticed),
        TEST(test_other_files_are_left_out),
        TEST(test_check),
    };
    return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
