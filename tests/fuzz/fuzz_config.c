/* Any bytes: a config or one line that says why not, and neither leaks. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[CONFIG_MAX_ERROR] = "", key[CONFIG_MAX_ERROR];
    struct config *config = config_parse("fuzz.yaml", (const char *)data, size, error);
    if (config && config_needs_restart(config, config, key))
        abort(); /* it differs from itself */
    if (!config && (strncmp(error, "fuzz.yaml: ", 11) != 0 || strpbrk(error, "\r\n\033")))
        abort(); /* no reason, or not one line of it */
    config_free(config);
    return 0;
}
