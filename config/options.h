/*
 * options.h - the one table of everything a configuration file can say.
 *
 * Each key has one row: where it stands, what kind of value it takes, its range, its default, what
 * a reload does with it, and its sentence. The rest of this folder asks the table:
 *
 *   schema.c   which keys exist, and which take a value, a list or a mapping: libcyaml's schema
 *   value.c    kind, range, and the field of struct config that takes the value
 *   config.c   defaults, reload class
 *   OPTIONS.md is printed from it
 *
 * So a new key is a new row and a field in config.h, nothing else. Rows of one mapping stand
 * together, in the order the reference prints them. The table is constant; any thread may read it.
 */
#ifndef FRESHET_CONFIG_OPTIONS_H
#define FRESHET_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/units.h"

/* The mappings of the file. Each is a C structure of config.h too; `upstream` lies in its tier. */
enum option_scope {
    SCOPE_TOP,
    SCOPE_FEED,
    SCOPE_TIER,
    SCOPE_CLIENTS,
    SCOPE_CACHE,
    SCOPE_UPSTREAM,
    SCOPE_ZONE,
    SCOPE_LINK,
    SCOPE_CONTROL, /* of both files */
    SCOPE_ORIGIN,  /* the top of freshet-origin's file; it has a table of its own */
    SCOPE_ORIGIN_FEED,
    SCOPE_ORIGIN_ZONE,
    SCOPE_COUNT,
};

enum { OPTION_MAX_PER_SCOPE = 32 };

enum option_kind {
    OPTION_NUMBER,
    OPTION_MILLISECONDS, /* a duration, stored in milliseconds */
    OPTION_SECONDS,      /* a duration of whole seconds, stored in seconds */
    OPTION_SIZE,         /* stored in bytes */
    OPTION_SHARE,        /* a percentage, stored in millionths */
    OPTION_BOOL,         /* true or false */
    OPTION_TEXT,         /* range: its length in bytes */
    OPTION_BROKERS,      /* likewise: "host:port,host:port", or a list of such (spelling.h) */
    OPTION_TIER_NAME,
    OPTION_TOPIC,
    OPTION_LOG_LEVEL,
    OPTION_WORD,      /* one of `words` */
    OPTION_ADDRESS,   /* one, the port is required */
    OPTION_ADDRESSES, /* a list, port 53 unless written; range: how many */
    OPTION_TARGETS,   /* as OPTION_ADDRESSES, of servers to send to: no 0.0.0.0 */
    OPTION_NETWORKS,  /* a list of address prefixes */
    OPTION_ZONE,      /* a domain name */
    OPTION_ZONE_FILE, /* likewise, or "file:PATH" of a file with many */
    OPTION_ZONES,     /* a list of domain names */
    OPTION_ZONE_LIST, /* likewise, or "file:PATH" of files with them */
    OPTION_TEXTS,     /* a list of texts: paths, records */
    OPTION_PROPERTIES, /* a list of librdkafka "property=value" or "property=file:PATH", or a mapping (spelling.h) */
    OPTION_MAPPING,      /* a mapping, its fields within the parent's structure at `field` */
    OPTION_FEED,         /* a mapping that may be left out, allocated */
    OPTION_LINK,         /* likewise */
    OPTION_TIERS,        /* a list of mappings */
    OPTION_TIER_ZONES,   /* likewise; with OPTION_RELOAD the list as a whole is replaced */
    OPTION_ORIGIN_ZONES, /* likewise */
};

/* What the YAML node behind a kind looks like. */
enum option_shape {
    SHAPE_VALUE,
    SHAPE_LIST,
    SHAPE_MAPPING,
    SHAPE_MAPPINGS, /* a list of them */
};

enum option_reload {
    OPTION_RELOAD,  /* a reload applies the new value */
    OPTION_RESTART, /* the new value takes a restart */
    OPTION_INSIDE,  /* a mapping: each key in it has its own class */
};

struct option {
    const char *key;
    enum option_scope scope; /* the mapping that holds the key */
    enum option_scope inner; /* mappings: the one behind the key */
    enum option_kind kind;
    enum option_reload reload;
    bool required;
    uint64_t min; /* range, ends included: milliseconds for durations, bytes for sizes, */
    uint64_t max; /* bytes for texts, entries for lists; both 0: no range to check */
    const char *const *words; /* OPTION_WORD: which there are; NULL ends them */
    const char *preset;       /* the default, as one would write it; NULL: nothing */
    const char *limit;        /* why the range ends where it does, when that needs a reason */
    long field;               /* offset in the structure of `scope` */
    long count;               /* lists: offset of the field that counts them */
    size_t width; /* numbers: bytes of the field, 4 or 8; OPTION_BOOL: those of a bool */
    const char
        *former; /* what the key was called before; still read, with a note. NULL: nothing else */
    const char
        *brief; /* mappings: a value in its place is that of this key of it. NULL: none may be */
    const char *text; /* one sentence for the reference */
};

/* The rows of one mapping; `ret_count` says how many. */
const struct option *options_of(enum option_scope scope, size_t *ret_count);

/* All rows. */
size_t options_count(void);

/* Those of freshet-origin's file (options_origin.c). */
extern const struct option options_of_origin[];
extern const size_t options_of_origin_count;

/* The row of `key` in `scope`, `length` bytes of it, or NULL. */
const struct option *options_find(enum option_scope scope, const char *key, size_t length);

/* The row in `scope` that was called `key`, or NULL. */
const struct option *options_find_former(enum option_scope scope, const char *key);

/* "name, listen, cache, upstream": writes the keys of `scope`. */
void options_list_keys(enum option_scope scope, char *ret_text, size_t room);

enum option_shape option_shape(enum option_kind kind);

/* How numbers of this kind are written; NULL for the other kinds. */
const struct units *option_units(enum option_kind kind);

/* "64KiB to 1024GiB", "1 to 64 entries", or "" without a range. Returns `ret_text`. */
const char *option_range(const struct option *option, char *ret_text, size_t room);

/* What stands above the rows of a mapping in the reference. */
struct option_section {
    const char *heading; /* with code in backticks */
    const char *prefix;  /* of its key paths */
    const char *text;
};
const struct option_section *option_section(enum option_scope scope);

/* What kind of value it is; what a reload does with it; its words or range, "" without. */
const char *option_kind_text(enum option_kind kind);
const char *option_reload_text(enum option_reload reload);
void option_range_text(const struct option *option, char *ret_text, size_t room);

/* The log levels, and librdkafka's properties that freshet sets itself; both end with NULL. */
extern const char *const option_log_levels[];
extern const char *const option_own_properties[];

/* Prints the reference, config/OPTIONS.md. */
void options_write_markdown(FILE *out);

#endif
