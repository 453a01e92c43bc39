/*
 * policy.h - who may change what in a zone by UPDATE: rules in order, the first that fits decides, and if none does: no.
 *
 *     grant external-dns. subdomain apps.example.com. A AAAA CNAME TXT
 *     grant acme. wildcard *.example.com. TXT
 *     deny  *  name www.example.com. ANY
 *     grant *.hosts.example.com. self A AAAA
 *     grant admin. zonesub ANY
 *     ACTION IDENTITY RULE [NAME] [TYPES]
 *
 * The words and their meaning are those of BIND's update-policy, so that one can be taken over. IDENTITY is the name of the
 * TSIG key: itself, all below a name (*.hosts.example.com.), or whichever (*). RULE and NAME say which names of the
 * zone: `name` that one; `subdomain` it and all below; `wildcard` all below the * of NAME; `zonesub` all, without a NAME;
 * `self` the key's own name, `selfsub` it and all below, `selfwild` all below it, their NAME is not looked at and may be
 * missing. No TYPES: all but NS, SOA, RRSIG, NSEC and NSEC3; ANY: all.
 */
#ifndef FRESHET_ORIGIN_POLICY_H
#define FRESHET_ORIGIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"

enum { POLICY_MAX_TYPES = 32, POLICY_MAX_ERROR = 160 };

enum policy_kind {
    POLICY_NAME,
    POLICY_SUBDOMAIN,
    POLICY_WILDCARD,
    POLICY_ZONESUB,
    POLICY_SELF,
    POLICY_SELFSUB,
    POLICY_SELFWILD,
};

struct policy_rule {
    bool grant;
    bool any_identity;
    uint8_t identity[NAME_MAX_SIZE]; /* canonical; a wildcard means all below it */
    enum policy_kind kind;
    uint8_t name[NAME_MAX_SIZE]; /* canonical */
    bool any_type;
    size_t type_count; /* 0: those that are no part of a zone's skeleton */
    uint16_t types[POLICY_MAX_TYPES];
};

/*
 * Reads one rule. Returns 0, or ERR_CONFIG with what is wrong in `ret_error`: a word that is none, a name that is none or
 * lacks its final dot, an unknown type, more than POLICY_MAX_TYPES.
 */
MUST_CHECK int policy_rule_from_text(const char *text, struct policy_rule *ret_rule,
                                     char ret_error[POLICY_MAX_ERROR]);

/* Whether the holder of `key` (canonical; NULL: nobody) may change records of `type` at `name` (canonical). */
bool policy_allows(const struct policy_rule *rules, size_t count, const uint8_t *key,
                   const uint8_t *name, uint16_t type);

/* The "key" of the webhook protocol (webhook.h): webhook. */
extern const uint8_t policy_webhook[];

/* Whether a rule grants the holder of `key` anything at all. */
bool policy_knows(const struct policy_rule *rules, size_t count, const uint8_t *key);

#endif
