#include "config/value.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/network.h"
#include "config/feed_zones.h"
#include "config/zone_name.h"

enum {
    DNS_PORT = 53,
    MAX_RANGE = 2 * UNITS_MAX_TEXT + 16, /* bytes of option_range() */
    MAX_ENTRY = 4096,                    /* bytes of a text in a list */
    MAX_BROKER = 300,                    /* bytes with the NUL */
};

/* One text on its way into one field. */
struct input {
    const struct option *option;
    const char *text;
    const char *key;
    struct fault *fault;
};

/* Refuses the input: `"TEXT" WHAT; expected EXPECTED`. Always false. */
static bool refuse(const struct input *input, const char *what, const char *expected)
{
    char quote[FAULT_MAX_QUOTE];
    return fault_set(input->fault, input->key, "%s %s; expected %s",
                     fault_quote(input->text, quote), what, expected);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static bool refuse_range(const struct input *input)
{
    char range[MAX_RANGE], expected[128];
    option_range(input->option, range, sizeof(range));
    const char *limit = input->option->limit;
    snprintf(expected, sizeof(expected), "%s%s%s", range, limit ? ": " : "", limit ? limit : "");
    return refuse(input, "is out of range", expected);
}

static bool refuse_number(const struct input *input, enum units_result result)
{
    const struct units *units = option_units(input->option->kind);
    char what[64], range[MAX_RANGE];
    if (result == UNITS_OVERFLOW)
        return refuse_range(input);
    if (result == UNITS_MISSING)
        return refuse(input, "has no unit", units->expected);
    snprintf(what, sizeof(what), "is not %s", units->what);
    option_range(input->option, range, sizeof(range));
    return refuse(input, what, units->expected ? units->expected : range);
}

static void store_number(const struct option *option, uint64_t value, void *base)
{
    char *field = (char *)base + option->field;
    if (option->width == sizeof(uint32_t)) {
        uint32_t narrow = (uint32_t)value; /* the table's range fits the field: test_config.c */
        memcpy(field, &narrow, sizeof(narrow));
    } else {
        memcpy(field, &value, sizeof(value));
    }
}

static bool parse_number(const struct input *input, void *base)
{
    const struct option *option = input->option;
    uint64_t value;
    enum units_result result = units_parse(option_units(option->kind), input->text, &value);
    if (result != UNITS_OK)
        return refuse_number(input, result);
    if (value < option->min || value > option->max)
        return refuse_range(input);
    if (option->kind == OPTION_SECONDS) {
        if (value % 1000 != 0)
            return refuse(input, "is not a whole number of seconds",
                          "a number with s, m, h, d or w");
        value /= 1000;
    }
    store_number(option, value, base);
    return true;
}

static bool parse_bool(const struct input *input, void *base)
{
    bool value = strcmp(input->text, "true") == 0;
    if (!value && strcmp(input->text, "false") != 0)
        return refuse(input, "is not a boolean", "true or false");
    memcpy((char *)base + input->option->field, &value, sizeof(value));
    return true;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool check_length(const struct input *input)
{
    size_t length = strlen(input->text);
    if (length == 0)
        return refuse(input, "is empty", "a text");
    return length > input->option->max ? refuse_range(input) : true;
}

/* A text of a list; the option's range counts the list's entries. */
static bool check_entry(const struct input *input)
{
    size_t length = strlen(input->text);
    if (length > 0 && length <= MAX_ENTRY)
        return true;
    return refuse(input, length == 0 ? "is empty" : "is too long", "1 to 4096 bytes");
}

static bool check_tier_name(const struct input *input)
{
    static const char expected[] = "1 to 63 of a-z, 0-9, _ and -";
    size_t length = strlen(input->text);
    if (length < input->option->min || length > input->option->max ||
        strspn(input->text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != length)
        return refuse(input, "is not a tier's name", expected);
    return true;
}

/* As Kafka checks topic names (org.apache.kafka.common.internals.Topic). */
static bool check_topic(const struct input *input)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(input->text);
    if (length < input->option->min || length > input->option->max ||
        strspn(input->text, allowed) != length || strcmp(input->text, ".") == 0 ||
        strcmp(input->text, "..") == 0)
        return refuse(input, "is not a Kafka topic", "1 to 249 of a-z, A-Z, 0-9, ., _ and -");
    return true;
}

static bool check_log_level(const struct input *input)
{
    for (size_t i = 0; option_log_levels[i]; i++)
        if (strcmp(option_log_levels[i], input->text) == 0)
            return true;
    return refuse(input, "is not a log level", "error, warning, info or debug");
}

/* "none, questions or clients" */
static bool check_word(const struct input *input)
{
    char expected[128] = "";
    size_t used = 0;
    const char *const *words = input->option->words;
    for (size_t i = 0; words[i]; i++) {
        const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        if (strcmp(words[i], input->text) == 0)
            return true;
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", before, words[i]);
    }
    return refuse(input, "is not known", expected);
}

static bool check_zone(const struct input *input)
{
    const char *what, *expected;
    return zone_name_is_zone(input->text, &what, &expected) || refuse(input, what, expected);
}

/* What cannot be read as a property may be a secret that lost its name: it is not shown. */
static bool check_property(const struct input *input)
{
    const char *text = input->text;
    size_t length = strcspn(text, "=");
    if (length == 0 || text[length] != '=')
        return fault_set(input->fault, input->key, "is not a property; expected property=value");
    for (size_t i = 0; option_own_properties[i]; i++)
        if (strlen(option_own_properties[i]) == length &&
            memcmp(option_own_properties[i], text, length) == 0)
            return fault_set(
                input->fault, input->key,
                "\"%s\" is a property that freshet sets itself and relies on; expected "
                "another",
                option_own_properties[i]);
    return true;
}

/* ---- brokers --------------------------------------------------------------------------------- */

#define BROKER_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[:%"

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && !text[digits] && atoi(text) > 0 && atoi(text) <= UINT16_MAX;
}

/* "host", "host:9092", "[::1]:9092"; and before it, if librdkafka's way is wanted, "ssl://". */
static bool is_broker(const char *text, size_t length)
{
    char broker[MAX_BROKER];
    if (length == 0 || length >= sizeof broker)
        return false;
    memcpy(broker, text, length);
    broker[length] = '\0';
    char *scheme = strstr(broker, "://");
    char *host = scheme ? scheme + 3 : broker;
    char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    if (host[0] == '[' && !end)
        return false;
    const char *port = end ? end + (*end == ']') : "";
    size_t size = end ? (size_t)(end - host) : strlen(host);
    if (size <= (host[0] == '[') || strspn(host, BROKER_CHARACTERS) < size)
        return false;
    return port[0] == '\0' || (port[0] == ':' && is_port(port + 1));
}

/* The one of them that is none. */
static bool refuse_broker(const struct input *input, const char *text, size_t length)
{
    char broker[MAX_BROKER];
    struct input one = *input;
    snprintf(broker, sizeof broker, "%.*s", (int)(length < MAX_BROKER ? length : MAX_BROKER), text);
    one.text = broker;
    return refuse(&one, "is no broker", "host:port, or several: a list, or separated by commas");
}

static bool check_brokers(const struct input *input)
{
    const char *text = input->text;
    if (!check_length(input))
        return false;
    for (size_t length; *text; text += length + (text[length] == ',')) {
        length = strcspn(text, ",");
        if (!is_broker(text + strspn(text, " "), length - strspn(text, " ")) ||
            (text[length] == ',' && !text[length + 1]))
            return refuse_broker(input, text + strspn(text, " "), length - strspn(text, " "));
    }
    return true;
}

static bool check_text(const struct input *input)
{
    switch (input->option->kind) {
    case OPTION_TIER_NAME:
        return check_tier_name(input);
    case OPTION_TOPIC:
        return check_topic(input);
    case OPTION_LOG_LEVEL:
        return check_log_level(input);
    case OPTION_WORD:
        return check_word(input);
    case OPTION_ZONE:
    case OPTION_ZONES:
        return check_zone(input);
    case OPTION_ZONE_FILE:
    case OPTION_ZONE_LIST:
        return feed_zones_file(input->text) || check_zone(input);
    case OPTION_TEXTS:
        return check_entry(input);
    case OPTION_PROPERTIES:
        return check_property(input);
    case OPTION_BROKERS:
        return check_brokers(input);
    default:
        return check_length(input);
    }
}

static bool parse_text(const struct input *input, char **field)
{
    if (!check_text(input))
        return false;
    *field = strdup(input->text);
    return *field ? true : fault_memory(input->fault);
}

/* ---- addresses ------------------------------------------------------------------------------ */

static uint16_t port_of(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)addr)->sin_port)
                                      : ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
}

static bool is_unspecified(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

/* An address that no single host has; or one of IPv4 that is written as if it were of IPv6. */
static bool is_nobodys(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET) {
        uint32_t host = ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr);
        return IN_MULTICAST(host) || host == INADDR_BROADCAST;
    }
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;
    return IN6_IS_ADDR_MULTICAST(in6) || IN6_IS_ADDR_V4MAPPED(in6);
}

/* A link-local address is one of an interface. What is listened on, and who is asked, may get its interface later. */
static bool check_interface(const struct input *input, const struct sockaddr_storage *addr)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
    if (addr->ss_family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ||
        in6->sin6_scope_id != 0)
        return true;
    if (!strchr(input->text, '%'))
        return refuse(input, "is link-local, and says not where", "one such as fe80::1%eth0");
    if (input->option->kind == OPTION_ADDRESSES || input->option->kind == OPTION_TARGETS)
        return true;
    return refuse(input, "names an interface that is not there", "one of this machine");
}

static bool parse_address(const struct input *input, struct config_address *field)
{
    enum option_kind kind = input->option->kind;
    uint16_t port = kind == OPTION_ADDRESS ? 0 : DNS_PORT;
    if (!config_parse_address(input->text, port, &field->addr, &field->addr_size))
        return refuse(input, "is not an address",
                      "one such as 192.0.2.1:53 or [2001:db8::1]:53, no host name");
    if (port_of(&field->addr) == 0)
        return refuse(input, "has no port", "one such as 127.0.0.1:9153 or [::1]:9153");
    if (kind == OPTION_TARGETS && is_unspecified(&field->addr))
        return refuse(input, "is no server's address",
                      "one such as 192.0.2.1:53 or [2001:db8::1]:53");
    if (is_nobodys(&field->addr))
        return refuse(input, "is not an address of one host", "one such as 192.0.2.1 or ::1");
    if (!check_interface(input, &field->addr))
        return false;
    field->text = strdup(input->text);
    return field->text ? true : fault_memory(input->fault);
}

static bool parse_network(const struct input *input, struct config_network *field)
{
    char right[NETWORK_MAX_TEXT];
    switch (network_parse(input->text, field)) {
    case NETWORK_OK:
        field->text = strdup(input->text);
        return field->text ? true : fault_memory(input->fault);
    case NETWORK_HOST_BITS:
        return refuse(input, "has bits set beyond its prefix", network_format(field, right));
    default:
        return refuse(input, "is not a network",
                      "one such as 192.0.2.0/24, 2001:db8::/32 or ::1, no host name");
    }
}

/* ---- fields --------------------------------------------------------------------------------- */

/* What a field holds, whatever its rules. */
enum content { CONTENT_NUMBER, CONTENT_BOOL, CONTENT_TEXT, CONTENT_ADDRESS, CONTENT_NETWORK };

static enum content content_of(enum option_kind kind)
{
    if (option_units(kind))
        return CONTENT_NUMBER;
    switch (kind) {
    case OPTION_BOOL:
        return CONTENT_BOOL;
    case OPTION_ADDRESS:
    case OPTION_ADDRESSES:
    case OPTION_TARGETS:
        return CONTENT_ADDRESS;
    case OPTION_NETWORKS:
        return CONTENT_NETWORK;
    default:
        return CONTENT_TEXT;
    }
}

static size_t entry_size(enum option_kind kind)
{
    switch (content_of(kind)) {
    case CONTENT_ADDRESS:
        return sizeof(struct config_address);
    case CONTENT_NETWORK:
        return sizeof(struct config_network);
    default:
        return sizeof(char *);
    }
}

/* The text that an entry owns. */
static char *entry_text(enum option_kind kind, const void *entry)
{
    switch (content_of(kind)) {
    case CONTENT_ADDRESS:
        return ((const struct config_address *)entry)->text;
    case CONTENT_NETWORK:
        return ((const struct config_network *)entry)->text;
    default:
        return *(char *const *)entry;
    }
}

/* The fields behind the table's offsets. Lists and the single address are arrays on the heap. */
static char **text_field(const struct option *option, const void *base)
{
    return (char **)((char *)base + option->field);
}

static size_t *count_field(const struct option *option, const void *base)
{
    return (size_t *)((char *)base + option->count);
}

/* The field's own pointer type varies; all of them are copied as bytes. */
static char *get_array(const struct option *option, const void *base)
{
    char *array;
    memcpy(&array, (const char *)base + option->field, sizeof(array));
    return array;
}

/* Gives the field a zeroed array; false when memory ran out. */
static bool allocate_array(const struct option *option, void *base, size_t count)
{
    void *array = calloc(count, entry_size(option->kind));
    memcpy((char *)base + option->field, &array, sizeof(array));
    return array != NULL;
}

static size_t array_count(const struct option *option, const void *base)
{
    if (option_shape(option->kind) == SHAPE_LIST)
        return *count_field(option, base);
    return get_array(option, base) ? 1 : 0;
}

static void *array_entry(const struct option *option, const void *base, size_t index)
{
    return get_array(option, base) + index * entry_size(option->kind);
}

static bool parse_entry(const struct input *input, void *base, size_t index)
{
    void *entry = array_entry(input->option, base, index);
    switch (content_of(input->option->kind)) {
    case CONTENT_ADDRESS:
        return parse_address(input, entry);
    case CONTENT_NETWORK:
        return parse_network(input, entry);
    default:
        return parse_text(input, entry);
    }
}

static bool parse_list(const struct option *option, const struct schema_slot *slot, const char *key,
                       void *base, struct fault *fault)
{
    char *const *texts = slot->data;
    if (slot->count == 0)
        return true;
    if (!allocate_array(option, base, slot->count))
        return fault_memory(fault);
    *count_field(option, base) = slot->count;
    for (size_t i = 0; i < slot->count; i++) {
        char entry_key[FAULT_MAX_KEY];
        fault_key(entry_key, "%s[%zu]", key, i);
        const struct input input = {option, texts[i], entry_key, fault};
        if (!parse_entry(&input, base, i))
            return false;
    }
    return true;
}

static bool parse_one_address(const struct input *input, void *base)
{
    if (!allocate_array(input->option, base, 1))
        return fault_memory(input->fault);
    return parse_address(input, array_entry(input->option, base, 0));
}

bool value_parse(const struct option *option, const struct schema_slot *slot, const char *key,
                 void *base, struct fault *fault)
{
    if (option_shape(option->kind) == SHAPE_LIST)
        return parse_list(option, slot, key, base, fault);
    const char *text = slot->data ? slot->data : option->preset;
    const struct input input = {option, text, key, fault};
    if (!text)
        return true;
    switch (content_of(option->kind)) {
    case CONTENT_NUMBER:
        return parse_number(&input, base);
    case CONTENT_BOOL:
        return parse_bool(&input, base);
    case CONTENT_ADDRESS:
        return parse_one_address(&input, base);
    default:
        return parse_text(&input, text_field(option, base));
    }
}

/* ---- freeing and comparing ------------------------------------------------------------------ */

static bool is_array(const struct option *option)
{
    return option_shape(option->kind) == SHAPE_LIST || content_of(option->kind) == CONTENT_ADDRESS;
}

static void free_array(const struct option *option, void *base)
{
    size_t count = array_count(option, base);
    for (size_t i = 0; i < count; i++)
        free(entry_text(option->kind, array_entry(option, base, i)));
    free(get_array(option, base));
}

void value_free(const struct option *option, void *base)
{
    if (is_array(option))
        free_array(option, base);
    else if (content_of(option->kind) == CONTENT_TEXT)
        free(*text_field(option, base));
}

static bool texts_equal(const char *text, const char *other)
{
    return text && other ? strcmp(text, other) == 0 : text == other;
}

static bool addresses_equal(const struct config_address *one, const struct config_address *two)
{
    return one->addr_size == two->addr_size && memcmp(&one->addr, &two->addr, one->addr_size) == 0;
}

static bool networks_equal(const struct config_network *one, const struct config_network *two)
{
    return one->family == two->family && one->bits == two->bits &&
           memcmp(one->bytes, two->bytes, sizeof(one->bytes)) == 0;
}

/* Addresses and networks are equal however they are written. */
static bool entries_equal(enum option_kind kind, const void *entry, const void *other)
{
    switch (content_of(kind)) {
    case CONTENT_ADDRESS:
        return addresses_equal(entry, other);
    case CONTENT_NETWORK:
        return networks_equal(entry, other);
    default:
        return texts_equal(*(char *const *)entry, *(char *const *)other);
    }
}

static bool arrays_equal(const struct option *option, const void *base, const void *other)
{
    size_t count = array_count(option, base);
    if (count != array_count(option, other))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!entries_equal(option->kind, array_entry(option, base, i),
                           array_entry(option, other, i)))
            return false;
    return true;
}

bool value_equal(const struct option *option, const void *base, const void *other)
{
    if (is_array(option))
        return arrays_equal(option, base, other);
    if (content_of(option->kind) == CONTENT_TEXT)
        return texts_equal(*text_field(option, base), *text_field(option, other));
    return memcmp((const char *)base + option->field, (const char *)other + option->field,
                  option->width) == 0;
}
