/*
 * notify.h - NOTIFY (RFC 1996): a primary says that a zone has changed.
 */
#ifndef FRESHET_ORIGIN_NOTIFY_H
#define FRESHET_ORIGIN_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/message.h"

enum { OPCODE_NOTIFY = 4 };

struct notify {
    uint16_t id;
    struct question question; /* canonical */
    bool has_serial;          /* it carried the SOA (3.7), which nobody has to believe (3.11) */
    uint32_t serial;
};

/*
 * Reads one. Returns the RCODE to answer with: RCODE_NOERROR; RCODE_FORMERR; RCODE_NOTIMP for a question that is not of an
 * SOA, as no other is defined. Less than 0: nothing to answer: too short, or a response.
 */
MUST_CHECK int notify_read(const uint8_t *bytes, size_t size, struct notify *ret);

/* Writes the answer (4.7): the question, no records. Returns its size; ERR_SPACE. */
MUST_CHECK int notify_answer(const struct notify *notify, uint16_t rcode, uint8_t *buffer,
                             size_t room);

#endif
