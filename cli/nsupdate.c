#include "cli/nsupdate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/name.h"
#include "cli/text.h"
#include "cli/words.h"

static const char blanks[] = " \t";

/* The next word at `*at`, moved past it and the blanks behind; NULL at the end. */
static char *take_word(char **at)
{
    char *word = *at + strspn(*at, blanks);
    const size_t size = strcspn(word, blanks);
    if (size == 0)
        return NULL;
    *at = word + size;
    if (**at)
        *(*at)++ = '\0';
    *at += strspn(*at, blanks);
    return word;
}

/* ---- the words of the language ---- */

static int send_set(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)rest;
    if (n->draft.set.change_count == 0)
        return 0;
    *ret_set = draft_finish(n->options, &n->draft, n->has_zone ? n->zone : NULL);
    draft_free(&n->draft);
    return *ret_set ? 1 : -1;
}

/* TTL, class and TYPE at `*at`, moved past them, so that what is left is RDATA. */
static void take_head(char **at, struct change_words *words)
{
    char *word;
    while (!words->type && (word = take_word(at)))
        words_head(&word, 1, &words->ttl, &words->type);
}

static bool check_add(const struct nsupdate *n, const struct change_words *words)
{
    if (!words->type)
        complain(n->options, "no TYPE behind NAME \"%s\": add NAME TTL TYPE RDATA", words->name);
    else if (!words->ttl)
        complain(n->options, "no TTL for NAME \"%s\": add NAME TTL TYPE RDATA, or ttl N before",
                 words->name);
    else if (words->rdata_count == 0)
        complain(n->options, "no RDATA for NAME \"%s\": add NAME TTL TYPE RDATA", words->name);
    else
        return true;
    return false;
}

static int change(struct nsupdate *n, enum change_op op, char *rest)
{
    struct change_words words = {.op = op, .relative = true, .name = take_word(&rest)};
    if (!words.name) {
        complain(n->options, "no NAME");
        return -1;
    }
    take_head(&rest, &words);
    words.rdata = &rest;
    words.rdata_count = *rest ? 1 : 0;
    if (op == CHANGE_DEL)
        words.ttl = NULL; /* nothing is deleted by its TTL */
    else if (!words.ttl && n->has_ttl)
        words.ttl = n->ttl;
    if (op == CHANGE_ADD && !check_add(n, &words))
        return -1;
    return draft_add(n->options, &n->draft, &words) ? 0 : -1;
}

static int add(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)ret_set;
    return change(n, CHANGE_ADD, rest);
}

static int delete (struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)ret_set;
    return change(n, CHANGE_DEL, rest);
}

static int take_zone(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)ret_set;
    const char *word = take_word(&rest);
    if (n->draft.set.change_count > 0) {
        complain(n->options, "zone between changes: say send before it, a set is of one zone");
        return -1;
    }
    n->has_zone = word && name_word(n->options, "zone", word, n->zone);
    if (!word)
        complain(n->options, "zone without a name");
    return n->has_zone ? 0 : -1;
}

static int take_ttl(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)ret_set;
    uint32_t ttl;
    const char *word = take_word(&rest);
    n->has_ttl = word && strcasecmp(word, "none") != 0;
    if (word && (!n->has_ttl || text_to_ttl(word, &ttl))) {
        if (n->has_ttl)
            snprintf(n->ttl, sizeof n->ttl, "%u", (unsigned)ttl);
        return 0;
    }
    complain(n->options, "ttl \"%s\" is not 0..2147483647 seconds, nor none", word ? word : "");
    return -1;
}

static int take_class(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)ret_set;
    const char *word = take_word(&rest);
    if (word && strcasecmp(word, "IN") == 0)
        return 0;
    complain(n->options, "class \"%s\": there is IN alone", word ? word : "");
    return -1;
}

static int refuse_prerequisite(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)rest;
    (void)ret_set;
    complain(
        n->options,
        "a prerequisite: a log cannot look into the zone before it takes a change; send this to "
        "freshet-origin with nsupdate itself");
    return -1;
}

static int pass_over(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)n;
    (void)rest;
    (void)ret_set;
    return 0;
}

static int quit(struct nsupdate *n, char *rest, struct change_set **ret_set)
{
    (void)rest;
    (void)ret_set;
    n->quits = true;
    return 0;
}

struct verb {
    const char *name;
    int (*run)(struct nsupdate *n, char *rest, struct change_set **ret_set);
};

static const struct verb verbs[] = {
    {"add", add},
    {"delete", delete},
    {"del", delete},
    {"send", send_set},
    {"zone", take_zone},
    {"ttl", take_ttl},
    {"class", take_class},
    {"prereq", refuse_prerequisite},
    {"nxdomain", refuse_prerequisite},
    {"yxdomain", refuse_prerequisite},
    {"nxrrset", refuse_prerequisite},
    {"yxrrset", refuse_prerequisite},
    {"quit", quit},
    {"server", pass_over},
    {"local", pass_over},
    {"key", pass_over},
    {"realm", pass_over},
    {"gsstsig", pass_over},
    {"oldgsstsig", pass_over},
    {"check-names", pass_over},
    {"checknames", pass_over},
    {"show", pass_over},
    {"answer", pass_over},
    {"debug", pass_over},
};

static const struct verb *find_verb(const char *word)
{
    for (size_t k = 0; k < sizeof verbs / sizeof verbs[0]; k++)
        if (strcasecmp(verbs[k].name, word) == 0)
            return &verbs[k];
    return NULL;
}

int nsupdate_line(struct nsupdate *nsupdate, char *line, struct change_set **ret_set)
{
    const char *word = take_word(&line);
    if (!word)
        return send_set(nsupdate, line, ret_set);
    if (word[0] == ';')
        return 0;
    const bool update = strcasecmp(word, "update") == 0;
    if (update)
        word = take_word(&line);
    const struct verb *verb = word ? find_verb(word) : NULL;
    if (verb && (!update || verb->run == add || verb->run == delete))
        return verb->run(nsupdate, line, ret_set);
    complain(nsupdate->options,
             "\"%s\" is neither a JSON object nor a word of nsupdate: update add, update delete, "
             "zone, ttl, send",
             word ? word : "update");
    return -1;
}

bool nsupdate_end(const struct nsupdate *nsupdate)
{
    const size_t left = nsupdate->draft.set.change_count;
    if (left > 0)
        complain(nsupdate->options, "%zu change%s and no send behind", left, left == 1 ? "" : "s");
    return left == 0;
}

void nsupdate_free(struct nsupdate *nsupdate)
{
    draft_free(&nsupdate->draft);
}
