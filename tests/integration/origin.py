"""freshet-origin as a test runs it, and what a zone is by the log: read and made again, sharing nothing with the C code."""

import hashlib
import json

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.xfr
import dns.zone

import freshet
import process


class Origin(freshet.Freshetd):
    """One freshet-origin; `config` as Freshetd's, with `listen` filled in where it is missing."""

    PROGRAM = "freshet-origin"

    def _fill_dict(self, config):
        config = json.loads(json.dumps(config))
        config.setdefault("log", self._log_level)
        config.setdefault("control", self.control_path)
        config.setdefault("metrics", freshet.address_text(self.metrics_address))
        config.setdefault("listen", [freshet.address_text(self._default_listen)])
        return json.dumps(config, indent=2)

    def start(self):
        argv = [freshet.program(self.PROGRAM), "-c", self._config_path, *self._arguments]
        seen = len(self.log)
        self._process = process.Process(self.PROGRAM, argv, self.directory, freshet.environment())
        self._stopped = False
        self._process.wait_ready(lambda: "msg=ready" in self.log[seen:], freshet.READY_WITHIN)

    def zone(self, name):
        """What it says of a zone."""
        return next(zone for zone in self.status()["zone_list"] if zone["name"] == name)

    def wait_serial(self, name, serial, within=10.0):
        """Until the log has this version of a zone."""
        def there():
            zone = self.zone(name)
            return zone["serial"] == serial and zone["state"] == "idle"
        process.eventually(there, within, what=f"{name} is at {serial}")

    def captured(self, after=0):
        return self.control({"cmd": "captured", "after": after})


def config(topic, zones, snapshots=None, rdkafka=(), **options):
    """`zones`: name -> primaries, or a dict of options. `snapshots`: a topic; None: one that is not there."""
    section = {"brokers": topic.bootstrap, "updates": topic.name,
               "snapshots": snapshots.name if snapshots else "no.snapshots"}
    if topic.consumer_properties or rdkafka:
        section["rdkafka"] = [*(topic.consumer_properties or ()), *rdkafka]
    listed = []
    for name, zone in zones.items():
        if not isinstance(zone, dict):
            zone = {"primary": [freshet.address_text(primary.address) for primary in zone]}
        listed.append({"name": name, **zone})
    return {"feed": section, "zones": listed, **options}


# --- zones as sets of (owner, type, TTL, RDATA)


def transfer(primary, zone, keyring=None, keyname=None):
    """A primary's AXFR."""
    made = dns.zone.Zone(dns.name.from_text(zone), relativize=False)
    query = dns.xfr.make_query(made, serial=None, keyring=keyring, keyname=keyname)[0]
    dns.query.inbound_xfr(primary.address[0], made, query=query, port=primary.address[1], timeout=10)
    return {(str(name).lower(), dns.rdatatype.to_text(rdataset.rdtype), rdataset.ttl, rdata.to_text())
            for name, rdataset in made.iterate_rdatasets() for rdata in rdataset}


def zone_at(daemon, wanted):
    """What a daemon with the streamed zone, authoritative, answers for each RRset of `wanted`, once it has that serial;
    None: it says that it has not as many records."""
    def status():
        return daemon.status()["streamed"][0]
    (serial,) = [int(text.split()[2]) for _, rtype, _, text in wanted if rtype == "SOA"]
    process.eventually(lambda: status()["serial"] == serial, within=20, what=f"the streamed zone is at {serial}")
    if status()["records"] != len(wanted):
        return None
    found = set()
    for name, rtype in {(name, rtype) for name, rtype, *_ in wanted}:
        query = dns.message.make_query(name, rtype, flags=0)
        for rrset in dns.query.tcp(query, daemon.address[0], port=daemon.address[1], timeout=5).answer:
            found |= {(str(rrset.name).lower(), rtype, rrset.ttl, rdata.to_text()) for rdata in rrset}
    return found


def _rdata(rtype, text):
    """RDATA in one spelling."""
    return dns.rdata.from_text("IN", rtype, text, relativize=False).to_text()


def _of_rrset(rrset, name, rtype):
    return rrset[0] == name and (rtype is None or rrset[1] == rtype)


def apply(state, change):
    """One change of a change set, exactly as it says, to a dict (owner, type) -> (ttl, set of RDATA)."""
    name, rtype = change["name"], change.get("type")
    rdata = {_rdata(rtype, text) for text in change.get("rdata", [])}
    if change["op"] == "SET":
        state[name, rtype] = (change["ttl"], rdata)
    elif change["op"] == "ADD":
        state[name, rtype] = (change["ttl"], state.get((name, rtype), (0, set()))[1] | rdata)
    elif change["op"] == "DEL" and rdata:
        ttl, old = state.pop((name, rtype), (0, set()))
        if old - rdata:
            state[name, rtype] = (ttl, old - rdata)
    elif change["op"] == "DEL":
        for key in [key for key in state if _of_rrset(key, name, rtype)]:
            del state[key]


def replay(messages):
    """What a zone is after its change sets: a set as transfer() makes it."""
    state = {}
    for message in messages:
        for change in message["changes"]:
            apply(state, change)
    return {(name, rtype, ttl, text) for (name, rtype), (ttl, rdata) in state.items() for text in rdata}


def digest(records):
    lines = sorted(" ".join(map(str, record)) for record in records)
    return hashlib.sha384("\n".join(lines).encode()).hexdigest()


def log_of(topic, zone):
    """All change sets of a zone in the topic, in order."""
    return log_of_from(topic, zone, dict.fromkeys(topic.end_offsets(), 0))


def log_of_from(topic, zone, start):
    """Those from an offset on, by partition."""
    count = sum(end - start[partition] for partition, end in topic.end_offsets().items())
    messages = topic.read(count, start) if count else []
    ours = [message for message in messages if message.key and message.key.decode() == zone]
    return [json.loads(message.value) for message in sorted(ours, key=lambda m: m.offset)]
