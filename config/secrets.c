#include "config/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/fault.h"
#include "config/file.h"

enum {
    MAX_SECRET = 65536, /* bytes: a key, with the certificates above it */
    MAX_PATH = 4096,    /* bytes with the NUL */
};

/* One property on its way to its value. */
struct reading {
    const struct config *config;
    const char *key;
    char *error;
};

#define REFUSE(reading, ...)                                                                       \
    config_fault((reading)->config, (reading)->error, (reading)->key, __VA_ARGS__)

/* A name without a slash is that of a credential, as a service manager passes them (systemd.exec(5)). */
static bool find_path(const struct reading *reading, const char *name, char path[MAX_PATH])
{
    const bool plain = !strchr(name, '/');
    const char *directory = plain ? getenv("CREDENTIALS_DIRECTORY") : NULL;
    char quote[FAULT_MAX_QUOTE];
    int length = name[0] ? 0 : MAX_PATH;
    if (plain && !directory) {
        REFUSE(reading,
               "file:%s names a credential, and $CREDENTIALS_DIRECTORY is not set; expected a "
               "path, or a service with LoadCredential=",
               fault_plain(name, quote));
        return false;
    }
    if (name[0])
        length = snprintf(path, MAX_PATH, "%s%s%s", plain ? directory : "", plain ? "/" : "", name);
    if (length < MAX_PATH)
        return true;
    REFUSE(reading, "file: without a path; expected one of 1 to %d bytes", MAX_PATH - 1);
    return false;
}

/* NULL when refused. An end of line at its end is none of it. */
static char *read_value(const struct reading *reading, const char *name)
{
    char path[MAX_PATH], quote[FAULT_MAX_QUOTE], *value;
    size_t size;
    if (!find_path(reading, name, path))
        return NULL;
    enum file_result result = file_read(path, MAX_SECRET, &value, &size);
    if (result != FILE_OK) {
        REFUSE(reading, "%s %s; expected a file with the value", fault_quote(path, quote),
               file_result_text(result));
        return NULL;
    }
    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r'))
        value[--size] = '\0';
    if (size > 0 && strlen(value) == size)
        return value;
    REFUSE(reading, "%s is %s; expected a file with the value", fault_quote(path, quote),
           size ? "not a text" : "empty");
    free(value);
    return NULL;
}

char *secret_read(const struct config *config, const char *key, const char *name,
                  char ret_error[CONFIG_MAX_ERROR])
{
    return read_value(&(struct reading){config, key, ret_error}, name);
}

static char *read_property(const struct reading *reading, const char *text)
{
    static const char prefix[] = "file:";
    const char *value = strchr(text, '=') + 1; /* value.c has seen to it that there is one */
    char *property = NULL;
    if (strncmp(value, prefix, sizeof prefix - 1) != 0) {
        property = strdup(text);
    } else {
        char *secret = read_value(reading, value + sizeof prefix - 1);
        if (!secret)
            return NULL;
        if (asprintf(&property, "%.*s%s", (int)(value - text), text, secret) < 0)
            property = NULL;
        free(secret);
    }
    if (!property)
        REFUSE(reading, "out of memory");
    return property;
}

char **secrets_read(const struct config *config, char ret_error[CONFIG_MAX_ERROR])
{
    const size_t count = config->feed->rdkafka_count;
    char **properties = calloc(count + 1, sizeof *properties);
    if (!properties) {
        config_fault(config, ret_error, "feed.rdkafka", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        char key[FAULT_MAX_KEY];
        fault_key(key, "feed.rdkafka[%zu]", i);
        const struct reading reading = {config, key, ret_error};
        properties[i] = read_property(&reading, config->feed->rdkafka[i]);
        if (!properties[i]) {
            secrets_free(properties);
            return NULL;
        }
    }
    return properties;
}

void secrets_free(char **properties)
{
    for (size_t i = 0; properties && properties[i]; i++)
        free(properties[i]);
    free(properties);
}
