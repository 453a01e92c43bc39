/* build.c - see build.h. */
#include "dns/build.h"

enum {
    POINTER_LIMIT = 0x4000, /* offsets a pointer can hold (RFC 1035 4.1.4) */
    POINTER_MARK = 0xc000,
    POINTERS_MAX =
        8, /* that lead from one to the next in a name written here: some readers follow no more than 16 */
};

void build_start(struct builder *builder, uint8_t *buffer, size_t size)
{
    uint8_t *header;

    builder->out = wire_writer(buffer, size < DNS_MAX_MESSAGE ? size : DNS_MAX_MESSAGE);
    builder->suffix_count = 0;
    builder->closed = false;
    builder->lone_question = false;
    builder->ttl_count = 0;
    memset(builder->counts, 0, sizeof(builder->counts));
    header = wire_reserve(&builder->out, DNS_HEADER_SIZE);
    if (header)
        memset(header, 0, DNS_HEADER_SIZE);
}

/* -- names ------------------------------------------------------------------------------------- */

/* Mixes one more label, from the root's side, into the tag of a suffix; blind to case. */
static uint16_t suffix_tag(uint16_t parent_tag, const uint8_t *label)
{
    uint32_t hash = (parent_tag + 1u) * 0x9e3779b1u;

    for (size_t i = 0; i <= label[0]; i++)
        hash = (hash ^ name_fold(label[i])) * 0x01000193u;
    return (uint16_t)(hash >> 16 ^ hash);
}

/* The suffixes of a name, longest first, each with its tag; the root is not among them. */
struct suffixes {
    size_t count;
    uint8_t offsets[NAME_MAX_LABELS];
    uint16_t tags[NAME_MAX_LABELS];
};

static void split_name(const uint8_t *name, struct suffixes *ret)
{
    size_t count = 0, at = 0;
    uint16_t tag = 0;

    for (; name[at] != 0; at += 1u + name[at])
        ret->offsets[count++] = (uint8_t)at;
    ret->count = count;
    while (count-- > 0) {
        tag = suffix_tag(tag, name + ret->offsets[count]);
        ret->tags[count] = tag;
    }
}

/*
 * Whether the name written at `offset` is `name`, ignoring case, and takes few enough pointers to be pointed to. They are
 * this builder's.
 */
static bool written_name_is(const uint8_t *message, size_t offset, const uint8_t *name)
{
    unsigned pointers = 0;

    for (;;) {
        const uint8_t *label = message + offset;
        if (label[0] >= 0xc0) {
            if (++pointers == POINTERS_MAX)
                return false;
            offset = wire_get_u16(label) & (POINTER_LIMIT - 1);
            continue;
        }
        if (label[0] != name[0])
            return false;
        if (label[0] == 0)
            return true;
        const bool spelled_alike = memcmp(label + 1, name + 1, name[0]) == 0;
        for (size_t i = 1; i <= name[0] && !spelled_alike; i++) {
            if (name_fold(label[i]) != name_fold(name[i]))
                return false;
        }
        offset += 1u + label[0];
        name = name_parent(name);
    }
}

/* Offset of an earlier name equal to `name`, or 0 (no name stands inside the header). */
static uint16_t find_suffix(struct builder *builder, const uint8_t *name, uint16_t tag)
{
    for (size_t i = 0; i < builder->suffix_count; i++) {
        if (builder->suffix_tags[i] == tag &&
            written_name_is(builder->out.base, builder->suffixes[i], name)) {
            builder->suffix_used[i] = true;
            return builder->suffixes[i];
        }
    }
    return 0;
}

/* Remembers that a name stands at `offset`, while there is room and a pointer can reach it. */
static void add_suffix(struct builder *builder, size_t offset, uint16_t tag)
{
    if (offset >= POINTER_LIMIT || builder->suffix_count == BUILD_MAX_SUFFIXES)
        return;
    builder->suffix_used[builder->suffix_count] = false;
    builder->suffixes[builder->suffix_count] = (uint16_t)offset;
    builder->suffix_tags[builder->suffix_count++] = tag;
}

/* Remembers the suffixes of the question's name, as of any other. */
static void list_question(struct builder *builder)
{
    struct suffixes suffixes;

    builder->lone_question = false;
    split_name(builder->out.base + DNS_HEADER_SIZE, &suffixes);
    for (size_t i = 0; i < suffixes.count; i++)
        add_suffix(builder, DNS_HEADER_SIZE + suffixes.offsets[i], suffixes.tags[i]);
}

/* Most answers are records of the question's name alone: nothing needs to be known of it then but where it is. */
static bool write_as_question(struct builder *builder, const uint8_t *name)
{
    if (!builder->lone_question)
        return false;
    if (name[0] != 0 && written_name_is(builder->out.base, DNS_HEADER_SIZE, name)) {
        wire_write_u16(&builder->out, POINTER_MARK | DNS_HEADER_SIZE);
        return true;
    }
    list_question(builder);
    return false;
}

/*
 * Writes a name, its longest known suffix as a pointer. New suffixes are remembered only once the
 * name is whole: until then there is nothing a match could be held against.
 */
static void write_name(struct builder *builder, const uint8_t *name)
{
    struct suffixes suffixes;
    struct wire_writer *out = &builder->out;
    size_t start = out->at, kept;
    uint16_t target = 0;

    if (write_as_question(builder, name))
        return;
    split_name(name, &suffixes);
    for (kept = 0; kept < suffixes.count && target == 0; kept++)
        target = find_suffix(builder, name + suffixes.offsets[kept], suffixes.tags[kept]);
    if (target != 0) {
        kept--; /* this suffix is what the pointer stands for */
        wire_write(out, name, suffixes.offsets[kept]);
        wire_write_u16(out, (uint16_t)(POINTER_MARK | target));
    } else {
        wire_write(out, name, name_size(name));
    }
    if (out->failed || builder->closed)
        return;
    for (size_t i = 0; i < kept; i++)
        add_suffix(builder, start + suffixes.offsets[i], suffixes.tags[i]);
}

void build_question(struct builder *builder, const struct question *question)
{
    wire_write(&builder->out, question->name, name_size(question->name));
    wire_write_u16(&builder->out, question->type);
    wire_write_u16(&builder->out, question->class);
    if (builder->out.failed)
        return;
    wire_put_u16(builder->out.base + 4, 1);
    builder->lone_question = true;
}

/* -- records ----------------------------------------------------------------------------------- */

/* Writes RDATA with those names compressed that may be (RFC 3597 4). */
static void write_rdata(struct builder *builder, const struct record *record)
{
    size_t done = 0, offset;
    bool compressible;

    for (size_t k = 0;
         rdata_name_at(record->type, record->rdata, record->rdata_size, k, &offset, &compressible);
         k++) {
        if (!compressible)
            break; /* all names of a type are alike in this */
        wire_write(&builder->out, record->rdata + done, offset - done);
        write_name(builder, record->rdata + offset);
        done = offset + name_size(record->rdata + offset);
    }
    wire_write(&builder->out, record->rdata + done, record->rdata_size - done);
}

/* Whether a record may still go into `section`; then it is counted. */
static bool count_record(struct builder *builder, enum section section)
{
    for (unsigned later = section + 1; later <= SECTION_ADDITIONAL; later++) {
        if (builder->counts[later] > 0)
            return false;
    }
    builder->counts[section]++;
    return true;
}

static void put_record(struct builder *builder, enum section section, const struct record *record,
                       bool movable)
{
    struct wire_writer *out = &builder->out;
    size_t length_at;

    if (builder->ttl_count == BUILD_MAX_RECORDS || !count_record(builder, section)) {
        out->failed = true;
        return;
    }
    write_name(builder, record->owner);
    wire_write_u16(out, record->type);
    wire_write_u16(out, record->class);
    builder->ttl_offsets[builder->ttl_count++] = (uint16_t)out->at;
    wire_write_u32(out, record->ttl);
    length_at = out->at;
    wire_write_u16(out, 0);
    builder->closed = movable;
    write_rdata(builder, record);
    builder->closed = false;
    if (!out->failed)
        wire_put_u16(out->base + length_at, (uint16_t)(out->at - length_at - 2));
}

void build_record(struct builder *builder, enum section section, const struct record *record)
{
    put_record(builder, section, record, false);
}

void build_movable(struct builder *builder, enum section section, const struct record *record)
{
    put_record(builder, section, record, true);
}

bool build_stands_alone(const struct builder *builder, size_t from, size_t to)
{
    for (size_t i = 0; i < builder->suffix_count; i++) {
        if (builder->suffix_used[i] && builder->suffixes[i] >= from && builder->suffixes[i] < to)
            return false;
    }
    return true;
}

struct build_mark build_mark(const struct builder *builder)
{
    struct build_mark mark = {
        .at = builder->out.at,
        .suffix_count = builder->suffix_count,
        .ttl_count = builder->ttl_count,
        .lone_question = builder->lone_question,
    };
    memcpy(mark.counts, builder->counts, sizeof mark.counts);
    return mark;
}

void build_back(struct builder *builder, const struct build_mark *mark)
{
    builder->out.at = mark->at;
    builder->out.failed = false;
    builder->suffix_count = mark->suffix_count;
    builder->ttl_count = mark->ttl_count;
    builder->lone_question = mark->lone_question;
    memcpy(builder->counts, mark->counts, sizeof mark->counts);
}

void build_opt(struct builder *builder, uint16_t udp_size, uint8_t rcode_high, bool dnssec_ok,
               int ede)
{
    struct wire_writer *out = &builder->out;

    wire_write_u8(out, 0); /* the root */
    wire_write_u16(out, TYPE_OPT);
    wire_write_u16(out, udp_size);
    wire_write_u32(out, (uint32_t)rcode_high << 24 | (dnssec_ok ? 0x8000u : 0));
    if (ede == EDE_NONE) {
        wire_write_u16(out, 0);
    } else { /* RFC 8914 2: the code, no text */
        wire_write_u16(out, 6);
        wire_write_u16(out, EDNS_OPTION_EDE);
        wire_write_u16(out, 2);
        wire_write_u16(out, (uint16_t)ede);
    }
    builder->counts[SECTION_ADDITIONAL]++;
}

int build_finish(struct builder *builder, uint16_t id, uint16_t flags)
{
    uint8_t *header = builder->out.base;

    if (builder->out.failed)
        return ERR_SPACE;
    wire_put_u16(header, id);
    wire_put_u16(header + 2, flags);
    for (unsigned section = SECTION_ANSWER; section <= SECTION_ADDITIONAL; section++)
        wire_put_u16(header + 6 + 2 * section, builder->counts[section]);
    return (int)builder->out.at;
}

int build_query(uint8_t *buffer, size_t size, const struct question *question,
                const struct query_shape *shape)
{
    struct builder builder;

    build_start(&builder, buffer, size);
    build_question(&builder, question);
    if (shape->edns)
        build_opt(&builder, DNS_EDNS_UDP, 0, shape->dnssec_ok, EDE_NONE);
    return build_finish(&builder, shape->id,
                        (uint16_t)(FLAG_RD | (shape->checking_disabled ? FLAG_CD : 0)));
}
