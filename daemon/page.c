#include "daemon/page.h"

#include <errno.h>
#include <netinet/in.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void page_head(struct evbuffer *out, const char *name, const char *help)
{
    static const char total[] = "_total";
    const size_t size = strlen(name), tail = sizeof total - 1;
    const bool counter = size > tail && strcmp(name + size - tail, total) == 0;
    evbuffer_add_printf(out, "# HELP freshet_%s %s\n# TYPE freshet_%s %s\n", name, help, name,
                        counter ? "counter" : "gauge");
}

void page_number(struct evbuffer *out, const char *name, const char *help, double value)
{
    page_head(out, name, help);
    evbuffer_add_printf(out, "freshet_%s %.17g\n", name, value);
}

void page_histogram_head(struct evbuffer *out, const char *name, const char *help)
{
    evbuffer_add_printf(out, "# HELP freshet_%s %s\n# TYPE freshet_%s histogram\n", name, help,
                        name);
}

/* Each bucket has all that are below its end, and the last, which has none, has all. */
void page_histogram(struct evbuffer *out, const char *name, const char *labels,
                    const struct histogram_sum *sum)
{
    const int length = (int)strlen(labels) - (labels[0] != '\0'); /* without the comma */
    const char *open = length > 0 ? "{" : "", *close = length > 0 ? "}" : "";
    uint64_t count = 0;
    for (size_t k = 0; k < HISTOGRAM_ENDS; k++) {
        count += sum->counts[k];
        evbuffer_add_printf(out, "freshet_%s_bucket{%sle=\"%g\"} %" PRIu64 "\n", name, labels,
                            (double)histogram_ends_us[k] / 1e6, count);
    }
    count += sum->counts[HISTOGRAM_ENDS];
    evbuffer_add_printf(out, "freshet_%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    evbuffer_add_printf(out, "freshet_%s_sum%s%.*s%s %.17g\n", name, open, length, labels, close,
                        (double)sum->sum_us / 1e6);
    evbuffer_add_printf(out, "freshet_%s_count%s%.*s%s %" PRIu64 "\n", name, open, length, labels,
                        close, count);
}

void page_row(struct evbuffer *out, const struct numbers *numbers, const void *row)
{
    for (size_t k = 0; k < numbers->count; k++) {
        const struct number *number = &numbers->list[k];
        if (number->metric)
            page_number(out, number->metric, number->help, (double)number_in(number, row));
    }
}

int page_check(const struct config_address *address)
{
    const int fd = http_listen((const struct sockaddr *)&address->addr, address->addr_size);
    const int why = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return why == EADDRINUSE ? 0 : why;
}

struct http *page_open(struct event_base *base, const struct config_address *address,
                       const struct page_content *content, char ret_error[PAGE_MAX_ERROR])
{
    int fd = http_listen((const struct sockaddr *)&address->addr, address->addr_size);
    if (fd < 0) {
        snprintf(ret_error, PAGE_MAX_ERROR, "%s: %s", address->text, strerror(errno));
        return NULL;
    }
    struct http *http = http_new(base, fd,
                                 &(struct http_page){
                                     .path = "/metrics",
                                     .type = "text/plain; version=0.0.4",
                                     .write = content->write,
                                     .ready = content->ready,
                                     .answer = content->answer,
                                     .arg = content->arg,
                                 });
    if (!http)
        snprintf(ret_error, PAGE_MAX_ERROR, "out of memory");
    return http;
}
