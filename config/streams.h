/*
 * streams.h - standard streams that a program was started without.
 *
 * Descriptors 0, 1 and 2 that are closed are the next that the program gets: what it prints or logs would go into a
 * connection to Kafka, a client's, or a file. So they are taken first, by something that neither reads nor writes.
 */
#ifndef FRESHET_CONFIG_STREAMS_H
#define FRESHET_CONFIG_STREAMS_H

/* Before anything else is opened. Reading or printing fails as before (EBADF). */
void streams_hold(void);

#endif
