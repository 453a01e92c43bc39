#include "cli/name.h"

#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_ascii(const char *word)
{
    for (; *word; word++)
        if ((uint8_t)*word > 0x7f)
            return false;
    return true;
}

/* The ASCII form of a word that is not, to be freed with free(); NULL after a complaint. */
static char *to_ascii(const struct options *options, const char *what, const char *word)
{
    char *ascii = NULL;
    const int code = idn2_to_ascii_8z(word, &ascii, IDN2_NONTRANSITIONAL);
    if (code == IDN2_OK)
        return ascii;
    complain(options, "%s \"%s\" is not a domain name: %s", what, word, idn2_strerror(code));
    return NULL;
}

bool name_word(const struct options *options, const char *what, const char *word,
               uint8_t ret_name[NAME_MAX_SIZE])
{
    char *ascii = is_ascii(word) ? strdup(word) : to_ascii(options, what, word);
    if (!ascii)
        return false;
    const int size = name_from_text(ascii, ret_name);
    free(ascii);
    if (size < 0) {
        complain(options, "%s \"%s\" is not a domain name", what, word);
        return false;
    }
    name_lower(ret_name, (size_t)size, ret_name);
    return true;
}

bool name_operand(const struct options *options, const char *word, char ret_text[NAME_MAX_TEXT])
{
    uint8_t name[NAME_MAX_SIZE];
    if (!name_word(options, "NAME", word, name))
        return false;
    name_to_text(name, ret_text);
    return true;
}

bool type_operand(const struct options *options, const char *word, char ret_text[TYPE_MAX_TEXT])
{
    int type = type_from_text(word);
    if (type < 0) {
        complain(options, "TYPE \"%s\" is not a record type", word);
        return false;
    }
    type_to_text((uint16_t)type, ret_text);
    return true;
}

/* ---- RDATA ---- */

/* One word of RDATA, converted where it is a name with other letters, to the end of `line`. */
static bool append_word(const struct options *options, const char *word, size_t size, FILE *line)
{
    char *copy = strndup(word, size);
    char *ascii = copy && !is_ascii(copy) ? to_ascii(options, "the name", copy) : NULL;
    const bool good = copy && (ascii || is_ascii(copy));
    if (good)
        fputs(ascii ? ascii : copy, line);
    free(ascii);
    free(copy);
    return good;
}

/* RDATA that has no strings, with its names in ASCII, to be freed with free(); NULL after a complaint. */
static char *names_to_ascii(const struct options *options, const char *rdata)
{
    char *text = NULL;
    size_t text_size = 0;
    FILE *line = open_memstream(&text, &text_size);
    bool good = line != NULL;
    while (good && *rdata) {
        const size_t blanks = strspn(rdata, " \t"), size = strcspn(rdata + blanks, " \t");
        fwrite(rdata, 1, blanks, line);
        good = append_word(options, rdata + blanks, size, line);
        rdata += blanks + size;
    }
    if (line)
        fclose(line);
    if (good)
        return text;
    free(text);
    return NULL;
}

/* The last word without a final dot: in all types with names in RDATA that people write, they come after numbers. */
static void complain_of_relative(const struct options *options, size_t k, const char *rdata)
{
    const char *word = rdata, *found = rdata;
    size_t found_size = strlen(rdata);
    while (*(word += strspn(word, " \t"))) {
        const size_t size = strcspn(word, " \t");
        const bool number = strspn(word, "0123456789") == size;
        if (!number && !name_text_is_whole(word, size)) {
            found = word;
            found_size = size;
        }
        word += size;
    }
    complain(options,
             "RDATA %zu \"%s\": \"%.*s\" has no final dot; say \"%.*s.\", or the whole name with "
             "its zone and a dot",
             k, rdata, (int)found_size, found, (int)found_size, found);
}

int rdata_operand(const struct options *options, size_t k, uint16_t type, const char *word,
                  uint8_t *ret_rdata, size_t room)
{
    char mnemonic[TYPE_MAX_TEXT];
    int size = rdata_from_whole_text(type, word, ret_rdata, room);
    if (size == ERR_NOT_ASCII) {
        char *ascii = names_to_ascii(options, word);
        if (!ascii)
            return -1;
        size = rdata_from_whole_text(type, ascii, ret_rdata, room);
        free(ascii);
    }
    if (size >= 0)
        return size;
    if (size == ERR_RELATIVE)
        complain_of_relative(options, k, word);
    else
        complain(options, "RDATA %zu \"%s\" is not valid for %s", k, word,
                 type_to_text(type, mnemonic));
    return -1;
}
