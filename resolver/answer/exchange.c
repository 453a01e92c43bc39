#include "resolver/answer/exchange.h"

#include <string.h>

#include "dns/message.h"
#include "dns/name.h"

bool exchange_answers(const struct exchange_request *request, const uint8_t *bytes, size_t size)
{
    enum { FLAGS_AT = 2, COUNT_AT = 4, TYPE_AND_CLASS = 4 };
    if (size < DNS_HEADER_SIZE || wire_get_u16(bytes) != wire_get_u16(request->bytes) ||
        (wire_get_u16(bytes + FLAGS_AT) & (FLAG_QR | FLAG_OPCODE)) != FLAG_QR)
        return false;
    if (wire_get_u16(bytes + COUNT_AT) == 0)
        return wire_get_u16(bytes + FLAGS_AT) & FLAG_RCODE;
    const uint8_t *question = request->bytes + DNS_HEADER_SIZE, *other = bytes + DNS_HEADER_SIZE;
    const size_t name = name_size(question);
    return size >= DNS_HEADER_SIZE + name + TYPE_AND_CLASS && name_equal(question, other) &&
           memcmp(other + name, question + name, TYPE_AND_CLASS) == 0;
}
