/* name.c - see name.h. */
#include "dns/name.h"

enum {
    LABEL_MAX = 63,
    LABEL_KIND = 0xc0,    /* the two bits that tell labels from pointers (RFC 1035 4.1.4) */
    LABEL_POINTER = 0xc0, /* 01 and 10 are not in use (RFC 6891 5) */
    /*
     * Pointers followed in one name. Each points further back than the one before, so the walk
     * ends anyway, but a message made of pointers could make every name walk all of it. A writer
     * needs at most one pointer after each label.
     */
    POINTERS_MAX = NAME_MAX_LABELS + 1,
};

/* -- from messages ----------------------------------------------------------------------------- */

static int read_fail(struct wire_reader *reader, int error)
{
    reader->failed = true;
    return error;
}

/*
 * Follows the pointer whose first byte is at `at`; `*floor` is where the labels read last began.
 * Returns the target or an error.
 */
static int follow_pointer(const struct wire_reader *reader, size_t at, size_t *floor)
{
    if (reader->size - at < 2)
        return ERR_SHORT;
    size_t target = wire_get_u16(reader->base + at) & 0x3fff;
    if (target >= *floor)
        return ERR_POINTER;
    *floor = target;
    return (int)target;
}

int name_read(struct wire_reader *reader, uint8_t buffer[NAME_MAX_SIZE])
{
    size_t at = reader->at, floor = at, size = 0;
    int pointers = 0;

    if (reader->failed)
        return ERR_SHORT;
    for (;;) {
        if (at >= reader->size)
            return read_fail(reader, ERR_SHORT);
        uint8_t length = reader->base[at];
        if (length > LABEL_MAX) {
            if ((length & LABEL_KIND) != LABEL_POINTER)
                return read_fail(reader, ERR_NAME);
            int target = pointers < POINTERS_MAX ? follow_pointer(reader, at, &floor) : ERR_POINTER;
            if (target < 0)
                return read_fail(reader, target);
            if (pointers++ == 0)
                reader->at = at + 2;
            at = (size_t)target;
            continue;
        }
        if (reader->size - at < 1u + length)
            return read_fail(reader, ERR_SHORT);
        if (size + 1 + length > NAME_MAX_SIZE)
            return read_fail(reader, ERR_NAME);
        memcpy(buffer + size, reader->base + at, 1u + length);
        size += 1u + length;
        at += 1u + length;
        if (length == 0)
            break;
    }
    if (pointers == 0)
        reader->at = at;
    return (int)size;
}

/* -- from text --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * Reads the escape behind a backslash (RFC 1035 5.1), `*at` pointing behind the backslash.
 * Returns the byte it stands for, or ERR_NAME.
 */
static int read_escape(const char **at, const char *end)
{
    const char *p = *at;

    if (p == end)
        return ERR_NAME;
    if (!is_digit(*p)) {
        *at = p + 1;
        return (uint8_t)*p;
    }
    if (end - p < 3 || !is_digit(p[1]) || !is_digit(p[2]))
        return ERR_NAME;
    int value = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    *at = p + 3;
    return value <= 255 ? value : ERR_NAME;
}

/* Characters that end or quote a token in a zone file: inside a name they must be escaped. */
static bool must_be_escaped(char c)
{
    return (uint8_t)c <= ' ' || c == 0x7f || c == '"' || c == '(' || c == ')' || c == ';';
}

/* One byte of a label at `*at`, escaped or not; ERR_NAME or ERR_NOT_ASCII when it may not stand there. */
static int read_byte(const char **at, const char *end)
{
    char c = *(*at)++;

    if (c == '\\')
        return read_escape(at, end);
    if ((uint8_t)c > 0x7f)
        return ERR_NOT_ASCII;
    return must_be_escaped(c) ? ERR_NAME : (uint8_t)c;
}

/* Characters that stand for themselves in a label: all but those of read_byte() and the dot. */
static const bool is_plain[UINT8_MAX + 1] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*' ... '-'] = true,
    ['/' ... ':'] = true, ['<' ... '['] = true,  [']' ... '~'] = true,
};

/* Copies those that a label begins with; their number. */
static int copy_plain(const char *text, const char *end, uint8_t bytes[LABEL_MAX])
{
    const int most = end - text < LABEL_MAX ? (int)(end - text) : LABEL_MAX;
    int length = 0;

    for (; length < most && is_plain[(uint8_t)text[length]]; length++)
        bytes[length] = (uint8_t)text[length];
    return length;
}

/* Reads one label up to its dot or the end into `label` (length byte first). Returns its length. */
static int read_label(const char **at, const char *end, uint8_t *label)
{
    int length = copy_plain(*at, end, label + 1);

    *at += length;
    while (*at < end && **at != '.') {
        int byte = read_byte(at, end);
        if (byte < 0)
            return byte;
        if (length == LABEL_MAX)
            return ERR_NAME;
        label[1 + length++] = (uint8_t)byte;
    }
    if (*at < end)
        (*at)++; /* the dot */
    label[0] = (uint8_t)length;
    return length > 0 ? length : ERR_NAME;
}

int name_from_text_n(const char *text, size_t length, uint8_t buffer[NAME_MAX_SIZE])
{
    const char *at = text, *end = text + length;
    uint8_t label[1 + LABEL_MAX];
    size_t size = 0;

    if (length == 0)
        return ERR_NAME;
    if (length == 1 && text[0] == '.')
        at = end;
    while (at < end) {
        int got = read_label(&at, end, label);
        if (got < 0)
            return got;
        if (size + 1 + (size_t)got + 1 > NAME_MAX_SIZE)
            return ERR_NAME;
        memcpy(buffer + size, label, 1 + (size_t)got);
        size += 1 + (size_t)got;
    }
    buffer[size++] = 0;
    return (int)size;
}

bool name_text_is_whole(const char *text, size_t length)
{
    if (length == 0 || text[length - 1] != '.')
        return false;
    size_t slashes = 0;
    while (slashes < length - 1 && text[length - 2 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 0;
}

int name_from_text(const char *text, uint8_t buffer[NAME_MAX_SIZE])
{
    return name_from_text_n(text, strlen(text), buffer);
}

/* -- to text ----------------------------------------------------------------------------------- */

static char *write_byte(char *to, uint8_t c)
{
    if (c <= ' ' || c >= 0x7f) {
        *to++ = '\\';
        *to++ = (char)('0' + c / 100);
        *to++ = (char)('0' + c / 10 % 10);
        *to++ = (char)('0' + c % 10);
        return to;
    }
    if (strchr(".\\\"();@$", c))
        *to++ = '\\';
    *to++ = (char)c;
    return to;
}

const char *name_to_text(const uint8_t *name, char text[NAME_MAX_TEXT])
{
    char *to = text;

    if (name[0] == 0)
        *to++ = '.';
    for (; name[0] != 0; name = name_parent(name)) {
        for (uint8_t i = 1; i <= name[0]; i++)
            to = write_byte(to, name[i]);
        *to++ = '.';
    }
    *to = '\0';
    return text;
}

/* -- measuring and comparing ------------------------------------------------------------------- */

size_t name_size(const uint8_t *name)
{
    size_t size = 0;

    while (name[size] != 0)
        size += 1u + name[size];
    return size + 1;
}

size_t name_labels(const uint8_t *name)
{
    size_t labels = 0;

    for (; name[0] != 0; name = name_parent(name))
        labels++;
    return labels;
}

/* Folds eight bytes at once: bit 0x20 is set in each that lies in A..Z. */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t low = word & 0x7f * each;
    uint64_t from_a = low + (0x80 - 'A') * each;     /* top bit: byte >= 'A' */
    uint64_t past_z = low + (0x80 - 'Z' - 1) * each; /* top bit: byte > 'Z' */
    uint64_t upper = from_a & ~past_z & ~word & 0x80 * each;
    return word | upper >> 2;
}

static void fold_eight(const uint8_t *from, uint8_t *to)
{
    uint64_t word;

    memcpy(&word, from, sizeof word);
    word = fold_word(word);
    memcpy(to, &word, sizeof word);
}

void name_lower(const uint8_t *name, size_t size, uint8_t *folded)
{
    enum { WORD = sizeof(uint64_t) };

    if (size < WORD) {
        for (size_t i = 0; i < size; i++)
            folded[i] = name_fold(name[i]);
        return;
    }
    for (size_t i = 0; i + WORD < size; i += WORD)
        fold_eight(name + i, folded + i);
    fold_eight(name + size - WORD, folded + size - WORD); /* over some bytes twice: no harm */
}

static bool label_equal(const uint8_t *a, const uint8_t *b)
{
    if (a[0] != b[0])
        return false;
    if (memcmp(a + 1, b + 1, a[0]) == 0) /* most are spelled alike */
        return true;
    for (size_t i = 1; i <= a[0]; i++) {
        if (name_fold(a[i]) != name_fold(b[i]))
            return false;
    }
    return true;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
    while (label_equal(a, b)) {
        if (a[0] == 0)
            return true;
        a = name_parent(a);
        b = name_parent(b);
    }
    return false;
}

int name_compare(const uint8_t *a, const uint8_t *b)
{
    size_t a_size = name_size(a), b_size = name_size(b);

    for (size_t i = 0; i < a_size && i < b_size; i++) {
        if (name_fold(a[i]) != name_fold(b[i]))
            return name_fold(a[i]) < name_fold(b[i]) ? -1 : 1;
    }
    return (a_size > b_size) - (a_size < b_size);
}

bool name_is_within(const uint8_t *name, const uint8_t *ancestor)
{
    size_t deep = name_labels(name), shallow = name_labels(ancestor);

    for (; deep > shallow; deep--)
        name = name_parent(name);
    return deep == shallow && name_equal(name, ancestor);
}

int name_substitute(const uint8_t *name, const uint8_t *from, const uint8_t *to,
                    uint8_t buffer[NAME_MAX_SIZE])
{
    size_t kept = name_size(name) - name_size(from), tail = name_size(to);

    if (kept + tail > NAME_MAX_SIZE)
        return ERR_NAME;
    memcpy(buffer, name, kept);
    memcpy(buffer + kept, to, tail);
    return (int)(kept + tail);
}
