#include "cli/followers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/control.h"
#include "cli/remote.h"

int64_t followers_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void followers_init(const struct options *options, const char *name, const char *zone,
                    struct followers *ret)
{
    const struct move_options *move = &options->move;
    *ret = (struct followers){.options = options, .name = name, .zone = zone};
    ret->count = move->tier_count > 0 ? move->tier_count : 1;
    for (size_t k = 0; k < ret->count; k++)
        ret->list[k].path = move->tier_count > 0 ? move->tiers[k] : options->control;
}

/* The answer, or NULL with why not in the follower's trouble. Takes over `request`. */
static json_t *ask(const struct followers *followers, struct follower *follower, json_t *request)
{
    struct options options = *followers->options;
    options.control = follower->path;
    options.heard = follower->trouble;
    follower->trouble[0] = '\0';
    if (remote_is(follower->path))
        return remote_answer(&options, follower->path, request);
    return control_answer(&options, request);
}

static json_t *ask_drained(const struct followers *followers, struct follower *follower)
{
    return ask(followers, follower,
               json_pack("{s:s, s:s}", "cmd", "drained_by", "name", followers->name));
}

const char *followers_judge(const json_t *answer, const char *topic, const char *zone,
                            char trouble[MAX_COMPLAINT])
{
    const json_t *feed = json_object_get(answer, "feed");
    const char *state = member_text(feed, "state"), *its_topic = member_text(feed, "topic");
    const char *its_zone = member_text(answer, "zone");
    if (!json_is_object(feed))
        snprintf(trouble, MAX_COMPLAINT, "it has no feed");
    else if (strcmp(its_topic, topic) != 0)
        snprintf(trouble, MAX_COMPLAINT, "it follows the topic %s, not %s", its_topic, topic);
    else if (strcmp(its_zone, zone) != 0)
        snprintf(trouble, MAX_COMPLAINT, "for this name it follows %s%s, not the zone %s",
                 its_zone[0] ? "the zone " : "no zone", its_zone, zone);
    else if (strcmp(state, "live") != 0)
        snprintf(trouble, MAX_COMPLAINT, "its feed is not live but %s: %s", state,
                 member_text(feed, "reason"));
    else
        return NULL;
    return trouble;
}

/* The next offset it will apply in a partition; -1 when it has none. */
static long long offset_of(const json_t *answer, int32_t partition)
{
    size_t k;
    json_t *position;
    json_array_foreach(json_object_get(json_object_get(answer, "feed"), "partitions"), k, position)
    {
        if (member_number(position, "partition") == partition)
            return member_number(position, "offset");
    }
    return -1;
}

bool followers_has_applied(const json_t *answer, const struct follower *before,
                           const struct publish_receipt *receipt, char trouble[MAX_COMPLAINT])
{
    const long long offset = offset_of(answer, receipt->partition);
    const bool moved = member_number(answer, "stamp") != before->stamp ||
                       member_number(answer, "pid") != before->pid;
    if (offset <= receipt->offset)
        snprintf(trouble, MAX_COMPLAINT,
                 "it has not applied the change: offset %lld of partition %d, not past %lld",
                 offset, (int)receipt->partition, (long long)receipt->offset);
    else if (!moved)
        snprintf(trouble, MAX_COMPLAINT,
                 "it is past the change's offset and has not had it: is that another Kafka?");
    else
        return true;
    return false;
}

static double number_of(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

/* Seconds as a process says them, which may be any number; past a century it is no use to count. */
static int64_t ms_of(double seconds)
{
    const double most = 100.0 * 365 * 86400;
    return (int64_t)((seconds < 0 ? 0 : seconds > most ? most : seconds) * 1000);
}

/* Milliseconds until clients of all its tiers are rid of what is older than the newest change. */
static int64_t left_ms(const json_t *answer)
{
    double most = 0;
    size_t k;
    json_t *tier;
    json_array_foreach(json_object_get(answer, "tiers"), k, tier)
    {
        const bool known = json_is_number(json_object_get(tier, "seconds_left"));
        const double left = number_of(tier, known ? "seconds_left" : "window_s");
        most = left > most ? left : most;
    }
    return ms_of(most) + 1;
}

/* What the first tier listens on that can be asked what holds now: it listens, and hears of changes. */
static void note_listen(struct follower *follower, const json_t *tier)
{
    const char *listen = json_string_value(json_array_get(json_object_get(tier, "listen"), 0));
    if (listen && follower->listen[0] == '\0' && member_true(tier, "subscribed"))
        snprintf(follower->listen, sizeof follower->listen, "%s", listen);
}

static void note_tiers(struct follower *follower, const json_t *answer)
{
    size_t k, at = 0;
    json_t *tier;
    follower->window_ms = 0;
    follower->tiers[0] = follower->listen[0] = '\0';
    json_array_foreach(json_object_get(answer, "tiers"), k, tier)
    {
        const int64_t window = ms_of(number_of(tier, "window_s"));
        follower->window_ms = window > follower->window_ms ? window : follower->window_ms;
        note_listen(follower, tier);
        if (at < sizeof follower->tiers)
            at += (size_t)snprintf(follower->tiers + at, sizeof follower->tiers - at, "%s%s%s",
                                   k > 0 ? ", " : "", member_text(tier, "tier"),
                                   member_true(tier, "subscribed") ? "" : " (outside)");
    }
}

static bool is_ready(const struct followers *followers, struct follower *follower)
{
    json_t *answer = ask_drained(followers, follower);
    if (!answer)
        return false;
    follower->applied = false;
    follower->pid = member_number(answer, "pid");
    follower->stamp = member_number(answer, "stamp");
    note_tiers(follower, answer);
    const bool ready =
        !followers_judge(answer, followers->options->topic, followers->zone, follower->trouble);
    json_decref(answer);
    return ready;
}

bool followers_ready(struct followers *followers)
{
    bool all = true;
    for (size_t k = 0; k < followers->count; k++)
        all = is_ready(followers, &followers->list[k]) && all;
    return all;
}

static bool has_applied(const struct followers *followers, struct follower *follower,
                        const struct publish_receipt *receipt)
{
    if (follower->applied)
        return true;
    json_t *answer = ask_drained(followers, follower);
    if (!answer)
        return false;
    follower->applied =
        !followers_judge(answer, followers->options->topic, followers->zone, follower->trouble) &&
        followers_has_applied(answer, follower, receipt, follower->trouble);
    if (follower->applied)
        follower->drained_ms = followers_now_ms() + left_ms(answer);
    json_decref(answer);
    return follower->applied;
}

bool followers_applied(struct followers *followers, const struct publish_receipt *receipt)
{
    bool all = true;
    for (size_t k = 0; k < followers->count; k++)
        all = has_applied(followers, &followers->list[k], receipt) && all;
    return all;
}

/* A record as lookup prints it: "www.example.com. 60 IN A 192.0.2.1". */
static bool is_record(const char *record, const char *name, const char *end)
{
    const size_t size = strlen(record), name_length = strlen(name), end_length = strlen(end);
    return size > name_length + end_length && record[name_length] == ' ' &&
           strncasecmp(record, name, name_length) == 0 &&
           strcmp(record + size - end_length, end) == 0;
}

static bool variant_has(const json_t *variant, const char *name, const char *end)
{
    size_t k;
    json_t *record;
    if (!member_true(variant, "valid"))
        return false;
    json_array_foreach(json_object_get(variant, "records"), k, record)
    {
        if (json_is_string(record) && is_record(json_string_value(record), name, end))
            return true;
    }
    return false;
}

static bool answer_has(const json_t *answer, const char *name, const char *end)
{
    size_t t, v;
    json_t *tier, *variant;
    json_array_foreach(json_object_get(answer, "tiers"), t, tier)
    {
        json_array_foreach(json_object_get(tier, "variants"), v, variant)
        {
            if (variant_has(variant, name, end))
                return true;
        }
    }
    return false;
}

static bool is_without(const struct followers *followers, struct follower *follower,
                       const char *type, const char *rdata)
{
    char end[MAX_COMPLAINT];
    snprintf(end, sizeof end, " IN %s %s", type, rdata);
    json_t *answer =
        ask(followers, follower,
            json_pack("{s:s, s:s, s:s}", "cmd", "lookup", "name", followers->name, "type", type));
    if (!answer)
        return false;
    const bool has = answer_has(answer, followers->name, end);
    if (has)
        snprintf(follower->trouble, sizeof follower->trouble, "it still answers with %s", rdata);
    json_decref(answer);
    return !has;
}

bool followers_without(struct followers *followers, const char *type, const char *rdata)
{
    bool all = true;
    for (size_t k = 0; k < followers->count; k++)
        all = is_without(followers, &followers->list[k], type, rdata) && all;
    return all;
}

int64_t followers_drained_ms(const struct followers *followers)
{
    int64_t last = 0;
    for (size_t k = 0; k < followers->count; k++)
        if (followers->list[k].drained_ms > last)
            last = followers->list[k].drained_ms;
    return last;
}

int64_t followers_window_ms(const struct followers *followers)
{
    int64_t longest = 0;
    for (size_t k = 0; k < followers->count; k++)
        if (followers->list[k].window_ms > longest)
            longest = followers->list[k].window_ms;
    return longest;
}

const char *followers_text(const struct followers *followers, char text[FOLLOWERS_MAX_TEXT])
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t k = 0; k < followers->count && at < FOLLOWERS_MAX_TEXT; k++)
        at += (size_t)snprintf(text + at, FOLLOWERS_MAX_TEXT - at, "%s%s", k > 0 ? ", " : "",
                               followers->list[k].tiers);
    return text;
}

void followers_complain(const struct followers *followers)
{
    for (size_t k = 0; k < followers->count; k++) {
        const struct follower *follower = &followers->list[k];
        if (follower->trouble[0])
            complain(followers->options, "%s: %s", follower->path, follower->trouble);
    }
}
