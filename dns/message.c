/* message.c - see message.h. */
#include "dns/message.h"

#include <stdlib.h>

enum {
    ARENA_SIZE = 256 * 1024, /* bytes of uncompressed names and RDATA a message may come to */
    RECORDS_MAX = 6000,      /* 65535 bytes hold at most 5957 records of 11 bytes */
    RECORD_FIXED = 10,       /* type, class, TTL, RDLENGTH (RFC 1035 4.1.3) */
    UDP_SIZE_MIN = 512,      /* RFC 6891 6.2.3 */
};

struct header {
    uint16_t id;
    uint16_t flags;
    uint16_t questions;
    uint16_t answers;
    uint16_t authorities;
    uint16_t additionals;
};

static struct header read_header(struct wire_reader *reader)
{
    struct header header;

    header.id = wire_read_u16(reader);
    header.flags = wire_read_u16(reader);
    header.questions = wire_read_u16(reader);
    header.answers = wire_read_u16(reader);
    header.authorities = wire_read_u16(reader);
    header.additionals = wire_read_u16(reader);
    return header;
}

/* -- question ---------------------------------------------------------------------------------- */

/*
 * Reads the one question. Its name comes first in the message, so there is nothing a pointer could
 * name. On failure `ret->name_size` is 0.
 */
static int read_question(struct wire_reader *reader, struct question *ret)
{
    struct wire_reader names = wire_reader(reader->base + reader->at, wire_left(reader));
    int size = name_read(&names, ret->name); /* own base: every pointer fails */
    const uint8_t *rest;

    if (size < 0)
        return size;
    wire_read(reader, (size_t)size);
    rest = wire_read(reader, 4);
    if (!rest)
        return ERR_SHORT;
    ret->name_size = (uint8_t)size;
    ret->type = wire_get_u16(rest);
    ret->class = wire_get_u16(rest + 2);
    return 0;
}

/* -- EDNS -------------------------------------------------------------------------------------- */

/* Whole options fill the RDATA (RFC 6891 6.1.2). */
static bool options_are_valid(const uint8_t *options, size_t size)
{
    struct wire_reader reader = wire_reader(options, size);

    while (wire_left(&reader) > 0) {
        wire_read_u16(&reader);
        uint16_t length = wire_read_u16(&reader);
        if (!wire_read(&reader, length))
            return false;
    }
    return true;
}

/* What comes behind the owner name of a record. */
struct record_fixed {
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    uint16_t rdata_size;
};

/*
 * Takes the OPT record at the reader's place, its RDATA next (RFC 6891 6.1.2, 6.1.3). Options of
 * another version than 0 have no format known here.
 */
static int read_opt(struct wire_reader *reader, const struct record_fixed *fixed, struct edns *edns)
{
    const uint8_t *options = wire_read(reader, fixed->rdata_size);

    if (!options)
        return ERR_SHORT;
    if (edns->present)
        return ERR_FORMAT; /* RFC 6891 6.1.1: one OPT */
    edns->present = true;
    edns->udp_size = fixed->class < UDP_SIZE_MIN ? UDP_SIZE_MIN : fixed->class;
    edns->extended_rcode = (uint8_t)(fixed->ttl >> 24);
    edns->version = (uint8_t)(fixed->ttl >> 16);
    edns->dnssec_ok = (fixed->ttl & 0x8000) != 0;
    if (edns->version != 0 || fixed->rdata_size == 0)
        return 0;
    if (!options_are_valid(options, fixed->rdata_size))
        return ERR_FORMAT;
    edns->options = options;
    edns->options_size = fixed->rdata_size;
    return 0;
}

static bool read_fixed(struct wire_reader *reader, struct record_fixed *ret)
{
    const uint8_t *bytes = wire_read(reader, RECORD_FIXED);

    if (!bytes)
        return false;
    ret->type = wire_get_u16(bytes);
    ret->class = wire_get_u16(bytes + 2);
    ret->ttl = wire_get_u32(bytes + 4);
    ret->rdata_size = wire_get_u16(bytes + 8);
    return true;
}

/* -- queries ----------------------------------------------------------------------------------- */

/* One record of a query's additional section: OPT is taken, others (TSIG...) are stepped over. */
static int query_additional(struct wire_reader *reader, struct edns *edns)
{
    uint8_t owner[NAME_MAX_SIZE];
    struct record_fixed fixed;

    if (wire_left(reader) > 0 && reader->base[reader->at] == 0) {
        owner[0] = 0; /* the root: what OPT has */
        wire_read(reader, 1);
    } else if (name_read(reader, owner) < 0) {
        return ERR_FORMAT;
    }
    if (!read_fixed(reader, &fixed))
        return ERR_FORMAT;
    if (fixed.type != TYPE_OPT)
        return wire_read(reader, fixed.rdata_size) ? 0 : ERR_FORMAT;
    if (owner[0] != 0 || read_opt(reader, &fixed, edns) < 0)
        return ERR_FORMAT;
    return 0;
}

/*
 * Takes the question, the first thing behind the header: its name cannot be compressed, as there is nothing a
 * pointer could name. Returns the offset behind it, or ERR_FORMAT with `ret` untouched.
 */
static int query_question(const uint8_t *bytes, size_t size, struct question_view *ret)
{
    size_t at = DNS_HEADER_SIZE;

    while (at < size && bytes[at] != 0) {
        if (bytes[at] > 63)
            return ERR_FORMAT;
        at += 1u + bytes[at];
    }
    size_t name_bytes = at + 1 - DNS_HEADER_SIZE;
    if (at + 5 > size || name_bytes > NAME_MAX_SIZE)
        return ERR_FORMAT;
    ret->name = bytes + DNS_HEADER_SIZE;
    ret->name_size = (uint8_t)name_bytes;
    ret->type = wire_get_u16(bytes + at + 1);
    ret->class = wire_get_u16(bytes + at + 3);
    return (int)(at + 5);
}

/* What follows the question: records of the additional section. Bytes behind them are nobody's, and ignored. */
static int query_rest(struct wire_reader *reader, unsigned additionals, struct query *ret)
{
    for (unsigned i = 0; i < additionals; i++) {
        if (query_additional(reader, &ret->edns) < 0)
            return ERR_FORMAT;
    }
    return ret->edns.version == 0 ? 0 : ERR_VERSION;
}

static int query_body(const uint8_t *bytes, size_t size, struct query *ret)
{
    enum { QUESTIONS = 4, ANSWERS_AND_AUTHORITIES = 6, ADDITIONALS = 10 };

    if (wire_get_u16(bytes + QUESTIONS) != 1)
        return ERR_FORMAT;
    int end = query_question(bytes, size, &ret->question);
    if (end < 0)
        return end;
    ret->question_end = (size_t)end;
    if (wire_get_u32(bytes + ANSWERS_AND_AUTHORITIES) != 0)
        return ERR_FORMAT;
    unsigned additionals = wire_get_u16(bytes + ADDITIONALS);
    if (additionals == 0)
        return 0;
    struct wire_reader reader = wire_reader(bytes, size);
    reader.at = (size_t)end;
    return query_rest(&reader, additionals, ret);
}

int query_parse(const uint8_t *bytes, size_t size, struct query *ret)
{
    if (size < DNS_HEADER_SIZE)
        return ERR_SHORT;
    ret->id = wire_get_u16(bytes);
    ret->flags = wire_get_u16(bytes + 2);
    ret->question = (struct question_view){.name_size = 0};
    ret->question_end = DNS_HEADER_SIZE;
    ret->edns = (struct edns){.present = false};
    if (ret->flags & FLAG_QR)
        return ERR_NOT_QUERY;
    if (ret->flags & FLAG_OPCODE)
        return ERR_OPCODE;
    return query_body(bytes, size, ret);
}

void question_copy(const struct question_view *view, struct question *ret)
{
    if (view->name_size > 0)
        memcpy(ret->name, view->name, view->name_size);
    ret->name_size = view->name_size;
    ret->type = view->type;
    ret->class = view->class;
}

/* -- responses --------------------------------------------------------------------------------- */

struct message *message_new(void)
{
    struct message *message = calloc(1, sizeof(*message));

    if (!message)
        return NULL;
    message->arena = malloc(ARENA_SIZE);
    message->records = malloc(RECORDS_MAX * sizeof(*message->records));
    if (!message->arena || !message->records) {
        message_free(message);
        return NULL;
    }
    message->arena_size = ARENA_SIZE;
    message->record_capacity = RECORDS_MAX;
    return message;
}

void message_free(struct message *message)
{
    if (!message)
        return;
    free(message->arena);
    free(message->records);
    free(message);
}

/* Reads a name into the arena; NULL with `*ret_error` set on failure. */
static const uint8_t *arena_name(struct wire_reader *reader, struct wire_writer *arena,
                                 int *ret_error)
{
    uint8_t name[NAME_MAX_SIZE];
    const uint8_t *place = arena->base + arena->at;
    int size = name_read(reader, name);

    if (size < 0) {
        *ret_error = size;
        return NULL;
    }
    wire_write(arena, name, (size_t)size);
    if (arena->failed) {
        *ret_error = ERR_SPACE;
        return NULL;
    }
    return place;
}

/* Reads one record that is not OPT, its RDATA next, into `record`. */
static int read_record(struct wire_reader *reader, const struct record_fixed *fixed,
                       struct wire_writer *arena, struct record *record)
{
    int size;

    if (wire_left(reader) < fixed->rdata_size)
        return ERR_SHORT;
    record->type = fixed->type;
    record->class = fixed->class;
    record->ttl = fixed->ttl & 0x80000000u ? 0 : fixed->ttl; /* RFC 2181 8 */
    record->rdata = arena->base + arena->at;
    size = rdata_read(reader, fixed->type, fixed->rdata_size, arena);
    if (size < 0)
        return size;
    if (size > UINT16_MAX)
        return ERR_RDATA; /* uncompressed it could not be sent again */
    record->rdata_size = (uint16_t)size;
    return 0;
}

enum { BROKEN_MAX = 16 }; /* records of the answer section whose RDATA are broken */

struct parse {
    struct wire_reader reader;
    struct wire_writer arena;
    struct message *message;
    size_t count;                     /* records so far */
    struct record broken[BROKEN_MAX]; /* owner and type of those of the answer section */
    size_t broken_count;
    size_t left_out; /* broken records of the other sections */
};

/*
 * OPT stands in the additional section only, at the root, once (RFC 6891 6.1.1); elsewhere it is stepped over, and of a
 * broken one the options are.
 */
static int parse_opt(struct parse *parse, const struct record_fixed *fixed, const uint8_t *owner,
                     enum section section)
{
    struct edns *edns = &parse->message->edns;

    if (section != SECTION_ADDITIONAL || owner[0] != 0 || edns->present)
        return wire_read(&parse->reader, fixed->rdata_size) ? 0 : ERR_SHORT;
    return read_opt(&parse->reader, fixed, edns) == ERR_SHORT ? ERR_SHORT : 0;
}

/* Takes a record that is not OPT. One whose RDATA are broken is left out; whether that matters is seen at the end. */
static int parse_record(struct parse *parse, const struct record_fixed *fixed, const uint8_t *owner,
                        enum section section)
{
    struct record record = {.owner = owner};

    if (parse->count == parse->message->record_capacity)
        return ERR_SPACE;
    int error = read_record(&parse->reader, fixed, &parse->arena, &record);
    if (error == 0) {
        parse->message->records[parse->count++] = record;
    } else if (error == ERR_RDATA && section == SECTION_ANSWER) {
        if (parse->broken_count == BROKEN_MAX)
            return ERR_RDATA;
        parse->broken[parse->broken_count++] = record;
    } else if (error == ERR_RDATA) {
        parse->left_out++;
    }
    return error == ERR_RDATA ? 0 : error;
}

/* Parses `counted` records of one section; `*ret` gets how many of them are there. */
static int parse_section(struct parse *parse, unsigned counted, enum section section, uint16_t *ret)
{
    size_t before = parse->count;
    struct record_fixed fixed;
    int error = 0;

    for (unsigned i = 0; i < counted && error == 0; i++) {
        const uint8_t *owner = arena_name(&parse->reader, &parse->arena, &error);
        if (!owner)
            break;
        if (!read_fixed(&parse->reader, &fixed))
            error = ERR_SHORT;
        else if (fixed.type == TYPE_OPT)
            error = parse_opt(parse, &fixed, owner, section);
        else
            error = parse_record(parse, &fixed, owner, section);
    }
    *ret = (uint16_t)(parse->count - before);
    return error;
}

/* Whether a chain from the question comes by `name`, or below it, as far as CNAMEs tell. */
static bool comes_by(const struct message *message, const uint8_t *name, bool below)
{
    bool (*fits)(const uint8_t *, const uint8_t *) = below ? name_is_within : name_equal;

    if (fits(message->question.name, name))
        return true;
    for (size_t i = 0; i < message->answer_count; i++) {
        const struct record *record = &message->records[i];
        if (record->type == TYPE_DNAME || (record->type == TYPE_CNAME && fits(record->rdata, name)))
            return true; /* where a DNAME leads is not looked into */
    }
    return false;
}

/* Whether an answer would lack something without this record. */
static bool is_missed(const struct message *message, const struct record *broken)
{
    const struct question *question = &message->question;

    if (question->name_size == 0)
        return true;
    if (broken->type == TYPE_RRSIG && question->type != TYPE_RRSIG && !message->edns.dnssec_ok)
        return false;
    if (broken->type != question->type && broken->type != TYPE_CNAME &&
        broken->type != TYPE_DNAME && broken->type != TYPE_RRSIG && question->type != TYPE_ANY)
        return false;
    return comes_by(message, broken->owner, broken->type == TYPE_DNAME);
}

/* Whether a message says by itself that there is nothing, and so needs its authority section. */
static bool needs_authority(const struct message *message, const struct header *header)
{
    const struct record *records = message_authorities(message);

    if (message->answer_count > 0 || (header->flags & FLAG_RCODE) != RCODE_NOERROR)
        return false;
    for (size_t i = 0; i < message->authority_count; i++) {
        if (records[i].type == TYPE_SOA)
            return false;
    }
    return true;
}

/*
 * Strict with what an answer is made of, lenient with the rest: the additional section ends where it cannot be read, and
 * so does the authority section of a message that has an answer.
 */
static int parse_sections(struct parse *parse, const struct header *header)
{
    struct message *message = parse->message;
    unsigned authorities = header->authorities;
    int error = parse_section(parse, header->answers, SECTION_ANSWER, &message->answer_count);

    if (error < 0)
        return error;
    error = parse_section(parse, authorities, SECTION_AUTHORITY, &message->authority_count);
    if ((error < 0 || parse->left_out > 0) && needs_authority(message, header))
        return error < 0 ? error : ERR_RDATA;
    message->authority_whole = error == 0 && parse->left_out == 0;
    if (error == 0)
        parse_section(parse, header->additionals, SECTION_ADDITIONAL, &message->additional_count);
    for (size_t i = 0; i < parse->broken_count; i++) {
        if (is_missed(message, &parse->broken[i]))
            return ERR_RDATA;
    }
    return 0;
}

static int parse_body(struct parse *parse, const struct header *header)
{
    int error = 0;

    if (header->questions > 1)
        return ERR_FORMAT;
    if (header->questions == 1)
        error = read_question(&parse->reader, &parse->message->question);
    return error < 0 ? error : parse_sections(parse, header);
}

int message_parse(struct message *message, const uint8_t *bytes, size_t size)
{
    struct parse parse;
    struct header header;

    if (size < DNS_HEADER_SIZE)
        return ERR_SHORT;
    parse.reader = wire_reader(bytes, size);
    parse.arena = wire_writer(message->arena, message->arena_size);
    parse.message = message;
    parse.count = parse.broken_count = parse.left_out = 0;
    header = read_header(&parse.reader);
    message->id = header.id;
    message->flags = header.flags;
    message->question.name_size = 0;
    message->question.type = 0;
    message->question.class = 0;
    message->edns = (struct edns){.present = false};
    message->answer_count = message->authority_count = message->additional_count = 0;
    message->authority_whole = false;
    int error = parse_body(&parse, &header);
    message->rcode = (uint16_t)(message->edns.extended_rcode << 4 | (header.flags & FLAG_RCODE));
    return error;
}
