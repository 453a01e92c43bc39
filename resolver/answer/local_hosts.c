#include "resolver/answer/local_hosts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/file.h"
#include "dns/hosts.h"

enum {
    HOSTS_TTL = 60,            /* a change of the file is seen by clients within this */
    MAX_HOSTS_FILE = 64 << 20, /* bytes */
    MAX_COMPLAINTS = 10,       /* lines of one file that are told one by one */
};

/* What a hosts file was when it was read. */
struct hosts_file {
    char *path;
    struct stat seen; /* zeroed: not there */
};

struct local_hosts {
    size_t count;
    struct hosts_file files[];
};

struct hosts_reading {
    struct local_table *table;
    const struct hosts_list *list;
    const char *path;
    unsigned complaints;
};

static void complain(const struct hosts_list *list, const struct hosts_complaint *complaint)
{
    if (list->complain)
        list->complain(list->arg, complaint);
}

static void on_bad(void *arg, unsigned line, const char *why)
{
    struct hosts_reading *reading = arg;
    if (reading->complaints++ < MAX_COMPLAINTS)
        complain(reading->list,
                 &(struct hosts_complaint){.path = reading->path, .line = line, .why = why});
}

static void on_entry(void *arg, const struct hosts_entry *entry)
{
    struct hosts_reading *reading = arg;
    struct local_table *table = reading->table;
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
    if (!local_table_type(local_table_name(table, entry->name), TYPE_CNAME))
        local_table_add(table, &record);
    if (!entry->first)
        return;
    hosts_reverse_name(entry->address, entry->address_size, reverse);
    const struct local_name *held = local_table_name(table, reverse);
    if (local_table_type(held, TYPE_PTR) || local_table_type(held, TYPE_CNAME))
        return; /* an address is called what its first line calls it */
    record.owner = reverse;
    record.type = TYPE_PTR;
    record.rdata = entry->name;
    record.rdata_size = (uint16_t)name_size(entry->name);
    local_table_add(table, &record);
}

/* The file's text, to be freed, and what it is; NULL with the reason. */
static char *read_file(struct hosts_file *file, size_t *ret_size, const char **ret_why)
{
    char *text;
    /* Looked at first: what changes while it is read has changed since. */
    if (stat(file->path, &file->seen) != 0)
        file->seen = (struct stat){0};
    if (S_ISFIFO(file->seen.st_mode)) {
        *ret_why = "is a pipe"; /* which can be read once */
        return NULL;
    }
    enum file_result result = file_read(file->path, MAX_HOSTS_FILE, &text, ret_size);
    if (result == FILE_OK)
        return text;
    *ret_why = file_result_text(result);
    return NULL;
}

static void read_hosts(struct local_table *table, const struct hosts_list *list,
                       struct hosts_file *file)
{
    size_t size;
    const char *why = NULL;
    struct hosts_reading reading = {.table = table, .list = list, .path = file->path};
    char *text = read_file(file, &size, &why);
    if (!text) {
        complain(list, &(struct hosts_complaint){.path = file->path, .why = why});
        return;
    }
    hosts_read(text, size, &(struct hosts_sink){.entry = on_entry, .bad = on_bad, .arg = &reading});
    free(text);
    if (reading.complaints > MAX_COMPLAINTS)
        complain(list, &(struct hosts_complaint){.path = file->path,
                                                 .more = reading.complaints - MAX_COMPLAINTS});
}

void local_hosts_free(struct local_hosts *hosts)
{
    if (!hosts)
        return;
    for (size_t i = 0; i < hosts->count; i++)
        free(hosts->files[i].path);
    free(hosts);
}

struct local_hosts *local_hosts_read(struct local_table *table, const struct hosts_list *list)
{
    struct local_hosts *hosts = calloc(1, sizeof *hosts + list->count * sizeof hosts->files[0]);
    for (size_t i = 0; hosts && i < list->count; i++) {
        struct hosts_file *file = &hosts->files[i];
        file->path = strdup(list->paths[i]);
        if (!file->path) {
            local_hosts_free(hosts);
            return NULL;
        }
        hosts->count++;
        read_hosts(table, list, file);
    }
    return hosts;
}

static bool same_time(const struct timespec *one, const struct timespec *two)
{
    return one->tv_sec == two->tv_sec && one->tv_nsec == two->tv_nsec;
}

bool local_hosts_changed(const struct local_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        const struct hosts_file *file = &hosts->files[i];
        struct stat now = {0};
        if (stat(file->path, &now) != 0)
            now = (struct stat){0};
        if (now.st_ino != file->seen.st_ino || now.st_dev != file->seen.st_dev ||
            now.st_size != file->seen.st_size || !same_time(&now.st_ctim, &file->seen.st_ctim))
            return true;
    }
    return false;
}
