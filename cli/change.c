#include "cli/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/text.h"
#include "cli/words.h"

enum { MAX_LINE = 2000 };

/* ---- receipts ---- */

static void print_change(const struct change *change)
{
    char line[MAX_LINE];
    if (change_to_text(change, line, sizeof line) < 0)
        snprintf(line, sizeof line, "%s with %zu records", change_op_text(change->op),
                 change->rdata_count);
    text_print(stdout, line);
}

static void print_json(const struct options *o, const struct publish_receipt *receipt)
{
    json_t *object =
        json_pack("{s:s, s:i, s:I, s:I}", "topic", o->topic, "partition", (int)receipt->partition,
                  "offset", (json_int_t)receipt->offset, "acked_us", (json_int_t)receipt->acked_us);
    print_json_line(object);
    json_decref(object);
}

/* With --dry-run and --json it is the message itself. */
static void print_message(const struct change_set *set)
{
    char *json = changeset_format(set);
    printf("%s\n", json ? json : "");
    free(json);
}

/* Of one change on a line, of more a line each behind it. */
static void print_receipt(const struct options *o, const struct change_set *set,
                          const struct publish_receipt *receipt)
{
    char zone[NAME_MAX_TEXT];
    printf(receipt ? "published " : "would publish ");
    if (set->change_count == 1) {
        print_change(&set->changes[0]);
    } else {
        printf("%zu changes of ", set->change_count);
        text_print(stdout, name_to_text(set->zone, zone));
    }
    printf(" to ");
    text_print(stdout, o->topic);
    if (receipt)
        printf("[%d] at offset %lld (acknowledged in %.1f ms)", (int)receipt->partition,
               (long long)receipt->offset, (double)receipt->acked_us / 1000);
    printf("\n");
    for (size_t k = 0; set->change_count > 1 && k < set->change_count; k++) {
        printf("  ");
        print_change(&set->changes[k]);
        printf("\n");
    }
}

static void print_set(const struct options *o, const struct change_set *set,
                      const struct publish_receipt *receipt)
{
    if (!o->json)
        print_receipt(o, set, receipt);
    else if (receipt)
        print_json(o, receipt);
    else
        print_message(set);
}

/* ---- sending ---- */

struct publisher *change_publisher(const struct options *options)
{
    const struct publisher_options how = {.brokers = options->brokers,
                                          .topic = options->topic,
                                          .properties = options->properties,
                                          .property_count = options->property_count,
                                          .timeout_ms = (int)options->timeout_ms};
    char error[PUBLISH_MAX_ERROR];
    struct publisher *publisher = publisher_new(&how, error);
    if (!publisher)
        complain(options, "%s", error);
    return publisher;
}

int change_send_all(const struct options *options, struct publisher *publisher,
                    struct change_set *const *sets, size_t count)
{
    char error[PUBLISH_MAX_ERROR];
    struct publish_receipt *receipts = calloc(count, sizeof *receipts);
    if (!receipts) {
        complain(options, "%s", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    const int code = publisher ? publisher_send_all(publisher, sets, count, receipts, error) : 0;
    for (size_t k = 0; k < count; k++)
        if (!publisher || receipts[k].offset >= 0)
            print_set(options, sets[k], publisher ? &receipts[k] : NULL);
    if (code < 0)
        complain(options, "%s", error);
    free(receipts);
    return code < 0 ? EXIT_FAILED : EXIT_DONE;
}

int change_send(const struct options *options, const struct change_words *words,
                struct publish_receipt *ret_receipt)
{
    struct draft draft = {.scratch = NULL};
    char error[PUBLISH_MAX_ERROR];
    struct publisher *publisher = NULL;
    struct change_set *set = NULL;
    int code = EXIT_USAGE;
    if (draft_add(options, &draft, words) && (set = draft_finish(options, &draft, NULL)) &&
        (publisher = change_publisher(options))) {
        code = publisher_send(publisher, set, ret_receipt, error) == 0 ? EXIT_DONE : EXIT_FAILED;
        if (code != EXIT_DONE)
            complain(options, "%s", error);
    }
    publisher_free(publisher);
    changeset_free(set);
    draft_free(&draft);
    return code;
}

static int publish_set(const struct options *o, struct change_set *set)
{
    struct publisher *publisher = o->dry_run ? NULL : change_publisher(o);
    if (!publisher && !o->dry_run)
        return EXIT_USAGE; /* a property, so nothing was contacted */
    const int code = change_send_all(o, publisher, &set, 1);
    publisher_free(publisher);
    return code;
}

int change_publish(const struct options *options, enum change_op op)
{
    struct draft draft = {.scratch = NULL};
    struct change_set *set =
        words_draft(options, op, &draft) ? draft_finish(options, &draft, NULL) : NULL;
    const int code = set ? publish_set(options, set) : EXIT_USAGE;
    changeset_free(set);
    draft_free(&draft);
    return code;
}
