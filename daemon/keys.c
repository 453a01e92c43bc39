#include "daemon/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/secrets.h"

enum { MAX_KEY = 32 };

static const char in_a_file[] = "file:";

static const char *what_is_wrong(int error)
{
    switch (error) {
    case ERR_FORMAT:
        return "is not ALGORITHM:NAME:BASE64";
    case ERR_TYPE:
        return "has an algorithm that is neither hmac-sha256 nor hmac-sha512";
    case ERR_NAME:
        return "has a name that is no domain name";
    default:
        return "has a secret that is not base64 of 8 to 512 bytes";
    }
}

/* Nothing of the secret is in the line. */
static int refuse_key(const struct config *config, const char *key, const char *text, int why,
                      char error[CONFIG_MAX_ERROR])
{
    const bool in_file = strncmp(text, in_a_file, sizeof in_a_file - 1) == 0;
    config_fault(config, error, key, "%s%s%s; expected %shmac-sha256:NAME:BASE64",
                 in_file ? text + sizeof in_a_file - 1 : "", in_file ? " " : "", what_is_wrong(why),
                 in_file ? "one line, " : "");
    return ERR_CONFIG;
}

static int read_key(const struct config *config, size_t k, struct tsig_key *ret,
                    char error[CONFIG_MAX_ERROR])
{
    char key[MAX_KEY], *line = NULL;
    const char *text = config->keys[k];
    snprintf(key, sizeof key, "keys[%zu]", k);
    if (strncmp(text, in_a_file, sizeof in_a_file - 1) == 0) {
        line = secret_read(config, key, text + sizeof in_a_file - 1, error);
        if (!line)
            return ERR_CONFIG;
    }
    int result = tsig_key_from_text(line ? line : text, ret);
    if (line)
        explicit_bzero(line, strlen(line));
    free(line);
    return result == 0 ? 0 : refuse_key(config, key, text, result, error);
}

int keyring_read(const struct config *config, struct keyring *ret, char ret_error[CONFIG_MAX_ERROR])
{
    struct keyring keyring = {.keys = calloc(config->key_count + 1, sizeof *keyring.keys)};
    int result = keyring.keys ? 0 : ERR_MEMORY;
    if (result < 0)
        snprintf(ret_error, CONFIG_MAX_ERROR, "%s", error_text(result));
    for (; result == 0 && keyring.count < config->key_count; keyring.count++)
        result = read_key(config, keyring.count, &keyring.keys[keyring.count], ret_error);
    if (result == 0)
        *ret = keyring;
    else
        keyring_clear(&keyring);
    return result;
}
