/*
 * messages.h - change sets in their JSON form, version 1, without freshet's own code.
 *
 * Made by the hundred thousand: change number n is a SET of one A record, of the name PREFIX<n modulo
 * names>.SUFFIX, to 10.x.y.z with the low 24 bits of n. So which value a name must have in the end can
 * be told from n alone. The k-th set has the changes k * per_set and up, and seq k + 1 of its publisher.
 */
#ifndef FRESHET_COMMON_MESSAGES_H
#define FRESHET_COMMON_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGES_ZONE "bench.example.com."

enum {
    MESSAGES_HEAD = 256,   /* the most bytes of JSON around the changes of a set */
    MESSAGES_CHANGE = 128, /* the most bytes of one change */
    MESSAGES_ADDRESS = 4,
    MESSAGES_OWNER = 64,
    MESSAGES_TIME = 32,
};

/* Writes "2026-11-22T03:00:00.123456Z". */
void messages_time(int64_t time_us, char text[MESSAGES_TIME]);

struct message_head {
    const char *zone, *publisher;
    uint64_t serial, seq;
    int64_t time_us;
};

/* Writes what comes before the changes; "]}" ends them. The length. */
size_t messages_head(const struct message_head *head, char *json, size_t room);

struct messages {
    const char *zone, *suffix; /* NULL: MESSAGES_ZONE */
    const char *prefix;        /* of names; a few letters */
    const char *publisher;     /* a few letters */
    uint64_t names;            /* they repeat after so many */
    uint64_t per_set;
    int64_t time_us; /* commit time of the first set; each further one is a microsecond later */
};

/*
 * Writes the k-th set with a NUL; `room` is at least MESSAGES_HEAD + per_set * MESSAGES_CHANGE. Returns its
 * length.
 */
size_t messages_write(const struct messages *messages, uint64_t k, char *json, size_t room);

/* The name of change n, and what it sets. */
void messages_owner(const struct messages *messages, uint64_t n, char text[MESSAGES_OWNER]);
void messages_address(uint64_t n, uint8_t address[MESSAGES_ADDRESS]);

/* The last change to the i-th name among the first `changes`; there is one. */
uint64_t messages_last(const struct messages *messages, uint64_t i, uint64_t changes);

#endif
