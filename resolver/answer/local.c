#include "resolver/answer/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "config/fault.h"
#include "dns/hosts.h"
#include "dns/record.h"
#include "resolver/daemon/log.h"

enum {
    RECORD_TTL = 3600,   /* of a record that is written without one, as Unbound's local-data */
    HOSTS_TTL = 60,      /* a change of the file is seen by clients within this */
    SPECIAL_TTL = 10800, /* RFC 6303 3 */
    MAX_CHAIN = 8,       /* CNAMEs followed */
    MAX_HOSTS_FILE = 64 << 20, /* bytes */
    MAX_COMPLAINTS = 10,       /* lines of one file that are named in the log */
};

struct local_record {
    struct local_record *next;
    uint32_t ttl;
    uint16_t type;
    uint16_t rdata_size;
    uint8_t rdata[];
};

/* A name with its records; without any, it is there because one below it is (RFC 8020). */
struct local_name {
    UT_hash_handle hh;
    struct local_record *records;
    uint8_t name[];
};

enum zone_kind {
    ZONE_EXEMPT,   /* not ours */
    ZONE_LOOPBACK, /* RFC 6761 6.3 */
    ZONE_NOTHING,  /* no such name, the zone's own included */
    ZONE_EMPTY,    /* SOA and NS, and nothing below (RFC 6303 3) */
    ZONE_NODATA,   /* whatever is asked for (RFC 9462 6.4) */
};

struct local_zone {
    UT_hash_handle hh;
    enum zone_kind kind;
    size_t size;
    uint8_t name[];
};

/* What a hosts file was when it was read. */
struct hosts_file {
    char *path;
    struct stat seen; /* zeroed: not there */
};

struct local_data {
    atomic_size_t references;
    struct local_name *names;
    struct local_zone *zones;
    struct hosts_file *files;
    size_t file_count;
    bool failed; /* while it is made: memory ran out */
};

/* ---- special use ---------------------------------------------------------------------------- */

/* https://www.iana.org/assignments/special-use-domain-names and .../locally-served-dns-zones. */
static const struct {
    enum zone_kind kind;
    const char *name;
} special[] = {
    {ZONE_LOOPBACK, "localhost"},
    {ZONE_NOTHING, "invalid"},
    {ZONE_NOTHING, "test"},
    {ZONE_NOTHING, "onion"},
    {ZONE_NOTHING, "alt"},
    {ZONE_EMPTY, "home.arpa"},
    {ZONE_EMPTY, "service.arpa"},
    {ZONE_NODATA, "resolver.arpa"},
    {ZONE_EMPTY, "10.in-addr.arpa"}, /* RFC 6303 4.1; 16 to 31 of 172 are made below */
    {ZONE_EMPTY, "168.192.in-addr.arpa"},
    {ZONE_EMPTY, "0.in-addr.arpa"}, /* RFC 6303 4.2 */
    {ZONE_EMPTY, "127.in-addr.arpa"},
    {ZONE_EMPTY, "254.169.in-addr.arpa"},
    {ZONE_EMPTY, "2.0.192.in-addr.arpa"},
    {ZONE_EMPTY, "100.51.198.in-addr.arpa"},
    {ZONE_EMPTY, "113.0.203.in-addr.arpa"},
    {ZONE_EMPTY, "255.255.255.255.in-addr.arpa"},
    /* RFC 6303 4.3: :: and ::1 */
    {ZONE_EMPTY, "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
    {ZONE_EMPTY, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
    {ZONE_EMPTY, "d.f.ip6.arpa"},   /* RFC 6303 4.4 */
    {ZONE_EMPTY, "8.e.f.ip6.arpa"}, /* RFC 6303 4.5 */
    {ZONE_EMPTY, "9.e.f.ip6.arpa"},
    {ZONE_EMPTY, "a.e.f.ip6.arpa"},
    {ZONE_EMPTY, "b.e.f.ip6.arpa"},
    {ZONE_EMPTY, "8.b.d.0.1.0.0.2.ip6.arpa"}, /* RFC 6303 4.6 */
};

/* Zones "N.SUFFIX" for a range of N. */
static const struct {
    unsigned from, to;
    const char *suffix;
} special_ranges[] = {
    {16, 31, "172.in-addr.arpa"},  /* RFC 6303 4.1 */
    {64, 127, "100.in-addr.arpa"}, /* RFC 7793 */
};

/* ---- making --------------------------------------------------------------------------------- */

static void set_bit(uint64_t *bits, size_t bit)
{
    bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static struct local_zone *find_zone(const struct local_data *data, const uint8_t *name)
{
    struct local_zone *zone;
    HASH_FIND(hh, data->zones, name, name_size(name), zone);
    return zone;
}

static void add_zone(struct local *local, const uint8_t *name, enum zone_kind kind)
{
    struct local_data *data = local->data;
    size_t size = name_size(name);
    struct local_zone *zone = find_zone(data, name);
    if (!zone) {
        zone = calloc(1, sizeof *zone + size);
        if (!zone) {
            data->failed = true;
            return;
        }
        zone->size = size;
        memcpy(zone->name, name, size);
        HASH_ADD_KEYPTR(hh, data->zones, zone->name, size, zone);
    }
    zone->kind = kind;
    if (kind != ZONE_EXEMPT)
        set_bit(local->zone_tails, local_zone_bit(local_zone_tail(name, size)));
}

static void add_zone_text(struct local *local, const char *text, enum zone_kind kind)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (size > 0)
        add_zone(local, name, kind);
}

static void add_special(struct local *local)
{
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        add_zone_text(local, special[i].name, special[i].kind);
    for (size_t i = 0; i < sizeof special_ranges / sizeof *special_ranges; i++)
        for (unsigned n = special_ranges[i].from; n <= special_ranges[i].to; n++) {
            char text[64];
            snprintf(text, sizeof text, "%u.%s", n, special_ranges[i].suffix);
            add_zone_text(local, text, ZONE_EMPTY);
        }
}

/* The longest zone that has `name`, canonical; NULL: none. */
static const struct local_zone *zone_of(const struct local_data *data, const uint8_t *name)
{
    for (; data->zones && name; name = name_parent(name)) {
        const struct local_zone *zone = find_zone(data, name);
        if (zone)
            return zone;
    }
    return NULL;
}

/* Only zones within a special one matter: the feed may have tens of thousands. */
static void add_exempt(struct local *local, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    if (size < 0)
        return;
    name_lower(name, (size_t)size, name);
    if (zone_of(local->data, name))
        add_zone(local, name, ZONE_EXEMPT);
}

static struct local_name *find_name(const struct local_data *data, const uint8_t *name)
{
    struct local_name *found;
    HASH_FIND(hh, data->names, name, name_size(name), found);
    return found;
}

static struct local_name *add_name(struct local *local, const uint8_t *name)
{
    size_t size = name_size(name);
    struct local_name *made = find_name(local->data, name);
    if (made)
        return made;
    made = calloc(1, sizeof *made + size);
    if (!made) {
        local->data->failed = true;
        return NULL;
    }
    memcpy(made->name, name, size);
    HASH_ADD_KEYPTR(hh, local->data->names, made->name, size, made);
    if (size > LOCAL_TAIL)
        set_bit(local->name_tails, local_name_bit(local_tail(name, size)));
    return made;
}

/* Between a name and the special zone around it all names exist, if without records (RFC 8020). */
static void add_parents(struct local *local, const uint8_t *name)
{
    const struct local_zone *zone = zone_of(local->data, name);
    if (!zone || zone->kind == ZONE_EXEMPT || zone->kind == ZONE_LOOPBACK)
        return;
    for (name = name_parent(name); name && name_size(name) > zone->size; name = name_parent(name))
        add_name(local, name);
}

static bool same_data(const struct local_record *one, const struct record *two)
{
    return one->type == two->type && one->rdata_size == two->rdata_size &&
           memcmp(one->rdata, two->rdata, two->rdata_size) == 0;
}

static void add_record(struct local *local, const struct record *record)
{
    struct local_record *made;
    struct local_name *name = add_name(local, record->owner);
    if (!name)
        return;
    LL_FOREACH (name->records, made)
        if (same_data(made, record))
            return;
    made = malloc(sizeof *made + record->rdata_size);
    if (!made) {
        local->data->failed = true;
        return;
    }
    *made = (struct local_record){
        .ttl = record->ttl, .type = record->type, .rdata_size = record->rdata_size};
    memcpy(made->rdata, record->rdata, record->rdata_size);
    LL_APPEND(name->records, made);
    add_parents(local, name->name);
}

static const struct local_record *find_type(const struct local_name *name, uint16_t type)
{
    const struct local_record *record = NULL;
    if (name)
        LL_SEARCH_SCALAR(name->records, record, type, type);
    return record;
}

/* ---- hosts files ---------------------------------------------------------------------------- */

struct hosts_reading {
    struct local *local;
    const char *tier;
    const char *path;
    unsigned complaints;
};

static void complain(const struct hosts_reading *reading, unsigned line, const char *why)
{
    char path[LOG_MAX_QUOTED];
    log_line(LOG_LEVEL_WARNING,
             "msg=\"a line of a hosts file is left out\" tier=%s file=%s line=%u "
             "why=\"%s\"",
             reading->tier, log_quote(reading->path, path), line, why);
}

static void on_bad(void *arg, unsigned line, const char *why)
{
    struct hosts_reading *reading = arg;
    if (reading->complaints++ < MAX_COMPLAINTS)
        complain(reading, line, why);
}

static void on_entry(void *arg, const struct hosts_entry *entry)
{
    struct hosts_reading *reading = arg;
    struct local *local = reading->local;
    uint8_t reverse[HOSTS_PTR_SIZE];
    struct record record = {
        .owner = entry->name,
        .rdata = entry->address,
        .ttl = HOSTS_TTL,
        .rdata_size = (uint16_t)entry->address_size,
        .type = entry->address_size == 4 ? TYPE_A : TYPE_AAAA,
        .class = CLASS_IN,
    };
    /* Beside a CNAME of the config there can be nothing else (RFC 1034 3.6.2). */
    if (!find_type(find_name(local->data, entry->name), TYPE_CNAME))
        add_record(local, &record);
    if (!entry->first)
        return;
    hosts_reverse_name(entry->address, entry->address_size, reverse);
    const struct local_name *held = find_name(local->data, reverse);
    if (find_type(held, TYPE_PTR) || find_type(held, TYPE_CNAME))
        return; /* an address is called what its first line calls it */
    record.owner = reverse;
    record.type = TYPE_PTR;
    record.rdata = entry->name;
    record.rdata_size = (uint16_t)name_size(entry->name);
    add_record(local, &record);
}

/* Reads up to `room` bytes; -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t room)
{
    size_t used = 0;
    while (used < room) {
        ssize_t got = read(fd, buffer + used, room - used);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t)got;
    }
    return (ssize_t)used;
}

/* The file's text, to be freed, and what it is; NULL with errno. */
static char *read_file(struct hosts_file *file, size_t *ret_size)
{
    char *text = NULL;
    ssize_t size = -1;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int why = errno;
        if (why == ENOENT || stat(file->path, &file->seen) != 0)
            file->seen = (struct stat){0};
        errno = why;
        return NULL;
    }
    if (fstat(fd, &file->seen) == 0 && S_ISREG(file->seen.st_mode) &&
        file->seen.st_size <= MAX_HOSTS_FILE) {
        size_t room = (size_t)file->seen.st_size;
        text = malloc(room + 1);
        size = text ? read_all(fd, text, room) : -1;
    } else {
        errno = S_ISREG(file->seen.st_mode) ? EFBIG : EINVAL;
    }
    close(fd);
    if (size < 0) {
        free(text);
        return NULL;
    }
    *ret_size = (size_t)size;
    return text;
}

static void read_hosts(struct local *local, const char *tier, struct hosts_file *file)
{
    size_t size;
    struct hosts_reading reading = {.local = local, .tier = tier, .path = file->path};
    char quoted[LOG_MAX_QUOTED];
    char *text = read_file(file, &size);
    if (!text) {
        log_line(LOG_LEVEL_WARNING, "msg=\"a hosts file is left out\" tier=%s file=%s why=\"%s\"",
                 tier, log_quote(file->path, quoted), strerror(errno));
        return;
    }
    hosts_read(text, size, &(struct hosts_sink){.entry = on_entry, .bad = on_bad, .arg = &reading});
    free(text);
    if (reading.complaints > MAX_COMPLAINTS)
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"more lines of a hosts file are left out\" tier=%s "
                 "file=%s count=%u",
                 tier, log_quote(file->path, quoted), reading.complaints - MAX_COMPLAINTS);
}

static bool add_hosts(struct local *local, const struct local_options *options)
{
    struct local_data *data = local->data;
    data->files = calloc(options->host_count + 1, sizeof *data->files);
    if (!data->files)
        return false;
    for (size_t i = 0; i < options->host_count; i++) {
        struct hosts_file *file = &data->files[i];
        file->path = strdup(options->hosts[i]);
        if (!file->path)
            return false;
        data->file_count++;
        read_hosts(local, options->tier, file);
    }
    return true;
}

static bool same_time(const struct timespec *one, const struct timespec *two)
{
    return one->tv_sec == two->tv_sec && one->tv_nsec == two->tv_nsec;
}

bool local_is_outdated(const struct local *local)
{
    for (size_t i = 0; i < local->data->file_count; i++) {
        const struct hosts_file *file = &local->data->files[i];
        struct stat now = {0};
        if (stat(file->path, &now) != 0)
            now = (struct stat){0};
        if (now.st_ino != file->seen.st_ino || now.st_dev != file->seen.st_dev ||
            now.st_size != file->seen.st_size || !same_time(&now.st_ctim, &file->seen.st_ctim))
            return true;
    }
    return false;
}

/* ---- records -------------------------------------------------------------------------------- */

/* The name a CNAME leads to, canonical. */
static void target_of(const uint8_t *rdata, uint8_t ret_name[NAME_MAX_SIZE])
{
    name_lower(rdata, name_size(rdata), ret_name);
}

static const char *why_not(const struct record *record)
{
    if (record->type == TYPE_DNAME)
        return "a DNAME's names are not local";
    if (name_is_wildcard(record->owner))
        return "wildcards are not local names";
    return NULL;
}

static int parse_record(const char *text, struct record_room *room, struct record *ret,
                        const char **ret_why)
{
    int error = record_from_text(text, RECORD_TTL, room, ret);
    *ret_why = error == ERR_FORMAT ? "no record of class IN" : error_text(error);
    if (error != ERR_OK)
        return error;
    *ret_why = why_not(ret);
    return *ret_why ? ERR_CONFIG : ERR_OK;
}

static void add_records(struct local *local, const struct local_options *options)
{
    struct record_room room;
    struct record record;
    const char *why;
    for (size_t i = 0; i < options->record_count; i++)
        if (parse_record(options->records[i], &room, &record, &why) == ERR_OK)
            add_record(local, &record);
}

static int refuse(const struct local_options *options, size_t index, const char *why,
                  char ret_error[LOCAL_MAX_ERROR])
{
    char quote[FAULT_MAX_QUOTE];
    snprintf(ret_error, LOCAL_MAX_ERROR,
             "[%zu]: %s is refused: %s; expected NAME [TTL] [IN] TYPE DATA", index,
             fault_quote(options->records[index], quote), why);
    return ERR_CONFIG;
}

/* A CNAME stands alone (RFC 1034 3.6.2), and leads to a name that is there. NULL: all is well. */
static const char *why_no_alias(const struct local *local, const struct record *record)
{
    uint8_t target[NAME_MAX_SIZE];
    const struct local_name *name = find_name(local->data, record->owner);
    if (!find_type(name, TYPE_CNAME))
        return NULL;
    if (name->records->next)
        return "a name with a CNAME has other records too";
    target_of(record->rdata, target);
    return find_name(local->data, target) ? NULL : "the CNAME leads to no name of this list";
}

static int check_records(const struct local *local, const struct local_options *options,
                         char ret_error[LOCAL_MAX_ERROR])
{
    struct record_room room;
    struct record record;
    const char *why;
    for (size_t i = 0; i < options->record_count; i++) {
        if (parse_record(options->records[i], &room, &record, &why) == ERR_OK)
            why = why_no_alias(local, &record);
        if (why)
            return refuse(options, i, why, ret_error);
    }
    return ERR_OK;
}

int local_check(const struct local_options *options, char ret_error[LOCAL_MAX_ERROR])
{
    const struct local_options records = {
        .tier = options->tier, .records = options->records, .record_count = options->record_count};
    struct local *local = local_new(&records);
    if (!local) {
        snprintf(ret_error, LOCAL_MAX_ERROR, ": out of memory");
        return ERR_MEMORY;
    }
    int error = check_records(local, options, ret_error);
    local_unref(local);
    return error;
}

static const uint8_t loopback4[4] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};

/* ---- loopback ------------------------------------------------------------------------------- */

/* Loopback addresses are called localhost, unless something else calls them. */
static void add_loopback_name(struct local *local, const uint8_t *address, size_t size)
{
    static const uint8_t localhost[] = "\11localhost"; /* its NUL is the root */
    uint8_t reverse[HOSTS_PTR_SIZE];
    hosts_reverse_name(address, size, reverse);
    const struct local_zone *zone = zone_of(local->data, reverse);
    if (!zone || zone->kind == ZONE_EXEMPT || find_name(local->data, reverse))
        return;
    add_record(local, &(struct record){.owner = reverse,
                                       .rdata = localhost,
                                       .ttl = SPECIAL_TTL,
                                       .rdata_size = sizeof localhost,
                                       .type = TYPE_PTR,
                                       .class = CLASS_IN});
}

/* ---- life ----------------------------------------------------------------------------------- */

struct local *local_new(const struct local_options *options)
{
    struct local *local = calloc(1, sizeof *local);
    if (!local)
        return NULL;
    local->data = calloc(1, sizeof *local->data);
    if (!local->data)
        goto fail;
    atomic_init(&local->data->references, 1);
    if (options->special_use)
        add_special(local);
    for (size_t i = 0; i < options->exempt_count; i++)
        add_exempt(local, options->exempt[i]);
    add_records(local, options);
    if (!add_hosts(local, options))
        goto fail;
    add_loopback_name(local, loopback4, sizeof loopback4);
    add_loopback_name(local, loopback6, sizeof loopback6);
    if (local->data->failed)
        goto fail;
    return local;
fail:
    local_unref(local);
    return NULL;
}

struct local *local_ref(struct local *local)
{
    atomic_fetch_add_explicit(&local->data->references, 1, memory_order_relaxed);
    return local;
}

static void free_name(struct local_name *name)
{
    struct local_record *record, *next;
    LL_FOREACH_SAFE (name->records, record, next)
        free(record);
    free(name);
}

static void free_data(struct local_data *data)
{
    struct local_name *name, *next_name;
    struct local_zone *zone, *next_zone;
    HASH_ITER (hh, data->names, name, next_name) {
        HASH_DEL(data->names, name);
        free_name(name);
    }
    HASH_ITER (hh, data->zones, zone, next_zone) {
        HASH_DEL(data->zones, zone);
        free(zone);
    }
    for (size_t i = 0; i < data->file_count; i++)
        free(data->files[i].path);
    free(data->files);
    free(data);
}

void local_unref(struct local *local)
{
    if (!local)
        return;
    if (local->data &&
        atomic_fetch_sub_explicit(&local->data->references, 1, memory_order_acq_rel) != 1)
        return;
    if (local->data)
        free_data(local->data);
    free(local);
}

size_t local_count(const struct local *local)
{
    return HASH_COUNT(local->data->names);
}

/* ---- answering ------------------------------------------------------------------------------ */

/* One answer being written. */
struct writing {
    struct builder builder;
    uint16_t type; /* asked for */
    uint16_t rcode;
};

static void put(struct writing *writing, enum section section, const struct record *record)
{
    build_record(&writing->builder, section, record);
}

/* The records of the type asked for, or the CNAME in their place; gives the latter's target. */
static bool put_records(struct writing *writing, const struct local_name *name,
                        const uint8_t *owner, uint8_t ret_target[NAME_MAX_SIZE])
{
    const struct local_record *record;
    bool chain = false;
    LL_FOREACH (name->records, record) {
        if (record->type != writing->type && record->type != TYPE_CNAME)
            continue;
        put(writing, SECTION_ANSWER,
            &(struct record){.owner = owner,
                             .rdata = record->rdata,
                             .ttl = record->ttl,
                             .rdata_size = record->rdata_size,
                             .type = record->type,
                             .class = CLASS_IN});
        if (record->type == TYPE_CNAME && writing->type != TYPE_CNAME) {
            target_of(record->rdata, ret_target);
            chain = true;
        }
    }
    return chain;
}

static void answer_name(struct writing *writing, const struct local *local,
                        const struct local_name *name, const uint8_t *owner)
{
    uint8_t target[NAME_MAX_SIZE];
    for (int i = 0; name && i < MAX_CHAIN; i++) {
        if (!put_records(writing, name, owner, target))
            return;
        name = find_name(local->data, target);
        owner = name ? name->name : NULL;
    }
}

/* RFC 6303 3: the SOA of an empty zone, which is its own server. */
static void put_soa(struct writing *writing, enum section section, const struct local_zone *zone)
{
    static const uint8_t mailbox[] = "\6nobody\7invalid"; /* its NUL is the root */
    static const uint32_t numbers[] = {1, 3600, 1200, 604800, 10800};
    uint8_t rdata[NAME_MAX_SIZE + sizeof mailbox + sizeof numbers];
    struct wire_writer out = wire_writer(rdata, sizeof rdata);
    wire_write(&out, zone->name, zone->size);
    wire_write(&out, mailbox, sizeof mailbox);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        wire_write_u32(&out, numbers[i]);
    put(writing, section,
        &(struct record){.owner = zone->name,
                         .rdata = rdata,
                         .ttl = SPECIAL_TTL,
                         .rdata_size = (uint16_t)out.at,
                         .type = TYPE_SOA,
                         .class = CLASS_IN});
}

static void put_loopback(struct writing *writing, const uint8_t *owner)
{
    bool four = writing->type == TYPE_A;
    put(writing, SECTION_ANSWER,
        &(struct record){.owner = owner,
                         .rdata = four ? loopback4 : loopback6,
                         .ttl = SPECIAL_TTL,
                         .rdata_size = four ? sizeof loopback4 : sizeof loopback6,
                         .type = writing->type,
                         .class = CLASS_IN});
}

/* What is at the top of an empty zone. Whether that was asked for. */
static bool put_apex(struct writing *writing, const struct local_zone *zone)
{
    if (writing->type == TYPE_SOA)
        put_soa(writing, SECTION_ANSWER, zone);
    else if (writing->type == TYPE_NS)
        put(writing, SECTION_ANSWER,
            &(struct record){.owner = zone->name,
                             .rdata = zone->name,
                             .ttl = SPECIAL_TTL,
                             .rdata_size = (uint16_t)zone->size,
                             .type = TYPE_NS,
                             .class = CLASS_IN});
    else
        return false;
    return true;
}

static void answer_loopback(struct writing *writing, const struct local_zone *zone,
                            const uint8_t *owner)
{
    if (writing->type == TYPE_A || writing->type == TYPE_AAAA)
        put_loopback(writing, owner);
    else
        put_soa(writing, SECTION_AUTHORITY, zone);
}

static void answer_empty(struct writing *writing, const struct local_zone *zone,
                         const uint8_t *owner)
{
    bool apex = name_size(owner) == zone->size;
    if (apex && put_apex(writing, zone))
        return;
    put_soa(writing, SECTION_AUTHORITY, zone);
    if (!apex)
        writing->rcode = RCODE_NXDOMAIN;
}

/* Returns false when the zone leaves the question to the DNS. */
static bool answer_zone(struct writing *writing, const struct local_zone *zone,
                        const uint8_t *owner)
{
    switch (zone->kind) {
    case ZONE_EXEMPT:
        return false;
    case ZONE_LOOPBACK:
        answer_loopback(writing, zone, owner);
        return true;
    case ZONE_NOTHING:
        writing->rcode = RCODE_NXDOMAIN;
        put_soa(writing, SECTION_AUTHORITY, zone);
        return true;
    case ZONE_EMPTY:
        /* A DS is its parent's (RFC 4035 3.1.4.1), and says that the zone is not signed (RFC 8375 4). */
        if (writing->type == TYPE_DS && name_size(owner) == zone->size)
            return false;
        answer_empty(writing, zone, owner);
        return true;
    case ZONE_NODATA:
        put_soa(writing, SECTION_AUTHORITY, zone);
        return true;
    }
    return false;
}

static void finish(const struct writing *writing, size_t question_end, struct reply_content *ret)
{
    const struct builder *builder = &writing->builder;
    *ret = (struct reply_content){
        .flags = writing->rcode,
        .counts = {builder->counts[0], builder->counts[1], builder->counts[2]},
        .body_size = builder->out.failed ? 0 : builder->out.at - question_end,
        .truncated = builder->out.failed,
        .ede = EDE_NONE,
    };
}

bool local_answer(const struct local *local, const struct local_query *query,
                  struct reply_content *ret)
{
    struct writing writing;
    uint8_t name[NAME_MAX_SIZE];
    const struct question *question = query->question;
    const struct local_name *found;
    const struct local_zone *zone = NULL;
    if (question->class != CLASS_IN)
        return false;
    name_lower(question->name, question->name_size, name);
    found = find_name(local->data, name);
    if (!found)
        zone = zone_of(local->data, name);
    if (!found && !zone)
        return false;
    writing.type = question->type;
    writing.rcode = RCODE_NOERROR;
    build_start(&writing.builder, query->reply, query->limit);
    build_question(&writing.builder, question);
    size_t question_end = writing.builder.out.at;
    if (found)
        answer_name(&writing, local, found, question->name);
    else if (!answer_zone(&writing, zone, question->name))
        return false;
    finish(&writing, question_end, ret);
    return true;
}
