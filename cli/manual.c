/*
 * manual.c - writes all manual pages and completions into a directory: manual DIRECTORY SCHEMA. Part of the build.
 *
 *     man/freshet.1 ...   bash/freshet ...   zsh/_freshet ...   fish/freshet.fish ...
 */
#include "cli/manual.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"

enum { MAX_PATH = 1024 };

static const char *directory;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "manual: %s: %s\n", what, why);
    exit(1);
}

__attribute__((format(printf, 2, 3))) static FILE *open_file(const char *folder, const char *format,
                                                             ...)
{
    char path[MAX_PATH], name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/%s", directory, folder);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        fail(path, strerror(errno));
    snprintf(path, sizeof path, "%s/%s/%s", directory, folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        fail(path, strerror(errno));
    return file;
}

static void close_file(FILE *file)
{
    if (fclose(file) != 0)
        fail(directory, strerror(errno));
}

static void write_service(const struct program_words *words)
{
    FILE *file = open_file("man", "%s.8", words->name);
    manual_service(file, words);
    close_file(file);
    for (size_t k = 0; k < sizeof shells / sizeof *shells; k++) {
        file = open_file(shells[k].name, "%s%s%s", k == 1 ? "_" : "", words->name,
                         k == 2 ? ".fish" : "");
        shells[k].service(file, words);
        close_file(file);
    }
}

static void write_tool(void)
{
    static const char *const names[] = {"freshet", "_freshet", "freshet.fish"};
    FILE *file = open_file("man", "freshet.1");
    manual_tool(file);
    close_file(file);
    for (size_t k = 0; commands[k]; k++) {
        file = open_file("man", "freshet-%s.1", commands[k]->name);
        manual_command(file, commands[k]);
        close_file(file);
    }
    for (size_t k = 0; k < sizeof shells / sizeof *shells; k++) {
        file = open_file(shells[k].name, "%s", names[k]);
        shells[k].tool(file);
        close_file(file);
    }
}

static void write_formats(const char *schema_path)
{
    json_error_t error;
    json_t *schema = json_load_file(schema_path, 0, &error);
    if (!schema)
        fail(schema_path, error.text);
    FILE *file = open_file("man", "freshet.yaml.5");
    manual_configuration(file);
    close_file(file);
    file = open_file("man", "freshet-changeset.5");
    manual_changeset(file, schema);
    close_file(file);
    json_decref(schema);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: manual DIRECTORY SCHEMA\n", stderr);
        return EXIT_USAGE;
    }
    directory = argv[1];
    write_tool();
    write_service(&program_freshetd);
    write_service(&program_origin);
    write_formats(argv[2]);
    return EXIT_DONE;
}
