/*
 * error.h - every way a call can fail, as one negative number.
 *
 * Functions return 0 (ERR_OK) or a positive count on success, and one of these on failure. Outputs
 * (`ret_*` parameters) are untouched on failure. Nothing below resolver/ logs: callers that can
 * name the place where it happened turn the number into a sentence with error_text().
 */
#ifndef FRESHET_DNS_ERROR_H
#define FRESHET_DNS_ERROR_H

#define FRESHET_ERRORS(X)                                                                          \
    X(ERR_OK, 0, "no error")                                                                       \
    X(ERR_MEMORY, -1, "out of memory")                                                             \
    X(ERR_SHORT, -2, "message ends before its content")                                            \
    X(ERR_SPACE, -3, "does not fit the buffer")                                                    \
    X(ERR_NAME, -4, "not a domain name (RFC 1035 3.1)")                                            \
    X(ERR_POINTER, -5, "bad compression pointer (RFC 1035 4.1.4)")                                 \
    X(ERR_FORMAT, -6, "malformed message")                                                         \
    X(ERR_NOT_QUERY, -7, "a response where a query was due")                                       \
    X(ERR_OPCODE, -8, "opcode is not QUERY")                                                       \
    X(ERR_VERSION, -9, "EDNS version is not 0 (RFC 6891 6.1.3)")                                   \
    X(ERR_TYPE, -10, "unknown record type")                                                        \
    X(ERR_RDATA, -11, "RDATA does not fit its type")                                               \
    X(ERR_JSON, -12, "not JSON")                                                                   \
    X(ERR_SCHEMA, -13, "a field is missing or of the wrong kind")                                  \
    X(ERR_SCHEMA_VERSION, -14, "unknown change-set version")                                       \
    X(ERR_OP, -15, "unknown op")                                                                   \
    X(ERR_ZONE, -16, "name outside the zone")                                                      \
    X(ERR_TOO_LARGE, -17, "too large")                                                             \
    X(ERR_TTL, -18, "TTL is not 0..2147483647 (RFC 2181 8)")                                       \
    X(ERR_CONFIG, -19, "bad configuration")                                                        \
    X(ERR_SYSTEM, -20, "system call failed")                                                       \
    X(ERR_KAFKA, -21, "Kafka client failed")                                                       \
    X(ERR_TIMEOUT, -22, "time ran out")                                                            \
    X(ERR_NOT_FOUND, -23, "not found")                                                             \
    X(ERR_MUST, -24, "a field that must be understood is not known")                               \
    X(ERR_RELATIVE, -25, "a name without its final dot")                                           \
    X(ERR_NOT_ASCII, -26, "a name that is not ASCII: its A-labels (xn--) are meant")               \
    X(ERR_SNAPSHOT_VERSION, -27, "unknown snapshot version")                                       \
    X(ERR_CHECKSUM, -28, "damaged: its checksum is another")                                       \
    X(ERR_DIGEST, -29, "another zone than it says: its digest is another")

enum error {
#define X(name, number, text) name = number,
    FRESHET_ERRORS(X)
#undef X
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* One sentence fragment for an error number; a static string, never NULL. */
const char *error_text(int error);

#endif
