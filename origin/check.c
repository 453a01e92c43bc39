#include "origin/check.h"

#include <stdio.h>

#include <errno.h>
#include <string.h>

#include "config/secrets.h"
#include "daemon/control.h"
#include "daemon/net.h"
#include "daemon/page.h"
#include "daemon/privileges.h"
#include "invalidation/feed.h"
#include "origin/primaries.h"

enum { MAX_KEY = 96 };

static int check_names(const struct config *config, const struct keyring *keyring,
                       char ret_error[CONFIG_MAX_ERROR])
{
    for (size_t k = 0; k < config->origin_zone_count; k++) {
        char path[MAX_KEY];
        uint8_t name[NAME_MAX_SIZE];
        const struct config_origin_zone *zone = &config->origin_zones[k];
        snprintf(path, sizeof path, "zones[%zu].name", k);
        if (zone->name && !zone->names && name_from_text(zone->name, name) < 0) {
            config_fault(config, ret_error, path, "%s is no domain name; expected one", zone->name);
            return ERR_CONFIG;
        }
        if (!zone->key)
            continue;
        snprintf(path, sizeof path, "zones[%zu].key", k);
        if (name_from_text(zone->key, name) > 0 && keyring_find(keyring, name, NULL))
            continue;
        config_fault(config, ret_error, path, "%s is none of `keys`; expected the name of one",
                     zone->key);
        return ERR_CONFIG;
    }
    return 0;
}

static int check_properties(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[FEED_MAX_ERROR], path[MAX_KEY] = "feed.rdkafka";
    size_t property;
    char **properties = secrets_read(config, ret_error);
    if (!properties)
        return ERR_CONFIG;
    int result = feed_check(&(struct feed_options){.brokers = config->feed->brokers,
                                                   .topic = config->feed->updates,
                                                   .properties = properties,
                                                   .property_count = config->feed->rdkafka_count},
                            &property, why);
    secrets_free(properties);
    if (result == 0)
        return 0;
    if (property < config->feed->rdkafka_count)
        snprintf(path, sizeof path, "feed.rdkafka[%zu]", property);
    config_fault(config, ret_error, path, "%s; expected properties of librdkafka", why);
    return ERR_CONFIG;
}

static int check_user(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[PRIVILEGES_MAX_ERROR];
    struct identity ignored;
    if (privileges_find(config->user, config->group, &ignored, why) == 0)
        return 0;
    config_fault(config, ret_error, "user", "%s", why);
    return ERR_CONFIG;
}

/* But for what is so for the moment only: that somebody else has the port. */
static int check_listen(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    char why[NET_MAX_ERROR], path[MAX_KEY];
    for (size_t k = 0; k < config->listen_count; k++) {
        const struct config_address *address = &config->listen[k];
        if (net_check_free((const struct sockaddr *)&address->addr, address->addr_size, SOCK_DGRAM,
                           why) == 0 ||
            errno == EADDRINUSE)
            continue;
        snprintf(path, sizeof path, "listen[%zu]", k);
        config_fault(config, ret_error, path, "%s: %s", address->text, why);
        return ERR_CONFIG;
    }
    return 0;
}

/* The port of an HTTP service, if there is to be one. */
static int check_http(const struct config *config, const char *key,
                      const struct config_address *address, char ret_error[CONFIG_MAX_ERROR])
{
    const int why = address ? page_check(address) : 0;
    if (why == 0)
        return 0;
    config_fault(config, ret_error, key, "%s: %s", address->text, strerror(why));
    return ERR_CONFIG;
}

int check_origin_sockets(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    const char *key;
    char why[CONTROL_MAX_ERROR];
    if (config->control.path && !control_check(&config->control, &key, why)) {
        config_fault(config, ret_error, key, "%s", why);
        return ERR_CONFIG;
    }
    int result = check_http(config, "metrics", config->metrics, ret_error);
    if (result == 0)
        result = check_http(config, "webhook", config->webhook, ret_error);
    return result < 0 ? result : check_listen(config, ret_error);
}

int check_origin_machine(const struct config *config, struct keyring *ret_keyring,
                         char ret_error[CONFIG_MAX_ERROR])
{
    struct keyring keyring;
    int result = keyring_read(config, &keyring, ret_error);
    if (result < 0)
        return result;
    result = check_names(config, &keyring, ret_error);
    if (result == 0)
        result = check_properties(config, ret_error);
    if (result == 0)
        result = primaries_check(config, &keyring, ret_error);
    if (result == 0)
        result = check_user(config, ret_error);
    if (result == 0)
        *ret_keyring = keyring;
    else
        keyring_clear(&keyring);
    return result;
}
