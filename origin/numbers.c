#include "origin/numbers.h"

#include "daemon/number.h"

#define COUNT(field)    .offset = offsetof(struct origin_numbers, captures.counts.field)
#define OUTLET(field)   .offset = offsetof(struct origin_numbers, captures.outlet.field)
#define LISTEN(field)   .offset = offsetof(struct origin_numbers, listen.field)
#define SERVICE(field)  .offset = offsetof(struct origin_numbers, service.field)
#define SNAPSHOT(field) .offset = offsetof(struct origin_numbers, captures.snapshots.field)
#define HERE(field)     .offset = offsetof(struct origin_numbers, field)

static const struct number list[] = {
    {"zones", "origin_zones", "Zones that are looked after.", HERE(zones)},
    {"ready", "origin_zones_ready", "Of those, that the log was read for.", HERE(ready)},
    {"versions", "origin_versions_total", "Versions of zones that the log has.", COUNT(versions)},
    {"changes", "origin_changes_total", "Changes in them.", COUNT(changes)},
    {"in_snapshots", "origin_large_total",
     "Versions that fit no message, or are not told as changes.", COUNT(too_large)},
    {"empty", "origin_empty_total", "Versions in which nothing was different.", COUNT(empty)},
    {"notifies", "origin_notifies_total", "NOTIFYs of primaries.", COUNT(notifies)},
    {"notifies_known", "origin_notifies_known_total", "Of those, for a version that was there.",
     COUNT(notifies_known)},
    {"notifies_joined", "origin_notifies_joined_total",
     "Of those, that came while one was waiting and count as one with it.", COUNT(notifies_joined)},
    {"notifies_refused", "origin_notifies_refused_total",
     "NOTIFYs of a zone or from an address that is none of ours, or not signed as they must be.",
     SERVICE(refused), "NOTIFYs are refused: no zone, address or key of ours"},
    {"malformed", "origin_malformed_total", "Messages answered FORMERR or NOTIMP, or not at all.",
     SERVICE(malformed), "messages are malformed", .trifle = true},
    {"soa_queries", "origin_soa_queries_total", "Questions for an SOA by UDP.", COUNT(soa_queries)},
    {"soa_timeouts", "origin_soa_timeouts_total", "Of those, without an answer.",
     COUNT(soa_timeouts), "primaries do not answer by UDP"},
    {"ixfr", "origin_ixfr_total", "Questions for differences (IXFR).", COUNT(ixfr)},
    {"axfr", "origin_axfr_total", "Questions for a whole zone (AXFR).", COUNT(axfr)},
    {"up_to_date", "origin_up_to_date_total", "Times a primary had nothing new.",
     COUNT(up_to_date)},
    {"fallbacks", "origin_fallbacks_total",
     "Differences that were of no use, so that the whole zone was fetched.", COUNT(fallbacks)},
    {"timeouts", "origin_timeouts_total", "Transfers in which no message came in time.",
     COUNT(timeouts), "transfers end: no message came in time"},
    {"closed", "origin_closed_total", "Transfers that the primary ended early.", COUNT(closed),
     "transfers end early"},
    {"behind", "origin_behind_total", "Times a primary had an older version than the log.",
     COUNT(behind)},
    {"went_back", "origin_went_back_total", "Times a zone's serial went back.", COUNT(went_back),
     "serials went back"},
    {"outside", "origin_outside_total", "Records outside their zone that were left out.",
     COUNT(outside), "records outside their zone are left out"},
    {"expired", "origin_expired_total", "Times a zone expired: no primary had answered.",
     COUNT(expired), "zones are expired: no primary answers"},
    {"bad_signatures", "origin_bad_signatures_total",
     "Messages of primaries whose signature does not hold.", COUNT(bad_sig),
     "signatures of primaries do not hold"},
    {"bad_keys", "origin_bad_keys_total", "Those that are signed with another key.", COUNT(bad_key),
     "primaries sign with another key"},
    {"bad_times", "origin_bad_times_total", "Those signed at another time than ours.",
     COUNT(bad_time), "primaries have another time"},
    {"bad_macs", "origin_bad_macs_total", "Those whose signature is cut short.", COUNT(bad_trunc),
     "signatures of primaries are cut short"},
    {"under_way", "origin_under_way", "Versions that wait for Kafka's acknowledgement.",
     HERE(under_way)},
    {"sent_again", "origin_sent_again_total", "Sends to Kafka that were made again.", OUTLET(again),
     "sends to Kafka are made again"},
    {"snapshots", "origin_snapshots_total", "Snapshots written.", SNAPSHOT(written)},
    {"snapshots_failed", "origin_snapshots_failed_total", "Times one could not be written.",
     SNAPSHOT(failed), "snapshots could not be written"},
    {"gapped", "origin_gapped", "Zones without a snapshot that the log goes on from.",
     HERE(gapped)},
    {"clients", "origin_clients_total", "TCP connections accepted.", LISTEN(clients)},
    {"turned_away", "origin_turned_away_total", "TCP connections closed for others.",
     LISTEN(turned_away), "TCP connections make room for others"},
    {"unsent", "origin_unsent_total", "Answers that could not be sent.", LISTEN(unsent),
     "answers could not be sent", .trifle = true},
};

const struct numbers numbers_of_origin = {list, sizeof list / sizeof *list};
