#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "dns/build.h"

enum { DNS_PORT = 53, TIMEOUT_MS = 5000, LENGTH_SIZE = 2, MAX_QUERY = 512 };

int ask_connect(const struct options *o, const char *server)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!config_parse_address(server, DNS_PORT, &address, &size)) {
        complain(o, "\"%s\" is not ADDRESS or ADDRESS:PORT of a DNS server", server);
        return -1;
    }
    const uint64_t ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
    const struct timeval limit = {.tv_sec = (time_t)(ms / 1000),
                                  .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect() too */
        if (connect(fd, (const struct sockaddr *)&address, size) == 0)
            return fd;
    }
    complain(o, "%s: %s", server, strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool ask_receive(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t got = recv(fd, bytes, size, 0);
        if (got == 0)
            errno = ECONNRESET;
        if (got <= 0)
            return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

/* Lengths go in front (RFC 1035 4.2.2). Returns the response's size; 0: errno says why. */
static size_t exchange(int fd, const uint8_t *query, size_t size, uint8_t *response)
{
    uint8_t length[LENGTH_SIZE];
    if (send(fd, query, size, MSG_NOSIGNAL) != (ssize_t)size ||
        !ask_receive(fd, length, LENGTH_SIZE))
        return 0;
    const size_t wanted = wire_get_u16(length);
    if (wanted == 0)
        errno = EBADMSG;
    return ask_receive(fd, response, wanted) ? wanted : 0;
}

/* The query with its length in front. Returns the size of both. */
static size_t write_query(const uint8_t *name, uint16_t type, uint8_t query[MAX_QUERY])
{
    struct question question = {
        .name_size = (uint8_t)name_size(name), .type = type, .class = CLASS_IN};
    struct query_shape shape = {.edns = true};
    memcpy(question.name, name, question.name_size);
    if (getrandom(&shape.id, sizeof shape.id, 0) != sizeof shape.id)
        shape.id = 1; /* the connection is ours alone: the id protects nothing */
    int size = build_query(query + LENGTH_SIZE, MAX_QUERY - LENGTH_SIZE, &question, &shape);
    if (size < 0)
        return 0;
    wire_put_u16(query, (uint16_t)size);
    return (size_t)size + LENGTH_SIZE;
}

/* What is wrong with a response, or NULL. */
static const char *fault_of(const struct message *message, const uint8_t *query, bool authority)
{
    if (!(message->flags & FLAG_QR) || message->id != wire_get_u16(query + LENGTH_SIZE))
        return "not an answer to the question";
    if (message->rcode != RCODE_NOERROR && message->rcode != RCODE_NXDOMAIN)
        return "it answers with a failure";
    if (authority && !(message->flags & FLAG_AA))
        return "it is not an authority for the name";
    return NULL;
}

static bool read_response(const struct options *o, const char *server, const char *fault,
                          const struct message *message, const uint8_t *name, uint16_t type,
                          struct addresses *ret)
{
    int error = fault ? 0 : addresses_from_message(message, name, type, ret);
    if (error == ERR_FORMAT)
        fault = "the name is an alias (CNAME): move what it leads to";
    else if (error)
        fault = error_text(error);
    if (fault)
        complain(o, "%s: %s", server, fault);
    return !fault;
}

bool ask_addresses(const struct options *options, const char *server, bool authority,
                   const uint8_t *name, uint16_t type, struct addresses *ret)
{
    uint8_t query[MAX_QUERY];
    bool done = false;
    int fd = ask_connect(options, server);
    if (fd < 0)
        return false;
    struct message *message = message_new();
    uint8_t *response = malloc(DNS_MAX_MESSAGE);
    const size_t query_size = write_query(name, type, query);
    if (!message || !response || query_size == 0) {
        complain(options, "%s", strerror(ENOMEM));
        goto out;
    }
    const size_t size = exchange(fd, query, query_size, response);
    if (size == 0) {
        complain(options, "%s: %s", server, errno == EAGAIN ? "no answer" : strerror(errno));
        goto out;
    }
    int error = message_parse(message, response, size);
    const char *fault = error ? error_text(error) : fault_of(message, query, authority);
    done = read_response(options, server, fault, message, name, type, ret);
out:
    message_free(message);
    free(response);
    close(fd);
    return done;
}
