/*
 * control.h - talks to a running freshetd: one JSON object per line each way over a unix stream
 * socket.
 *
 *   -> {"cmd":"lookup","name":"www.example.com.","type":"A"}
 *   <- {"ok":true,...}  or  {"ok":false,"error":"..."}
 *
 * An answer of many lines ("dump") ends with the line that has "ok". Everything that comes back is
 * text from elsewhere: it goes to a terminal through text_print() or a table only.
 */
#ifndef FRESHET_CLI_CONTROL_H
#define FRESHET_CLI_CONTROL_H

#include <jansson.h>

#include "cli/options.h"

struct control;

/* Connects to the socket of `options` and sends `request`, taken over. NULL after a complaint. */
struct control *control_ask(const struct options *options, json_t *request);

/*
 * The next line, to be freed with json_decref(). NULL after a complaint: the connection broke, it
 * is not JSON, or freshetd said {"ok":false}.
 */
json_t *control_next(struct control *control);

void control_end(struct control *control);

/* All of the above for an answer of one line. */
json_t *control_answer(const struct options *options, json_t *request);

/* Members of an answer. What is missing or of another kind reads as "", 0 or false. */
const char *member_text(const json_t *object, const char *name);
long long member_number(const json_t *object, const char *name);
bool member_true(const json_t *object, const char *name);

/* One line of JSON on stdout. */
void print_json_line(const json_t *value);

#endif
