/*
 * filler.c - asks a cache for many names once each, and sees to it that every one gets its right answer.
 *
 * Names --first, --first + --stride, ... of names.h, --count of them. What gets no right
 * answer within a second is asked again, TRIES_MAX times in all; when nothing at all is answered for
 * STALL_MS, it gives up. Prints one JSON object; exits with 0 when every name was answered.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/clock.h"
#include "bench/common/options.h"
#include "bench/common/udp.h"
#include "bench/memory/names.h"

enum {
    SOCKETS = 8,
    BATCH = 64,
    SLOTS_MAX =
        1024, /* their number is the low ten bits of an id, the rest tells one use from the next */
    TIMEOUT_MS = 1000,
    STALL_MS = 20000,
    TRIES_MAX = 20,
};

struct slot {
    bool busy;
    uint16_t id;
    uint32_t number;
    uint32_t tries;
    uint64_t sent_ms;
    uint8_t query[NAMES_QUERY_MAX];
    size_t size;
};

struct filler {
    enum kind kind;
    uint32_t next, stride; /* the name to ask for next */
    uint64_t left;         /* names not asked for yet */
    size_t window, busy;
    int sockets[SOCKETS];
    struct slot slots[SLOTS_MAX];
    struct message *message;
    uint64_t now_ms, last_right_ms;
    uint64_t right, wrong, resent, failed;
};

static uint64_t clock_ms(void)
{
    return (uint64_t)clock_us() / US_PER_MS;
}

/* Slot `i` is to be sent (again) now; a slot keeps to its socket. */
static void slot_aim(struct filler *filler, size_t i)
{
    struct slot *slot = &filler->slots[i];
    slot->id = (uint16_t)((slot->id & ~(SLOTS_MAX - 1)) + SLOTS_MAX + i);
    slot->size = names_query(filler->kind, slot->number, slot->id, slot->query);
    slot->sent_ms = filler->now_ms;
    slot->tries++;
}

static void slot_free(struct filler *filler, struct slot *slot)
{
    slot->busy = false;
    filler->busy--;
}

/* Whether slot `i` has something to send: the next name, or its own again. */
static bool slot_is_due(struct filler *filler, size_t i)
{
    struct slot *slot = &filler->slots[i];
    if (slot->busy) {
        if (filler->now_ms - slot->sent_ms < TIMEOUT_MS)
            return false;
        if (slot->tries < TRIES_MAX) {
            filler->resent++;
            return true;
        }
        filler->failed++;
        slot_free(filler, slot);
    }
    if (filler->left == 0)
        return false;
    slot->busy = true;
    slot->tries = 0;
    slot->number = filler->next;
    filler->next += filler->stride;
    filler->left--;
    filler->busy++;
    return true;
}

/* What the kernel does not take is as lost as what the line loses: it is asked again. */
static void send_due(struct filler *filler, size_t socket)
{
    struct mmsghdr out[BATCH] = {0};
    struct iovec iov[BATCH];
    unsigned count = 0;
    for (size_t i = socket; i < filler->window && count < BATCH; i += SOCKETS) {
        if (!slot_is_due(filler, i))
            continue;
        slot_aim(filler, i);
        iov[count] = (struct iovec){filler->slots[i].query, filler->slots[i].size};
        out[count].msg_hdr = (struct msghdr){.msg_iov = &iov[count], .msg_iovlen = 1};
        count++;
    }
    for (unsigned sent = 0; sent < count;) {
        int n = sendmmsg(filler->sockets[socket], out + sent, count - sent, 0);
        if (n <= 0)
            break;
        sent += (unsigned)n;
    }
}

/* A wrong answer leaves the slot as it is: its name is asked for again when the time is over. */
static void take(struct filler *filler, const uint8_t *bytes, size_t size)
{
    if (size < DNS_HEADER_SIZE)
        return;
    uint16_t id = wire_get_u16(bytes);
    struct slot *slot = &filler->slots[id % SLOTS_MAX];
    if (!slot->busy || slot->id != id)
        return; /* of a query given up, answered late */
    if (message_parse(filler->message, bytes, size) != ERR_OK ||
        !names_is_right(filler->kind, slot->number, filler->message)) {
        filler->wrong++;
        return;
    }
    filler->right++;
    filler->last_right_ms = filler->now_ms;
    slot_free(filler, slot);
}

static void receive(struct filler *filler, int fd)
{
    static uint8_t bytes[BATCH][DNS_EDNS_UDP];
    struct mmsghdr in[BATCH] = {0};
    struct iovec iov[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){bytes[i], sizeof bytes[i]};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        take(filler, bytes[i], in[i].msg_len);
}

static void run(struct filler *filler)
{
    struct pollfd polls[SOCKETS];
    while (filler->left > 0 || filler->busy > 0) {
        filler->now_ms = clock_ms();
        if (filler->now_ms - filler->last_right_ms > STALL_MS)
            break;
        for (size_t s = 0; s < SOCKETS; s++) {
            send_due(filler, s);
            polls[s] = (struct pollfd){.fd = filler->sockets[s], .events = POLLIN};
        }
        if (poll(polls, SOCKETS, 20) <= 0)
            continue;
        for (size_t s = 0; s < SOCKETS; s++)
            if (polls[s].revents)
                receive(filler, filler->sockets[s]);
    }
    filler->failed += filler->left + filler->busy;
}

static void read_options(struct filler *filler, struct sockaddr_in *server, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"server", "IPV4:PORT", "the cache", PLACE(server), .needed = true},
        {"kind", "KIND", "of names.h", CHOICE(&filler->kind, names_kinds), .needed = true},
        {"first", "N", "number of the first name (0)", NUMBER(&filler->next, 0, NAMES_MAX - 1)},
        {"count", "N", "names", NUMBER(&filler->left, 1, NAMES_MAX), .needed = true},
        {"stride", "N", "between their numbers (1)", NUMBER(&filler->stride, 1, NAMES_MAX)},
        {"window", "N", "queries outstanding (200)", NUMBER(&filler->window, SOCKETS, SLOTS_MAX)},
    };
    const struct option_table table =
        OPTION_TABLE(rows, .about = "--server=IPV4:PORT --kind=KIND --count=N ...");
    options_read(&table, argc, argv);
    if (filler->next + (filler->left - 1) * filler->stride > NAMES_MAX - 1)
        options_fail("--count", "there are not so many names");
}

int main(int argc, char **argv)
{
    static struct filler filler = {.stride = 1, .window = 200};
    struct sockaddr_in server;
    read_options(&filler, &server, argc, argv);
    filler.message = message_new();
    if (!filler.message)
        return EXIT_FAILURE;
    for (size_t s = 0; s < SOCKETS; s++)
        if ((filler.sockets[s] = udp_connect(&server)) < 0)
            options_fail("--server", strerror(errno));
    const uint64_t began = filler.last_right_ms = clock_ms();
    run(&filler);
    printf("{\"right\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"resent\": %" PRIu64
           ", \"failed\": %" PRIu64 ", \"seconds\": %.3f}\n",
           filler.right, filler.wrong, filler.resent, filler.failed,
           (double)(clock_ms() - began) / 1000);
    for (size_t s = 0; s < SOCKETS; s++)
        close(filler.sockets[s]);
    message_free(filler.message);
    return filler.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
