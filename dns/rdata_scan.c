/*
 * rdata_scan.c - text to RDATA: rdata_from_text() of rdata.h.
 *
 * Text is cut into tokens here, so that one RDATA stays one RDATA: line breaks, comments and
 * parentheses of zone files have no meaning and are refused. Kinds of fields met every day are read
 * here, with their ranges checked; ldns reads the rare ones (LOC, APL, HIP, SVCB...), and what it
 * makes of them is checked like RDATA from the network.
 */
#include "dns/rdata.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "dns/field.h"

enum {
    STRING_MAX = 255,   /* one <character-string> (RFC 1035 3.3) */
    TOKEN_MAX = 1100,   /* longest token of a field that is not a string: an escaped name */
    NUMBER_DIGITS = 10, /* of a 32-bit number */
};

/* -- tokens ------------------------------------------------------------------------------------ */

struct text {
    const char *at;
    const char *end;
    int names; /* 0; ERR_RELATIVE or ERR_NOT_ASCII: what the last name that is not whole is */
};

struct token {
    struct text *text;
    const char *start; /* without quotes, escapes still in */
    size_t size;
    bool quoted;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct text *text)
{
    while (text->at < text->end && is_blank(*text->at))
        text->at++;
}

static bool text_is_over(struct text *text)
{
    skip_blanks(text);
    return text->at == text->end;
}

/* What a zone file would read as more than RDATA: other lines, and bytes no editor shows. */
static bool has_control_bytes(const char *text)
{
    for (; *text; text++) {
        if ((uint8_t)*text < ' ' && *text != '\t')
            return true;
    }
    return false;
}

/* Goes over one character, escaped or not, of a token; false when the text ends inside. */
static bool step_over(struct text *text)
{
    if (*text->at == '\\')
        text->at++;
    if (text->at == text->end)
        return false;
    text->at++;
    return true;
}

static bool quoted_token(struct text *text, struct token *ret)
{
    struct token token = {.text = text, .start = ++text->at, .quoted = true};

    while (text->at < text->end && *text->at != '"') {
        if (!step_over(text))
            return false;
    }
    if (text->at == text->end)
        return false; /* no closing quote */
    token.size = (size_t)(text->at++ - token.start);
    *ret = token;
    return true;
}

static bool plain_token(struct text *text, struct token *ret)
{
    struct token token = {.text = text, .start = text->at};

    while (text->at < text->end && !is_blank(*text->at)) {
        if (strchr("\";()", *text->at) || !step_over(text))
            return false;
    }
    token.size = (size_t)(text->at - token.start);
    *ret = token;
    return true;
}

/* The next token; false when there is none or it is malformed. */
static bool next_token(struct text *text, struct token *ret)
{
    if (text_is_over(text))
        return false;
    return *text->at == '"' ? quoted_token(text, ret) : plain_token(text, ret);
}

/* -- text to wire: fields ---------------------------------------------------------------------- */

/*
 * Reads the byte at `*at`, an escape counting as one (RFC 1035 5.1). -1 when the escape is
 * wrong.
 */
static int unescape(const char **at, const char *end)
{
    const char *p = *at;

    if (*p != '\\') {
        *at = p + 1;
        return (uint8_t)*p;
    }
    if (!is_digit(p[1])) { /* plain_token() and quoted_token() saw to a character behind it */
        *at = p + 2;
        return (uint8_t)p[1];
    }
    if (end - p < 4 || !is_digit(p[2]) || !is_digit(p[3]))
        return -1;
    int value = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    *at = p + 4;
    return value <= 255 ? value : -1;
}

/* Writes a token's bytes without escapes; returns how many, or -1. */
static int write_unescaped(const struct token *token, struct wire_writer *out)
{
    const char *at = token->start, *end = at + token->size;
    int count = 0;

    while (at < end) {
        int byte = unescape(&at, end);
        if (byte < 0)
            return -1;
        wire_write_u8(out, (uint8_t)byte);
        count++;
    }
    return count;
}

/* <character-string>: a length byte and up to 255 bytes. */
static bool read_string(const struct token *token, struct wire_writer *out)
{
    size_t length_at = out->at;

    wire_write_u8(out, 0);
    int count = write_unescaped(token, out);
    if (count < 0 || count > STRING_MAX)
        return false;
    if (!out->failed)
        out->base[length_at] = (uint8_t)count;
    return true;
}

/* CAA tags are ASCII letters and digits (RFC 8659 4.1). */
static bool read_tag(const struct token *token, struct wire_writer *out)
{
    for (size_t i = 0; i < token->size; i++) {
        char c = token->start[i];
        if (!is_digit(c) && (uint8_t)((c | 0x20) - 'a') >= 26)
            return false;
    }
    return token->size > 0 && read_string(token, out);
}

static bool read_name(const struct token *token, struct wire_writer *out)
{
    uint8_t name[NAME_MAX_SIZE];

    if (token->quoted || (token->size == 1 && token->start[0] == '@'))
        return false; /* "@" is an origin, and there is none here */
    int size = name_from_text_n(token->start, token->size, name);
    if (size == ERR_NOT_ASCII)
        token->text->names = size;
    else if (!name_text_is_whole(token->start, token->size))
        token->text->names = ERR_RELATIVE;
    if (size < 0)
        return false;
    wire_write(out, name, (size_t)size);
    return true;
}

/* Decimal digits up to `limit`; false for anything else. */
static bool parse_number(const char *digits, size_t count, uint64_t limit, uint64_t *ret)
{
    uint64_t number = 0;

    if (count == 0 || count > NUMBER_DIGITS)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(digits[i]))
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    if (number > limit)
        return false;
    *ret = number;
    return true;
}

static void write_number(struct wire_writer *out, uint64_t number, size_t size)
{
    while (size-- > 0)
        wire_write_u8(out, (uint8_t)(number >> 8 * size));
}

static uint64_t unit_seconds(char unit)
{
    switch (unit | 0x20) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

/* SOA timers may carry units, as zone files write them: "1h30m". */
static bool read_period(const struct token *token, struct wire_writer *out)
{
    const char *at = token->start, *end = at + token->size;
    uint64_t sum = 0, number;

    while (at < end) {
        const char *digits = at;
        while (at < end && is_digit(*at))
            at++;
        if (!parse_number(digits, (size_t)(at - digits), UINT32_MAX, &number))
            return false;
        uint64_t unit = at < end ? unit_seconds(*at++) : 1;
        sum += number * unit;
        if (unit == 0 || sum > UINT32_MAX)
            return false;
    }
    wire_write_u32(out, (uint32_t)sum);
    return token->size > 0;
}

/* Copies a token to a string, as the functions below want it. */
static bool token_string(const struct token *token, char string[TOKEN_MAX])
{
    if (token->size >= TOKEN_MAX)
        return false;
    memcpy(string, token->start, token->size);
    string[token->size] = '\0';
    return true;
}

static bool read_address(const char *string, int family, struct wire_writer *out)
{
    struct in6_addr address;

    if (inet_pton(family, string, &address) != 1)
        return false;
    wire_write(out, &address, family == AF_INET ? 4 : 16);
    return true;
}

static bool read_type(const char *string, struct wire_writer *out)
{
    int type = type_from_text(string);

    if (type < 0)
        return false;
    wire_write_u16(out, (uint16_t)type);
    return true;
}

static bool read_foreign(ldns_rdf_type kind, const char *string, struct wire_writer *out)
{
    ldns_rdf *field = ldns_rdf_new_frm_str(kind, string);

    if (!field)
        return false;
    wire_write(out, ldns_rdf_data(field), ldns_rdf_size(field));
    ldns_rdf_deep_free(field);
    return true;
}

/*
 * Whether a number that is not plain digits may be one of the other spellings ldns knows:
 * mnemonics of algorithms and the like, points in time as YYYYMMDDHHmmSS (RFC 4034 3.2). Whatever
 * else looks like a number is out of range: ldns would wrap it.
 */
static bool may_be_spelled(ldns_rdf_type kind, const struct token *token)
{
    char first = token->start[0];

    switch (kind) {
    case LDNS_RDF_TYPE_INT8:
    case LDNS_RDF_TYPE_INT16:
    case LDNS_RDF_TYPE_INT32:
        return false;
    case LDNS_RDF_TYPE_TIME:
        return token->size == 14 && strspn(token->start, "0123456789") >= 14;
    default:
        return (uint8_t)((first | 0x20) - 'a') < 26;
    }
}

/* A field of one token. */
static bool read_token(ldns_rdf_type kind, const struct token *token, struct wire_writer *out)
{
    char string[TOKEN_MAX];
    size_t width = field_number_size(kind);
    uint64_t number;

    switch (kind) {
    case LDNS_RDF_TYPE_DNAME:
        return read_name(token, out);
    case LDNS_RDF_TYPE_STR:
        return read_string(token, out);
    case LDNS_RDF_TYPE_TAG:
        return read_tag(token, out);
    case LDNS_RDF_TYPE_LONG_STR:
        return write_unescaped(token, out) >= 0;
    case LDNS_RDF_TYPE_PERIOD:
        return read_period(token, out);
    default:
        break;
    }
    if (token->quoted || !token_string(token, string))
        return false;
    if (kind == LDNS_RDF_TYPE_A || kind == LDNS_RDF_TYPE_AAAA)
        return read_address(string, kind == LDNS_RDF_TYPE_A ? AF_INET : AF_INET6, out);
    if (kind == LDNS_RDF_TYPE_TYPE)
        return read_type(string, out);
    if (width > 0 && parse_number(string, token->size, (1ull << 8 * width) - 1, &number)) {
        write_number(out, number, width);
        return true;
    }
    if (width > 0 && !may_be_spelled(kind, token))
        return false;
    return read_foreign(kind, string, out);
}

/* -- text to wire: fields that take the rest --------------------------------------------------- */

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex digits, blanks anywhere. */
static bool read_hex(struct text *text, struct wire_writer *out)
{
    int high = -1;

    for (; !text_is_over(text); text->at++) {
        int digit = hex_digit(*text->at);
        if (digit < 0)
            return false;
        if (high >= 0)
            wire_write_u8(out, (uint8_t)(high << 4 | digit));
        high = high >= 0 ? -1 : digit;
    }
    return high < 0;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 with its padding (RFC 4648 4), blanks anywhere. */
static bool read_base64(struct text *text, struct wire_writer *out)
{
    uint32_t group = 0;
    unsigned digits = 0, pads = 0;

    for (; !text_is_over(text); text->at++) {
        int digit = *text->at == '=' ? 0 : base64_digit(*text->at);
        if (digit < 0 || (pads > 0 && *text->at != '='))
            return false;
        pads += *text->at == '=';
        group = group << 6 | (uint32_t)digit;
        if (++digits % 4 > 0)
            continue;
        if (pads > 2)
            return false;
        write_number(out, group >> 8 * pads & 0xffffff >> 8 * pads, 3 - pads);
        group = 0;
    }
    return digits % 4 == 0;
}

/* A list of types to a bitmap (RFC 4034 4.1.2): 256 windows of 32 bytes, those in use written. */
static bool read_bitmap(struct text *text, struct wire_writer *out)
{
    uint8_t bits[256][32] = {{0}};
    char string[TOKEN_MAX];
    struct token token;

    while (!text_is_over(text)) {
        if (!next_token(text, &token) || token.quoted || !token_string(&token, string))
            return false;
        int type = type_from_text(string);
        if (type < 0)
            return false;
        bits[type >> 8][(type & 0xff) >> 3] |= (uint8_t)(0x80 >> (type & 7));
    }
    for (int window = 0; window < 256; window++) {
        uint8_t length = 32;
        while (length > 0 && bits[window][length - 1] == 0)
            length--;
        if (length == 0)
            continue;
        wire_write_u8(out, (uint8_t)window);
        wire_write_u8(out, length);
        wire_write(out, bits[window], length);
    }
    return true;
}

/* Hands `size` bytes of text to ldns as one field. */
static bool read_foreign_span(ldns_rdf_type kind, const char *start, size_t size,
                              struct wire_writer *out)
{
    char *string = strndup(start, size);
    bool fine = string && read_foreign(kind, string, out);

    free(string);
    return fine;
}

/* Three tokens that ldns reads as one: algorithm, HIT, key (RFC 8005 6). */
static bool read_hip(struct text *text, struct wire_writer *out)
{
    struct token token;

    skip_blanks(text);
    const char *start = text->at;
    for (int i = 0; i < 3; i++) {
        if (!next_token(text, &token) || token.quoted)
            return false;
    }
    return read_foreign_span(LDNS_RDF_TYPE_HIP, start, (size_t)(text->at - start), out);
}

/* A number of one byte, no more than `most`. */
static bool read_byte(struct text *text, unsigned most, uint8_t *ret)
{
    struct token token;
    uint64_t number;

    if (!next_token(text, &token) || token.quoted ||
        !parse_number(token.start, token.size, most, &number))
        return false;
    *ret = (uint8_t)number;
    return true;
}

/* Nothing, spelled ".", an address, or a name (RFC 4025 3.1, RFC 8777 4.3.1). */
static bool read_gateway(struct text *text, unsigned kind, struct wire_writer *out)
{
    static const ldns_rdf_type gateways[] = {LDNS_RDF_TYPE_NONE, LDNS_RDF_TYPE_A,
                                             LDNS_RDF_TYPE_AAAA, LDNS_RDF_TYPE_DNAME};
    struct token token;

    if (kind >= sizeof(gateways) / sizeof(gateways[0]) || !next_token(text, &token))
        return false;
    return kind > 0 ? read_token(gateways[kind], &token, out)
                    : *token.start == '.' && token.size == 1;
}

/* precedence, gateway type, algorithm, gateway, key (RFC 4025 3.1); ldns leaks on bad ones. */
static bool read_ipseckey(struct text *text, struct wire_writer *out)
{
    uint8_t bytes[3];

    for (int i = 0; i < 3; i++) {
        if (!read_byte(text, UINT8_MAX, &bytes[i]))
            return false;
    }
    wire_write(out, bytes, sizeof(bytes));
    return read_gateway(text, bytes[1], out) && read_base64(text, out);
}

/* precedence, discovery bit, relay type, relay (RFC 8777 4.3.1) */
static bool read_amtrelay(struct text *text, struct wire_writer *out)
{
    uint8_t precedence, optional, kind;

    if (!read_byte(text, UINT8_MAX, &precedence) || !read_byte(text, 1, &optional) ||
        !read_byte(text, 127, &kind))
        return false;
    wire_write_u8(out, precedence);
    wire_write_u8(out, (uint8_t)(optional << 7 | kind));
    return read_gateway(text, kind, out) && text_is_over(text);
}

static bool read_foreign_rest(ldns_rdf_type kind, struct text *text, struct wire_writer *out)
{
    skip_blanks(text);
    const char *start = text->at;
    text->at = text->end;
    return read_foreign_span(kind, start, (size_t)(text->end - start), out);
}

static bool read_params(struct text *text, struct wire_writer *out)
{
    size_t start = out->at;

    if (!read_foreign_rest(LDNS_RDF_TYPE_SVCPARAMS, text, out))
        return false;
    return out->failed || field_params_have_text(out->base + start, out->at - start);
}

static bool read_rest(ldns_rdf_type kind, struct text *text, struct wire_writer *out)
{
    switch (kind) {
    case LDNS_RDF_TYPE_UNKNOWN:
        return false; /* only the RFC 3597 form can say what is in there */
    case LDNS_RDF_TYPE_HEX:
        return read_hex(text, out);
    case LDNS_RDF_TYPE_B64:
        return read_base64(text, out);
    case LDNS_RDF_TYPE_BITMAP:
        return read_bitmap(text, out);
    case LDNS_RDF_TYPE_IPSECKEY:
        return read_ipseckey(text, out);
    case LDNS_RDF_TYPE_AMTRELAY:
        return read_amtrelay(text, out);
    case LDNS_RDF_TYPE_SVCPARAMS:
        return read_params(text, out);
    default:
        break;
    }
    return read_foreign_rest(kind, text, out);
}

/* -- text to wire ------------------------------------------------------------------------------ */

/*
 * In text LOC takes the rest, in wire form it does not; with the strings it is the other way
 * round.
 */
static bool takes_rest(ldns_rdf_type kind)
{
    if (kind == LDNS_RDF_TYPE_LONG_STR || kind == LDNS_RDF_TYPE_NSAP)
        return false;
    return field_is_rest(kind) || kind == LDNS_RDF_TYPE_LOC;
}

static bool read_field(ldns_rdf_type kind, struct text *text, struct wire_writer *out)
{
    struct token token;

    if (kind == LDNS_RDF_TYPE_HIP)
        return read_hip(text, out);
    if (takes_rest(kind))
        return read_rest(kind, text, out);
    return next_token(text, &token) && read_token(kind, &token, out);
}

static bool read_fields(uint16_t type, struct text *text, struct wire_writer *out)
{
    struct field_plan plan = field_plan(type);

    for (size_t i = 0; i < plan.maximum; i++) {
        if (i >= plan.minimum && text_is_over(text))
            return true;
        if (!read_field(field_kind(&plan, i), text, out))
            return false;
    }
    return text_is_over(text);
}

/*
 * Whether the text is in the form for any type, `\# length hex`; steps over the mark (RFC 3597
 * 5).
 */
static bool skip_generic_mark(struct text *text)
{
    struct text ahead = *text;
    struct token token;

    if (!next_token(&ahead, &token) || token.quoted || token.size != 2 ||
        memcmp(token.start, "\\#", 2) != 0)
        return false;
    *text = ahead;
    return true;
}

static bool read_generic(struct text *text, struct wire_writer *out)
{
    struct token token;
    uint64_t length;

    if (!next_token(text, &token) || token.quoted ||
        !parse_number(token.start, token.size, UINT16_MAX, &length))
        return false;
    return read_hex(text, out) && (out->failed || out->at == length);
}

/* `ret_names`: 0, or what is wrong with a name that is not whole. */
static int scan(uint16_t type, const char *text, uint8_t *buffer, size_t size, int *ret_names)
{
    struct text in = {.at = text, .end = text + strlen(text)};
    struct wire_writer out = wire_writer(buffer, size < UINT16_MAX ? size : UINT16_MAX);
    bool fine;

    if (has_control_bytes(text))
        return ERR_RDATA;
    fine = skip_generic_mark(&in) ? read_generic(&in, &out) : read_fields(type, &in, &out);
    *ret_names = in.names;
    if (!fine)
        return ERR_RDATA;
    if (out.failed)
        return ERR_SPACE;
    if (field_check(type, buffer, out.at) < 0)
        return ERR_RDATA;
    return (int)out.at;
}

int rdata_from_text(uint16_t type, const char *text, uint8_t *buffer, size_t size)
{
    int names = 0;

    return scan(type, text, buffer, size, &names);
}

int rdata_from_whole_text(uint16_t type, const char *text, uint8_t *buffer, size_t size)
{
    int names = 0;
    int result = scan(type, text, buffer, size, &names);

    return names < 0 && (result >= 0 || names == ERR_NOT_ASCII) ? names : result;
}
