/* Any bytes behind a question mark: a value within its room, or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *query = malloc(size + 1), value[32];
    if (!query)
        return 0;
    memcpy(query, data, size);
    query[size] = '\0';
    if (http_query_find(query, "name", value, sizeof value) && strlen(value) >= sizeof value)
        abort();
    free(query);
    return 0;
}
