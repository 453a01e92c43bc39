/*
 * fuzz_message.c - any bytes as a query and as a response.
 *
 * What parses is built again and parsed again, and must be the same but for the case of names (the
 * builder compresses without regard to it). Every record's text must read back as the record, but for the odd that is
 * only passed on: its text is for people.
 */
#include <stdlib.h>

#include "dns/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool same_folded(const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (name_fold(a[i]) != name_fold(b[i]))
            return false;
    }
    return true;
}

static void same_record(const struct record *a, const struct record *b)
{
    size_t at;
    bool loose = false;

    must(name_equal(a->owner, b->owner));
    must(a->type == b->type && a->class == b->class && a->ttl == b->ttl);
    must(a->rdata_size == b->rdata_size);
    if (rdata_name_at(a->type, a->rdata, a->rdata_size, 0, &at, &loose) && loose)
        must(same_folded(a->rdata, b->rdata, a->rdata_size));
    else
        must(memcmp(a->rdata, b->rdata, a->rdata_size) == 0);
}

static void text_reads_back(const struct record *record)
{
    static char text[4 * 65536 + 1024];
    static uint8_t rdata[65536];
    int length = rdata_to_text(record->type, record->rdata, record->rdata_size, text, sizeof(text));

    must(length >= 0 && strlen(text) == (size_t)length);
    int size = rdata_from_text(record->type, text, rdata, sizeof(rdata));
    if (size == ERR_RDATA && strncmp(text, "\\# ", 3) == 0)
        return;
    must(size == record->rdata_size);
    must(memcmp(rdata, record->rdata, record->rdata_size) == 0);
}

static enum section section_of(const struct message *message, size_t i)
{
    if (i < message->answer_count)
        return SECTION_ANSWER;
    return i < (size_t)message->answer_count + message->authority_count ? SECTION_AUTHORITY
                                                                        : SECTION_ADDITIONAL;
}

static void round_trip(const struct message *first, struct message *second)
{
    static struct builder builder;
    static uint8_t wire[DNS_MAX_MESSAGE];
    size_t count = (size_t)first->answer_count + first->authority_count + first->additional_count;

    build_start(&builder, wire, sizeof(wire));
    if (first->question.name_size > 0)
        build_question(&builder, &first->question);
    for (size_t i = 0; i < count; i++)
        build_record(&builder, section_of(first, i), &first->records[i]);
    int size = build_finish(&builder, first->id, first->flags);
    if (size == ERR_SPACE)
        return; /* it was compressed further than this builder goes */
    must(size > 0 && message_parse(second, wire, (size_t)size) == 0);
    must(second->answer_count == first->answer_count);
    must(second->authority_count == first->authority_count);
    must(second->additional_count == first->additional_count);
    for (size_t i = 0; i < count; i++) {
        same_record(&first->records[i], &second->records[i]);
        text_reads_back(&first->records[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct message *first, *second;
    struct query query;
    int error = query_parse(bytes, size, &query);

    must(error != 0 || query.question_end <= size);
    if (!first) {
        first = message_new();
        second = message_new();
        must(first && second);
    }
    if (message_parse(first, bytes, size) == 0)
        round_trip(first, second);
    return 0;
}
