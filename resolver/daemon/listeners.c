#include "resolver/daemon/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/net.h"

enum { LOW_PORTS = 1024, MAX_KEY = 64 };

/* One that is waited for; or that is link-local, so that its interface may go and come back as another. */
struct place {
    size_t number; /* among all addresses */
    size_t tier_index;
    char *tier, *text;
    struct sockaddr_storage addr;
    socklen_t size;
    unsigned interface; /* on which it was had; 0: it is waited for */
    char refusal
        [NET_MAX_ERROR]; /* why it is there and is not to be had, which has been said; or "" */
};

/* The two sockets of one worker. */
struct pair {
    int udp, tcp;
};

struct listeners {
    struct worker *const *workers;
    size_t worker_count;
    size_t addresses; /* in all */
    size_t count;
    struct place *places;
};

/* One address and one type of socket, as each worker gets it. */
struct bind_address {
    const struct sockaddr *address;
    socklen_t size;
    int type;
    int passed; /* handed over by the service manager; -1: each worker opens its own */
};

/* ---- one address ------------------------------------------------------------------------------ */

/* A link-local address belongs to an interface, which is known by its number while it is there. 0: it is not. */
static unsigned interface_of(const char *text)
{
    char name[IF_NAMESIZE];
    net_interface_named(text, name);
    return if_nametoindex(name);
}

static bool has_interface(const char *text, const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 && strchr(text, '%');
}

static int find_interface(const char *text, struct sockaddr_storage *addr, char why[NET_MAX_ERROR])
{
    if (net_find_interface(text, addr))
        return ERR_OK;
    snprintf(why, NET_MAX_ERROR, "no such interface");
    return ERR_NOT_FOUND;
}

/* Workers share a socket that was handed over: another beside it may take privileges that we do not have. */
static int open_bind(const struct bind_address *bind, char why[NET_MAX_ERROR])
{
    if (bind->passed < 0)
        return net_open(bind->address, bind->size, bind->type, why);
    int fd = fcntl(bind->passed, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        return fd;
    snprintf(why, NET_MAX_ERROR, "%s", strerror(errno));
    return ERR_SYSTEM;
}

static int open_pair(const struct bind_address binds[2], struct pair *ret, char why[NET_MAX_ERROR])
{
    int udp = open_bind(&binds[0], why);
    if (udp < 0)
        return udp;
    int tcp = open_bind(&binds[1], why);
    if (tcp < 0) {
        close(udp);
        return tcp;
    }
    *ret = (struct pair){udp, tcp};
    return ERR_OK;
}

/* For all workers or for none: where one cannot be had, it is all tried again. */
static int open_pairs(struct listeners *listeners, const struct place *wanted,
                      const struct bind_address binds[2], char why[NET_MAX_ERROR])
{
    struct pair *pairs = calloc(listeners->worker_count, sizeof *pairs);
    size_t count = 0;
    int error = pairs ? ERR_OK : ERR_MEMORY;
    while (count < listeners->worker_count && !error) {
        error = open_pair(binds, &pairs[count], why);
        count += !error;
    }
    for (size_t i = 0; i < count; i++) {
        if (error) {
            close(pairs[i].udp);
            close(pairs[i].tcp);
        } else if (!worker_listen(listeners->workers[i],
                                  &(struct worker_place){.tier_index = wanted->tier_index,
                                                         .place = wanted->number,
                                                         .udp = pairs[i].udp,
                                                         .tcp = pairs[i].tcp})) {
            error = ERR_MEMORY;
        }
    }
    free(pairs);
    return error;
}

/* Finds out how a bind is had, and whether it can be. */
static int prepare_bind(struct systemd *systemd, struct bind_address *bind, char why[NET_MAX_ERROR])
{
    bind->passed = systemd_take(systemd, bind->address, bind->type);
    if (bind->passed < 0)
        return net_check_free(bind->address, bind->size, bind->type, why);
    return net_adopt(bind->passed, bind->address, bind->type, why);
}

/*
 * One UDP and one TCP socket per worker. ERR_OK; ERR_NOT_FOUND with the reason in `why`: there is nothing to be had now;
 * another error. With ERR_OK and a reason, it is the address of nobody yet. Notes the interface.
 */
static int open_address(struct listeners *listeners, struct systemd *systemd, struct place *wanted,
                        char why[NET_MAX_ERROR])
{
    struct sockaddr_storage addr = wanted->addr;
    const struct sockaddr *sa = (const struct sockaddr *)&addr;
    struct bind_address binds[] = {
        {.address = sa, .size = wanted->size, .type = SOCK_DGRAM, .passed = -1},
        {.address = sa, .size = wanted->size, .type = SOCK_STREAM, .passed = -1},
    };
    int error = find_interface(wanted->text, &addr, why);
    for (size_t i = 0; i < 2 && !error; i++)
        error = prepare_bind(systemd, &binds[i], why);
    if (!error)
        error = open_pairs(listeners, wanted, binds, why);
    if (!error && has_interface(wanted->text, &addr))
        wanted->interface = ((const struct sockaddr_in6 *)&addr)->sin6_scope_id;
    for (size_t i = 0; i < 2; i++)
        if (binds[i].passed >= 0)
            close(binds[i].passed);
    return error;
}

/* ---- all of them -------------------------------------------------------------------------------- */

static struct place wanted_at(const struct config *config, size_t tier, size_t listen)
{
    const struct config_address *address = &config->tiers[tier].listen[listen];
    return (struct place){
        .tier_index = tier,
        .tier = config->tiers[tier].name,
        .text = address->text,
        .addr = address->addr,
        .size = address->addr_size,
    };
}

static bool keep(struct listeners *listeners, const struct place *wanted)
{
    struct place *more = realloc(listeners->places, (listeners->count + 1) * sizeof *more);
    if (!more)
        return false;
    listeners->places = more;
    struct place *place = &more[listeners->count];
    *place = *wanted;
    place->tier = strdup(wanted->tier);
    place->text = strdup(wanted->text);
    if (place->tier && place->text) {
        listeners->count++;
        return true;
    }
    free(place->tier);
    free(place->text);
    return false;
}

static int refuse(const struct config *config, size_t tier, size_t listen, const char *why,
                  char ret_error[CONFIG_MAX_ERROR])
{
    char key[MAX_KEY];
    snprintf(key, sizeof key, "tiers[%zu].listen[%zu]", tier, listen);
    config_fault(config, ret_error, key, "%s: %s", config->tiers[tier].listen[listen].text, why);
    return ERR_CONFIG;
}

static int open_one(struct listeners *listeners, const struct listeners_options *options,
                    size_t tier, size_t listen, char ret_error[CONFIG_MAX_ERROR])
{
    char why[NET_MAX_ERROR] = "";
    struct place wanted = wanted_at(options->config, tier, listen);
    wanted.number = listeners->addresses++;
    int error = open_address(listeners, options->systemd, &wanted, why);
    if (!error && why[0])
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"an address is not there yet: it is answered on once it is\" tier=%s "
                 "address=%s why=\"%s\"",
                 wanted.tier, wanted.text, why);
    if (error && error != ERR_NOT_FOUND)
        return refuse(options->config, tier, listen, why[0] ? why : "out of memory", ret_error);
    if ((error || wanted.interface > 0) && !keep(listeners, &wanted))
        return refuse(options->config, tier, listen, "out of memory", ret_error);
    if (!error)
        return ERR_OK;
    log_line(LOG_LEVEL_WARNING,
             "msg=\"an address cannot be had yet: it is waited for\" tier=%s address=%s "
             "why=\"%s\"",
             wanted.tier, wanted.text, why);
    return ERR_OK;
}

struct listeners *listeners_open(const struct listeners_options *options,
                                 char ret_error[CONFIG_MAX_ERROR])
{
    const struct config *config = options->config;
    struct listeners *listeners = calloc(1, sizeof *listeners);
    if (!listeners) {
        config_fault(config, ret_error, NULL, "out of memory");
        return NULL;
    }
    listeners->workers = options->workers;
    listeners->worker_count = options->worker_count;
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].listen_count; k++)
            if (open_one(listeners, options, i, k, ret_error) != ERR_OK) {
                listeners_free(listeners);
                return NULL;
            }
    systemd_report_left(options->systemd);
    return listeners;
}

/* NULL: it is had, and not link-local. */
static const struct place *place_of(const struct listeners *listeners, size_t tier,
                                    const char *text)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->places[i].tier_index == tier && strcmp(listeners->places[i].text, text) == 0)
            return &listeners->places[i];
    return NULL;
}

static bool is_had(const struct place *place)
{
    return !place || place->interface > 0;
}

void listeners_announce(const struct listeners *listeners, const struct config *config)
{
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].listen_count; k++)
            if (is_had(place_of(listeners, i, config->tiers[i].listen[k].text)))
                log_line(LOG_LEVEL_INFO, "msg=listening tier=%s address=%s", config->tiers[i].name,
                         config->tiers[i].listen[k].text);
}

static void drop(struct listeners *listeners, size_t i)
{
    free(listeners->places[i].tier);
    free(listeners->places[i].text);
    listeners->places[i] = listeners->places[--listeners->count];
}

/* Had on an interface that is, by the same name, another now: its sockets hear nothing any more. */
static bool has_moved(const struct place *place)
{
    const unsigned now = interface_of(place->text);
    return now > 0 && now != place->interface;
}

/* Whether it is had now. */
static bool try_again(struct listeners *listeners, struct place *place)
{
    char why[NET_MAX_ERROR] = "";
    int error = open_address(listeners, NULL, place, why);
    if (error == ERR_NOT_FOUND || (error && place->refusal[0]))
        return false;
    if (error && !why[0])
        snprintf(why, sizeof why, "out of memory");
    log_line(error ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "msg=\"%s\" tier=%s address=%s why=\"%s\"",
             error ? "an address that is waited for is not to be had now" : "listening",
             place->tier, place->text, why);
    /* whoever has it may leave */
    snprintf(place->refusal, sizeof place->refusal, "%s", error ? why : "");
    return !error;
}

void listeners_retry(struct listeners *listeners)
{
    for (size_t i = listeners->count; i-- > 0;) {
        struct place *place = &listeners->places[i];
        if (place->interface > 0 && !has_moved(place))
            continue;
        place->interface = 0;
        if (try_again(listeners, place) && place->interface == 0)
            drop(listeners, i);
    }
}

bool listeners_await(const struct config_address *address)
{
    char why[NET_MAX_ERROR];
    struct sockaddr_storage addr = address->addr;
    return find_interface(address->text, &addr, why) != ERR_OK ||
           !net_is_here((const struct sockaddr *)&addr, address->addr_size);
}

const char *listeners_refusal(const struct listeners *listeners, size_t tier, const char *text)
{
    const struct place *place = place_of(listeners, tier, text);
    return place && place->refusal[0] ? place->refusal : NULL;
}

static bool is_low_port(const struct sockaddr_storage *addr)
{
    /* sin6_port lies in the same place */
    return ntohs(((const struct sockaddr_in *)addr)->sin_port) < LOW_PORTS;
}

bool listeners_want_low_port(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (is_low_port(&listeners->places[i].addr))
            return true;
    return false;
}

void listeners_free(struct listeners *listeners)
{
    if (!listeners)
        return;
    while (listeners->count > 0)
        drop(listeners, 0);
    free(listeners->places);
    free(listeners);
}

/* ---- what can be known before ------------------------------------------------------------------- */

int listeners_check(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].listen_count; k++) {
            char why[NET_MAX_ERROR] = "";
            struct place wanted = wanted_at(config, i, k);
            const struct sockaddr *sa = (const struct sockaddr *)&wanted.addr;
            if (find_interface(wanted.text, &wanted.addr, why) != ERR_OK)
                continue;
            int error = net_check_free(sa, wanted.size, SOCK_DGRAM, why);
            if (error == ERR_OK)
                error = net_check_free(sa, wanted.size, SOCK_STREAM, why);
            if (error == ERR_SYSTEM && errno != EADDRINUSE)
                return refuse(config, i, k, why, ret_error);
        }
    return ERR_OK;
}
