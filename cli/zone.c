/*
 * zone.c - "freshet zone": whole zones, as the log has them.
 */
#include "cli/color.h"
#include "cli/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/name.h"
#include "cli/text.h"
#include "zone/differ.h"
#include "zone/file.h"
#include "zone/record.h"

/* ---- what the words share ---- */

static int collect(void *arg, const struct change *change)
{
    return change_list_add(arg, change);
}

bool zone_changes(const struct options *options, const struct zone_state *before,
                  const struct zone_state *after, struct change_list *list)
{
    int error = zone_differ(before, after, collect, list);
    if (error < 0)
        complain(options, "%s", error_text(error));
    return error == 0;
}

struct difference {
    const struct zone_state *here, *there;
    char sign;
    size_t most, count;
};

static void print_record(const struct difference *d, const struct record *record)
{
    char owner[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
    char *text = malloc(4 * UINT16_MAX + 1024);
    color_begin(d->sign == '-' ? COLOR_BAD : COLOR_GOOD);
    if (!text || rdata_to_text(record->type, record->rdata, record->rdata_size, text,
                               4 * UINT16_MAX + 1024) < 0)
        printf("%c %s %u %s (%u bytes)", d->sign, name_to_text(record->owner, owner), record->ttl,
               type_to_text(record->type, type), record->rdata_size);
    else
        printf("%c %s %u %s %s", d->sign, name_to_text(record->owner, owner), record->ttl,
               type_to_text(record->type, type), text);
    color_end();
    printf("\n");
    free(text);
}

static bool has_record(const struct zone_state *state, const struct record *record)
{
    struct zone_rrset rrset;
    if (!zone_find(state, record->owner, record->type, &rrset))
        return false;
    for (size_t k = 0; k < rrset.count; k++) {
        struct record other = zone_record(&rrset, k);
        if (other.ttl == record->ttl && other.rdata_size == record->rdata_size &&
            memcmp(other.rdata, record->rdata, record->rdata_size) == 0)
            return true;
    }
    return false;
}

/* Those of `here` that `there` has not. */
static void print_missing(struct difference *d, const uint8_t *owner, uint16_t type)
{
    struct zone_rrset rrset;
    if (!zone_find(d->here, owner, type, &rrset))
        return;
    for (size_t k = 0; k < rrset.count; k++) {
        struct record record = zone_record(&rrset, k);
        if (has_record(d->there, &record))
            continue;
        if (d->count++ < d->most)
            print_record(d, &record);
    }
}

struct name_walk {
    struct difference *difference;
    const uint8_t *owner;
};

static bool print_of_name(void *arg, const struct zone_rrset *rrset)
{
    struct name_walk *walk = arg;
    if (!name_equal(rrset->owner, walk->owner))
        return false;
    print_missing(walk->difference, rrset->owner, rrset->type);
    return true;
}

static void print_change(struct difference *d, const struct change *change)
{
    struct name_walk walk = {.difference = d, .owner = change->name};
    if (change->type != 0)
        print_missing(d, change->name, change->type);
    else
        zone_each_after(d->here, change->name, 0, print_of_name, &walk);
}

size_t zone_print_difference(const struct zone_state *before, const struct zone_state *after,
                             const struct change_list *list, size_t most)
{
    struct difference d = {.most = most};
    for (size_t i = 0; i < list->count; i++) {
        if (list->changes[i].op == CHANGE_FLUSH)
            continue;
        d.sign = '-';
        d.here = before;
        d.there = after;
        print_change(&d, &list->changes[i]);
        d.sign = '+';
        d.here = after;
        d.there = before;
        print_change(&d, &list->changes[i]);
    }
    if (d.count > most)
        printf("(and %zu more)\n", d.count - most);
    return d.count;
}

bool zone_read_file(const struct options *options, const char *path, const uint8_t *apex,
                    struct zone **ret_zone)
{
    struct zone_file_error where = {.where = ""};
    struct zone *zone = NULL;
    struct zone_edit *edit = NULL;
    uint32_t serial;
    int error = zone_new(apex, &zone);
    if (error == 0)
        error = zone_edit_begin(zone, true, &edit);
    if (error == 0)
        error = zone_file_read(path, edit, &where);
    if (error < 0) {
        complain(options, "%s", where.where[0] ? where.where : error_text(error));
    } else if (!zone_serial(zone_edit_state(edit), &serial)) {
        char name[NAME_MAX_TEXT];
        complain(options, "%s: no SOA of %s", path, name_to_text(apex, name));
        error = ERR_ZONE;
    }
    if (error < 0) {
        zone_edit_abort(edit);
        zone_free(zone);
        return false;
    }
    zone_edit_commit(edit);
    *ret_zone = zone;
    return true;
}

bool zone_of_options(const struct options *options, uint8_t ret_apex[NAME_MAX_SIZE])
{
    const struct config *config = options->config;
    if (options->zone)
        return name_word(options, "--zone", options->zone, ret_apex);
    if (config && config->is_origin && config->origin_zone_count == 1 &&
        config->origin_zones[0].name && !config->origin_zones[0].names)
        return name_word(options, "zones", config->origin_zones[0].name, ret_apex);
    if (config && config->feed && config->feed->zone_count == 1)
        return name_word(options, "feed.zones", config->feed->zones[0], ret_apex);
    complain(options, "which zone? Say --zone");
    return false;
}

/* ---- the command ---- */

static const struct word {
    const char *name;
    int (*run)(const struct options *options, const char *operand);
} words[] = {
    {"export", zone_export_run}, {"import", zone_import_run},   {"diff", zone_diff_run},
    {"verify", zone_verify_run}, {"history", zone_history_run},
};

/* Options that another word has: nobody who writes one wants it left aside. */
static bool is_meant(const struct options *o, const char *word)
{
    const char *wrong = NULL;
    if (strcmp(word, "verify") != 0)
        wrong = o->of_zone.authority ? "authority" : o->of_zone.key_file ? "key-file" : NULL;
    if (strcmp(word, "import") != 0 && o->dry_run)
        wrong = "dry-run";
    if (wrong)
        complain(o, "--%s is not for %s", wrong, word);
    return !wrong;
}

static int run_zone(const struct options *o)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(o->operands[0], words[i].name) == 0)
            return is_meant(o, words[i].name) ? words[i].run(o, o->operands[1]) : EXIT_USAGE;
    }
    complain(o, "\"%s\" is none of export, import, diff, verify, history", o->operands[0]);
    return EXIT_USAGE;
}

const struct command zone_command = {
    .name = "zone",
    .operands = "export|import|diff|verify|history NAME|FILE",
    .summary = "Whole zones of the log: export, import, compare",
    .details =
        "  export NAME   print the zone as a zone file, as it is now or was (--at-offset, "
        "--at-serial)\n"
        "  import FILE   publish what makes the zone that of a zone file; --dry-run: only show it\n"
        "  diff FILE     show in what a zone file differs from the zone; exit code 1 if it does\n"
        "  verify NAME   compare with what an --authority hands out by AXFR; exit code 1 if they "
        "differ\n"
        "  history NAME  who changed what when, in a zone or at a name and below it (--zone)\n",
    .accepts = OPT_ORIGIN | OPT_KAFKA | OPT_TOPIC | OPT_ZONE | OPT_COLOR | OPT_TIMEOUT | OPT_JSON,
    .least = 2,
    .most = 2,
    .run = run_zone,
};
