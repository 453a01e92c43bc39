#include "tests/unit/fake/source.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "tests/unit/cmocka_all.h"

/* Records of the reply, as the zone itself would build them. */
static bool tell(struct source *base, const struct question *question, bool dnssec_ok,
                 struct source_told *ret)
{
    struct fake_source *source = (struct fake_source *)base;
    (void)dnssec_ok;
    if (!source->tells)
        return false;
    build_start(&source->told, source->told_bytes, sizeof source->told_bytes);
    build_question(&source->told, question);
    fake_build(source->tells, &source->told);
    if (source->telling)
        source->telling();
    *ret = (struct source_told){
        .builder = &source->told, .rcode = source->tells->rcode, .origin = source->origin};
    return true;
}

static struct inquiry *open_inquiry(struct source *base, const struct inquiry_options *options)
{
    struct fake_source *source = (struct fake_source *)base;
    struct fake_inquiry *inquiry = source->refuses ? NULL : calloc(1, sizeof *inquiry);
    if (!inquiry)
        return NULL;
    inquiry->source = source;
    inquiry->options = *options;
    DL_APPEND(source->inquiries, inquiry);
    source->opened++;
    return &inquiry->inquiry;
}

static void ask(struct inquiry *base, const struct question *question, struct micro now)
{
    struct fake_inquiry *inquiry = (struct fake_inquiry *)base;
    struct fake_source *source = inquiry->source;
    source->last_at = now;
    inquiry->question = question;
    inquiry->order = source->asked++;
    name_to_text(question->name, source->last);
}

static void judge(const struct inquiry *base, const struct source_reply *reply, struct stamp own,
                  struct source_worth *ret)
{
    const struct fake_source *source = ((const struct fake_inquiry *)base)->source;
    (void)reply;
    *ret = source->worth;
    ret->as_old_as = source->behind ? (struct stamp){0} : own;
}

static void close_inquiry(struct inquiry *base)
{
    struct fake_inquiry *inquiry = (struct fake_inquiry *)base;
    DL_DELETE(inquiry->source->inquiries, inquiry);
    free(inquiry);
}

static void free_source(struct source *base)
{
    (void)base;
    fail_msg("the test's own reference was given back");
}

static const struct source_kind kind = {
    .tell = tell,
    .open = open_inquiry,
    .ask = ask,
    .judge = judge,
    .close = close_inquiry,
    .free = free_source,
};

void fake_source_open(struct fake_source *source, struct world *world)
{
    memset(source, 0, sizeof *source);
    source->source = (struct source){.kind = &kind, .references = 1};
    source->world = world;
    source->origin = 1;
    source->worth.vouched = true;
}

void fake_source_close(struct fake_source *source)
{
    assert_null(source->inquiries);
    assert_int_equal(source->source.references, 1);
}

static struct fake_inquiry *oldest(const struct fake_source *source, size_t *ret_count)
{
    struct fake_inquiry *inquiry, *found = NULL;
    *ret_count = 0;
    DL_FOREACH (source->inquiries, inquiry) {
        if (!inquiry->question)
            continue;
        ++*ret_count;
        if (!found || inquiry->order < found->order)
            found = inquiry;
    }
    return found;
}

size_t fake_source_waiting(const struct fake_source *source)
{
    size_t count;
    (void)oldest(source, &count);
    return count;
}

static void end(struct fake_source *source, const struct source_reply *reply)
{
    size_t count;
    struct fake_inquiry *inquiry = oldest(source, &count);
    assert_non_null(inquiry);
    inquiry->question = NULL;
    inquiry->options.replied(inquiry->options.arg, reply);
}

void fake_source_reply(struct fake_source *source, const struct fake_reply *reply)
{
    uint8_t bytes[DNS_MAX_MESSAGE];
    size_t count;
    const struct fake_inquiry *inquiry = oldest(source, &count);
    assert_non_null(inquiry);
    size_t size = fake_write(reply, 1, inquiry->question, bytes, sizeof bytes);
    assert_int_equal(message_parse(source->world->message, bytes, size), ERR_OK);
    end(source, &(struct source_reply){.message = source->world->message,
                                       .ede = EDE_NONE,
                                       .origin = source->origin,
                                       .now = source->world->now});
}

void fake_source_fail(struct fake_source *source, int ede)
{
    end(source, &(struct source_reply){.ede = ede, .now = source->world->now});
}
