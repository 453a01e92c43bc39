#include "cli/words.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_plus(const char *word)
{
    return strcmp(word, "+") == 0;
}

static bool is_ttl(const char *word)
{
    return word[0] >= '0' && word[0] <= '9';
}

static bool is_address(const char *word)
{
    uint8_t address[16];
    return inet_pton(AF_INET, word, address) == 1 || inet_pton(AF_INET6, word, address) == 1;
}

size_t words_head(char *const *words, size_t count, const char **ret_ttl, const char **ret_type)
{
    size_t at = 0;
    for (; at < count; at++) {
        if (!*ret_ttl && is_ttl(words[at]))
            *ret_ttl = words[at];
        else if (strcasecmp(words[at], "IN") != 0)
            break;
    }
    if (at < count)
        *ret_type = words[at++];
    return at;
}

/* Where people most often go wrong, said before a word is judged by itself. */
static bool check_order(const struct options *o, const struct change_words *words)
{
    const char *first = words->ttl;
    if (first && is_address(first)) {
        complain(
            o,
            "\"%s\" is an address where TTL or TYPE belongs; the order is NAME TTL TYPE RDATA: "
            "%s 3600 %s %s",
            first, words->name, strchr(first, ':') ? "AAAA" : "A", first);
        return false;
    }
    if (words->op == CHANGE_FLUSH && words->type) {
        complain(o, "flush takes names alone, and is of all types: \"%s\" is no name", words->type);
        return false;
    }
    if (words->op != CHANGE_SET && words->op != CHANGE_ADD)
        return true;
    if (!words->type)
        complain(o, "no TYPE behind NAME \"%s\"; the order is NAME TTL TYPE RDATA", words->name);
    else if (!words->ttl)
        complain(o, "no TTL for NAME \"%s\"; the order is NAME TTL TYPE RDATA", words->name);
    else if (words->rdata_count == 0)
        complain(o, "no RDATA for NAME \"%s\"; the order is NAME TTL TYPE RDATA", words->name);
    else
        return true;
    return false;
}

/* One RRset of `count` words. */
static bool add_rrset(const struct options *o, enum change_op op, char *const *operands,
                      size_t count, struct draft *draft)
{
    struct change_words words = {.op = op, .name = operands[0]};
    size_t at = 1 + words_head(operands + 1, count - 1, &words.ttl, &words.type);
    const bool needs_ttl = op == CHANGE_SET || op == CHANGE_ADD;
    if (needs_ttl && !words.ttl && at < count)
        words.ttl = operands[at++];
    words.rdata = operands + at;
    words.rdata_count = count - at;
    if (!check_order(o, &words))
        return false;
    if (!needs_ttl)
        words.ttl = NULL; /* of a line as zone files have it; nothing is deleted by its TTL */
    return draft_add(o, draft, &words);
}

/* How many words there are up to the next "+". Of flush each word is one. */
static size_t rrset_size(enum change_op op, char *const *operands, size_t count)
{
    size_t size = 0;
    while (size < count && !is_plus(operands[size]) && (op != CHANGE_FLUSH || size < 1))
        size++;
    return size;
}

bool words_draft(const struct options *options, enum change_op op, struct draft *draft)
{
    char *const *operands = options->operands;
    for (size_t at = 0; at < options->operand_count;) {
        const size_t size = rrset_size(op, operands + at, options->operand_count - at);
        if (size == 0) {
            complain(options, "no NAME before \"+\", which stands between two RRsets");
            return false;
        }
        if (!add_rrset(options, op, operands + at, size, draft))
            return false;
        at += size;
        if (at == options->operand_count || !is_plus(operands[at]))
            continue;
        if (++at == options->operand_count) {
            complain(options, "no NAME behind \"+\", which stands between two RRsets");
            return false;
        }
    }
    return true;
}
