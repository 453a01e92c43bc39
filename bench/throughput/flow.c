#include "bench/throughput/flow.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/common/udp.h"

enum {
    HEADER = 12,
    REPLY_MAX = 512,
    PREFIX = 2, /* of a message in a stream (RFC 1035 4.2.2) */
    STREAM_IN = 65536,
    STREAM_OUT = FLOW_BATCH * (PREFIX + QUESTION_MAX),
    SLOT_MASK = FLOW_SLOTS - 1,
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct timespec)),
};

struct slot {
    int64_t due; /* 0: free */
    uint64_t tag;
    uint16_t id;
};

struct flow {
    const struct run *run;
    int fd;
    uint32_t waiting;
    uint32_t used; /* slots at and above this one never were */
    uint32_t free_count;
    uint16_t free[FLOW_SLOTS];
    struct slot slots[FLOW_SLOTS];
    uint8_t queries[FLOW_BATCH][QUESTION_MAX];
    uint8_t replies[FLOW_BATCH][REPLY_MAX];
    uint8_t controls[FLOW_BATCH][CONTROL_SIZE] __attribute__((aligned(8)));
    struct iovec iovs[2][FLOW_BATCH];
    struct mmsghdr out[FLOW_BATCH], in[FLOW_BATCH];
    size_t in_size; /* bytes of a stream that are no whole message yet */
    size_t out_size, out_sent;
    uint8_t stream_in[STREAM_IN];
    uint8_t stream_out[STREAM_OUT];
};

static void prepare(struct flow *flow)
{
    for (uint16_t i = 0; i < FLOW_SLOTS; i++)
        flow->free[i] = (uint16_t)(SLOT_MASK - i); /* slot 0 is taken first */
    flow->free_count = FLOW_SLOTS;
    for (size_t i = 0; i < FLOW_BATCH; i++) {
        flow->iovs[0][i] = (struct iovec){flow->replies[i], REPLY_MAX};
        flow->iovs[1][i] = (struct iovec){flow->queries[i], questions_size(flow->run->questions)};
        flow->in[i].msg_hdr = (struct msghdr){.msg_iov = &flow->iovs[0][i], .msg_iovlen = 1};
        flow->out[i].msg_hdr = (struct msghdr){.msg_iov = &flow->iovs[1][i], .msg_iovlen = 1};
    }
}

static void set_options(const struct flow *flow)
{
    const int on = 1;
    if (flow->run->stream)
        setsockopt(flow->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (flow->run->stamped)
        setsockopt(flow->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    udp_set_buffers(flow->fd);
}

static bool connect_to_server(struct flow *flow)
{
    const struct run *run = flow->run;
    flow->fd = socket(AF_INET, (run->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (flow->fd < 0 ||
        (run->source.sin_family == AF_INET &&
         bind(flow->fd, (const struct sockaddr *)&run->source, sizeof run->source) != 0) ||
        connect(flow->fd, (const struct sockaddr *)&run->server, sizeof run->server) != 0)
        return false;
    set_options(flow);
    return true;
}

struct flow *flow_new(const struct run *run)
{
    struct flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        return NULL;
    flow->run = run;
    if (!connect_to_server(flow)) {
        flow_free(flow);
        return NULL;
    }
    prepare(flow);
    return flow;
}

void flow_free(struct flow *flow)
{
    if (!flow)
        return;
    if (flow->fd >= 0)
        close(flow->fd);
    free(flow);
}

int flow_fd(const struct flow *flow)
{
    return flow->fd;
}

uint32_t flow_waiting(const struct flow *flow)
{
    return flow->waiting;
}

/* --- slots */

/* Writes the next query with its id; false when no slot is free. */
static bool begin(struct flow *flow, int64_t due, uint8_t query[QUESTION_MAX])
{
    if (flow->free_count == 0)
        return false;
    const uint16_t place = flow->free[--flow->free_count];
    struct slot *slot = &flow->slots[place];
    slot->id = (uint16_t)((slot->id + FLOW_SLOTS) & ~SLOT_MASK) | place;
    slot->due = due;
    slot->tag = questions_next(flow->run->questions, query);
    query[0] = (uint8_t)(slot->id >> 8);
    query[1] = (uint8_t)slot->id;
    if (place >= flow->used)
        flow->used = place + 1u;
    flow->waiting++;
    return true;
}

static void finish(struct flow *flow, struct slot *slot)
{
    slot->due = 0;
    flow->free[flow->free_count++] = (uint16_t)(slot - flow->slots);
    flow->waiting--;
}

void flow_expire(struct flow *flow, int64_t before)
{
    for (uint32_t i = 0; i < flow->used && flow->waiting > 0; i++) {
        if (flow->slots[i].due == 0 || flow->slots[i].due >= before)
            continue;
        finish(flow, &flow->slots[i]);
        flow->run->tally->lost++;
    }
}

/* --- replies */

static bool is_good(const struct run *run, uint64_t tag, const uint8_t *reply, size_t size)
{
    enum { QR_OPCODE_TC = 0xfa, QR = 0x80, RCODE = 0x0f };
    if ((reply[2] & QR_OPCODE_TC) != QR || !questions_matches(run->questions, tag, reply, size))
        return false;
    return run->accept_any || ((reply[3] & RCODE) == 0 && (reply[6] | reply[7]) != 0);
}

static struct histogram *slice_of(const struct run *run, int64_t due)
{
    const int64_t slice = (due - run->begins) / run->slice;
    return &run->tally->slices[slice < FLOW_SLICES ? slice : FLOW_SLICES - 1];
}

static void take_reply(struct flow *flow, const uint8_t *reply, size_t size, int64_t now)
{
    const struct run *run = flow->run;
    struct tally *tally = run->tally;
    const uint16_t id = size < HEADER ? 0 : (uint16_t)(reply[0] << 8 | reply[1]);
    struct slot *slot = &flow->slots[id & SLOT_MASK];
    if (size < HEADER || slot->due == 0 || slot->id != id) {
        tally->stray++;
        return;
    }
    if (is_good(run, slot->tag, reply, size)) {
        tally->good++;
        tally->good_in_time += now <= run->ends;
        histogram_add(slice_of(run, slot->due), now - slot->due);
    } else {
        tally->bad++;
        tally->rcodes[reply[3] & 15]++;
    }
    finish(flow, slot);
}

/* When message `i` arrived. */
static int64_t stamp_of(struct flow *flow, size_t i)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(&flow->in[i].msg_hdr);
    struct timespec stamp;
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
        return clock_ns();
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec + flow->run->offset;
}

static size_t hear_datagrams(struct flow *flow)
{
    const bool stamped = flow->run->stamped;
    for (size_t i = 0; stamped && i < FLOW_BATCH; i++) {
        flow->in[i].msg_hdr.msg_control = flow->controls[i];
        flow->in[i].msg_hdr.msg_controllen = CONTROL_SIZE;
    }
    const int count = recvmmsg(flow->fd, flow->in, FLOW_BATCH, MSG_DONTWAIT, NULL);
    const int64_t now = clock_ns();
    for (int i = 0; i < count; i++)
        take_reply(flow, flow->replies[i], flow->in[i].msg_len,
                   stamped ? stamp_of(flow, (size_t)i) : now);
    return count > 0 ? (size_t)count : 0;
}

static size_t take_messages(struct flow *flow, int64_t now)
{
    size_t at = 0, count = 0;
    while (flow->in_size - at >= PREFIX) {
        const size_t size = (size_t)flow->stream_in[at] << 8 | flow->stream_in[at + 1];
        if (flow->in_size - at - PREFIX < size)
            break;
        take_reply(flow, flow->stream_in + at + PREFIX, size, now);
        at += PREFIX + size;
        count++;
    }
    flow->in_size -= at;
    memmove(flow->stream_in, flow->stream_in + at, flow->in_size);
    return count;
}

/* The server has closed the connection: what is under way on it is lost. */
static void reconnect(struct flow *flow)
{
    close(flow->fd);
    flow->in_size = flow->out_size = flow->out_sent = 0;
    flow_expire(flow, INT64_MAX);
    flow->run->tally->reconnects++;
    if (!connect_to_server(flow) && flow->fd >= 0) {
        close(flow->fd);
        flow->fd = -1; /* tried again with the next query */
    }
}

/* Sends what is left of the stream; whether there is room for more. */
static bool push(struct flow *flow)
{
    while (flow->out_sent < flow->out_size) {
        const ssize_t n = send(flow->fd, flow->stream_out + flow->out_sent,
                               flow->out_size - flow->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0 && errno != EINTR) {
            reconnect(flow);
            return flow->fd >= 0;
        }
        flow->out_sent += n > 0 ? (size_t)n : 0;
    }
    flow->out_size = flow->out_sent = 0;
    return true;
}

static size_t hear_stream(struct flow *flow)
{
    push(flow);
    const ssize_t n =
        recv(flow->fd, flow->stream_in + flow->in_size, STREAM_IN - flow->in_size, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        reconnect(flow);
    if (n <= 0)
        return 0;
    flow->in_size += (size_t)n;
    return take_messages(flow, clock_ns());
}

size_t flow_hear(struct flow *flow)
{
    return flow->run->stream ? hear_stream(flow) : hear_datagrams(flow);
}

/* --- queries */

/* Queries written but not taken by the socket: taken back, the last one first. */
static void take_back(struct flow *flow, size_t from, size_t count)
{
    for (size_t i = count; i-- > from;) {
        const uint8_t *query = flow->queries[i];
        finish(flow, &flow->slots[(query[0] << 8 | query[1]) & SLOT_MASK]);
        flow->run->tally->unsent++;
    }
}

static size_t send_datagrams(struct flow *flow, size_t count)
{
    size_t sent = 0;
    while (sent < count) {
        const int n = sendmmsg(flow->fd, flow->out + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EINTR)
            break;
    }
    return sent;
}

static void ask_datagrams(struct flow *flow, const int64_t *due, size_t count)
{
    size_t begun = 0;
    while (begun < count && begin(flow, due[begun], flow->queries[begun]))
        begun++;
    flow->run->tally->unsent += count - begun;
    take_back(flow, send_datagrams(flow, begun), begun);
}

static size_t ask_stream(struct flow *flow, const int64_t *due, size_t count)
{
    const size_t size = questions_size(flow->run->questions);
    if (!push(flow))
        return 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t query[QUESTION_MAX];
        if (!begin(flow, due[i], query)) {
            flow->run->tally->unsent++;
            continue;
        }
        uint8_t *frame = flow->stream_out + flow->out_size;
        frame[0] = (uint8_t)(size >> 8);
        frame[1] = (uint8_t)size;
        memcpy(frame + PREFIX, query, size);
        flow->out_size += PREFIX + size;
    }
    push(flow);
    return count;
}

static void note_lateness(struct tally *tally, const int64_t *due, size_t count)
{
    const int64_t now = clock_ns();
    for (size_t i = 0; i < count; i++)
        histogram_add(&tally->lateness, now - due[i]);
}

size_t flow_ask(struct flow *flow, const int64_t *due, size_t count)
{
    const struct run *run = flow->run;
    int64_t sent[FLOW_BATCH];
    const int64_t now = run->stamped ? clock_ns() : 0;
    for (size_t i = 0; run->stamped && i < count; i++)
        sent[i] = now;
    const int64_t *from = run->stamped ? sent : due;
    if (run->stream)
        count = ask_stream(flow, from, count);
    else
        ask_datagrams(flow, from, count);
    run->tally->asked += count;
    if (run->paced)
        note_lateness(run->tally, due, count);
    return count;
}
