/* transfer.c - see transfer.h. */
#include "zone/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "zone/record.h"
#include "zone/serial.h"

enum stage { STAGE_FIRST, STAGE_BODY, STAGE_LAST, STAGE_OVER };

/* The next record of a walk through a state: the k-th of an RRset, and then what is behind it. */
struct place {
    uint8_t owner[NAME_MAX_SIZE];
    uint16_t type;
    size_t k;
};

struct transfer {
    const struct zone_state *state;
    struct zone_versions versions;
    enum transfer_kind kind;
    uint32_t serial;
    bool started; /* a message went out */
    enum stage stage;
    struct place place;     /* of TRANSFER_WHOLE */
    size_t version, offset; /* of TRANSFER_VERSIONS: into versions.each, and into its bytes */
    struct builder builder;
};

/* -- what kind --------------------------------------------------------------------------------- */

static int condense(struct zone_versions *versions)
{
    struct zone_version *one;
    if (versions->count < 2)
        return 0;
    int error = zone_version_merge(versions->each, versions->count, &one);
    if (error < 0)
        return error;
    for (size_t i = 0; i < versions->count; i++)
        zone_version_release(versions->each[i]);
    versions->each[0] = one;
    versions->count = 1;
    versions->bytes = zone_version_bytes(one);
    return 0;
}

/* Differences, if there are any that are worth it. */
static int choose_versions(struct transfer *transfer, const struct transfer_request *request)
{
    struct zone_size size;
    if (!request->history)
        return ERR_NOT_FOUND;
    int error =
        zone_history_hold(request->history, request->serial, transfer->serial, &transfer->versions);
    if (error == 0 && request->condensed)
        error = condense(&transfer->versions);
    if (error < 0)
        return error;
    zone_size(transfer->state, &size);
    return transfer->versions.bytes > size.bytes ? ERR_NOT_FOUND : 0;
}

static int choose(struct transfer *transfer, const struct transfer_request *request)
{
    struct zone_rrset soa;
    if (!zone_serial(transfer->state, &transfer->serial) || !zone_soa(transfer->state, &soa))
        return ERR_NOT_FOUND;
    memcpy(transfer->place.owner, soa.owner, name_size(soa.owner));
    transfer->place.type = TYPE_SOA;
    transfer->place.k = soa.count;
    transfer->kind = TRANSFER_WHOLE;
    if (!request->incremental)
        return 0;
    if (!serial_is_newer(transfer->serial, request->serial)) {
        transfer->kind = TRANSFER_UP_TO_DATE;
        return 0;
    }
    int error = choose_versions(transfer, request);
    if (error == 0)
        transfer->kind = TRANSFER_VERSIONS;
    return error == ERR_NOT_FOUND ? 0 : error;
}

int transfer_begin(const struct transfer_request *request, struct transfer **ret_transfer)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return ERR_MEMORY;
    transfer->state = zone_state_hold(request->zone);
    int error = choose(transfer, request);
    if (error < 0) {
        transfer_end(transfer);
        return error;
    }
    *ret_transfer = transfer;
    return 0;
}

void transfer_end(struct transfer *transfer)
{
    if (!transfer)
        return;
    zone_versions_release(&transfer->versions);
    zone_state_release(transfer->state);
    free(transfer);
}

enum transfer_kind transfer_kind(const struct transfer *transfer)
{
    return transfer->kind;
}

uint32_t transfer_serial(const struct transfer *transfer)
{
    return transfer->serial;
}

bool transfer_is_over(const struct transfer *transfer)
{
    return transfer->stage == STAGE_OVER;
}

/* -- messages ---------------------------------------------------------------------------------- */

/* Appends a record; false: the message is full, and stays as it was. */
static bool put(struct transfer *transfer, const struct record *record)
{
    struct build_mark mark = build_mark(&transfer->builder);
    build_record(&transfer->builder, SECTION_ANSWER, record);
    if (!transfer->builder.out.failed)
        return true;
    build_back(&transfer->builder, &mark);
    return false;
}

static bool put_soa(struct transfer *transfer)
{
    struct zone_rrset soa;
    if (!zone_soa(transfer->state, &soa))
        return true;
    struct record record = zone_record(&soa, 0);
    return put(transfer, &record);
}

/* Puts what is left of an RRset; false: not all of it, and the place says how far it came. */
static bool put_rrset(void *arg, const struct zone_rrset *rrset)
{
    struct transfer *transfer = arg;
    struct place *place = &transfer->place;
    if (place->type != rrset->type || !name_equal(place->owner, rrset->owner)) {
        memcpy(place->owner, rrset->owner, name_size(rrset->owner));
        place->type = rrset->type;
        place->k = 0;
    }
    for (; place->k < rrset->count; place->k++) {
        struct record record = zone_record(rrset, place->k);
        if (!put(transfer, &record))
            return false;
    }
    return true;
}

static bool put_zone(struct transfer *transfer)
{
    struct zone_rrset rrset;
    struct place from = transfer->place;
    if (zone_find(transfer->state, from.owner, from.type, &rrset) && !put_rrset(transfer, &rrset))
        return false;
    return zone_each_after(transfer->state, from.owner, from.type, put_rrset, transfer);
}

static bool put_versions(struct transfer *transfer)
{
    struct record record;
    while (transfer->version < transfer->versions.count) {
        const struct zone_version *version = transfer->versions.each[transfer->version];
        size_t next = transfer->offset;
        if (!zone_version_next(version, &next, &record)) {
            transfer->version++;
            transfer->offset = 0;
        } else if (put(transfer, &record)) {
            transfer->offset = next;
        } else {
            return false;
        }
    }
    return true;
}

/* What one stage has to say; false: not all of it fits this message. */
static bool put_stage(struct transfer *transfer)
{
    if (transfer->stage != STAGE_BODY)
        return put_soa(transfer);
    return transfer->kind == TRANSFER_WHOLE ? put_zone(transfer) : put_versions(transfer);
}

static void fill(struct transfer *transfer)
{
    while (transfer->stage != STAGE_OVER && put_stage(transfer)) {
        transfer->stage++;
        if (transfer->kind == TRANSFER_UP_TO_DATE)
            transfer->stage = STAGE_OVER;
    }
}

/* A message with its question and room for its OPT; the records come in between. */
static void start(struct transfer *transfer, const struct transfer_shape *shape, uint8_t *buffer,
                  size_t size)
{
    bool opt = shape->edns && !transfer->started;
    build_start(&transfer->builder, buffer,
                opt && size > DNS_OPT_SIZE ? size - DNS_OPT_SIZE : size);
    if (!transfer->started)
        build_question(&transfer->builder, shape->question);
}

static int finish(struct transfer *transfer, const struct transfer_shape *shape)
{
    struct builder *builder = &transfer->builder;
    if (builder->counts[SECTION_ANSWER] == 0)
        return ERR_TOO_LARGE;
    if (shape->edns && !transfer->started) {
        builder->out.size += DNS_OPT_SIZE; /* what start() left free */
        build_opt(builder, DNS_EDNS_UDP, 0, false, EDE_NONE);
    }
    transfer->started = true;
    return build_finish(builder, shape->id, FLAG_QR | FLAG_AA);
}

int transfer_next(struct transfer *transfer, const struct transfer_shape *shape, uint8_t *buffer,
                  size_t size)
{
    if (transfer->stage == STAGE_OVER)
        return 0;
    start(transfer, shape, buffer, size);
    fill(transfer);
    return finish(transfer, shape);
}

int transfer_single(struct transfer *transfer, const struct transfer_shape *shape, uint8_t *buffer,
                    size_t size)
{
    start(transfer, shape, buffer, size);
    fill(transfer);
    if (transfer->stage != STAGE_OVER) {
        start(transfer, shape, buffer, size);
        put_soa(transfer);
        transfer->stage = STAGE_OVER;
    }
    return finish(transfer, shape);
}
