#include "origin/notify.h"

#include <string.h>

#include "dns/build.h"
#include "zone/xfrin.h"

static int read_question(struct wire_reader *reader, struct question *question)
{
    int size = name_read(reader, question->name);
    if (size < 0)
        return RCODE_FORMERR;
    name_lower(question->name, (size_t)size, question->name);
    question->name_size = (uint8_t)size;
    question->type = wire_read_u16(reader);
    question->class = wire_read_u16(reader);
    if (reader->failed)
        return RCODE_FORMERR;
    return question->type == TYPE_SOA && question->class == CLASS_IN ? RCODE_NOERROR : RCODE_NOTIMP;
}

/* The SOA of the zone, if it is the first answer. What is odd about it does not matter: it is but a hint. */
static void read_serial(struct wire_reader *reader, struct notify *notify)
{
    uint8_t owner[NAME_MAX_SIZE], rdata[2 * NAME_MAX_SIZE + 20];
    struct wire_writer out = wire_writer(rdata, sizeof rdata);
    struct soa_times times;
    if (name_read(reader, owner) < 0 || !name_equal(owner, notify->question.name))
        return;
    const uint16_t type = wire_read_u16(reader), class = wire_read_u16(reader);
    (void)wire_read_u32(reader);
    const uint16_t length = wire_read_u16(reader);
    if (reader->failed || type != TYPE_SOA || class != CLASS_IN || wire_left(reader) < length)
        return;
    int size = rdata_read(reader, type, length, &out);
    if (size < 0)
        return;
    xfrin_soa(rdata, (size_t)size, &times);
    notify->has_serial = true;
    notify->serial = times.serial;
}

int notify_read(const uint8_t *bytes, size_t size, struct notify *ret)
{
    struct wire_reader reader = wire_reader(bytes, size);
    *ret = (struct notify){.id = wire_read_u16(&reader)};
    const uint16_t flags = wire_read_u16(&reader);
    const uint16_t questions = wire_read_u16(&reader), answers = wire_read_u16(&reader);
    (void)wire_read(&reader, 4);
    if (reader.failed)
        return ERR_SHORT;
    if (flags & FLAG_QR)
        return ERR_NOT_QUERY;
    if (questions != 1)
        return RCODE_FORMERR;
    int rcode = read_question(&reader, &ret->question);
    if (rcode == RCODE_FORMERR)
        ret->question.name_size = 0;
    if (rcode == RCODE_NOERROR && answers > 0)
        read_serial(&reader, ret);
    return rcode;
}

int notify_answer(const struct notify *notify, uint16_t rcode, uint8_t *buffer, size_t room)
{
    static _Thread_local struct builder builder; /* large, and used from here to the end */
    build_start(&builder, buffer, room);
    if (notify->question.name_size > 0)
        build_question(&builder, &notify->question);
    return build_finish(&builder, notify->id,
                        (uint16_t)(FLAG_QR | FLAG_AA | OPCODE_NOTIFY << 11 | rcode));
}
