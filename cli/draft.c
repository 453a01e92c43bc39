#include "cli/draft.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/name.h"
#include "cli/text.h"

enum { MAX_RDATA = 65535 };

#define DEFAULT_PUBLISHER "freshet"

int64_t draft_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool no_memory(const struct options *o)
{
    complain(o, "%s", strerror(ENOMEM));
    return false;
}

/* ---- the zone ---- */

static bool check_zone(const struct options *o, const uint8_t *name, const uint8_t *zone)
{
    char text[NAME_MAX_TEXT];
    if (name_is_within(name, zone))
        return true;
    complain(o, "NAME \"%s\" does not lie in the zone \"%s\"", name_to_text(name, text), o->zone);
    return false;
}

/* Takes a zone that NAME lies in if it is longer than the best one before it. */
static void take_longer(const char *text, const uint8_t *name, size_t *best,
                        uint8_t ret_zone[NAME_MAX_SIZE])
{
    uint8_t zone[NAME_MAX_SIZE];
    const int got = text ? name_from_text(text, zone) : -1;
    if (got <= (int)*best || !name_is_within(name, zone))
        return;
    *best = (size_t)got;
    name_lower(zone, *best, ret_zone);
}

bool draft_longest_zone(const struct config *config, const uint8_t *name,
                        uint8_t ret_zone[NAME_MAX_SIZE])
{
    size_t best = 0;
    for (size_t k = 0; config->feed && k < config->feed->zone_count; k++)
        take_longer(config->feed->zones[k], name, &best, ret_zone);
    for (size_t k = 0; k < config->origin_zone_count; k++) {
        const struct config_origin_zone *zone = &config->origin_zones[k];
        for (size_t i = 0; i < zone->name_count; i++)
            take_longer(zone->names[i], name, &best, ret_zone);
        if (!zone->names)
            take_longer(zone->name, name, &best, ret_zone);
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
    else if (draft_longest_zone(options->config, name, ret_zone))
        return true;
    else
        complain(options, "NAME \"%s\" lies in no zone of %s: say --zone", name_to_text(name, text),
                 options->config_path);
    return false;
}

/* ---- one change ---- */

static bool read_type(const struct options *o, const char *text, uint16_t *ret_type)
{
    int type = type_from_text(text);
    if (type < 0 || type_is_meta((uint16_t)type)) {
        complain(o, "TYPE \"%s\" is not a type of records; the order is NAME TTL TYPE RDATA", text);
        return false;
    }
    *ret_type = (uint16_t)type;
    return true;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text > 0x7f)
            return false;
    return true;
}

/* All words with blanks in between, to be freed with free(). */
static char *join(const struct change_words *words)
{
    char *text = NULL;
    size_t size;
    FILE *line = open_memstream(&text, &size);
    for (size_t k = 0; line && k < words->rdata_count; k++)
        fprintf(line, "%s%s", k > 0 ? " " : "", words->rdata[k]);
    if (line)
        fclose(line);
    return text;
}

/* Whether the words are one record that lost its quotes; false after a complaint that says so. */
static bool check_quotes(const struct options *o, const struct change_words *words, uint16_t type,
                         uint8_t *scratch)
{
    char mnemonic[TYPE_MAX_TEXT];
    if (words->rdata_count < 2 || rdata_from_text(type, words->rdata[0], scratch, MAX_RDATA) >= 0)
        return true;
    char *joined = join(words);
    const bool lost = joined && rdata_from_text(type, joined, scratch, MAX_RDATA) >= 0;
    if (lost)
        complain(o, "RDATA 1 \"%s\" is not a whole %s; a record is one word, so quote it: \"%s\"",
                 words->rdata[0], type_to_text(type, mnemonic), joined);
    free(joined);
    return !lost;
}

/* The k-th record (from 0), in memory of its own. */
static bool read_record(const struct options *o, const struct change_words *words, size_t k,
                        uint8_t *scratch, struct change *change)
{
    const char *word = words->rdata[k];
    int size = -1;
    if (words->relative && is_ascii(word))
        size = rdata_from_text(change->type, word, scratch, MAX_RDATA);
    if (size < 0)
        size = rdata_operand(o, k + 1, change->type, word, scratch, MAX_RDATA);
    if (size < 0)
        return false;
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    if (!bytes)
        return no_memory(o);
    memcpy(bytes, scratch, (size_t)size);
    change->rdata[change->rdata_count++] = (struct rdata_view){bytes, (uint16_t)size};
    return true;
}

static bool read_rdata(const struct options *o, const struct change_words *words, uint8_t *scratch,
                       struct change *change)
{
    if (words->rdata_count == 0)
        return true;
    if (!check_quotes(o, words, change->type, scratch))
        return false;
    change->rdata = calloc(words->rdata_count, sizeof *change->rdata);
    if (!change->rdata)
        return no_memory(o);
    for (size_t k = 0; k < words->rdata_count; k++)
        if (!read_record(o, words, k, scratch, change))
            return false;
    return true;
}

static bool read_name(const struct options *o, const char *word, struct change *change)
{
    uint8_t name[NAME_MAX_SIZE];
    if (!name_word(o, "NAME", word, name))
        return false;
    uint8_t *copy = malloc(sizeof name);
    if (!copy)
        return no_memory(o);
    memcpy(copy, name, sizeof name);
    change->name = copy;
    return true;
}

static bool read_change(const struct options *o, const struct change_words *words, uint8_t *scratch,
                        struct change *change)
{
    *change = (struct change){.op = words->op, .subtree = o->subtree};
    if (!read_name(o, words->name, change))
        return false;
    if (words->type && !read_type(o, words->type, &change->type))
        return false;
    if (words->ttl && !text_to_ttl(words->ttl, &change->ttl)) {
        complain(o,
                 "TTL \"%s\" is not 0..2147483647 seconds, or such as 5m or 1h30m; the order is "
                 "NAME TTL TYPE RDATA",
                 words->ttl);
        return false;
    }
    return read_rdata(o, words, scratch, change);
}

static void free_change(struct change *change)
{
    for (size_t k = 0; k < change->rdata_count; k++)
        free((void *)change->rdata[k].bytes);
    free(change->rdata);
    free((void *)change->name);
}

/* ---- the set ---- */

static bool make_room(const struct options *o, struct draft *draft)
{
    struct change_set *set = &draft->set;
    if (set->change_count == CHANGESET_MAX_CHANGES) {
        complain(o, "more than %d changes; a set is one message", CHANGESET_MAX_CHANGES);
        return false;
    }
    if (!draft->scratch)
        draft->scratch = malloc(MAX_RDATA);
    /* Grows when the count is a power of two. */
    const size_t count = set->change_count;
    struct change *grown = set->changes;
    if ((count & (count - 1)) == 0)
        grown = realloc(grown, (count ? 2 * count : 1) * sizeof *grown);
    if (!draft->scratch || !grown)
        return no_memory(o);
    set->changes = grown;
    return true;
}

bool draft_add(const struct options *options, struct draft *draft, const struct change_words *words)
{
    struct change_set *set = &draft->set;
    if (!make_room(options, draft))
        return false;
    struct change *change = &set->changes[set->change_count];
    const bool good = read_change(options, words, draft->scratch, change);
    if (good)
        set->change_count++;
    else
        free_change(change);
    return good;
}

const char *draft_publisher(const struct options *options)
{
    const char *publisher = options->publisher ? options->publisher : DEFAULT_PUBLISHER;
    json_t *checked = json_string(publisher);
    json_decref(checked);
    if (checked && strlen(publisher) < sizeof((struct change_set *)NULL)->publisher)
        return publisher;
    complain(options, "--publisher \"%s\" is not UTF-8 of up to 63 bytes", publisher);
    return NULL;
}

/* One set is of one zone. */
static bool choose_zone(const struct options *o, struct change_set *set, const uint8_t *zone)
{
    char name_text[NAME_MAX_TEXT], zone_text[NAME_MAX_TEXT];
    if (zone)
        memcpy(set->zone, zone, NAME_MAX_SIZE);
    else if (!change_zone(o, set->changes[0].name, set->zone))
        return false;
    for (size_t k = 0; k < set->change_count; k++) {
        if (name_is_within(set->changes[k].name, set->zone))
            continue;
        complain(o, "NAME \"%s\" does not lie in the zone \"%s\"; a set is of one zone",
                 name_to_text(set->changes[k].name, name_text), name_to_text(set->zone, zone_text));
        return false;
    }
    return true;
}

struct change_set *draft_read_back(const struct options *options, const char *json, size_t size)
{
    struct change_set *set = NULL;
    struct changeset_error error = {.code = ERR_MEMORY};
    const int code = json ? changeset_parse(json, size, &set, &error) : ERR_MEMORY;
    if (code == 0)
        return set;
    complain(options, "%s%s%s", error_text(code), error.where[0] ? ": " : "", error.where);
    return NULL;
}

struct change_set *draft_finish(const struct options *options, struct draft *draft,
                                const uint8_t *zone)
{
    struct change_set *set = &draft->set;
    const char *publisher = draft_publisher(options);
    if (!publisher || !choose_zone(options, set, zone))
        return NULL;
    strcpy(set->publisher, publisher);
    set->has_serial = options->has_serial;
    set->serial = options->serial;
    set->has_seq = options->has_seq;
    set->seq = options->seq;
    set->time_us = draft_now_us();
    char *json = changeset_format(set);
    struct change_set *read = draft_read_back(options, json, json ? strlen(json) : 0);
    free(json);
    return read;
}

void draft_free(struct draft *draft)
{
    for (size_t k = 0; k < draft->set.change_count; k++)
        free_change(&draft->set.changes[k]);
    free(draft->set.changes);
    free(draft->scratch);
    *draft = (struct draft){.scratch = NULL};
}
