#include "config/clients.h"

#include <stdlib.h>
#include <string.h>

/* A network, and where it is written. */
struct place {
    const struct config_network *network;
    const char *list;
    size_t index;
};

static int compare_places(const void *left, const void *right)
{
    const struct config_network *one = ((const struct place *)left)->network;
    const struct config_network *two = ((const struct place *)right)->network;
    if (one->family != two->family)
        return one->family < two->family ? -1 : 1;
    if (one->bits != two->bits)
        return one->bits < two->bits ? -1 : 1;
    return memcmp(one->bytes, two->bytes, sizeof(one->bytes));
}

static size_t list_places(const struct config_network *networks, size_t count, const char *list,
                          struct place *ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = (struct place){&networks[i], list, i};
    return count;
}

static bool check_once(const struct config_clients *clients, size_t tier, struct fault *fault)
{
    size_t count = clients->allow_count + clients->refuse_count + clients->drop_count, filled = 0;
    struct place *places = calloc(count + 1, sizeof(*places));
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    bool good = true;
    if (!places)
        return fault_memory(fault);
    filled += list_places(clients->allow, clients->allow_count, "allow", places);
    filled += list_places(clients->refuse, clients->refuse_count, "refuse", places + filled);
    filled += list_places(clients->drop, clients->drop_count, "drop", places + filled);
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 1; i < count && good; i++)
        if (compare_places(&places[i - 1], &places[i]) == 0) {
            fault_key(key, "tiers[%zu].clients.%s[%zu]", tier, places[i].list, places[i].index);
            good = fault_set(fault, key, "%s is in clients.%s[%zu] too; expected once",
                             fault_quote(places[i].network->text, quote), places[i - 1].list,
                             places[i - 1].index);
        }
    free(places);
    return good;
}

static int digit_of(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

bool clients_parse_secret(const char *text, uint8_t ret_secret[COOKIE_SECRET_SIZE])
{
    if (strlen(text) != 2 * COOKIE_SECRET_SIZE)
        return false;
    for (size_t i = 0; i < COOKIE_SECRET_SIZE; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_secret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* What is wrong with a secret is not shown. */
static bool check_secrets(const struct config_clients *clients, size_t tier, struct fault *fault)
{
    uint8_t secret[COOKIE_SECRET_SIZE];
    char key[FAULT_MAX_KEY];
    for (size_t i = 0; i < clients->cookie_secret_count; i++) {
        fault_key(key, "tiers[%zu].clients.cookie_secrets[%zu]", tier, i);
        if (!clients_parse_secret(clients->cookie_secrets[i], secret))
            return fault_set(fault, key, "is no secret; expected 32 hexadecimal digits");
    }
    return true;
}

bool clients_check(const struct config *config, size_t tier, struct fault *fault)
{
    const struct config_clients *clients = &config->tiers[tier].clients;
    return check_once(clients, tier, fault) && check_secrets(clients, tier, fault);
}
