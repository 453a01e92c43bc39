/*
 * roster.h - the zones of an origin that its configuration does not name: members of catalog zones (RFC 9432, zone/catalog.h) that
 * are on the log.
 *
 *     zones: [{name: a., primary: ..}, {catalog: c., primary: ..}]  -->  a., and each member of c. as the second entry says
 *
 * Catalogs are read from the log whoever writes them there, so that of several instances all have the same members, whoever's turn
 * it is.
 *
 * Threads: the loop's.
 */
#ifndef FRESHET_ORIGIN_ROSTER_H
#define FRESHET_ORIGIN_ROSTER_H

#include <event2/event.h>
#include <stdbool.h>

#include "config/config.h"
#include "zone/catalog.h"

enum { ROSTER_MAX_ZONES = 65536, ROSTER_MAX_MEMBERS = 1000000 /* of one catalog */ };

struct roster;

struct roster_options {
    struct event_base *base;
    const struct config *config; /* borrowed: which catalogs there are, and where the log is */
    char *const *properties;
    void (*changed)(void *arg); /* there are other members */
    void *arg;
};

/* Copies the options. NULL with one line in `ret_error`. */
struct roster *roster_start(const struct roster_options *options, char ret_error[CONFIG_MAX_ERROR]);
void roster_stop(struct roster *roster); /* NULL is fine */

/* Whether both configurations have the same catalogs. */
bool roster_is_same(const struct config *one, const struct config *other);

/*
 * All zones: a copy of the configuration, shallow, with entries for members behind its own. ERR_MEMORY, ERR_TOO_LARGE: more zones
 * than ROSTER_MAX_ZONES. To be freed with roster_clear().
 */
MUST_CHECK int roster_zones(const struct roster *roster, const struct config *config,
                            struct config *ret_config);
void roster_clear(struct config *config);

struct roster_status {
    const uint8_t *zone;
    bool has_serial;
    uint32_t serial;   /* of what stands */
    const char *wrong; /* with what came after it, or why it is not read; "": nothing */
    uint64_t members;
};

/* Of the k-th catalog; false past the last one. */
bool roster_status(const struct roster *roster, size_t k, struct roster_status *ret);

/* What was read last cannot be had of all catalogs together: that is said of each, and logged. NULL: it can. */
void roster_refuse(struct roster *roster, const char *why);

#endif
