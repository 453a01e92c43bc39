/* form.c - see form.h. */
#include "dns/form.h"

#include <stddef.h>
#include <strings.h>

#include "dns/error.h"

#define K(kind) LDNS_RDF_TYPE_##kind

/* How many fields stand in the list. */
#define COUNT(...) (sizeof((uint8_t[]){__VA_ARGS__}))

/* All fields there; the last `optional` of them may be missing; the last may come again; compressed names. */
#define FORM(name_, ...)                                                                           \
    {                                                                                              \
        .name = (name_), .minimum = COUNT(__VA_ARGS__), .maximum = COUNT(__VA_ARGS__), .fields = { \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FORM_MAY(name_, optional, ...)                                                             \
    {                                                                                              \
        .name = (name_), .minimum = COUNT(__VA_ARGS__) - (optional),                               \
        .maximum = COUNT(__VA_ARGS__), .fields = {                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FORM_MORE(name_, optional, ...)                                                            \
    {                                                                                              \
        .name = (name_), .repeats = true, .minimum = COUNT(__VA_ARGS__) - (optional),              \
        .maximum = COUNT(__VA_ARGS__), .fields = {                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FORM_1035(name_, ...)                                                                      \
    {                                                                                              \
        .name = (name_), .compress = true, .minimum = COUNT(__VA_ARGS__),                          \
        .maximum = COUNT(__VA_ARGS__), .fields = {                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
/* Bytes that nobody looks into: no format is published, or it has no text. */
#define FORM_BYTES(name_) FORM((name_), K(UNKNOWN))

#define FORM_KEY    K(INT16), K(INT8), K(ALG), K(B64)
#define FORM_DIGEST K(INT16), K(ALG), K(INT8), K(HEX)
#define FORM_SIGNATURE                                                                             \
    K(TYPE), K(ALG), K(INT8), K(INT32), K(TIME), K(TIME), K(INT16), K(DNAME), K(B64)
#define FORM_CERTIFICATE K(CERTIFICATE_USAGE), K(SELECTOR), K(MATCHING_TYPE), K(HEX)

static const struct form forms[] = {
    [1] = FORM("A", K(A)), /* RFC 1035 3.3, 3.4, as all up to TXT */
    [2] = FORM_1035("NS", K(DNAME)),
    [3] = FORM_1035("MD", K(DNAME)),
    [4] = FORM_1035("MF", K(DNAME)),
    [5] = FORM_1035("CNAME", K(DNAME)),
    [6] =
        FORM_1035("SOA", K(DNAME), K(DNAME), K(INT32), K(PERIOD), K(PERIOD), K(PERIOD), K(PERIOD)),
    [7] = FORM_1035("MB", K(DNAME)),
    [8] = FORM_1035("MG", K(DNAME)),
    [9] = FORM_1035("MR", K(DNAME)),
    [10] = FORM_BYTES("NULL"),
    [11] = FORM("WKS", K(A), K(WKS)),
    [12] = FORM_1035("PTR", K(DNAME)),
    [13] = FORM("HINFO", K(STR), K(STR)),
    [14] = FORM_1035("MINFO", K(DNAME), K(DNAME)),
    [15] = FORM_1035("MX", K(INT16), K(DNAME)),
    [16] = FORM_MORE("TXT", 0, K(STR)),
    [17] = FORM("RP", K(DNAME), K(DNAME)),           /* RFC 1183 2.2 */
    [18] = FORM("AFSDB", K(INT16), K(DNAME)),        /* RFC 1183 1 */
    [19] = FORM("X25", K(STR)),                      /* RFC 1183 3.1 */
    [20] = FORM_MAY("ISDN", 1, K(STR), K(STR)),      /* RFC 1183 3.2 */
    [21] = FORM("RT", K(INT16), K(DNAME)),           /* RFC 1183 3.3 */
    [22] = FORM("NSAP", K(NSAP)),                    /* RFC 1706 5 */
    [23] = FORM("NSAP-PTR", K(DNAME)),               /* RFC 1706 6; it was never in RFC 1035 */
    [24] = FORM("SIG", FORM_SIGNATURE),              /* RFC 2535 4.1 */
    [25] = FORM("KEY", FORM_KEY),                    /* RFC 2535 3.1 */
    [26] = FORM("PX", K(INT16), K(DNAME), K(DNAME)), /* RFC 2163 4 */
    [27] = FORM("GPOS", K(STR), K(STR), K(STR)),     /* RFC 1712 3 */
    [28] = FORM("AAAA", K(AAAA)),                    /* RFC 3596 2.2 */
    [29] = FORM("LOC", K(LOC)),                      /* RFC 1876 2 */
    [30] = FORM("NXT", K(DNAME), K(UNKNOWN)),        /* RFC 2535 5.2 */
    [31] = FORM_BYTES("EID"),
    [32] = FORM_BYTES("NIMLOC"),
    [33] = FORM("SRV", K(INT16), K(INT16), K(INT16), K(DNAME)), /* RFC 2782 */
    [34] = FORM_BYTES("ATMA"),
    [35] = FORM("NAPTR", K(INT16), K(INT16), K(STR), K(STR), K(STR), K(DNAME)), /* RFC 3403 4.1 */
    [36] = FORM("KX", K(INT16), K(DNAME)),                                      /* RFC 2230 3.1 */
    [37] = FORM("CERT", K(CERT_ALG), K(INT16), K(ALG), K(B64)),                 /* RFC 4398 2 */
    [38] = FORM_BYTES("A6"),        /* RFC 2874 3.1: a suffix of as many bytes as a prefix leaves */
    [39] = FORM("DNAME", K(DNAME)), /* RFC 6672 2.1 */
    [40] = FORM_BYTES("SINK"),
    [41] = FORM_BYTES("OPT"),
    [42] = FORM_MORE("APL", 1, K(APL)),              /* RFC 3123 4: any number, none included */
    [43] = FORM("DS", FORM_DIGEST),                  /* RFC 4034 5.1 */
    [44] = FORM("SSHFP", K(INT8), K(INT8), K(HEX)),  /* RFC 4255 3.1 */
    [45] = FORM("IPSECKEY", K(IPSECKEY)),            /* RFC 4025 2.1 */
    [46] = FORM("RRSIG", FORM_SIGNATURE),            /* RFC 4034 3.1 */
    [47] = FORM_MAY("NSEC", 1, K(DNAME), K(BITMAP)), /* RFC 4034 4.1 */
    [48] = FORM("DNSKEY", FORM_KEY),                 /* RFC 4034 2.1 */
    [49] = FORM("DHCID", K(B64)),                    /* RFC 4701 3.1 */
    [50] = FORM_MAY("NSEC3", 1, K(INT8), K(INT8), K(INT16), K(NSEC3_SALT), K(NSEC3_NEXT_OWNER),
                    K(BITMAP)),                                           /* RFC 5155 3.2 */
    [51] = FORM("NSEC3PARAM", K(INT8), K(INT8), K(INT16), K(NSEC3_SALT)), /* RFC 5155 4.2 */
    [52] = FORM("TLSA", FORM_CERTIFICATE),                                /* RFC 6698 2.1 */
    [53] = FORM("SMIMEA", FORM_CERTIFICATE),                              /* RFC 8162 2 */
    [55] = FORM_MORE("HIP", 1, K(HIP), K(DNAME)),                         /* RFC 8005 5 */
    [56] = FORM_MORE("NINFO", 0, K(STR)),
    [57] = FORM("RKEY", FORM_KEY),
    [58] = FORM("TALINK", K(DNAME), K(DNAME)),
    [59] = FORM("CDS", FORM_DIGEST),                              /* RFC 7344 3.1 */
    [60] = FORM("CDNSKEY", FORM_KEY),                             /* RFC 7344 3.2 */
    [61] = FORM("OPENPGPKEY", K(B64)),                            /* RFC 7929 2.1 */
    [62] = FORM_MAY("CSYNC", 1, K(INT32), K(INT16), K(BITMAP)),   /* RFC 7477 2.1.1 */
    [63] = FORM("ZONEMD", K(INT32), K(INT8), K(INT8), K(HEX)),    /* RFC 8976 2.2 */
    [64] = FORM_MAY("SVCB", 1, K(INT16), K(DNAME), K(SVCPARAMS)), /* RFC 9460 2.2 */
    [65] = FORM_MAY("HTTPS", 1, K(INT16), K(DNAME), K(SVCPARAMS)),
    [66] = FORM("DSYNC", K(TYPE), K(INT8), K(INT16), K(DNAME)), /* RFC 9859 2.1 */
    [67] = FORM_BYTES("HHIT"),
    [68] = FORM_BYTES("BRID"),
    [99] = FORM_MORE("SPF", 0, K(STR)), /* RFC 7208 3.1 */
    [100] = FORM_BYTES("UINFO"),
    [101] = FORM_BYTES("UID"),
    [102] = FORM_BYTES("GID"),
    [103] = FORM_BYTES("UNSPEC"),
    [104] = FORM("NID", K(INT16), K(ILNP64)), /* RFC 6742 2.1 */
    [105] = FORM("L32", K(INT16), K(A)),      /* RFC 6742 2.2 */
    [106] = FORM("L64", K(INT16), K(ILNP64)), /* RFC 6742 2.3 */
    [107] = FORM("LP", K(INT16), K(DNAME)),   /* RFC 6742 2.4 */
    [108] = FORM("EUI48", K(EUI48)),          /* RFC 7043 3.1 */
    [109] = FORM("EUI64", K(EUI64)),          /* RFC 7043 4.1 */
    [128] = FORM_BYTES("NXNAME"),
    [249] = FORM("TKEY", K(DNAME), K(TIME), K(TIME), K(INT16), K(INT16), K(INT16_DATA),
                 K(INT16_DATA)), /* RFC 2930 2 */
    [250] = FORM("TSIG", K(DNAME), K(TSIGTIME), K(INT16), K(INT16_DATA), K(INT16), K(INT16),
                 K(INT16_DATA)), /* RFC 8945 4.2 */
    [251] = FORM_BYTES("IXFR"),  /* questions only, as all up to ANY */
    [252] = FORM_BYTES("AXFR"),
    [253] = FORM_BYTES("MAILB"),
    [254] = FORM_BYTES("MAILA"),
    [255] = FORM_BYTES("ANY"),
    [256] = FORM("URI", K(INT16), K(INT16), K(LONG_STR)), /* RFC 7553 4.5 */
    [257] = FORM("CAA", K(INT8), K(TAG), K(LONG_STR)),    /* RFC 8659 4.1 */
    [258] = FORM_MORE("AVC", 0, K(STR)),
    [259] = FORM_BYTES("DOA"),
    [260] = FORM("AMTRELAY", K(AMTRELAY)),   /* RFC 8777 4.2 */
    [261] = FORM_MORE("RESINFO", 0, K(STR)), /* RFC 9606 4 */
    [262] = FORM_MORE("WALLET", 0, K(STR)),
    [263] = FORM_MORE("CLA", 0, K(STR)),
    [264] = FORM_BYTES("IPN"),
};

enum { FORMS = sizeof(forms) / sizeof(forms[0]), TYPE_TA = 32768, TYPE_DLV = 32769 };

static const struct form form_ta = FORM("TA", FORM_DIGEST);
static const struct form form_dlv = FORM("DLV", FORM_DIGEST); /* RFC 4431 2 */

const struct form *form_of(uint16_t type)
{
    if (type < FORMS)
        return forms[type].name ? &forms[type] : NULL;
    return type == TYPE_TA ? &form_ta : type == TYPE_DLV ? &form_dlv : NULL;
}

int form_type(const char *name)
{
    for (uint16_t type = 1; type < FORMS; type++) {
        if (forms[type].name && strcasecmp(forms[type].name, name) == 0)
            return type;
    }
    if (strcasecmp(form_ta.name, name) == 0)
        return TYPE_TA;
    return strcasecmp(form_dlv.name, name) == 0 ? TYPE_DLV : ERR_TYPE;
}
