/*
 * manner.h - how a publisher goes about it: well, or in one of the odd ways that are met with.
 *
 * A topic has several publishers, each a Kafka producer of its own, and each with one manner:
 *
 *   plain          as it should be: the zone as key, where the Java clients would put it
 *   bare           neither serial, nor publisher, nor seq
 *   crc32          librdkafka's default partitioner, which is another one
 *   dotless, upper, keyless    another key, or none: another partition
 *   ahead, behind  its clock is wrong by an hour
 *   far            now and then it says that it is the year 9999
 *   astray         ahead, and without a key
 *   restarting     its seq starts from 1 again and again
 *   repeating      sends all twice, the second time later and elsewhere
 *   transactional  in transactions; some are aborted
 *   hanging        in transactions that stay open for seconds
 */
#ifndef FRESHET_CHECKER_MANNER_H
#define FRESHET_CHECKER_MANNER_H

#include <stdbool.h>
#include <stdint.h>

enum key_kind { KEY_ZONE, KEY_NO_DOT, KEY_UPPER, KEY_NONE };
enum transaction_kind { TRANSACTIONS_NONE, TRANSACTIONS_SHORT, TRANSACTIONS_HANG };

struct manner {
    const char *name;
    bool crc32;
    enum key_kind key;
    bool bare;
    bool no_serial;
    int64_t ahead_s;        /* of the true time */
    uint32_t far_every;     /* messages; 0: never */
    uint32_t restart_every; /* messages, after which seq is 1 again; 0: never */
    bool repeats;
    enum transaction_kind transactions;
};

/* NULL: there is no such manner. */
const struct manner *manner_find(const char *name);

/* The k-th; NULL past the last one. */
const struct manner *manner_at(unsigned k);

#endif
