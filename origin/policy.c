/* policy.c - see policy.h. */
#include "origin/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dns/rdata.h"

/* By enum policy_kind. */
static const char *const kinds[] = {"name", "subdomain", "wildcard", "zonesub",
                                    "self", "selfsub",   "selfwild"};

/* -- reading ----------------------------------------------------------------------------------- */

enum { WORD_MAX = 1024 };

struct words {
    const char *rest;
    char word[WORD_MAX];
};

/* The next word; false: there is none. One that is too long is cut, and then is none of any kind. */
static bool next_word(struct words *words)
{
    const char *start = words->rest + strspn(words->rest, " \t");
    size_t length = strcspn(start, " \t");
    words->rest = start + length;
    if (length >= WORD_MAX)
        length = WORD_MAX - 1;
    memcpy(words->word, start, length);
    words->word[length] = '\0';
    return length > 0;
}

__attribute__((format(printf, 2, 3))) static int wrong(char error[POLICY_MAX_ERROR],
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, POLICY_MAX_ERROR, format, args);
    va_end(args);
    return ERR_CONFIG;
}

static int read_name(const char *text, uint8_t *ret, char *error)
{
    int size = name_from_text(text, ret);
    if (size < 0)
        return wrong(error, "\"%.60s\" is %s", text, error_text(size));
    if (!name_text_is_whole(text, strlen(text)))
        return wrong(error, "\"%.60s\" is %s", text, error_text(ERR_RELATIVE));
    name_lower(ret, (size_t)size, ret);
    return 0;
}

static int read_action(struct words *words, struct policy_rule *rule, char *error)
{
    bool there = next_word(words);
    rule->grant = there && strcmp(words->word, "grant") == 0;
    if (!rule->grant && (!there || strcmp(words->word, "deny") != 0))
        return wrong(error, "begins with \"%.60s\", not with grant or deny", words->word);
    return 0;
}

static int read_identity(struct words *words, struct policy_rule *rule, char *error)
{
    if (!next_word(words))
        return wrong(error, "no key is named");
    rule->any_identity = strcmp(words->word, "*") == 0;
    return rule->any_identity ? 0 : read_name(words->word, rule->identity, error);
}

static int read_kind(struct words *words, struct policy_rule *rule, char *error)
{
    bool there = next_word(words);
    for (unsigned i = 0; there && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(words->word, kinds[i]) == 0) {
            rule->kind = (enum policy_kind)i;
            return 0;
        }
    }
    return wrong(error,
                 "\"%.60s\" is none of name, subdomain, wildcard, zonesub, self, selfsub, selfwild",
                 words->word);
}

/* A word that is a name, where one is not looked at, not a type. */
static bool looks_like_name(const char *word)
{
    return strcmp(word, "*") == 0 || word[strlen(word) - 1] == '.';
}

/* The NAME, if the kind has one; the word behind it is left in `words`. Returns whether there is one in `*ret_more`. */
static int read_where(struct words *words, struct policy_rule *rule, bool *ret_more, char *error)
{
    *ret_more = next_word(words);
    if (rule->kind >= POLICY_ZONESUB) {
        if (*ret_more && looks_like_name(words->word))
            *ret_more = next_word(words);
        return 0;
    }
    if (!*ret_more)
        return wrong(error, "no name follows \"%s\"", kinds[rule->kind]);
    int result = read_name(words->word, rule->name, error);
    if (result == 0 && rule->kind == POLICY_WILDCARD && !name_is_wildcard(rule->name))
        return wrong(error, "\"%.60s\" does not begin with *.", words->word);
    *ret_more = next_word(words);
    return result;
}

static int read_types(struct words *words, struct policy_rule *rule, bool more, char *error)
{
    for (; more; more = next_word(words)) {
        if (strcasecmp(words->word, "ANY") == 0) {
            rule->any_type = true;
            continue;
        }
        int type = type_from_text(words->word);
        if (type < 0 || type_is_meta((uint16_t)type))
            return wrong(error, "\"%.60s\" is no type of records", words->word);
        if (rule->type_count == POLICY_MAX_TYPES)
            return wrong(error, "more than %d types", POLICY_MAX_TYPES);
        rule->types[rule->type_count++] = (uint16_t)type;
    }
    return 0;
}

int policy_rule_from_text(const char *text, struct policy_rule *ret_rule,
                          char ret_error[POLICY_MAX_ERROR])
{
    struct words words = {.rest = text};
    struct policy_rule rule = {.type_count = 0};
    bool more = false;
    int error = read_action(&words, &rule, ret_error);
    if (error == 0)
        error = read_identity(&words, &rule, ret_error);
    if (error == 0)
        error = read_kind(&words, &rule, ret_error);
    if (error == 0)
        error = read_where(&words, &rule, &more, ret_error);
    if (error == 0)
        error = read_types(&words, &rule, more, ret_error);
    if (error == 0)
        *ret_rule = rule;
    return error;
}

/* -- asking ------------------------------------------------------------------------------------ */

static bool is_below(const uint8_t *name, const uint8_t *ancestor)
{
    return name_is_within(name, ancestor) && !name_equal(name, ancestor);
}

static bool is_identity(const struct policy_rule *rule, const uint8_t *key)
{
    if (rule->any_identity)
        return true;
    if (name_is_wildcard(rule->identity))
        return is_below(key, name_parent(rule->identity));
    return name_equal(key, rule->identity);
}

static bool fits_name(const struct policy_rule *rule, const uint8_t *key, const uint8_t *name)
{
    switch (rule->kind) {
    case POLICY_NAME:
        return name_equal(name, rule->name);
    case POLICY_SUBDOMAIN:
        return name_is_within(name, rule->name);
    case POLICY_WILDCARD:
        return is_below(name, name_parent(rule->name));
    case POLICY_ZONESUB:
        return true;
    case POLICY_SELF:
        return name_equal(name, key);
    case POLICY_SELFSUB:
        return name_is_within(name, key);
    case POLICY_SELFWILD:
        return is_below(name, key);
    }
    return false;
}

static bool fits_type(const struct policy_rule *rule, uint16_t type)
{
    if (rule->any_type)
        return true;
    if (rule->type_count == 0)
        return type != TYPE_NS && type != TYPE_SOA && type != TYPE_RRSIG && type != TYPE_NSEC &&
               type != TYPE_NSEC3;
    for (size_t i = 0; i < rule->type_count; i++) {
        if (rule->types[i] == type)
            return true;
    }
    return false;
}

bool policy_allows(const struct policy_rule *rules, size_t count, const uint8_t *key,
                   const uint8_t *name, uint16_t type)
{
    for (size_t i = 0; key && i < count; i++) {
        if (is_identity(&rules[i], key) && fits_name(&rules[i], key, name) &&
            fits_type(&rules[i], type))
            return rules[i].grant;
    }
    return false;
}

const uint8_t policy_webhook[] = "\7webhook";

bool policy_knows(const struct policy_rule *rules, size_t count, const uint8_t *key)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i].grant && is_identity(&rules[i], key))
            return true;
    }
    return false;
}
