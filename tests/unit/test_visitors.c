/*
 * test_visitors.c - who comes to the control socket and the metrics port: with no memory for it, and with accept()
 * failing.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/accept.h"
#include "daemon/control.h"
#include "daemon/http.h"

enum { MOST_ALLOCATIONS = 200, REPLY = 512, TURNS = 6 };

/* How many more allocations of libevent succeed; -1: all do. */
static int allocations_left = -1;

static bool has_memory(void)
{
    if (allocations_left > 0)
        allocations_left--;
    return allocations_left != 0;
}

static void *some_memory(size_t size)
{
    return has_memory() ? malloc(size) : NULL;
}

static void *more_memory(void *bytes, size_t size)
{
    return has_memory() ? realloc(bytes, size) : NULL;
}

/* accept4() fails with this; 0: it does not. */
static int accept_error;

int __real_accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags);

int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags)
{
    if (accept_error == 0)
        return __real_accept4(fd, peer, size, flags);
    errno = accept_error;
    return -1;
}

/* One of the two, and how to talk to it. */
struct service {
    const char *request, *reply;
    struct sockaddr_storage address;
    socklen_t size;
    struct event_base *base;
    struct http *http;
    struct control *control;
    char path[64];
};

static void write_page(void *arg, struct evbuffer *out)
{
    (void)arg;
    evbuffer_add_printf(out, "freshet_x 1\n");
}

static json_t *say_yes(void *arg, json_t *request, struct control_work *ret_work)
{
    (void)arg, (void)request, (void)ret_work;
    return json_pack("{s:b}", "ok", true);
}

static void open_http(struct service *s)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&s->address;
    *s = (struct service){.request = "GET /metrics HTTP/1.1\r\n\r\n", .reply = "freshet_x 1"};
    s->size = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &s->size), 0);
    s->base = event_base_new();
    s->http = http_new(
        s->base, fd,
        &(struct http_page){.path = "/metrics", .type = "text/plain", .write = write_page});
    assert_non_null(s->http);
}

static void open_control(struct service *s)
{
    char error[CONTROL_MAX_ERROR];
    struct sockaddr_un *address = (struct sockaddr_un *)&s->address;
    *s = (struct service){.request = "{}\n", .reply = "true", .size = sizeof *address};
    snprintf(s->path, sizeof s->path, "/tmp/freshet-visitors-%d.sock", (int)getpid());
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, s->path);
    s->base = event_base_new();
    s->control = control_open(s->base, &(struct config_control){.path = s->path},
                              &(struct control_commands){.answer = say_yes},
                              &(struct identity){.wanted = false}, error);
    assert_non_null(s->control);
}

static void close_service(struct service *s)
{
    http_free(s->http);
    control_close(s->control);
    event_base_free(s->base);
}

static int dial(const struct service *s)
{
    int fd = socket(s->address.ss_family, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&s->address, s->size), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void turn(const struct service *s)
{
    for (int i = 0; i < TURNS; i++) {
        event_base_loop(s->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        usleep(200);
    }
}

static bool is_answered(const struct service *s, int fd)
{
    char reply[REPLY + 1] = "";
    ssize_t size = recv(fd, reply, REPLY, 0);
    return size > 0 && strstr(reply, s->reply);
}

/* Asks with so many allocations left, and then with all. Returns whether the first was answered. */
static bool ask_with(const struct service *s, int allocations)
{
    allocations_left = allocations;
    int fd = dial(s);
    (void)!write(fd, s->request, strlen(s->request));
    turn(s);
    allocations_left = -1;
    const bool answered = is_answered(s, fd);
    close(fd);
    usleep(ACCEPT_REST_MS * 1000 * (accept_error != 0));
    fd = dial(s);
    assert_int_equal(write(fd, s->request, strlen(s->request)), strlen(s->request));
    turn(s);
    assert_true(is_answered(s, fd));
    close(fd);
    turn(s);
    return answered;
}

/* Whichever allocation is the first to fail, that client gets less, and the next all. */
static void each_allocation_fails(void (*open)(struct service *))
{
    struct service s;
    open(&s);
    int allocations = 1;
    while (allocations < MOST_ALLOCATIONS && !ask_with(&s, allocations))
        allocations++;
    assert_in_range(allocations, 5, MOST_ALLOCATIONS - 1);
    close_service(&s);
}

static void metrics_without_memory(void **state)
{
    (void)state;
    each_allocation_fails(open_http);
}

static void control_without_memory(void **state)
{
    (void)state;
    each_allocation_fails(open_control);
}

/* Bytes that make no request: no more is read than a request may have. */
static void what_is_no_request_is_bounded(void **state)
{
    (void)state;
    enum { PIECE = 4096, PIECES = 1000 };
    static const char piece[PIECE] = "x";
    void (*const opens[])(struct service *) = {open_http, open_control};
    for (size_t k = 0; k < 2; k++) {
        struct service s;
        size_t sent = 0;
        opens[k](&s);
        int fd = dial(&s);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){PIECE}, sizeof(int));
        for (int i = 0; i < PIECES; i++) {
            ssize_t size = send(fd, piece, PIECE, MSG_NOSIGNAL);
            sent += size > 0 ? (size_t)size : 0;
            event_base_loop(s.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        }
        assert_true(sent < PIECE * PIECES / 2 ||
                    k == 0); /* HTTP: loopback's own buffers are large */
        close(fd);
        turn(&s);
        close_service(&s);
    }
}

/* ---- accept() ---- */

struct count {
    int taken, rests, lacks, error;
};

static void count_taken(void *arg, int fd, const struct sockaddr *peer, socklen_t size)
{
    (void)peer, (void)size;
    ((struct count *)arg)->taken++;
    close(fd);
}

static void count_rests(void *arg, int error)
{
    ((struct count *)arg)->rests++;
    ((struct count *)arg)->error = error;
}

static void count_lacks(void *arg)
{
    ((struct count *)arg)->lacks++;
}

/* Whether others are to make room when accept() fails so; it rests in any case, and then goes on. */
static bool makes_room(int error)
{
    struct service s;
    struct count count = {0};
    open_http(&s);
    http_free(s.http);
    s.http = NULL;
    struct sockaddr_in *address = (struct sockaddr_in *)&s.address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 16), 0);
    struct acceptor *acceptor = acceptor_new(&(struct acceptor_options){.base = s.base,
                                                                        .taken = count_taken,
                                                                        .rests = count_rests,
                                                                        .lacks = count_lacks,
                                                                        .arg = &count},
                                             fd);
    assert_non_null(acceptor);
    accept_error = error;
    int client = dial(&s);
    turn(&s);
    accept_error = 0;
    assert_int_equal(count.rests, 1);
    assert_int_equal(count.error, error);
    assert_int_equal(count.taken, 0);
    usleep((ACCEPT_REST_MS + 10) * 1000);
    turn(&s);
    assert_int_equal(count.taken, 1);
    close(client);
    acceptor_free(acceptor);
    close_service(&s);
    return count.lacks > 0;
}

static void only_a_lack_makes_room(void **state)
{
    (void)state;
    static const int lacks[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    static const int others[] = {EPERM, EACCES, EPROTO, ENETDOWN, EHOSTUNREACH, EINVAL, EIO};
    for (size_t k = 0; k < sizeof lacks / sizeof *lacks; k++)
        assert_true(makes_room(lacks[k]));
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        assert_false(makes_room(others[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_without_memory),
        cmocka_unit_test(control_without_memory),
        cmocka_unit_test(what_is_no_request_is_bounded),
        cmocka_unit_test(only_a_lack_makes_room),
    };
    signal(SIGPIPE, SIG_IGN);
    event_set_mem_functions(some_memory, more_memory, free);
    return cmocka_run_group_tests_name("visitors", tests, NULL, NULL);
}
