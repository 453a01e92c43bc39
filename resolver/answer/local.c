#include "resolver/answer/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "config/fault.h"
#include "resolver/answer/special.h"

enum {
    RECORD_TTL = 3600, /* of a record that is written without one, as Unbound's local-data */
    MAX_CHAIN = 8,     /* CNAMEs followed */
};

/* ---- records ---- */

/* The name a CNAME leads to, canonical. */
static void target_of(const uint8_t *rdata, uint8_t ret_name[NAME_MAX_SIZE])
{
    name_lower(rdata, name_size(rdata), ret_name);
}

static const char *why_not(const struct record *record)
{
    if (record->type == TYPE_DNAME)
        return "a DNAME's names are not local";
    if (name_is_wildcard(record->owner))
        return "wildcards are not local names";
    return NULL;
}

static int parse_record(const char *text, struct record_room *room, struct record *ret,
                        const char **ret_why)
{
    int error = record_from_text(text, RECORD_TTL, room, ret);
    *ret_why = error == ERR_FORMAT ? "no record of class IN" : error_text(error);
    if (error != ERR_OK)
        return error;
    *ret_why = why_not(ret);
    return *ret_why ? ERR_CONFIG : ERR_OK;
}

static void add_records(struct local_table *table, const struct local_options *options)
{
    struct record_room room;
    struct record record;
    const char *why;
    for (size_t i = 0; i < options->record_count; i++)
        if (parse_record(options->records[i], &room, &record, &why) == ERR_OK)
            local_table_add(table, &record);
}

static int refuse(const struct local_options *options, size_t index, const char *why,
                  char ret_error[LOCAL_MAX_ERROR])
{
    char quote[FAULT_MAX_QUOTE];
    snprintf(ret_error, LOCAL_MAX_ERROR,
             "[%zu]: %s is refused: %s; expected NAME [TTL] [IN] TYPE DATA", index,
             fault_quote(options->records[index], quote), why);
    return ERR_CONFIG;
}

/* A CNAME stands alone (RFC 1034 3.6.2), and leads to a name that is there. NULL: all is well. */
static const char *why_no_alias(const struct local *local, const struct record *record)
{
    uint8_t target[NAME_MAX_SIZE];
    const struct local_name *name = local_table_name(&local->table, record->owner);
    if (!local_table_type(name, TYPE_CNAME))
        return NULL;
    if (name->records->next)
        return "a name with a CNAME has other records too";
    target_of(record->rdata, target);
    return local_table_name(&local->table, target) ? NULL
                                                   : "the CNAME leads to no name of this list";
}

static int check_records(const struct local *local, const struct local_options *options,
                         char ret_error[LOCAL_MAX_ERROR])
{
    struct record_room room;
    struct record record;
    const char *why;
    for (size_t i = 0; i < options->record_count; i++) {
        if (parse_record(options->records[i], &room, &record, &why) == ERR_OK)
            why = why_no_alias(local, &record);
        if (why)
            return refuse(options, i, why, ret_error);
    }
    return ERR_OK;
}

int local_check(const struct local_options *options, char ret_error[LOCAL_MAX_ERROR])
{
    const struct local_options records = {.records = options->records,
                                          .record_count = options->record_count};
    struct local *local = local_new(&records);
    if (!local) {
        snprintf(ret_error, LOCAL_MAX_ERROR, ": out of memory");
        return ERR_MEMORY;
    }
    int error = check_records(local, options, ret_error);
    local_unref(local);
    return error;
}

/* ---- life ---- */

struct local *local_new(const struct local_options *options)
{
    struct local *local = calloc(1, sizeof *local);
    if (!local)
        return NULL;
    struct local_table *table = &local->table;
    atomic_init(&local->references, 1);
    if (options->special_use)
        special_add(table);
    for (size_t i = 0; i < options->exempt_count; i++)
        special_add_exempt_text(table, options->exempt[i]);
    for (size_t i = 0; i < options->followed_count; i++)
        if (options->followed[i].standing == STANDING_ZONE)
            special_add_exempt(table, options->followed[i].name);
    add_records(table, options);
    local->hosts = local_hosts_read(table, &options->hosts);
    special_add_loopback(table);
    if (local->hosts && !table->failed)
        return local;
    local_unref(local);
    return NULL;
}

struct local *local_ref(struct local *local)
{
    atomic_fetch_add_explicit(&local->references, 1, memory_order_relaxed);
    return local;
}

void local_unref(struct local *local)
{
    if (!local || atomic_fetch_sub_explicit(&local->references, 1, memory_order_acq_rel) != 1)
        return;
    local_table_clear(&local->table);
    local_hosts_free(local->hosts);
    free(local);
}

bool local_is_special(const struct local *local, const uint8_t *name)
{
    return local_table_zone(&local->table, name) != NULL;
}

bool local_has(const struct local *local, const uint8_t *name)
{
    const struct local_zone *zone = local_table_zone(&local->table, name);
    return local_table_name(&local->table, name) || (zone && zone->kind != LOCAL_EXEMPT);
}

size_t local_count(const struct local *local)
{
    return HASH_COUNT(local->table.names);
}

bool local_is_outdated(const struct local *local)
{
    return local_hosts_changed(local->hosts);
}

/* ---- answering ---- */

static bool is_asked_for(const struct special_answer *answer, const struct local_record *record)
{
    return record->type == answer->type || record->type == TYPE_CNAME;
}

/*
 * Of the records of the type asked for, or the CNAME in their place, those from `from` on, `count` at most; gives the
 * latter's target.
 */
static bool put_some(struct special_answer *answer, const struct local_name *name,
                     const uint8_t *owner, size_t from, size_t count,
                     uint8_t ret_target[NAME_MAX_SIZE])
{
    const struct local_record *record;
    bool chain = false;
    size_t place = 0;
    LL_FOREACH (name->records, record) {
        if (!is_asked_for(answer, record) || place++ < from || place > from + count)
            continue;
        build_record(&answer->builder, SECTION_ANSWER,
                     &(struct record){.owner = owner,
                                      .rdata = record->rdata,
                                      .ttl = record->ttl,
                                      .rdata_size = record->rdata_size,
                                      .type = record->type,
                                      .class = CLASS_IN});
        if (record->type == TYPE_CNAME && answer->type != TYPE_CNAME) {
            target_of(record->rdata, ret_target);
            chain = true;
        }
    }
    return chain;
}

/* All of them, each turn another first (RFC 1794). */
static bool put_records(struct special_answer *answer, const struct local_name *name,
                        const uint8_t *owner, uint64_t turn, uint8_t ret_target[NAME_MAX_SIZE])
{
    const struct local_record *record;
    size_t count = 0;
    LL_FOREACH (name->records, record)
        count += is_asked_for(answer, record);
    const size_t behind = count > 0 ? (size_t)(turn % count) : 0;
    bool chain = put_some(answer, name, owner, behind, count - behind, ret_target);
    return put_some(answer, name, owner, 0, behind, ret_target) || chain;
}

static void answer_name(struct special_answer *answer, const struct local *local,
                        const struct local_name *name, const uint8_t *owner, uint64_t turn)
{
    uint8_t target[NAME_MAX_SIZE];
    for (int i = 0; name && i < MAX_CHAIN; i++) {
        if (!put_records(answer, name, owner, turn, target))
            return;
        name = local_table_name(&local->table, target);
        owner = name ? name->name : NULL;
    }
}

static void finish(const struct special_answer *answer, size_t question_end,
                   struct reply_content *ret)
{
    const struct builder *builder = &answer->builder;
    *ret = (struct reply_content){
        .flags = answer->rcode,
        .counts = {builder->counts[0], builder->counts[1], builder->counts[2]},
        .body_size = builder->out.failed ? 0 : builder->out.at - question_end,
        .truncated = builder->out.failed,
        .ede = EDE_NONE,
    };
}

bool local_answer(const struct local *local, const struct local_query *query,
                  struct reply_content *ret)
{
    struct special_answer answer;
    uint8_t name[NAME_MAX_SIZE];
    const struct question *question = query->question;
    const struct local_name *found;
    const struct local_zone *zone = NULL;
    if (question->class != CLASS_IN)
        return false;
    name_lower(question->name, question->name_size, name);
    found = local_table_name(&local->table, name);
    if (!found)
        zone = local_table_zone(&local->table, name);
    if (!found && !zone)
        return false;
    answer.type = question->type;
    answer.rcode = RCODE_NOERROR;
    build_start(&answer.builder, query->reply, query->limit);
    build_question(&answer.builder, question);
    size_t question_end = answer.builder.out.at;
    if (found)
        answer_name(&answer, local, found, question->name, query->turn);
    else if (!special_answer(&answer, zone, question->name))
        return false;
    finish(&answer, question_end, ret);
    return true;
}
