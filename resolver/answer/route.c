#include "resolver/answer/route.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct route {
    UT_hash_handle hh;
    struct upstream *upstream;
    uint8_t zone[NAME_MAX_SIZE];
};

struct routes {
    struct upstream *rest;
    struct route *table;
};

struct routes *routes_new(struct upstream *rest)
{
    struct routes *routes = calloc(1, sizeof *routes);
    if (!routes) {
        upstream_unref(rest);
        return NULL;
    }
    routes->rest = rest;
    return routes;
}

void routes_free(struct routes *routes)
{
    struct route *route, *next;
    if (!routes)
        return;
    HASH_ITER (hh, routes->table, route, next) {
        HASH_DEL(routes->table, route);
        upstream_unref(route->upstream);
        free(route);
    }
    upstream_unref(routes->rest);
    free(routes);
}

int routes_add(struct routes *routes, const uint8_t *zone, struct upstream *upstream)
{
    size_t size = name_size(zone);
    struct route *route = calloc(1, sizeof *route);
    if (!route) {
        upstream_unref(upstream);
        return ERR_MEMORY;
    }
    route->upstream = upstream;
    memcpy(route->zone, zone, size);
    HASH_ADD_KEYPTR(hh, routes->table, route->zone, size, route);
    return ERR_OK;
}

bool routes_differ(const struct routes *routes)
{
    return routes->table != NULL;
}

struct upstream *routes_find(const struct routes *routes, const uint8_t *name)
{
    uint8_t canonical[NAME_MAX_SIZE];
    struct route *route = NULL;
    if (!routes->table)
        return routes->rest;
    size_t size = name_size(name);
    name_lower(name, size, canonical);
    for (const uint8_t *at = canonical; at && !route; at = name_parent(at))
        HASH_FIND(hh, routes->table, at, size - (size_t)(at - canonical), route);
    return route ? route->upstream : routes->rest;
}
