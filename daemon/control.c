#include "daemon/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/accept.h"
#include "daemon/clock.h"
#include "daemon/log.h"

#define NO_GROUP "there is no group \"%.128s\"; expected one of this machine"
#define NOT_ITS_GROUP                                                                              \
    "%.107s: may not be given to the group \"%.40s\"; start as root, or as a member of it"

enum {
    MAX_REQUEST = 64 * 1024,
    MAX_CLIENTS = 64, /* then the one goes that has been served longest ago */
    IDLE_SECONDS = 30,
    LOCK_TRIES = 20, /* for the moment in which another instance opens or closes the path */
    LOCK_PAUSE_MS = 50,
    /* Bytes that wait for a client before it is answered no further, and those at which that goes on. */
    ANSWER_AHEAD = 64 * 1024,
    ANSWER_ON = 16 * 1024,
    /* A dump's turn takes about half a millisecond; with a rest after each, all dumps together take a fifth of a
     * processor at most, which queries may need. */
    REST_MS = 2,
};

struct control_client {
    struct control_client *prev, *next;
    struct mono since; /* its last request was answered, or it came */
    struct control *control;
    struct bufferevent *stream;
    struct control_work work; /* under way: other requests wait for its end */
    bool leaving;             /* closed once its last answer is sent */
};

struct control {
    struct event_base *base;
    struct control_commands commands;
    char *path;
    struct stat socket; /* what we made at the path */
    struct acceptor *acceptor;
    struct control_client *clients; /* those whose turn it was last come last */
    size_t count;
    struct event *turn; /* of the next dump */
};

static void end_work(struct control_client *client)
{
    if (client->work.next)
        client->work.free(client->work.state);
    client->work = (struct control_work){.next = NULL};
}

static void control_client_free(struct control_client *client)
{
    DL_DELETE(client->control->clients, client);
    client->control->count--;
    end_work(client);
    bufferevent_free(client->stream);
    free(client);
}

static int append(const char *bytes, size_t size, void *arg)
{
    return evbuffer_add(arg, bytes, size);
}

void control_write_line(struct evbuffer *out, json_t *object)
{
    if (!object)
        evbuffer_add_printf(out, "{\"ok\": false, \"error\": \"out of memory\"}");
    else
        json_dump_callback(object, append, out, JSON_COMPACT);
    evbuffer_add(out, "\n", 1);
    json_decref(object);
}

/* Takes the reference. */
static void write_line(struct control_client *client, json_t *object)
{
    control_write_line(bufferevent_get_output(client->stream), object);
}

json_t *control_refuse(const char *text)
{
    return json_pack("{s:b, s:s}", "ok", false, "error", text);
}

static void answer_line(struct control_client *client, const char *line)
{
    client->since = mono_now();
    json_error_t error;
    json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(request)) {
        const struct control_commands *commands = &client->control->commands;
        json_t *reply = commands->answer(commands->arg, request, &client->work);
        if (!client->work.next)
            write_line(client, reply);
    } else {
        write_line(client, control_refuse("a request is one JSON object on one line"));
    }
    json_decref(request);
}

static void refuse_long_request(struct control_client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->stream);
    evbuffer_drain(input, evbuffer_get_length(input));
    write_line(client, control_refuse("the request is too long"));
    client->leaving = true;
}

/* Answers the next request. False: there is none. */
static bool answer_next(struct control_client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->stream);
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (line)
        answer_line(client, line);
    else if (evbuffer_get_length(input) > MAX_REQUEST)
        refuse_long_request(client);
    free(line);
    return line != NULL;
}

static bool has_room(const struct control_client *client)
{
    return evbuffer_get_length(bufferevent_get_output(client->stream)) < ANSWER_AHEAD;
}

static void rest(struct control *control)
{
    const struct timeval t = {.tv_usec = REST_MS * 1000};
    if (!event_pending(control->turn, EV_TIMEOUT, NULL))
        event_add(control->turn, &t);
}

/* Bytes that trickle in keep the idle time from ending, but a request must be whole by then. */
static bool is_late(const struct control_client *client)
{
    return evbuffer_get_length(bufferevent_get_input(client->stream)) > 0 &&
           mono_reached(mono_now(), mono_add(client->since, IDLE_SECONDS * 1000));
}

/*
 * Answers as far as the client takes the answers; until then nothing more is read from it. One that takes none any
 * more runs into the time for that, and one that has gone shows when it is written to.
 */
static void answer(struct control_client *client)
{
    bool more = true;
    while (more && !client->work.next && has_room(client))
        more = answer_next(client);
    if (client->work.next && has_room(client))
        rest(client->control);
    if (!more && !client->work.next && is_late(client))
        control_client_free(client);
    else if (more || client->leaving)
        bufferevent_disable(client->stream, EV_READ);
    else
        bufferevent_enable(client->stream, EV_READ);
}

/* Writes lines of a dump while there is room for them; behind its end, the answers to what was asked meanwhile. */
static void dump_on(struct control_client *client)
{
    struct evbuffer *output = bufferevent_get_output(client->stream);
    bool more = true;
    while (more && has_room(client))
        more = client->work.next(client->work.state, output);
    if (more)
        return;
    end_work(client);
    answer(client);
}

/* The dump that has waited longest, of those whose clients have taken what there was. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct control *control = arg;
    struct control_client *client = control->clients;
    while (client && !(client->work.next && has_room(client)))
        client = client->next;
    if (!client)
        return;
    DL_DELETE(control->clients, client);
    DL_APPEND(control->clients, client);
    client->since = mono_now();
    dump_on(client);
    rest(control);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    (void)stream;
    answer(arg);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    struct control_client *client = arg;
    if (!client->leaving)
        answer(client);
    else if (evbuffer_get_length(bufferevent_get_output(stream)) == 0)
        control_client_free(client);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct control_client *client = arg;
    if (what & BEV_EVENT_EOF && evbuffer_get_length(bufferevent_get_output(stream)) > 0)
        client->leaving = true;
    else
        control_client_free(client);
}

/* Whoever comes may be the operator, who looks what is going on. */
static void make_room(struct control *control)
{
    struct control_client *client, *quietest = control->clients;
    DL_FOREACH (control->clients, client)
        if (client->since.ms < quietest->since.ms)
            quietest = client;
    control_client_free(quietest);
    log_limited(LOG_LEVEL_WARNING, "msg=\"a control connection is closed for another\" most=%d",
                MAX_CLIENTS);
}

static void on_taken(void *arg, int fd, const struct sockaddr *peer, socklen_t size)
{
    (void)peer, (void)size;
    struct control *control = arg;
    if (control->count >= MAX_CLIENTS)
        make_room(control);
    struct control_client *client = calloc(1, sizeof *client);
    struct bufferevent *stream =
        client ? bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!stream) {
        free(client);
        close(fd);
        return;
    }
    client->control = control;
    client->stream = stream;
    client->since = mono_now();
    DL_APPEND(control->clients, client);
    control->count++;
    struct timeval idle = {.tv_sec = IDLE_SECONDS};
    bufferevent_setcb(stream, on_read, on_written, on_event, client);
    bufferevent_set_timeouts(stream, &idle, &idle);
    bufferevent_setwatermark(stream, EV_WRITE, ANSWER_ON, 0);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE) != 0)
        control_client_free(client);
}

static void on_lack(void *arg)
{
    struct control *control = arg;
    if (control->clients)
        make_room(control);
}

static void on_rests(void *arg, int error)
{
    (void)arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"the control socket rests for 100 ms\" error=\"%s\"",
                strerror(error));
}

/* ---- the path */

/*
 * Locks the directory of the path, for the moments in which a socket there is made or removed: of two instances that
 * start at once, one would remove what the other has just made. -1: it cannot be locked, and is not.
 */
static int lock_directory(const char *path)
{
    char copy[sizeof((struct sockaddr_un *)NULL)->sun_path];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            close(fd);
            return -1;
        }
        usleep(LOCK_PAUSE_MS * 1000);
    }
    return fd;
}

static void unlock_directory(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Without waiting: an instance that is stopped takes nobody, and its queue may be full (EAGAIN). */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool served = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                  errno == EAGAIN || errno == EINPROGRESS;
    close(fd);
    return served;
}

static bool find_group(const char *name, gid_t *ret_gid)
{
    const struct group *group = getgrnam(name);
    if (group)
        *ret_gid = group->gr_gid;
    return group != NULL;
}

/* Whose the socket is. */
struct ownership {
    bool wanted; /* by a user */
    uid_t uid;   /* -1: as it is */
    gid_t gid;
    bool grouped; /* its group may open it */
};

static void own(const struct sockaddr_un *address, const struct ownership *owner, int *error)
{
    if (*error != 0 || (!owner->wanted && !owner->grouped))
        return;
    const int refused = lchown(address->sun_path, owner->uid, owner->gid);
    if (!refused || !owner->grouped)
        return;
    const int why = errno;
    unlink(address->sun_path);
    errno = why;
    *error = refused;
}

/* A bound, listening socket, or -1 with errno. Who may open it is settled before anybody can: before it listens. */
static int listen_at(const struct sockaddr_un *address, const struct ownership *owner)
{
    enum { BACKLOG = 128 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    mode_t old = umask(owner->grouped ? 0117 : 0177);
    int error = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(old);
    own(address, owner, &error);
    if (error != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Frees the path for us if it is a socket that nobody serves. Returns NULL, or why not. */
static const char *clear_path(const struct sockaddr_un *address)
{
    struct stat info;
    if (lstat(address->sun_path, &info) != 0)
        return NULL;
    if (!S_ISSOCK(info.st_mode))
        return "is there already and is no socket";
    if (is_served(address))
        return "another instance is running and serves it";
    unlink(address->sun_path);
    return NULL;
}

/* The directory of the socket, such as /run/freshet, is gone after each boot. */
static void make_directory_of(const char *path, const struct identity *owner)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    const char *directory = dirname(copy);
    if (mkdir(directory, 0755) == 0 && owner->wanted)
        (void)!chown(directory, owner->uid, owner->gid);
}

/* The last directory of the path is made where it is missing; the one above is not. */
static const char *check_path(const char *path)
{
    struct stat info;
    char copy[PATH_MAX], above[PATH_MAX];
    if (lstat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
        return "is there already and is no socket";
    snprintf(copy, sizeof copy, "%s", path);
    const char *directory = dirname(copy);
    if (access(directory, F_OK) != 0) {
        snprintf(above, sizeof above, "%s", directory);
        directory = dirname(above);
    }
    if (stat(directory, &info) != 0)
        return strerror(errno);
    if (!S_ISDIR(info.st_mode))
        return strerror(ENOTDIR);
    return access(directory, W_OK | X_OK) == 0 ? NULL : strerror(errno);
}

bool control_check(const struct config_control *place, const char **ret_key,
                   char ret_error[CONTROL_MAX_ERROR])
{
    const char *why = check_path(place->path);
    gid_t gid;
    *ret_key = "control";
    snprintf(ret_error, CONTROL_MAX_ERROR, "%s: %s", place->path, why ? why : "");
    if (why || !place->group || find_group(place->group, &gid))
        return why == NULL;
    *ret_key = "control.group";
    snprintf(ret_error, CONTROL_MAX_ERROR, NO_GROUP, place->group);
    return false;
}

/* Takes over `fd`. NULL: no memory. */
static struct control *control_new(struct event_base *base, const char *path,
                                   const struct control_commands *commands, int fd)
{
    struct control *control = calloc(1, sizeof *control);
    if (!control) {
        close(fd);
        return NULL;
    }
    control->base = base;
    control->commands = *commands;
    control->path = strdup(path);
    control->turn = evtimer_new(base, on_turn, control);
    (void)lstat(path, &control->socket);
    control->acceptor = acceptor_new(
        &(struct acceptor_options){
            .base = base, .taken = on_taken, .rests = on_rests, .lacks = on_lack, .arg = control},
        fd);
    if (control->path && control->turn && control->acceptor)
        return control;
    control_close(control);
    return NULL;
}

struct control *control_open(struct event_base *base, const struct config_control *place,
                             const struct control_commands *commands, const struct identity *owner,
                             char ret_error[CONTROL_MAX_ERROR])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = place->path;
    struct ownership ownership = {owner->wanted, owner->wanted ? owner->uid : (uid_t)-1,
                                  owner->wanted ? owner->gid : (gid_t)-1, place->group != NULL};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(ret_error, CONTROL_MAX_ERROR, "the path is longer than %zu bytes",
                 sizeof address.sun_path - 1);
        return NULL;
    }
    strcpy(address.sun_path, path);
    if (place->group && !find_group(place->group, &ownership.gid)) {
        snprintf(ret_error, CONTROL_MAX_ERROR, NO_GROUP, place->group);
        return NULL;
    }
    make_directory_of(path, owner);
    int lock = lock_directory(path);
    const char *wrong = clear_path(&address);
    int fd = wrong ? -1 : listen_at(&address, &ownership);
    const int error = errno;
    unlock_directory(lock);
    if (fd < 0) {
        if (!wrong && place->group && error == EPERM)
            snprintf(ret_error, CONTROL_MAX_ERROR, NOT_ITS_GROUP, path, place->group);
        else
            snprintf(ret_error, CONTROL_MAX_ERROR, "%s: %s", path, wrong ? wrong : strerror(error));
        return NULL;
    }
    struct control *control = control_new(base, path, commands, fd);
    if (!control)
        snprintf(ret_error, CONTROL_MAX_ERROR, "out of memory");
    return control;
}

/* Removes the socket if it is still the one we made: another instance may have put its own there. */
static void remove_socket(const struct control *control)
{
    struct stat now;
    int lock = lock_directory(control->path);
    if (lstat(control->path, &now) == 0 && now.st_dev == control->socket.st_dev &&
        now.st_ino == control->socket.st_ino)
        unlink(control->path);
    unlock_directory(lock);
}

void control_close(struct control *control)
{
    if (!control)
        return;
    while (control->clients)
        control_client_free(control->clients);
    if (control->path)
        remove_socket(control); /* while it is open its inode is not another's */
    acceptor_free(control->acceptor);
    if (control->turn)
        event_free(control->turn);
    free(control->path);
    free(control);
}
