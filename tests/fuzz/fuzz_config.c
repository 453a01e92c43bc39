/* Any bytes: a config or one line that says why not, and neither leaks. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/network.h"

/* A network that was taken, as it is printed, is taken for the same. */
static void check_networks(const struct config_tier *tier)
{
    for (size_t i = 0; i < tier->position_for_count; i++) {
        char text[NETWORK_MAX_TEXT], again[NETWORK_MAX_TEXT];
        struct config_network network;
        network_format(&tier->position_for[i], text);
        if (!config_parse_network(text, &network) ||
            strcmp(text, network_format(&network, again)) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[CONFIG_MAX_ERROR] = "", key[CONFIG_MAX_ERROR];
    struct config *config = config_parse("fuzz.yaml", (const char *)data, size, error);
    if (config && config_needs_restart(config, config, key))
        abort(); /* it differs from itself */
    if (!config && (strncmp(error, "fuzz.yaml:", 10) != 0 || strpbrk(error, "\r\n\033")))
        abort(); /* no reason, or not one line of it */
    for (size_t i = 0; config && i < config->tier_count; i++)
        check_networks(&config->tiers[i]);
    config_free(config);
    return 0;
}
