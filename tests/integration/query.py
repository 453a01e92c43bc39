"""Questions to a DNS server over UDP or TCP, and what one wants to know of the answers."""

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype


def ask(server, name, rtype="A", tcp=False, want_dnssec=False, edns=True, payload=1232, rd=True,
        cd=False, options=(), timeout=5.0, source_port=0):
    """Sends one query and returns the dnspython message; Timeout after `timeout` seconds.

    server       (address, port), or anything that has one as its `.address`
    edns         False sends no OPT record (RFC 6891); `payload` and `options` need it
    want_dnssec  sets DO
    tcp          asks over TCP; over UDP a truncated answer is returned as it came, TC set
    """
    host, port = getattr(server, "address", server)
    query = dns.message.make_query(name, rtype)
    if edns or want_dnssec:
        query.use_edns(0, dns.flags.DO if want_dnssec else 0, payload, options=list(options))
    if not rd:
        query.flags &= ~dns.flags.RD
    if cd:
        query.flags |= dns.flags.CD
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, host, timeout=timeout, port=port, source_port=source_port)


def addresses(response, rtype=None):
    """The answer section's rdata as sorted text: of `rtype`, by default the question's."""
    wanted = dns.rdatatype.from_text(rtype) if rtype else response.question[0].rdtype
    return sorted(rdata.to_text() for rrset in response.answer if rrset.rdtype == wanted
                  for rdata in rrset)


def rcode(response):
    """The response code as text: "NOERROR", "NXDOMAIN"."""
    return dns.rcode.to_text(response.rcode())


def ttls(response):
    """The TTLs of the answer section, in its order."""
    return [rrset.ttl for rrset in response.answer]
