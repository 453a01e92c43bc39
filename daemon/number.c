#include "daemon/number.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/log.h"

void numbers_to_json(const struct numbers *numbers, const void *row, json_t *object)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->list[i].name)
            json_object_set_new(object, numbers->list[i].name,
                                json_integer((json_int_t)number_in(&numbers->list[i], row)));
}

void numbers_tell(const struct numbers *numbers, struct number_owner owner, const void *now,
                  void *before, size_t size)
{
    for (size_t i = 0; i < numbers->count; i++) {
        const struct number *number = &numbers->list[i];
        uint64_t new = number_in(number, now), old = number_in(number, before);
        if (number->limit && new > old)
            log_line(number->trifle ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                     "msg=\"%s\"%s%s%s%s count=%" PRIu64 " counter=freshet_%s", number->limit,
                     owner.name ? " " : "", owner.name ? owner.kind : "", owner.name ? "=" : "",
                     owner.name ? owner.name : "", new - old, number->metric);
    }
    memcpy(before, now, size);
}
