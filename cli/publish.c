/*
 * publish.c - "freshet publish": many change sets over one connection, as JSON or in nsupdate's language.
 *
 * A file is read twice: nothing of it is published unless all of it is good. From standard input each set is published
 * once it is whole and nothing more is there to be read with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "cli/json_sets.h"
#include "cli/lines.h"
#include "cli/nsupdate.h"

enum { BATCH = 256, MAX_PLACE = 300 };

struct publication {
    struct options options; /* with the place that complaints are about */
    char place[MAX_PLACE];
    const char *path;
    struct lines lines;
    bool is_known, is_json; /* which language it is: the first line that is not empty tells */
    struct nsupdate nsupdate;
    struct json_sets json;
    bool only_checks;
    struct publisher *publisher;
    struct change_set *batch[BATCH];
    size_t batch_count;
    size_t set_count, change_count;
};

static void begin(struct publication *p, const struct options *o, int fd, bool only_checks)
{
    *p = (struct publication){.options = *o, .path = o->operands[0], .only_checks = only_checks};
    p->options.place = p->place;
    p->lines = lines_new(fd);
    p->nsupdate.options = p->json.options = &p->options;
}

static void end(struct publication *p)
{
    for (size_t k = 0; k < p->batch_count; k++)
        changeset_free(p->batch[k]);
    nsupdate_free(&p->nsupdate);
    json_sets_free(&p->json);
    lines_free(&p->lines);
    publisher_free(p->publisher);
}

/* What is complete goes to the topic. */
static int flush(struct publication *p)
{
    int code = EXIT_DONE;
    p->options.place = NULL;
    if (p->batch_count > 0 && !p->only_checks) {
        if (!p->publisher && !p->options.dry_run)
            p->publisher = change_publisher(&p->options);
        code = p->publisher || p->options.dry_run
                   ? change_send_all(&p->options, p->publisher, p->batch, p->batch_count)
                   : EXIT_USAGE;
        fflush(stdout);
    }
    p->options.place = p->place;
    for (size_t k = 0; k < p->batch_count; k++)
        changeset_free(p->batch[k]);
    p->batch_count = 0;
    return code;
}

/* 1: a set came with it, 0, or -1 after a complaint. */
static int take_line(struct publication *p, char *line, struct change_set **ret_set)
{
    if (!p->is_known) {
        const char first = line[strspn(line, " \t")];
        p->is_known = first != '\0';
        p->is_json = first == '{' || first == '[';
    }
    return p->is_json ? json_sets_line(&p->json, line, ret_set)
                      : nsupdate_line(&p->nsupdate, line, ret_set);
}

static int complain_of_text(const struct publication *p, int code)
{
    complain(&p->options, "%s", code == ERR_SYSTEM ? strerror(errno) : error_text(code));
    return EXIT_FAILED;
}

/* To the end of the text, or to the first mistake; what was whole before it is published. */
static int read_all(struct publication *p)
{
    char *line;
    int code = EXIT_DONE, got = 0;
    while (code == EXIT_DONE && !p->nsupdate.quits && (got = lines_next(&p->lines, &line)) == 1) {
        struct change_set *set = NULL;
        snprintf(p->place, sizeof p->place, "%s:%zu", p->path, p->lines.number);
        const int taken = take_line(p, line, &set);
        if (taken < 0)
            code = EXIT_USAGE;
        if (taken == 1) {
            p->set_count++;
            p->change_count += set->change_count;
            p->batch[p->batch_count++] = set;
        }
        if (p->batch_count == BATCH || code != EXIT_DONE || lines_wait(&p->lines)) {
            const int flushed = flush(p);
            code = code == EXIT_DONE ? flushed : code;
        }
    }
    if (got < 0)
        return complain_of_text(p, got);
    if (code != EXIT_DONE)
        return code;
    code = flush(p);
    const bool whole = json_sets_end(&p->json) && nsupdate_end(&p->nsupdate);
    return code == EXIT_DONE && !whole ? EXIT_USAGE : code;
}

static int read_text(const struct options *o, int fd, bool only_checks)
{
    struct publication publication;
    begin(&publication, o, fd, only_checks);
    const int code = read_all(&publication);
    if (code == EXIT_DONE && publication.set_count == 0)
        complain(o, "%s has no change set: nothing was published", o->operands[0]);
    else if (code == EXIT_USAGE && !only_checks && publication.set_count > 0)
        complain(o, "published what stood before it: %zu change sets", publication.set_count);
    const bool empty = publication.set_count == 0;
    end(&publication);
    return code == EXIT_DONE && empty ? EXIT_USAGE : code;
}

static int read_file(const struct options *o, int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return read_text(o, fd, false);
    const int code = read_text(o, fd, true);
    if (code != EXIT_DONE)
        return code;
    if (lseek(fd, 0, SEEK_SET) == 0)
        return read_text(o, fd, false);
    complain(o, "%s: %s", o->operands[0], strerror(errno));
    return EXIT_FAILED;
}

static int run_publish(const struct options *o)
{
    const char *path = o->operands[0];
    if (strcmp(path, "-") == 0)
        return read_file(o, STDIN_FILENO);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        complain(o, "%s: %s", path, strerror(errno));
        return EXIT_USAGE;
    }
    const int code = read_file(o, fd);
    close(fd);
    return code;
}

const struct command publish_command = {
    .name = "publish",
    .operands = "FILE|-",
    .summary = "Publish the change sets of a file or of standard input",
    .details = "They are JSON objects, as docs/protocol.md has them (\"v\", \"time\" and "
               "\"publisher\" may be "
               "missing),\n"
               "or what nsupdate reads: update add, update delete, zone, ttl; \"send\" or an empty "
               "line ends a "
               "set.\n"
               "Nothing of a file is published unless all of it is good. - is standard input, of "
               "which each "
               "set\n"
               "is published as it comes.\n",
    .accepts = OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_SENDS | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_publish,
};
