#include "config/config.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/fault.h"
#include "config/feed_zones.h"
#include "config/file.h"
#include "config/network.h"
#include "config/options.h"
#include "config/outline.h"
#include "config/schema.h"
#include "config/spelling.h"
#include "config/streamed.h"
#include "config/value.h"

enum {
    MAX_FILE = 1 << 20, /* bytes */
    MAX_HOST = 80,      /* bytes of an address with its zone id and NUL */
};

/* ---- addresses ------------------------------------------------------------------------------ */

/* Reads a port, 1 to 65535. */
static bool parse_port(const char *text, uint16_t *ret_port)
{
    uint32_t port = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return false;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (uint32_t)(text[i] - '0');
    if (port == 0 || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Splits "HOST", "HOST:PORT", "[HOST]:PORT" or "[HOST]". `ret_port` stays when none is written. */
static bool split_address(const char *text, char host[MAX_HOST], uint16_t *ret_port)
{
    bool bracket = text[0] == '[';
    const char *first = text + (bracket ? 1 : 0);
    const char *end = bracket ? strchr(first, ']') : strchr(first, ':');
    if (bracket && !end)
        return false;
    if (!bracket && (!end || strchr(end + 1, ':')))
        end = first + strlen(first); /* without brackets two colons are an IPv6 address alone */
    const char *rest = end + (bracket ? 1 : 0);
    size_t length = (size_t)(end - first);
    if (length == 0 || length >= MAX_HOST || (bracket && !memchr(first, ':', length)))
        return false;
    memcpy(host, first, length);
    host[length] = '\0';
    return *rest == '\0' || (*rest == ':' && parse_port(rest + 1, ret_port));
}

/* A link-local address of an interface that is not there now: its scope is 0. */
static bool parse_without_zone(const char *host, uint16_t port, struct sockaddr_storage *ret_addr,
                               socklen_t *ret_size)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char text[MAX_HOST];
    size_t length = strcspn(host, "%");
    if (!host[length] || !host[length + 1])
        return false;
    memcpy(text, host, length);
    text[length] = '\0';
    if (inet_pton(AF_INET6, text, &addr.sin6_addr) != 1 || !IN6_IS_ADDR_LINKLOCAL(&addr.sin6_addr))
        return false;
    memset(ret_addr, 0, sizeof(*ret_addr));
    memcpy(ret_addr, &addr, sizeof(addr));
    *ret_size = sizeof(addr);
    return true;
}

/* getaddrinfo() knows zone ids ("fe80::1%eth0"); inet_pton() does not. */
static bool parse_ipv6(const char *host, uint16_t port, struct sockaddr_storage *ret_addr,
                       socklen_t *ret_size)
{
    const struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return parse_without_zone(host, port, ret_addr, ret_size);
    struct sockaddr_in6 addr;
    memcpy(&addr, found->ai_addr, sizeof(addr));
    freeaddrinfo(found);
    addr.sin6_port = htons(port);
    memset(ret_addr, 0, sizeof(*ret_addr));
    memcpy(ret_addr, &addr, sizeof(addr));
    *ret_size = sizeof(addr);
    return true;
}

/* Four decimal numbers, nothing else: inet_aton()'s "127.1" and "53" are most likely mistakes. */
static bool parse_ipv4(const char *host, uint16_t port, struct sockaddr_storage *ret_addr,
                       socklen_t *ret_size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return false;
    memset(ret_addr, 0, sizeof(*ret_addr));
    memcpy(ret_addr, &addr, sizeof(addr));
    *ret_size = sizeof(addr);
    return true;
}

bool config_parse_address(const char *text, uint16_t default_port,
                          struct sockaddr_storage *ret_addr, socklen_t *ret_size)
{
    char host[MAX_HOST];
    uint16_t port = default_port;
    if (!split_address(text, host, &port))
        return false;
    return strchr(host, ':') ? parse_ipv6(host, port, ret_addr, ret_size)
                             : parse_ipv4(host, port, ret_addr, ret_size);
}

bool config_parse_network(const char *text, struct config_network *ret_network)
{
    struct config_network network;
    if (network_parse(text, &network) != NETWORK_OK)
        return false;
    *ret_network = network;
    return true;
}

/* ---- the mappings of the table --------------------------------------------------------------- */

/*
 * build(), free_fields() and find_difference() follow the table from a mapping into those within
 * it, and call themselves for them. The table bounds that (top, tier, upstream, link), not the input.
 */

static void *get_pointer(const struct option *option, const void *base)
{
    void *pointer;
    memcpy(&pointer, (const char *)base + option->field, sizeof(pointer));
    return pointer;
}

static void set_pointer(const struct option *option, void *base, void *pointer)
{
    memcpy((char *)base + option->field, &pointer, sizeof(pointer));
}

/* The structures behind a mapping's row: where they start, how many, how far apart. */
struct inner {
    char *base; /* NULL: one left out */
    size_t count;
    size_t stride;
};

/* Bytes of one structure behind a mapping's row, where it is allocated. */
static size_t inner_size(const struct option *option)
{
    switch (option->kind) {
    case OPTION_FEED:
        return sizeof(struct config_feed);
    case OPTION_LINK:
        return sizeof(struct config_link);
    case OPTION_TIERS:
        return sizeof(struct config_tier);
    case OPTION_ORIGIN_ZONES:
        return sizeof(struct config_origin_zone);
    default:
        return sizeof(struct config_zone);
    }
}

static struct inner inner_of(const struct option *option, const void *base)
{
    switch (option->kind) {
    case OPTION_FEED:
    case OPTION_LINK: {
        char *one = get_pointer(option, base);
        return (struct inner){one, one ? 1 : 0, 0};
    }
    case OPTION_TIERS:
    case OPTION_TIER_ZONES:
    case OPTION_ORIGIN_ZONES: {
        const size_t *count = (const size_t *)((const char *)base + option->count);
        return (struct inner){get_pointer(option, base), *count, inner_size(option)};
    }
    default:
        return (struct inner){(char *)base + option->field, 1, 0};
    }
}

static bool is_mapping(const struct option *option)
{
    return option_shape(option->kind) >= SHAPE_MAPPING;
}

/* ---- building ------------------------------------------------------------------------------- */

/* One mapping of the file and the structure it goes to. */
struct part {
    enum option_scope scope;
    const char *prefix;              /* of its keys: "tiers[0].cache." */
    const struct schema_slot *slots; /* NULL: not in the file, every option has its default */
    void *base;
};

static bool build(const struct part *part, struct fault *fault);

/* Makes room for what stands in `slot`: one feed or link, or so many tiers or zones. */
static bool allocate_inner(const struct option *option, const struct schema_slot *slot, void *base)
{
    bool list = option_shape(option->kind) == SHAPE_MAPPINGS;
    size_t count = list ? slot->count : 1;
    if (!slot->data || option->kind == OPTION_MAPPING)
        return true;
    void *inner = calloc(count, inner_size(option));
    if (!inner)
        return false;
    set_pointer(option, base, inner);
    if (list)
        *(size_t *)((char *)base + option->count) = count;
    return true;
}

static bool build_inner(const struct option *option, const struct schema_slot *slot,
                        const char *key, void *base, struct fault *fault)
{
    size_t columns;
    options_of(option->inner, &columns);
    if (!allocate_inner(option, slot, base))
        return fault_memory(fault);
    const struct inner inner = inner_of(option, base);
    for (size_t i = 0; i < inner.count; i++) {
        char prefix[FAULT_MAX_KEY];
        const struct schema_slot *slots = slot->data;
        if (option_shape(option->kind) == SHAPE_MAPPINGS)
            fault_key(prefix, "%s[%zu].", key, i);
        else
            fault_key(prefix, "%s.", key);
        const struct part part = {option->inner, prefix, slots ? slots + i * columns : NULL,
                                  inner.base + i * inner.stride};
        if (!build(&part, fault))
            return false;
    }
    return true;
}

/* Fills the structure of one mapping; when that fails it is half-built. */
static bool build(const struct part *part, struct fault *fault)
{
    static const struct schema_slot absent;
    size_t count;
    const struct option *rows = options_of(part->scope, &count);
    for (size_t i = 0; i < count; i++) {
        char key[FAULT_MAX_KEY];
        const struct schema_slot *slot = part->slots ? &part->slots[i] : &absent;
        fault_key(key, "%s%s", part->prefix, rows[i].key);
        bool good = is_mapping(&rows[i]) ? build_inner(&rows[i], slot, key, part->base, fault)
                                         : value_parse(&rows[i], slot, key, part->base, fault);
        if (!good)
            return false;
    }
    return true;
}

static void free_fields(enum option_scope scope, void *base)
{
    size_t count;
    const struct option *rows = options_of(scope, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_mapping(&rows[i])) {
            value_free(&rows[i], base);
            continue;
        }
        const struct inner inner = inner_of(&rows[i], base);
        for (size_t j = 0; j < inner.count; j++)
            free_fields(rows[i].inner, inner.base + j * inner.stride);
        if (rows[i].kind != OPTION_MAPPING)
            free(inner.base);
    }
}

/* Of the files that zones of tiers and of an origin name. */
static bool read_names(struct config *config, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    bool good = true;
    for (size_t i = 0; good && i < config->tier_count; i++)
        for (size_t k = 0; good && k < config->tiers[i].zone_count; k++) {
            struct config_zone *zone = &config->tiers[i].zones[k];
            fault_key(key, "tiers[%zu].routes[%zu].name", i, k);
            good = feed_zones_read_file(key, zone->name, &zone->names, &zone->name_count, fault);
        }
    for (size_t k = 0; good && k < config->origin_zone_count; k++) {
        struct config_origin_zone *zone = &config->origin_zones[k];
        fault_key(key, "zones[%zu].name", k);
        good = feed_zones_read_file(key, zone->name, &zone->names, &zone->name_count, fault);
    }
    return good;
}

static void free_names(struct config *config)
{
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].zone_count; k++)
            feed_zones_free(config->tiers[i].zones[k].names, config->tiers[i].zones[k].name_count);
    for (size_t k = 0; k < config->origin_zone_count; k++)
        feed_zones_free(config->origin_zones[k].names, config->origin_zones[k].name_count);
}

static enum option_scope top_of(bool is_origin)
{
    return is_origin ? SCOPE_ORIGIN : SCOPE_TOP;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free_names(config);
    free_fields(top_of(config->is_origin), config);
    free(config->path);
    free(config->source);
    free(config);
}

/* A text that passed outline_check(). */
struct source {
    const char *text;
    size_t size;
};

/* Where a key stands, or what is nearest around it in the file: a default stands nowhere. */
static unsigned line_of(const void *arg, const char *key)
{
    const struct source *source = arg;
    struct outline_place place = {.line = 0};
    char path[FAULT_MAX_KEY];
    fault_key(path, "%s", key);
    for (size_t end = strlen(path); !outline_find(source->text, source->size, path, &place);) {
        while (end > 0 && path[end] != '.' && path[end] != '[')
            end--;
        if (end == 0)
            return 0;
        path[end] = '\0';
    }
    return place.line;
}

void config_fault(const struct config *config, char ret_error[CONFIG_MAX_ERROR], const char *key,
                  const char *format, ...)
{
    const struct source source = {config->source, config->source_size};
    struct fault fault = {
        .file = config->path, .text = ret_error, .line_of = line_of, .line_arg = &source};
    va_list args;
    va_start(args, format);
    fault_set_list(&fault, key, format, args);
    va_end(args);
}

static bool keep_source(struct config *config, const char *path, const struct source *source)
{
    config->path = strdup(path);
    config->source = malloc(source->size + 1);
    if (!config->path || !config->source)
        return false;
    memcpy(config->source, source->text, source->size);
    config->source[source->size] = '\0';
    config->source_size = source->size;
    return true;
}

static struct config *build_config(const struct schema_document *document, bool is_origin,
                                   struct fault *fault)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config || !keep_source(config, fault->file, fault->line_arg)) {
        fault_memory(fault);
        config_free(config);
        return NULL;
    }
    config->is_origin = is_origin;
    const struct part top = {top_of(is_origin), "", schema_top(document), config};
    if (build(&top, fault) &&
        (is_origin || !config->feed || feed_zones_read(config->feed, fault)) &&
        read_names(config, fault) &&
        (is_origin ? check_origin(config, fault) : check_config(config, fault)))
        return config;
    config_free(config);
    return NULL;
}

static void refuse_size(struct fault *fault)
{
    fault_set(fault, NULL, "is larger than 1 MiB; expected a configuration");
}

/* Whose file it is meant to be. */
enum whose { OF_FRESHETD, OF_ORIGIN, OF_EITHER };

static bool is_of_origin(const char *text, size_t size, enum whose whose)
{
    struct outline_place ignored;
    return whose == OF_ORIGIN ||
           (whose == OF_EITHER && outline_find(text, size, "zones", &ignored));
}

/* A text in the table's own spelling, with the lines it had. */
static struct config *parse_settled(const struct source *source, bool is_origin,
                                    struct fault *fault)
{
    if (!outline_check(source->text, source->size, fault)) /* the same key by two names, for one */
        return NULL;
    struct schema_document *document =
        schema_load(source->text, source->size, top_of(is_origin), fault);
    if (!document)
        return NULL;
    fault->line_of = line_of;
    fault->line_arg = source;
    struct config *config = build_config(document, is_origin, fault);
    schema_free(document);
    return config;
}

static struct config *parse_outlined(const char *text, size_t size, bool is_origin,
                                     struct fault *fault)
{
    char note_text[CONFIG_MAX_ERROR] = "";
    struct fault note = {.file = fault->file, .text = note_text};
    struct spelling spelling;
    if (!spelling_settle(text, size, top_of(is_origin), fault, &note, &spelling))
        return NULL;
    const struct source source = {spelling.text, spelling.size};
    struct config *config = parse_settled(&source, is_origin, fault);
    if (config)
        memcpy(config->note, note_text, sizeof config->note);
    free(spelling.text);
    return config;
}

static struct config *parse(const char *path, struct source source, enum whose whose,
                            char ret_error[CONFIG_MAX_ERROR])
{
    const char *text = source.text;
    size_t size = source.size;
    struct fault fault = {.file = path, .text = ret_error};
    if (size == 0) {
        fault_set(&fault, NULL, "is empty; expected a mapping");
        return NULL;
    }
    if (size > MAX_FILE) {
        refuse_size(&fault);
        return NULL;
    }
    if (size > 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* a byte order mark says nothing in UTF-8 (RFC 3629 6) */
        size -= 3;
    }
    if (!outline_check(text, size, &fault))
        return NULL;
    return parse_outlined(text, size, is_of_origin(text, size, whose), &fault);
}

struct config *config_parse(const char *path, const char *text, size_t size,
                            char ret_error[CONFIG_MAX_ERROR])
{
    return parse(path, (struct source){text, size}, OF_FRESHETD, ret_error);
}

struct config *config_parse_origin(const char *path, const char *text, size_t size,
                                   char ret_error[CONFIG_MAX_ERROR])
{
    return parse(path, (struct source){text, size}, OF_ORIGIN, ret_error);
}

/* ---- loading -------------------------------------------------------------------------------- */

static struct config *load(const char *path, enum whose whose, char ret_error[CONFIG_MAX_ERROR])
{
    struct fault fault = {.file = path, .text = ret_error};
    char *text;
    size_t size;
    enum file_result result = file_read(path, MAX_FILE, &text, &size);
    if (result == FILE_LARGE)
        refuse_size(&fault);
    else if (result != FILE_OK)
        fault_set(&fault, NULL, "%s", file_result_text(result));
    if (result != FILE_OK)
        return NULL;
    struct config *config = parse(path, (struct source){text, size}, whose, ret_error);
    free(text);
    return config;
}

struct config *config_load(const char *path, char ret_error[CONFIG_MAX_ERROR])
{
    return load(path, OF_FRESHETD, ret_error);
}

struct config *config_load_origin(const char *path, char ret_error[CONFIG_MAX_ERROR])
{
    return load(path, OF_ORIGIN, ret_error);
}

struct config *config_load_either(const char *path, char ret_error[CONFIG_MAX_ERROR])
{
    return load(path, OF_EITHER, ret_error);
}

/* ---- reloading ------------------------------------------------------------------------------ */

/* Two structures of the same scope. */
struct pair {
    enum option_scope scope;
    const char *prefix;
    const void *running;
    const void *wanted;
};

static bool find_difference(const struct pair *pair, char ret_key[CONFIG_MAX_ERROR]);

/* As find_difference(), for the mappings behind one row. `key` is the row's path. */
static bool find_inner_difference(const struct option *option, const char *key,
                                  const struct pair *pair, char ret_key[CONFIG_MAX_ERROR])
{
    const struct inner running = inner_of(option, pair->running);
    const struct inner wanted = inner_of(option, pair->wanted);
    if (option->reload == OPTION_RELOAD)
        return false;
    if (running.count != wanted.count) {
        snprintf(ret_key, CONFIG_MAX_ERROR, "%s", key);
        return true;
    }
    for (size_t i = 0; i < running.count; i++) {
        char prefix[FAULT_MAX_KEY];
        const char *base = running.base + i * running.stride;
        if (option->kind == OPTION_TIERS)
            fault_key(prefix, "%s[%s].", key, ((const struct config_tier *)base)->name);
        else
            fault_key(prefix, "%s.", key);
        const struct pair inner = {option->inner, prefix, base, wanted.base + i * wanted.stride};
        if (find_difference(&inner, ret_key))
            return true;
    }
    return false;
}

static bool find_difference(const struct pair *pair, char ret_key[CONFIG_MAX_ERROR])
{
    size_t count;
    const struct option *rows = options_of(pair->scope, &count);
    for (size_t i = 0; i < count; i++) {
        char key[FAULT_MAX_KEY];
        fault_key(key, "%s%s", pair->prefix, rows[i].key);
        if (is_mapping(&rows[i])) {
            if (find_inner_difference(&rows[i], key, pair, ret_key))
                return true;
        } else if (rows[i].reload == OPTION_RESTART &&
                   !value_equal(&rows[i], pair->running, pair->wanted)) {
            snprintf(ret_key, CONFIG_MAX_ERROR, "%s", key);
            return true;
        }
    }
    return false;
}

bool config_needs_restart(const struct config *running, const struct config *wanted,
                          char ret_key[CONFIG_MAX_ERROR])
{
    const struct pair top = {top_of(running->is_origin), "", running, wanted};
    return find_difference(&top, ret_key) || streamed_differ(running, wanted, ret_key);
}
