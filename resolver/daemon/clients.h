/*
 * clients.h - `clients` of a configuration, and the networks of this machine, as what answer/ asks of clients.
 */
#ifndef FRESHET_RESOLVER_DAEMON_CLIENTS_H
#define FRESHET_RESOLVER_DAEMON_CLIENTS_H

#include "config/config.h"
#include "resolver/answer/admission.h"

/*
 * Looks at the machine's interfaces, where the tier has no `allow`. Secrets of cookies that are not written are those of the
 * process, made up at the first call. NULL: no memory. One thread.
 */
struct admission *clients_admission(const struct config_tier *tier);

#endif
