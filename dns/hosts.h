/*
 * hosts.h - files in the format of hosts(5), taken apart.
 *
 *     192.0.2.9   printer.lan printer   # the first name is the canonical one
 *     2001:db8::9 printer.lan
 *
 * Such files are edited by hand and made by scripts, so one bad line must not cost the others: what
 * is wrong is told with its line, and reading goes on. Bytes may be anything. Pure; no I/O.
 */
#ifndef FRESHET_DNS_HOSTS_H
#define FRESHET_DNS_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "dns/name.h"

enum { HOSTS_PTR_SIZE = 74 }; /* bytes of the longest reverse name: 32 nibbles, ip6.arpa, root */

/* One name of one line. Pointers are good inside the call only. */
struct hosts_entry {
    unsigned line; /* from 1 */
    const uint8_t *address;
    size_t address_size; /* 4 or 16 */
    const uint8_t *name; /* canonical form: lower case */
    bool first;          /* the line's first name: what the address is called */
};

struct hosts_sink {
    void (*entry)(void *arg, const struct hosts_entry *entry);
    /* Something of the line is not used; `why` is a static text. */
    void (*bad)(void *arg, unsigned line, const char *why);
    void *arg;
};

/* Calls the sink for each name of `size` bytes of `text`, in their order. */
void hosts_read(const char *text, size_t size, const struct hosts_sink *sink);

/*
 * Writes the name under which an address has its PTR record: in-addr.arpa (RFC 1035 3.5) for 4 bytes,
 * ip6.arpa (RFC 3596 2.5) for 16. Returns its size.
 */
size_t hosts_reverse_name(const uint8_t *address, size_t address_size,
                          uint8_t ret_name[HOSTS_PTR_SIZE]);

#endif
