/*
 * fuzz_name.c - any bytes as a name in a message and as a name in text; what reads must
 * round-trip.
 */
#include <stdlib.h>

#include "dns/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void round_trip(const uint8_t *name, size_t size)
{
    char text[NAME_MAX_TEXT];
    uint8_t again[NAME_MAX_SIZE], lower[NAME_MAX_SIZE];

    must(name_size(name) == size);
    must(name_from_text(name_to_text(name, text), again) == (int)size);
    must(memcmp(name, again, size) == 0);
    name_lower(name, size, lower);
    must(name_equal(name, lower) && name_is_within(lower, name));
    must(!name_parent(name) || name_is_within(name, name_parent(name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t name[NAME_MAX_SIZE];
    struct wire_reader reader = wire_reader(bytes, size);

    reader.at = size > 0 ? bytes[0] % size : 0; /* so that pointers have something before them */
    int got = name_read(&reader, name);
    must(got < 0 ? reader.failed : reader.at <= size);
    if (got > 0)
        round_trip(name, (size_t)got);
    got = name_from_text_n((const char *)bytes, size, name);
    if (got > 0)
        round_trip(name, (size_t)got);
    return 0;
}
