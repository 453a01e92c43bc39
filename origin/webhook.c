/* webhook.c - see webhook.h. */
#include "origin/webhook.h"

#include <errno.h>
#include <event2/buffer.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/http.h"
#include "daemon/log.h"
#include "dns/update.h"
#include "origin/endpoints.h"
#include "origin/policy.h"

#define MEDIA_TYPE "application/external.dns.webhook+json"
static const char media_type[] = MEDIA_TYPE ";version=1";

enum { COUNT_AT = 8, BATCH_MAX = PRIMARY_MAX_BATCH_BYTES };

/* An UPDATE in the making. */
struct batch {
    struct batch *next;
    struct primary *primary;
    struct wire_writer out;
    uint16_t count;
    uint8_t bytes[BATCH_MAX];
};

/* A POST of changes. */
struct wish {
    struct wish *prev, *next;
    struct webhook *webhook;
    struct visitor *visitor; /* NULL: he has gone */
    struct batch *batches;
    size_t left; /* UPDATEs that are not answered */
    char error[ENDPOINT_MAX_ERROR];
};

struct webhook {
    struct serve *serve;
    struct http *http;
    struct wish *wishes; /* under way */
};

/* ---- answers ---- */

static struct serve_counts *counts(struct webhook *webhook)
{
    return serve_counts(webhook->serve);
}

static void answer_json(struct visitor *visitor, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    struct evbuffer *body = text ? evbuffer_new() : NULL;
    if (body && evbuffer_add(body, text, strlen(text)) == 0)
        http_answer(visitor, "200 OK", media_type, body);
    else
        http_answer(visitor, "503 Service Unavailable", "text/plain", NULL);
    if (body)
        evbuffer_free(body);
    free(text);
    json_decref(value);
}

static void refuse(struct webhook *webhook, struct visitor *visitor, const char *status,
                   const char *why)
{
    struct evbuffer *body = *why ? evbuffer_new() : NULL;
    char quoted[LOG_MAX_QUOTED];
    counts(webhook)->webhook_refused++;
    log_limited(LOG_LEVEL_WARNING, "msg=\"a webhook request is refused\" status=\"%s\" why=%s",
                status, log_quote(why, quoted));
    if (body)
        evbuffer_add_printf(body, "%s\n", why);
    http_answer(visitor, status, "text/plain", body);
    if (body)
        evbuffer_free(body);
}

/* ---- zones ---- */

/* The k-th zone of those that may be changed from here; NULL past the last one. */
static struct primary *zone_at(struct webhook *webhook, size_t k)
{
    struct primary *primary;
    for (size_t i = 0; (primary = serve_primary(webhook->serve, i)); i++) {
        if (primary_knows(primary, policy_webhook) && k-- == 0)
            return primary;
    }
    return NULL;
}

/* The innermost of them that has the name; NULL. */
static struct primary *zone_of(struct webhook *webhook, const uint8_t *name)
{
    struct primary *primary, *best = NULL;
    for (size_t k = 0; (primary = zone_at(webhook, k)); k++) {
        const uint8_t *apex = zone_apex(primary_zone(primary));
        if (name_is_within(name, apex) &&
            (!best || name_size(apex) > name_size(zone_apex(primary_zone(best)))))
            best = primary;
    }
    return best;
}

static void negotiate(struct webhook *webhook, struct visitor *visitor)
{
    char name[NAME_MAX_TEXT];
    struct primary *primary;
    json_t *names = json_array();
    for (size_t k = 0; (primary = zone_at(webhook, k)); k++) {
        name_to_text(zone_apex(primary_zone(primary)), name);
        name[strlen(name) - 1] = 0;
        json_array_append_new(names, json_string(name));
    }
    /* what the OpenAPI calls "filters", external-dns itself reads as "include" */
    answer_json(visitor, json_pack("{s:O, s:o}", "filters", names, "include", names));
}

static void list(struct webhook *webhook, struct visitor *visitor)
{
    struct primary *primary;
    json_t *endpoints = json_array();
    int error = endpoints ? 0 : ERR_MEMORY;
    for (size_t k = 0; error == 0 && (primary = zone_at(webhook, k)); k++) {
        error = ERR_NOT_FOUND;
        if (primary_is_ready(primary))
            error = endpoints_list(zone_state(primary_zone(primary)), endpoints);
    }
    if (error == 0) {
        answer_json(visitor, endpoints);
        return;
    }
    json_decref(endpoints);
    refuse(webhook, visitor, "503 Service Unavailable", "a zone is not there yet");
}

/* ---- changes ---- */

static void batch_begin(struct batch *batch, struct primary *primary)
{
    const uint8_t *apex = zone_apex(primary_zone(primary));
    batch->primary = primary;
    batch->out = wire_writer(batch->bytes, sizeof batch->bytes);
    wire_write_u16(&batch->out, 0);
    wire_write_u16(&batch->out, OPCODE_UPDATE << 11);
    wire_write_u32(&batch->out, UINT32_C(1) << 16);
    wire_write_u32(&batch->out, 0); /* how many updates: at its end */
    wire_write(&batch->out, apex, name_size(apex));
    wire_write_u16(&batch->out, TYPE_SOA);
    wire_write_u16(&batch->out, CLASS_IN);
}

static struct batch *batch_new(struct wish *wish, struct primary *primary)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch_begin(batch, primary);
    LL_APPEND(wish->batches, batch);
    return batch;
}

/* The last one of the zone. */
static struct batch *batch_of(struct wish *wish, struct primary *primary)
{
    struct batch *batch, *found = NULL;
    LL_FOREACH (wish->batches, batch) {
        if (batch->primary == primary)
            found = batch;
    }
    return found ? found : batch_new(wish, primary);
}

/* What goes and what comes in its place, either may be NULL, to a batch: all of it, or nothing. */
static int write_pair(struct batch *batch, const json_t *old, const json_t *new, char *error)
{
    const struct wire_writer out = batch->out;
    const uint16_t count = batch->count;
    int result = old ? endpoint_remove(old, &batch->out, &batch->count, error) : 0;
    if (result == 0 && new)
        result = endpoint_add(new, &batch->out, &batch->count, error);
    if (result < 0) {
        batch->out = out;
        batch->count = count;
    }
    return result;
}

static int add_pair(struct wish *wish, const json_t *old, const json_t *new)
{
    uint8_t name[NAME_MAX_SIZE];
    int result = endpoint_name(old ? old : new, name, wish->error);
    if (result < 0)
        return result;
    struct primary *primary = zone_of(wish->webhook, name);
    if (!primary) {
        snprintf(wish->error, sizeof wish->error, "%.100s is in no zone that webhook. may change",
                 json_string_value(json_object_get(old ? old : new, "dnsName")));
        return ERR_ZONE;
    }
    struct batch *batch = batch_of(wish, primary);
    result = batch ? write_pair(batch, old, new, wish->error) : ERR_MEMORY;
    if (result != ERR_SPACE)
        return result;
    batch = batch_new(wish, primary);
    result = batch ? write_pair(batch, old, new, wish->error) : ERR_MEMORY;
    if (result == ERR_SPACE)
        snprintf(wish->error, sizeof wish->error, "an endpoint fits no UPDATE");
    return result;
}

/* One after the other: what goes first makes room for what comes. */
static int add_all(struct wish *wish, const json_t *changes)
{
    const json_t *deleted = json_object_get(changes, "delete");
    const json_t *old = json_object_get(changes, "updateOld");
    const json_t *new = json_object_get(changes, "updateNew");
    const json_t *created = json_object_get(changes, "create");
    int result = 0;
    if (json_array_size(old) != json_array_size(new)) {
        snprintf(wish->error, sizeof wish->error, "updateOld and updateNew are not of one length");
        return ERR_FORMAT;
    }
    for (size_t k = 0; result == 0 && k < json_array_size(deleted); k++)
        result = add_pair(wish, json_array_get(deleted, k), NULL);
    for (size_t k = 0; result == 0 && k < json_array_size(old); k++)
        result = add_pair(wish, json_array_get(old, k), json_array_get(new, k));
    for (size_t k = 0; result == 0 && k < json_array_size(created); k++)
        result = add_pair(wish, NULL, json_array_get(created, k));
    return result;
}

static void wish_free(struct wish *wish)
{
    struct batch *batch, *next;
    LL_FOREACH_SAFE (wish->batches, batch, next) {
        free(batch);
    }
    DL_DELETE(wish->webhook->wishes, wish);
    free(wish);
}

static void wish_end(struct wish *wish)
{
    struct evbuffer *nothing = evbuffer_new();
    if (wish->visitor && *wish->error)
        refuse(wish->webhook, wish->visitor, "500 Internal Server Error", wish->error);
    else if (wish->visitor && nothing)
        http_answer(wish->visitor, "204 No Content", media_type, nothing);
    if (nothing)
        evbuffer_free(nothing);
    wish_free(wish);
}

static void on_answer(void *arg, uint16_t rcode, const char *why)
{
    struct wish *wish = arg;
    if (rcode != RCODE_NOERROR)
        snprintf(wish->error, sizeof wish->error, "RCODE %u: %s", rcode, why ? why : "");
    if (--wish->left == 0)
        wish_end(wish);
}

/* An answer may come before this is through. */
static void submit_all(struct wish *wish)
{
    struct batch *batch;
    wish->left = 1;
    LL_FOREACH (wish->batches, batch) {
        wire_put_u16(batch->bytes + COUNT_AT, batch->count);
        wish->left++;
        serve_submit(wish->webhook->serve, batch->primary,
                     &(struct primary_update){.bytes = batch->bytes,
                                              .size = batch->out.at,
                                              .key = policy_webhook,
                                              .answer = on_answer,
                                              .arg = wish});
    }
    on_answer(wish, RCODE_NOERROR, NULL);
}

static void change(struct webhook *webhook, struct visitor *visitor, const json_t *changes)
{
    struct wish *wish = calloc(1, sizeof *wish);
    if (!wish) {
        refuse(webhook, visitor, "503 Service Unavailable", error_text(ERR_MEMORY));
        return;
    }
    wish->webhook = webhook;
    wish->visitor = visitor;
    DL_APPEND(webhook->wishes, wish);
    int result = add_all(wish, changes);
    if (result == 0) {
        submit_all(wish);
        return;
    }
    if (!*wish->error)
        snprintf(wish->error, sizeof wish->error, "%s", error_text(result));
    wish_end(wish);
}

static void on_gone(void *arg, struct visitor *visitor)
{
    struct webhook *webhook = arg;
    struct wish *wish;
    DL_FOREACH (webhook->wishes, wish) {
        if (wish->visitor == visitor)
            wish->visitor = NULL;
    }
}

/* ---- requests ---- */

static void take_post(struct webhook *webhook, struct visitor *visitor,
                      const struct http_request *request)
{
    json_error_t error;
    const bool records = strcmp(request->path, "/records") == 0;
    if (strncmp(request->type, MEDIA_TYPE, sizeof MEDIA_TYPE - 1) != 0) {
        refuse(webhook, visitor, "415 Unsupported Media Type", "expected " MEDIA_TYPE);
        return;
    }
    json_t *body = json_loadb(request->body, request->size, 0, &error);
    if (!body || (records ? !json_is_object(body) : !json_is_array(body))) {
        refuse(webhook, visitor, "400 Bad Request",
               body ? "not what the protocol has" : error.text);
        json_decref(body);
        return;
    }
    if (!records) {
        endpoints_adjust(body);
        answer_json(visitor, body);
        return;
    }
    change(webhook, visitor, body);
    json_decref(body);
}

static void on_request(void *arg, struct visitor *visitor, const struct http_request *request)
{
    struct webhook *webhook = arg;
    const bool get = strcmp(request->method, "GET") == 0;
    const bool post = strcmp(request->method, "POST") == 0;
    const bool records = strcmp(request->path, "/records") == 0;
    counts(webhook)->webhook++;
    if (!get && !post)
        refuse(webhook, visitor, "405 Method Not Allowed", request->method);
    else if (post && (records || strcmp(request->path, "/adjustendpoints") == 0))
        take_post(webhook, visitor, request);
    else if (get && records)
        list(webhook, visitor);
    else if (get && strcmp(request->path, "/") == 0)
        negotiate(webhook, visitor);
    else if (get && strcmp(request->path, "/healthz") == 0)
        http_answer(visitor, "200 OK", "text/plain", NULL);
    else
        refuse(webhook, visitor, "404 Not Found", request->path);
}

struct webhook *webhook_open(struct event_base *base, const struct config_address *address,
                             struct serve *serve, char ret_error[WEBHOOK_MAX_ERROR])
{
    struct webhook *webhook = calloc(1, sizeof *webhook);
    int fd = http_listen((const struct sockaddr *)&address->addr, address->addr_size);
    if (fd < 0)
        snprintf(ret_error, WEBHOOK_MAX_ERROR, "%s: %s", address->text, strerror(errno));
    else
        snprintf(ret_error, WEBHOOK_MAX_ERROR, "out of memory");
    if (webhook && fd >= 0) {
        webhook->serve = serve;
        webhook->http = http_serve(base, fd,
                                   &(struct http_service){.name = "webhook",
                                                          .allow = "GET, POST",
                                                          .max_body = WEBHOOK_MAX_BODY,
                                                          .take = on_request,
                                                          .gone = on_gone,
                                                          .arg = webhook});
    }
    if (webhook && webhook->http)
        return webhook;
    free(webhook);
    return NULL;
}

void webhook_close(struct webhook *webhook)
{
    if (!webhook)
        return;
    http_free(webhook->http);
    while (webhook->wishes)
        wish_free(webhook->wishes);
    free(webhook);
}
