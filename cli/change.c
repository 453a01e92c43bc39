#include "cli/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/control.h"
#include "cli/name.h"
#include "cli/text.h"
#include "invalidation/publish.h"

enum { MAX_RDATA = 65535, MAX_LINE = 2000 };

#define DEFAULT_PUBLISHER "freshet"

/* A change set with one change, and what it points to. */
struct draft {
    struct change_set set;
    struct change change;
    uint8_t name[NAME_MAX_SIZE];
    struct rdata_view *views;
    uint8_t *rdata; /* all of it, one after the other */
    size_t rdata_size;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool check_zone(const struct options *o, const uint8_t *name, const uint8_t *zone)
{
    char text[NAME_MAX_TEXT];
    if (name_is_within(name, zone))
        return true;
    complain(o, "NAME \"%s\" does not lie in the zone \"%s\"", name_to_text(name, text), o->zone);
    return false;
}

/* The longest of the configuration's zones; false when NAME lies in none. */
static bool longest_zone(const struct config_feed *feed, const uint8_t *name,
                         uint8_t ret_zone[NAME_MAX_SIZE])
{
    uint8_t zone[NAME_MAX_SIZE];
    size_t best = 0;
    for (size_t k = 0; k < feed->zone_count; k++) {
        const int got = name_from_text(feed->zones[k], zone);
        if (got <= (int)best || !name_is_within(name, zone))
            continue;
        const size_t size = (size_t)got;
        name_lower(zone, size, zone);
        best = size;
        memcpy(ret_zone, zone, size);
    }
    return best > 0;
}

bool change_zone(const struct options *options, const uint8_t *name,
                 uint8_t ret_zone[NAME_MAX_SIZE])
{
    char text[NAME_MAX_TEXT];
    if (options->zone)
        return name_word(options, "--zone", options->zone, ret_zone) &&
               check_zone(options, name, ret_zone);
    const struct config_feed *feed = options->config ? options->config->feed : NULL;
    if (!feed)
        complain(options, "which zone? Say --zone, or -c with a file that has a feed");
    else if (longest_zone(feed, name, ret_zone))
        return true;
    else
        complain(options, "NAME \"%s\" lies in no zone of %s: say --zone", name_to_text(name, text),
                 options->config_path);
    return false;
}

static bool read_type(const struct options *o, const char *text, uint16_t *ret_type)
{
    int type = type_from_text(text);
    if (type < 0 || type_is_meta((uint16_t)type)) {
        complain(o, "TYPE \"%s\" is not a type of records", text);
        return false;
    }
    *ret_type = (uint16_t)type;
    return true;
}

/* The k-th record (from 0) into the draft's RDATA, which has room for it. */
static bool read_record(const struct options *o, const struct change_words *words, size_t k,
                        struct draft *draft)
{
    uint8_t *place = draft->rdata + draft->rdata_size;
    const int size = rdata_operand(o, k + 1, draft->change.type, words->rdata[k], place, MAX_RDATA);
    if (size < 0)
        return false;
    draft->views[k] = (struct rdata_view){.bytes = place, .size = (uint16_t)size};
    draft->rdata_size += (size_t)size;
    return true;
}

static bool read_rdata(const struct options *o, const struct change_words *words,
                       struct draft *draft)
{
    if (words->rdata_count == 0)
        return true;
    draft->views = calloc(words->rdata_count, sizeof *draft->views);
    draft->rdata = malloc(words->rdata_count * (size_t)MAX_RDATA);
    if (!draft->views || !draft->rdata) {
        complain(o, "%s", strerror(ENOMEM));
        return false;
    }
    for (size_t k = 0; k < words->rdata_count; k++)
        if (!read_record(o, words, k, draft))
            return false;
    draft->change.rdata = draft->views;
    draft->change.rdata_count = words->rdata_count;
    return true;
}

static bool read_change(const struct options *o, const struct change_words *words,
                        struct draft *draft)
{
    struct change *change = &draft->change;
    change->op = words->op;
    change->subtree = o->subtree;
    if (!name_word(o, "NAME", words->name, draft->name))
        return false;
    change->name = draft->name;
    if (words->type && !read_type(o, words->type, &change->type))
        return false;
    if (words->ttl && !text_to_ttl(words->ttl, &change->ttl)) {
        complain(o, "TTL \"%s\" is not 0..2147483647 seconds, or such as 5m or 1h30m", words->ttl);
        return false;
    }
    return read_rdata(o, words, draft);
}

static bool read_head(const struct options *o, struct draft *draft)
{
    struct change_set *set = &draft->set;
    if (!change_zone(o, draft->name, set->zone))
        return false;
    const char *publisher = o->publisher ? o->publisher : DEFAULT_PUBLISHER;
    json_t *checked = json_string(publisher);
    json_decref(checked);
    if (!checked || strlen(publisher) >= sizeof set->publisher) {
        complain(o, "--publisher \"%s\" is not UTF-8 of up to 63 bytes", publisher);
        return false;
    }
    strcpy(set->publisher, publisher);
    set->has_serial = o->has_serial;
    set->serial = o->serial;
    set->has_seq = o->has_seq;
    set->seq = o->seq;
    set->time_us = now_us();
    set->changes = &draft->change;
    set->change_count = 1;
    return true;
}

/* Whether every reader of the topic will take it. */
static bool reads_back(const struct options *o, const struct change_set *set)
{
    struct changeset_error error = {.code = ERR_MEMORY};
    struct change_set *read = NULL;
    char *json = changeset_format(set);
    int code = json ? changeset_parse(json, strlen(json), &read, &error) : ERR_MEMORY;
    free(json);
    changeset_free(read);
    if (code < 0)
        complain(o, "%s: %s", error_text(code), error.where);
    return code == 0;
}

static void print_receipt(const struct options *o, const struct change *change,
                          const struct publish_receipt *receipt)
{
    if (o->json) {
        json_t *object = json_pack("{s:s, s:i, s:I, s:I}", "topic", o->topic, "partition",
                                   (int)receipt->partition, "offset", (json_int_t)receipt->offset,
                                   "acked_us", (json_int_t)receipt->acked_us);
        print_json_line(object);
        json_decref(object);
        return;
    }
    char line[MAX_LINE];
    if (change_to_text(change, line, sizeof line) < 0)
        snprintf(line, sizeof line, "%s with %zu records", change_op_text(change->op),
                 change->rdata_count);
    printf("published ");
    text_print(stdout, line);
    printf(" to ");
    text_print(stdout, o->topic);
    printf("[%d] at offset %lld (acknowledged in %.1f ms)\n", (int)receipt->partition,
           (long long)receipt->offset, (double)receipt->acked_us / 1000);
}

static int send_draft(const struct options *o, const struct draft *draft,
                      struct publish_receipt *ret_receipt)
{
    const struct publisher_options options = {.brokers = o->brokers,
                                              .topic = o->topic,
                                              .properties = o->properties,
                                              .property_count = o->property_count,
                                              .timeout_ms = (int)o->timeout_ms};
    char error[PUBLISH_MAX_ERROR];
    struct publisher *publisher = publisher_new(&options, error);
    if (!publisher) {
        complain(o, "%s", error); /* a property, so nothing was contacted */
        return EXIT_USAGE;
    }
    int code = publisher_send(publisher, &draft->set, ret_receipt, error);
    if (code != 0)
        complain(o, "%s", error);
    publisher_free(publisher);
    return code == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* `ret_draft` is to be freed with free_draft() either way. */
static int send_words(const struct options *options, const struct change_words *words,
                      struct draft *ret_draft, struct publish_receipt *ret_receipt)
{
    *ret_draft = (struct draft){.views = NULL};
    if (read_change(options, words, ret_draft) && read_head(options, ret_draft) &&
        reads_back(options, &ret_draft->set))
        return send_draft(options, ret_draft, ret_receipt);
    return EXIT_USAGE;
}

static void free_draft(struct draft *draft)
{
    free(draft->views);
    free(draft->rdata);
}

int change_send(const struct options *options, const struct change_words *words,
                struct publish_receipt *ret_receipt)
{
    struct draft draft;
    int code = send_words(options, words, &draft, ret_receipt);
    free_draft(&draft);
    return code;
}

int change_publish(const struct options *options, const struct change_words *words)
{
    struct draft draft;
    struct publish_receipt receipt;
    int code = send_words(options, words, &draft, &receipt);
    if (code == EXIT_DONE)
        print_receipt(options, &draft.change, &receipt);
    free_draft(&draft);
    return code;
}
