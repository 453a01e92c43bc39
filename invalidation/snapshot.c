#include "invalidation/snapshot.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "dns/rdata.h"

enum {
    MAGIC = 0x6672736e, /* "frsn" */
    CHECKSUM_AT = 8,
    CHECKED_AT = 16,
    PART_AT = 24,
    PARTS_AT = 28,
    SAME_OWNER = 0xff,
    RRSET_FIXED = 2 + 4 + 2, /* behind an owner */
    MAX_TTL = 0x7fffffff,
};

static_assert(CHECKED_AT + 8 + 4 + 4 + 8 + 4 + 8 + 8 + 4 + 8 + ZONE_DIGEST_SIZE ==
                  SNAPSHOT_HEAD_SIZE,
              "the head is as drawn");
static_assert(SNAPSHOT_MAX_BYTES - SNAPSHOT_PART_BYTES >=
                  NAME_MAX_SIZE + RRSET_FIXED + 2 + UINT16_MAX + SNAPSHOT_HEAD_SIZE + NAME_MAX_SIZE,
              "the largest record fits behind a full part");

static void write_u64(struct wire_writer *out, uint64_t v)
{
    wire_write_u32(out, (uint32_t)(v >> 32));
    wire_write_u32(out, (uint32_t)v);
}

static uint64_t read_u64(struct wire_reader *in)
{
    const uint64_t high = wire_read_u32(in);
    return high << 32 | wire_read_u32(in);
}

/* ---- keys ------------------------------------------------------------------------------------ */

size_t snapshot_write_key(const uint8_t *zone, unsigned slot, uint32_t part,
                          char key[SNAPSHOT_MAX_KEY])
{
    char name[NAME_MAX_TEXT];
    return (size_t)snprintf(key, SNAPSHOT_MAX_KEY, "%s %c %" PRIu32, name_to_text(zone, name),
                            (char)('a' + slot), part);
}

static bool read_number(const char *digits, size_t size, uint32_t *ret)
{
    uint64_t number = 0;
    if (size == 0 || size > 10 || (digits[0] == '0' && size > 1))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *ret = (uint32_t)number;
    return number < SNAPSHOT_MAX_PARTS;
}

int snapshot_read_key(const char *key, size_t size, uint8_t ret_zone[NAME_MAX_SIZE],
                      unsigned *ret_slot, uint32_t *ret_part)
{
    uint8_t zone[NAME_MAX_SIZE];
    uint32_t part;
    const char *space = key ? memchr(key, ' ', size) : NULL;
    const size_t name = space ? (size_t)(space - key) : 0;
    if (!space || size < name + 4 || space[1] < 'a' || space[1] >= 'a' + SNAPSHOT_SLOTS ||
        space[2] != ' ' || !read_number(space + 3, size - name - 3, &part))
        return ERR_FORMAT;
    int length = name_from_text_n(key, name, zone);
    if (length < 0)
        return ERR_FORMAT;
    name_lower(zone, (size_t)length, ret_zone);
    *ret_slot = (unsigned)(space[1] - 'a');
    *ret_part = part;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct writing {
    struct snapshot_head head;
    struct wire_writer out; /* of the part that is being filled */
    size_t start;           /* where records begin in it */
    uint32_t part;
    uint8_t owner[NAME_MAX_SIZE]; /* the last one written in this part; {0xff}: none */
    int (*each)(void *arg, uint32_t part, const uint8_t *bytes, size_t size); /* NULL: they count */
    void *arg;
    int error;
};

static void write_head(struct writing *w)
{
    const struct snapshot_head *head = &w->head;
    struct wire_writer *out = &w->out;
    out->at = 0;
    wire_write_u32(out, MAGIC);
    wire_write_u32(out, SNAPSHOT_VERSION);
    write_u64(out, 0);
    write_u64(out, head->generation);
    wire_write_u32(out, w->part);
    wire_write_u32(out, head->parts);
    write_u64(out, head->log_id);
    wire_write_u32(out, (uint32_t)head->partition);
    write_u64(out, (uint64_t)head->offset);
    write_u64(out, (uint64_t)head->made_us);
    wire_write_u32(out, head->serial);
    write_u64(out, head->records);
    wire_write(out, head->digest, sizeof head->digest);
    wire_write(out, head->zone, name_size(head->zone));
    w->start = out->at;
    w->owner[0] = SAME_OWNER;
}

static void end_part(struct writing *w)
{
    if (w->each) {
        struct wire_writer checksum = wire_writer(w->out.base + CHECKSUM_AT, 8);
        write_u64(&checksum, XXH3_64bits(w->out.base + CHECKED_AT, w->out.at - CHECKED_AT));
        w->error = w->each(w->arg, w->part, w->out.base, w->out.at);
    }
    if (++w->part > SNAPSHOT_MAX_PARTS && !w->error)
        w->error = ERR_TOO_LARGE;
    write_head(w);
}

static void write_owner(struct writing *w, const uint8_t *owner)
{
    const size_t size = name_size(owner);
    if (w->owner[0] != SAME_OWNER && name_equal(w->owner, owner)) {
        wire_write_u8(&w->out, SAME_OWNER);
        return;
    }
    wire_write(&w->out, owner, size);
    memcpy(w->owner, owner, size);
}

/* As many of an RRset's records, from the k-th on, as still belong in this part. Returns how many. */
static size_t write_run(struct writing *w, const struct zone_rrset *rrset, size_t k)
{
    size_t count = 0;
    write_owner(w, rrset->owner);
    wire_write_u16(&w->out, rrset->type);
    wire_write_u32(&w->out, rrset->ttl);
    uint8_t *count_at = wire_reserve(&w->out, 2);
    do {
        const struct rdata_view rdata = zone_rdata(rrset, k + count);
        wire_write_u16(&w->out, rdata.size);
        wire_write(&w->out, rdata.bytes, rdata.size);
        count++;
    } while (k + count < rrset->count && count < SNAPSHOT_MAX_COUNT &&
             w->out.at < SNAPSHOT_PART_BYTES);
    wire_put_u16(count_at, (uint16_t)count);
    assert(!w->out.failed);
    return count;
}

static bool write_rrset(void *arg, const struct zone_rrset *rrset)
{
    struct writing *w = arg;
    for (size_t k = 0; k < rrset->count && !w->error;) {
        if (w->out.at >= SNAPSHOT_PART_BYTES)
            end_part(w);
        if (!w->error)
            k += write_run(w, rrset, k);
    }
    return !w->error;
}

/* All parts from the beginning. Returns how many there are, or an error. */
static int write_parts(struct writing *w, const struct zone_state *state)
{
    w->part = 0;
    w->error = 0;
    write_head(w);
    zone_each(state, write_rrset, w);
    if (!w->error)
        end_part(w);
    return w->error ? w->error : (int)w->part;
}

int snapshot_write(const struct zone_state *state, const uint8_t *zone,
                   const struct snapshot_stand *stand,
                   int (*each)(void *arg, uint32_t part, const uint8_t *bytes, size_t size),
                   void *arg, struct snapshot_head *ret_head)
{
    struct zone_size size;
    struct writing w = {.head = {.generation = (uint64_t)stand->now_us,
                                 .log_id = stand->log_id,
                                 .partition = stand->partition,
                                 .offset = stand->offset,
                                 .made_us = stand->now_us}};
    zone_size(state, &size);
    w.head.records = size.records;
    memcpy(w.head.zone, zone, name_size(zone));
    if (!zone_serial(state, &w.head.serial))
        return ERR_ZONE;
    int result = zone_digest(state, w.head.digest);
    if (result < 0)
        return result;
    uint8_t *buffer = malloc(SNAPSHOT_MAX_BYTES);
    if (!buffer)
        return ERR_MEMORY;
    w.out = wire_writer(buffer, SNAPSHOT_MAX_BYTES);
    result = write_parts(&w, state); /* how many there are stands in each */
    w.head.parts = (uint32_t)result;
    w.each = each;
    w.arg = arg;
    if (result > 0)
        result = write_parts(&w, state);
    free(buffer);
    if (result < 0)
        return result;
    *ret_head = w.head;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_zone(struct wire_reader *in, uint8_t zone[NAME_MAX_SIZE])
{
    uint8_t name[NAME_MAX_SIZE];
    struct wire_reader own =
        wire_reader(in->base + in->at, wire_left(in)); /* nothing to point to */
    int size = name_read(&own, name);
    if (size < 0 || own.at != (size_t)size)
        return ERR_NAME;
    name_lower(name, (size_t)size, zone);
    if (memcmp(name, zone, (size_t)size) != 0)
        return ERR_NAME;
    (void)wire_read(in, (size_t)size);
    return size;
}

static void read_head(struct wire_reader *in, struct snapshot_part *ret)
{
    struct snapshot_head *head = &ret->head;
    head->generation = read_u64(in);
    ret->part = wire_read_u32(in);
    head->parts = wire_read_u32(in);
    head->log_id = read_u64(in);
    head->partition = (int32_t)wire_read_u32(in);
    head->offset = (int64_t)read_u64(in);
    head->made_us = (int64_t)read_u64(in);
    head->serial = wire_read_u32(in);
    head->records = read_u64(in);
    const uint8_t *digest = wire_read(in, ZONE_DIGEST_SIZE);
    if (digest)
        memcpy(head->digest, digest, ZONE_DIGEST_SIZE);
}

int snapshot_read_part(const uint8_t *bytes, size_t size, struct snapshot_part *ret)
{
    struct snapshot_part part = {.part = 0};
    struct wire_reader in = wire_reader(bytes, size);
    const uint32_t magic = wire_read_u32(&in), version = wire_read_u32(&in);
    if (in.failed)
        return ERR_SHORT;
    if (magic != MAGIC)
        return ERR_FORMAT;
    if (version != SNAPSHOT_VERSION)
        return ERR_SNAPSHOT_VERSION;
    const uint64_t checksum = read_u64(&in);
    if (in.failed || size <= SNAPSHOT_HEAD_SIZE)
        return ERR_SHORT;
    if (XXH3_64bits(bytes + CHECKED_AT, size - CHECKED_AT) != checksum)
        return ERR_CHECKSUM;
    read_head(&in, &part);
    int zone = read_zone(&in, part.head.zone);
    if (zone < 0)
        return zone;
    if (part.head.parts == 0 || part.head.parts > SNAPSHOT_MAX_PARTS ||
        part.part >= part.head.parts || part.head.partition < 0 || part.head.offset < 0)
        return ERR_SCHEMA;
    part.records = wire_reader(bytes + in.at, size - in.at);
    *ret = part;
    return 0;
}

bool snapshot_same(const struct snapshot_head *one, const struct snapshot_head *other)
{
    return one->generation == other->generation && one->parts == other->parts &&
           one->log_id == other->log_id && one->partition == other->partition &&
           one->offset == other->offset && one->made_us == other->made_us &&
           one->serial == other->serial && one->records == other->records &&
           memcmp(one->digest, other->digest, sizeof one->digest) == 0 &&
           name_equal(one->zone, other->zone);
}

/* What the records of a part are read with. */
struct scan {
    struct zone_edit *edit;
    bool has_owner;
    uint8_t owner[NAME_MAX_SIZE];
    struct change change;
    struct rdata_view rdata[SNAPSHOT_MAX_COUNT];
    uint8_t scratch[UINT16_MAX];
};

static int scan_owner(struct scan *scan, struct wire_reader *in)
{
    if (wire_left(in) > 0 && in->base[in->at] == SAME_OWNER) {
        (void)wire_read(in, 1);
        return scan->has_owner ? 0 : ERR_NAME;
    }
    int size = read_zone(in, scan->owner);
    scan->has_owner = size > 0;
    return size < 0 ? size : 0;
}

/* RDATA as a state has it: well formed, and its names not compressed. */
static int scan_rdata(struct scan *scan, struct wire_reader *in, struct rdata_view *ret)
{
    const uint16_t size = wire_read_u16(in);
    const uint8_t *bytes = wire_read(in, size);
    if (!bytes)
        return ERR_SHORT;
    struct wire_reader own = wire_reader(bytes, size);
    struct wire_writer plain = wire_writer(scan->scratch, sizeof scan->scratch);
    int length = rdata_read(&own, scan->change.type, size, &plain);
    if (length != size || memcmp(plain.base, bytes, size) != 0)
        return ERR_RDATA;
    *ret = (struct rdata_view){.bytes = bytes, .size = size};
    return 0;
}

/* Some records of one RRset. */
static int scan_run(struct scan *scan, struct wire_reader *in)
{
    int error = scan_owner(scan, in);
    if (error)
        return error;
    const uint16_t type = wire_read_u16(in);
    const uint32_t ttl = wire_read_u32(in);
    const uint16_t count = wire_read_u16(in);
    if (in->failed)
        return ERR_SHORT;
    if (type == 0 || type_is_meta(type))
        return ERR_TYPE;
    if (ttl > MAX_TTL)
        return ERR_TTL;
    if (count == 0 || count > SNAPSHOT_MAX_COUNT)
        return ERR_SCHEMA;
    scan->change = (struct change){.op = CHANGE_ADD,
                                   .type = type,
                                   .ttl = ttl,
                                   .name = scan->owner,
                                   .rdata = scan->rdata,
                                   .rdata_count = count};
    for (size_t k = 0; k < count && !error; k++)
        error = scan_rdata(scan, in, &scan->rdata[k]);
    if (error)
        return error;
    error = zone_edit_change(scan->edit, &scan->change);
    return error ? error : count;
}

static int take_records(struct snapshot_reader *reader, struct zone_edit *edit,
                        struct wire_reader *in)
{
    struct scan *scan = malloc(sizeof *scan);
    int result = scan ? 0 : ERR_MEMORY;
    if (scan) {
        scan->edit = edit;
        scan->has_owner = false;
    }
    while (result >= 0 && wire_left(in) > 0) {
        result = scan_run(scan, in);
        reader->records += result > 0 ? (uint64_t)result : 0;
    }
    free(scan);
    return result < 0 ? result : 0;
}

/* Whether what was taken is what was written. */
static int check_whole(const struct snapshot_reader *reader, struct zone_edit *edit)
{
    const struct zone_state *state = zone_edit_state(edit);
    uint8_t digest[ZONE_DIGEST_SIZE];
    uint32_t serial;
    if (!zone_serial(state, &serial))
        return ERR_ZONE;
    int error = zone_digest(state, digest);
    if (error)
        return error;
    const bool same = memcmp(digest, reader->head.digest, sizeof digest) == 0;
    return same && serial == reader->head.serial && reader->records == reader->head.records
               ? 1
               : ERR_DIGEST;
}

static int take(struct snapshot_reader *reader, struct zone_edit *edit, const uint8_t *bytes,
                size_t size)
{
    struct snapshot_part part;
    int error = snapshot_read_part(bytes, size, &part);
    if (error)
        return error;
    if (part.part != reader->next ||
        (reader->next > 0 && !snapshot_same(&reader->head, &part.head)))
        return ERR_SCHEMA;
    reader->head = part.head;
    error = take_records(reader, edit, &part.records);
    if (error)
        return error;
    return ++reader->next < reader->head.parts ? 0 : check_whole(reader, edit);
}

int snapshot_reader_take(struct snapshot_reader *reader, struct zone_edit *edit,
                         const uint8_t *bytes, size_t size)
{
    if (reader->failed || (reader->next > 0 && reader->next == reader->head.parts))
        return ERR_SCHEMA;
    int result = take(reader, edit, bytes, size);
    reader->failed = result < 0;
    return result;
}
