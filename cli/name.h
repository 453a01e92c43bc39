/*
 * name.h - names as people write them on a command line: the final dot may be missing, and letters need not be ASCII.
 *
 * The DNS knows a name with other letters only by its A-labels. Such a word is converted as browsers do, by UTS 46
 * without its transitional part (IDNA 2008: "ß" stays a letter of its own); what can be no domain name is refused.
 */
#ifndef FRESHET_CLI_NAME_H
#define FRESHET_CLI_NAME_H

#include "cli/options.h"
#include "dns/name.h"
#include "dns/rdata.h"

/* `word` in wire form, canonical. False after a complaint that calls it `what`: "NAME", "--zone". */
bool name_word(const struct options *options, const char *what, const char *word,
               uint8_t ret_name[NAME_MAX_SIZE]);

/* The operand NAME in canonical presentation form; false after a complaint. */
bool name_operand(const struct options *options, const char *word, char ret_text[NAME_MAX_TEXT]);

/* Mnemonic, or TYPEn, of `word`; false after a complaint. */
bool type_operand(const struct options *options, const char *word, char ret_text[TYPE_MAX_TEXT]);

/*
 * The k-th RDATA operand (from 1) of a record of `type`; names in it end in their dot, and may have other letters.
 * Returns the size in bytes, or -1 after a complaint.
 */
int rdata_operand(const struct options *options, size_t k, uint16_t type, const char *word,
                  uint8_t *ret_rdata, size_t room);

#endif
