/*
 * zone_log.h - a zone as the log has it: the newest snapshot that may be begun with, and the change sets after it.
 *
 * Of a zone without a snapshot the log is read from its head, if the head is still there; what is not whole is not shown.
 */
#ifndef FRESHET_CLI_ZONE_LOG_H
#define FRESHET_CLI_ZONE_LOG_H

#include "cli/options.h"
#include "invalidation/changeset.h"
#include "zone/zone.h"

struct zone_log_stand {
    int32_t partition;
    int64_t begin;      /* offset of the first message that was read */
    int64_t next;       /* and of the first that was not */
    uint64_t sets;      /* change sets of the zone between them */
    bool snapshot;      /* it began with one */
    char publisher[64]; /* of the last set */
    int64_t time_us;    /* of the last set; 0: there was none */
    uint32_t refused;   /* messages of the zone that cannot be read; the zone is not whole */
    int64_t refused_at; /* the first of them */
};

/*
 * Reads the zone (canonical), as far as the options say, into `ret_zone`, to be freed with zone_free(). False after a
 * complaint: no such zone, offset or serial in the log, it is not whole, Kafka. With `may_lack`, what the log has is taken
 * for the zone, though it be nothing at all.
 */
bool zone_log_load(const struct options *options, const uint8_t *apex, bool may_lack,
                   struct zone **ret_zone, struct zone_log_stand *ret_stand);

/* A message of the zone's partition that is of the zone; `set` NULL: it cannot be read, as `error` says. */
struct zone_log_entry {
    int64_t offset;
    const struct change_set *set;
    const struct changeset_error *error;
};

/*
 * Hands all there are in the log to `each`, from its head on, until that returns false. False after a complaint.
 */
bool zone_log_each(const struct options *options, const uint8_t *apex,
                   bool (*each)(void *arg, const struct zone_log_entry *entry), void *arg);

#endif
