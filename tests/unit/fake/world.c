#include "tests/unit/fake/world.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/record.h"
#include "invalidation/position.h"
#include "tests/unit/cmocka_all.h"

/* ---- the clock ------------------------------------------------------------------------------ */

static void wake(void *arg, struct mono due, struct mono now)
{
    (void)now;
    ((struct world *)arg)->due = due;
}

static void sweep(void *arg)
{
    ((struct world *)arg)->to_sweep = true;
}

/* Nothing that looks like zero, or like a coin that always falls on one side. */
static void fill(void *bytes, size_t size)
{
    static uint32_t state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        ((uint8_t *)bytes)[i] = (uint8_t)(state >> 24);
    }
}

void world_open(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->now = (struct micro){UINT64_C(1000000000)};
    world->entropy.fill = fill;
    world->wheel = wheel_new(&(struct wheel_driver){.wake = wake, .arg = world});
    world->attempts = attempts_new(&world->entropy);
    world->known = known_servers_new(&world->entropy, sweep, world);
    world->message = message_new();
    assert_true(world->wheel && world->attempts && world->known && world->message);
}

void world_close(struct world *world)
{
    known_servers_free(world->known);
    attempts_free(world->attempts);
    assert_int_equal(wheel_count(world->wheel), 0);
    wheel_free(world->wheel);
    message_free(world->message);
}

struct mono world_ms(const struct world *world)
{
    return micro_ms(world->now);
}

void world_pass(struct world *world, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        world->now.us += 1000;
        while (world->due.ms && mono_reached(world_ms(world), world->due)) {
            world->due = (struct mono){0};
            wheel_turn(world->wheel, world->now);
        }
        if (world->to_sweep)
            known_servers_sweep(world->known);
        world->to_sweep = false;
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

struct question fake_question(const char *name, uint16_t type)
{
    struct question question = {.type = type, .class = CLASS_IN};
    int size = name_from_text(name, question.name);
    assert_true(size > 0);
    question.name_size = (uint8_t)size;
    return question;
}

static void write_records(struct builder *builder, enum section section, const char *const *texts)
{
    for (size_t i = 0; i < FAKE_RECORDS && texts[i]; i++) {
        struct record_room room;
        struct record record;
        assert_int_equal(record_from_text(texts[i], 60, &room, &record), ERR_OK);
        build_record(builder, section, &record);
    }
}

void fake_build(const struct fake_reply *reply, struct builder *builder)
{
    write_records(builder, SECTION_ANSWER, reply->answer);
    write_records(builder, SECTION_AUTHORITY, reply->authority);
}

size_t fake_write(const struct fake_reply *reply, uint16_t id, const struct question *question,
                  uint8_t *buffer, size_t size)
{
    static struct builder builder;
    struct question spelled = *question;
    for (size_t i = 0; reply->misspelled && i < spelled.name_size; i++)
        if (spelled.name[i] >= 'a' && spelled.name[i] <= 'z')
            spelled.name[i] -= 'a' - 'A';
    build_start(&builder, buffer, size);
    build_question(&builder, &spelled);
    fake_build(reply, &builder);
    if (!reply->without_edns)
        build_opt(&builder, DNS_EDNS_UDP, 0, false, EDE_NONE);
    int written = build_finish(
        &builder, id,
        (uint16_t)(FLAG_QR | (reply->lame ? 0 : FLAG_RA) | reply->flags | reply->rcode));
    assert_true(written > 0 && (size_t)written + reply->option_size <= size);
    if (reply->option_size > 0) {
        memcpy(buffer + written, reply->option, reply->option_size);
        wire_put_u16(buffer + written - 2, (uint16_t)reply->option_size);
    }
    return (size_t)written + reply->option_size;
}

/* ---- servers -------------------------------------------------------------------------------- */

static bool asks_position(const struct edns *edns)
{
    struct position_query position;
    return position_read_query(edns->options, edns->options_size, &position) == 1;
}

static void send_query(struct exchange *exchange, enum exchange_way way,
                       struct exchange_request *request)
{
    struct fake_server *server = (struct fake_server *)exchange;
    struct fake_query *query = calloc(1, sizeof *query);
    struct query parsed;
    assert_int_equal(query_parse(request->bytes, request->size, &parsed), ERR_OK);
    query->request = request;
    query->way = way;
    query->at = server->world->now;
    query->edns = parsed.edns.present;
    query->payload = parsed.edns.udp_size;
    query->dnssec_ok = parsed.edns.dnssec_ok;
    query->checking_disabled = parsed.flags & FLAG_CD;
    query->position = asks_position(&parsed.edns);
    question_copy(&parsed.question, &query->question);
    DL_APPEND(server->waiting, query);
    server->last = *query;
    server->count++;
}

static void end(struct fake_server *server, const struct exchange_response *response)
{
    struct fake_query *query = server->waiting;
    assert_non_null(query);
    struct exchange_request *request = query->request;
    DL_DELETE(server->waiting, query);
    free(query);
    request->done(request, response);
}

static void free_server(struct exchange *exchange)
{
    struct fake_server *server = (struct fake_server *)exchange;
    assert_true(server->open);
    server->open = false;
    while (server->waiting)
        fake_server_fail(server, ERR_TIMEOUT);
}

static const struct exchange_kind kind = {.send = send_query, .free = free_server};

void fake_server_open(struct fake_server *server, struct world *world, uint8_t number)
{
    memset(server, 0, sizeof *server);
    server->exchange.kind = &kind;
    server->world = world;
    server->open = true;
    server->stats.origin = number;
}

struct server_address fake_server_address(struct fake_server *server)
{
    struct server_address address = {.stats = &server->stats, .exchange = &server->exchange};
    address.address.in.sin_family = AF_INET;
    address.address.in.sin_port = htons(53);
    address.address.in.sin_addr.s_addr = htonl(0xc0000200 | server->stats.origin);
    return address;
}

size_t fake_server_waiting(const struct fake_server *server)
{
    const struct fake_query *query;
    size_t count;
    DL_COUNT(server->waiting, query, count);
    return count;
}

void fake_server_respond_bytes(struct fake_server *server, const uint8_t *bytes, size_t size)
{
    end(server, &(struct exchange_response){
                    .status = ERR_OK, .bytes = bytes, .size = size, .now = server->world->now});
}

void fake_server_respond(struct fake_server *server, const struct fake_reply *reply)
{
    uint8_t bytes[DNS_MAX_MESSAGE];
    const struct fake_query *query = server->waiting;
    assert_non_null(query);
    struct fake_reply as_asked = *reply;
    as_asked.without_edns = reply->without_edns || !query->edns;
    size_t size = fake_write(&as_asked, wire_get_u16(query->request->bytes), &query->question,
                             bytes, sizeof bytes);
    fake_server_respond_bytes(server, bytes, size);
}

void fake_server_fail(struct fake_server *server, int status)
{
    end(server, &(struct exchange_response){.status = status, .now = server->world->now});
}
