#include "origin/service.h"

#include <stdio.h>
#include <time.h>

#include "daemon/log.h"
#include "origin/notify.h"

enum { NOTAUTH = 9, MAX_ANSWER = 1232 };

static uint64_t wall_seconds(void)
{
    return (uint64_t)time(NULL);
}

static void answer(struct listen_call *call, const struct notify *notify, uint16_t rcode,
                   struct signature *signature)
{
    uint8_t bytes[MAX_ANSWER];
    int size = notify_answer(notify, rcode, bytes, sizeof bytes);
    if (size > 0)
        size = signature_answer(signature, bytes, (size_t)size, sizeof bytes, wall_seconds());
    if (size > 0)
        listen_answer(call, bytes, (size_t)size);
}

/* Whether this zone's NOTIFYs are signed like this. */
static bool is_signed_for(const struct captured *captured, const struct signature *signature)
{
    const struct tsig_key *key = captured_key(captured);
    return !key || (signature->key && name_equal(signature->key->name, key->name) &&
                    signature->key->algorithm == key->algorithm);
}

/* The RCODE, and why if it is a refusal. */
static uint16_t judge(struct service *service, struct listen_call *call,
                      const struct notify *notify, const struct signature *signature,
                      const char **ret_why)
{
    struct captured *captured = captures_find(service->captures, notify->question.name);
    if (signature->fault != TSIG_OK) {
        *ret_why = tsig_fault_text(signature->fault);
        return NOTAUTH;
    }
    if (!captured) {
        *ret_why = "no zone of ours";
        return NOTAUTH;
    }
    if (!is_signed_for(captured, signature)) {
        *ret_why = "not signed with the zone's key";
        return RCODE_REFUSED;
    }
    if (!captured_notify(captured, listen_peer(call), notify->has_serial, notify->serial)) {
        *ret_why = "not an address of a primary";
        return RCODE_REFUSED;
    }
    return RCODE_NOERROR;
}

static void take_notify(struct service *service, struct listen_call *call, const uint8_t *bytes,
                        size_t size)
{
    struct notify notify;
    struct signature signature;
    char zone[NAME_MAX_TEXT], peer[LISTEN_MAX_PEER];
    const char *why = NULL;
    int rcode = notify_read(bytes, size, &notify);
    if (rcode < 0) {
        service->numbers.malformed++;
        return;
    }
    signature_check(service->keyring, bytes, size, wall_seconds(), &signature);
    if (signature.fault == ERR_FORMAT)
        rcode = RCODE_FORMERR;
    if (rcode != RCODE_NOERROR)
        service->numbers.malformed++;
    else
        rcode = judge(service, call, &notify, &signature, &why);
    if (why) {
        service->numbers.refused++;
        log_limited(LOG_LEVEL_WARNING, "msg=\"a NOTIFY is refused\" zone=%s from=%s why=\"%s\"",
                    name_to_text(notify.question.name, zone), listen_peer_text(call, peer), why);
    }
    answer(call, &notify, (uint16_t)rcode, &signature);
    signature_end(&signature);
}

/* A message of an opcode that nobody here knows (RFC 1035 4.1.1); no answer to answers. */
static void refuse_opcode(struct service *service, struct listen_call *call, const uint8_t *bytes)
{
    uint8_t header[DNS_HEADER_SIZE] = {bytes[0], bytes[1]};
    const uint16_t flags = wire_get_u16(bytes + 2);
    service->numbers.malformed++;
    if (flags & FLAG_QR)
        return;
    wire_put_u16(header + 2, (uint16_t)(FLAG_QR | (flags & FLAG_OPCODE) |
                                        ((flags & FLAG_OPCODE) ? RCODE_NOTIMP : RCODE_REFUSED)));
    listen_answer(call, header, sizeof header);
}

void service_take(void *arg, struct listen_call *call, const uint8_t *bytes, size_t size)
{
    struct service *service = arg;
    if (size < DNS_HEADER_SIZE)
        service->numbers.malformed++;
    else if ((wire_get_u16(bytes + 2) & FLAG_OPCODE) == OPCODE_NOTIFY << 11)
        take_notify(service, call, bytes, size);
    else if (serve_take(service->serve, call, bytes, size))
        return; /* it ends the call */
    else
        refuse_opcode(service, call, bytes);
    listen_end(call);
}
