/*
 * secrets.h - the feed's properties whose value has a file of its own.
 *
 *     sasl.password=file:/etc/freshet/kafka-password     the file's text, without the end of its line
 *     sasl.password=file:kafka-password                  likewise in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=)
 *
 * So may the keys of freshet-origin. A config keeps such a property as it is written. Its value is read by who is about to connect to the brokers, and by
 * nobody else: a tool that asks for the status needs no password, and a reload, which cannot change the feed, needs no
 * right to read it.
 */
#ifndef FRESHET_CONFIG_SECRETS_H
#define FRESHET_CONFIG_SECRETS_H

#include "config/config.h"

/*
 * The properties of a config that has a feed, in their order and with a NULL behind the last, each with its value; for
 * secrets_free(). NULL, with the line that refuses the config in `ret_error`, when one cannot be read.
 */
char **secrets_read(const struct config *config, char ret_error[CONFIG_MAX_ERROR]);

/* NULL is fine. */
void secrets_free(char **properties);

/*
 * The text of what `file:NAME` names, for free(); its end of line is none of it. NULL, with the line that refuses the value of
 * `key` in `ret_error`, when it cannot be read.
 */
char *secret_read(const struct config *config, const char *key, const char *name,
                  char ret_error[CONFIG_MAX_ERROR]);

#endif
