#include "resolver/daemon/warmer.h"

#include <string.h>

enum { TYPE_SVCB = 64, TYPE_HTTPS = 65 };

static const uint16_t common_types[] = {
    TYPE_A, TYPE_AAAA, TYPE_HTTPS, TYPE_SVCB, TYPE_CNAME, TYPE_MX, TYPE_TXT, TYPE_SRV, TYPE_NS,
};

static void leave_with_worker(const struct warmer *warmer, size_t tier_index,
                              const struct answer_key *key)
{
    struct worker *worker = warmer->workers[key->hash % warmer->worker_count];
    worker_warm(worker, tier_index, key);
}

static void look_at(const struct warmer *warmer, size_t tier_index, const uint8_t *name,
                    uint16_t type, struct mono now)
{
    struct store *store = warmer->tiers[tier_index]->store;
    for (int bits = 0; bits < KEY_VARIANTS; bits++) {
        struct answer_key key;
        store_key_variant(store, name, type, bits, &key);
        if (store_was_hot(store, &key, now))
            leave_with_worker(warmer, tier_index, &key);
    }
}

void warmer_evicted(void *arg, const uint8_t *name, struct mono now)
{
    const struct warmer *warmer = arg;
    for (size_t i = 0; i < warmer->tier_count; i++) {
        /* Whose fetch would it be, where each client has answers of its own? */
        if (!tier_is_warm(warmer->tiers[i]) || warmer->tiers[i]->per_client)
            continue;
        for (size_t k = 0; k < sizeof common_types / sizeof *common_types; k++)
            look_at(warmer, i, name, common_types[k], now);
    }
}
