#include "daemon/name_set.h"

#include <stdlib.h>
#include <uthash.h>

#include "dns/name.h"

struct name_set {
    UT_hash_handle hh;
    uint8_t name[NAME_MAX_SIZE];
};

int name_set_add(struct name_set **set, const char *text)
{
    struct name_set *added = calloc(1, sizeof *added), *before;
    if (!added)
        return ERR_MEMORY;
    const int size = name_from_text(text, added->name);
    if (size < 0) {
        free(added);
        return ERR_NAME;
    }
    name_lower(added->name, (size_t)size, added->name);
    HASH_REPLACE(hh, *set, name[0], (unsigned)size, added, before);
    free(before);
    return ERR_OK;
}

bool name_set_has(const struct name_set *set, const uint8_t *name)
{
    const struct name_set *found;
    HASH_FIND(hh, set, name, name_size(name), found);
    return found != NULL;
}

void name_set_clear(struct name_set **set)
{
    struct name_set *each, *next;
    HASH_ITER (hh, *set, each, next) {
        HASH_DEL(*set, each);
        free(each);
    }
}
