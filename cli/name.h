/*
 * name.h - a NAME or TYPE operand of the commands that talk to freshetd.
 */
#ifndef FRESHET_CLI_NAME_H
#define FRESHET_CLI_NAME_H

#include "cli/options.h"
#include "dns/name.h"
#include "dns/rdata.h"

/* Canonical presentation form of `word`; false after a complaint. */
bool name_operand(const struct options *options, const char *word, char ret_text[NAME_MAX_TEXT]);

/* Mnemonic, or TYPEn, of `word`; false after a complaint. */
bool type_operand(const struct options *options, const char *word, char ret_text[TYPE_MAX_TEXT]);

#endif
