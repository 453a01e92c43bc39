/*
 * manual_shells.c - completions for bash, zsh and fish.
 */
#include <ctype.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/manual.h"

/* Whether what an option takes is a file. */
static bool is_file(const char *value)
{
    return value && (strcmp(value, "FILE") == 0 || strcmp(value, "PATH") == 0);
}

/* The words that the first operand is one of: "create check acls" of "create|check|acls"; "" where it is none of ours. */
static const char *first_words(const struct command *command, char ret[128])
{
    const size_t length = strcspn(command->operands, " ");
    size_t used = 0;
    for (size_t k = 0; k < length && used < 127; k++) {
        const char c = command->operands[k];
        if (!islower((unsigned char)c) && c != '|')
            return "";
        ret[used++] = c == '|' ? ' ' : c;
    }
    ret[used] = '\0';
    return ret;
}

/* Whether a file is an operand. */
static bool takes_file(const struct command *command)
{
    return strstr(command->operands, "FILE") != NULL;
}

/* Text in single quotes, with a backslash before those of `special`. */
static void quote(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", out);
        else if (*text == '\\' || strchr(special, *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

/* ---- bash ------------------------------------------------------------------------------------ */

static void bash_option(FILE *out, const struct program_option *option)
{
    if (option->letter)
        fprintf(out, "-%c ", option->letter);
    fprintf(out, "--%s%s ", option->name, option->value ? "=" : "");
}

/* The names of options that a file follows: behind one of them, and its "=", files are completed. */
static void bash_tail(FILE *out, const char *function, const char *program)
{
    fprintf(out,
            "    case $before in\n"
            "    -c | --config | --file | --key-file | --control) COMPREPLY=($(compgen -f -- "
            "\"$word\")) ;;\n"
            "    *)\n"
            "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "        [[ $word != -* && $files ]] && COMPREPLY+=($(compgen -f -- \"$word\"))\n"
            "        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
            "        ;;\n"
            "    esac\n"
            "}\n"
            "complete -F %s %s\n",
            function, program);
}

/* Bash takes "=" for a word of its own. */
static void bash_head(FILE *out, const char *program, const char *function)
{
    fprintf(
        out,
        "# bash completion for %s, made from the tables that parse\n"
        "%s()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words "
        "files=\n"
        "    if [[ $word == = ]]; then\n        word=\n"
        "    elif [[ $before == = ]]; then\n        before=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n",
        program, function);
}

static void bash_tool(FILE *out)
{
    bash_head(out, "freshet", "_freshet");
    fputs("    if ((COMP_CWORD == 1)); then\n        words=\"help --help --version", out);
    for (size_t k = 0; commands[k]; k++)
        fprintf(out, " %s", commands[k]->name);
    fputs("\"\n    else\n        case ${COMP_WORDS[1]} in\n        help) words=\"exit-codes", out);
    for (size_t k = 0; commands[k]; k++)
        fprintf(out, " %s", commands[k]->name);
    fputs("\" ;;\n", out);
    for (size_t k = 0; commands[k]; k++) {
        char first[128];
        struct program_option option;
        fprintf(out, "        %s)\n            words=\"", commands[k]->name);
        for (size_t n = 0; options_nth(commands[k], n, &option); n++)
            bash_option(out, &option);
        fprintf(out, "%s\"%s\n            ;;\n", first_words(commands[k], first),
                takes_file(commands[k]) ? "\n            files=1" : "");
    }
    fputs("        esac\n    fi\n", out);
    bash_tail(out, "_freshet", "freshet");
}

static void bash_service(FILE *out, const struct program_words *words)
{
    bash_head(out, words->name, "_freshet_service");
    fputs("    words=\"", out);
    for (const struct program_option *one = words->options; one->name; one++)
        bash_option(out, one);
    fputs("\"\n", out);
    bash_tail(out, "_freshet_service", words->name);
}

/* ---- zsh ------------------------------------------------------------------------------------- */

static void zsh_option(FILE *out, const struct program_option *option)
{
    const char *equals = option->value ? "=" : "";
    if (option->letter)
        fprintf(out, " \\\n        '(-%c --%s)'{-%c%s,--%s%s}'[", option->letter, option->name,
                option->letter, option->value ? "+" : "", option->name, equals);
    else
        fprintf(out, " \\\n        '--%s%s[", option->name, equals);
    quote(out, option->help, "[]:");
    fputc(']', out);
    if (option->value)
        fprintf(out, ":%s:%s", option->value, is_file(option->value) ? "_files" : " ");
    fputc('\'', out);
}

static void zsh_command(FILE *out, const struct command *command)
{
    char first[128];
    const char *words = first_words(command, first);
    struct program_option option;
    fprintf(out, "    %s)\n        _arguments -s :", command->name);
    for (size_t n = 0; options_nth(command, n, &option); n++)
        zsh_option(out, &option);
    if (words[0])
        fprintf(out, " \\\n        '1:action:(%s)'", words);
    if (takes_file(command))
        fputs(" \\\n        '*:file:_files'", out);
    fputs("\n        ;;\n", out);
}

static void zsh_tool(FILE *out)
{
    fputs(
        "#compdef freshet\n# made from the tables that parse\n_freshet() {\n    local -a commands\n"
        "    commands=(\n        'help:Print the help of a command'\n",
        out);
    for (size_t k = 0; commands[k]; k++) {
        fprintf(out, "        '%s:", commands[k]->name);
        quote(out, commands[k]->summary, ":");
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
          "        return\n    fi\n    shift words\n    (( CURRENT-- ))\n"
          "    case $words[1] in\n    help) _describe command commands ;;\n",
          out);
    for (size_t k = 0; commands[k]; k++)
        zsh_command(out, commands[k]);
    fputs("    esac\n}\n_freshet \"$@\"\n", out);
}

static void zsh_service(FILE *out, const struct program_words *words)
{
    fprintf(out, "#compdef %s\n# made from the tables that parse\n_arguments -s :", words->name);
    for (const struct program_option *one = words->options; one->name; one++)
        zsh_option(out, one);
    fputc('\n', out);
}

/* ---- fish ------------------------------------------------------------------------------------ */

static void fish_option(FILE *out, const char *program, const char *of,
                        const struct program_option *option)
{
    fprintf(out, "complete -c %s", program);
    if (of)
        fprintf(out, " -n '__fish_seen_subcommand_from %s'", of);
    if (option->letter)
        fprintf(out, " -s %c", option->letter);
    fprintf(out, " -l %s%s -d '", option->name,
            !option->value           ? ""
            : is_file(option->value) ? " -r -F"
                                     : " -x");
    quote(out, option->help, "");
    fputs("'\n", out);
}

static void fish_command(FILE *out, const struct command *command)
{
    char first[128];
    struct program_option option;
    const char *words = first_words(command, first);
    fprintf(out, "complete -c freshet -n __fish_use_subcommand -a %s -d '", command->name);
    quote(out, command->summary, "");
    fputs("'\n", out);
    for (size_t n = 0; options_nth(command, n, &option); n++)
        fish_option(out, "freshet", command->name, &option);
    if (words[0])
        fprintf(out, "complete -c freshet -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                command->name, words);
    if (takes_file(command))
        fprintf(out, "complete -c freshet -n '__fish_seen_subcommand_from %s' -F\n", command->name);
}

static void fish_tool(FILE *out)
{
    fputs("# fish completion for freshet, made from the tables that parse\ncomplete -c freshet -f\n"
          "complete -c freshet -n __fish_use_subcommand -a help -d 'Print the help of a command'\n"
          "complete -c freshet -n __fish_use_subcommand -s h -l help -d 'print the list of "
          "commands'\n"
          "complete -c freshet -n __fish_use_subcommand -s V -l version -d 'print the version'\n",
          out);
    for (size_t k = 0; commands[k]; k++)
        fish_command(out, commands[k]);
}

static void fish_service(FILE *out, const struct program_words *words)
{
    fprintf(out, "# fish completion for %s, made from the tables that parse\ncomplete -c %s -f\n",
            words->name, words->name);
    for (const struct program_option *one = words->options; one->name; one++)
        fish_option(out, words->name, NULL, one);
}

const struct shell shells[3] = {
    {"bash", bash_tool, bash_service},
    {"zsh", zsh_tool, zsh_service},
    {"fish", fish_tool, fish_service},
};
