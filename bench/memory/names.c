#include "bench/memory/names.h"

#include <assert.h>
#include <stdlib.h>

enum {
    NAME_SIZE = 22, /* 1 + 8, 1 + 7, 1 + 3, 1 */
    DIGITS = 7,
};

static const uint8_t zone[] = "\7example\3com";
static const uint8_t soa_rdata[] =
    "\2ns\7example\3com\0"
    "\12hostmaster\7example\3com\0"
    "\0\0\0\1"
    "\0\0\16\20"
    "\0\0\2\130"
    "\0\11\72\200"
    "\0\1\121\200"; /* the last: how long an absence is kept, a day */

const char *const names_kinds[KINDS + 1] = {"a", "aaaa", "nxdomain", "cname"};

static void write_name(char letter, uint32_t number, uint8_t name[NAME_SIZE])
{
    assert(number < NAMES_MAX);
    name[0] = 1 + DIGITS;
    name[1] = (uint8_t)letter;
    for (int k = DIGITS; k > 0; k--, number /= 10)
        name[1 + k] = (uint8_t)('0' + number % 10);
    memcpy(name + 2 + DIGITS, zone, sizeof zone);
}

/* The letter of a name of the zone, and its number; 0 for any other name. */
static char read_name(const uint8_t *name, uint32_t *ret_number)
{
    uint32_t number = 0;
    if (name[0] != 1 + DIGITS || !name_equal(name + 2 + DIGITS, zone))
        return 0;
    for (int k = 0; k < DIGITS; k++) {
        if (name[2 + k] < '0' || name[2 + k] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[2 + k] - '0');
    }
    *ret_number = number;
    return (char)name_fold(name[1]);
}

static void question_of(enum kind kind, uint32_t number, struct question *ret)
{
    static const char letters[KINDS] = {'h', 'h', 'x', 'c'};
    write_name(letters[kind], number, ret->name);
    ret->name_size = NAME_SIZE;
    ret->type = kind == KIND_AAAA ? TYPE_AAAA : TYPE_A;
    ret->class = CLASS_IN;
}

size_t names_query(enum kind kind, uint32_t number, uint16_t id, uint8_t bytes[NAMES_QUERY_MAX])
{
    struct question question;
    question_of(kind, number, &question);
    int size = build_query(bytes, NAMES_QUERY_MAX, &question,
                           &(struct query_shape){.id = id, .edns = kind == KIND_AAAA});
    assert(size > 0);
    return (size_t)size;
}

/* The address of a number, as RDATA of either type. Returns its size. */
static uint16_t write_address(uint16_t type, uint32_t number, uint8_t rdata[16])
{
    static const uint8_t prefix[16] = {0x20, 0x01, 0x0d, 0xb8};
    if (type == TYPE_AAAA) {
        memcpy(rdata, prefix, sizeof prefix);
        wire_put_u32(rdata + 12, number);
        return 16;
    }
    wire_put_u32(rdata, 10u << 24 | number);
    return 4;
}

static bool is_address(const struct record *record, uint16_t type, uint32_t number)
{
    uint8_t rdata[16];
    uint16_t size = write_address(type, number, rdata);
    return record->type == type && record->rdata_size == size &&
           memcmp(record->rdata, rdata, size) == 0;
}

static bool is_cname(const struct record *record, char from, char to, uint32_t number)
{
    uint8_t owner[NAME_SIZE], target[NAME_SIZE];
    write_name(from, number, owner);
    write_name(to, number, target);
    return record->type == TYPE_CNAME && name_equal(record->owner, owner) &&
           name_equal(record->rdata, target);
}

static bool is_absence(const struct message *message)
{
    return message->rcode == RCODE_NXDOMAIN && message->answer_count == 0 &&
           message->authority_count == 1 && message_authorities(message)->type == TYPE_SOA;
}

/* Both links, in the order they lead on, and the address at the end. */
static bool is_chain(const struct message *message, uint32_t number)
{
    const struct record *answers = message_answers(message);
    return message->rcode == RCODE_NOERROR && message->answer_count == 3 &&
           is_cname(&answers[0], 'c', 'd', number) && is_cname(&answers[1], 'd', 'e', number) &&
           is_address(&answers[2], TYPE_A, number);
}

bool names_is_right(enum kind kind, uint32_t number, const struct message *message)
{
    struct question question;
    question_of(kind, number, &question);
    if (!(message->flags & FLAG_QR) || message->question.type != question.type ||
        !name_equal(message->question.name, question.name))
        return false;
    if (kind == KIND_NXDOMAIN)
        return is_absence(message);
    if (kind == KIND_CNAME)
        return is_chain(message, number);
    const struct record *answers = message_answers(message);
    return message->rcode == RCODE_NOERROR && message->answer_count == 1 &&
           name_equal(answers[0].owner, question.name) &&
           is_address(&answers[0], question.type, number);
}

static void put_soa(struct builder *builder)
{
    build_record(builder, SECTION_AUTHORITY,
                 &(struct record){.owner = zone,
                                  .rdata = soa_rdata,
                                  .ttl = NAMES_TTL,
                                  .rdata_size = sizeof soa_rdata - 1,
                                  .type = TYPE_SOA,
                                  .class = CLASS_IN});
}

static void put_cname(struct builder *builder, char from, char to, uint32_t number)
{
    uint8_t owner[NAME_SIZE], target[NAME_SIZE];
    write_name(from, number, owner);
    write_name(to, number, target);
    build_record(builder, SECTION_ANSWER,
                 &(struct record){.owner = owner,
                                  .rdata = target,
                                  .ttl = NAMES_TTL,
                                  .rdata_size = sizeof target,
                                  .type = TYPE_CNAME,
                                  .class = CLASS_IN});
}

static void put_address(struct builder *builder, char letter, uint16_t type, uint32_t number)
{
    uint8_t owner[NAME_SIZE], rdata[16];
    write_name(letter, number, owner);
    build_record(builder, SECTION_ANSWER,
                 &(struct record){.owner = owner,
                                  .rdata = rdata,
                                  .ttl = NAMES_TTL,
                                  .rdata_size = write_address(type, number, rdata),
                                  .type = type,
                                  .class = CLASS_IN});
}

/* Records for a question about a name of the zone. Returns the RCODE. */
static uint16_t put_answer(struct builder *builder, const struct question *question, char letter,
                           uint32_t number)
{
    if (letter == 'x' || !strchr("hcde", letter)) {
        put_soa(builder);
        return RCODE_NXDOMAIN;
    }
    if (letter == 'c')
        put_cname(builder, 'c', 'd', number);
    if (letter == 'c' || letter == 'd')
        put_cname(builder, 'd', 'e', number);
    if (question->type == TYPE_A || question->type == TYPE_AAAA)
        put_address(builder, letter == 'h' ? 'h' : 'e', question->type, number);
    else
        put_soa(builder);
    return RCODE_NOERROR;
}

static void put_count(struct builder *builder, const struct question *question, uint64_t count)
{
    uint8_t rdata[8];
    wire_put_u32(rdata, (uint32_t)(count >> 32));
    wire_put_u32(rdata + 4, (uint32_t)count);
    build_record(builder, SECTION_ANSWER,
                 &(struct record){.owner = question->name,
                                  .rdata = rdata,
                                  .rdata_size = sizeof rdata,
                                  .type = NAMES_TYPE_COUNT,
                                  .class = CLASS_IN});
}

size_t names_reply(const struct query *query, uint64_t count, uint8_t *bytes, size_t room)
{
    struct builder builder;
    uint32_t number;
    uint16_t rcode = RCODE_NOERROR;
    struct question question;
    question_copy(&query->question, &question);
    build_start(&builder, bytes, room);
    build_question(&builder, &question);
    char letter = read_name(query->question.name, &number);
    if (query->question.type == NAMES_TYPE_COUNT)
        put_count(&builder, &question, count);
    else if (letter)
        rcode = put_answer(&builder, &question, letter, number);
    else if (name_equal(query->question.name, zone))
        put_soa(&builder);
    if (query->edns.present)
        build_opt(&builder, DNS_EDNS_UDP, 0, query->edns.dnssec_ok, EDE_NONE);
    int size =
        build_finish(&builder, query->id,
                     (uint16_t)(FLAG_QR | FLAG_AA | FLAG_RA | (query->flags & FLAG_RD) | rcode));
    return size > 0 ? (size_t)size : 0;
}
