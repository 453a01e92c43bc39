/* field.c - see field.h. */
#include "dns/field.h"

#include "dns/type.h"

enum {
    /*
     * Fields of one record. TXT and APL can repeat theirs until the RDATA are full; names (HIP's
     * rendezvous servers) are held to a bound so that looking up the k-th name stays cheap.
     */
    FIELDS_MAX = 65536,
    NAMES_MAX = 255,
    LOC_SIZE = 16, /* RFC 1876 2 */
};

/* Gateway types of IPSECKEY (RFC 4025 2.3), the same for relays in AMTRELAY (RFC 8777 4.2.3). */
enum { GATEWAY_NONE = 0, GATEWAY_IPV4 = 1, GATEWAY_IPV6 = 2, GATEWAY_NAME = 3 };

/* -- plans ------------------------------------------------------------------------------------- */

struct field_plan field_plan(uint16_t type)
{
    const struct form *form = form_of(type);

    if (!form || form->fields[0] == LDNS_RDF_TYPE_UNKNOWN)
        return (struct field_plan){.form = NULL, .minimum = 1, .maximum = 1};
    return (struct field_plan){.form = form,
                               .minimum = form->minimum,
                               .maximum = form->repeats ? FIELDS_MAX : form->maximum};
}

ldns_rdf_type field_kind(const struct field_plan *plan, size_t index)
{
    const struct form *form = plan->form;

    if (!form)
        return LDNS_RDF_TYPE_UNKNOWN;
    return (ldns_rdf_type)form->fields[index < form->maximum ? index : form->maximum - 1u];
}

bool field_names_compressible(const struct field_plan *plan)
{
    return plan->form && plan->form->compress;
}

size_t field_number_size(ldns_rdf_type kind)
{
    switch (kind) {
    case LDNS_RDF_TYPE_INT8:
    case LDNS_RDF_TYPE_ALG:
    case LDNS_RDF_TYPE_CERTIFICATE_USAGE:
    case LDNS_RDF_TYPE_SELECTOR:
    case LDNS_RDF_TYPE_MATCHING_TYPE:
        return 1;
    case LDNS_RDF_TYPE_INT16:
    case LDNS_RDF_TYPE_CERT_ALG:
    case LDNS_RDF_TYPE_CLASS:
    case LDNS_RDF_TYPE_TYPE:
        return 2;
    case LDNS_RDF_TYPE_INT32:
    case LDNS_RDF_TYPE_PERIOD:
    case LDNS_RDF_TYPE_TIME:
        return 4;
    default:
        return 0;
    }
}

bool field_is_rest(ldns_rdf_type kind)
{
    switch (kind) {
    case LDNS_RDF_TYPE_UNKNOWN:
    case LDNS_RDF_TYPE_B64:
    case LDNS_RDF_TYPE_HEX:
    case LDNS_RDF_TYPE_LONG_STR:
    case LDNS_RDF_TYPE_BITMAP:
    case LDNS_RDF_TYPE_SERVICE:
    case LDNS_RDF_TYPE_WKS:
    case LDNS_RDF_TYPE_NSAP:
    case LDNS_RDF_TYPE_ATMA:
    case LDNS_RDF_TYPE_IPSECKEY:
    case LDNS_RDF_TYPE_AMTRELAY:
    case LDNS_RDF_TYPE_SVCPARAMS:
        return true;
    default:
        return false;
    }
}

/* -- fields that take all that is left: is their inside well formed? --------------------------- */

/* Type bitmaps: windows in ascending order, 1 to 32 bytes each (RFC 4034 4.1.2). */
static bool bitmap_is_valid(const uint8_t *bytes, size_t size)
{
    struct wire_reader reader = wire_reader(bytes, size);
    int last = -1;

    while (wire_left(&reader) > 0) {
        int window = wire_read_u8(&reader);
        uint8_t length = wire_read_u8(&reader);
        if (window <= last || length < 1 || length > 32 || !wire_read(&reader, length))
            return false;
        last = window;
    }
    return !reader.failed;
}

/* SvcParams: keys strictly ascending, values as long as they say (RFC 9460 2.2). */
static bool params_are_valid(const uint8_t *bytes, size_t size)
{
    struct wire_reader reader = wire_reader(bytes, size);
    int last = -1;

    while (wire_left(&reader) > 0) {
        int key = wire_read_u16(&reader);
        uint16_t length = wire_read_u16(&reader);
        if (key <= last || !wire_read(&reader, length))
            return false;
        last = key;
    }
    return !reader.failed;
}

/* Reads a name that may hold no pointers: nothing before it is in the reader. */
static bool plain_name_is_valid(struct wire_reader *reader)
{
    uint8_t name[NAME_MAX_SIZE];
    struct wire_reader own = wire_reader(reader->base + reader->at, wire_left(reader));

    if (name_read(&own, name) < 0)
        return false;
    return wire_read(reader, own.at) != NULL;
}

static bool gateway_is_valid(struct wire_reader *reader, unsigned kind)
{
    switch (kind) {
    case GATEWAY_IPV4:
        return wire_read(reader, 4) != NULL;
    case GATEWAY_IPV6:
        return wire_read(reader, 16) != NULL;
    case GATEWAY_NAME:
        return plain_name_is_valid(reader);
    default:
        return !reader->failed; /* none, or of a kind yet to be defined */
    }
}

/* precedence, gateway type, algorithm, gateway, key (RFC 4025 2.1) */
static bool ipseckey_is_valid(const uint8_t *bytes, size_t size)
{
    struct wire_reader reader = wire_reader(bytes, size);

    wire_read_u8(&reader);
    uint8_t kind = wire_read_u8(&reader);
    wire_read_u8(&reader);
    return gateway_is_valid(&reader, kind);
}

/* precedence, discovery bit and relay type, relay (RFC 8777 4.2) */
static bool amtrelay_is_valid(const uint8_t *bytes, size_t size)
{
    struct wire_reader reader = wire_reader(bytes, size);

    wire_read_u8(&reader);
    unsigned kind = wire_read_u8(&reader) & 0x7f;
    if (!gateway_is_valid(&reader, kind))
        return false;
    return kind > GATEWAY_NAME || wire_left(&reader) == 0;
}

/*
 * CAA values, NULL and KEY records without a key (RFC 2535 3.1.2) may be empty, as may a bitmap
 * (RFC 5155 7.1 names without types). A digest or key of no bytes is a record cut short.
 */
static bool rest_is_valid(uint16_t type, ldns_rdf_type kind, const uint8_t *bytes, size_t size)
{
    switch (kind) {
    case LDNS_RDF_TYPE_BITMAP:
        return bitmap_is_valid(bytes, size);
    case LDNS_RDF_TYPE_SVCPARAMS:
        return params_are_valid(bytes, size);
    case LDNS_RDF_TYPE_IPSECKEY:
        return ipseckey_is_valid(bytes, size);
    case LDNS_RDF_TYPE_AMTRELAY:
        return amtrelay_is_valid(bytes, size);
    case LDNS_RDF_TYPE_B64:
        return size > 0 || type == LDNS_RR_TYPE_KEY;
    case LDNS_RDF_TYPE_HEX:
    case LDNS_RDF_TYPE_WKS:
        return size > 0;
    default:
        return true;
    }
}

/* ALPN: ids of 1 to 255 bytes, each behind its length (RFC 9460 7.1.1). */
static bool alpn_is_valid(const uint8_t *value, size_t size)
{
    size_t at = 0;

    while (at < size && value[at] > 0)
        at += 1u + value[at];
    return at == size && size > 0;
}

/* The value of one SvcParam against the keys RFC 9460 7 and 8 define. */
static bool param_is_valid(uint16_t key, const uint8_t *value, size_t size)
{
    switch (key) {
    case LDNS_SVCPARAM_KEY_MANDATORY:
        return size > 0 && size % 2 == 0;
    case LDNS_SVCPARAM_KEY_ALPN:
        return alpn_is_valid(value, size);
    case LDNS_SVCPARAM_KEY_NO_DEFAULT_ALPN:
        return size == 0;
    case LDNS_SVCPARAM_KEY_PORT:
        return size == 2;
    case LDNS_SVCPARAM_KEY_IPV4HINT:
        return size > 0 && size % 4 == 0;
    case LDNS_SVCPARAM_KEY_ECH:
        return size > 0;
    case LDNS_SVCPARAM_KEY_IPV6HINT:
        return size > 0 && size % 16 == 0;
    default:
        return true;
    }
}

bool field_params_have_text(const uint8_t *bytes, size_t size)
{
    size_t length;

    for (size_t at = 0; at < size; at += 4 + length) {
        length = wire_get_u16(bytes + at + 2);
        if (!param_is_valid(wire_get_u16(bytes + at), bytes + at + 4, length))
            return false;
    }
    return true;
}

/* -- fields that carry their length ------------------------------------------------------------ */

/* One item of APL: family, prefix, N and length, address part (RFC 3123 4). */
static bool apl_is_valid(struct wire_reader *reader)
{
    uint16_t family = wire_read_u16(reader);
    uint8_t prefix = wire_read_u8(reader);
    unsigned length = wire_read_u8(reader) & 0x7f;

    if (!wire_read(reader, length))
        return false;
    if (family == 1)
        return prefix <= 32 && length <= 4;
    if (family == 2)
        return prefix <= 128 && length <= 16;
    return true;
}

/* HIT length, algorithm, key length, HIT, key (RFC 8005 5). */
static bool hip_is_valid(struct wire_reader *reader)
{
    uint8_t hit = wire_read_u8(reader);
    wire_read_u8(reader);
    uint16_t key = wire_read_u16(reader);
    return hit > 0 && key > 0 && wire_read(reader, (size_t)hit + key) != NULL;
}

/* Steps over a field whose size its own bytes give; false when it does not fit its kind. */
static bool skip_counted(struct wire_reader *reader, ldns_rdf_type kind)
{
    size_t length;

    switch (kind) {
    case LDNS_RDF_TYPE_STR:
    case LDNS_RDF_TYPE_NSEC3_SALT:
        length = wire_read_u8(reader);
        return wire_read(reader, length) != NULL;
    case LDNS_RDF_TYPE_NSEC3_NEXT_OWNER:
    case LDNS_RDF_TYPE_TAG: /* RFC 8659 4.1: at least one character */
        length = wire_read_u8(reader);
        return length > 0 && wire_read(reader, length) != NULL;
    case LDNS_RDF_TYPE_INT16_DATA:
        length = wire_read_u16(reader);
        return wire_read(reader, length) != NULL;
    case LDNS_RDF_TYPE_APL:
        return apl_is_valid(reader);
    case LDNS_RDF_TYPE_HIP:
        return hip_is_valid(reader);
    default:
        return false; /* a kind that this code has not met: nobody vouches for its bytes */
    }
}

static size_t fixed_size(ldns_rdf_type kind)
{
    switch (kind) {
    case LDNS_RDF_TYPE_A:
        return 4;
    case LDNS_RDF_TYPE_TSIGTIME:
    case LDNS_RDF_TYPE_EUI48:
        return 6;
    case LDNS_RDF_TYPE_EUI64:
    case LDNS_RDF_TYPE_ILNP64:
        return 8;
    case LDNS_RDF_TYPE_AAAA:
        return 16;
    case LDNS_RDF_TYPE_LOC:
        return LOC_SIZE;
    default:
        return field_number_size(kind);
    }
}

/* -- the walk ---------------------------------------------------------------------------------- */

void field_walk_message(struct field_walk *walk, uint16_t type, const struct wire_reader *reader,
                        size_t length)
{
    walk->plan = field_plan(type);
    walk->type = type;
    walk->decompress = true;
    walk->index = 0;
    walk->start = reader->at;
    walk->rdata = wire_reader(reader->base, reader->at + length);
    walk->rdata.at = reader->at;
}

void field_walk_start(struct field_walk *walk, uint16_t type, const uint8_t *rdata, size_t length)
{
    struct wire_reader reader = wire_reader(rdata, length);

    field_walk_message(walk, type, &reader, length);
    walk->decompress = false;
}

/* A name is handed out where it stands when it may not or does not use pointers. */
static bool next_name(struct field_walk *walk, struct field *field)
{
    struct wire_reader *rdata = &walk->rdata;
    size_t start = rdata->at;
    int size;

    if (walk->index >= NAMES_MAX)
        return false;
    if (!walk->decompress) {
        field->bytes = rdata->base + start;
        if (!plain_name_is_valid(rdata))
            return false;
        field->size = rdata->at - start;
        return true;
    }
    size = name_read(rdata, walk->name);
    if (size < 0)
        return false;
    field->bytes = walk->name;
    field->size = (size_t)size;
    return true;
}

static bool next_rest(struct field_walk *walk, struct field *field)
{
    field->size = wire_left(&walk->rdata);
    field->bytes = wire_read(&walk->rdata, field->size);
    return rest_is_valid(walk->type, field->kind, field->bytes, field->size);
}

static bool next_bytes(struct field_walk *walk, struct field *field)
{
    struct wire_reader *rdata = &walk->rdata;
    size_t start = rdata->at, fixed = fixed_size(field->kind);

    field->bytes = rdata->base + start;
    if (fixed > 0) {
        field->size = fixed;
        if (!wire_read(rdata, fixed))
            return false;
        return field->kind != LDNS_RDF_TYPE_LOC || field->bytes[0] == 0; /* RFC 1876 2: version 0 */
    }
    if (!skip_counted(rdata, field->kind))
        return false;
    field->size = rdata->at - start;
    return true;
}

int field_next(struct field_walk *walk, struct field *ret)
{
    struct field field = {0};
    bool fine, done = wire_left(&walk->rdata) == 0;

    walk->start = walk->rdata.at;
    if (walk->index >= walk->plan.minimum && done)
        return 0;
    if (walk->index >= walk->plan.maximum)
        return ERR_RDATA; /* bytes are left over */
    field.kind = field_kind(&walk->plan, walk->index);
    if (field.kind == LDNS_RDF_TYPE_DNAME)
        fine = next_name(walk, &field);
    else if (field_is_rest(field.kind))
        fine = next_rest(walk, &field);
    else
        fine = next_bytes(walk, &field);
    if (!fine)
        return ERR_RDATA;
    walk->index++;
    *ret = field;
    return 1;
}

/* The chain, the negative end and the signatures of an answer are found by these. */
static bool is_looked_into(uint16_t type)
{
    switch (type) {
    case TYPE_A:
    case TYPE_AAAA:
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_DNAME:
    case TYPE_SOA:
    case TYPE_RRSIG:
        return true;
    default:
        return false;
    }
}

bool field_may_be_odd(const struct field_walk *walk)
{
    if (is_looked_into(walk->type))
        return false;
    if (walk->index >= walk->plan.maximum || walk->start >= walk->rdata.size)
        return true; /* too much, or too little */
    switch (field_kind(&walk->plan, walk->index)) {
    case LDNS_RDF_TYPE_DNAME:
    case LDNS_RDF_TYPE_IPSECKEY:
    case LDNS_RDF_TYPE_AMTRELAY:
    case LDNS_RDF_TYPE_HIP:
        return false;
    default:
        return true;
    }
}

int field_check(uint16_t type, const uint8_t *rdata, size_t length)
{
    struct field_walk walk;
    struct field field;
    int step;

    field_walk_start(&walk, type, rdata, length);
    while ((step = field_next(&walk, &field)) > 0)
        continue;
    return step;
}
