#include "resolver/daemon/notifier.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "daemon/log.h"

struct notifier {
    struct event_base *base;
    struct daemon *daemon;
    struct keyring keyring;
    struct notices *notices;
    const struct config *config; /* that it has; only ever compared */
    int fd;
    struct event *moved;
};

/* The feed's thread. */
static void on_moved(void *arg)
{
    struct notifier *notifier = arg;
    (void)eventfd_write(notifier->fd, 1);
}

static const struct tsig_key *key_named(const struct keyring *keyring, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = text ? name_from_text(text, name) : -1;
    if (size < 0)
        return NULL;
    name_lower(name, (size_t)size, name);
    return keyring_find(keyring, name, NULL);
}

static bool add_zone(struct notifier *notifier, const struct config_zone *zone)
{
    const struct streamed_zone *streamed = daemon_streamed(notifier->daemon, zone->name);
    const struct tsig_key *key = key_named(&notifier->keyring, zone->key);
    for (size_t k = 0; streamed && k < zone->notify_count; k++)
        if (notices_add(notifier->notices, streamed_data(streamed), &zone->notify[k], key) !=
            ERR_OK)
            return false;
    return true;
}

/* Whoever starts, or follows a zone since now, is told what there is. */
static void tell_all(struct notifier *notifier, const struct config_zone *zone)
{
    const struct streamed_zone *streamed = daemon_streamed(notifier->daemon, zone->name);
    if (streamed && zone->notify_count > 0 && streamed_state(streamed) == STREAMED_LIVE)
        notices_send(notifier->notices, streamed_data(streamed));
}

/* `tells`: that there is a version now, too. */
static bool each_zone(struct notifier *notifier, bool tells)
{
    const struct plans *plans = notifier->daemon->plans;
    for (size_t i = 0; i < plans->count; i++)
        for (size_t k = 0; k < plans->each[i].tier.zone_count; k++) {
            const struct config_zone *zone = &plans->each[i].tier.zones[k];
            if (!add_zone(notifier, zone))
                return false;
            if (tells)
                tell_all(notifier, zone);
        }
    return true;
}

static void make_notices(struct notifier *notifier, bool tells)
{
    char why[CONFIG_MAX_ERROR];
    struct notices *before = notifier->notices;
    keyring_clear(&notifier->keyring);
    notifier->notices = notices_new(notifier->base, &notifier->daemon->notices);
    if (!notifier->notices || keyring_read(notifier->daemon->config, &notifier->keyring, why) < 0 ||
        !each_zone(notifier, tells))
        log_line(LOG_LEVEL_ERROR, "msg=\"some secondaries are not told of versions: no memory\"");
    if (notifier->notices && before)
        notices_go_on(notifier->notices, before);
    notices_free(before);
}

void notifier_reload(struct notifier *notifier)
{
    if (!notifier->daemon->streamed || notifier->config == notifier->daemon->config)
        return;
    notifier->config = notifier->daemon->config;
    make_notices(notifier, true);
}

/* One zone at a time: a large catalog may have changed again by the time that it is read, and others have their turn between. */
static void tell(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct notifier *notifier = arg;
    eventfd_t ignored;
    (void)eventfd_read(fd, &ignored);
    const struct streamed_zone *zone = streamed_moved(notifier->daemon->streamed);
    if (!zone)
        return;
    (void)eventfd_write(fd, 1); /* there may be more */
    if (daemon_look_at_zone(notifier->daemon, zone))
        make_notices(notifier, false); /* a member is told of once it is whole */
    if (notifier->notices && streamed_state(zone) == STREAMED_LIVE)
        notices_send(notifier->notices, streamed_data(zone));
}

struct notifier *notifier_new(struct event_base *base, struct daemon *daemon)
{
    struct notifier *notifier = calloc(1, sizeof *notifier);
    if (!notifier)
        return NULL;
    notifier->base = base;
    notifier->daemon = daemon;
    notifier->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    notifier->moved = event_new(base, notifier->fd, EV_READ | EV_PERSIST, tell, notifier);
    if (notifier->fd < 0 || !notifier->moved || event_add(notifier->moved, NULL) != 0) {
        notifier_free(notifier);
        return NULL;
    }
    if (daemon->streamed) {
        streamed_set_moved(daemon->streamed, on_moved, notifier);
        notifier_reload(notifier);
    }
    return notifier;
}

void notifier_free(struct notifier *notifier)
{
    if (!notifier)
        return;
    notices_free(notifier->notices);
    keyring_clear(&notifier->keyring);
    if (notifier->moved)
        event_free(notifier->moved);
    if (notifier->fd >= 0)
        close(notifier->fd);
    free(notifier);
}
