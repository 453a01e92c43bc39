/* denial.c - see denial.h. */
#include "zone/denial.h"

#include "zone/hash.h"

/* The last `labels` labels of a name. */
static const uint8_t *suffix(const uint8_t *name, size_t labels)
{
    for (size_t more = name_labels(name); more > labels; more--)
        name = name_parent(name);
    return name;
}

/* The wildcard below a name; false: it would be too long, so there is none. */
static bool wildcard_of(const uint8_t *encloser, struct finding_name *ret)
{
    const size_t size = name_size(encloser);
    if (size + 2 > NAME_MAX_SIZE)
        return false;
    ret->bytes[0] = 1;
    ret->bytes[1] = '*';
    memcpy(ret->bytes + 2, encloser, size);
    ret->size = (uint8_t)(size + 2);
    return true;
}

static void put_of(struct finding *finding, const struct node *node, uint16_t type)
{
    struct zone_rrset rrset;
    if (node && node_find(node, type, &rrset))
        finding_put(finding, SECTION_AUTHORITY, &rrset, NULL);
}

/* -- NSEC -------------------------------------------------------------------------------------- */

/* The NSEC at a name or the last before it: names without are glue or no part of the chain. */
static void put_nsec(struct finding *finding, const struct finding_name *name)
{
    struct tree_cursor cursor;
    struct key key;
    key_make(name->bytes, name->size, finding->state->apex_size, &key);
    tree_seek(finding->state->names, &key, &cursor);
    while (cursor.node && !node_has(cursor.node, TYPE_NSEC))
        tree_previous(&cursor);
    put_of(finding, cursor.node, TYPE_NSEC);
}

static void put_wildcard_nsec(struct finding *finding, const uint8_t *encloser)
{
    struct finding_name wildcard;
    if (wildcard_of(encloser, &wildcard))
        put_nsec(finding, &wildcard);
}

/* -- NSEC3 ------------------------------------------------------------------------------------- */

/* The chain of a zone, by its NSEC3PARAM (RFC 5155 4). */
struct chain {
    struct finding *finding;
    struct hash_parameters parameters;
};

/* False: the zone has no NSEC3. */
static bool find_chain(struct finding *finding, struct chain *ret)
{
    struct zone_rrset rrset;
    if (!finding->state->hashes || !state_apex_find(finding->state, TYPE_NSEC3PARAM, &rrset))
        return false;
    ret->finding = finding;
    if (!hash_parameters(zone_rdata(&rrset, 0), &ret->parameters))
        return false;
    if (ret->parameters.iterations > HASH_MAX_ITERATIONS)
        finding->unprovable = true;
    return true;
}

/* Whether a node's NSEC3 is of the chain: a zone may have another one while it changes from one to the next. */
static bool is_of_chain(const struct chain *chain, const struct node *node)
{
    struct zone_rrset rrset;
    struct hash_parameters parameters;
    if (!node_find(node, TYPE_NSEC3, &rrset))
        return false;
    for (size_t k = 0; k < rrset.count; k++)
        if (hash_parameters(zone_rdata(&rrset, k), &parameters) &&
            hash_same(&parameters, &chain->parameters))
            return true;
    return false;
}

/* The NSEC3 at a name's hash, or the one that covers it, which may be the last of all. True: at it. */
static bool seek_hash(const struct chain *chain, const uint8_t *name, const struct node **ret_node)
{
    const struct zone_state *state = chain->finding->state;
    struct tree_cursor cursor;
    struct key key;
    uint8_t owner[NAME_MAX_SIZE];
    const size_t size = hash_owner(&chain->parameters, name, state->apex, owner);
    *ret_node = NULL;
    if (size == 0 || chain->finding->unprovable)
        return false;
    key_make(owner, size, state->apex_size, &key);
    const bool matches = tree_seek(state->hashes, &key, &cursor) == KEY_SAME;
    if (matches && is_of_chain(chain, cursor.node)) {
        *ret_node = cursor.node;
        return true;
    }
    while (cursor.node && !is_of_chain(chain, cursor.node))
        tree_previous(&cursor);
    if (!cursor.node)
        tree_last(state->hashes, &cursor);
    while (cursor.node && !is_of_chain(chain, cursor.node))
        tree_previous(&cursor);
    *ret_node = cursor.node;
    return false;
}

static void put_covering(const struct chain *chain, const uint8_t *name)
{
    const struct node *node;
    if (!seek_hash(chain, name, &node))
        put_of(chain->finding, node, TYPE_NSEC3);
}

/*
 * How many labels has the closest of a name's enclosers, of at most so many labels, that NSEC3 proves to exist: with
 * opt-out (RFC 5155 6) that is not always the closest one. `ret_node`: its NSEC3; NULL if there is none at all.
 */
static size_t provable_encloser(const struct chain *chain, const uint8_t *name, size_t labels,
                                const struct node **ret_node)
{
    const size_t least = name_labels(chain->finding->state->apex);
    while (!seek_hash(chain, suffix(name, labels), ret_node)) {
        *ret_node = NULL;
        if (labels <= least)
            break;
        labels--;
    }
    return labels;
}

/* RFC 5155 7.2.1. Returns the labels of the encloser that it proves. */
static size_t put_encloser_proof(const struct chain *chain, const uint8_t *name, size_t labels)
{
    const struct node *node;
    labels = provable_encloser(chain, name, labels, &node);
    put_of(chain->finding, node, TYPE_NSEC3);
    put_covering(chain, suffix(name, labels + 1));
    return labels;
}

/* RFC 5155 7.2.3, 7.2.4: at the name, or if opt-out has left it out, what proves that. */
static void put_hash_of(const struct chain *chain, const struct finding_name *name)
{
    const struct node *node;
    if (seek_hash(chain, name->bytes, &node))
        put_of(chain->finding, node, TYPE_NSEC3);
    else
        put_encloser_proof(chain, name->bytes, name_labels(name->bytes) - 1);
}

/* -- proofs ------------------------------------------------------------------------------------ */

void denial_of_name(struct finding *finding, const struct finding_name *name,
                    size_t encloser_labels)
{
    struct chain chain;
    struct finding_name wildcard;
    if (!find_chain(finding, &chain)) {
        put_nsec(finding, name);
        put_wildcard_nsec(finding, suffix(name->bytes, encloser_labels));
        return;
    }
    const size_t labels = put_encloser_proof(&chain, name->bytes, encloser_labels);
    if (wildcard_of(suffix(name->bytes, labels), &wildcard))
        put_covering(&chain, wildcard.bytes); /* RFC 5155 7.2.2 */
}

void denial_of_type(struct finding *finding, const struct finding_name *name,
                    const struct node *node)
{
    struct chain chain;
    if (find_chain(finding, &chain))
        put_hash_of(&chain, name);
    else if (node)
        put_of(finding, node, TYPE_NSEC);
    else
        put_nsec(finding, name);
}

void denial_of_wildcard_type(struct finding *finding, const struct finding_name *name,
                             size_t encloser_labels, const struct node *node)
{
    struct chain chain;
    struct finding_name wildcard;
    if (!wildcard_of(suffix(name->bytes, encloser_labels), &wildcard))
        return;
    if (!find_chain(finding, &chain)) {
        if (node)
            put_of(finding, node, TYPE_NSEC);
        else
            put_nsec(finding, &wildcard);
        return;
    }
    put_encloser_proof(&chain, name->bytes, encloser_labels); /* RFC 5155 7.2.5 */
    put_hash_of(&chain, &wildcard);
}

void denial_of_better(struct finding *finding, const struct finding_name *name,
                      size_t encloser_labels)
{
    struct chain chain;
    const struct node *node;
    if (!find_chain(finding, &chain)) {
        put_nsec(finding, name);
        return;
    }
    const size_t labels = provable_encloser(&chain, name->bytes, encloser_labels, &node);
    put_covering(&chain, suffix(name->bytes, labels + 1)); /* RFC 5155 7.2.6 */
}
