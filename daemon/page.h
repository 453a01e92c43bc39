/*
 * page.h - numbers for machines: Prometheus text at http://ADDRESS/metrics.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_DAEMON_PAGE_H
#define FRESHET_DAEMON_PAGE_H

#include <event2/buffer.h>
#include <event2/event.h>

#include "cache/histogram.h"
#include "config/config.h"
#include "daemon/http.h"
#include "daemon/number.h"

enum { PAGE_MAX_ERROR = 256 };

/* As those of struct http_page. */
struct page_content {
    void (*write)(void *arg, struct evbuffer *out);
    bool (*ready)(void *arg, struct evbuffer *out);
    bool (*answer)(void *arg, const char *path, const char *query, struct evbuffer *out);
    void *arg;
};

/* Serves what `write` writes, and the others beside it. NULL with one line in `ret_error`; else to be freed by http_free(). */
struct http *page_open(struct event_base *base, const struct config_address *address,
                       const struct page_content *content, char ret_error[PAGE_MAX_ERROR]);

/* Why it could not be opened there, but for an address in use: an errno, 0 if it could. Opens nothing. */
int page_check(const struct config_address *address);

/* What stands above a metric's samples; `name` is without "freshet_". One that ends in "_total" is a counter, else a gauge. */
void page_head(struct evbuffer *out, const char *name, const char *help);

/* A metric of one sample. */
void page_number(struct evbuffer *out, const char *name, const char *help, double value);

/* What stands above a histogram's samples, and those of one: `labels` is "" or such as `tier="os",`. Seconds. */
void page_histogram_head(struct evbuffer *out, const char *name, const char *help);
void page_histogram(struct evbuffer *out, const char *name, const char *labels,
                    const struct histogram_sum *sum);

/* Those of a row that are metrics. */
void page_row(struct evbuffer *out, const struct numbers *numbers, const void *row);

#endif
