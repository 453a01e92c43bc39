#include "zone/xfrin.h"

#include <stdlib.h>
#include <string.h>

#include "dns/build.h"

enum {
    NOTAUTH = 9,      /* RFC 2136 2.2 */
    SOA_NUMBERS = 20, /* bytes at the end of an SOA's RDATA */
};

/* What comes next. */
enum phase {
    FIRST,   /* the SOA with which every answer begins */
    SECOND,  /* what tells differences from the whole */
    WHOLE,   /* records, until the SOA comes again */
    DELETED, /* those of the version before, until the SOA of the one after */
    ADDED,   /* until the next difference's SOA, or the last */
    FINISHED,
};

struct xfrin {
    uint8_t apex[NAME_MAX_SIZE];
    uint16_t type, id;
    uint32_t held;
    struct xfrin_sink sink;
    enum phase phase;
    bool has_soa;
    uint32_t serial;  /* of the first SOA: where it leads */
    uint32_t version; /* of the difference under way: what it makes */
    uint16_t rcode;
    bool has_data;
    size_t outside;
    uint16_t soa_size, first_size;
    uint8_t soa[2 * NAME_MAX_SIZE + SOA_NUMBERS];   /* the newest, of `version` */
    uint8_t first[2 * NAME_MAX_SIZE + SOA_NUMBERS]; /* the first */
    uint32_t soa_ttl, first_ttl;
    uint8_t owner[NAME_MAX_SIZE];
    uint8_t rdata[UINT16_MAX];
};

static const struct {
    const char *word, *text;
} faults[XFRIN_RESULTS] = {
#define X(name, word, text) [name] = {word, text},
    XFRIN_FAULTS(X)
#undef X
};

const char *xfrin_fault_word(enum xfrin_result result)
{
    return faults[result].word ? faults[result].word : "";
}

const char *xfrin_fault_text(enum xfrin_result result)
{
    return faults[result].text ? faults[result].text : "";
}

int xfrin_compare(uint32_t one, uint32_t other)
{
    const uint32_t ahead = one - other;
    return ahead == 0 ? 0 : ahead <= UINT32_C(0x80000000) ? 1 : -1;
}

void xfrin_soa(const uint8_t *rdata, size_t size, struct soa_times *ret)
{
    const uint8_t *numbers = rdata + size - SOA_NUMBERS;
    *ret = (struct soa_times){.serial = wire_get_u32(numbers),
                              .refresh = wire_get_u32(numbers + 4),
                              .retry = wire_get_u32(numbers + 8),
                              .expire = wire_get_u32(numbers + 12),
                              .minimum = wire_get_u32(numbers + 16)};
}

/* ---- a record ---- */

/* Reads the record at the cursor into the transfer's own room. */
static enum xfrin_result read_record(struct xfrin *xfrin, struct wire_reader *reader,
                                     struct record *record)
{
    int size = name_read(reader, xfrin->owner);
    if (size < 0)
        return XFRIN_MALFORMED;
    name_lower(xfrin->owner, (size_t)size, xfrin->owner);
    record->owner = xfrin->owner;
    record->type = wire_read_u16(reader);
    record->class = wire_read_u16(reader);
    record->ttl = wire_read_u32(reader);
    if (record->ttl > INT32_MAX)
        record->ttl = 0; /* RFC 2181 8 */
    const uint16_t length = wire_read_u16(reader);
    if (reader->failed || wire_left(reader) < length)
        return XFRIN_MALFORMED;
    if (record->class != CLASS_IN || type_is_meta(record->type))
        return XFRIN_CLASS;
    struct wire_writer out = wire_writer(xfrin->rdata, sizeof xfrin->rdata);
    int taken = rdata_read(reader, record->type, length, &out);
    if (taken < 0)
        return XFRIN_MALFORMED;
    record->rdata = xfrin->rdata;
    record->rdata_size = (uint16_t)taken;
    return XFRIN_MORE;
}

static uint32_t serial_of(const struct record *soa)
{
    struct soa_times times;
    xfrin_soa(soa->rdata, soa->rdata_size, &times);
    return times.serial;
}

static void keep_soa(struct xfrin *xfrin, const struct record *soa)
{
    memcpy(xfrin->soa, soa->rdata, soa->rdata_size);
    xfrin->soa_size = soa->rdata_size;
    xfrin->soa_ttl = soa->ttl;
    xfrin->version = serial_of(soa);
}

/* The SOA kept of the version under way, or the one that came first. */
static struct record kept_soa(const struct xfrin *xfrin, bool first)
{
    return (struct record){.owner = xfrin->apex,
                           .type = TYPE_SOA,
                           .class = CLASS_IN,
                           .ttl = first ? xfrin->first_ttl : xfrin->soa_ttl,
                           .rdata = first ? xfrin->first : xfrin->soa,
                           .rdata_size = first ? xfrin->first_size : xfrin->soa_size};
}

/* ---- to the sink ---- */

static enum xfrin_result hand_out(struct xfrin *xfrin, enum xfrin_part part,
                                  const struct record *record)
{
    if (!name_is_within(record->owner, xfrin->apex)) {
        xfrin->outside++;
        return XFRIN_MORE;
    }
    return xfrin->sink.record(xfrin->sink.arg, part, record) == 0 ? XFRIN_MORE : XFRIN_SINK;
}

static enum xfrin_result end_version(struct xfrin *xfrin)
{
    const struct record soa = kept_soa(xfrin, false);
    return xfrin->sink.version(xfrin->sink.arg, &soa) == 0 ? XFRIN_MORE : XFRIN_SINK;
}

/* The SOA is the first record of it, and `record` the second; NULL: none. */
static enum xfrin_result begin_whole(struct xfrin *xfrin, const struct record *record)
{
    const struct record soa = kept_soa(xfrin, true);
    keep_soa(xfrin, &soa);
    xfrin->phase = WHOLE;
    xfrin->has_data = true;
    if (xfrin->sink.begin_whole(xfrin->sink.arg) != 0)
        return XFRIN_SINK;
    enum xfrin_result result = hand_out(xfrin, XFRIN_WHOLE, &soa);
    return result == XFRIN_MORE && record ? hand_out(xfrin, XFRIN_WHOLE, record) : result;
}

static enum xfrin_result finish(struct xfrin *xfrin, enum xfrin_result result)
{
    xfrin->phase = FINISHED;
    return result == XFRIN_MORE ? XFRIN_DONE : result;
}

/* ---- by phase ---- */

static bool is_soa(const struct record *record)
{
    return record->type == TYPE_SOA;
}

static enum xfrin_result take_first(struct xfrin *xfrin, const struct record *record)
{
    if (!is_soa(record))
        return XFRIN_ORDER;
    memcpy(xfrin->first, record->rdata, record->rdata_size);
    xfrin->first_size = record->rdata_size;
    xfrin->first_ttl = record->ttl;
    xfrin->serial = serial_of(record);
    xfrin->has_soa = true;
    xfrin->phase = SECOND;
    return xfrin->type == TYPE_SOA ? finish(xfrin, XFRIN_MORE) : XFRIN_MORE;
}

/* The first record of the whole zone behind its SOA, or the SOA of the version that a difference leads from. */
static enum xfrin_result take_second(struct xfrin *xfrin, const struct record *record)
{
    if (!is_soa(record))
        return begin_whole(xfrin, record);
    const uint32_t serial = serial_of(record);
    if (serial == xfrin->serial) { /* a zone of nothing but its SOA */
        enum xfrin_result result = begin_whole(xfrin, NULL);
        return finish(xfrin, result == XFRIN_MORE ? end_version(xfrin) : result);
    }
    if (xfrin->type != TYPE_IXFR)
        return XFRIN_SOA;
    if (serial != xfrin->held)
        return XFRIN_SERIAL;
    xfrin->version = serial;
    xfrin->phase = DELETED;
    xfrin->has_data = true;
    return XFRIN_MORE;
}

static enum xfrin_result take_whole(struct xfrin *xfrin, const struct record *record)
{
    if (!is_soa(record))
        return hand_out(xfrin, XFRIN_WHOLE, record);
    if (serial_of(record) != xfrin->serial)
        return XFRIN_SOA; /* the zone changed on the way, or has two */
    return finish(xfrin, end_version(xfrin));
}

static enum xfrin_result take_deleted(struct xfrin *xfrin, const struct record *record)
{
    if (!is_soa(record))
        return hand_out(xfrin, XFRIN_DELETED, record);
    if (xfrin_compare(serial_of(record), xfrin->version) <= 0)
        return XFRIN_SERIAL;
    keep_soa(xfrin, record);
    xfrin->phase = ADDED;
    return XFRIN_MORE;
}

static enum xfrin_result take_added(struct xfrin *xfrin, const struct record *record)
{
    if (!is_soa(record))
        return hand_out(xfrin, XFRIN_ADDED, record);
    if (serial_of(record) != xfrin->version)
        return XFRIN_SERIAL;
    enum xfrin_result result = end_version(xfrin);
    if (result != XFRIN_MORE || xfrin->version == xfrin->serial)
        return finish(xfrin, result);
    xfrin->phase = DELETED;
    return XFRIN_MORE;
}

static enum xfrin_result take_record(struct xfrin *xfrin, const struct record *record)
{
    static enum xfrin_result (*const takers[])(struct xfrin *, const struct record *) = {
        [FIRST] = take_first,     [SECOND] = take_second, [WHOLE] = take_whole,
        [DELETED] = take_deleted, [ADDED] = take_added,
    };
    if (xfrin->phase == FINISHED)
        return XFRIN_TRAILING;
    if (is_soa(record) && !name_equal(record->owner, xfrin->apex))
        return XFRIN_SOA;
    return takers[xfrin->phase](xfrin, record);
}

/* ---- a message ---- */

static enum xfrin_result check_rcode(struct xfrin *xfrin, uint16_t flags)
{
    xfrin->rcode = flags & FLAG_RCODE;
    switch (xfrin->rcode) {
    case RCODE_NOERROR:
        return XFRIN_MORE;
    case RCODE_REFUSED:
        return XFRIN_REFUSED;
    case NOTAUTH:
        return XFRIN_NOTAUTH;
    case RCODE_FORMERR:
    case RCODE_NOTIMP:
        return XFRIN_NOT_THERE;
    default:
        return XFRIN_RCODE;
    }
}

/* The question is there in the first message, and may be in the others (RFC 5936 2.2.2). */
static enum xfrin_result check_question(struct xfrin *xfrin, struct wire_reader *reader,
                                        uint16_t count)
{
    if (count == 0)
        return XFRIN_MORE;
    if (count > 1 || name_read(reader, xfrin->owner) < 0)
        return XFRIN_MALFORMED;
    const uint16_t type = wire_read_u16(reader), class = wire_read_u16(reader);
    if (reader->failed)
        return XFRIN_MALFORMED;
    return type == xfrin->type && class == CLASS_IN && name_equal(xfrin->owner, xfrin->apex)
               ? XFRIN_MORE
               : XFRIN_OTHER;
}

static enum xfrin_result check_header(struct xfrin *xfrin, struct wire_reader *reader,
                                      uint16_t *ret_answers)
{
    const uint16_t id = wire_read_u16(reader), flags = wire_read_u16(reader);
    const uint16_t questions = wire_read_u16(reader), answers = wire_read_u16(reader);
    (void)wire_read(reader, 4);
    if (reader->failed)
        return XFRIN_MALFORMED;
    if (id != xfrin->id || !(flags & FLAG_QR) || (flags & FLAG_OPCODE) != 0)
        return XFRIN_OTHER;
    enum xfrin_result result = check_rcode(xfrin, flags);
    if (result == XFRIN_MORE)
        result = check_question(xfrin, reader, questions);
    if (result == XFRIN_MORE && xfrin->type == TYPE_SOA && !(flags & FLAG_AA))
        result = XFRIN_NOTAUTH; /* somebody's cache, or a referral */
    *ret_answers = answers;
    return result;
}

/* One SOA and no more, no newer than what is held (RFC 1995 2). */
static bool is_up_to_date(const struct xfrin *xfrin)
{
    return xfrin->type == TYPE_IXFR && xfrin->phase == SECOND &&
           xfrin_compare(xfrin->serial, xfrin->held) <= 0;
}

enum xfrin_result xfrin_take(struct xfrin *xfrin, const uint8_t *message, size_t size)
{
    struct wire_reader reader = wire_reader(message, size);
    uint16_t answers = 0;
    enum xfrin_result result = check_header(xfrin, &reader, &answers);
    if (result == XFRIN_MORE && answers == 0 && xfrin->phase == FIRST)
        return XFRIN_ORDER;
    for (uint16_t k = 0; k < answers && (result == XFRIN_MORE || result == XFRIN_DONE); k++) {
        struct record record;
        enum xfrin_result read = read_record(xfrin, &reader, &record);
        result = read == XFRIN_MORE ? take_record(xfrin, &record) : read;
    }
    if (result == XFRIN_MORE && is_up_to_date(xfrin))
        return finish(xfrin, result);
    return result;
}

/* ---- the whole of it ---- */

struct xfrin *xfrin_new(const struct xfrin_options *options)
{
    struct xfrin *xfrin = calloc(1, sizeof *xfrin);
    if (!xfrin)
        return NULL;
    memcpy(xfrin->apex, options->apex, name_size(options->apex));
    xfrin->type = options->type;
    xfrin->id = options->id;
    xfrin->held = options->serial;
    xfrin->sink = options->sink;
    return xfrin;
}

void xfrin_free(struct xfrin *xfrin)
{
    free(xfrin);
}

bool xfrin_serial(const struct xfrin *xfrin, uint32_t *ret_serial)
{
    if (xfrin->has_soa)
        *ret_serial = xfrin->serial;
    return xfrin->has_soa;
}

bool xfrin_has_data(const struct xfrin *xfrin)
{
    return xfrin->has_data;
}

uint16_t xfrin_rcode(const struct xfrin *xfrin)
{
    return xfrin->rcode;
}

size_t xfrin_outside(const struct xfrin *xfrin)
{
    return xfrin->outside;
}

int xfrin_write_query(const struct xfrin_query *query, uint8_t *buffer, size_t room)
{
    static _Thread_local struct builder builder; /* large, and used from here to the end */
    struct question question = {.type = query->type, .class = CLASS_IN};
    question.name_size = (uint8_t)name_size(query->apex);
    memcpy(question.name, query->apex, question.name_size);
    build_start(&builder, buffer, room);
    build_question(&builder, &question);
    if (query->soa) {
        const struct record soa = {.owner = query->apex,
                                   .type = TYPE_SOA,
                                   .class = CLASS_IN,
                                   .rdata = query->soa,
                                   .rdata_size = query->soa_size};
        build_record(&builder, SECTION_AUTHORITY, &soa);
    }
    return build_finish(&builder, query->id, 0);
}
