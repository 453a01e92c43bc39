/*
 * lookup.c - "freshet lookup": what the tiers hold for a question, and whether it is valid.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"
#include "cli/text.h"

static bool is_usable(const json_t *variant)
{
    return member_true(variant, "cached") && member_true(variant, "valid");
}

static bool any_usable(const json_t *answer)
{
    size_t t, v;
    json_t *tier, *variant;
    json_array_foreach(json_object_get(answer, "tiers"), t, tier) json_array_foreach(
        json_object_get(tier, "variants"), v, variant) if (is_usable(variant)) return true;
    return false;
}

static void print_field(const char *label, const char *text)
{
    if (text[0] == '\0')
        return;
    printf("%s", label);
    text_print(stdout, text);
}

static void print_variant(const json_t *variant, bool verbose)
{
    printf("  %s", is_usable(variant) ? "valid" : "not valid");
    print_field(": ", member_text(variant, "why"));
    print_field("; ", member_text(variant, "rcode"));
    printf(", ttl %lld", member_number(variant, "ttl"));
    if (verbose)
        printf(", stamp %lld", member_number(variant, "stamp"));
    print_field(", from ", member_text(variant, "from"));
    if (member_true(variant, "dnssec_ok"))
        printf(", for DO=1");
    if (member_true(variant, "checking_disabled"))
        printf(", for CD=1");
    printf("\n");
    size_t k;
    json_t *record;
    json_array_foreach(json_object_get(variant, "records"), k, record)
    {
        printf("    ");
        text_print(stdout, json_is_string(record) ? json_string_value(record) : "");
        printf("\n");
    }
}

static void print_tier(const json_t *tier, bool verbose)
{
    const json_t *variants = json_object_get(tier, "variants");
    text_print(stdout, member_text(tier, "tier"));
    printf("\n");
    if (member_true(tier, "local"))
        printf(
            "  answered by this machine itself, before the cache is asked: `hosts`, `local`, or a "
            "name with no place in the public DNS\n");
    else if (json_array_size(variants) == 0)
        printf("  not cached\n");
    size_t k;
    json_t *variant;
    json_array_foreach(variants, k, variant) print_variant(variant, verbose);
}

static bool is_local(const json_t *answer)
{
    return member_true(json_array_get(json_object_get(answer, "tiers"), 0), "local");
}

static void print_answer(const json_t *answer, bool verbose)
{
    size_t k;
    json_t *tier;
    const char *state = member_text(answer, "feed");
    if (state[0] && strcmp(state, "live") != 0)
        printf("the feed is %s: answers go by their TTL alone, and may be older than a change\n",
               state);
    if (state[0] && !is_local(answer) && json_is_null(json_object_get(answer, "zone"))) {
        text_print(stdout, member_text(answer, "name"));
        printf(" lies in no zone of the feed: it lives by its TTL alone, whatever is published\n");
    }
    json_array_foreach(json_object_get(answer, "tiers"), k, tier) print_tier(tier, verbose);
}

static int run_lookup(const struct options *o)
{
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
    if (!name_operand(o, o->operands[0], name) || !type_operand(o, o->operands[1], type))
        return EXIT_USAGE;
    json_t *answer = control_answer(
        o, json_pack("{s:s, s:s, s:s}", "cmd", "lookup", "name", name, "type", type));
    if (!answer)
        return EXIT_FAILED;
    if (o->json)
        print_json_line(answer);
    else
        print_answer(answer, o->verbose);
    int code = any_usable(answer) ? EXIT_DONE : EXIT_NOT_CACHED;
    json_decref(answer);
    return code;
}

const struct command lookup_command = {
    .name = "lookup",
    .operands = "NAME TYPE",
    .summary = "Show what the tiers of a freshetd hold for a question",
    .details =
        "Asks no upstream. Exit status 0 when some tier has a valid answer, 3 when none has.\n",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_VERBOSE | OPT_TIMEOUT | OPT_JSON,
    .least = 2,
    .most = 2,
    .run = run_lookup,
};
