/* fuzz_hosts.c - any bytes as a hosts file, and its lines as records; what is taken is well formed. */
#include <stdlib.h>

#include "dns/hosts.h"
#include "dns/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    unsigned line, lines;
};

static void on_line(struct seen *seen, unsigned line)
{
    must(line >= seen->line && line <= seen->lines);
    seen->line = line;
}

static void on_entry(void *arg, const struct hosts_entry *entry)
{
    uint8_t reverse[HOSTS_PTR_SIZE], again[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT];
    on_line(arg, entry->line);
    must(entry->address_size == 4 || entry->address_size == 16);
    must(name_from_text(name_to_text(entry->name, text), again) == (int)name_size(entry->name));
    must(name_equal(entry->name, again));
    must(hosts_reverse_name(entry->address, entry->address_size, reverse) == name_size(reverse));
}

static void on_bad(void *arg, unsigned line, const char *why)
{
    on_line(arg, line);
    must(why && *why);
}

static void check_record(const char *text)
{
    static struct record_room room;
    static uint8_t again[RECORD_MAX_RDATA];
    struct record record;
    if (record_from_text(text, 60, &room, &record) != ERR_OK)
        return;
    struct wire_reader reader = wire_reader(record.rdata, record.rdata_size);
    struct wire_writer writer = wire_writer(again, sizeof again);
    must(record.ttl <= INT32_MAX && record.class == CLASS_IN);
    must(rdata_read(&reader, record.type, record.rdata_size, &writer) == record.rdata_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct seen seen = {.lines = 1};
    for (size_t i = 0; i < size; i++)
        seen.lines += bytes[i] == '\n';
    hosts_read((const char *)bytes, size,
               &(struct hosts_sink){.entry = on_entry, .bad = on_bad, .arg = &seen});
    char *text = strndup((const char *)bytes, size);
    must(text != NULL);
    check_record(text);
    free(text);
    return 0;
}
