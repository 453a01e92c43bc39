#include "invalidation/changeset_scan.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "invalidation/changeset_memory.h"

enum {
    MAX_TEXT = 2048,  /* of one string with its escapes undone; longer ones are for the tree */
    MAX_RDATA = 2048, /* of one record */
    MAX_DIGITS = 18,  /* what fits an int64_t whatever they are */
    LEAST_CHANGE = sizeof "{\"op\":\"DEL\",\"name\":\".\"}" - 1,
    VIEW_SHARE =
        2, /* of the message's size as room: names and RDATA are shorter than it, views are not */
};

#define EACH_BYTE UINT64_C(0x0101010101010101)

struct scanner {
    const char *at, *end;
    struct set_memory *memory;
};

/* A string as it stands between its quotes: ASCII, nothing below space. */
struct span {
    const char *start;
    size_t length;
    bool escaped; /* has a backslash in it */
};

/* ---- tokens ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Most messages have none. */
static inline void skip_spaces(struct scanner *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

/* Moves past `c`, with the white space before it. False: something else is there. */
static inline bool take(struct scanner *s, char c)
{
    if (s->at == s->end || *s->at != c)
        skip_spaces(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* What a string may hold besides escapes. */
static bool is_plain(char c)
{
    return (uint8_t)c - 0x20u < 0x60u && c != '"' && c != '\\';
}

/* Of the escapes of JSON (RFC 8259 7) those that stand for themselves. */
static bool is_simple_escape(char c)
{
    return c == '"' || c == '\\' || c == '/';
}

/* The top bit of the lowest byte of `word` that is 0, and of perhaps some above it. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - EACH_BYTE) & ~word;
}

/* Moves over what is_plain(), eight bytes at a time. */
static const char *pass_plain(const char *at, const char *end)
{
    for (; end - at >= (ptrdiff_t)sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        word = le64toh(word);
        const uint64_t other =
            (word | (word - ' ' * EACH_BYTE) | zero_bytes(word ^ '"' * EACH_BYTE) |
             zero_bytes(word ^ '\\' * EACH_BYTE)) &
            0x80 * EACH_BYTE;
        if (other)
            return at + __builtin_ctzll(other) / 8;
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

static bool take_string(struct scanner *s, struct span *ret)
{
    if (!take(s, '"'))
        return false;
    const char *at = s->at, *end = s->end;
    bool escaped = false;
    for (;;) {
        at = pass_plain(at, end);
        if (at == end || *at != '\\')
            break;
        if (end - at < 2 || !is_simple_escape(at[1]))
            return false;
        escaped = true;
        at += 2;
    }
    if (at == end || *at != '"')
        return false;
    *ret = (struct span){.start = s->at, .length = (size_t)(at - s->at), .escaped = escaped};
    s->at = at + 1;
    return true;
}

static bool span_is(const struct span *span, const char *text, size_t length)
{
    return span->length == length && memcmp(span->start, text, length) == 0;
}

#define IS(span, literal) span_is(span, literal, sizeof(literal) - 1)

/* The string with its escapes undone and a NUL. False: it is longer than MAX_TEXT. */
static bool undo(const struct span *span, char text[MAX_TEXT])
{
    if (span->length >= MAX_TEXT)
        return false;
    if (!span->escaped) {
        memcpy(text, span->start, span->length);
        text[span->length] = '\0';
        return true;
    }
    const char *from = span->start, *end = from + span->length;
    while (from < end) {
        from += *from == '\\';
        *text++ = *from++;
    }
    *text = '\0';
    return true;
}

/* An integer of plain digits, 0 and up. */
static bool take_number(struct scanner *s, uint64_t *ret)
{
    uint64_t number = 0;
    skip_spaces(s);
    const char *first = s->at;
    while (s->at < s->end && (uint8_t)(*s->at - '0') < 10 && s->at - first <= MAX_DIGITS)
        number = number * 10 + (uint64_t)(*s->at++ - '0');
    const ptrdiff_t digits = s->at - first;
    if (digits == 0 || digits > MAX_DIGITS || (digits > 1 && *first == '0'))
        return false;
    *ret = number;
    /* A fraction or an exponent would follow here, and is no integer. */
    return s->at < s->end && *s->at != '.' && *s->at != 'e' && *s->at != 'E';
}

static bool take_bool(struct scanner *s, bool *ret)
{
    skip_spaces(s);
    const size_t left = (size_t)(s->end - s->at);
    *ret = left >= 4 && memcmp(s->at, "true", 4) == 0;
    if (!*ret && (left < 5 || memcmp(s->at, "false", 5) != 0))
        return false;
    s->at += *ret ? 4 : 5;
    return true;
}

/* After a member or an element: a comma and more to come, or the end. False: neither. */
static bool take_next(struct scanner *s, char close, bool *ret_more)
{
    *ret_more = take(s, ',');
    return *ret_more || take(s, close);
}

/* ---- one change ---- */

enum change_member {
    HAS_OP = 1,
    HAS_NAME = 2,
    HAS_TYPE = 4,
    HAS_TTL = 8,
    HAS_RDATA = 16,
    HAS_SUBTREE = 32
};

/* A change as it stands there: what it means may depend on a member that comes later. */
struct raw_change {
    unsigned members; /* which there are; each is there once */
    struct span op, name, type;
    uint64_t ttl;
    bool subtree;
    size_t rdata_count;
    const char *rdata; /* the first string's opening quote, or the spaces before it */
};

/* Notes the member; false: it was there already. */
static bool first_time(unsigned *members, unsigned member)
{
    const bool first = !(*members & member);
    *members |= member;
    return first;
}

/* Goes over the list: how many strings it has. They are read once the type is known. */
static bool pass_rdata(struct scanner *s, struct raw_change *raw)
{
    bool more = true;
    struct span ignored;
    if (!take(s, '['))
        return false;
    for (raw->rdata = s->at; more; raw->rdata_count++)
        if (!take_string(s, &ignored) || !take_next(s, ']', &more))
            return false;
    return true;
}

static bool take_change_member(struct scanner *s, struct raw_change *raw)
{
    struct span key;
    if (!take_string(s, &key) || !take(s, ':'))
        return false;
    if (IS(&key, "op"))
        return first_time(&raw->members, HAS_OP) && take_string(s, &raw->op);
    if (IS(&key, "name"))
        return first_time(&raw->members, HAS_NAME) && take_string(s, &raw->name);
    if (IS(&key, "type"))
        return first_time(&raw->members, HAS_TYPE) && take_string(s, &raw->type);
    if (IS(&key, "ttl"))
        return first_time(&raw->members, HAS_TTL) && take_number(s, &raw->ttl);
    if (IS(&key, "rdata"))
        return first_time(&raw->members, HAS_RDATA) && pass_rdata(s, raw);
    if (IS(&key, "subtree"))
        return first_time(&raw->members, HAS_SUBTREE) && take_bool(s, &raw->subtree);
    return false;
}

static bool read_op(const struct raw_change *raw, struct change *change)
{
    if (IS(&raw->op, "SET"))
        change->op = CHANGE_SET;
    else if (IS(&raw->op, "ADD"))
        change->op = CHANGE_ADD;
    else if (IS(&raw->op, "DEL"))
        change->op = CHANGE_DEL;
    else if (IS(&raw->op, "FLUSH"))
        change->op = CHANGE_FLUSH;
    else
        return false;
    return true;
}

static bool read_name(struct scanner *s, const struct span *span, struct change *change)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = span->escaped ? ERR_NAME : changeset_name(span->start, span->length, name);
    if (size < 0)
        return false;
    change->name = changeset_memory_keep(s->memory, name, (size_t)size);
    return change->name != NULL;
}

static bool read_type(const struct span *span, uint16_t *ret)
{
    char text[TYPE_MAX_TEXT];
    if (IS(span, "A")) { /* by far the most */
        *ret = TYPE_A;
        return true;
    }
    if (IS(span, "AAAA")) {
        *ret = TYPE_AAAA;
        return true;
    }
    if (span->escaped || span->length >= sizeof text)
        return false;
    memcpy(text, span->start, span->length);
    text[span->length] = '\0';
    int type = type_from_text(text);
    if (type < 0 || type_is_meta((uint16_t)type))
        return false;
    *ret = (uint16_t)type;
    return true;
}

/* Addresses are most of all records; what inet_pton() does not take may be written in another way. */
static int read_record(uint16_t type, const char *text, uint8_t rdata[MAX_RDATA])
{
    if (type == TYPE_A && inet_pton(AF_INET, text, rdata) == 1)
        return 4;
    if (type == TYPE_AAAA && inet_pton(AF_INET6, text, rdata) == 1)
        return 16;
    return rdata_from_whole_text(type, text, rdata, MAX_RDATA);
}

/* The strings that pass_rdata() went over. */
static bool read_rdata(struct scanner *s, const struct raw_change *raw, struct change *change)
{
    char text[MAX_TEXT];
    uint8_t rdata[MAX_RDATA];
    struct scanner list = {.at = raw->rdata, .end = s->end};
    struct span span;
    change->rdata = changeset_memory_views(s->memory, raw->rdata_count);
    if (!change->rdata)
        return false;
    for (; change->rdata_count < raw->rdata_count; change->rdata_count++) {
        struct rdata_view *view = &change->rdata[change->rdata_count];
        if (!take_string(&list, &span) || !undo(&span, text))
            return false;
        int size = read_record(change->type, text, rdata);
        if (size < 0)
            return false;
        *view = (struct rdata_view){changeset_memory_keep(s->memory, rdata, (size_t)size),
                                    (uint16_t)size};
        if (!view->bytes)
            return false;
        take(&list, ',');
    }
    return true;
}

/* SET and ADD: all of them. DEL: a type or not, records or not. FLUSH: what else it says is ignored. */
static bool read_data(struct scanner *s, const struct raw_change *raw, struct change *change)
{
    const bool carries = change->op == CHANGE_SET || change->op == CHANGE_ADD;
    const unsigned wanted = carries ? HAS_TYPE | HAS_TTL | HAS_RDATA : 0;
    if ((raw->members & wanted) != wanted)
        return false;
    if (change->op == CHANGE_FLUSH) {
        change->subtree = raw->subtree;
        return !(raw->members & HAS_RDATA);
    }
    if (raw->members & HAS_SUBTREE)
        return false;
    if (raw->members & HAS_TYPE && !read_type(&raw->type, &change->type))
        return false;
    if (carries) {
        if (raw->ttl > INT32_MAX || (raw->rdata_count > 1 && changeset_is_singleton(change->type)))
            return false;
        change->ttl = (uint32_t)raw->ttl;
    }
    if (!(raw->members & HAS_RDATA))
        return true;
    return change->type != 0 && read_rdata(s, raw, change);
}

static bool scan_change(struct scanner *s, struct change *change)
{
    struct raw_change raw = {.members = 0};
    bool more = true;
    *change = (struct change){.op = CHANGE_SET};
    if (!take(s, '{'))
        return false;
    while (more)
        if (!take_change_member(s, &raw) || !take_next(s, '}', &more))
            return false;
    if ((raw.members & (HAS_OP | HAS_NAME)) != (HAS_OP | HAS_NAME))
        return false;
    return read_op(&raw, change) && read_name(s, &raw.name, change) && read_data(s, &raw, change);
}

static bool scan_changes(struct scanner *s, size_t room)
{
    struct change_set *set = &s->memory->set;
    bool more = true;
    if (!take(s, '['))
        return false;
    if (take(s, ']')) /* a heartbeat */
        return true;
    while (more) {
        if (set->change_count == room || set->change_count == CHANGESET_MAX_CHANGES)
            return false;
        if (!scan_change(s, &set->changes[set->change_count++]) || !take_next(s, ']', &more))
            return false;
    }
    return true;
}

/* ---- the whole set ---- */

enum set_member {
    HAS_V = 1,
    HAS_ZONE = 2,
    HAS_SERIAL = 4,
    HAS_TIME = 8,
    HAS_PUBLISHER = 16,
    HAS_SEQ = 32,
    HAS_CHANGES = 64,
    MUST_HAVE = HAS_V | HAS_ZONE | HAS_TIME | HAS_CHANGES,
};

static bool scan_version(struct scanner *s)
{
    uint64_t version;
    return take_number(s, &version) && version == CHANGESET_VERSION;
}

static bool scan_zone(struct scanner *s)
{
    struct span span;
    return take_string(s, &span) && !span.escaped &&
           changeset_name(span.start, span.length, s->memory->set.zone) > 0;
}

static bool scan_serial(struct scanner *s)
{
    uint64_t serial;
    if (!take_number(s, &serial) || serial > UINT32_MAX)
        return false;
    s->memory->set.has_serial = true;
    s->memory->set.serial = (uint32_t)serial;
    return true;
}

static bool scan_seq(struct scanner *s)
{
    s->memory->set.has_seq = true;
    return take_number(s, &s->memory->set.seq);
}

static bool scan_publisher(struct scanner *s)
{
    char text[MAX_TEXT];
    struct span span;
    char *publisher = s->memory->set.publisher;
    if (!take_string(s, &span) || !undo(&span, text) ||
        strlen(text) >= sizeof s->memory->set.publisher)
        return false;
    memcpy(publisher, text, strlen(text) + 1);
    return true;
}

static bool scan_time(struct scanner *s)
{
    char text[MAX_TEXT];
    struct span span;
    return take_string(s, &span) && undo(&span, text) &&
           time_from_text(text, &s->memory->set.time_us) == 0;
}

static bool scan_member(struct scanner *s, size_t room, unsigned *members)
{
    struct span key;
    if (!take_string(s, &key) || !take(s, ':'))
        return false;
    if (IS(&key, "v"))
        return first_time(members, HAS_V) && scan_version(s);
    if (IS(&key, "zone"))
        return first_time(members, HAS_ZONE) && scan_zone(s);
    if (IS(&key, "serial"))
        return first_time(members, HAS_SERIAL) && scan_serial(s);
    if (IS(&key, "time"))
        return first_time(members, HAS_TIME) && scan_time(s);
    if (IS(&key, "publisher"))
        return first_time(members, HAS_PUBLISHER) && scan_publisher(s);
    if (IS(&key, "seq"))
        return first_time(members, HAS_SEQ) && scan_seq(s);
    if (IS(&key, "changes"))
        return first_time(members, HAS_CHANGES) && scan_changes(s, room);
    return false;
}

/* The zone may come after the changes, so this comes last. */
static bool names_are_within(const struct change_set *set)
{
    for (size_t k = 0; k < set->change_count; k++)
        if (!name_is_within(set->changes[k].name, set->zone))
            return false;
    return true;
}

static bool scan_root(struct scanner *s, size_t room)
{
    unsigned members = 0;
    bool more = true;
    if (!take(s, '{'))
        return false;
    while (more)
        if (!scan_member(s, room, &members) || !take_next(s, '}', &more))
            return false;
    skip_spaces(s);
    return s->at == s->end && (members & MUST_HAVE) == MUST_HAVE &&
           names_are_within(&s->memory->set);
}

struct change_set *changeset_scan(const char *json, size_t size)
{
    const size_t room = size / LEAST_CHANGE + 1;
    struct scanner s = {.at = json, .end = json + size};
    s.memory = changeset_memory_new(room, VIEW_SHARE * size);
    if (s.memory && scan_root(&s, room))
        return &s.memory->set;
    if (s.memory)
        changeset_free(&s.memory->set);
    return NULL;
}
