/* fuzz_rdata.c - any text as RDATA of any type (first two bytes); what is taken must round-trip. */
#include <stdlib.h>

#include "dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char text[4 * 65536 + 1024];
    static uint8_t rdata[65536], again[65536];

    if (size < 2)
        return 0;
    uint16_t type = wire_get_u16(bytes);
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
