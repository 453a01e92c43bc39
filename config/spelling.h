/*
 * spelling.h - the ways to write an option that people try first, made into the one that the table has.
 *
 *     brokers: [a:9092, b:9092]         ->  brokers: "a:9092,b:9092"
 *     rdkafka: {security.protocol: ssl} ->  rdkafka: ["security.protocol=ssl"]
 *     control: ./stub.sock              ->  control: {path: "./stub.sock"}         options.h: `brief`
 *     zones: [...]   in a tier          ->  routes: [...]                          options.h: `former`
 *
 * The text is rewritten before libcyaml sees it, and each line keeps its number: what is said of a line is right for both.
 */
#ifndef FRESHET_CONFIG_SPELLING_H
#define FRESHET_CONFIG_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

#include "config/fault.h"
#include "config/options.h"

/* A text as the table has it. */
struct spelling {
    char *text; /* to be freed; ends with a NUL that `size` does not count */
    size_t size;
};

/*
 * Rewrites a text that passed outline_check(), the mapping of `top`. False, with the line in `fault`, when an entry of a
 * list or mapping as above is no value. An option under its former name is written into `note`, the first one if there are more.
 */
bool spelling_settle(const char *text, size_t size, enum option_scope top, struct fault *fault,
                     struct fault *note, struct spelling *ret_spelling);

#endif
