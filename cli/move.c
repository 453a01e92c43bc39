/*
 * move.c - "freshet move": an address takes another's place, and nobody meets the old one gone.
 *
 *     step both    RRset with A -> with A and B    authority, publish, applied by all, drained
 *     step new     RRset with A and B -> with B    the same again; then nobody knows A any more
 *
 * Each step begins with the RRset as it is, so it may be repeated whatever became of it before.
 * Until the end of the second, A must serve; from the first one on, B.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/remote.h"
#include "cli/addresses.h"
#include "cli/ask.h"
#include "cli/change.h"
#include "cli/commands.h"
#include "cli/followers.h"
#include "cli/name.h"

enum { POLL_MS = 50, MAX_TTL_TEXT = 16 };

enum which { STEP_BOTH, STEP_NEW };

/* One of the two: what is to be done before it is published, and what is. */
struct step {
    enum which which;
    const char *name; /* as --resume has it */
    const char *hook; /* NULL: none */
    struct addresses now, wanted;
    struct publish_receipt receipt;
    int64_t published_ms; /* before it was, monotonic */
};

struct move {
    const struct options *options;
    uint8_t name[NAME_MAX_SIZE];
    char name_text[NAME_MAX_TEXT], zone_text[NAME_MAX_TEXT], type_text[TYPE_MAX_TEXT];
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    uint16_t type;
    struct followers followers;
    struct addresses before; /* the RRset when this began */
    struct step step;        /* under way */
    int64_t began_ms;
    bool touched;                /* something may have been changed */
    char trouble[MAX_COMPLAINT]; /* of an authority that does not answer as it should */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted |= number != SIGPIPE;
}

/* What is ignored stays so (nohup). That nobody reads what is printed is no reason to stop half way. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (sigaction(numbers[k], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[k], &action, NULL);
}

/* ---- what is printed ---- */

static bool print_line(const char *line)
{
    return puts(line) >= 0 && fflush(stdout) == 0;
}

/* A line on stdout; and where that takes none any more, it is stderr from then on. */
static void print_somewhere(const struct move *move, const char *line)
{
    if (print_line(line))
        return;
    complain(move->options, "standard output: %s; what it would have is said here",
             strerror(errno));
    __fpurge(stdout);
    clearerr(stdout);
    if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        (void)print_line(line);
}

/* A line with the time since the start, and the time of day. */
__attribute__((format(printf, 2, 3))) static void say(const struct move *move, const char *format,
                                                      ...)
{
    struct timespec t;
    char time[TIME_MAX_TEXT], line[MAX_COMPLAINT];
    va_list args;
    clock_gettime(CLOCK_REALTIME, &t);
    time_to_text((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000, time);
    const int size = snprintf(line, sizeof line, "%9.3f s  %s  ",
                              (double)(followers_now_ms() - move->began_ms) / 1000, time);
    va_start(args, format);
    vsnprintf(line + size, sizeof line - (size_t)size, format, args);
    va_end(args);
    print_somewhere(move, line);
}

/* The longest TTL seen goes along: by then the authority may tell a shorter one. */
static void say_resume(const struct move *move)
{
    const struct step *step = &move->step;
    uint32_t ttl = move->before.ttl > step->now.ttl ? move->before.ttl : step->now.ttl;
    if (move->options->move.has_outside_ttl)
        complain(move->options, "to go on: the same command with --resume %s", step->name);
    else
        complain(move->options, "to go on: the same command with --resume %s --outside-ttl %u",
                 step->name, (unsigned)(ttl > step->wanted.ttl ? ttl : step->wanted.ttl));
}

/* What became of it, and how to go on, for a move that ends half way. Returns `code`. */
static int leave(const struct move *move, int code)
{
    char text[ADDRESSES_MAX_TEXT];
    const struct options *o = move->options;
    if (interrupted)
        code = EXIT_INTERRUPTED; /* whatever it was that failed by it */
    if (!move->touched) {
        complain(o, "nothing was changed by this command");
        return code;
    }
    complain(o, "%s in step %s: %s must go on serving",
             code == EXIT_INTERRUPTED ? "interrupted" : "ended", move->step.name, move->from);
    say_resume(move);
    complain(o, "to go back: the authority first, then freshet set %s %s %u %s", move->name_text,
             move->type_text, (unsigned)move->before.ttl, addresses_text(&move->before, " ", text));
    return code;
}

/* ---- waiting ---- */

/* Until then, or an interruption. Returns an exit_code. */
static int sleep_until(int64_t until_ms)
{
    while (!interrupted) {
        const int64_t left = until_ms - followers_now_ms();
        if (left <= 0)
            return EXIT_DONE;
        const int64_t slice = left < POLL_MS ? left : POLL_MS;
        nanosleep(&(struct timespec){.tv_nsec = slice * 1000000}, NULL);
    }
    return EXIT_INTERRUPTED;
}

/* Until `done` says so, --wait-at-most, or an interruption. Complaints are the caller's. */
static int wait_for(struct move *move, bool (*done)(struct move *))
{
    const int64_t until = followers_now_ms() + (int64_t)move->options->move.wait_ms;
    while (!interrupted) {
        if (done(move))
            return EXIT_DONE;
        if (followers_now_ms() >= until)
            return EXIT_FAILED;
        sleep_until(followers_now_ms() + POLL_MS);
    }
    return EXIT_INTERRUPTED;
}

/* A moment of the monotonic clock as the time of day. */
static const char *wall_text(int64_t ms, char ret_text[TIME_MAX_TEXT])
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    const int64_t left_ms = ms - followers_now_ms();
    return time_to_text((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + left_ms * 1000, ret_text);
}

/* As sleep_until(); on a terminal, one line says how much is left, and until when it takes. */
static int sleep_aloud(int64_t until_ms, const char *end)
{
    const bool aloud = isatty(STDERR_FILENO);
    int code = EXIT_DONE;
    for (int64_t left = until_ms - followers_now_ms(); code == EXIT_DONE && left > 0;
         left = until_ms - followers_now_ms()) {
        if (aloud)
            fprintf(stderr, "\r%6lld s left, until %s ", (long long)(left + 999) / 1000, end);
        code = sleep_until(followers_now_ms() + (left < 1000 ? left : 1000));
    }
    if (aloud)
        fputs("\r\033[K", stderr);
    return code;
}

static bool are_ready(struct move *move)
{
    return followers_ready(&move->followers);
}

static bool have_applied(struct move *move)
{
    return followers_applied(&move->followers, &move->step.receipt);
}

static bool are_without(struct move *move)
{
    return followers_without(&move->followers, move->type_text, move->from);
}

/* Until all tiers have got to where `done` wants them. */
static int wait_for_tiers(struct move *move, bool (*done)(struct move *))
{
    int code = wait_for(move, done);
    if (code == EXIT_FAILED)
        followers_complain(&move->followers);
    return code;
}

/* ---- the RRset as it is ---- */

static bool ask_authority(struct move *move, size_t k, struct addresses *ret)
{
    return ask_addresses(move->options, move->options->move.authorities[k], true, move->name,
                         move->type, ret);
}

/* By the first authority, or else by the first tier, whose TTL means nothing. */
static bool read_now(struct move *move, struct addresses *ret)
{
    const struct options *o = move->options;
    if (o->move.authority_count > 0)
        return ask_authority(move, 0, ret);
    if (!ask_addresses(o, move->followers.list[0].listen, false, move->name, move->type, ret))
        return false;
    ret->ttl = o->move.ttl;
    return true;
}

static bool authority_agrees(struct move *move, size_t k)
{
    struct options quiet = *move->options;
    struct addresses found;
    struct addresses *wanted = &move->step.wanted;
    const char *server = quiet.move.authorities[k];
    char text[ADDRESSES_MAX_TEXT];
    quiet.heard = move->trouble;
    if (!ask_addresses(&quiet, server, true, move->name, move->type, &found))
        return false;
    if (!addresses_equal(&found, wanted)) {
        snprintf(move->trouble, sizeof move->trouble, "%s: it holds %s", server,
                 addresses_text(&found, " ", text));
        return false;
    }
    wanted->ttl = found.ttl;
    return true;
}

static bool authorities_agree(struct move *move)
{
    bool agree = true;
    for (size_t k = 0; k < move->options->move.authority_count && agree; k++)
        agree = authority_agrees(move, k);
    return agree;
}

static int wait_for_authorities(struct move *move)
{
    int code = wait_for(move, authorities_agree);
    if (code == EXIT_FAILED)
        complain(move->options, "%s: not published, as the authority comes first", move->trouble);
    return code;
}

/* ---- one step ---- */

/* What the RRset must hold for the step to make sense. */
static bool check_holds(const struct move *move, const char *address)
{
    char text[ADDRESSES_MAX_TEXT];
    if (addresses_have(&move->step.now, address))
        return true;
    complain(move->options, "%s %s does not hold %s; it holds %s", move->name_text, move->type_text,
             address, addresses_text(&move->step.now, " ", text));
    return false;
}

/* What is to be published, from what there is now. False after a complaint. */
static bool plan(struct move *move)
{
    struct step *step = &move->step;
    if (!check_holds(move, step->which == STEP_NEW ? move->to : move->from))
        return false;
    step->wanted = step->now;
    if (step->which == STEP_NEW) {
        addresses_remove(&step->wanted, move->from);
        return true;
    }
    if (addresses_add(&step->wanted, move->to))
        return true;
    complain(move->options, "%s %s holds %d addresses: too many", move->name_text, move->type_text,
             ADDRESSES_MAX);
    return false;
}

static enum which first_step(const struct move *move)
{
    return move->options->move.resume_new ? STEP_NEW : STEP_BOTH;
}

static void start_step(struct move *move, enum which which)
{
    const struct move_options *o = &move->options->move;
    move->step = (struct step){.which = which, .name = "both", .hook = o->before_both};
    if (which == STEP_NEW) {
        move->step.name = "new";
        move->step.hook = o->before_new;
    }
}

static void set_environment(const struct move *move)
{
    char ttl[MAX_TTL_TEXT], text[ADDRESSES_MAX_TEXT];
    const struct step *step = &move->step;
    snprintf(ttl, sizeof ttl, "%u", (unsigned)step->wanted.ttl);
    setenv("FRESHET_STEP", step->name, 1);
    setenv("FRESHET_ZONE", move->zone_text, 1);
    setenv("FRESHET_NAME", move->name_text, 1);
    setenv("FRESHET_TYPE", move->type_text, 1);
    setenv("FRESHET_TTL", ttl, 1);
    setenv("FRESHET_FROM", move->from, 1);
    setenv("FRESHET_TO", move->to, 1);
    setenv("FRESHET_RRSET", addresses_text(&step->wanted, " ", text), 1);
}

/* Has the authority changed, by the operator's own means. */
static int run_hook(struct move *move)
{
    const char *hook = move->step.hook;
    if (!hook)
        return EXIT_DONE;
    say(move, "running: %s", hook);
    set_environment(move);
    move->touched = true;
    const int status = system(hook);
    if (status == 0)
        return EXIT_DONE;
    if (interrupted || (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT))
        return EXIT_INTERRUPTED;
    complain(move->options, "--before-%s ended with status %d: not published", move->step.name,
             WIFEXITED(status) ? WEXITSTATUS(status) : status);
    return EXIT_FAILED;
}

static int publish(struct move *move)
{
    struct step *step = &move->step;
    char ttl[MAX_TTL_TEXT], text[ADDRESSES_MAX_TEXT], *rdata[ADDRESSES_MAX];
    snprintf(ttl, sizeof ttl, "%u", (unsigned)step->wanted.ttl);
    for (size_t k = 0; k < step->wanted.count; k++)
        rdata[k] = step->wanted.texts[k];
    const struct change_words words = {.op = CHANGE_SET,
                                       .name = move->name_text,
                                       .type = move->type_text,
                                       .ttl = ttl,
                                       .rdata = rdata,
                                       .rdata_count = step->wanted.count};
    move->touched = true;
    step->published_ms = followers_now_ms();
    int code = change_send(move->options, &words, &step->receipt);
    if (code != EXIT_DONE)
        return EXIT_FAILED;
    say(move, "published: SET %s %s %s %s, %d:%lld", move->name_text, ttl, move->type_text,
        addresses_text(&step->wanted, " ", text), (int)step->receipt.partition,
        (long long)step->receipt.offset);
    return EXIT_DONE;
}

/*
 * For how long clients past every tier may hold what was before. An authority that was not asked
 * may lag as long as changes take to settle.
 */
static int64_t outside_ms(const struct move *move)
{
    const struct options *o = move->options;
    const struct step *step = &move->step;
    uint32_t ttl = step->now.ttl > step->wanted.ttl ? step->now.ttl : step->wanted.ttl;
    if (o->move.has_outside_ttl)
        ttl = o->move.outside_ttl;
    if (ttl == 0)
        return 0;
    const struct config_feed *feed = o->config ? o->config->feed : NULL;
    const uint64_t lag_ms = o->move.authority_count == 0 && feed ? feed->settle_ms : 0;
    return (int64_t)ttl * 1000 + (int64_t)lag_ms;
}

static int wait_until_drained(struct move *move)
{
    const int64_t now = followers_now_ms();
    const int64_t outside = move->step.published_ms + outside_ms(move);
    const int64_t tiers = followers_drained_ms(&move->followers);
    const int64_t until =
        (outside > tiers ? outside : tiers) + (int64_t)move->options->move.margin_ms;
    char end[TIME_MAX_TEXT];
    say(move,
        "applied by all; waiting %.3f s until clients are rid of what was before (%s): until %s",
        until > now ? (double)(until - now) / 1000 : 0,
        outside > tiers ? "outside TTL, margin" : "tiers, margin", wall_text(until, end));
    return sleep_aloud(until, end);
}

/* The last look: what the tiers hold, and that they still follow. */
static int check_gone(struct move *move)
{
    int code = wait_for_tiers(move, are_without);
    return code == EXIT_DONE ? wait_for_tiers(move, are_ready) : code;
}

/* From the publication to the moment when clients know nothing older. */
static int carry_through(struct move *move)
{
    char tiers[FOLLOWERS_MAX_TEXT];
    int code = publish(move);
    if (code != EXIT_DONE)
        return code;
    say(move, "waiting for tiers: %s", followers_text(&move->followers, tiers));
    code = wait_for_tiers(move, have_applied);
    if (code == EXIT_DONE)
        code = wait_until_drained(move);
    return code == EXIT_DONE && move->step.which == STEP_NEW ? check_gone(move) : code;
}

static int run_step(struct move *move, enum which which)
{
    start_step(move, which);
    int code = wait_for_tiers(move, are_ready);
    if (code != EXIT_DONE)
        return code;
    if (!read_now(move, &move->step.now) || !plan(move))
        return EXIT_FAILED;
    code = run_hook(move);
    if (code == EXIT_DONE)
        code = wait_for_authorities(move);
    return code == EXIT_DONE ? carry_through(move) : code;
}

/* ---- without doing anything ---- */

static void say_step(const struct move *move)
{
    const struct step *step = &move->step;
    char text[ADDRESSES_MAX_TEXT], tiers[FOLLOWERS_MAX_TEXT];
    const int64_t outside = outside_ms(move), window = followers_window_ms(&move->followers);
    printf("step %s\n", step->name);
    if (step->hook)
        printf("  would run: %s\n", step->hook);
    for (size_t k = 0; k < move->options->move.authority_count; k++)
        printf("  would wait until %s answers so\n", move->options->move.authorities[k]);
    printf("  would publish: SET %s %u %s %s\n", move->name_text, (unsigned)step->wanted.ttl,
           move->type_text, addresses_text(&step->wanted, " ", text));
    printf("  would wait until it is applied by: %s\n", followers_text(&move->followers, tiers));
    printf(
        "  would wait %.3f s more: tiers %.3f s, outside %.3f s, margin %.3f s\n",
        (double)((outside > window ? outside : window) + (int64_t)move->options->move.margin_ms) /
            1000,
        (double)window / 1000, (double)outside / 1000,
        (double)move->options->move.margin_ms / 1000);
}

static int run_dry(struct move *move)
{
    struct addresses now = move->before;
    for (enum which which = first_step(move); which <= STEP_NEW; which++) {
        start_step(move, which);
        move->step.now = now;
        if (!plan(move))
            return EXIT_FAILED;
        say_step(move);
        now = move->step.wanted;
    }
    printf("then %s may be withdrawn\n", move->from);
    return EXIT_DONE;
}

/* ---- the command ---- */

static bool read_address(const struct move *move, const char *option, const char *word,
                         char ret_text[INET6_ADDRSTRLEN])
{
    if (!word)
        complain(move->options, "which address? Say --%s", option);
    else if (!address_read(move->type, word, ret_text))
        complain(move->options, "--%s \"%s\" is not an address of type %s", option, word,
                 move->type_text);
    else
        return true;
    return false;
}

static bool read_question(struct move *move)
{
    const struct options *o = move->options;
    uint8_t zone[NAME_MAX_SIZE];
    if (!name_operand(o, o->operands[0], move->name_text) ||
        !type_operand(o, o->operands[1], move->type_text))
        return false;
    move->type = (uint16_t)type_from_text(move->type_text);
    if (move->type != TYPE_A && move->type != TYPE_AAAA) {
        complain(o, "TYPE \"%s\" is neither A nor AAAA", o->operands[1]);
        return false;
    }
    if (name_from_text(move->name_text, move->name) < 0 || !change_zone(o, move->name, zone))
        return false;
    name_to_text(zone, move->zone_text);
    return true;
}

static bool check_words(const struct move *move)
{
    const struct move_options *o = &move->options->move;
    if (strcmp(move->from, move->to) == 0)
        complain(move->options, "--from and --to are the same address");
    else if (o->authority_count == 0 && o->tier_count > 0 && remote_is(o->tiers[0]))
        complain(move->options, "what does the RRset hold? A tier elsewhere does not say: say "
                                "--authority, or name a control socket first");
    else if (o->authority_count == 0 && !o->has_ttl)
        complain(move->options, "what TTL does the RRset have? Say --authority, or --ttl");
    else if (o->authority_count > 0 && o->has_ttl)
        complain(move->options, "--ttl is for want of an --authority, which tells it");
    else
        return true;
    return false;
}

/* What there is before anything is done: the tiers, and the RRset. */
static bool look_first(struct move *move)
{
    char text[ADDRESSES_MAX_TEXT];
    if (!followers_ready(&move->followers)) {
        followers_complain(&move->followers);
        complain(move->options, "every tier must be there and live; --tier says which to wait for");
        return false;
    }
    if (!read_now(move, &move->before))
        return false;
    say(move, "%s %s holds %s, TTL %u", move->name_text, move->type_text,
        addresses_text(&move->before, " ", text), (unsigned)move->before.ttl);
    return true;
}

static int run_steps(struct move *move)
{
    if (!look_first(move))
        return leave(move, EXIT_FAILED);
    if (move->options->dry_run)
        return run_dry(move);
    int code = EXIT_DONE;
    for (enum which which = first_step(move); which <= STEP_NEW && code == EXIT_DONE; which++)
        code = run_step(move, which);
    if (code != EXIT_DONE)
        return leave(move, code);
    say(move, "%s may be withdrawn now", move->from);
    return EXIT_DONE;
}

static int run_move(const struct options *o)
{
    struct move *move = calloc(1, sizeof *move);
    int code = EXIT_USAGE;
    if (!move) {
        complain(o, "%s", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    move->options = o;
    move->began_ms = followers_now_ms();
    if (read_question(move) && read_address(move, "from", o->move.from, move->from) &&
        read_address(move, "to", o->move.to, move->to) && check_words(move)) {
        followers_init(o, move->name_text, move->zone_text, &move->followers);
        catch_signals();
        code = run_steps(move);
    }
    free(move);
    return code;
}

static const char details[] =
    "Both addresses must serve when it begins. Step \"both\" publishes the RRset with --to\n"
    "beside --from, step \"new\" without --from; the RRset's other addresses stay. After each it\n"
    "waits until every tier has applied it, and no client can hold an answer from before. When\n"
    "it ends with status 0, no client that keeps to TTLs connects to --from any more. What was\n"
    "connected before stays so: see to that at --from itself.\n"
    "\n"
    "The authority changes first: freshet publishes only what the authority has. For that\n"
    "--before-both and --before-new are run by sh, with FRESHET_STEP, _ZONE, _NAME, _TYPE, _TTL,\n"
    "_FROM, _TO and _RRSET (all addresses to be, between blanks) in the environment. They may be\n"
    "run again: they should replace the RRset. Without them, change the authority yourself before\n"
    "each step. Name its servers with --authority: a step waits until all of them have it.\n"
    "\n"
    "Name the control socket of every freshetd that clients ask, with --tier: one that it is not\n"
    "told of it does not wait for. Clients of other resolvers may hold an answer for its whole\n"
    "TTL, so that is waited for too, unless --outside-ttl says less: 0 if all ask the tiers.\n"
    "Clients of a tier that does not subscribe to the feed are among these.\n"
    "--margin is for replies on their way and connections being made; and while an authority may\n"
    "lag, for tiers three or more levels deep, a second for each level from the third on.\n"
    "\n"
    "Interrupted (SIGINT, SIGTERM), or when a tier does not follow within --wait-at-most, it says\n"
    "how to go on. A step looks at the RRset first, so it may be repeated. Exit status: 0 done,\n"
    "1 failed, 2 the command line is wrong, 4 interrupted.\n";

const struct command move_command = {
    .name = "move",
    .operands = "NAME TYPE",
    .summary = "Let one address take another's place, and lose no client",
    .details = details,
    .accepts = OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CONTROL | OPT_MOVE | OPT_TIMEOUT,
    .least = 2,
    .most = 2,
    .run = run_move,
};
