#include "resolver/daemon/brokers.h"

#include <arpa/inet.h>
#include <string.h>

#include "cache/view.h"
#include "resolver/daemon/tier.h"
#include "resolver/daemon/worker.h"
#include "resolver/net/clock.h"

enum { MAX_HOST = 256 };

static bool is_address(const char *host)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
}

static void name_of(const char *broker, size_t length, void (*found)(void *, const uint8_t *),
                    void *arg)
{
    char host[MAX_HOST];
    uint8_t name[NAME_MAX_SIZE];
    const char *scheme = memmem(broker, length, "://", 3);
    const char *first = scheme ? scheme + 3 : broker;
    while (*first == ' ')
        first++;
    length -= (size_t)(first - broker);
    size_t size = first[0] == '[' ? 0 : strcspn(first, ":,");
    if (size == 0 || size > length || size >= sizeof host)
        return;
    memcpy(host, first, size);
    host[size] = '\0';
    int bytes = is_address(host) ? -1 : name_from_text(host, name);
    if (bytes < 0)
        return;
    name_lower(name, (size_t)bytes, name);
    found(arg, name);
}

void brokers_names(const char *list, void (*found)(void *arg, const uint8_t *name), void *arg)
{
    for (size_t length; *list; list += length + (list[length] == ',')) {
        length = strcspn(list, ",");
        name_of(list, length, found, arg);
    }
}

struct looking {
    const struct brokers_caches *caches;
    size_t count;
};

static void held(void *arg, const struct view *view)
{
    (void)view;
    *(bool *)arg = true;
}

static void look_at(struct looking *looking, size_t tier_index, const uint8_t *name, uint16_t type)
{
    const struct brokers_caches *caches = looking->caches;
    struct store *store = caches->tiers[tier_index]->store;
    for (int bits = 0; bits < KEY_VARIANTS; bits++) {
        struct answer_key key;
        bool is_held = false;
        store_key_variant(store, name, type, bits, &key);
        (void)view_entry(store, &key, mono_now(), held, &is_held);
        if (!is_held)
            continue;
        worker_warm(caches->workers[key.hash % caches->worker_count], tier_index, &key);
        looking->count++;
    }
}

static void look_past(void *arg, const uint8_t *name)
{
    struct looking *looking = arg;
    for (size_t i = 0; i < looking->caches->tier_count; i++) {
        if (looking->caches->tiers[i]->per_client)
            continue; /* no client of these is a program of this machine */
        look_at(looking, i, name, TYPE_A);
        look_at(looking, i, name, TYPE_AAAA);
    }
}

size_t brokers_look_past(const struct brokers_caches *caches, const char *list)
{
    struct looking looking = {.caches = caches};
    brokers_names(list, look_past, &looking);
    return looking.count;
}
