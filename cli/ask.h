/*
 * ask.h - one DNS question to one server, over TCP: nothing is cut short, nothing gets lost unseen.
 */
#ifndef FRESHET_CLI_ASK_H
#define FRESHET_CLI_ASK_H

#include "cli/addresses.h"
#include "cli/options.h"

/*
 * Asks `server` ("ADDRESS[:PORT]") for the addresses of `name` (canonical); none at all is an
 * answer too. `authority` wants it from the authority itself (AA set). False after a complaint.
 */
bool ask_addresses(const struct options *options, const char *server, bool authority,
                   const uint8_t *name, uint16_t type, struct addresses *ret);

/* A connection to `server`, with a time limit on whatever is done with it. -1 after a complaint. */
int ask_connect(const struct options *options, const char *server);

/* Reads so many bytes; false: errno says why. */
bool ask_receive(int fd, uint8_t *bytes, size_t size);

#endif
