#include "resolver/answer/route.h"

#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>

#include "dns/type.h"

struct route {
    UT_hash_handle hh;
    struct source *source;
    uint8_t zone[NAME_MAX_SIZE];
};

struct routes {
    struct source *rest;
    struct route *table;
};

struct routes *routes_new(struct source *rest)
{
    struct routes *routes = calloc(1, sizeof *routes);
    if (!routes) {
        source_unref(rest);
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
        source_unref(route->source);
        free(route);
    }
    source_unref(routes->rest);
    free(routes);
}

int routes_add(struct routes *routes, const uint8_t *zone, struct source *source)
{
    size_t size = name_size(zone);
    struct route *route = calloc(1, sizeof *route);
    if (!route) {
        source_unref(source);
        return ERR_MEMORY;
    }
    route->source = source;
    memcpy(route->zone, zone, size);
    HASH_ADD_KEYPTR(hh, routes->table, route->zone, size, route);
    if (route->hh.tbl)
        return ERR_OK;
    source_unref(source);
    free(route);
    return ERR_MEMORY;
}

bool routes_differ(const struct routes *routes)
{
    return routes->table != NULL;
}

struct source *routes_find(const struct routes *routes, const uint8_t *name)
{
    return routes_find_for(routes, name, TYPE_A);
}

struct source *routes_find_for(const struct routes *routes, const uint8_t *name, uint16_t type)
{
    uint8_t canonical[NAME_MAX_SIZE];
    struct route *route = NULL;
    if (!routes->table)
        return routes->rest;
    size_t size = name_size(name);
    name_lower(name, size, canonical);
    const uint8_t *at = type == TYPE_DS ? name_parent(canonical) : canonical;
    for (; at && !route; at = name_parent(at))
        HASH_FIND(hh, routes->table, at, size - (size_t)(at - canonical), route);
    return route ? route->source : routes->rest;
}
