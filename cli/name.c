#include "cli/name.h"

bool name_operand(const struct options *options, const char *word, char ret_text[NAME_MAX_TEXT])
{
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(word, name);
    if (size < 0) {
        complain(options, "NAME \"%s\" is not a domain name", word);
        return false;
    }
    name_lower(name, (size_t)size, name);
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
