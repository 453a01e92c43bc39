"""Where Knot answers otherwise than zone/, and why it is zone/ that has it right: each case as narrow as it can be said.

    expected(zone, question, theirs, ours) -> what `theirs` should have been; `theirs` itself where nothing is known

`theirs` and `ours` are plain_message.Content in words(), `zone` is a RandomZone.
"""

import functools

import dns.name
import dns.rcode
import dns.rdatatype

import plain_message

KNOT_LINKS = 5
PROOFS = {"RRSIG", "NSEC", "NSEC3"}


def words(content):
    """The same with RCODE, owners and types as text."""
    sections = [frozenset((dns.name.from_wire(owner, 0)[0].to_text(), dns.rdatatype.to_text(rtype), *rest)
                          for owner, rtype, *rest in section) for section in content[3:]]
    return plain_message.Content(dns.rcode.to_text(content.rcode), *content[1:3], *sections)


@functools.lru_cache(maxsize=65536)
def _name(text):
    return dns.name.from_text(text)


def _first_name(record):
    """The name that a CNAME, DNAME or NSEC begins with."""
    return dns.name.from_wire(record[3], 0)[0]


def _upwards(zone, name):
    """The name and those above it, up to the apex; of another zone's, nothing."""
    apex = _name(zone.apex)
    if name.is_subdomain(apex):
        yield from (dns.name.Name(name.labels[at:]) for at in range(len(name.labels) - len(apex.labels) + 1))


def _types(records):
    return {record[1] for record in records}


def _links(question, seen):
    """The names that the chain in an answer comes to, the question's first."""
    targets = {_name(record[0]): _first_name(record) for record in seen.answer if record[1] == "CNAME"}
    links = [dns.name.from_text(question[0].lower())]
    while targets.get(links[-1], links[0]) not in links:
        links.append(targets[links[-1]])
    return links


def too_long(_zone, question, theirs, ours):
    """A DNAME that makes too long a name: RFC 6672 3.2 ends there, with YXDOMAIN. Knot goes on: with the SOA and the proofs of a denial,
    or with the DNAME's target as if that had been asked for."""
    if ours.rcode != "YXDOMAIN" or ours.authority or ours.additional or not ours.answer <= theirs.answer:
        return theirs
    name = _links(question, ours)[-1]
    for record in ours.answer:
        owner = _name(record[0])
        if record[1] == "DNAME" and name.is_subdomain(owner) and name != owner and \
                len(name.to_wire()) - len(owner.to_wire()) + len(_first_name(record).to_wire()) > 255:
            return theirs._replace(rcode=ours.rcode, answer=ours.answer, authority=ours.authority,
                                   additional=ours.additional)
    return theirs


def any_of_high_types(_zone, question, theirs, ours):
    """ANY, where all types of a name are above RRSIG's: Knot gives its RRSIGs, which are no data; zone/ an RRset."""
    data = {record[:2] for record in ours.answer - theirs.answer if record[1] != "RRSIG"}
    if question[1] == "ANY" and len(data) == 1:
        [(owner, rtype)] = data
        at_owner = {record for record in theirs.answer if record[0] == owner}
        if dns.rdatatype.from_text(rtype) > dns.rdatatype.RRSIG and _types(at_owner) == {"RRSIG"} and \
                theirs.answer - at_owner <= ours.answer:
            return theirs._replace(answer=ours.answer)
    return theirs


def _lone_nsec(records):
    """The NSEC in records that are one NSEC with its signatures, or None."""
    nsec = [record for record in records if record[1] == "NSEC"]
    if len(nsec) == 1 and all(record[1] in ("NSEC", "RRSIG") and record[0] == nsec[0][0] for record in records):
        return nsec[0]
    return None


def empty_wildcard(zone, question, theirs, ours):
    """No data at a wildcard that is an empty non-terminal: that it is there needs a proof of its own (RFC 4035 3.1.3.4),
    which Knot leaves out: the NSEC whose next name is below the wildcard."""
    nsec = _lone_nsec(ours.authority - theirs.authority)
    if not nsec or ours.rcode != "NOERROR":
        return theirs
    for name in _upwards(zone, _links(question, ours)[-1].parent()):
        wildcard = dns.name.Name((b"*",) + name.labels)
        if _name(nsec[0]) < wildcard < _first_name(nsec) and _first_name(nsec).is_subdomain(wildcard):
            return theirs._replace(authority=theirs.authority | (ours.authority - theirs.authority))
    return theirs


def nsec_of_a_wildcard(_zone, question, theirs, ours):
    """NSEC is asked for, and a wildcard's answers under the name of the question; the same NSEC proves that there is no closer name
    (RFC 4035 3.1.3.3). Knot takes the two for one, but what was expanded proves nothing (RFC 4035 5.3.4)."""
    nsec = _lone_nsec(ours.authority - theirs.authority)
    if nsec and question[1] == "NSEC" and nsec[0].startswith("*.") and any(
            record[1:] == nsec[1:] and record[0] != nsec[0] for record in ours.answer):
        return theirs._replace(authority=ours.authority)
    return theirs


def _is_below_cut(zone, name):
    return any("NS" in zone.names.get(above, {}) for above in _upwards(zone, name) if above != _name(zone.apex))


def _encloser(zone, name):
    """The closest name that exists; None for a name outside."""
    return next((above for above in _upwards(zone, name) if above in zone.enclosers), None)


def _wildcard(zone, name):
    """The wildcard that answers for a name which does not exist; None if the name is there, or no wildcard."""
    encloser = _encloser(zone, name)
    if encloser in (None, name):
        return None
    wildcard = dns.name.Name((b"*",) + encloser.labels)
    return wildcard if wildcard in zone.enclosers else None


def glue_of_a_wildcard(zone, _question, theirs, ours):
    """A wildcard below a cut is another zone's, and makes no glue (RFC 4592 4.2; RFC 1034 4.3.2 step 3b has none). Knot makes addresses of
    it."""
    made = theirs.additional - ours.additional
    names = {_name(record[0]) for record in made if record[1] in ("A", "AAAA", "RRSIG")}
    if made and len({record[0] for record in made}) == len(names) and all(
            _is_below_cut(zone, name) and _wildcard(zone, name) for name in names):
        return theirs._replace(additional=ours.additional)
    return theirs


def asked_of_an_asterisk(zone, question, theirs, ours):
    """A name that begins with "*", is not there, and is answered by a wildcard: synthesised as any other (RFC 4592 2.2), so nothing closer
    has to be proven. Knot takes it for the wildcard itself, and proves less."""
    more = ours.authority - theirs.authority
    if theirs.authority <= ours.authority and _types(more) <= PROOFS and len({record[0] for record in more}) <= 2 and any(
            name.labels[0] == b"*" and _wildcard(zone, name) for name in _links(question, ours)):
        return theirs._replace(authority=ours.authority)
    return theirs


def opted_out_encloser(zone, question, theirs, ours):
    """A name whose closest encloser is an empty non-terminal that opt-out has left without NSEC3: the closest *provable* encloser
    is proven (RFC 5155 7.2.1). Knot finds no proof and gives up, halfway, without AA."""
    name = _encloser(zone, _links(question, ours)[-1])
    if theirs.aa or theirs.rcode != ours.rcode or theirs.authority or not ours.aa or "NSEC3" not in _types(ours.authority):
        return theirs
    if name and name not in zone.names and theirs.answer <= ours.answer and all(
            _is_below_cut(zone, other) for other in zone.names if other.is_subdomain(name)):
        return ours
    return theirs


def long_chain(_zone, _question, theirs, ours):
    """A chain of many links, mostly a DNAME that leads below itself for ever: how many are given is nobody's rule. Knot ends at
    KNOT_LINKS, zone/ at 20 or where the name is too long."""
    links = [record for record in theirs.answer if record[1] == "CNAME"]
    if len(links) == KNOT_LINKS and theirs.answer < ours.answer and theirs.authority <= ours.authority and \
            _types(theirs.authority) <= PROOFS:  # of a wildcard on the way
        return ours
    return theirs


def closed_circle(_zone, _question, theirs, ours):
    """A chain that comes by one wildcard twice is a circle. zone/ gives the link that closes it, under the second name; Knot
    does not."""
    more = ours.answer - theirs.answer
    closing = [_first_name(record) for record in more if record[1] == "CNAME"]
    if len(closing) == 1 and _types(more) <= {"CNAME", "RRSIG"} and theirs.answer < ours.answer and any(
            record[1] == "CNAME" and _first_name(record) == closing[0] for record in theirs.answer):
        return theirs._replace(answer=ours.answer)
    return theirs


KNOWN = [too_long, any_of_high_types, empty_wildcard, nsec_of_a_wildcard, glue_of_a_wildcard, asked_of_an_asterisk,
         opted_out_encloser, long_chain, closed_circle]


def expected(zone, question, theirs, ours):
    for known in KNOWN:
        if theirs == ours:
            break
        theirs = known(zone, question, theirs, ours)
    return theirs
