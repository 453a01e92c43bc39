"""Change sets, version 1, as the tests write them: sharing nothing with the C code."""

import datetime
import json
import time
import uuid

# A SET takes the place of what was fetched before it was made, by a clock of milliseconds: tests that ask,
# change and look at once wait this long (seconds) before the change.
LATER = 0.003


def set_(name, rtype, ttl, *rdata):
    return {"op": "SET", "name": name, "type": rtype, "ttl": ttl, "rdata": list(rdata)}


def add(name, rtype, ttl, *rdata):
    return {"op": "ADD", "name": name, "type": rtype, "ttl": ttl, "rdata": list(rdata)}


def delete(name, rtype=None, *rdata):
    """A record, an RRset, or a name: as much as is named."""
    change = {"op": "DEL", "name": name}
    if rtype:
        change["type"] = rtype
    if rdata:
        change["rdata"] = list(rdata)
    return change


def flush(name, subtree=False):
    return {"op": "FLUSH", "name": name, **({"subtree": True} if subtree else {})}


def _now():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def change_set(zone, changes, serial=1, **fields):
    """The message's dict. `fields` replace or add top-level ones; one given as None is left out.
    There is no "seq" unless given: a cache takes sets with the same one for the same set."""
    time.sleep(LATER)
    message = {"v": 1, "zone": zone, "serial": serial, "time": _now(), "publisher": "tests",
               "changes": changes}
    message.update(fields)
    return {key: value for key, value in message.items() if value is not None}


def encode(message):
    return json.dumps(message).encode()


def headers(source="tests"):
    """CloudEvents binary mode, as list of (name, bytes)."""
    return [("ce_specversion", b"1.0"), ("ce_id", str(uuid.uuid4()).encode()),
            ("ce_source", source.encode()), ("ce_type", b"dns.changeset.v1"),
            ("ce_time", _now().encode()), ("content-type", b"application/json")]
