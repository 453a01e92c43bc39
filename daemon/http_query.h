/*
 * http_query.h - what stands behind the question mark of a path: "name=www.example.com.&type=A" (RFC 3986 3.4).
 */
#ifndef FRESHET_DAEMON_HTTP_QUERY_H
#define FRESHET_DAEMON_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The value of the first field of that name, with %XX and + decoded, as text of at most `room` - 1 bytes. False: there is none, or
 * it is longer, or has a NUL or half of a %XX; `ret_value` is untouched or half-written then.
 */
bool http_query_find(const char *query, const char *name, char *ret_value, size_t room);

#endif
