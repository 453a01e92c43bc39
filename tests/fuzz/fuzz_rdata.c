/*
 * fuzz_rdata.c - any text as RDATA of any type (first two bytes); what is taken must round-trip. And any bytes as
 * they come in a message: what is passed on has a text, its names lie in it, and it has its place in the order.
 */
#include <stdlib.h>

#include "dns/name.h"
#include "dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void from_wire(uint16_t type, const uint8_t *bytes, size_t size)
{
    static char text[4 * 65536 + 1024];
    static uint8_t rdata[65536], half[65536];
    struct wire_reader reader = wire_reader(bytes, size);
    struct wire_writer writer = wire_writer(rdata, sizeof(rdata));
    size_t offset;
    bool compressible;

    int got = rdata_read(&reader, type, (uint16_t)size, &writer);
    must(reader.at == size);
    if (got < 0)
        return;
    must(rdata_to_text(type, rdata, (size_t)got, text, sizeof(text)) >= 0);
    for (size_t k = 0; rdata_name_at(type, rdata, (size_t)got, k, &offset, &compressible); k++)
        must(offset + name_size(rdata + offset) <= (size_t)got);
    memcpy(half, rdata, (size_t)got);
    must(rdata_compare(type, rdata, (size_t)got, half, (size_t)got) == 0);
    if (got == 0)
        return;
    half[got / 2] ^= 0x20;
    int order = rdata_compare(type, rdata, (size_t)got, half, (size_t)got);
    must((order > 0) == (rdata_compare(type, half, (size_t)got, rdata, (size_t)got) < 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char text[4 * 65536 + 1024];
    static uint8_t rdata[65536], again[65536];

    if (size < 2 || size > 65536)
        return 0;
    uint16_t type = wire_get_u16(bytes);
    from_wire(type, bytes + 2, size - 2);
    char *in = strndup((const char *)bytes + 2, size - 2);
    must(in != NULL);
    int got = rdata_from_text(type, in, rdata, sizeof(rdata));
    free(in);
    if (got < 0)
        return 0;
    must(rdata_to_text(type, rdata, (size_t)got, text, sizeof(text)) >= 0);
    must(rdata_from_text(type, text, again, sizeof(again)) == got);
    must(memcmp(rdata, again, (size_t)got) == 0);
    return 0;
}
