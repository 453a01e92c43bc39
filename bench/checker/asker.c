#include "bench/checker/asker.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "bench/common/clock.h"

enum { RECEIVE_BUFFER = 4 * 1024 * 1024, BATCH = 256 };

static int open_socket(const struct sockaddr_in *address)
{
    const int buffer = RECEIVE_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    return connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? fd : -1;
}

int asker_open(struct asker *asker)
{
    asker->questions = calloc(ASKER_IDS, sizeof *asker->questions);
    if (!asker->questions)
        return -1;
    for (int k = 0; k < ASKER_SOCKETS; k++) {
        asker->fds[k] = open_socket(&asker->tier->address);
        if (asker->fds[k] < 0)
            return -1;
    }
    return 0;
}

static void count_asked(struct tier *tier, const struct question *question)
{
    if (question->purpose == FOR_STREAM || question->purpose == FOR_PROBE) {
        tier->all.asked++;
        tier->second.asked++;
    }
    tier->all.still += question->still;
    tier->second.still += question->still;
    if (question->purpose == FOR_PROBE)
        tier->probes[question->probe].asked++;
    tier->sweep_asked += question->purpose == FOR_SWEEP;
}

void asker_ask(struct asker *asker, struct question question)
{
    uint8_t bytes[WIRE_MAX];
    const uint16_t id = asker->next++;
    struct question *slot = &asker->questions[id];
    if (slot->sent_us)
        judge_loss(slot, false); /* all ids are out */
    const size_t size = wire_query(asker->zone, id, question.name, bytes);
    question.tier = asker->tier;
    count_asked(asker->tier, &question);
    judge_prepare(asker->judge, &question);
    question.sent_us = clock_us();
    *slot = question;
    /* What is refused or does not fit is a lost query, as it is to any client. */
    if (send(asker->fds[id % ASKER_SOCKETS], bytes, size, 0) < 0)
        return;
}

static void receive_one(struct asker *asker, const uint8_t *bytes, size_t size, int64_t now_us)
{
    if (size < 2)
        return;
    struct question *slot = &asker->questions[wire_id(bytes)];
    if (!slot->sent_us)
        return; /* late */
    const struct question question = *slot;
    const struct wire_answer answer = wire_read(asker->zone, bytes, size);
    slot->sent_us = 0;
    const bool good = answer.readable && answer.name == question.name &&
                      (answer.rcode == RCODE_NOERROR || answer.rcode == RCODE_NXDOMAIN);
    if (good)
        judge_answer(asker->judge, &question, &answer, now_us);
    else
        judge_loss(&question, true);
}

void asker_receive(struct asker *asker, int fd)
{
    uint8_t bytes[WIRE_MAX];
    for (int k = 0; k < BATCH; k++) {
        const ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size < 0)
            return;
        receive_one(asker, bytes, (size_t)size, clock_us());
    }
}

void asker_expire(struct asker *asker, int64_t now_us)
{
    for (; asker->oldest != asker->next; asker->oldest++) {
        struct question *slot = &asker->questions[asker->oldest];
        if (slot->sent_us && now_us - slot->sent_us < ASKER_PATIENCE_US)
            return;
        if (slot->sent_us)
            judge_loss(slot, false);
        slot->sent_us = 0;
    }
}

unsigned asker_waiting(const struct asker *asker)
{
    unsigned waiting = 0;
    for (uint16_t id = asker->oldest; id != asker->next; id++)
        waiting += asker->questions[id].sent_us != 0;
    return waiting;
}
