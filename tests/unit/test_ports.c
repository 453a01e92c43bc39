/*
 * test_ports.c - queries out and responses in over loopback sockets: by which ports, in which batches, what counts.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net/ports.h"

enum { MOST = 9000, SIZE = 40 };

/* A query as the server sees it. */
struct seen {
    uint16_t id;
    struct sockaddr_in from;
};

struct asked {
    struct udp_query query;
    uint8_t bytes[SIZE];
    size_t responses;
    bool refused;
};

static struct fixture {
    struct event_base *base;
    int fd; /* the server's */
    struct sockaddr_in address;
    struct ports *ports;
    struct asked asked[MOST];
    size_t count;
    struct seen seen[MOST];
    size_t seen_count;
    size_t batches;   /* calls of arrived() */
    size_t unwanted;  /* handed out, and nobody's */
    size_t last_size; /* of what was handed out last */
    bool finish;      /* a query is done with its first response */
} f;

static struct asked *whose(const struct udp_response *response)
{
    for (size_t i = 0; i < f.count; i++)
        if (ports_response(f.ports, &f.asked[i].query) &&
            ports_response(f.ports, &f.asked[i].query)->bytes == response->bytes)
            return &f.asked[i];
    return NULL;
}

static void arrived(void *arg)
{
    (void)arg;
    struct udp_response response;
    f.batches++;
    while (ports_next(f.ports, &response)) {
        struct asked *asked = whose(&response);
        f.last_size = response.size;
        if (!asked) {
            f.unwanted++;
            continue;
        }
        asked->responses++;
        asked->refused = asked->query.refused;
        if (f.finish)
            ports_done(f.ports, &asked->query);
    }
}

static int setup(void **state)
{
    (void)state;
    socklen_t size = sizeof f.address;
    memset(&f, 0, sizeof f);
    f.finish = true;
    f.base = event_base_new();
    f.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    f.address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)setsockopt(f.fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){1 << 24}, sizeof(int));
    assert_int_equal(bind(f.fd, (struct sockaddr *)&f.address, sizeof f.address), 0);
    assert_int_equal(getsockname(f.fd, (struct sockaddr *)&f.address, &size), 0);
    f.ports = ports_new(&(struct ports_options){
        .base = f.base, .address = (struct sockaddr *)&f.address, .arrived = arrived});
    return f.ports ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < f.count; i++)
        ports_done(f.ports, &f.asked[i].query);
    ports_free(f.ports);
    if (f.fd >= 0)
        close(f.fd);
    event_base_free(f.base);
    return 0;
}

/* Puts a query into its queue. */
static struct asked *queue(uint16_t id)
{
    struct asked *asked = &f.asked[f.count++];
    asked->query.bytes = asked->bytes;
    asked->query.size = SIZE;
    wire_put_u16(asked->bytes, id);
    wire_put_u16(asked->bytes + 4, (uint16_t)(f.count - 1)); /* which it is */
    assert_int_equal(ports_send(f.ports, &asked->query), ERR_OK);
    return asked;
}

/* What is ready now, once. */
static void turn(void)
{
    event_base_loop(f.base, EVLOOP_NONBLOCK);
}

/* Reads what has come to the server. Returns how much that was. */
static size_t serve(void)
{
    size_t before = f.seen_count;
    uint8_t bytes[512];
    socklen_t size = sizeof(struct sockaddr_in);
    while (f.seen_count < MOST &&
           recvfrom(f.fd, bytes, sizeof bytes, 0, (struct sockaddr *)&f.seen[f.seen_count].from,
                    &size) > 0)
        f.seen[f.seen_count++].id = wire_get_u16(bytes);
    return f.seen_count - before;
}

static void respond_to(const struct seen *to, uint16_t id, size_t size)
{
    static uint8_t bytes[PORTS_MAX_RESPONSE];
    wire_put_u16(bytes, id);
    assert_int_equal(
        sendto(f.fd, bytes, size, 0, (const struct sockaddr *)&to->from, sizeof to->from),
        (ssize_t)size);
}

/* Different source ports among those seen since `first`. */
static size_t count_ports(size_t first)
{
    size_t count = 0;
    for (size_t i = first; i < f.seen_count; i++) {
        size_t k = first;
        while (f.seen[k].from.sin_port != f.seen[i].from.sin_port)
            k++;
        count += k == i;
    }
    return count;
}

static void a_query_leaves_at_the_end_of_the_iteration(void **state)
{
    (void)state;
    queue(7);
    assert_int_equal(serve(), 0);
    turn();
    assert_int_equal(serve(), 1);
    assert_int_equal(f.seen[0].id, 7);
}

static void a_response_finds_its_query(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 100; i++)
        queue((uint16_t)(1000 + i));
    turn();
    assert_int_equal(serve(), 100);
    for (size_t i = 100; i-- > 0;)
        respond_to(&f.seen[i], f.seen[i].id, 60);
    for (int i = 0; i < 10; i++)
        turn();
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(f.asked[i].responses, 1);
    assert_int_equal(f.unwanted, 0);
    assert_true(f.batches < 50); /* not one system call for each */
}

static void queries_share_a_few_ports(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 60; i++)
        queue(i);
    turn();
    serve();
    assert_int_equal(count_ports(0), PORTS_TAKING);
}

/* Whoever watches one port does not see more than these few by it. */
static void a_port_takes_only_so_many(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 1280; i++) {
        queue(i);
        turn();
        serve();
    }
    assert_int_equal(f.seen_count, 1280);
    for (size_t i = 0; i < f.seen_count; i++) {
        size_t same = 0;
        for (size_t k = 0; k < f.seen_count; k++)
            same += f.seen[k].from.sin_port == f.seen[i].from.sin_port;
        assert_in_range(same, 1, PORTS_QUERIES);
    }
    assert_in_range(count_ports(0), 1280 / PORTS_QUERIES, PORTS_MOST);
}

/* Silent upstreams, and as many ports as there may be: what leaves in an iteration leaves by a few, the next by others. */
static void where_no_port_is_left_a_few_are_shared(void **state)
{
    (void)state;
    enum { ROUNDS = 64, EACH = 48 };
    size_t most = 0;
    for (uint16_t i = 0; i < PORTS_MOST * PORTS_QUERIES; i++) {
        queue(i);
        turn();
    }
    serve();
    const size_t first = f.seen_count = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        const size_t before = f.seen_count;
        for (uint16_t i = 0; i < EACH && f.count < MOST; i++)
            queue(i);
        turn();
        serve();
        const size_t ports = count_ports(before);
        most = ports > most ? ports : most;
        assert_in_range(ports, 1, PORTS_TAKING);
        while (f.count > PORTS_MOST * PORTS_QUERIES)
            ports_done(f.ports, &f.asked[--f.count].query);
    }
    assert_true(most > 1);
    assert_true(count_ports(first) > PORTS_MOST / 4);
}

/* What the kernel refuses, as without a route, is no lack of ports. */
static void who_cannot_be_reached_shares_no_port(void **state)
{
    (void)state;
    struct ports_budget budget = {.most = 10};
    uint8_t bytes[SIZE] = {0};
    struct udp_query query = {.bytes = bytes, .size = SIZE};
    f.address.sin_addr.s_addr =
        htonl(INADDR_BROADCAST); /* which takes an option that we do not set */
    ports_free(f.ports);
    f.ports = ports_new(&(struct ports_options){.budget = &budget,
                                                .base = f.base,
                                                .address = (struct sockaddr *)&f.address,
                                                .arrived = arrived});
    assert_int_equal(ports_send(f.ports, &query), ERR_SYSTEM);
    assert_int_equal(budget.open, 0);
    assert_int_equal(counter_get(&budget.shared), 0);
}

/* Silent upstreams leave the others theirs: past the budget an upstream has the few that each may have. */
static void past_the_budget_ports_are_used_longer(void **state)
{
    (void)state;
    struct ports_budget budget = {.most = 10};
    ports_free(f.ports);
    f.ports = ports_new(&(struct ports_options){.budget = &budget,
                                                .base = f.base,
                                                .address = (struct sockaddr *)&f.address,
                                                .arrived = arrived});
    for (uint16_t i = 0; i < 1280; i++) {
        queue(i);
        turn();
    }
    assert_int_equal(budget.open, 10);
    assert_true(counter_get(&budget.shared) > 0);
    budget.most = 0; /* somebody else has them all */
    struct ports *others = ports_new(&(struct ports_options){
        .budget = &budget, .base = f.base, .address = (struct sockaddr *)&f.address});
    struct udp_query query = {.bytes = f.asked[0].query.bytes, .size = f.asked[0].query.size};
    assert_int_equal(ports_send(others, &query), ERR_OK);
    assert_int_equal(budget.open, 11);
    ports_done(others, &query);
    turn();
    ports_free(others);
    assert_int_equal(budget.open, 10);
    serve();
    for (size_t i = 0; i < f.count; i++)
        ports_done(f.ports, &f.asked[i].query);
    f.count = 0;
    ports_free(f.ports);
    assert_int_equal(budget.open, 0);
    f.ports = NULL;
}

/* With nothing outstanding a port is closed: quiet times see a new one for every query. */
static void a_drained_port_is_closed(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        queue(i);
        turn();
        assert_int_equal(serve(), 1);
        respond_to(&f.seen[i], i, 60);
        turn();
        turn();
        assert_int_equal(f.asked[i].responses, 1);
        assert_null(f.asked[i].query.port);
    }
    assert_in_range(count_ports(0), 18, 20); /* the kernel may pick one twice */
}

/* RFC 5452 9.2: right in every byte, and from the right address, but to another of the open ports. */
static void a_response_counts_on_its_own_port_only(void **state)
{
    (void)state;
    f.finish = false;
    for (uint16_t i = 0; i < 60; i++)
        queue((uint16_t)(i + 1));
    turn();
    serve();
    size_t other = 1;
    while (f.seen[other].from.sin_port == f.seen[0].from.sin_port)
        other++;
    respond_to(&f.seen[other], f.seen[0].id, 60);
    turn();
    turn();
    assert_int_equal(f.batches, 1);
    assert_int_equal(f.last_size, 0); /* nothing was handed out */
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(f.asked[i].responses, 0);
    respond_to(&f.seen[0], f.seen[0].id, 60);
    turn();
    turn();
    assert_int_equal(f.last_size, 60);
}

static void what_is_no_message_is_dropped(void **state)
{
    (void)state;
    queue(7);
    turn();
    serve();
    respond_to(&f.seen[0], 7, DNS_HEADER_SIZE - 1);
    respond_to(&f.seen[0], 8, 60); /* nobody asked that */
    turn();
    assert_int_equal(f.last_size, 0);
    respond_to(&f.seen[0], 7, DNS_HEADER_SIZE);
    turn();
    assert_int_equal(f.asked[0].responses, 1);
}

static void a_response_may_be_as_long_as_a_datagram(void **state)
{
    (void)state;
    for (uint16_t id = 1; id <= 5; id++)
        queue(id);
    turn();
    serve();
    static const size_t sizes[] = {512, 1232, 2049, 9000, 60000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        respond_to(&f.seen[i], f.seen[i].id, sizes[i]);
        turn();
        turn();
        assert_int_equal(f.last_size, sizes[i]);
    }
}

/* Done before it was sent, it never leaves. */
static void what_is_done_is_not_sent(void **state)
{
    (void)state;
    struct asked *first = queue(1), *second = queue(2);
    ports_done(f.ports, &first->query);
    ports_done(f.ports, &first->query);
    turn();
    assert_int_equal(serve(), 1);
    assert_int_equal(f.seen[0].id, 2);
    ports_done(f.ports, &second->query);
    turn();
    respond_to(&f.seen[0], 2, 60);
    turn();
    assert_int_equal(f.batches, 0); /* its port is gone */
}
/* What the kernel hears of a port that nobody listens to ends all that is outstanding on it. */
static void a_refusal_ends_what_is_on_the_port(void **state)
{
    (void)state;
    close(f.fd);
    f.fd = -1;
    for (uint16_t i = 0; i < 100; i++)
        queue(i);
    for (int i = 0; i < 20; i++)
        turn();
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(f.asked[i].responses, 1);
        assert_true(f.asked[i].refused);
        assert_int_equal(wire_get_u16(f.asked[i].bytes + 2) & FLAG_RCODE, RCODE_SERVFAIL);
    }
}

/* More than the ports are for: they are used longer, and every query still has its own response. */
static void thousands_at_once(void **state)
{
    (void)state;
    f.finish = false;
    for (size_t i = 0; i < MOST; i++) {
        queue((uint16_t)i);
        if (i % 16 == 0) {
            turn();
            serve();
        }
    }
    turn();
    serve();
    assert_int_equal(f.seen_count, MOST);
    for (size_t i = 0; i < MOST; i++) {
        respond_to(&f.seen[i], f.seen[i].id, 60);
        if (i % 16 == 0)
            turn();
    }
    for (int i = 0; i < 20; i++)
        turn();
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(f.asked[i].responses, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_query_leaves_at_the_end_of_the_iteration),
        TEST(a_response_finds_its_query),
        TEST(queries_share_a_few_ports),
        TEST(a_port_takes_only_so_many),
        TEST(past_the_budget_ports_are_used_longer),
        TEST(where_no_port_is_left_a_few_are_shared),
        TEST(who_cannot_be_reached_shares_no_port),
        TEST(a_drained_port_is_closed),
        TEST(a_response_counts_on_its_own_port_only),
        TEST(what_is_no_message_is_dropped),
        TEST(a_response_may_be_as_long_as_a_datagram),
        TEST(what_is_done_is_not_sent),
        TEST(a_refusal_ends_what_is_on_the_port),
        TEST(thousands_at_once),
    };
    return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
