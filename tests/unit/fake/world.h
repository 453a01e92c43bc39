/*
 * world.h - what resolver/answer/ needs around it, made up: a clock that moves when it is told to, servers that respond
 * when they are told to, random numbers that are the same each time.
 *
 *      world_pass(&world, 400)                           400 ms go by, millisecond by millisecond; timers ring
 *      fake_server_respond(&server, &(struct fake_reply){.answer = {"www.example.com. 60 A 192.0.2.1"}})
 *
 * Records are in text. A response takes question, ID and spelling from the query that has waited longest.
 */
#ifndef FRESHET_TESTS_UNIT_FAKE_WORLD_H
#define FRESHET_TESTS_UNIT_FAKE_WORLD_H

#include "dns/build.h"
#include "resolver/answer/attempt.h"
#include "resolver/answer/wheel.h"

struct world {
    struct micro now;
    struct mono due; /* when the wheel wants to be turned; 0: not at all */
    struct wheel *wheel;
    struct entropy entropy;
    struct attempts *attempts;
    struct known_servers *known;
    bool to_sweep;
    struct message *message; /* scratch */
};

void world_open(struct world *world);
/* Sources and sets must be released. What is under way ends with a timeout. */
void world_close(struct world *world);
void world_pass(struct world *world, uint64_t ms);
struct mono world_ms(const struct world *world);

/* A response in text. */
enum { FAKE_RECORDS = 16 };
struct fake_reply {
    uint16_t rcode;
    uint16_t flags;
    const char *answer[FAKE_RECORDS];
    const char *authority[FAKE_RECORDS];
    bool without_edns;
    bool lame;             /* without RA, which is there otherwise */
    bool misspelled;       /* the question is in upper case */
    const uint8_t *option; /* for the OPT record; code and length included */
    size_t option_size;
};

/* Writes it for a question. Returns the size. */
size_t fake_write(const struct fake_reply *reply, uint16_t id, const struct question *question,
                  uint8_t *buffer, size_t size);

/* Its records behind a question. */
void fake_build(const struct fake_reply *reply, struct builder *builder);

/* Reads a question: "www.example.com. A". */
struct question fake_question(const char *name, uint16_t type);

/* ---- servers -------------------------------------------------------------------------------- */

struct fake_query {
    struct fake_query *prev, *next;
    struct exchange_request *request;
    enum exchange_way way;
    struct micro at;
    struct question question; /* as spelled */
    bool edns, dnssec_ok, checking_disabled, position;
    uint16_t payload; /* that its OPT allows */
};

/* A way to a server, and the server. `stats` and the queries outlive the exchange. */
struct fake_server {
    struct exchange exchange;
    struct world *world;
    struct server_stats stats;
    struct fake_query *waiting; /* queries without a response */
    struct fake_query last;     /* the newest, for looking at */
    size_t count;               /* queries so far */
    bool open;
};

/* Its address is 192.0.2.`number`. */
void fake_server_open(struct fake_server *server, struct world *world, uint8_t number);
struct server_address fake_server_address(struct fake_server *server);

size_t fake_server_waiting(const struct fake_server *server);
/* To the query that has waited longest. */
void fake_server_respond(struct fake_server *server, const struct fake_reply *reply);
void fake_server_respond_bytes(struct fake_server *server, const uint8_t *bytes, size_t size);
/* ERR_TIMEOUT or ERR_SYSTEM. */
void fake_server_fail(struct fake_server *server, int status);

#endif
