"""Behaviours of odd servers for scripted.Scripted, as seen in the world; scripted.py has the plain ones.

    server.script("*", silent(0.3))              nothing for 0.3 s from the first query on
    server.script("*", preceded(wrong_id()))     a message with another id, then the right one

Where bytes are altered, these are of the finished message. A record as bytes is record(...).
"""

import random
import struct

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdatatype

from scripted import HEADER, Reply, answer, drop, edit, lookup, rcode, sequence

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
SECTIONS = {"question": 4, "answer": 6, "authority": 8, "additional": 10}  # where in the header they are counted


# --- when


def silent(seconds, then=lookup, since=None):
    """Silence for so long from the first query on; or from since(), a time.monotonic()."""
    def behave(server, query):
        first = server.memory.setdefault(behave, since() if since else query.time)
        return None if query.time < first + seconds else then(server, query)
    return behave


def lossy(share, then=lookup, seed=1):
    """So many of the queries get no answer."""
    def behave(server, query):
        chance = server.memory.setdefault(behave, random.Random(seed))
        return None if chance.random() < share else then(server, query)
    return behave


def at_most(per_second, then=lookup, else_=drop()):
    """Of each second the first queries are answered, the others get `else_` (a rate limit)."""
    def behave(server, query):
        times = server.memory.setdefault(behave, [])
        times[:] = [time for time in times if time > query.time - 1]
        if len(times) >= per_second:
            return else_(server, query)
        times.append(query.time)
        return then(server, query)
    return behave


def queueing(seconds, then=lookup):
    """One query after the other, each takes so long."""
    def behave(server, query):
        free = max(server.memory.get(behave, 0.0), query.time) + seconds
        server.memory[behave] = free
        reply = then(server, query)
        reply.delay += free - query.time
        return reply
    return behave


# --- for whom


def choose(condition, then, otherwise=lookup):
    """`then` where condition(query)."""
    return lambda server, query: (then if condition(query) else otherwise)(server, query)


def with_edns(then, otherwise=lookup):
    """`then` to queries that have EDNS."""
    return choose(lambda query: query.edns, then, otherwise)


def by_name(names, otherwise=lookup):
    """{name: behaviour}, also for all below a name that begins with a dot."""
    def behave(server, query):
        name = query.name.lower()
        for key, then in names.items():
            if name == key or key.startswith(".") and name.endswith(key):
                return then(server, query)
        return otherwise(server, query)
    return behave


def reaches(size, then=lookup):
    """A path on which longer UDP answers get lost."""
    def behave(server, query):
        reply = then(server, query)
        return reply if reply is None or query.transport == "tcp" or len(reply.wire()) <= size else None
    return behave


# --- how it is sent


def altered(change, then=lookup):
    """change(reply) before it is sent."""
    def behave(server, query):
        reply = then(server, query)
        if reply is not None:
            change(reply)
        return reply
    return behave


def attributes(then=lookup, **values):
    """Those of Reply: pieces, last, elsewhere."""
    def change(reply):
        for name, value in values.items():
            setattr(reply, name, value)
    return altered(change, then)


def preceded(*earlier, then=lookup):
    """What others would answer leaves first: behaviours, or functions query -> bytes."""
    def behave(server, query):
        reply = then(server, query)
        for one in earlier:
            made = one(server, query)
            reply.before.append(made if isinstance(made, bytes) else made.wire())
        return reply
    return behave


def raw(make):
    """make(query) -> bytes are all of the message."""
    return lambda server, query: altered(lambda reply: reply.edits.append(lambda _: make(query)),
                                         lambda server, query: Reply(query, server.blank(query)))(server, query)


def echo(flags=0):
    """The query comes back as it was; with flags=QR as a response."""
    return raw(lambda query: query.raw[:2] + struct.pack("!H", _flags(query.raw) | flags) + query.raw[4:])


class Oversized(Reply):
    """Is never truncated, whatever the asker can take."""

    def wire(self):
        made = self.message.to_wire(max_size=65535)
        for change in self.edits:
            made = change(made)
        return made


def oversized(then=lookup):
    """Larger UDP answers than were asked for, whole and without TC."""
    def behave(server, query):
        reply = then(server, query)
        return reply and Oversized(query, reply.message)
    return behave


# --- bytes


def _flags(wire):
    return struct.unpack_from("!H", wire, 2)[0]


def flags(raised=0, cleared=0, then=lookup):
    """Bits of the header's second word."""
    return edit(lambda wire: wire[:2] + struct.pack("!H", _flags(wire) & ~cleared | raised) + wire[4:], then)


def counts(section, more, then=lookup):
    """The header counts so many records more (or fewer) than there are in a section."""
    at = SECTIONS[section]
    return edit(lambda wire: wire[:at] + struct.pack("!H", struct.unpack_from("!H", wire, at)[0] + more)
                + wire[at + 2:], then)


def trailing(size=4, then=lookup):
    """Bytes behind the message."""
    return edit(lambda wire: wire + bytes(size), then)


def no_question(then=lookup):
    """QDCOUNT 0, and the question left out; to be used where the records are not compressed to it."""
    def change(reply):
        reply.message.question = []
    return altered(change, then)


def record(rtype, rdata, ttl=3600, rclass=1, owner=b"\xc0\x0c"):
    """A record's bytes; its owner is the question's name."""
    return owner + struct.pack("!HHIH", dns.rdatatype.from_text(rtype), rclass, ttl, len(rdata)) + rdata


def raw_records(section, *records, keep=False):
    """Answers with these bytes as a section's records, behind those of a lookup when `keep`."""
    def behave(server, query):
        message = server.blank(query)
        message.use_edns(False)
        if keep:
            server.fill(message, query)
            message.authority.clear()
        reply = Reply(query, message)
        reply.edits.append(lambda wire: _append(wire, section, records, query.edns))
        return reply
    return behave


OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


def _append(wire, section, records, edns):
    words = list(struct.unpack("!6H", wire[:HEADER]))
    words[SECTIONS[section] // 2] += len(records)
    words[5] += edns
    return struct.pack("!6H", *words) + wire[HEADER:] + b"".join(records) + (OPT if edns else b"")


def opt(payload=1232, version=0, options=b"", owner=b"\0", times=1, z=0, then=lookup):
    """An OPT record spelled so, or none at all (times=0), whatever the query had."""
    one = owner + struct.pack("!HHBBHH", 41, payload, 0, version, z, len(options)) + options

    def change(reply):
        reply.message.use_edns(False)
        reply.edits.append(lambda wire: wire[:10] + struct.pack(
            "!H", struct.unpack_from("!H", wire, 10)[0] + times) + wire[HEADER:] + one * times)
    return altered(change, then)


def formerr_header(code=1):
    """The header alone, with an rcode: from servers that give up at the first oddity."""
    return raw(lambda query: query.raw[:2] + struct.pack("!5H", QR | RD | RA | code, 0, 0, 0, 0))


def opcode(text, then=lookup):
    """Of another kind than the query: "NOTIFY"."""
    return flags(dns.opcode.from_text(text) << 11, 0, then)


# --- what


def chain(length, per_message=1):
    """cN -> cN-1 -> ... -> c0 A 192.0.2.1, below example.com: so many links in a message at most."""
    def behave(server, query):
        first = int(query.name.lower().split(".")[0][1:])
        last = max(0, first - per_message)
        links = [f"c{n}.example.com. 300 CNAME c{n - 1}.example.com." for n in range(first, last, -1)]
        if last == 0 and query.type == "A" and (first == 0 or per_message > first):
            links.append("c0.example.com. 300 A 192.0.2.1")
        return answer(*links)(server, query)
    return by_name({f"c{n}.example.com.": behave for n in range(length + 1)})


def signed(then=lookup, section="answer"):
    """With DO, a signature (that proves nothing) stands beside the answer, or in another section."""
    def behave(server, query):
        reply = then(server, query)
        if reply is None or not query.edns or not query.message.ednsflags & dns.flags.DO:
            return reply
        for rrset in list(reply.message.answer):
            kind = dns.rdatatype.to_text(rrset.rdtype)
            getattr(reply.message, section).append(dns.rrset.from_text(
                rrset.name, rrset.ttl, "IN", "RRSIG", f"{kind} 8 {len(rrset.name) - 1} {rrset.ttl} 20380101000000 "
                "20200101000000 12345 example.com. c2lnbmF0dXJl"))
        return reply
    return behave


def in_turns(*behaviours):
    """One after the other, again and again."""
    def behave(server, query):
        turn = server.memory[behave] = server.memory.get(behave, -1) + 1
        return behaviours[turn % len(behaviours)](server, query)
    return behave


def referral(zone, servers, glue=(), aa=False):
    """No answer, and where to ask instead (RFC 1034 4.3.2 3b)."""
    return answer(authority=[f"{zone} 3600 NS {one}" for one in servers], additional=glue, aa=aa)


def failing(code="SERVFAIL", times=1, then=lookup):
    """So many queries get an error, the others are answered."""
    return sequence(*[rcode(code)] * times, then)
