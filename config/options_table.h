/*
 * options_table.h - how the rows of the tables (options.c, options_origin.c) are written. Private to those.
 */
#ifndef FRESHET_CONFIG_OPTIONS_TABLE_H
#define FRESHET_CONFIG_OPTIONS_TABLE_H

#include "config/options.h"

#define FIELD(type, member) .field = offsetof(struct type, member)
#define NUMBER_FIELD(type, member)                                                                 \
    FIELD(type, member), .width = sizeof(((struct type *)NULL)->member)
#define LIST_FIELD(type, member, counter)                                                          \
    FIELD(type, member), .count = offsetof(struct type, counter)

#define SECONDS(n) ((n)*UINT64_C(1000)) /* in milliseconds, as durations are parsed */
#define KIB(n)     ((n)*UINT64_C(1024))
#define GIB(n)     ((n) * (UINT64_C(1) << 30))

#endif
