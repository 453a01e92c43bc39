#include "resolver/daemon/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/secrets.h"
#include "resolver/answer/local.h"
#include "resolver/daemon/listeners.h"
#include "daemon/control.h"
#include "daemon/keys.h"
#include "daemon/page.h"
#include "daemon/privileges.h"

enum {
    MAX_KEY = 96,
    MARK_BYTES = 16, /* of a change that is remembered; cache/marks.h */
    MIB = 1 << 20,
};

/* ---- records ------------------------------------------------------------------------------------ */

static int check_records(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    for (size_t i = 0; i < config->tier_count; i++) {
        char why[LOCAL_MAX_ERROR], key[MAX_KEY];
        const struct config_tier *tier = &config->tiers[i];
        const struct local_options options = {.records = tier->local,
                                              .record_count = tier->local_count};
        if (local_check(&options, why) == ERR_OK)
            continue;
        /* "[3]: what is wrong" */
        size_t index = strcspn(why, ":");
        snprintf(key, sizeof key, "tiers[%zu].local%.*s", i, (int)(index < 32 ? index : 32), why);
        config_fault(config, ret_error, key, "%s", why[index] ? why + index + 2 : why);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

/* False: it is the name of no key. */
static bool is_key(const struct keyring *keyring, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (size > 0)
        name_lower(name, (size_t)size, name);
    return size > 0 && keyring_find(keyring, name, NULL);
}

/* What a zone says of keys. NULL: they are there; else the name that is not, with its place in `ret_key`. */
static const char *missing_key(const struct config_zone *zone, const struct keyring *keyring,
                               char ret_key[MAX_KEY])
{
    for (size_t k = 0; k < zone->transfer_key_count; k++) {
        snprintf(ret_key, MAX_KEY, "transfer_keys[%zu]", k);
        if (!is_key(keyring, zone->transfer_keys[k]))
            return zone->transfer_keys[k];
    }
    snprintf(ret_key, MAX_KEY, "key");
    return zone->key && !is_key(keyring, zone->key) ? zone->key : NULL;
}

static int check_key_names(const struct config *config, const struct keyring *keyring,
                           char ret_error[CONFIG_MAX_ERROR])
{
    char key[2 * MAX_KEY], place[MAX_KEY];
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].zone_count; k++) {
            const char *name = missing_key(&config->tiers[i].zones[k], keyring, place);
            if (!name)
                continue;
            snprintf(key, sizeof key, "tiers[%zu].routes[%zu].%s", i, k, place);
            config_fault(config, ret_error, key, "%s is none of `keys`; expected the name of one",
                         name);
            return ERR_CONFIG;
        }
    return ERR_OK;
}

static int check_keys(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    struct keyring keyring = {.count = 0};
    int error = keyring_read(config, &keyring, ret_error);
    if (!error)
        error = check_key_names(config, &keyring, ret_error);
    keyring_clear(&keyring);
    return error;
}

/* ---- memory ------------------------------------------------------------------------------------- */

/* What caches are allowed to grow to has to be there. */
static int check_memory(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    uint64_t sum = config->feed ? config->feed->marks * MARK_BYTES : 0;
    char key[MAX_KEY];
    if (sum > all) {
        config_fault(config, ret_error, "feed.marks",
                     "%" PRIu64 " take %" PRIu64 "MiB, and this machine has %" PRIu64
                     "MiB; expected less",
                     config->feed->marks, sum / MIB, all / MIB);
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < config->tier_count; i++) {
        sum += config->tiers[i].cache.size;
        if (sum <= all)
            continue;
        snprintf(key, sizeof key, "tiers[%zu].cache.size", i);
        config_fault(config, ret_error, key,
                     "%" PRIu64 "MiB, with what stands before it %" PRIu64
                     "MiB, and this machine has %" PRIu64 "MiB; expected less",
                     config->tiers[i].cache.size / MIB, sum / MIB, all / MIB);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* ---- the feed ----------------------------------------------------------------------------------- */

struct feed_options check_feed_options(const struct config_feed *feed, char *const *properties)
{
    return (struct feed_options){
        .brokers = feed->brokers,
        .topic = feed->updates,
        .properties = properties,
        .property_count = feed->rdkafka_count,
        .lease_ms = feed->lease_ms,
        .settle_ms = feed->settle_ms,
    };
}

static int check_feed(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[FEED_MAX_ERROR], key[MAX_KEY] = "feed.rdkafka";
    size_t property;
    if (!config->feed)
        return ERR_OK;
    char **properties = secrets_read(config, ret_error);
    if (!properties)
        return ERR_CONFIG;
    const struct feed_options options = check_feed_options(config->feed, properties);
    int error = feed_check(&options, &property, why);
    secrets_free(properties);
    if (error == ERR_OK)
        return ERR_OK;
    if (property < options.property_count)
        snprintf(key, sizeof key, "feed.rdkafka[%zu]", property);
    config_fault(config, ret_error, key, "%s; expected properties of librdkafka", why);
    return ERR_CONFIG;
}

static bool stands_in_text(const char *property)
{
    const char *value = strchr(property, '=') + 1;
    return feed_property_is_secret(property) && strncmp(value, "file:", 5) != 0;
}

bool check_secret_is_shown(const struct config *config)
{
    struct stat info;
    if (stat(config->path, &info) != 0 || !(info.st_mode & S_IROTH))
        return false;
    for (size_t i = 0; i < config->key_count; i++)
        if (strncmp(config->keys[i], "file:", 5) != 0)
            return true;
    for (size_t i = 0; config->feed && i < config->feed->rdkafka_count; i++)
        if (stands_in_text(config->feed->rdkafka[i]))
            return true;
    return false;
}

/* ---- who, and where ------------------------------------------------------------------------------- */

static int check_user(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[PRIVILEGES_MAX_ERROR];
    struct identity ignored;
    if (privileges_find(config->user, NULL, &ignored, why) != ERR_OK)
        config_fault(config, ret_error, "user", "\"%s\": %s", config->user, why);
    else if (privileges_find(config->user, config->group, &ignored, why) != ERR_OK)
        config_fault(config, ret_error, "group", "\"%s\": %s", config->group, why);
    else
        return ERR_OK;
    return ERR_CONFIG;
}

/* Hosts files are looked at for as long as it runs, by whom it has become. */
static int check_hosts(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[PRIVILEGES_MAX_ERROR], key[MAX_KEY];
    struct identity identity;
    if (privileges_find(config->user, config->group, &identity, why) != ERR_OK)
        return ERR_OK; /* check_user() has said so */
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].host_count; k++) {
            const char *path = config->tiers[i].hosts[k];
            if (privileges_may_read(&identity, path))
                continue;
            snprintf(key, sizeof key, "tiers[%zu].hosts[%zu]", i, k);
            config_fault(config, ret_error, key,
                         "%s: user may not read it; expected a file that it may, to see changes",
                         path);
            return ERR_CONFIG;
        }
    return ERR_OK;
}

static int check_control(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    const char *key;
    char why[CONTROL_MAX_ERROR];
    if (!config->control.path || control_check(&config->control, &key, why))
        return ERR_OK;
    config_fault(config, ret_error, key, "%s", why);
    return ERR_CONFIG;
}

static int check_metrics(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    const int why = config->metrics ? page_check(config->metrics) : 0;
    if (why == 0)
        return ERR_OK;
    config_fault(config, ret_error, "metrics", "%s: %s", config->metrics->text, strerror(why));
    return ERR_CONFIG;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

int check_reload(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    int error = check_records(config, ret_error);
    if (!error)
        error = check_keys(config, ret_error);
    return error ? error : check_memory(config, ret_error);
}

int check_machine(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    int error = check_reload(config, ret_error);
    if (!error)
        error = check_user(config, ret_error);
    if (!error)
        error = check_hosts(config, ret_error);
    if (!error)
        error = check_feed(config, ret_error);
    if (!error)
        error = check_control(config, ret_error);
    if (!error)
        error = check_metrics(config, ret_error);
    return error ? error : listeners_check(config, ret_error);
}
