#include "resolver/daemon/query_log.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "dns/rdata.h"
#include "resolver/net/clock.h"

enum showing { SHOW_NOTHING, SHOW_QUESTIONS, SHOW_CLIENTS };

static _Atomic enum showing showing;

void query_log_set(const char *what)
{
    showing = strcmp(what, "clients") == 0     ? SHOW_CLIENTS
              : strcmp(what, "questions") == 0 ? SHOW_QUESTIONS
                                               : SHOW_NOTHING;
}

told_fn *query_log_listener(void)
{
    return showing == SHOW_NOTHING ? NULL : query_log_line;
}

bool query_log_may(struct query_log_budget *budget, uint64_t second, uint64_t *ret_more)
{
    if (atomic_exchange_explicit(&budget->second, second, memory_order_relaxed) != second)
        atomic_store_explicit(&budget->lines, 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&budget->lines, 1, memory_order_relaxed) >= QUERY_LOG_LINES) {
        atomic_fetch_add_explicit(&budget->left_out, 1, memory_order_relaxed);
        return false;
    }
    *ret_more = atomic_exchange_explicit(&budget->left_out, 0, memory_order_relaxed);
    return true;
}

/* RFC 6895 2.3; the upper bits of an extended one are in OPT, and these are what they begin with. */
static const char *rcode_text(unsigned rcode, char text[16])
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN"};
    if (rcode < sizeof names / sizeof *names)
        return names[rcode];
    snprintf(text, 16, "RCODE%u", rcode);
    return text;
}

static const char *client_text(const union address *peer, char text[INET6_ADDRSTRLEN + 16])
{
    char address[INET6_ADDRSTRLEN] = "";
    if (showing != SHOW_CLIENTS)
        return "";
    inet_ntop(peer->family,
              peer->family == AF_INET ? (const void *)&peer->in.sin_addr : &peer->in6.sin6_addr,
              address, sizeof address);
    snprintf(text, INET6_ADDRSTRLEN + 16, " client=%s", address);
    return text;
}

/* The question stands behind the header, never compressed: the reply is ours. */
static bool read_question(const struct told *told, const uint8_t **ret_name, uint16_t *ret_type)
{
    if (told->size < DNS_HEADER_SIZE || wire_get_u16(told->reply + 4) != 1)
        return false;
    *ret_name = told->reply + DNS_HEADER_SIZE;
    const size_t size = name_size(*ret_name);
    if (DNS_HEADER_SIZE + size + 4 > told->size)
        return false;
    *ret_type = wire_get_u16(*ret_name + size);
    return true;
}

void query_log_line(void *arg, const struct told *told)
{
    static struct query_log_budget budget;
    static const char *const froms[] = {[TOLD_CACHE] = "cache",
                                        [TOLD_LOCAL] = "local",
                                        [TOLD_ZONE] = "zone",
                                        [TOLD_UPSTREAM] = "upstream",
                                        [TOLD_SELF] = "freshet"};
    const struct micro now = micro_now();
    char name_text[NAME_MAX_TEXT] = "-", type_text[TYPE_MAX_TEXT] = "-", rcode[16], more_text[32];
    char client[INET6_ADDRSTRLEN + 16];
    const uint8_t *name;
    uint16_t type;
    uint64_t more;
    if (!query_log_may(&budget, now.us / 1000000, &more))
        return;
    if (read_question(told, &name, &type)) {
        name_to_text(name, name_text);
        type_to_text(type, type_text);
    }
    snprintf(more_text, sizeof more_text, more > 0 ? " more=%" PRIu64 : "", more);
    log_line(LOG_LEVEL_INFO,
             "msg=query tier=%s name=%s type=%s from=%s rcode=%s answers=%u us=%" PRIu64 "%s%s",
             (const char *)arg, name_text, type_text, froms[told->from],
             rcode_text(wire_get_u16(told->reply + 2) & FLAG_RCODE, rcode),
             wire_get_u16(told->reply + 6), micro_between(told->client->asked, now),
             client_text(&told->client->peer, client), more_text);
}
