/*
 * changeset_text.c - change sets and times as text: JSON to be sent, lines for people, RFC 3339.
 */
#include "invalidation/changeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { MAX_RDATA_TEXT = 65535 * 4 + 64 }; /* every byte as \DDD, and what stands around them */

/* ---- JSON form ---- */

/* The generic form (RFC 3597 5) says any RDATA, should a type's own form fail to. */
static int generic_to_text(const struct rdata_view *rdata, char *text, size_t size)
{
    int at = snprintf(text, size, "\\# %u ", rdata->size);
    if ((size_t)at + 2 * (size_t)rdata->size + 1 > size)
        return ERR_SPACE;
    for (size_t k = 0; k < rdata->size; k++)
        at += snprintf(text + at, size - (size_t)at, "%02x", rdata->bytes[k]);
    return at;
}

static int record_to_text(uint16_t type, const struct rdata_view *rdata, char *text, size_t size)
{
    int length = rdata_to_text(type, rdata->bytes, rdata->size, text, size);
    return length >= 0 || length == ERR_SPACE ? length : generic_to_text(rdata, text, size);
}

static json_t *format_rdata(const struct change *change, char *scratch)
{
    json_t *list = json_array();
    for (size_t r = 0; list && r < change->rdata_count; r++) {
        int length = record_to_text(change->type, &change->rdata[r], scratch, MAX_RDATA_TEXT);
        if (length < 0 || json_array_append_new(list, json_string(scratch)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Adds members as far as the change has them; -1: no memory. */
static int format_members(json_t *object, const struct change *change, char *scratch)
{
    char text[NAME_MAX_TEXT];
    int bad = json_object_set_new(object, "op", json_string(change_op_text(change->op)));
    bad |= json_object_set_new(object, "name", json_string(name_to_text(change->name, text)));
    if (change->type != 0)
        bad |= json_object_set_new(object, "type", json_string(type_to_text(change->type, text)));
    if (change->op == CHANGE_SET || change->op == CHANGE_ADD)
        bad |= json_object_set_new(object, "ttl", json_integer(change->ttl));
    if (change->rdata_count > 0)
        bad |= json_object_set_new(object, "rdata", format_rdata(change, scratch));
    if (change->subtree)
        bad |= json_object_set_new(object, "subtree", json_true());
    return bad;
}

static json_t *format_changes(const struct change_set *set)
{
    json_t *list = json_array();
    char *scratch = malloc(MAX_RDATA_TEXT);
    bool bad = !list || !scratch;
    for (size_t k = 0; !bad && k < set->change_count; k++) {
        json_t *object = json_object();
        bad = !object || format_members(object, &set->changes[k], scratch) < 0;
        if (bad)
            json_decref(object);
        else
            bad = json_array_append_new(list, object) < 0;
    }
    free(scratch);
    if (bad) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static int format_head(json_t *root, const struct change_set *set)
{
    char text[NAME_MAX_TEXT];
    int bad = json_object_set_new(root, "v", json_integer(CHANGESET_VERSION));
    bad |= json_object_set_new(root, "zone", json_string(name_to_text(set->zone, text)));
    if (set->has_serial)
        bad |= json_object_set_new(root, "serial", json_integer(set->serial));
    bad |= json_object_set_new(root, "time", json_string(time_to_text(set->time_us, text)));
    if (set->publisher[0] != '\0')
        bad |= json_object_set_new(root, "publisher", json_string(set->publisher));
    if (set->has_seq)
        bad |= json_object_set_new(root, "seq", json_integer((json_int_t)set->seq));
    if (set->in_snapshot)
        bad |= json_object_set_new(root, "must", json_pack("[s]", "snapshot"));
    return bad;
}

char *changeset_format(const struct change_set *set)
{
    char *json = NULL;
    json_t *root = json_object();
    if (root && format_head(root, set) == 0 &&
        json_object_set_new(root, "changes", format_changes(set)) == 0)
        json = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return json;
}

/* ---- for people ---- */

const char *change_op_text(enum change_op op)
{
    static const char *const texts[] = {"SET", "ADD", "DEL", "FLUSH"};
    return texts[op];
}

/* Appends `text` to the `*at` bytes that are there; false when it does not fit. */
static bool append(char *line, size_t size, size_t *at, const char *text)
{
    const size_t length = strlen(text);
    if (*at + length + 1 > size)
        return false;
    memcpy(line + *at, text, length + 1);
    *at += length;
    return true;
}

static bool append_head(const struct change *change, char *line, size_t size, size_t *at)
{
    char name[NAME_MAX_TEXT], ttl[16], type[TYPE_MAX_TEXT];
    bool fits = append(line, size, at, change_op_text(change->op)) && append(line, size, at, " ") &&
                append(line, size, at, name_to_text(change->name, name));
    if (fits && (change->op == CHANGE_SET || change->op == CHANGE_ADD)) {
        snprintf(ttl, sizeof ttl, " %" PRIu32, change->ttl);
        fits = append(line, size, at, ttl);
    }
    if (fits && change->type != 0)
        fits =
            append(line, size, at, " ") && append(line, size, at, type_to_text(change->type, type));
    if (fits && change->subtree)
        fits = append(line, size, at, " and all below");
    return fits;
}

int change_to_text(const struct change *change, char *text, size_t size)
{
    size_t at = 0;
    if (!append_head(change, text, size, &at))
        return ERR_SPACE;
    for (size_t r = 0; r < change->rdata_count; r++) {
        if (!append(text, size, &at, r == 0 ? " " : ", "))
            return ERR_SPACE;
        int length = record_to_text(change->type, &change->rdata[r], text + at, size - at);
        if (length < 0)
            return ERR_SPACE;
        at += (size_t)length;
    }
    return (int)at;
}

/* ---- time ---- */

/*
 * Days since 1970-01-01 of a date of the Gregorian calendar, and back; years count from March
 * inside.
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t day_of_era = days - era * 146097;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static const int64_t day_us = INT64_C(86400000000);
static const int64_t first_us = INT64_C(-62167219200000000); /* 0000-01-01T00:00:00Z */
static const int64_t last_us = INT64_C(253402300799999999);  /* 9999-12-31T23:59:59.999999Z */

const char *time_to_text(int64_t time_us, char text[TIME_MAX_TEXT])
{
    /* Four digits of year is all RFC 3339 has. */
    const int64_t t = time_us < first_us ? first_us : time_us > last_us ? last_us : time_us;
    const int64_t days = (t >= 0 ? t : t - (day_us - 1)) / day_us;
    const int64_t rest = t - days * day_us;
    const int seconds = (int)(rest / 1000000);
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    /* The remainders change nothing: they show the compiler that the text fits. */
    snprintf(text, TIME_MAX_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, (unsigned)(seconds / 3600) % 100,
             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), (unsigned)(rest % 1000000));
    return text;
}

/* Exactly `digits` digits at `*at`, moved past; -1 when they are not there. */
static int take_digits(const char **at, int digits)
{
    int value = 0;
    for (int k = 0; k < digits; k++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool take(const char **at, const char *any)
{
    if (**at == '\0' || !strchr(any, **at))
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* full-date of RFC 3339 5.6, as days since 1970. */
static bool take_date(const char **at, int64_t *days)
{
    const int year = take_digits(at, 4);
    if (year < 0 || !take(at, "-"))
        return false;
    const int month = take_digits(at, 2);
    if (month < 1 || month > 12 || !take(at, "-"))
        return false;
    const int day = take_digits(at, 2);
    if (day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

/*
 * partial-time without its fraction, in seconds; second 60 is a leap second and counts as the next.
 */
static bool take_clock(const char **at, int64_t *seconds)
{
    const int hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || !take(at, ":"))
        return false;
    const int minute = take_digits(at, 2);
    if (minute < 0 || minute > 59 || !take(at, ":"))
        return false;
    const int second = take_digits(at, 2);
    if (second < 0 || second > 60)
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* time-secfrac in microseconds, 0 when there is none; finer digits are cut off. */
static bool take_fraction(const char **at, int64_t *us)
{
    *us = 0;
    if (!take(at, "."))
        return true;
    const char *first = *at;
    for (int64_t weight = 100000; **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
        *us += weight * (**at - '0');
    return *at > first;
}

/* time-offset, in seconds east of UTC. */
static bool take_offset(const char **at, int64_t *seconds)
{
    *seconds = 0;
    if (take(at, "Zz"))
        return true;
    const int sign = **at == '-' ? -1 : 1;
    if (!take(at, "+-"))
        return false;
    const int hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || !take(at, ":"))
        return false;
    const int minute = take_digits(at, 2);
    if (minute < 0 || minute > 59)
        return false;
    *seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

int time_from_text(const char *text, int64_t *ret_time_us)
{
    int64_t days, seconds, us, offset;
    if (!take_date(&text, &days) || !take(&text, "Tt") || !take_clock(&text, &seconds) ||
        !take_fraction(&text, &us) || !take_offset(&text, &offset) || *text != '\0')
        return ERR_SCHEMA;
    const int64_t time_us = days * day_us + (seconds - offset) * 1000000 + us;
    if (time_us < first_us || time_us > last_us)
        return ERR_SCHEMA;
    *ret_time_us = time_us;
    return 0;
}
