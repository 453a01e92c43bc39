/*
 * message.h - a version as a message of the topic: key and value.
 *
 * Beside what a change set has, the value says which version it is, so that the checker knows its own
 * messages again; whoever else reads them ignores it.
 */
#ifndef FRESHET_CHECKER_MESSAGE_H
#define FRESHET_CHECKER_MESSAGE_H

#include <stddef.h>

#include "bench/checker/manner.h"
#include "bench/common/history.h"
#include "bench/common/wire.h"

enum { MESSAGE_MAX = 2048 };

struct message {
    uint32_t version;
    char key[WIRE_MAX_TEXT]; /* "": none */
    char value[MESSAGE_MAX];
    size_t size;
};

/* Version 0 is a heartbeat, which changes nothing. `number` is that of the message among the publisher's, from 1. */
void message_write(struct message *ret_message, const struct zone *zone,
                   const struct history *history, uint32_t version, const struct manner *manner,
                   uint32_t number);

/* The version that a message's value says; 0: none. */
uint32_t message_version(const char *value, size_t size);

#endif
