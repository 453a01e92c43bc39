#include "origin/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/secrets.h"

enum { MAX_KEY = 32 };

static const char in_a_file[] = "file:";

/* ---- keys ---- */

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

void keyring_clear(struct keyring *keyring)
{
    if (keyring->keys)
        explicit_bzero(keyring->keys, keyring->count * sizeof *keyring->keys);
    free(keyring->keys);
    *keyring = (struct keyring){.keys = NULL};
}

const struct tsig_key *keyring_find(const struct keyring *keyring, const uint8_t *name,
                                    const struct tsig *tsig)
{
    for (size_t k = 0; k < keyring->count; k++) {
        const struct tsig_key *key = &keyring->keys[k];
        if (tsig ? tsig_is_of(tsig, key) : name_equal(key->name, name))
            return key;
    }
    return NULL;
}

/* ---- messages ---- */

void signature_check(const struct keyring *keyring, const uint8_t *bytes, size_t size, uint64_t now,
                     struct signature *ret)
{
    *ret = (struct signature){.message_size = size};
    int found = tsig_find(bytes, size, &ret->tsig);
    if (found == ERR_NOT_FOUND)
        return;
    if (found < 0) {
        ret->fault = ERR_FORMAT;
        return;
    }
    ret->is_there = true;
    ret->message_size = ret->tsig.at;
    const struct tsig_key *key = keyring_find(keyring, ret->tsig.key, &ret->tsig);
    if (!key) {
        ret->fault = TSIG_BADKEY;
        return;
    }
    ret->chain = tsig_chain_begin(key);
    ret->fault = tsig_verify(&ret->chain, bytes, size, &ret->tsig, now);
    if (ret->fault == TSIG_OK)
        ret->key = key;
}

int signature_answer(struct signature *signature, uint8_t *answer, size_t size, size_t room,
                     uint64_t now)
{
    if (!signature->is_there || signature->fault < 0)
        return (int)size;
    if (signature->fault == TSIG_OK)
        return tsig_sign(&signature->chain, answer, size, room, now);
    return tsig_refuse(&signature->chain, &signature->tsig, signature->fault, answer, size, room,
                       now);
}

void signature_end(struct signature *signature)
{
    tsig_chain_end(&signature->chain);
}
