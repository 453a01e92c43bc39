/*
 * fuzz_xfrin.c - any bytes as the messages of a transfer, and as a NOTIFY: what the sink is told is in the zone and whole.
 *
 * The first byte says what was asked for; then each message has its length before it, as over TCP.
 */
#include <stdlib.h>
#include <string.h>

#include "origin/notify.h"
#include "zone/xfrin.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const uint8_t apex[] = "\007example\003com";

static void must(bool holds)
{
    if (!holds)
        abort();
}

static int on_whole(void *arg)
{
    (void)arg;
    return 0;
}

static int on_record(void *arg, enum xfrin_part part, const struct record *record)
{
    (void)arg, (void)part;
    char *text = malloc(4 * 65536 + 64);
    must(name_is_within(record->owner, apex) && record->class == CLASS_IN);
    must(record->ttl <= INT32_MAX && !type_is_meta(record->type));
    (void)!rdata_to_text(record->type, record->rdata, record->rdata_size, text, 4 * 65536 + 64);
    free(text);
    return 0;
}

static int on_version(void *arg, const struct record *soa)
{
    struct soa_times times;
    unsigned *versions = arg;
    must(soa->type == TYPE_SOA && soa->rdata_size >= 22);
    xfrin_soa(soa->rdata, soa->rdata_size, &times);
    ++*versions;
    return 0;
}

static void transfer(uint8_t what, const uint8_t *bytes, size_t size)
{
    static const uint16_t types[] = {TYPE_AXFR, TYPE_IXFR, TYPE_SOA, TYPE_IXFR};
    unsigned versions = 0;
    enum xfrin_result result = XFRIN_MORE;
    struct wire_reader reader = wire_reader(bytes, size);
    struct xfrin *xfrin = xfrin_new(&(struct xfrin_options){
        .apex = apex,
        .type = types[what % 4],
        .serial = what / 4,
        .id = 0,
        .sink = {on_whole, on_record, on_version, &versions},
    });
    while (result == XFRIN_MORE && wire_left(&reader) > 0) {
        const uint16_t length = wire_read_u16(&reader);
        const uint8_t *message = wire_read(&reader, length);
        if (!message)
            break;
        result = xfrin_take(xfrin, message, length);
    }
    if (result == XFRIN_DONE)
        must(xfrin_has_data(xfrin) == (versions > 0));
    else
        must(result == XFRIN_MORE || xfrin_fault_text(result)[0]);
    xfrin_free(xfrin);
}

static void notify(const uint8_t *bytes, size_t size)
{
    struct notify read;
    uint8_t answer[512];
    int rcode = notify_read(bytes, size, &read);
    if (rcode >= 0)
        must(notify_answer(&read, (uint16_t)rcode, answer, sizeof answer) >= DNS_HEADER_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > 0)
        transfer(bytes[0], bytes + 1, size - 1);
    notify(bytes, size);
    return 0;
}
