"""The ways to keep a cache fresh that are compared, each set up as one run of the probe needs it.

    with MODES["push"].set_up(place) as stage:
        stage.tiers        name -> address, what the probe asks, the clients' own first
        stage.words        the probe's options
        stage.processes    name -> [pid, ...], whose CPU time counts
"""

import contextlib
import dataclasses
import functools
import os

import changes
import freshet
import hierarchy
import origin
import peers
import primaries
import process

ZONE = hierarchy.ZONE


@dataclasses.dataclass
class Place:
    """What all modes have in common."""
    cluster: object
    file: str
    names: int


@dataclasses.dataclass
class Stage:
    tiers: dict
    words: list
    processes: dict
    positions: bool = False
    primary: object = None
    whole: bool = False  # has the whole zone: what it asks upstream is no client's miss


@dataclasses.dataclass
class Mode:
    """`key` names files and options, `title` is for people."""
    key: str
    title: str
    family: str      # what the page draws in one colour
    about: str
    set_up: object   # (place, ttl) -> a context manager of a Stage
    ttl: int = 3600
    seconds: int = 20
    watched: float = 60
    horizon: int = 5000   # milliseconds
    fine: int = 100       # microseconds
    coarse: int = 100000  # microseconds
    settle: int = 4000    # milliseconds
    price: bool = True
    price_seconds: int = 8
    tuned: bool = False
    rotate: bool = False  # a change is looked for at one tier, another each time; some at all


def kafka_pids(place):
    """None when the cluster is not ours."""
    return [place.cluster.process.pid] if getattr(place.cluster, "process", None) else []


def kafka_words(topic):
    return [f"--brokers={topic.bootstrap}", f"--topic={topic.name}",
            *[word for value in topic.consumer_properties for word in ("-X", value)]]


@contextlib.contextmanager
def freshet_tiers(place, _ttl, feed=True, split=False):
    with contextlib.ExitStack() as stack:
        topic = place.cluster.topic()
        stack.callback(topic.delete)
        port = process.free_port()
        tiers = hierarchy.Hierarchy(place.file, topic if feed else None, port, split)
        stack.callback(tiers.close)
        tiers.wait_live()
        controls = [tiers.daemon_of(name).control_path for name in tiers.tiers] if feed else []
        words = [f"--authority-port={port}",
                 *[f"--control={path}" for path in dict.fromkeys(controls)]]
        if not feed:
            yield Stage(tiers.tiers, words, {"freshetd": tiers.pids})
            return
        yield Stage(tiers.tiers, [*kafka_words(topic), *words],
                    {"freshetd": tiers.pids, "Kafka": kafka_pids(place)},
                    positions=True)


@contextlib.contextmanager
def notified(place, ttl, start, name, tuned):
    """Knot, and a server that it sends NOTIFY to."""
    with contextlib.ExitStack() as stack:
        port = process.free_port()
        primary = peers.Primary(ZONE, place.names, ttl, port, tuned)
        stack.callback(primary.stop)
        server = start(ZONE, primary.address[1], tuned, port)
        stack.callback(server.stop)
        words = [f"--primary={freshet.address_text(primary.address)}", "--authority-port=0"]
        if tuned:
            words.append(f"--notify={freshet.address_text(server.address)}")
        yield Stage({name: server.address}, words,
                    {name: [server.pid], "Knot": [primary.pid]}, primary=primary,
                    whole=name != "Recursor")


# --- changes that somebody else makes, and that the origin brings to the topic


class Asked:
    """Of an origin with the zone, what its tiers asked it."""

    def __init__(self, source):
        self._source = source

    def operations(self):
        return {"query": self._source.status()["asked"]}


def follow(place, stack, topic, authority):
    """The tiers, live, with `authority` to ask."""
    tiers = hierarchy.Hierarchy(place.file, topic, authority[1])
    stack.callback(tiers.close)
    tiers.wait_live()
    return tiers


def knot_primary(place, ttl, port):
    return peers.Primary(ZONE, place.names, ttl, port, tuned=True)


def bind_primary(place, ttl, port):
    """With what docs/origin.md says of it; sends NOTIFY itself, at once."""
    more = "\n".join(f"{name} {ttl} A {address}" for name, address in peers.first_versions(place.names))
    return primaries.Bind(ZONE, ("127.0.0.1", port), more=more)


@contextlib.contextmanager
def captured(place, ttl, start):
    """A primary that the probe changes by UPDATE, the origin that captures it, and the tiers."""
    with contextlib.ExitStack() as stack:
        topic, snapshots = place.cluster.topic(), place.cluster.topic()
        for one in (topic, snapshots):
            stack.callback(one.delete)
        port = process.free_port()
        primary = start(place, ttl, port)
        stack.callback(primary.stop)
        source = origin.Origin(origin.config(topic, {ZONE: [primary]}, snapshots, listen=[f"127.0.0.1:{port}"]), log="info")
        stack.callback(source.close)
        process.eventually(lambda: source.zone(ZONE)["versions"] > 0, within=20, what="the zone is in the log")
        tiers = follow(place, stack, topic, primary.address)
        knows = hasattr(primary, "operations")
        words = [f"--primary={freshet.address_text(primary.address)}", "--authority-port=0",
                 *([f"--notify=127.0.0.1:{port}"] if knows else [])]
        yield Stage(tiers.tiers, words, {"freshetd": tiers.pids, "freshet-origin": [source.pid],
                                         "primary": [primary.pid], "Kafka": kafka_pids(place)},
                    primary=primary if knows else None)


def zone_records(names, ttl):
    return [changes.set_(ZONE, "NS", ttl, f"ns1.{ZONE}"), changes.set_(f"ns1.{ZONE}", "A", ttl, "127.0.0.1"),
            *[changes.set_(f"{name}.{ZONE}", "A", ttl, address) for name, address in peers.first_versions(names)],
            changes.set_(ZONE, "SOA", ttl, f"ns1.{ZONE} hostmaster.{ZONE} 1 3600 900 604800 60")]


@contextlib.contextmanager
def updated(place, ttl):
    """A zone whose primary is the log; and a topic that nobody else reads, for what Kafka takes by itself."""
    with contextlib.ExitStack() as stack:
        topic, plain = place.cluster.topic(), place.cluster.topic()
        for one in (topic, plain):
            stack.callback(one.delete)
        topic.publish(ZONE, zone_records(place.names, ttl))
        zone = {"log": "primary", "update_from": ["127.0.0.1"]}
        source = origin.Origin(origin.config(topic, {ZONE: zone}), log="info")
        stack.callback(source.close)
        process.eventually(lambda: source.status()["primary_ready"] == 1, within=20, what="the origin has the zone")
        tiers = follow(place, stack, topic, source.address)
        yield Stage(tiers.tiers, [*kafka_words(plain), f"--primary={freshet.address_text(source.address)}", "--authority-port=0"],
                    {"freshetd": tiers.pids, "freshet-origin": [source.pid], "Kafka": kafka_pids(place)},
                    primary=Asked(source))


@contextlib.contextmanager
def scripted(place, _ttl, tuned):
    with contextlib.ExitStack() as stack:
        topic = place.cluster.topic()
        stack.callback(topic.delete)
        port = process.free_port()
        server = peers.unbound(ZONE, port, tuned)
        stack.callback(server.stop)
        config = os.path.join(server.directory, "unbound.conf")
        script = peers.Bridge(topic, "--unbound", server.control_path, "--flush", "name",
                              *([] if tuned else ["--program", config]))
        stack.callback(script.stop)
        yield Stage({"Unbound": server.address},
                    [*kafka_words(topic), f"--authority-port={port}"],
                    {"Unbound": [server.pid], "script": [script.pid],
                     "Kafka": kafka_pids(place)})


def tuned_recursor(zone, upstream, tuned, port):
    return peers.recursor(zone, upstream, peers.RECURSOR_TUNED if tuned else "", port)


def pair(key, title, family, about, set_up):
    """At its defaults, and tuned."""
    return [Mode(key, f"{title}, defaults", family, about + " Packages' defaults.",
                 lambda place, ttl: set_up(place, ttl, False), seconds=12),
            Mode(f"{key}-tuned", f"{title}, tuned", family, f"{about} Tuned: {peers.TUNED[key]}.",
                 lambda place, ttl: set_up(place, ttl, True), seconds=12, tuned=True)]


def by_ttl(ttl, **options):
    return Mode(f"ttl-{ttl}", f"TTL {ttl} s", "TTL",
                f"The same freshet tiers without a feed: plain caches. Records have TTL {ttl} s.",
                lambda place, t: freshet_tiers(place, t, feed=False), ttl=ttl, **options)


MODES = [
    Mode("push", "freshet, one process", "freshet",
         "All tiers of the hierarchy file in one freshetd, with one subscription. TTL 3600 s.",
         freshet_tiers, seconds=60, watched=150, settle=10000, rotate=True),
    Mode("push-split", "freshet, a process per tier", "freshet",
         "Each tier of the hierarchy file in a freshetd of its own, each following the topic.",
         lambda place, ttl: freshet_tiers(place, ttl, split=True), seconds=40,
         watched=150, settle=10000, rotate=True),
    Mode("update", "UPDATE to the log", "freshet-origin",
         "Changes go to freshet-origin as dynamic updates, for a zone whose primary is the log; the tiers of the hierarchy "
         "file in one freshetd follow the topic.", updated, seconds=30, watched=150, settle=6000, rotate=True),
    Mode("captured-bind", "captured from BIND", "freshet-origin",
         "Changes go to BIND as dynamic updates; freshet-origin is told by its NOTIFY, fetches them by IXFR and brings them to "
         "the topic. BIND: notify-delay 0, max-ixfr-ratio unlimited.",
         lambda place, ttl: captured(place, ttl, bind_primary), seconds=30, watched=150, settle=6000, rotate=True, price=False),
    Mode("captured-knot", "captured from Knot", "freshet-origin",
         "Changes go to Knot as dynamic updates; freshet-origin is told by NOTIFY, fetches them by IXFR and brings them to the "
         f"topic. {peers.PRIMARY_TUNED}.",
         lambda place, ttl: captured(place, ttl, knot_primary), seconds=30, watched=150, settle=6000, rotate=True),
    by_ttl(5, seconds=14, watched=20, horizon=8000, settle=6000, price_seconds=10),
    by_ttl(30, seconds=10, watched=10, horizon=35000, coarse=400000, price=False),
    *pair("unbound-auth", "Knot NOTIFY + IXFR to Unbound auth-zone", "Unbound auth-zone",
          "Changes go to Knot as dynamic updates; Unbound has the whole zone, told by NOTIFY.",
          lambda place, ttl, tuned: notified(place, ttl, functools.partial(peers.unbound, auth=True), "Unbound", tuned)),
    *pair("bind", "Knot NOTIFY + IXFR to BIND secondary", "BIND secondary",
          "Changes go to Knot as dynamic updates; BIND is a secondary, told by NOTIFY.",
          lambda place, ttl, tuned: notified(place, ttl, peers.secondary, "BIND", tuned)),
    *pair("recursor", "Knot NOTIFY wipes PowerDNS Recursor", "PowerDNS Recursor",
          "Changes go to Knot as dynamic updates; the Recursor forgets the zone at each NOTIFY.",
          lambda place, ttl, tuned: notified(place, ttl, tuned_recursor, "Recursor", tuned)),
    *pair("unbound-flush", "script flushes Unbound", "Unbound flush",
          "Changes go to the authority and the topic; a script tells Unbound to forget the name.",
          scripted),
]
BY_KEY = {mode.key: mode for mode in MODES}
