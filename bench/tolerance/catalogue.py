"""Odd servers, odd networks and odd clients: what each is, what is asked, and what is right.

A case is one line of the table. Its servers are behaviours of scripted.py and odd.py for every name; None stands for
a port on which nobody is. All that a resolver has learnt of a server is part of the case, so each starts anew with
a resolver that has asked nobody.

`right` says what is GOOD; servers are told apart by what is known to work at all: where nobody can give the
answer, the right thing is to say so, soon.
"""

import dataclasses

import scripted
from asking import Ask

KNOWN = [  # of every server that does not say otherwise
    ("www.example.com.", "A", ["192.0.2.1"]),
    ("www.example.com.", "AAAA", ["2001:db8::1"]),
    ("mail.example.com.", "A", ["192.0.2.25"]),
    ("example.com.", "MX", ["10 mail.example.com."]),
    ("example.com.", "NS", ["ns1.example.com."]),
    ("alias.example.com.", "CNAME", ["www.example.com."]),
    ("many.example.com.", "A", [f"198.51.100.{n}" for n in range(1, 21)]),
    ("text512.example.com.", "TXT", [" ".join(['"' + "x" * 250 + '"'] * 3)]),  # 750 bytes
    ("text.example.com.", "TXT", [" ".join(['"' + "x" * 250 + '"'] * 8)]),  # 2,000 bytes
    ("huge.example.com.", "TXT", [" ".join(['"' + "x" * 250 + '"'] * 240)]),  # 60,000 bytes
    *((f"n{n}.example.com.", "A", ["192.0.2.1"]) for n in range(100)),
]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    group: str
    name: str
    sentence: str
    servers: tuple
    asks: tuple
    together: bool = False
    options: dict = dataclasses.field(default_factory=dict)  # of scripted.Scripted, for the first server

    @property
    def title(self):
        return f"{self.group}: {self.name}"


CASES = []


def start(case):
    """The case's servers; with None where nobody is."""
    made = []
    for behaviour in case.servers:
        if behaviour is None:
            made.append(None)
            continue
        made.append(scripted.Scripted(**({} if made else case.options)))
        stock(made[-1])
        made[-1].script("*", behaviour)
        made[-1].script(".", scripted.lookup)  # whatever resolvers ask of themselves does not count
    return made


def stock(server):
    for name, rtype, rdata in KNOWN:
        server.set(name, rtype, *rdata)


def group(name):
    """case(name, sentence, server or servers, *asks) for a part of the table."""
    def case(title, sentence, servers, *asks, together=False, **options):
        servers = servers if isinstance(servers, tuple) else (servers,)
        CASES.append(Case(name, title, sentence, servers, asks or (Ask(),), together, options))
    return case


ANYBODY = "what is no response to the query may be anybody's: the right one is waited for, as long as there is time"

# Where freshet is behind the best, and why.
WHY = {
    "the question: no question": ANYBODY,
    "the question: always another question": ANYBODY,
    "the header: question counted twice": ANYBODY,
    "foreign messages: query echoed": ANYBODY,
    "foreign messages: header alone": ANYBODY,
    "foreign messages: 5 bytes": ANYBODY,
    "silence: silent, and asked again": "it fails sooner the first time, so that the second time the server is silent still",
    "several servers: three, two silent": "who asks all servers at once, or begins with the right one, is faster",
}
