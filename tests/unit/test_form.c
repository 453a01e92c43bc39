/*
 * test_form.c - the types of the registry against their RFCs: mnemonic, names, and the examples given there, whose wire
 * form another library has made (dns/form.h).
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dns/name.h"
#include "dns/rdata.h"

struct example {
    uint16_t type;
    const char *mnemonic;
    size_t names; /* in the RDATA */
    const char *text;
    const char *wire; /* hex */
};

static const struct example examples[] = {
    {1, "A", 0, "192.0.2.1", "c0000201"},                                /* RFC 1035 3.4.1 */
    {2, "NS", 1, "a.isi.edu.", "0161036973690365647500"},                /* RFC 1035 */
    {3, "MD", 1, "a.example.", "0161076578616d706c6500"},                /* RFC 1035 3.3.4 */
    {4, "MF", 1, "a.example.", "0161076578616d706c6500"},                /* RFC 1035 3.3.5 */
    {5, "CNAME", 1, "USC-ISIC.ARPA.", "085553432d49534943044152504100"}, /* RFC 1034 3.6.2 */
    {6, "SOA", 2, "VENERA.isi.edu. Action\\.domains.isi.edu. 20 7200 600 3600000 60",
     "0656454e4552410369736903656475000e416374696f6e2e646f6d61696e730369736903656475000000001400001"
     "c20000002580036ee800000003c"},                                        /* RFC 1035 5.3 */
    {7, "MB", 1, "a.example.", "0161076578616d706c6500"},                   /* RFC 1035 3.3.3 */
    {8, "MG", 1, "a.example.", "0161076578616d706c6500"},                   /* RFC 1035 3.3.6 */
    {9, "MR", 1, "a.example.", "0161076578616d706c6500"},                   /* RFC 1035 3.3.8 */
    {12, "PTR", 1, "ACC.example.", "03414343076578616d706c6500"},           /* RFC 1035 3.3.12 */
    {13, "HINFO", 0, "\"pdp10\" \"tops20\"", "05706470313006746f70733230"}, /* RFC 1035 */
    {14, "MINFO", 2, "a.example. b.example.",
     "0161076578616d706c65000162076578616d706c6500"}, /* RFC 1035 3.3.7 */
    {15, "MX", 1, "10 venera.isi.edu.", "000a0676656e657261036973690365647500"}, /* RFC 1035 5.3 */
    {17, "RP", 2, "louie.trantor.umd.edu. LAM1.people.umd.edu.",
     "056c6f756965077472616e746f7203756d640365647500044c414d310670656f706c6503756d640365647500"}, /* RFC 1183 2.3 */
    {18, "AFSDB", 1, "1 bigbird.toaster.com.",
     "0001076269676269726407746f617374657203636f6d00"},               /* RFC 1183 1 */
    {19, "X25", 0, "\"311061700956\"", "0c333131303631373030393536"}, /* RFC 1183 3.1 */
    {20, "ISDN", 0, "\"150862028003217\" \"004\"",
     "0f31353038363230323830303332313703303034"},                               /* RFC 1183 3.2 */
    {20, "ISDN", 0, "\"150862028003217\"", "0f313530383632303238303033323137"}, /* RFC 1183 3.2 */
    {21, "RT", 1, "2 relay.prime.com.",
     "00020572656c6179057072696d6503636f6d00"}, /* RFC 1183 3.3 */
    {22, "NSAP", 0, "0x47000580005a0000000001e133ffffff00016100",
     "47000580005a0000000001e133ffffff00016100"},                               /* RFC 1706 5 */
    {23, "NSAP-PTR", 1, "bsdi1.nist.gov.", "056273646931046e69737403676f7600"}, /* RFC 1706 6 */
    {25, "KEY", 0, "256 3 1 AQNR", "01000301010351"},                           /* RFC 2535 3.1 */
    {26, "PX", 2, "10 ab.net2.it. O-ab.PRMD-net2.ADMDb.C-it.",
     "000a026162046e65743202697400044f2d61620950524d442d6e6574320541444d446204432d697400"}, /* RFC 2163 4 */
    {27, "GPOS", 0, "\"-32.6882\" \"116.8652\" \"10.0\"",
     "082d33322e36383832083131362e383635320431302e30"},                 /* RFC 1712 4 */
    {28, "AAAA", 0, "2001:db8::1", "20010db8000000000000000000000001"}, /* RFC 3596 */
    {29, "LOC", 0, "42 21 54.000 N 71 06 18.000 W -24m 30m 10000m 10m",
     "0033161389172dd070be15f000988d20"}, /* RFC 1876 4 */
    {33, "SRV", 1, "0 1 9 old-slow-box.example.com.",
     "0000000100090c6f6c642d736c6f772d626f78076578616d706c6503636f6d00"}, /* RFC 2782 */
    {35, "NAPTR", 1, "100 50 \"s\" \"http+I2L+I2C+I2R\" \"\" _http._tcp.gatech.edu.",
     "00640032017310687474702b49324c2b4932432b49325200055f68747470045f74637006676174656368036564750"
     "0"},                                                                      /* RFC 3403 6 */
    {36, "KX", 1, "10 rufus.example.", "000a057275667573076578616d706c6500"},   /* RFC 2230 */
    {37, "CERT", 0, "PKIX 2 5 AQNRU3mG", "0001000205010351537986"},             /* RFC 4398 */
    {39, "DNAME", 1, "frobozz.example.", "0766726f626f7a7a076578616d706c6500"}, /* RFC 6672 */
    {42, "APL", 0, "1:192.168.32.0/21 !1:192.168.38.0/28",
     "00011503c0a82000011c83c0a826"}, /* RFC 3123 5 */
    {42, "APL", 0, "1:224.0.0.0/4 2:ff00:0000:0000:0000:0000:0000:0000:0000/8",
     "00010401e000020801ff"}, /* RFC 3123 5 */
    {43, "DS", 0, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
     "ec4505012bb183af5f22588179a53b0a98631fad1a292118"}, /* RFC 4034 5.4 */
    {44, "SSHFP", 0, "2 1 123456789abcdef67890123456789abcdef67890",
     "0201123456789abcdef67890123456789abcdef67890"}, /* RFC 4255 3.2 */
    {45, "IPSECKEY", 0, "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
     "0a0102c0000226010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82ab7801"}, /* RFC 4025 3.2 */
    {45, "IPSECKEY", 0, "10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
     "0a0002010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82ab7801"}, /* RFC 4025 3.2 */
    {45, "IPSECKEY", 0,
     "10 3 2 mygateway.example.com. AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
     "0a0302096d7967617465776179076578616d706c6503636f6d00010351537986ed35533b6064478eeeb27b5bd74da"
     "e149b6e81ba3a0521af82ab7801"}, /* RFC 4025 3.2 */
    {45, "IPSECKEY", 0,
     "10 2 2 2001:db8:0:8002::2000:1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
     "0a020220010db8000080020000000020000001010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0"
     "521af82ab7801"}, /* RFC 4025 3.2 */
    {47, "NSEC", 1, "host.example.com. A MX RRSIG NSEC TYPE1234",
     "04686f7374076578616d706c6503636f6d000006400100000003041b0000000000000000000000000000000000000"
     "00000000000000020"}, /* RFC 4034 4.3 */
    {48, "DNSKEY", 0, "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no",
     "010003050103d22a6ca77f35b893206fd35e4c506d8378843709b97e041647e1bff43d8d64c649af1e371973c9e"
     "8"}, /* RFC 4034 2.3 */
    {49, "DHCID", 0, "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
     "000201636fc0b8271c82825bb1ac5c41cf5351aa69b4febd94e8f17cdb95000da48c40"}, /* RFC 4701 3.6.1 */
    {50, "NSEC3", 0,
     "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA MX RRSIG DNSKEY NSEC3PARAM",
     "0101000c04aabbccdd14174eb2409fe28bcb4887a1836f957f0a8425e27b000722010000000290"}, /* RFC 5155 B.1 */
    {51, "NSEC3PARAM", 0, "1 0 12 aabbccdd", "0100000c04aabbccdd"}, /* RFC 5155 A */
    {52, "TLSA", 0, "0 0 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
     "000001d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"}, /* RFC 6698 2.3 */
    {53, "SMIMEA", 0, "3 0 0 308201", "030000308201"},                          /* RFC 8162 */
    {55, "HIP", 2,
     "2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p "
     "rvs1.example.com. rvs2.example.com.",
     "1002001e200100107b1a74df365639cc39f1d57803010001b771ca136e4aeb5ce44333c53b3d2c13c22243851fc70"
     "8bcce290472767331076578616d706c6503636f6d000472767332076578616d706c6503636f6d00"}, /* RFC 8005 6 */
    {56, "NINFO", 0, "\"Testing\" \"NINFO\"",
     "0754657374696e67054e494e464f"},                /* by its registration */
    {57, "RKEY", 0, "0 0 1 AQNR", "00000001010351"}, /* by its registration */
    {58, "TALINK", 2, "h0.example. h1.example.",
     "026830076578616d706c6500026831076578616d706c6500"},                /* by its registration */
    {59, "CDS", 0, "0 0 0 00", "0000000000"},                            /* RFC 8078 4 */
    {60, "CDNSKEY", 0, "0 3 0 AA==", "0000030000"},                      /* RFC 8078 4 */
    {61, "OPENPGPKEY", 0, "mQENBFVHm5sBCAA=", "99010d0455479b9b010800"}, /* RFC 7929 */
    {62, "CSYNC", 0, "66 3 A NS AAAA", "000000420003000460000008"},      /* RFC 7477 2.2 */
    {63, "ZONEMD", 0,
     "2018031900 1 1 "
     "c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e7300"
     "44c",
     "7848b91c0101c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc277"
     "77f98b8e730044c"}, /* RFC 8976 A.1 */
    {64, "SVCB", 1, "16 foo.example.com. port=53",
     "001003666f6f076578616d706c6503636f6d00000300020035"}, /* RFC 9460 D.2 */
    {64, "SVCB", 1, "1 foo.example.com. key667=hello",
     "000103666f6f076578616d706c6503636f6d00029b000568656c6c6f"}, /* RFC 9460 D.2 */
    {64, "SVCB", 1, "1 .", "000100"},                             /* RFC 9460 D.2 */
    {64, "SVCB", 1, "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
     "000103666f6f076578616d706c6503636f6d000006002020010db800000000000000000000000120010db80000000"
     "00000000000530001"}, /* RFC 9460 D.2 */
    {65, "HTTPS", 1, "0 foo.example.com.",
     "000003666f6f076578616d706c6503636f6d00"}, /* RFC 9460 D.1 */
    {66, "DSYNC", 1, "CDS 1 5359 cds-scanner.example.net.",
     "003b0114ef0b6364732d7363616e6e6572076578616d706c65036e657400"},  /* RFC 9859 2.2 */
    {99, "SPF", 0, "\"v=spf1 +all\"", "0b763d73706631202b616c6c"},     /* RFC 7208 */
    {104, "NID", 0, "10 0014:4fff:ff20:ee64", "000a00144fffff20ee64"}, /* RFC 6742 2.1.3 */
    {105, "L32", 0, "10 10.1.2.0", "000a0a010200"},                    /* RFC 6742 2.2.3 */
    {106, "L64", 0, "10 2001:0DB8:1140:1000", "000a20010db811401000"}, /* RFC 6742 2.3.3 */
    {107, "LP", 1, "10 l64-subnet1.example.com.",
     "000a0b6c36342d7375626e657431076578616d706c6503636f6d00"},       /* RFC 6742 2.4.3 */
    {108, "EUI48", 0, "00-00-5e-00-53-2a", "00005e00532a"},           /* RFC 7043 3.2 */
    {109, "EUI64", 0, "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"}, /* RFC 7043 4.2 */
    {256, "URI", 0, "10 1 \"ftp://ftp1.example.com/public\"",
     "000a00016674703a2f2f667470312e6578616d706c652e636f6d2f7075626c6963"}, /* RFC 7553 4.6 */
    {257, "CAA", 0, "0 issue \"ca1.example.net; account=230123\"",
     "000569737375656361312e6578616d706c652e6e65743b206163636f756e743d323330313233"}, /* RFC 8659 4.2 */
    {258, "AVC", 0, "\"app-name:WOLFGANG\" \"app-class:OAM\"",
     "116170702d6e616d653a574f4c4647414e470d6170702d636c6173733a4f414d"}, /* by its registration */
    {260, "AMTRELAY", 0, "10 0 1 203.0.113.15", "0a01cb00710f"},          /* RFC 8777 4.3.2 */
    {260, "AMTRELAY", 0, "10 0 2 2001:db8::15",
     "0a0220010db8000000000000000000000015"}, /* RFC 8777 4.3.2 */
    {260, "AMTRELAY", 0, "128 1 3 amtrelays.example.com.",
     "808309616d7472656c617973076578616d706c6503636f6d00"}, /* RFC 8777 4.3.2 */
    {260, "AMTRELAY", 0, "10 1 0 .", "0a80"},               /* RFC 8777 */
    {261, "RESINFO", 0,
     "\"qnamemin\" \"exterr=15-17\" \"infourl=https://resolver.example.com/guide\"",
     "08716e616d656d696e0c6578746572723d31352d31372a696e666f75726c3d68747470733a2f2f7265736f6c76657"
     "22e6578616d706c652e636f6d2f6775696465"},                    /* RFC 9606 5 */
    {262, "WALLET", 0, "\"BTC\" \"addr\"", "034254430461646472"}, /* by its registration */
    {32768, "TA", 0, "60485 5 1 2BB183AF", "ec4505012bb183af"},   /* by its registration */
    {32769, "DLV", 0, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
     "ec4505012bb183af5f22588179a53b0a98631fad1a292118"}, /* RFC 4431 */
};

enum { EXAMPLES = sizeof examples / sizeof *examples };

static size_t unhex(const char *hex, uint8_t *ret)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
    return size;
}

static void mnemonics_are_those_of_the_registry(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        char text[TYPE_MAX_TEXT];
        assert_int_equal(type_from_text(examples[i].mnemonic), examples[i].type);
        assert_string_equal(type_to_text(examples[i].type, text), examples[i].mnemonic);
    }
}

static void examples_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        uint8_t want[512], got[512];
        char text[2048];
        size_t size = unhex(e->wire, want);
        int read = rdata_from_text(e->type, e->text, got, sizeof got);
        if (read != (int)size || memcmp(got, want, size) != 0)
            print_error("%s %s: %d\n", e->mnemonic, e->text, read);
        assert_int_equal(read, size);
        assert_memory_equal(got, want, size);
        assert_true(rdata_to_text(e->type, want, size, text, sizeof text) > 0);
        if (strcasecmp(text, e->text) != 0)
            print_error("%s %s: %s\n", e->mnemonic, e->text, text);
        assert_int_equal(strcasecmp(text, e->text), 0);
        struct wire_reader reader = wire_reader(want, size);
        struct wire_writer writer = wire_writer(got, sizeof got);
        assert_int_equal(rdata_read(&reader, e->type, (uint16_t)size, &writer), size);
        assert_memory_equal(got, want, size);
    }
}

/* RFC 3597 4: only names of the types of RFC 1035 are compressed. */
static void names_are_known_and_compressed_where_they_may_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        uint8_t wire[512];
        size_t size = unhex(e->wire, wire), offset, count = 0;
        bool compressible;
        for (; rdata_name_at(e->type, wire, size, count, &offset, &compressible); count++)
            assert_int_equal(compressible, e->type <= 15);
        if (count != e->names)
            print_error("%s: %zu\n", e->mnemonic, count);
        assert_int_equal(count, e->names);
    }
}

/* In the form for any type, if nothing else. */
static void what_is_cut_short_has_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        uint8_t wire[512];
        char text[2048];
        size_t size = unhex(e->wire, wire);
        for (size_t cut = 0; cut < size; cut++)
            assert_true(rdata_to_text(e->type, wire, cut, text, sizeof text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnemonics_are_those_of_the_registry),
        cmocka_unit_test(examples_are_read_and_written),
        cmocka_unit_test(names_are_known_and_compressed_where_they_may_be),
        cmocka_unit_test(what_is_cut_short_has_a_text),
    };
    return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
