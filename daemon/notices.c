#include "daemon/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <uthash.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/net.h"
#include "dns/build.h"
#include "zone/record.h"

enum { OPCODE_NOTIFY = 4, MAX_NOTICE = 2048, PACE_MS = 200 };

struct follower {
    struct follower *next;       /* of its zone */
    struct follower *prev, *way; /* of those under way */
    struct notices *notices;
    const struct zone *zone;
    const struct config_address *address;
    const struct tsig_key *key;
    struct event *timer;
    struct tsig_chain chain;
    uint16_t id;
    unsigned tries; /* made; 0: nothing is under way */
    bool newer;     /* since then there is another version */
};

/* Who follows a zone. */
struct followed {
    const struct zone *zone;
    struct follower *followers;
    UT_hash_handle hh;
};

struct notices {
    struct event_base *base;
    struct notices_counts *counts;
    struct followed *table;
    struct follower *under_way;
    struct {
        int fd;
        struct event *readable;
    } sockets[2]; /* IPv4, IPv6 */
};

static uint64_t now_seconds(void)
{
    return (uint64_t)time(NULL);
}

/* ---- said ---- */

static int write_notice(struct follower *follower, uint8_t *buffer)
{
    struct builder builder;
    struct question question = {.type = TYPE_SOA, .class = CLASS_IN};
    struct zone_rrset soa;
    const uint8_t *apex = zone_apex(follower->zone);
    question.name_size = (uint8_t)name_size(apex);
    memcpy(question.name, apex, question.name_size);
    build_start(&builder, buffer, MAX_NOTICE - TSIG_ROOM);
    build_question(&builder, &question);
    const struct zone_state *state = zone_state_hold(follower->zone);
    if (zone_soa(state, &soa)) { /* RFC 1996 3.7: a hint */
        struct record record = zone_record(&soa, 0);
        build_record(&builder, SECTION_ANSWER, &record);
    }
    zone_state_release(state);
    int size = build_finish(&builder, follower->id, OPCODE_NOTIFY << 11 | FLAG_AA);
    if (size < 0 || !follower->key)
        return size;
    tsig_chain_end(&follower->chain);
    follower->chain = tsig_chain_begin(follower->key);
    return tsig_sign(&follower->chain, buffer, (size_t)size, MAX_NOTICE, now_seconds());
}

static int socket_of(struct notices *notices, sa_family_t family);

static void tell_unsent(struct follower *follower, const char *why)
{
    char name[NAME_MAX_TEXT];
    follower->notices->counts->unsent++;
    log_limited(LOG_LEVEL_WARNING, "msg=\"a NOTIFY cannot be sent\" zone=%s follower=%s why=\"%s\"",
                name_to_text(zone_apex(follower->zone), name), follower->address->text, why);
}

static void say(struct follower *follower)
{
    struct notices *notices = follower->notices;
    struct sockaddr_storage addr = follower->address->addr;
    const struct sockaddr *to = (const struct sockaddr *)&addr;
    const struct timeval wait = {.tv_sec = 1 << follower->tries};
    uint8_t buffer[MAX_NOTICE];
    (void)net_find_interface(follower->address->text, &addr);
    int size = write_notice(follower, buffer), fd = socket_of(notices, to->sa_family);
    if (size > 0 && fd >= 0 &&
        sendto(fd, buffer, (size_t)size, 0, to, follower->address->addr_size) == size)
        notices->counts->sent++;
    else
        tell_unsent(follower, fd >= 0 && size > 0 ? strerror(errno) : "no memory or no socket");
    follower->tries++;
    event_add(follower->timer, &wait);
}

static void end(struct follower *follower)
{
    follower->tries = 0;
    follower->newer = false;
    event_del(follower->timer);
    DL_DELETE2(follower->notices->under_way, follower, prev, way);
}

static void begin(struct follower *follower)
{
    DL_APPEND2(follower->notices->under_way, follower, prev, way);
    if (getrandom(&follower->id, sizeof follower->id, GRND_NONBLOCK) < 0)
        follower->id++;
    say(follower);
}

static void begin_anew(struct follower *follower)
{
    end(follower);
    begin(follower);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct follower *follower = arg;
    char name[NAME_MAX_TEXT];
    if (follower->newer) {
        begin_anew(follower);
        return;
    }
    if (follower->tries < NOTICES_TRIES) {
        say(follower);
        return;
    }
    end(follower);
    follower->notices->counts->given_up++;
    log_limited(LOG_LEVEL_WARNING, "msg=\"notify not answered\" zone=%s follower=%s",
                name_to_text(zone_apex(follower->zone), name), follower->address->text);
}

/* What is under way may be answered soon; the newest is said then, or when that takes too long. */
static void tell(struct follower *follower)
{
    static const struct timeval pace = {.tv_usec = PACE_MS * 1000};
    if (follower->tries == 0) {
        begin(follower);
    } else if (!follower->newer) {
        follower->newer = true;
        event_add(follower->timer, &pace);
    }
}

static struct followed *find(const struct notices *notices, const struct zone *zone)
{
    struct followed *followed;
    HASH_FIND_PTR(notices->table, &zone, followed);
    return followed;
}

void notices_send(struct notices *notices, const struct zone *zone)
{
    struct followed *followed = find(notices, zone);
    struct follower *follower;
    if (!followed)
        return;
    LL_FOREACH (followed->followers, follower)
        tell(follower);
}

void notices_go_on(struct notices *notices, const struct notices *others)
{
    const struct follower *follower;
    DL_FOREACH2(others->under_way, follower, way)
    {
        const struct followed *followed = find(notices, follower->zone);
        const struct follower *first = followed ? followed->followers : NULL;
        if (first && first->tries == 0) /* else all of them are told already */
            notices_send(notices, follower->zone);
    }
}

/* ---- answered ---- */

static bool same_address(const struct sockaddr_storage *one, const struct sockaddr_storage *other)
{
    if (one->ss_family != other->ss_family)
        return false;
    if (one->ss_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)one, *b = (const void *)other;
        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *a = (const void *)one, *b = (const void *)other;
    return a->sin6_port == b->sin6_port && IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr);
}

/* Whether an answer is its own: where a key is used, signed with it. */
static bool is_proven(struct follower *follower, const uint8_t *bytes, size_t size)
{
    struct tsig tsig;
    return !follower->key ||
           (tsig_find(bytes, size, &tsig) == 0 &&
            tsig_verify(&follower->chain, bytes, size, &tsig, now_seconds()) == TSIG_OK);
}

static void take_answer(struct notices *notices, const uint8_t *bytes, size_t size,
                        const struct sockaddr_storage *from)
{
    struct follower *follower;
    if (size < DNS_HEADER_SIZE ||
        (wire_get_u16(bytes + 2) & (FLAG_QR | FLAG_OPCODE)) != (FLAG_QR | OPCODE_NOTIFY << 11))
        return;
    DL_FOREACH2(notices->under_way, follower, way)
    {
        if (follower->id != wire_get_u16(bytes) || !same_address(&follower->address->addr, from) ||
            !is_proven(follower, bytes, size))
            continue;
        notices->counts->answered++;
        if (follower->newer)
            begin_anew(follower);
        else
            end(follower);
        return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint8_t bytes[MAX_NOTICE];
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage from;
        socklen_t from_size = sizeof from;
        ssize_t got =
            recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
        if (got < 0 && errno == ECONNREFUSED)
            continue;
        if (got < 0)
            return;
        take_answer(arg, bytes, (size_t)got, &from);
    }
}

/* ---- */

static int socket_of(struct notices *notices, sa_family_t family)
{
    size_t k = family == AF_INET6;
    if (notices->sockets[k].fd >= 0)
        return notices->sockets[k].fd;
    int fd = net_socket(family, SOCK_DGRAM);
    if (fd < 0)
        return -1;
    struct event *readable =
        event_new(notices->base, fd, EV_READ | EV_PERSIST, on_readable, notices);
    if (!readable || event_add(readable, NULL) < 0) {
        if (readable)
            event_free(readable);
        close(fd);
        return -1;
    }
    notices->sockets[k].fd = fd;
    notices->sockets[k].readable = readable;
    return fd;
}

struct notices *notices_new(struct event_base *base, struct notices_counts *counts)
{
    struct notices *notices = calloc(1, sizeof *notices);
    if (!notices)
        return NULL;
    notices->base = base;
    notices->counts = counts;
    notices->sockets[0].fd = notices->sockets[1].fd = -1;
    return notices;
}

static void free_followers(struct follower *followers)
{
    struct follower *follower, *next;
    LL_FOREACH_SAFE (followers, follower, next) {
        event_free(follower->timer);
        tsig_chain_end(&follower->chain);
        free(follower);
    }
}

void notices_free(struct notices *notices)
{
    struct followed *followed, *next;
    if (!notices)
        return;
    HASH_ITER (hh, notices->table, followed, next) {
        HASH_DEL(notices->table, followed);
        free_followers(followed->followers);
        free(followed);
    }
    for (size_t k = 0; k < 2; k++) {
        if (notices->sockets[k].fd < 0)
            continue;
        event_free(notices->sockets[k].readable);
        close(notices->sockets[k].fd);
    }
    free(notices);
}

static struct followed *find_or_make(struct notices *notices, const struct zone *zone)
{
    struct followed *followed = find(notices, zone);
    if (followed)
        return followed;
    followed = calloc(1, sizeof *followed);
    if (!followed)
        return NULL;
    followed->zone = zone;
    HASH_ADD_PTR(notices->table, zone, followed);
    return followed;
}

int notices_add(struct notices *notices, const struct zone *zone,
                const struct config_address *follower, const struct tsig_key *key)
{
    struct followed *followed = find_or_make(notices, zone);
    struct follower *new = followed ? calloc(1, sizeof *new) : NULL;
    if (!new)
        return ERR_MEMORY;
    *new = (struct follower){.notices = notices, .zone = zone, .address = follower, .key = key};
    new->timer = evtimer_new(notices->base, on_timer, new);
    if (!new->timer) {
        free(new);
        return ERR_MEMORY;
    }
    LL_PREPEND(followed->followers, new);
    return 0;
}
