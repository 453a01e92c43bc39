"""Random zones, with all that RFC 1034 4.3.2 has a case for, and random questions about them.

    zone = RandomZone("z1.test.", random.Random(7))
    zone.text                          a zone file
    zone.question(rng)                 (name, type) in text

What knotd would not load is not made: something beside a CNAME, something below a DNAME.

knotd finds and orders names wrongly where a label is another one and bytes of 0 behind it, and 3.4 also where a DNAME leads below
one that is a byte of 0 alone. `low` makes a zone with such labels in disguise, which lower() takes off: "!" and "%" stand for the
bytes 0 and 1, whose order among the other letters is the same.
"""

import functools
import re

import dns.name

LABELS = ["a", "b", "c", "*", "aa", "x-1", "0", "zz", "ns"]
TYPES = ["A", "AAAA", "TXT", "MX", "SRV", "NS", "SOA", "CNAME", "DNAME", "DS", "ANY", "NSEC", "NSEC3",
         "NSEC3PARAM", "DNSKEY", "TYPE65280"]
LOW_LABELS = [*LABELS, "!", "!!", "a!", "!a", "%", "a!!"]
DISGUISE = {"!": 0, "%": 1}
LONG = ".".join(["l" * 63, "m" * 63, "n" * 40])


def lower(text):
    """Text with the bytes that were meant; knotd writes "!" as "\\!"."""
    for letter, byte in DISGUISE.items():
        text = text.replace("\\" + letter, letter).replace(letter, f"\\{byte:03}")
    return text


class RandomZone:
    """`nodes`: owner as a tuple of labels, root's side last, relative to the apex -> {type: [rdata]}."""

    def __init__(self, apex, rng, names=60, low=False):
        self.apex, self.low, self.labels = apex, low, LOW_LABELS if low else LABELS
        self.nodes = {(): {"NS": ["ns." + apex, "ns.elsewhere.test."], "MX": ["10 " + self._some(rng)]}}
        self.nodes["ns",] = {"A": ["192.0.2.53"]}
        for _ in range(names):
            self._add(rng)
        for owner in [owner for owner in self.nodes if self._is_below(owner, "DNAME")]:
            del self.nodes[owner]
        self.text = re.sub("([!%])", r"\\\1", "".join(self._lines(rng)))

    @functools.cached_property
    def names(self):
        """`nodes` by whole names, with what knotd adds at the apex left out."""
        return {dns.name.from_text(".".join([*owner, self.apex])): types for owner, types in self.nodes.items()}

    @functools.cached_property
    def enclosers(self):
        """All names that exist: those with records, and what is above them."""
        apex = dns.name.from_text(self.apex)
        return {dns.name.Name(name.labels[at:]) for name in self.names
                for at in range(len(name.labels) - len(apex.labels) + 1)}

    def _some(self, rng):
        """A name to point to: mostly of the zone, there or not."""
        chance = rng.random()
        if chance < 0.1:
            return "www.elsewhere.test."
        labels = [rng.choice(self.labels) for _ in range(rng.randint(1, 4))]
        known = list(self.nodes) if hasattr(self, "nodes") else []
        if known and chance < 0.6:
            labels = list(rng.choice(known))
            if rng.random() < 0.3:
                labels.insert(0, rng.choice(self.labels))
        return ".".join([*labels, self.apex])

    def _add(self, rng):
        base = rng.choice(list(self.nodes))
        owner = tuple(rng.choice(self.labels) for _ in range(rng.choice([1, 1, 1, 2, 3]))) + base
        if len(owner) > 7 or owner in self.nodes:
            return
        wild = "*" in owner
        kind = rng.random()
        if kind < 0.18:
            types = {"CNAME": [self._some(rng)]}
        elif kind < 0.26 and not wild:
            target = self._some(rng) if rng.random() < 0.8 else LONG + "." + self.apex
            types = {"DNAME": [target]}
            if rng.random() < 0.5:
                types["A"] = ["192.0.2.9"]
        elif kind < 0.45 and not wild:
            types = {"NS": [".".join(["ns", *owner, self.apex]), self._some(rng)][:rng.randint(1, 2)]}
            self.nodes.setdefault(("ns", *owner), {"A": ["192.0.2.53"], "AAAA": ["2001:db8::53"]})
            if rng.random() < 0.5:
                types["DS"] = [f"{rng.randint(1, 60000)} 13 2 " + "ab" * 32]
            if rng.random() < 0.2:
                types["TXT"] = ['"occluded"']
        else:
            types = self._data(rng)
        self.nodes[owner] = types

    def _data(self, rng):
        types = {}
        for _ in range(rng.randint(1, 3)):
            some = self._some(rng)
            rtype, rdata = rng.choice([
                ("A", [f"192.0.2.{rng.randint(1, 250)}" for _ in range(rng.randint(1, 3))]),
                ("AAAA", ["2001:db8::1"]),
                ("TXT", [f'"{rng.random()}"', '"two" "strings"']),
                ("MX", ["10 " + some, "20 mail.elsewhere.test."]),
                ("SRV", ["1 2 443 " + some]),
                ("TYPE65280", ["\\# 3 c0ffee"]),
            ])
            types[rtype] = sorted(set(rdata))
        return types

    def _is_below(self, owner, rtype):
        """The apex's own do not count."""
        return any(rtype in self.nodes.get(owner[at:], {}) for at in range(1, len(owner)))

    def _lines(self, rng):
        yield f"{self.apex} 3600 SOA ns.{self.apex} h.{self.apex} 1 3600 900 604800 {rng.choice([60, 7200])}\n"
        for owner, types in self.nodes.items():
            for rtype, rdata in types.items():
                ttl = rng.choice([60, 300, 3600])
                for one in rdata:
                    yield f"{'.'.join([*owner, self.apex])} {ttl} {rtype} {one}\n"

    def question(self, rng):
        """A name that is there, near one that is, or neither; and a type."""
        labels = list(rng.choice(list(self.nodes)))
        chance = rng.random()
        if chance < 0.3:
            labels = [rng.choice(self.labels) for _ in range(rng.randint(1, 3))] + labels
        elif chance < 0.5 and labels:
            labels[0] = rng.choice(self.labels)
        elif chance < 0.65:
            labels = labels[rng.randint(0, len(labels)):]
        elif chance < 0.7:
            labels = ["%" if self.low else "\\001" if rng.random() < 0.2 else rng.choice(["a", "aa", "zz", "0"]) * 5] + labels
        elif chance < 0.72:
            labels = ["l" * 60, "m" * 40] + labels
        name = ".".join([*labels, self.apex])
        if rng.random() < 0.1:
            name = name.upper()
        return name, rng.choice(TYPES if rng.random() < 0.6 else ["A", "TXT", "DS", "NS"])
