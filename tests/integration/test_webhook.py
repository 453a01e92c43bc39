"""external-dns' webhook protocol: zones whose primary is the log, as a provider."""

import http.client
import json

import pytest

import process
from test_update import ZONE, primary  # noqa: F401  pylint: disable=unused-import

TYPE = "application/external.dns.webhook+json;version=1"
PERMITS = ["deny webhook. name fixed.example.com. ANY", "grant webhook. subdomain example.com. A AAAA CNAME TXT"]


@pytest.fixture
def hook(primary):  # noqa: F811
    """An origin, and a function that asks it; returns status, Content-Type, and the JSON or text."""
    port = process.free_port()
    origin = primary(update=PERMITS, top={"webhook": f"127.0.0.1:{port}"})

    def ask(method, path, body=None, content_type=TYPE, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, raw, {"Accept": TYPE, **({"Content-Type": content_type} if raw else {}), **headers})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        kind = reply.getheader("Content-Type")
        assert (reply.getheader("Content-Length") is None) == (reply.status == 204)  # RFC 9110 8.6
        return reply.status, kind, json.loads(text) if kind == TYPE and text else text
    return origin, ask


def endpoint(name, rtype, *targets, ttl=60, **more):
    return {"dnsName": name, "recordType": rtype, "recordTTL": ttl, "targets": list(targets), **more}


def data(origin):
    return {(name, rtype, ttl, text) for name, rtype, ttl, text in origin.log_records() if rtype not in ("SOA", "NS")}


def test_the_protocol(hook):
    origin, ask = hook
    assert ask("GET", "/") == (200, TYPE, {"filters": ["example.com"], "include": ["example.com"]})
    assert ask("GET", "/healthz")[0] == 200
    status, kind, listed = ask("GET", "/records")
    assert (status, kind) == (200, TYPE)
    listed = {(one["dnsName"], one["recordType"]): (one["recordTTL"], sorted(one["targets"])) for one in listed}
    assert listed["www.example.com", "A"] == (300, ["192.0.2.1", "192.0.2.2"])
    assert listed["alias.example.com", "CNAME"] == (300, ["www.example.com"])
    assert listed["text.example.com", "TXT"] == (300, ['"one" "two"'])
    assert ("example.com", "SOA") not in listed
    wish = [endpoint("new.example.com", "A", "192.0.2.77", labels={"owner": "me"})]
    assert ask("POST", "/adjustendpoints", wish) == (200, TYPE, wish)
    more = [{**wish[0], "setIdentifier": "eu", "providerSpecific": [{"name": "weight", "value": "1"}]}, "odd"]
    assert ask("POST", "/adjustendpoints", more) == (200, TYPE, [wish[0], "odd"])


def test_changes_are_one_version(hook):
    """What goes makes room for what comes; the answer comes when the log has it, and whoever asks then sees it."""
    origin, ask = hook
    before = data(origin)
    assert ask("POST", "/records", {
        "create": [endpoint("new.example.com", "A", "192.0.2.7", "192.0.2.8"), endpoint("to.example.com", "CNAME", "www.example.com"),
                   endpoint("a-new.example.com", "TXT", '"heritage=external-dns,external-dns/owner=default"', ttl=0),
                   endpoint("plain.example.com", "TXT", 'v=1; "x" \\ y')],
        "updateOld": [endpoint("www.example.com", "A", "192.0.2.1", "192.0.2.2")],
        "updateNew": [endpoint("www.example.com", "A", "192.0.2.9")],
        "delete": [endpoint("alias.example.com", "CNAME", "www.example.com"), endpoint("text.example.com", "TXT", "one two")],
    })[:2] == (204, TYPE)
    assert origin.serial() == 2
    after = data(origin)
    assert after - before == {
        ("new.example.com.", "A", 60, "192.0.2.7"), ("new.example.com.", "A", 60, "192.0.2.8"),
        ("to.example.com.", "CNAME", 60, "www.example.com."), ("www.example.com.", "A", 60, "192.0.2.9"),
        ("a-new.example.com.", "TXT", 300, '"heritage=external-dns,external-dns/owner=default"'),
        ("plain.example.com.", "TXT", 60, '"v=1; \\"x\\" \\\\ y"')}
    assert {name for name, *_ in before - after} == {"www.example.com.", "alias.example.com.", "text.example.com."}
    listed = {one["dnsName"]: one["targets"] for one in ask("GET", "/records")[2]}
    assert sorted(listed["new.example.com"]) == ["192.0.2.7", "192.0.2.8"] and "alias.example.com" not in listed
    assert ask("POST", "/records", {"create": None})[0] == 204 and origin.serial() == 2


def test_more_than_an_update_holds(hook):
    origin, ask = hook
    names = [f"many{n}.{'x' * 40}.example.com" for n in range(3000)]
    assert ask("POST", "/records", {"create": [endpoint(name, "A", "192.0.2.1") for name in names]})[0] == 204
    there = {name for name, *_ in data(origin)}
    assert all(f"{name}." in there for name in names)
    assert ask("POST", "/records", {"delete": [endpoint(name, "A", "192.0.2.1") for name in names]})[0] == 204
    assert not [name for name, *_ in data(origin) if name.startswith("many")]


GOOD = {"create": [endpoint("x.example.com", "A", "192.0.2.1")]}
REFUSED = {
    "a path that is none": (("GET", "/other"), 404, "/other"),
    "a method that is none": (("DELETE", "/records"), 405, "DELETE"),
    "a type of browsers": (("POST", "/records", GOOD, "text/plain"), 415, "expected"),
    "no JSON": (("POST", "/records", b"{"), 400, ""),
    "another shape": (("POST", "/records", []), 400, "not what"),
    "endpoints in another shape": (("POST", "/adjustendpoints", {}), 400, "not what"),
    "another zone": (("POST", "/records", {"create": [endpoint("x.example.net", "A", "192.0.2.1")]}), 500, "no zone"),
    "no name": (("POST", "/records", {"create": [{"recordType": "A", "targets": ["192.0.2.1"]}]}), 500, "no name"),
    "no type": (("POST", "/records", {"create": [endpoint("x.example.com", "NOPE", "x")]}), 500, "no type"),
    "a question's type": (("POST", "/records", {"create": [endpoint("x.example.com", "AXFR", "x")]}), 500, "no type"),
    "a target of another type": (("POST", "/records", {"create": [endpoint("x.example.com", "A", "2001:db8::1")]}), 500, "target"),
    "no targets": (("POST", "/records", {"create": [endpoint("x.example.com", "A")]}), 500, "no targets"),
    "no TTL": (("POST", "/records", {"create": [endpoint("x.example.com", "A", "192.0.2.1", ttl=-1)]}), 500, "recordTTL"),
    "a routing policy": (("POST", "/records", {"create": [endpoint("x.example.com", "A", "192.0.2.1", setIdentifier="eu")]}), 500, "setIdentifier"),
    "halves of a change": (("POST", "/records", {"updateOld": [endpoint("www.example.com", "A", "192.0.2.1")]}), 500, "length"),
    "what the policy denies": (("POST", "/records", {"create": [endpoint("fixed.example.com", "A", "192.0.2.1")]}), 500, "RCODE 5"),
    "a type that nothing grants": (("POST", "/records", {"create": [endpoint("x.example.com", "MX", "10 mail.example.com")]}), 500, "RCODE 5"),
    "the good and the bad": (("POST", "/records", {"create": GOOD["create"] + [endpoint("y.example.com", "A", "no")]}), 500, "target"),
}


def test_what_is_refused(hook):
    """Each says why, is counted, and changes nothing, not even in part."""
    origin, ask = hook
    for number, (what, (request, status, why)) in enumerate(REFUSED.items(), 1):
        got, _, text = ask(*request)
        assert got == status and why in text, (what, got, text)
        assert origin.status()["webhook_refused"] == number, what
    assert ask("POST", "/records", None, **{"Content-Length": str(8 << 20 | 1)})[0] == 413
    assert ask("POST", "/records", None, **{"Transfer-Encoding": "chunked"})[0] == 411
    assert ask("POST", "/records", None, **{"Content-Length": "-1"})[0] == 400
    assert origin.serial() == 1
    assert ask("POST", "/records", GOOD)[0] == 204
    origin.wait_log("a webhook request is refused")


def test_kafka_is_away(hook, broker):
    origin, ask = hook
    broker.halt()
    status, _, text = ask("POST", "/records", GOOD)
    assert status == 500 and "in time" in text
    broker.start()
    process.eventually(lambda: ask("POST", "/records", GOOD)[0] == 204, within=30)
    assert ("x.example.com.", "A", 60, "192.0.2.1") in data(origin)


def test_not_for_others(primary):  # noqa: F811
    """Only of loopback; only zones in which it may change something."""
    with pytest.raises(process.NotReady, match="webhook: \"?0.0.0.0:8888\"? is not of loopback"):
        primary(import_zone=False, top={"webhook": "0.0.0.0:8888"})
