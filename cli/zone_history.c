/*
 * zone_history.c - "freshet zone history NAME": who changed what when, from the log.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/color.h"
#include "cli/control.h"
#include "cli/draft.h"
#include "cli/name.h"
#include "cli/text.h"
#include "cli/zone.h"
#include "cli/zone_log.h"

enum { MAX_LINE = 70000 };

struct printing {
    const struct options *options;
    const uint8_t *name;
    uint64_t shown;
};

static void print_head(const struct zone_log_entry *entry)
{
    char time[TIME_MAX_TEXT];
    const struct change_set *set = entry->set;
    printf("%s %" PRId64 " ", time_to_text(set->time_us, time), entry->offset);
    text_print(stdout, set->publisher[0] ? set->publisher : "-");
    if (set->has_serial)
        printf(" %" PRIu32 " ", set->serial);
    else
        printf(" - ");
}

static void print_json(const struct zone_log_entry *entry, const struct change *change)
{
    static char line[MAX_LINE];
    char time[TIME_MAX_TEXT];
    const struct change_set *set = entry->set;
    if (change_to_text(change, line, sizeof line) < 0)
        line[0] = '\0';
    json_t *object =
        json_pack("{s:s, s:I, s:s, s:s}", "time", time_to_text(set->time_us, time), "offset",
                  (json_int_t)entry->offset, "publisher", set->publisher, "change", line);
    if (set->has_serial)
        json_object_set_new(object, "serial", json_integer(set->serial));
    print_json_line(object);
    json_decref(object);
}

static bool print_entry(void *arg, const struct zone_log_entry *entry)
{
    struct printing *p = arg;
    if (!entry->set) {
        fprintf(stderr, "offset %" PRId64 " cannot be read: %s: ", entry->offset,
                error_text(entry->error->code));
        text_print(stderr, entry->error->where);
        fputc('\n', stderr);
        return true;
    }
    for (size_t i = 0; i < entry->set->change_count; i++) {
        const struct change *change = &entry->set->changes[i];
        if (!name_is_within(change->name, p->name) &&
            !(change->op == CHANGE_FLUSH && change->subtree &&
              name_is_within(p->name, change->name)))
            continue;
        p->shown++;
        if (p->options->json) {
            print_json(entry, change);
            continue;
        }
        print_head(entry);
        color_print_change(change);
        putchar('\n');
    }
    return !ferror(stdout);
}

int zone_history_run(const struct options *options, const char *word)
{
    uint8_t name[NAME_MAX_SIZE], apex[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT], zone[NAME_MAX_TEXT];
    if (!name_word(options, "NAME", word, name))
        return EXIT_USAGE;
    if (!options->config || !draft_longest_zone(options->config, name, apex))
        memcpy(apex, name, name_size(name)); /* it is the zone itself */
    if (options->zone && !name_word(options, "--zone", options->zone, apex))
        return EXIT_USAGE;
    if (!name_is_within(name, apex)) {
        complain(options, "NAME \"%s\" does not lie in the zone \"%s\"", word, options->zone);
        return EXIT_USAGE;
    }
    struct printing p = {.options = options, .name = name};
    if (!zone_log_each(options, apex, print_entry, &p))
        return EXIT_FAILED;
    if (p.shown > 0)
        return EXIT_DONE;
    complain(options, "topic %s has no change of %s in the zone %s: another --zone, or --topic?",
             options->topic, name_to_text(name, text), name_to_text(apex, zone));
    return EXIT_FAILED;
}
