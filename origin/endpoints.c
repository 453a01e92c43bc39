/* endpoints.c - see endpoints.h. */
#include "origin/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"

enum { MAX_RDATA = 65535, MAX_TARGET = 4 * MAX_RDATA, MAX_TTL = 0x7fffffff };

/* ---- a zone's ---- */

/* Its RDATA is given as it is; of the others, external-dns wants no final dot. */
static bool keeps_dot(uint16_t type)
{
    return type == TYPE_TXT || type == TYPE_SRV || type == TYPE_NAPTR;
}

static bool is_known(uint16_t type)
{
    static const uint16_t known[] = {TYPE_A,   TYPE_AAAA, TYPE_CNAME, TYPE_TXT,  TYPE_NS,
                                     TYPE_PTR, TYPE_MX,   TYPE_SRV,   TYPE_NAPTR};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i] == type)
            return true;
    }
    return false;
}

static void strip_dot(char *text)
{
    const size_t size = strlen(text);
    if (size > 1 && text[size - 1] == '.')
        text[size - 1] = 0;
}

static json_t *targets_of(const struct zone_rrset *rrset)
{
    json_t *targets = json_array();
    char *text = malloc(MAX_TARGET);
    for (size_t k = 0; text && k < rrset->count; k++) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        if (rdata_to_text(rrset->type, rdata.bytes, rdata.size, text, MAX_TARGET) < 0)
            continue;
        if (!keeps_dot(rrset->type))
            strip_dot(text);
        json_array_append_new(targets, json_string(text));
    }
    free(text);
    return targets;
}

static bool list_one(void *arg, const struct zone_rrset *rrset)
{
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
    if (!is_known(rrset->type))
        return true;
    name_to_text(rrset->owner, name);
    strip_dot(name);
    return json_array_append_new(arg, json_pack("{s:s, s:s, s:I, s:o}", "dnsName", name,
                                                "recordType", type_to_text(rrset->type, type),
                                                "recordTTL", (json_int_t)rrset->ttl, "targets",
                                                targets_of(rrset))) == 0;
}

int endpoints_list(const struct zone_state *state, json_t *array)
{
    return zone_each(state, list_one, array) ? 0 : ERR_MEMORY;
}

/* ---- wishes ---- */

void endpoints_adjust(json_t *endpoints)
{
    size_t k;
    json_t *endpoint;
    json_array_foreach(endpoints, k, endpoint)
    {
        json_object_del(endpoint, "setIdentifier");
        json_object_del(endpoint, "providerSpecific");
    }
}

static const char *text_at(const json_t *endpoint, const char *key)
{
    const char *text = json_string_value(json_object_get(endpoint, key));
    return text ? text : "";
}

static int complain(const json_t *endpoint, const char *what, const char *of, char *error)
{
    snprintf(error, ENDPOINT_MAX_ERROR, "%.100s %.10s: %s%s%.80s", text_at(endpoint, "dnsName"),
             text_at(endpoint, "recordType"), what, *of ? ": " : "", of);
    return ERR_FORMAT;
}

int endpoint_name(const json_t *endpoint, uint8_t ret_name[NAME_MAX_SIZE],
                  char ret_error[ENDPOINT_MAX_ERROR])
{
    int size = name_from_text(text_at(endpoint, "dnsName"), ret_name);
    if (size < 0)
        return complain(endpoint, "dnsName is no name", "", ret_error);
    name_lower(ret_name, (size_t)size, ret_name);
    return 0;
}

/* Name and type. */
static int read_key(const json_t *endpoint, uint8_t name[NAME_MAX_SIZE], uint16_t *ret_type,
                    char error[ENDPOINT_MAX_ERROR])
{
    const int type = type_from_text(text_at(endpoint, "recordType"));
    if (type < 0 || type_is_meta((uint16_t)type))
        return complain(endpoint, "recordType is no type of records", "", error);
    if (*text_at(endpoint, "setIdentifier"))
        return complain(endpoint, "has a setIdentifier, which nothing here goes by", "", error);
    *ret_type = (uint16_t)type;
    return endpoint_name(endpoint, name, error);
}

static void write_head(struct wire_writer *out, const uint8_t *name, uint16_t type, uint16_t class,
                       uint32_t ttl)
{
    wire_write(out, name, name_size(name));
    wire_write_u16(out, type);
    wire_write_u16(out, class);
    wire_write_u32(out, ttl);
}

int endpoint_remove(const json_t *endpoint, struct wire_writer *out, uint16_t *count,
                    char ret_error[ENDPOINT_MAX_ERROR])
{
    uint8_t name[NAME_MAX_SIZE];
    uint16_t type;
    int error = read_key(endpoint, name, &type, ret_error);
    if (error < 0)
        return error;
    write_head(out, name, type, CLASS_ANY, 0); /* RFC 2136 2.5.2: an RRset */
    wire_write_u16(out, 0);
    ++*count;
    return out->failed ? ERR_SPACE : 0;
}

/* A text without quotation marks is one string of a TXT record. */
static const char *quoted(const char *target, char room[2 * 255 + 3])
{
    char *at = room;
    if (*target == '"' || strlen(target) > 255)
        return target;
    *at++ = '"';
    for (; *target; target++) {
        if (*target == '"' || *target == '\\')
            *at++ = '\\';
        *at++ = *target;
    }
    strcpy(at, "\"");
    return room;
}

static int add_target(const json_t *endpoint, const char *target, uint16_t type,
                      struct wire_writer *out, char error[ENDPOINT_MAX_ERROR])
{
    char room[2 * 255 + 3];
    static uint8_t rdata[MAX_RDATA];
    int size = rdata_from_text(type, type == TYPE_TXT ? quoted(target, room) : target, rdata,
                               sizeof rdata);
    if (size < 0)
        return complain(endpoint, "a target is none of this type", target, error);
    wire_write_u16(out, (uint16_t)size);
    wire_write(out, rdata, (size_t)size);
    return out->failed ? ERR_SPACE : 0;
}

int endpoint_add(const json_t *endpoint, struct wire_writer *out, uint16_t *count,
                 char ret_error[ENDPOINT_MAX_ERROR])
{
    uint8_t name[NAME_MAX_SIZE];
    uint16_t type;
    size_t k;
    json_t *target;
    const json_t *targets = json_object_get(endpoint, "targets");
    json_int_t ttl = json_integer_value(json_object_get(endpoint, "recordTTL"));
    int error = read_key(endpoint, name, &type, ret_error);
    if (error == 0 && (ttl < 0 || ttl > MAX_TTL))
        error = complain(endpoint, "recordTTL is no TTL", "", ret_error);
    if (error == 0 && json_array_size(targets) == 0)
        error = complain(endpoint, "has no targets", "", ret_error);
    if (error < 0)
        return error;
    json_array_foreach(targets, k, target)
    {
        const char *text = json_string_value(target);
        write_head(out, name, type, CLASS_IN, ttl ? (uint32_t)ttl : ENDPOINT_TTL);
        error = add_target(endpoint, text ? text : "", type, out, ret_error);
        if (error < 0)
            return error;
        ++*count;
    }
    return 0;
}
